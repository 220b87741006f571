//! What stays in memory while sentinel rests: after it has fetched credentials from a local stand-in for STS, and served
//! them once.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::fake_sts::Sts;
use crate::report::{Report, Wanted};
use crate::sandbox::Sandbox;
use crate::stats::Spread;
use crate::{Failure, roles};

const GOAL_MIB: f64 = 4.0;
/// Until threads that fetched have ended.
const REST: Duration = Duration::from_millis(300);

/// Measures one build of the program.
pub(crate) fn measure(
    sandbox: &Sandbox,
    program: &Path,
    build: &str,
    goals: bool,
    report: &mut Report,
) -> Result<(), Failure> {
    let sts = Sts::start();
    let keys = sts.user("alice");
    let mut command = sandbox.program(program);
    // The path of a login: a session is fetched from STS, over plain http on loopback.
    command.args(["exec", "--unix-socket", "--"]).arg(roles::own_path()).arg("hold");
    command.env("AWS_ENDPOINT_URL_STS", sts.url()).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", &keys.access_key_id).env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let said = roles::first_line(child.stdout.take())?;
    std::thread::sleep(REST);
    let broker = child.id();
    // The warden is the broker's only child.
    let children = fs::read_to_string(format!("/proc/{broker}/task/{broker}/children"))?;
    let warden: Option<u32> = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    let goal = if goals { Wanted::AtMost(GOAL_MIB, "MiB") } else { Wanted::Told("MiB") };
    row("broker", broker, build, goal, report);
    if let Some(warden) = warden {
        row("warden", warden, build, Wanted::Told("MiB"), report);
    }
    drop(child.stdin.take());
    let status = child.wait()?;
    if said != "served" || !status.success() {
        return Err(format!("the run that was to be measured said `{said}` and ended with {status}").into());
    }
    Ok(())
}

fn row(process: &str, pid: u32, build: &str, goal: Wanted, report: &mut Report) {
    // A process that refuses inspection shows its pages to root alone, and their sum to all.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = mib(&rollup, "Rss:").or_else(|| mib(&status, "VmRSS:"));
    let note = match (mib(&rollup, "Pss:"), mib(&rollup, "Private_Dirty:")) {
        (Some(pss), Some(dirty)) => format!("Pss {pss:.2} MiB, private dirty {dirty:.2}"),
        _ => "Pss is shown to root alone".to_owned(),
    };
    report.row(format!("{process} at rest, Rss ({build})"), resident.and_then(|mib| Spread::of([mib])), goal, note);
}

/// A line of /proc in kB, as MiB.
fn mib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
