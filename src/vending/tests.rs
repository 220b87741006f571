use std::path::PathBuf;

use jiff::Timestamp;

use super::*;
use crate::auth::Invoker;
use crate::broker::Lease;
use crate::log::decision::Options;
use crate::log::operator::Operator;
use crate::policy::{Mode, PolicySource};
use crate::source::Source;

/// Nobody waits, and no time passes.
struct Stopped;

impl Clock for Stopped {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

struct Nothing;

impl Source for Nothing {
    fn fetch(&self, _lease: &Lease) -> crate::error::Result<Credentials> {
        Err(Error::new("nothing is fetched here"))
    }

    fn identity(&self) -> crate::error::Result<Arc<Identity>> {
        Err(Error::new("nobody is known here"))
    }

    fn known_identity(&self) -> Option<Arc<Identity>> {
        None
    }
}

#[test]
fn a_flood_on_a_policy_that_cannot_be_read_does_not_fill_the_log() {
    let log = Scratch(std::env::temp_dir().join(format!("sentinel-vending-{}", std::process::id())));
    let clock: Arc<dyn Clock> = Arc::new(Stopped);
    let policy = PolicySource::file(PathBuf::from("/nonexistent/policy.json"), None, Arc::clone(&clock));
    let broker = Broker::new("prod".to_owned(), Mode::Server, Some(Arc::new(policy)), Arc::clone(&clock));
    let vault = Vault::new(Arc::new(Nothing), Arc::clone(&clock));
    let options = Options { file: Some(log.0.clone()), ..Options::default() };
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
    let record = DecisionLog::open(&options, Arc::clone(&clock), operator).expect("a log");
    let vendor = Vendor::new(broker, vault, record, clock);
    let refused = || {
        vendor
            .vend(Caller::invoker(Invoker), &Which::Own, Duration::ZERO, Duration::ZERO)
            .err()
            .expect("nothing is given")
    };
    for number in 0..200 {
        assert!(matches!(refused(), Refused::PolicyFailed(_)), "{number}");
    }
    for number in 0..100 {
        assert!(matches!(refused(), Refused::Limited(_)), "{number}");
    }
    let text = std::fs::read_to_string(&log.0).expect("the log");
    let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!((lines("the policy cannot be read"), lines("rate limit exceeded")), (200, 1));
}

/// A file that goes with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies in the temporary directory.
        let _left = std::fs::remove_file(&self.0);
    }
}
