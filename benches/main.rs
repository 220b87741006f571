//! Speed and memory: what sentinel costs over the least that could be done, measured in one run.
//!
//! | file | subject |
//! |---|---|
//! | `server` | answers a second, with and without the decision log, against the bare `responder` |
//! | `library` | the parts that serve from the library |
//! | `floor` | the bare responder with the questions to the kernel that are promised for every request |
//! | `log` | what a line of the decision log costs |
//! | `start` | what is added to the start of a command |
//! | `gate` | what a session, limits and approvals add to an answer |
//! | `memory` | what stays in memory at rest, and with many connections |
//! | `attest` | naming the peer of a TCP connection |
//! | `store` | listing many session records |
//! | `policy` | an answer of a policy of a thousand rules |
//! | `timing` | whether a refusal's time tells anything about the token |
//!
//! `cargo bench --locked --bench bench -- [--write FILE] [SUBJECT...]`. A missed goal is shown and is no error.

mod attest;
mod client;
mod crowd;
#[path = "../tests/fake_sts/mod.rs"]
#[expect(dead_code, reason = "the tests' stand-in for STS does more than is needed here")]
mod fake_sts;
mod floor;
mod gate;
mod library;
mod log;
mod memory;
mod policy;
mod product;
mod report;
mod responder;
mod roles;
mod sandbox;
mod server;
mod shape;
mod start;
mod stats;
mod store;
mod target;
mod timing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use report::Report;
use sandbox::Sandbox;

/// Why a measurement could not be made.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A build of the program.
pub(crate) struct Build {
    pub(crate) program: PathBuf,
    pub(crate) name: &'static str,
    /// Whether what is promised is promised of it: of the static program, and without one of the other.
    pub(crate) goals: bool,
}

impl Build {
    /// A copy, as people run it: of what a linker has just written the pages lie in memory in the order in which it wrote them, and a
    /// start from there takes 0.4 ms longer.
    fn installed(sandbox: &Sandbox, program: &Path, name: &'static str, goals: bool) -> Result<Self, Failure> {
        let directory = sandbox.path("bin").join(name);
        std::fs::create_dir_all(&directory)?;
        let copy = directory.join("sentinel");
        std::fs::copy(program, &copy).map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self { program: copy, name, goals })
    }
}

/// The program as cargo built it for this run.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sentinel");
/// A policy file that changed less than 2 s ago is read again at every request.
const SETTLED: Duration = Duration::from_millis(2100);

fn main() -> ExitCode {
    let words: Result<Vec<String>, _> = std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let outcome = match words {
        Ok(words) => run(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        Err(word) => Err(format!("{} is not UTF-8", word.display()).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Failure> {
    match words {
        ["responder", socket] => responder::run(Path::new(socket)),
        ["client", shape, crowd, socket, port] => client::run(shape, crowd, [socket, port]),
        ["hold", shape, connections] => client::hold(shape, connections),
        ["hold-many", shape, processes, connections] => client::hold_many(shape, processes, connections),
        ["floor", shape, crowd, policy, socket, port] => floor::run(shape, crowd, policy, [socket, port]),
        ["library", shape, crowd, policy, socket, port] => library::run(shape, crowd, policy, [socket, port]),
        ["gate", crowd, policy, state] => gate::serve(crowd, policy, Path::new(state)),
        ["compare", crowd, one, its_token, other, others_token] => {
            client::compare(crowd, [one, its_token], [other, others_token])
        }
        ["fetch", noop, program] => start::fetch(noop, program),
        ["descendant", port] => attest::descendant(port),
        // cargo says --bench when it means to measure, and nothing when it only tests that this runs.
        [subjects @ .., "--bench"] => bench(subjects),
        _ => Ok(()),
    }
}

fn bench(words: &[&str]) -> Result<(), Failure> {
    let (file, subjects) = match words {
        ["--write", file, subjects @ ..] => (Some(*file), subjects),
        subjects => (None, subjects),
    };
    let wanted = |subject: &str| subjects.is_empty() || subjects.contains(&subject);
    let mut report = Report::new();
    let sandbox = Sandbox::new()?;
    let fixed = fixed_program();
    let mut builds = vec![Build::installed(&sandbox, Path::new(PROGRAM), "dynamic", fixed.is_none())?];
    if let Some(program) = &fixed {
        builds.push(Build::installed(&sandbox, program, "static", true)?);
    }

    // First, while the copies are as they were made.
    if wanted("start") {
        report.heading("Added to the start of a program that does nothing");
        for build in &builds {
            start::measure(&sandbox, build, &mut report)?;
        }
    }
    if wanted("server") {
        std::thread::sleep(SETTLED);
        report.heading("Answers, as a share of the bare responder's speed");
        server::measure(&sandbox, &builds, &mut report)?;
    }
    if wanted("gate") {
        std::thread::sleep(SETTLED);
        report.heading("What the gate adds to an answer");
        gate::measure(&sandbox, &mut report)?;
    }
    if wanted("attest") {
        report.heading("Naming a TCP peer");
        attest::measure(&mut report)?;
    }
    if wanted("policy") {
        report.heading("Asking a policy");
        policy::measure(&mut report)?;
    }
    if wanted("log") {
        report.heading("A line of the decision log");
        log::measure(&sandbox.path("tmp"), &mut report)?;
    }
    if wanted("memory") {
        report.heading("Memory at rest, and with a thousand connections");
        for build in &builds {
            memory::measure(&sandbox, build, &mut report)?;
        }
    }
    if builds.len() < 2 {
        report.skipped("the static program", "run `make static` first, or name it in SENTINEL_STATIC");
    }
    if wanted("store") {
        report.heading("Listing session records");
        store::measure(&sandbox, &mut report)?;
    }
    if wanted("timing") {
        report.heading("Time of refusals: Welch's t of two classes of tokens");
        timing::measure(&mut report)?;
    }
    match file {
        Some(file) => std::fs::write(file, report.text())?,
        None => print!("{}", report.text()),
    }
    Ok(())
}

/// The static program: named by SENTINEL_STATIC, or where `make static` leaves it beside this build.
fn fixed_program() -> Option<PathBuf> {
    let named = std::env::var_os("SENTINEL_STATIC").map(PathBuf::from);
    let beside = || {
        let target = Path::new(PROGRAM).parent()?.parent()?;
        Some(target.join(format!("{}-unknown-linux-musl/release/sentinel", std::env::consts::ARCH)))
    };
    named.or_else(beside).filter(|path| path.is_file())
}
