//! Requests a second, as a share of the bare responder's: with the policy evaluated at every request, without and with the
//! decision log's line before the answer.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sentinel::auth::{Authenticator, Binding};
use sentinel::broker::Broker;
use sentinel::broker::standing::Standing;
use sentinel::clock::{Clock, SystemClock};
use sentinel::env::Env;
use sentinel::http::hosts::Hosts;
use sentinel::log::decision::DecisionLog;
use sentinel::log::operator::Operator;
use sentinel::peer::{Kernel, Process, Tree};
use sentinel::policy::{Mode, PolicySource};
use sentinel::profile::{Wanted, resolve};
use sentinel::server::{Desk, Desks, Endpoint, Listener, Listening, Server, Service, SocketAccess};
use sentinel::source::plan::{Plan, SessionPolicies, SourceIdentityRule};
use sentinel::source::{Chain, Vault};
use sentinel::sys::process::own_pid;
use sentinel::sys::user::effective_uid;
use sentinel::vending::{Recorded, Vendor};

use crate::client::{Case, Round};
use crate::report::{Report, Wanted as Goal};
use crate::responder::Responder;
use crate::sandbox::Sandbox;
use crate::stats::Spread;
use crate::{Failure, roles};

/// One run of the client inside a tree: without the log from the library, with it from a build of the program.
struct Run<'a> {
    transport: &'static str,
    build: Option<&'a str>,
    /// Whether only the kernel was asked what has to be asked.
    floor: bool,
    rounds: Vec<Round>,
}

/// Measures all of it, for these builds of the program.
pub(crate) fn measure(sandbox: &Sandbox, builds: &[(&Path, &str)], report: &mut Report) -> Result<(), Failure> {
    let bare_socket = sandbox.path("tmp/bare");
    let responder = Responder::start(&bare_socket)?;
    let port = responder.port.to_string();
    let mut runs = Vec::new();
    for transport in ["unix", "tcp"] {
        for (role, floor) in [("floor", true), ("library", false)] {
            let mut server = sandbox.program(&roles::own_path());
            server.args([role, transport]).arg(sandbox.path("policy.json")).arg(&bare_socket).arg(&port);
            runs.push(Run { transport, build: None, floor, rounds: rounds(server)? });
        }
        for (program, build) in builds {
            let mut binary = sandbox.program(program);
            binary.args(["exec", "--profile", "dev", if transport == "unix" { "--unix-socket" } else { "--server" }]);
            binary.arg("--policy").arg(sandbox.path("policy.json")).arg("--");
            binary.arg(roles::own_path()).arg("client").arg(&bare_socket).arg(&port);
            runs.push(Run { transport, build: Some(build), floor: false, rounds: rounds(binary)? });
        }
    }
    for run in &runs {
        describe(run, report);
    }
    for run in runs.iter().filter(|run| run.build.is_some()) {
        for clients in [1, 8] {
            added(&runs, run, clients, report);
        }
    }
    Ok(())
}

fn rounds(mut command: Command) -> Result<Vec<Round>, Failure> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("a run of the client failed: {}", output.status).into());
    }
    String::from_utf8(output.stdout)?.lines().map(Round::parse).collect()
}

fn describe(run: &Run<'_>, report: &mut Report) {
    let log = match run.build {
        None if run.floor => "promised calls alone".to_owned(),
        None => "no log".to_owned(),
        Some(build) => format!("log line first ({build})"),
    };
    for (keep, clients) in [(true, 1), (true, 8), (false, 1), (false, 8)] {
        let case = Case { clients, keep };
        let goal = match (keep, run.build.is_some(), clients) {
            (false, _, _) => 0.7,
            (true, false, _) => 0.6,
            (true, true, 1) => 0.45,
            (true, true, _) => 0.3,
        };
        let name = if keep { "keep-alive" } else { "connection per request" };
        let rounds = || run.rounds.iter().filter(|round| round.case == case);
        let (bare, product) =
            (Spread::of(rounds().map(|round| round.bare_us)), Spread::of(rounds().map(|round| round.product_us)));
        let note = match (bare, product) {
            (Some(bare), Some(product)) => {
                format!("{:.1} us an answer, bare {:.1}", product.median, bare.median)
            }
            _ => String::new(),
        };
        report.row(
            format!("{}, {name}, {log}, {clients} client{}", run.transport, if clients == 1 { "" } else { "s" }),
            Spread::of(rounds().map(Round::ratio)),
            if run.floor { Goal::Told("of bare") } else { Goal::AtLeast(goal, "of bare") },
            note,
        );
    }
}

/// What the log's line adds to an answer, by way of the ratios: the two runs are not of the same moment.
fn added(runs: &[Run<'_>], logged: &Run<'_>, clients: u32, report: &mut Report) {
    let case = Case { clients, keep: true };
    let Some(unlogged) = runs.iter().find(|run| run.transport == logged.transport && run.build.is_none() && !run.floor)
    else {
        return;
    };
    let median = |run: &Run<'_>, value: fn(&Round) -> f64| {
        Spread::of(run.rounds.iter().filter(|round| round.case == case).map(value)).map(|spread| spread.median)
    };
    let share = |round: &Round| 1.0 / round.ratio();
    let (bare, with, without) =
        (median(unlogged, |round| round.bare_us), median(logged, share), median(unlogged, share));
    if let (Some(bare), Some(with), Some(without)) = (bare, with, without) {
        let what = format!(
            "{}, what the log line adds, clients: {clients} ({})",
            logged.transport,
            logged.build.unwrap_or_default()
        );
        report.row(what, Spread::of([bare * (with - without)]), Goal::Told("us"), String::new());
    }
}

/// The part that serves from the library: this process is the root of the tree, the client a child.
pub(crate) fn library(transport: &str, policy: &str, bare: [&str; 2]) -> Result<(), Failure> {
    let (listener, socket) = listener(transport)?;
    let address = listener.address();
    let log = DecisionLog::to("nowhere", std::io::sink());
    let (service, token) = service(policy, address, log, None)?;
    let _server = Server::start(listener, Arc::new(service))?;
    run_client(address, &socket, &token, bare)
}

/// A listener, and the path of its socket where it has one.
pub(crate) fn listener(transport: &str) -> Result<(Listener, PathBuf), Failure> {
    let socket = PathBuf::from(roles::variable("TMPDIR")?).join("library");
    let listener = match transport {
        "unix" => Listener::Unix(Listening::bind(&socket, &SocketAccess::PRIVATE)?),
        _ => Listener::loopback(0)?,
    };
    Ok((listener, socket))
}

/// The client, as a child of this process.
pub(crate) fn run_client(
    address: Option<SocketAddr>,
    socket: &Path,
    token: &str,
    bare: [&str; 2],
) -> Result<(), Failure> {
    let mut client = roles::command("client");
    client.args(bare);
    match address {
        None => client.env("SENTINEL_UNIX_SOCKET", socket).env("SENTINEL_AUTH_TOKEN", token),
        Some(address) => client
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/"))
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token),
    };
    if client.status()?.success() { Ok(()) } else { Err("the client failed".into()) }
}

/// What `sentinel exec` puts together, with this process in the warden's place; `standing` is what is known of its session.
pub(crate) fn service(
    policy: &str,
    address: Option<SocketAddr>,
    log: DecisionLog,
    standing: Option<Arc<Standing>>,
) -> Result<(Service, String), Failure> {
    let env: Env = std::env::vars_os().collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
    let resolved = resolve(&Wanted { profile: Some("dev"), region: None }, &env)?;
    let plan = Plan {
        duration: None,
        default_duration: std::time::Duration::from_secs(1800),
        no_session: false,
        served: true,
        judged: true,
        source_identity: SourceIdentityRule::Auto,
        session_policies: SessionPolicies::default(),
    };
    let chain = Chain::new(resolved, plan, &env, Arc::clone(&clock), Arc::clone(&operator))?;
    let policy = Arc::new(PolicySource::file(policy.into(), None, Arc::clone(&clock)));
    let mut broker = Broker::new("dev".to_owned(), Mode::Server, Some(policy), Arc::clone(&clock));
    if let Some(standing) = standing {
        broker = broker.believing(standing);
    }
    let vault = Vault::new(Arc::new(chain), Arc::clone(&clock));
    let vendor = Vendor::new(broker, vault, log, Arc::clone(&clock))
        .recording(Recorded { binding: Some("tree"), ..Recorded::default() });
    let kernel = Kernel::probe()?;
    kernel.probe_tcp()?;
    let root = Process::open(&kernel, own_pid().ok_or("this process has no pid")?).map_err(|why| why.to_string())?;
    let authenticator = Authenticator::attested(kernel, Tree::under(root));
    let (token, _registered) = authenticator.registry().register(effective_uid(), Binding::Tree)?;
    let service = Service {
        authenticator: Arc::new(authenticator),
        desks: Desks::One(Desk::new(Arc::new(vendor))),
        endpoint: Endpoint::Container,
        hosts: address.map_or_else(Hosts::unix, Hosts::tcp),
        max_connections: 64,
        clock,
        operator,
        manager: Arc::default(),
    };
    Ok((service, token.expose_str().to_owned()))
}
