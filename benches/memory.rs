//! What stays in memory while sentinel rests: after it has fetched credentials from a local stand-in for STS, and served
//! them once; and while a thousand connections rest, each of which was served once.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use sentinel::sys::process::descriptor_limit;

use crate::crowd::Crowd;
use crate::fake_sts::Sts;
use crate::product::Product;
use crate::report::{Report, Wanted};
use crate::sandbox::Sandbox;
use crate::shape::Shape;
use crate::stats::Spread;
use crate::{Build, Failure, roles};

const GOAL_MIB: f64 = 4.0;
const CROWD_GOAL_MIB: f64 = 24.0;
/// Connections, and the processes that hold as many each: one process may hold a quarter of all.
const CONNECTIONS: usize = 1000;
const HOLDERS: usize = 8;
/// Descriptors for so many: with fewer, fewer are served.
const DESCRIPTORS: usize = 15 * CONNECTIONS + 40;
/// Until threads that fetched have ended.
const REST: Duration = Duration::from_millis(300);

/// Measures one build of the program.
pub(crate) fn measure(sandbox: &Sandbox, build: &Build, report: &mut Report) -> Result<(), Failure> {
    let sts = Sts::start();
    at_rest(sandbox, build, &sts, report)?;
    for shape in [Shape::Unix, Shape::Tcp, Shape::ServeUnix, Shape::ServeTcp] {
        if build.goals {
            crowded(
                &Product {
                    sandbox,
                    program: &build.program,
                    shape,
                    crowd: Crowd::anywhere(1),
                    options: vec![
                        "--policy".into(),
                        sandbox.path(shape.policy()).into(),
                        "--max-connections".into(),
                        CONNECTIONS.to_string().into(),
                    ],
                    sts: &sts,
                },
                build,
                report,
            )?;
        }
    }
    Ok(())
}

fn at_rest(sandbox: &Sandbox, build: &Build, sts: &Sts, report: &mut Report) -> Result<(), Failure> {
    let Build { program, name: build, goals } = build;
    let keys = sts.user("alice");
    let mut command = sandbox.program(program);
    // The path of a login: a session is fetched from STS, over plain http on loopback.
    command.args(["exec", "--unix-socket", "--"]).arg(roles::own_path()).args(["hold", Shape::Unix.name(), "1"]);
    command.env("AWS_ENDPOINT_URL_STS", sts.url()).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", &keys.access_key_id).env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let said = roles::first_line(child.stdout.take())?;
    std::thread::sleep(REST);
    let broker = child.id();
    // The warden is the broker's only child.
    let children = fs::read_to_string(format!("/proc/{broker}/task/{broker}/children"))?;
    let warden: Option<u32> = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    let goal = if *goals { Wanted::AtMost(GOAL_MIB, "MiB") } else { Wanted::Told("MiB") };
    row(&format!("broker at rest, Rss ({build})"), broker, goal, report);
    if let Some(warden) = warden {
        row(&format!("warden at rest, Rss ({build})"), warden, Wanted::Told("MiB"), report);
    }
    drop(child.stdin.take());
    let status = child.wait()?;
    if said != "served" || !status.success() {
        return Err(format!("the run that was to be measured said `{said}` and ended with {status}").into());
    }
    Ok(())
}

fn crowded(product: &Product<'_>, build: &Build, report: &mut Report) -> Result<(), Failure> {
    let shape = product.shape.name();
    let what = format!("broker with {CONNECTIONS} idle connections, {shape}, Rss ({})", build.name);
    let descriptors = descriptor_limit()?;
    if descriptors < DESCRIPTORS {
        report.skipped(&what, &format!("it takes {DESCRIPTORS} descriptors, and {descriptors} are allowed"));
        return Ok(());
    }
    let each = CONNECTIONS / HOLDERS;
    let mut running = product.start(&["hold-many", shape, &HOLDERS.to_string(), &each.to_string()])?;
    if roles::first_line(running.child.stdout.take())? != "served" {
        return Err(format!("not all of {CONNECTIONS} connections were served: {shape}").into());
    }
    std::thread::sleep(REST);
    row(&what, running.broker(), Wanted::AtMost(CROWD_GOAL_MIB, "MiB"), report);
    running.end()
}

fn row(what: &str, pid: u32, goal: Wanted, report: &mut Report) {
    // A process that refuses inspection shows its pages to root alone, and their sum to all.
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = mib(&rollup, "Rss:").or_else(|| mib(&status, "VmRSS:"));
    let note = match (mib(&rollup, "Pss:"), mib(&rollup, "Private_Dirty:")) {
        (Some(pss), Some(dirty)) => format!("Pss {pss:.2} MiB, private dirty {dirty:.2}"),
        _ => "Pss is shown to root alone".to_owned(),
    };
    report.row(what.to_owned(), resident.and_then(|mib| Spread::of([mib])), goal, note);
}

/// A line of /proc in kB, as MiB.
fn mib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
