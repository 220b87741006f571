//! The parts that serve from the library, without a program's start: this process is the root of the tree, the client a child.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sentinel::auth::{Authenticator, Binding, Naming, Roster, Selector, Served};
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

use crate::crowd::Crowd;
use crate::shape::{Reach, Shape};
use crate::{Failure, roles};

/// The part that serves one shape to one client, without a log.
pub(crate) fn run(shape: &str, crowd: &str, policy: &str, bare: [&str; 2]) -> Result<(), Failure> {
    let (shape, crowd) = (Shape::named(shape)?, Crowd::parse(crowd)?);
    let (listener, socket) = listener(shape)?;
    let address = listener.address();
    let (service, token) = service(shape, policy, address, DecisionLog::unlogged(), None)?;
    let _server = Server::start(listener, Arc::new(service))?;
    run_client((shape, crowd), (address, &socket, &token), bare)
}

/// A listener, and the path of its socket where it has one.
pub(crate) fn listener(shape: Shape) -> Result<(Listener, PathBuf), Failure> {
    let socket = PathBuf::from(roles::variable("TMPDIR")?).join("library");
    let listener = if shape.is_over_tcp() {
        Listener::loopback(0)?
    } else {
        Listener::Unix(Listening::bind(&socket, &SocketAccess::PRIVATE)?)
    };
    Ok((listener, socket))
}

/// The client, as a child of this process, told where it is served and with which token.
pub(crate) fn run_client(
    (shape, crowd): (Shape, Crowd),
    (address, socket, token): (Option<SocketAddr>, &Path, &str),
    bare: [&str; 2],
) -> Result<(), Failure> {
    let mut client = crowd.client().command(&roles::own_path());
    client.args(["client", shape.name(), &crowd.word()]).args(bare);
    let reach = match (address, shape.endpoint()) {
        (None, _) => Reach::Socket(socket.to_owned(), token.to_owned()),
        (Some(address), Endpoint::Ec2(_)) => Reach::Metadata(format!("http://{address}")),
        (Some(address), _) => Reach::Uri(format!("http://{address}/"), token.to_owned()),
    };
    reach.tell(&mut client);
    if client.status()?.success() { Ok(()) } else { Err("the client failed".into()) }
}

/// What sentinel puts together, with this process in the warden's place; `standing` is what is known of its session. And a
/// token for it.
pub(crate) fn service(
    shape: Shape,
    policy: &str,
    address: Option<SocketAddr>,
    log: DecisionLog,
    standing: Option<Arc<Standing>>,
) -> Result<(Service, String), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
    let desk = Desk::new(Arc::new(vendor(shape, policy, log, standing, &operator)?));
    let (authenticator, token) = authenticator(shape)?;
    let service = Service {
        authenticator: Arc::new(authenticator),
        desks: match shape.exec_option() {
            Some(_) => Desks::One(desk),
            None => Desks::by_profile(HashMap::from([(shape.profile().into(), desk)])),
        },
        endpoint: shape.endpoint(),
        hosts: address.map_or_else(Hosts::unix, Hosts::tcp),
        max_connections: 64,
        clock,
        operator,
        manager: Arc::default(),
    };
    Ok((service, token))
}

fn vendor(
    shape: Shape,
    policy: &str,
    log: DecisionLog,
    standing: Option<Arc<Standing>>,
    operator: &Arc<Operator>,
) -> Result<Vendor, Failure> {
    let env: Env = std::env::vars_os().collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolved = resolve(&Wanted { profile: Some(shape.profile()), region: None }, &env)?;
    let plan = Plan {
        duration: None,
        default_duration: std::time::Duration::from_secs(1800),
        no_session: false,
        served: true,
        judged: true,
        source_identity: SourceIdentityRule::Auto,
        session_policies: SessionPolicies::default(),
    };
    let chain = Chain::new(resolved, plan, &env, Arc::clone(&clock), Arc::clone(operator))?;
    let policy = Arc::new(PolicySource::file(policy.into(), None, Arc::clone(&clock)));
    let mut broker = Broker::new(shape.profile().to_owned(), Mode::Server, Some(policy), Arc::clone(&clock));
    if let Some(standing) = standing {
        broker = broker.believing(standing);
    }
    let vault = Vault::new(Arc::new(chain), Arc::clone(&clock));
    let binding = if shape.exec_option().is_some() { "tree" } else { "selector" };
    let recorded = Recorded { binding: Some(binding), ..Recorded::default() };
    Ok(Vendor::new(broker, vault, log, clock).recording(recorded))
}

/// Who is served: the tree below this process, or, as by `serve --allow-uid`, whoever runs it.
fn authenticator(shape: Shape) -> Result<(Authenticator, String), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let kernel = Kernel::probe()?;
    kernel.probe_tcp()?;
    let has_sessions = matches!(shape.endpoint(), Endpoint::Ec2(_));
    let of_tree = shape.exec_option().is_some();
    let authenticator = if of_tree {
        let root = Process::open(&kernel, own_pid().ok_or("this process has no pid")?);
        Authenticator::attested(kernel, Tree::under(root.map_err(|why| why.to_string())?))
    } else {
        let selector = Selector { uids: vec![effective_uid()], ..Selector::default() };
        let roster = Roster::new(vec![Served { selector, profile: shape.profile().into() }]);
        let wants_token = shape.is_over_tcp() && !has_sessions;
        Authenticator::selecting(Some(kernel), Naming::Process, Arc::new(roster), wants_token)
    };
    let binding = if of_tree { Binding::Tree } else { Binding::Uid };
    let (token, registered) = authenticator.registry().register(effective_uid(), binding)?;
    let token = token.expose_str().to_owned();
    let authenticator = match has_sessions {
        true => authenticator.with_sessions(of_tree.then_some(&registered), clock)?,
        false => authenticator,
    };
    Ok((authenticator, token))
}
