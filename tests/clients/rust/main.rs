//! The AWS SDK for Rust as its documentation has it: the default chain finds credentials and region.
//!
//! Makes one client and says `ready`; then one signed call for each line of the input, and a line for its outcome.

use aws_config::BehaviorVersion;
use aws_sdk_sts::error::DisplayErrorContext;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let sts = aws_sdk_sts::Client::new(&config);
    let region = config.region().map_or("nowhere", AsRef::as_ref);
    println!("ready");
    for _ in std::io::stdin().lines() {
        match sts.get_caller_identity().send().await {
            Ok(caller) => println!("{} in {region}", caller.arn().unwrap_or_default()),
            Err(error) => println!("{}", DisplayErrorContext(error).to_string().replace('\n', " ")),
        }
    }
}
