//! `exec` with a server: the broker's side. Order matters and is the point of this file: the warden first, before anything
//! secret is read; credentials before the child starts; the end of serving before this process ends.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::exec::cannot_start;
use super::place::Place;
use super::prepare::{Prepared, Purpose, prepare};
use super::rotation::{self, Tokens};
use super::serving::{DEFAULT_DURATION, max_connections, refresh};
use super::settings::{self, Bind, Transport};
use super::wait::vend;
use crate::auth::{Authenticator, Binding, Watched};
use crate::broker::keeper::Keeper;
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::launch::config_file;
use crate::launch::directory::{Base, PrivateDirectory};
use crate::launch::environment::{child_environment, name_token_file};
use crate::log::operator::Operator;
use crate::peer::kernel::UNIX_SOCKET_INSTEAD;
use crate::peer::{Kernel, Process, Tree, Unattested};
use crate::policy::Mode;
use crate::server::{Desk, Desks, Endpoint, Listener, Server, Service};
use crate::sys::poll::wait_readable;
use crate::sys::signal::{Signal, Signals};
use crate::sys::user::effective_uid;
use crate::vending::Vendor;
use crate::warden::{PASSED_ON, Program, Report, Warden};

/// Signals that the terminal sends to the child as well.
const FROM_TERMINAL: [i32; 5] = [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Serves the child, and returns its exit status.
pub(super) fn serve(settings: &settings::Exec, server: &settings::Server, env: &Env) -> Result<u8> {
    let warden = Warden::fork()?;
    let purpose = Purpose {
        mode: Mode::Server,
        profile: None,
        deployment: Deployment::OF_A_RUN,
        served: true,
        attended: true,
        duration: server.duration,
        default_duration: DEFAULT_DURATION,
    };
    let Prepared { vendor, profile, clock, operator, coded, keeper, session_id, closer, stores } =
        prepare(&settings.common, env, &purpose)?;
    if server.duration_misplaced {
        operator.log("duration", "--duration has no effect on a server: give --server-duration");
    }
    let Bound { authenticator, binding, recorded } = bind_callers(&warden, server, &operator)?;
    // The start's own decision says so as well.
    let vendor = vendor.bound(recorded);
    let place = Place::of(&server.transport)?;
    let mut token_file = rotation::place(server.token_file.as_ref())?;
    // At once, because it does not keep: on the session that roles are assumed with, or else on the first credentials.
    let waits = server.lazy && !settings.wait;
    let spent = match &coded {
        Some(chain) if waits => chain.open_session()?,
        coded => coded.is_none(),
    };
    if !waits || !spent {
        vend(&vendor, settings.wait, stores.as_ref(), clock.as_ref())?;
    }
    // From here on there are files to clean up, so signals are taken and not died of.
    let mut signals = Signals::install(&[&PASSED_ON[..], &FROM_TERMINAL[..]].concat())
        .map_err(|error| Error::new("cannot handle signals").because(error))?;
    let directory = private_directory(env)?;
    let place = place.bind(&directory)?;
    let helper = matches!(place.listener, Listener::Unix(_)).then(|| directory.helper());
    directory.write_config(&config_file::text(helper.as_deref(), &profile.facts())?)?;
    let made = [directory.path(), &directory.config(), &directory.helper()].map(Watched::at);
    let made = made.into_iter().collect::<io::Result<Vec<_>>>();
    let authenticator = authenticator.watching(made.map_err(|error| {
        Error::new(format!("cannot look at what was made in {}", directory.path().display())).because(error)
    })?);
    let (token, registered) = authenticator
        .registry()
        .register(effective_uid(), binding)
        .map_err(|error| Error::new("cannot make a token").because(error))?;
    if let Some((file, _)) = &mut token_file {
        file.write(token.expose_str())?;
    }
    // The metadata endpoint's callers are never told the token: it stands for the tree.
    let authenticator = match server.endpoint {
        Endpoint::Ec2(_) => authenticator
            .with_sessions(Some(&registered), Arc::clone(&clock))
            .map_err(|error| Error::new("cannot make a key for session tokens").because(error))?,
        Endpoint::Container | Endpoint::Ecs => authenticator,
    };
    if let Some((id, policy)) = session_id.as_ref().zip(vendor.policy_name()) {
        let (profile, deployment) = (vendor.profile(), Deployment::OF_A_RUN);
        operator.log("start", &format!("session {id} of profile `{profile}`, {deployment}, by the policy {policy}"));
    }
    let reporter = Arc::clone(&operator);
    let vendor = Arc::new(vendor.serving(place.name()));
    let service = Service {
        authenticator: Arc::new(authenticator),
        desks: Desks::One(Desk::in_region(Arc::clone(&vendor), profile.facts().region.map(str::to_owned))),
        endpoint: server.endpoint,
        hosts: place.hosts(),
        max_connections: max_connections(server.max_connections),
        clock,
        operator,
        manager: Arc::default(),
    };
    let config_file = directory.config();
    let mode = place.child_mode(server.endpoint, token.expose_str(), &config_file);
    let mut environment = child_environment(env, &mode, &profile.facts());
    if let Some((file, _)) = &token_file {
        name_token_file(&mut environment, file.path());
    }
    if let Some(id) = &session_id {
        environment.set("SENTINEL_SESSION_ID", id.as_ref());
    }
    let program = Program {
        arguments: std::iter::once(&settings.program).chain(&settings.arguments).cloned().collect(),
        environment,
        wait_for_tree: server.wait_tree,
    };
    let tokens = Tokens::keep(&service.authenticator, registered, token_file, &service.clock, &reporter)?;
    let serving = Serving::start(place.listener, service, vendor, tokens)?;
    if let Some(server) = &serving.server {
        // It is set once.
        let _first = closer.set(server.closer(None));
    }
    warden.start(&program).map_err(lost)?;
    drop(program);
    let status = supervise(&warden, &mut signals, &settings.program, server.wait_tree);
    drop(serving);
    // Its last record takes the disk a while: what is left to be done here is done meanwhile.
    keeper.iter().for_each(Keeper::stop);
    if let Err(error) = directory.close() {
        // The child's status is worth more than this.
        reporter.log("clean-up", &error.line());
    }
    warden.close();
    drop(keeper);
    reporter.flush();
    status
}

/// How this run tells callers apart: decided once.
struct Bound {
    authenticator: Authenticator,
    binding: Binding,
    /// For the record.
    recorded: &'static str,
}

fn bind_callers(warden: &Warden, server: &settings::Server, operator: &Operator) -> Result<Bound> {
    let tcp = !matches!(server.transport, Transport::Unix(_));
    let kernel = match Kernel::probe() {
        Ok(kernel) if tcp => kernel.probe_tcp().map(|()| kernel)?,
        Ok(kernel) => kernel,
        Err(error) if tcp => return Err(error.hint(UNIX_SOCKET_INSTEAD)),
        Err(error) if server.allow_fallback => {
            operator.log("fallback", &format!("any process of your uid may use the token: {}", error.summary()));
            return Ok(Bound {
                authenticator: Authenticator::uid_only(),
                binding: Binding::Uid,
                recorded: "uid (fallback)",
            });
        }
        Err(error) => return Err(error),
    };
    operator.debug(&format!("peers are named by: {}", kernel.tier()));
    // It has not been waited for, so its number is there, and who does not find it is not shown it. That may come to light
    // when its directory is opened or, where it has only just refused inspection, when a file in there is read.
    let root = match Process::open(&kernel, warden.pid()) {
        Ok(root) if root.is_alive() => root,
        Ok(_) | Err(Unattested::Gone) => {
            return Err(Error::new("/proc hides the process that watches over the command").hint(
                "mount /proc without hidepid, or run on Linux 5.3 or later, where /proc is not needed for this",
            ));
        }
        Err(why) => {
            return Err(Error::new(format!("cannot hold the process that watches over the command: {why}")));
        }
    };
    let (binding, recorded) = match server.bind {
        Bind::Tree => (Binding::Tree, "tree"),
        Bind::Process => (Binding::FirstUse, "process"),
        Bind::Uid => (Binding::Uid, "uid"),
    };
    Ok(Bound { authenticator: Authenticator::attested(kernel, Tree::under(root)), binding, recorded })
}

fn private_directory(env: &Env) -> Result<PrivateDirectory> {
    let base = Base::choose(env, effective_uid())?;
    base.clean_stale();
    let executable =
        std::env::current_exe().map_err(|error| Error::new("cannot find the path of this program").because(error))?;
    PrivateDirectory::create(&base, &executable)
}

/// Everything that serves. Dropping it ends serving: the token first, so that no request is answered any more.
struct Serving {
    tokens: Option<Tokens>,
    vendor: Arc<Vendor>,
    server: Option<Server>,
    refresher: JoinHandle<()>,
}

impl Serving {
    fn start(listener: Listener, service: Service, vendor: Arc<Vendor>, tokens: Tokens) -> Result<Self> {
        let server = Server::start(listener, Arc::new(service))?;
        let refresher = refresh(&vendor)?;
        Ok(Self { tokens: Some(tokens), vendor, server: Some(server), refresher })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.tokens.take());
        drop(self.server.take());
        self.vendor.stop();
        self.refresher.thread().unpark();
        // Threads that hold it may outlive this process's last line.
        self.vendor.close_log();
    }
}

/// Passes signals on and waits for the child's end. Returns the exit status that a shell would give.
fn supervise(warden: &Warden, signals: &mut Signals, program: &OsStr, wait_for_tree: bool) -> Result<u8> {
    let mut child = Child::Starting;
    loop {
        // A wait that a signal has ended tells of neither.
        let [signalled, reported] = wait_readable([signals.as_fd(), warden.as_fd()], -1).map_err(lost)?;
        // First, because a signal that came after the child's start is the child's, also where there was no time to look before.
        if reported {
            match (warden.report().map_err(lost)?, child) {
                (Some(Report::Started), _) => child = Child::Running,
                (Some(Report::CannotStart(errno)), _) => {
                    return Err(cannot_start(program, &io::Error::from_raw_os_error(errno)));
                }
                (Some(Report::Exited(status)), _) => {
                    child = Child::Ended(u8::try_from(status).unwrap_or(u8::MAX));
                }
                (Some(Report::Killed(signal)), _) => child = Child::Ended(signal_status(signal)),
                (Some(Report::TreeEnded) | None, Child::Ended(status)) => return Ok(status),
                (Some(Report::TreeEnded) | None, Child::Starting | Child::Running) => {
                    return Err(lost(io::Error::other("it ended before the command did"))
                        .hint("no more credentials are served; the command itself may still run"));
                }
            }
            if let (Child::Ended(status), false) = (child, wait_for_tree) {
                return Ok(status);
            }
        }
        if !signalled {
            continue;
        }
        while let Some(signal) = signals.take() {
            match child {
                Child::Starting if ends(signal.number) => return Ok(signal_status(signal.number)),
                // Only what the child left behind is still served.
                Child::Ended(status) if ends(signal.number) => return Ok(status),
                _ => pass_on(warden, signal),
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Child {
    Starting,
    Running,
    Ended(u8),
}

/// What the terminal sent has reached the child already.
fn pass_on(warden: &Warden, signal: Signal) {
    if signal.sent_by_process || PASSED_ON.contains(&signal.number) {
        // A warden that is gone is noticed by its end of the pipe.
        let _gone = warden.signal(signal.number, signal.at);
    }
}

/// Whether a signal ends a process that has no child to pass it on to.
fn ends(signal: i32) -> bool {
    !matches!(signal, libc::SIGCONT | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}

fn signal_status(signal: i32) -> u8 {
    u8::try_from(signal).unwrap_or(127).saturating_add(128)
}

fn lost(error: io::Error) -> Error {
    Error::new("lost the process that watches over the command").because(error)
}
