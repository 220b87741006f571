//! The clients: unmodified SDKs in programs of a few lines, which all speak alike with a test.
//!
//! Each makes one client and says `ready`; then, for each line of its input, it makes a signed call and says who it is to
//! AWS, or the error. One that is not installed is skipped by its name.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::javascript;
use crate::harness::skip;

/// A client.
pub(super) struct Client {
    /// What it is called in the tables.
    pub(super) name: &'static str,
    /// Which version of it is run.
    pub(super) version: fn() -> String,
    /// The command that runs it, or what has to be done first.
    command: fn() -> Result<Vec<String>, String>,
}

pub(super) const CLI_1: Client = Client { name: "AWS CLI 1", version: || python("awscli"), command: || cli("aws") };
pub(super) const CLI_2: Client = Client { name: "AWS CLI 2", version: || DEBIANS_CLI.to_owned(), command: cli_2 };
pub(super) const BOTO3: Client = Client { name: "boto3", version: || python("boto3"), command: boto3 };
pub(super) const JS_3: Client = Client {
    name: "AWS SDK for JavaScript 3",
    version: || script("@aws-sdk/client-sts"),
    command: || javascript("sdk_v3.cjs"),
};
pub(super) const JS_2: Client =
    Client { name: "AWS SDK for JavaScript 2", version: || script("aws-sdk"), command: || javascript("sdk_v2.cjs") };
pub(super) const RUST: Client = Client {
    name: "AWS SDK for Rust",
    version: || after("rust/Cargo.toml", "aws-config = { version = \"=", "\""),
    command: || compiled("rust"),
};
pub(super) const GO: Client = Client {
    name: "AWS SDK for Go 2",
    version: || after("go/go.mod", "\tgithub.com/aws/aws-sdk-go-v2 v", "\n"),
    command: || compiled("go"),
};
pub(super) const JAVA: Client = Client {
    name: "AWS SDK for Java 2",
    version: || after("java/pom.xml", "<artifactId>sts</artifactId>\n      <version>", "<"),
    command: || compiled("java"),
};

/// All of them, as they are listed.
pub(super) const ALL: [Client; 8] = [CLI_1, CLI_2, BOTO3, JS_3, JS_2, RUST, GO, JAVA];

/// No registry has version 2 of the AWS CLI. Debian 12 does, and continuous integration runs there.
pub(super) const DEBIANS_CLI: &str = "2.9.19";

impl Client {
    /// The command that runs it. None where it is not installed; then that is said.
    pub(super) fn command(&self, test: &str) -> Option<Vec<String>> {
        (self.command)().map_err(|why| skip(test, &format!("{}: {why}", self.name))).ok()
    }
}

/// Those that are installed, with their commands.
pub(super) fn installed(test: &str) -> Vec<(Client, Vec<String>)> {
    ALL.into_iter().filter_map(|client| client.command(test).map(|command| (client, command))).collect()
}

/// The CLI is started anew for each line. Older ones know no variable for an endpoint.
fn cli(aws: &str) -> Result<Vec<String>, String> {
    const SCRIPT: &str = r#"set -f; echo ready; while read -r _; do
        said=$("$0" sts get-caller-identity --endpoint-url $AWS_ENDPOINT_URL_STS --query Arn --output text 2>&1)
        echo $said
    done"#;
    Ok(["sh", "-c", SCRIPT, aws].map(str::to_owned).to_vec())
}

/// Until August 2025 it wanted a slash at the end of the metadata endpoint, where others want none.
fn cli_2() -> Result<Vec<String>, String> {
    const SLASH: &str = r#"there=$AWS_EC2_METADATA_SERVICE_ENDPOINT
        test -z "$there" || AWS_EC2_METADATA_SERVICE_ENDPOINT=$there/
        exec "$@""#;
    let slash = ["sh", "-c", SLASH, "sh"].map(str::to_owned);
    Ok(slash.into_iter().chain(cli(&version_2()?)?).collect())
}

/// A version 2 of the AWS CLI, wherever it is on PATH.
fn version_2() -> Result<String, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_2 = |aws: &PathBuf| {
        let asked = Command::new(aws).arg("--version").output();
        asked.is_ok_and(|output| output.stdout.starts_with(b"aws-cli/2."))
    };
    let found = std::env::split_paths(&path).map(|directory| directory.join("aws")).find(is_2);
    found
        .map(|aws| aws.to_str().expect("UTF-8").to_owned())
        .ok_or("`make aws-cli-2` installs it as root on Debian".into())
}

fn boto3() -> Result<Vec<String>, String> {
    const SCRIPT: &str = "
import sys, boto3
print('ready')
sts = None
for _ in sys.stdin:
    try:
        sts = sts or boto3.client('sts')
        print(sts.get_caller_identity()['Arn'], 'in', sts.meta.region_name)
    except Exception as error:
        print(type(error).__name__, error)
";
    Ok(["python", "-u", "-c", SCRIPT].map(str::to_owned).to_vec())
}

fn javascript(script: &str) -> Result<Vec<String>, String> {
    let packages = javascript::installed().ok_or("`make node` installs it where there are node and npm")?;
    let place = format!("NODE_PATH={}", packages.display());
    Ok(vec!["env".into(), place, "node".into(), javascript::script(script)])
}

/// What `make go-client` and the like have built.
fn compiled(language: &str) -> Result<Vec<String>, String> {
    let made =
        std::env::var_os("SENTINEL_TEST_CLIENTS").map_or_else(|| in_the_sources("../../.clients"), PathBuf::from);
    let client = made.join(language).join("client");
    let is_whole = made.join(language).join("made-from").exists();
    let path = client.to_str().expect("UTF-8").to_owned();
    if is_whole { Ok(vec![path]) } else { Err(format!("`make {language}-client` builds it")) }
}

fn in_the_sources(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(path)
}

fn python(package: &str) -> String {
    after("requirements.txt", &format!("\n{package}=="), "\n")
}

fn script(package: &str) -> String {
    after("node/package.json", &format!("\"{package}\": \""), "\"")
}

/// What is in a file after `start` and before `end`.
fn after(file: &str, start: &str, end: &str) -> String {
    let text = std::fs::read_to_string(in_the_sources(file)).expect("a file of the sources");
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {file}"));
    rest.split_once(end).expect("its end").0.to_owned()
}
