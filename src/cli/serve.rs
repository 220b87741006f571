//! `sentinel serve`: a server without a command of its own. It ends when it is told to, and leaves nothing behind.

mod profiles;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use profiles::Profiles;

use super::selectors::{Names, Resolved, resolve};
use super::serving::max_connections;
use super::settings::{self, ServicePlace};
use crate::auth::{Authenticator, Naming, Roster, Selector};
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::hosts::Hosts;
use crate::peer::kernel::{Tier, may_look_into_others};
use crate::peer::{Kernel, Overflow};
use crate::server::{Endpoint, Listener, Listening, Service, SocketAccess};
use crate::sys::poll::wait_readable;
use crate::sys::process::refuse_inspection;
use crate::sys::signal::Signals;
use crate::sys::user::effective_uid;

/// What ends a service.
const ENDING: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// Serves until a signal ends it.
///
/// # Errors
/// It cannot be started as it was asked for.
pub(super) fn run(settings: &settings::Serve, env: &Env) -> Result<u8> {
    refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    let names = Names::read();
    let entries = resolve(&settings.entries, &names)?;
    let place = Place::of(&settings.place, &names)?;
    let has_sessions = matches!(settings.endpoint, Endpoint::Ec2(_));
    if !has_sessions && (place.is_tcp() || settings.by_uid) {
        let what = if place.is_tcp() { "serve ecs over TCP" } else { "serve with --bind uid" };
        return Err(Error::usage(format!("{what} needs a token file")).hint("serve on a Unix socket, without --bind"));
    }
    let kernel = kernel(settings, &entries, place.is_tcp())?;
    let deployment = deployment(&entries);
    let at = place.name();
    let profiles = Profiles::prepare(settings, &entries, env, (deployment, &at))?;
    let (clock, operator) = profiles.of_all();
    // From here on there are files to clean up, so signals are taken and not died of.
    let mut signals = Signals::install(&ENDING).map_err(|error| Error::new("cannot handle signals").because(error))?;
    let roster = Arc::new(Roster::new(profiles.led_to_by(entries)));
    let naming = if settings.by_uid { Naming::Uid } else { Naming::Process };
    let listener = place.bind()?;
    let authenticator = Authenticator::selecting(kernel, naming, roster, false);
    let authenticator = if has_sessions {
        authenticator
            .with_sessions(None, Arc::clone(&clock))
            .map_err(|error| Error::new("cannot make a key for session tokens").because(error))?
    } else {
        authenticator
    };
    let service = Service {
        authenticator: Arc::new(authenticator),
        desks: profiles.desks(),
        endpoint: settings.endpoint,
        hosts: listener.address().map_or_else(Hosts::unix, Hosts::tcp),
        max_connections: max_connections(settings.max_connections),
        clock,
        operator: Arc::clone(&operator),
    };
    let serving = profiles.serve(listener, service)?;
    operator.log("ready", &format!("serving on {at}, {deployment}: {}", deployment.why_of_service()));
    wait_for_the_end(&mut signals)?;
    drop(serving);
    operator.flush();
    Ok(0)
}

/// Waits for a signal that ends the service.
fn wait_for_the_end(signals: &mut Signals) -> Result<()> {
    loop {
        wait_readable([signals.as_fd()], -1).map_err(|error| Error::new("cannot wait for signals").because(error))?;
        if signals.take().is_some() {
            return Ok(());
        }
    }
}

/// Where a service listens, checked.
enum Place {
    Socket(PathBuf, SocketAccess),
    Tcp(Listener),
    /// The metadata endpoint's.
    Imds(Listener),
}

impl Place {
    fn of(place: &ServicePlace, names: &Names) -> Result<Self> {
        match place {
            ServicePlace::Tcp(address) => {
                Listener::tcp(*address).map(Self::Tcp).map_err(|error| error.hint("give another port with --address"))
            }
            ServicePlace::Imds { address, hop_limit } => Listener::metadata(*address, *hop_limit).map(Self::Imds),
            ServicePlace::Socket { path, mode, group } => {
                let group = group.as_deref();
                let group = group.map(|group| names.group(group, &format!("--socket-group {group}"))).transpose()?;
                let path = std::path::absolute(path)
                    .map_err(|error| Error::new(format!("cannot use the path {}", path.display())).because(error))?;
                let access = SocketAccess { mode: mode.unwrap_or(0o600), group };
                Listening::check(&path, &access)?;
                Ok(Self::Socket(path, access))
            }
        }
    }

    /// For the record.
    fn name(&self) -> String {
        match self {
            Self::Socket(path, _) => path.display().to_string(),
            Self::Tcp(listener) => address(listener),
            Self::Imds(listener) => format!("imds {}", address(listener)),
        }
    }

    fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Imds(_))
    }

    /// Binds what is not bound yet.
    fn bind(self) -> Result<Listener> {
        match self {
            Self::Tcp(listener) | Self::Imds(listener) => Ok(listener),
            Self::Socket(path, access) => Ok(Listener::Unix(Listening::bind(&path, &access)?)),
        }
    }
}

fn address(listener: &Listener) -> String {
    listener.address().map(|address| address.to_string()).unwrap_or_default()
}

/// What names callers here. Decided once: what fails later is a refusal.
fn kernel(settings: &settings::Serve, entries: &[Resolved], tcp: bool) -> Result<Option<Kernel>> {
    const UID_INSTEAD: &str = "select users, and know them by their uid alone: --bind uid";
    if settings.by_uid && !tcp {
        return Ok(None);
    }
    let kernel = Kernel::probe().map_err(|error| error.hint(UID_INSTEAD))?;
    if tcp {
        kernel.probe_tcp().map_err(|error| error.hint("serve on a Unix socket: --socket PATH"))?;
    }
    let selectors = || entries.iter().map(|entry| &entry.selector);
    // /proc shows the programs of other users, and over TCP their descriptors, to root and who may trace them alone.
    // Older kernels tell who is on the other end of a Unix socket by descriptors as well.
    let by_descriptors = !tcp && kernel.tier() >= Tier::Pidfd;
    let looked_into = |selector: &Selector| match tcp {
        true => selector.needs_process(),
        false => selector.needs_program() || by_descriptors,
    };
    let own = [effective_uid()];
    let hidden = |selector: &&Selector| looked_into(selector) && selector.uids.iter().ne(own.iter());
    if selectors().any(|selector| hidden(&selector)) && !may_look_into_others() {
        let what = match (tcp, by_descriptors) {
            (true, _) => "group or program",
            (false, true) => "number, on a kernel before Linux 6.5,",
            (false, false) => "program",
        };
        return Err(Error::new(format!(
            "the {what} of other users' processes is not shown to uid {}, so that nobody could be selected by it",
            effective_uid()
        ))
        .hint("run sentinel with CAP_SYS_PTRACE (systemd: AmbientCapabilities=CAP_SYS_PTRACE), or select by user and cgroup"));
    }
    Ok(Some(kernel))
}

fn deployment(entries: &[Resolved]) -> Deployment {
    let served = entries.iter().map(|entry| entry.selector.uids.as_slice());
    Deployment::of_service(effective_uid(), served, Overflow::here().holds_every_uid())
}
