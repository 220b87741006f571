//! What a session that is kept, and limits, add to a request that a policy lets through and the log writes down: two servers of the
//! library in one process, of which one keeps a session in a directory, asked in turns.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sentinel::broker::Broker;
use sentinel::broker::keeper::{self, Charge, Keeper, Start};
use sentinel::broker::standing::Standing;
use sentinel::clock::{Clock, SystemClock};
use sentinel::log::decision::{DecisionLog, Options};
use sentinel::log::operator::Operator;
use sentinel::policy::{Limits, Mode};
use sentinel::server::{Listener, Listening, Server, SocketAccess};
use sentinel::store::{Engine, Local};

use crate::client::{Case, Round};
use crate::crowd::Crowd;
use crate::report::{Report, Wanted};
use crate::sandbox::Sandbox;
use crate::shape::Shape;
use crate::stats::Spread;
use crate::{Failure, library, roles};

/// Counted at once, because one is too short for a clock.
const COUNTED: u32 = 10_000;
const ROUNDS: usize = 50;

/// Measures it.
pub(crate) fn measure(sandbox: &Sandbox, report: &mut Report) -> Result<(), Failure> {
    let mut rounds: Vec<Round> = Vec::new();
    for crowd in Crowd::each() {
        let mut command = sandbox.dressed(crowd.server().command(&roles::own_path()));
        command.args(["gate", &crowd.word()]).arg(sandbox.path("policy.json"));
        command.arg(sandbox.path(&format!("gate-{}", crowd.clients)));
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("the two servers failed: {}", output.status).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            rounds.push(Round::parse(line)?);
        }
    }
    for (keep, clients) in [(true, 1), (true, 8), (false, 1), (false, 8)] {
        let of_case = || rounds.iter().filter(|round| round.case == Case { clients, keep });
        let name = if keep { "keep-alive" } else { "connection per request" };
        let medians = (Spread::of(of_case().map(|r| r.product_us)), Spread::of(of_case().map(|r| r.bare_us)));
        let note = match medians {
            (Some(with), Some(without)) => {
                format!("{:.1} us an answer, without a session {:.1}", with.median, without.median)
            }
            _ => String::new(),
        };
        report.row(
            format!("a session that is kept, {name}, {clients} client{}", if clients == 1 { "" } else { "s" }),
            Spread::of(of_case().map(|round| 1.0 / round.ratio())),
            Wanted::AtMost(1.1, "of without"),
            note,
        );
    }
    count(report);
    Ok(())
}

/// What it takes to count one request, or one exchange, against a limit.
fn count(report: &mut Report) {
    let broker = Broker::new("dev".to_owned(), Mode::Server, None, Arc::new(SystemClock));
    let limits = Limits { exchanges_per_minute: u32::MAX, burst: u32::MAX, requests_per_second: u32::MAX };
    let samples = (0..ROUNDS).map(|_| {
        let began = SystemClock.boot();
        let counted = (0..COUNTED).filter(|_| broker.exchange(limits).is_ok()).count();
        let took = SystemClock.boot().saturating_sub(began);
        took.as_secs_f64() * 1e6 / f64::from(u32::try_from(counted.max(1)).unwrap_or(u32::MAX))
    });
    let samples: Vec<f64> = samples.collect();
    report.row("counting against a limit".to_owned(), Spread::of(samples), Wanted::AtMost(1.0, "us"), String::new());
}

/// The part that serves: this process is the root of the tree, the client a child. Neither server asks for less than the other but
/// the session.
pub(crate) fn serve(crowd: &str, policy: &str, state: &Path) -> Result<(), Failure> {
    let crowd = Crowd::parse(crowd)?;
    std::fs::DirBuilder::new().mode(0o700).create(state)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let standing = Arc::new(Standing::new(true, Arc::clone(&clock)));
    let ended = Arc::new(AtomicBool::new(false));
    let (directory, at_end) = (state.to_owned(), Arc::clone(&ended));
    let _keeper = Keeper::start(Charge {
        open: Box::new(move || Ok(Arc::new(Local::open(&directory)?) as Arc<dyn Engine>)),
        state_directory: state.to_owned(),
        standing: Arc::clone(&standing),
        policy: None,
        session: Some(Start {
            id: keeper::session_id()?,
            instance: "bench".to_owned(),
            device_id: None,
            user: Box::new(|| None),
            on_end: Box::new(move || at_end.store(true, Ordering::SeqCst)),
        }),
        must_record: true,
        profile: "dev".to_owned(),
        clock: Arc::clone(&clock),
        operator: Arc::new(Operator::stderr(clock, false)),
    })?;
    let mut client = crowd.client().command(&roles::own_path());
    client.args(["compare", &crowd.word()]);
    let mut servers = Vec::new();
    for (name, standing) in [("without", None), ("with", Some(standing))] {
        let socket = state.join(name);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = Options { file: Some(state.join(format!("{name}.jsonl"))), ..Options::default() };
        let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
        let log = DecisionLog::open(&options, clock, operator)?;
        let (service, token) = library::service(Shape::Unix, policy, None, log, standing)?;
        servers
            .push(Server::start(Listener::Unix(Listening::bind(&socket, &SocketAccess::PRIVATE)?), Arc::new(service))?);
        client.arg(&socket).arg(token);
    }
    let status = client.status()?;
    if !status.success() || ended.load(Ordering::SeqCst) {
        return Err("the client failed, or the session ended".into());
    }
    Ok(())
}
