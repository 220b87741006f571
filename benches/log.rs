//! What a line of the decision log costs: to put it together and chain it, with a MAC, and to bring it to a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sentinel::clock::{Clock, SystemClock};
use sentinel::log::decision::{Decision, DecisionLog, Options};
use sentinel::log::operator::Operator;
use sentinel::policy::{Effect, Mode};

use crate::Failure;
use crate::report::{Report, Wanted};
use crate::stats::Spread;

const ROUNDS: usize = 20;
const LINES: u32 = 500;

/// Measures lines as a server writes them, one thread alone.
pub(crate) fn measure(directory: &Path, report: &mut Report) -> Result<(), Failure> {
    let key = directory.join("log.key");
    std::fs::write(&key, [7; 32])?;
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let file = |name: &str, key: Option<PathBuf>| -> Result<DecisionLog, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = Options { file: Some(directory.join(name)), key, ..Options::default() };
        Ok(DecisionLog::open(&options, Arc::clone(&clock), Arc::new(Operator::stderr(clock, false)))?)
    };
    let logs = [
        ("chained, written nowhere", DecisionLog::to("nowhere", std::io::sink())),
        ("chained, into a file", file("chained.jsonl", None)?),
        ("chained and with a MAC, into a file", file("signed.jsonl", Some(key))?),
    ];
    for (what, log) in logs {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let began = SystemClock.boot();
            for _ in 0..LINES {
                log.record(&decision())?;
            }
            rounds.push(SystemClock.boot().saturating_sub(began).as_secs_f64() * 1e6 / f64::from(LINES));
        }
        report.row(format!("a line, {what}"), Spread::of(rounds), Wanted::Told("us"), String::new());
    }
    Ok(())
}

/// A decision of usual length.
fn decision() -> Decision<'static> {
    Decision {
        user: Some("alice"),
        request_id: Some("00000000deadbeef"),
        source_identity: Some("sentinel-alice-direct-deadbeef"),
        role_arn: Some("arn:aws:iam::123456789012:role/deploy"),
        session_duration_seconds: Some(1800),
        mode: Some(Mode::Server),
        endpoint: Some("127.0.0.1:40000"),
        binding: Some("tree"),
        account: Some("123456789012"),
        principal_id: Some("AIDAEXAMPLEEXAMPLE"),
        ..Decision::new(SystemClock.wall(), "deploy", Effect::Allow, "matched rule")
    }
}
