//! What sentinel adds to the start of a command, in milliseconds over starting that command alone. The command is a static
//! program that does nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sentinel::clock::{Clock, SystemClock};

use crate::report::{Report, Wanted};
use crate::sandbox::Sandbox;
use crate::stats::Spread;
use crate::{Build, Failure, roles};

/// Rounds of each pair; the first is not counted.
const ROUNDS: usize = 101;
/// The public authorities' certificates, where Debian has them.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Measures all of it for one build of the program.
pub(crate) fn measure(sandbox: &Sandbox, build: &Build, report: &mut Report) -> Result<(), Failure> {
    let Build { program, name: build, goals } = build;
    let noop = noop(sandbox)?;
    let goal = |limit_ms: f64| if *goals { Wanted::AtMost(limit_ms, "ms") } else { Wanted::Told("ms") };
    let alone = || quiet(sandbox.program(&noop));
    let exec = |options: &[&str]| {
        let mut command = sandbox.program(program);
        command.arg("exec").args(options).arg("--").arg(&noop);
        quiet(command)
    };
    let cases: [(&str, &[&str], Wanted); 3] = [
        ("exec, environment, static keys", &["--profile", "static", "--no-session"], goal(1.0)),
        ("exec --unix-socket --lazy", &["--profile", "dev", "--unix-socket", "--lazy"], goal(3.0)),
        ("exec --server --lazy", &["--profile", "dev", "--server", "--lazy"], Wanted::Told("ms")),
    ];
    for (name, options, wanted) in cases {
        let pairs = paired(alone, || exec(options))?;
        report.row(format!("{name} ({build})"), added(&pairs), wanted, note(&pairs));
    }
    // Of that, what the disk takes: a session's beginning and its end are there before the run is over.
    let disk = records(&sandbox.path("state"))?;
    report.row(
        format!("two records of 600 bytes, brought to the disk ({build})"),
        disk,
        Wanted::Told("ms"),
        String::new(),
    );
    // A start without a call to AWS does not read the certificates that such a call would trust.
    let bundled = || {
        let mut command = exec(&["--profile", "static", "--no-session"]);
        command.env("AWS_CA_BUNDLE", CA_BUNDLE);
        command
    };
    if Path::new(CA_BUNDLE).is_file() {
        let pairs = paired(alone, bundled)?;
        let name = format!("exec, environment, static keys, with a CA bundle ({build})");
        report.row(name, added(&pairs), goal(1.0), note(&pairs));
    } else {
        report.skipped("exec with a CA bundle", "there is no ca-certificates.crt");
    }
    let version = || {
        let mut command = sandbox.program(program);
        command.arg("--version");
        quiet(command)
    };
    let pairs = paired(alone, version)?;
    report.row(format!("sentinel --version ({build})"), added(&pairs), goal(1.0), note(&pairs));

    let mut inside = sandbox.program(program);
    inside.args(["exec", "--profile", "dev", "--unix-socket", "--"]).arg(roles::own_path()).arg("fetch");
    inside.arg(&noop).arg(program);
    let output = inside.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("the run inside the tree failed: {}", output.status).into());
    }
    let mut pairs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (left, right) = line.split_once(' ').ok_or("a line without two times")?;
        pairs.push((left.parse()?, right.parse()?));
    }
    report.row(format!("sentinel credentials in a tree ({build})"), added(&pairs), goal(1.5), note(&pairs));
    Ok(())
}

/// The part inside the tree: `sentinel credentials` against the program that does nothing.
pub(crate) fn fetch(noop: &str, program: &str) -> Result<(), Failure> {
    let credentials = || {
        let mut command = Command::new(program);
        command.arg("credentials");
        quiet(command)
    };
    for (alone_ms, with_ms) in paired(|| quiet(Command::new(noop)), credentials)? {
        println!("{alone_ms} {with_ms}");
    }
    Ok(())
}

/// Runs both in turns; milliseconds from before the start to after the end.
fn paired(left: impl Fn() -> Command, right: impl Fn() -> Command) -> Result<Vec<(f64, f64)>, Failure> {
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        let pair = if round % 2 == 0 {
            let first = timed(left())?;
            (first, timed(right())?)
        } else {
            let first = timed(right())?;
            (timed(left())?, first)
        };
        if round > 0 {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

/// Milliseconds until two small files are on the disk, one after the other.
fn records(directory: &Path) -> Result<Option<Spread>, Failure> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = SystemClock.boot();
        for name in ["first", "second"] {
            let mut file = File::create(directory.join(name))?;
            file.write_all(&[b' '; 600])?;
            file.sync_all()?;
        }
        times.push(SystemClock.boot().saturating_sub(began).as_secs_f64() * 1e3);
    }
    Ok(Spread::of(times))
}

fn timed(mut command: Command) -> Result<f64, Failure> {
    let began = SystemClock.boot();
    let status = command.status()?;
    let took = SystemClock.boot().saturating_sub(began);
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(took.as_secs_f64() * 1e3)
}

fn added(pairs: &[(f64, f64)]) -> Option<Spread> {
    Spread::of(pairs.iter().map(|(alone, with)| with - alone))
}

fn note(pairs: &[(f64, f64)]) -> String {
    match (Spread::of(pairs.iter().map(|pair| pair.0)), Spread::of(pairs.iter().map(|pair| pair.1))) {
        (Some(alone), Some(with)) => format!("{:.2} ms, alone {:.2}", with.median, alone.median),
        _ => String::new(),
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A static program that does nothing; where the C compiler cannot make one, /bin/true.
fn noop(sandbox: &Sandbox) -> Result<PathBuf, Failure> {
    let (source, program) = (sandbox.path("tmp/noop.c"), sandbox.path("tmp/noop"));
    std::fs::write(&source, "int main(void) { return 0; }\n")?;
    let compiled = Command::new("cc").args(["-static", "-O2", "-o"]).arg(&program).arg(&source).status();
    if compiled.is_ok_and(|status| status.success()) {
        return Ok(program);
    }
    eprintln!("no static C library: /bin/true stands for the program that does nothing");
    Ok("/bin/true".into())
}
