//! The server as a library, for what `exec` does not do on request: revoke a token in the middle, or move the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sentinel::auth::{Authenticator, Naming, Roster, Selector, Served as Entry};
use sentinel::broker::Broker;
use sentinel::clock::{Clock, SystemClock};
use sentinel::env::Env;
use sentinel::http::hosts::Hosts;
use sentinel::log::decision::{DecisionLog, Options};
use sentinel::log::operator::Operator;
use sentinel::peer::{Kernel, Process, Tree};
use sentinel::policy::Mode;
use sentinel::profile::{Wanted, resolve};
use sentinel::server::{Desk, Desks, Endpoint, Listener, Listening, Server, Service, SocketAccess};
use sentinel::source::plan::{Plan, SessionPolicies, SourceIdentityRule};
use sentinel::source::{Chain, Vault};
use sentinel::sys::process::own_pid;
use sentinel::sys::user::effective_uid;
use sentinel::vending::Vendor;

use super::Served;

/// A running server with its tokens. Dropping it ends it.
pub(crate) struct InProcess {
    pub(crate) authenticator: Arc<Authenticator>,
    _server: Server,
    pub(crate) socket: String,
}

/// Whom it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// What this process starts, as `exec` does.
    Tree,
    /// Whom an entry selects, as `serve` does.
    Selected,
}

impl InProcess {
    /// Serves the profile `base` to what this process starts. `connections` is the clock of the connections' deadlines.
    pub(crate) fn start(served: &Served, connections: impl Clock + 'static) -> Self {
        Self::build(served, Whom::Tree, Arc::new(SystemClock), Arc::new(connections))
    }

    /// The same for these, with this clock for everything.
    pub(crate) fn with_clock(served: &Served, whom: Whom, clock: Arc<dyn Clock>) -> Self {
        Self::build(served, whom, Arc::clone(&clock), clock)
    }

    fn build(served: &Served, whom: Whom, clock: Arc<dyn Clock>, connections: Arc<dyn Clock>) -> Self {
        let text = |path: &str| served.sandbox.path(path).to_str().expect("UTF-8").to_owned();
        let (home, socket, url) = (text("home"), text("run/s"), served.sts.url());
        let env = Env::from_iter([("HOME", home.as_str()), ("AWS_ENDPOINT_URL_STS", url.as_str())]);
        let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
        let resolved = resolve(&Wanted { profile: Some("base"), region: Some("us-east-1") }, &env).expect("a profile");
        let plan = Plan {
            duration: None,
            default_duration: Duration::from_secs(1800),
            no_session: false,
            served: true,
            judged: false,
            source_identity: SourceIdentityRule::Off,
            session_policies: SessionPolicies::default(),
        };
        let chain = Chain::new(resolved, plan, &env, Arc::clone(&clock), Arc::clone(&operator)).expect("a chain");
        let broker = Broker::new("base".to_owned(), Mode::Server, None, Arc::clone(&clock));
        let log = Options { file: Some(served.sandbox.path("state/log")), ..Options::default() };
        let log = DecisionLog::open(&log, Arc::clone(&clock), Arc::clone(&operator)).expect("a log");
        let vault = Vault::new(Arc::new(chain), Arc::clone(&clock));
        let kernel = Kernel::probe().expect("a kernel that names peers");
        let desk = Desk::new(Arc::new(Vendor::new(broker, vault, log, Arc::clone(&clock))));
        let (authenticator, desks) = match whom {
            Whom::Tree => {
                // This test's process stands for the warden: what it starts is the tree.
                let root = Process::open(&kernel, own_pid().expect("a pid")).expect("this process");
                (Authenticator::attested(kernel, Tree::under(root)), Desks::One(desk))
            }
            Whom::Selected => {
                let selector = Selector { uids: vec![effective_uid()], ..Selector::default() };
                let roster = Arc::new(Roster::new(vec![Entry { selector, profile: "base".into() }]));
                let authenticator = Authenticator::selecting(Some(kernel), Naming::Process, roster, false);
                (authenticator, Desks::by_profile(HashMap::from([("base".into(), desk)])))
            }
        };
        let authenticator = Arc::new(authenticator);
        let service = Service {
            authenticator: Arc::clone(&authenticator),
            desks,
            endpoint: Endpoint::Container,
            hosts: Hosts::unix(),
            max_connections: 8,
            clock: connections,
            operator,
            manager: Arc::default(),
        };
        let listening = Listening::bind(socket.as_ref(), &SocketAccess::PRIVATE).expect("a socket");
        Self {
            authenticator,
            _server: Server::start(Listener::Unix(listening), Arc::new(service)).expect("a server"),
            socket,
        }
    }
}
