//! `sentinel serve`: a server without a command of its own. It ends when it is told to, and leaves nothing behind.

mod naming;
mod profiles;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use naming::{NamingTerms, kernel};
use profiles::{Profiles, Serving};

use super::rotation::{self, Tokens};
use super::selectors::{Names, Resolved, resolve};
use super::serving::{fewer_connections, max_connections};
use super::settings::{self, ServicePlace};
use crate::auth::{Authenticator, Binding, Naming, Roster};
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::hosts::Hosts;
use crate::log::operator::Operator;
use crate::peer::Overflow;
use crate::server::activation::{self, Handed, Terms};
use crate::server::{Desks, Endpoint, Listener, Listening, Manager, Service, SocketAccess};
use crate::sys::poll::wait_readable;
use crate::sys::process::refuse_inspection;
use crate::sys::signal::Signals;
use crate::sys::user::effective_uid;

/// What ends a service, and what has it read its settings again.
const SIGNALS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];

/// How often what was replaced is looked at, until it is gone.
const LOOK_MS: i32 = 1000;

/// Reads the settings as they are now.
pub(super) type ReadAgain<'a> = &'a dyn Fn() -> Result<settings::Serve>;

/// Serves until a signal ends it.
///
/// # Errors
/// It cannot be started as it was asked for.
pub(super) fn run(settings: &settings::Serve, env: &Env, read_again: ReadAgain<'_>) -> Result<u8> {
    // What a service manager says is for this process, and not for the helpers that it runs.
    let mut env = env.clone();
    let handed = activation::take(&mut env)?;
    let manager = Arc::new(Manager::take(&mut env)?);
    refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    let names = Names::read();
    let entries = resolve(&settings.entries, &names)?;
    let place = Place::of(&settings.place, handed, &names)?;
    let has_sessions = matches!(settings.endpoint, Endpoint::Ec2(_));
    let mut token_file = rotation::place(settings.token_file.as_ref())?;
    if token_file.is_none() && !has_sessions && (place.is_tcp() || settings.by_uid) {
        let what = if place.is_tcp() { "serve ecs over TCP" } else { "serve with --bind uid" };
        return Err(Error::usage(format!("{what} needs a token file"))
            .hint("`--token-file PATH`; SDKs read it where AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names it"));
    }
    let naming_terms = NamingTerms { endpoint: settings.endpoint, by_uid: settings.by_uid, tcp: place.is_tcp() };
    let kernel = kernel(naming_terms, &entries)?;
    let deployment = deployment(&entries);
    let at = place.name();
    let profiles = Profiles::prepare(settings, &entries, &env, (deployment, &at))?;
    let (clock, operator) = profiles.of_all();
    // From here on there are files to clean up, so signals are taken and not died of.
    let mut signals = Signals::install(&SIGNALS).map_err(|error| Error::new("cannot handle signals").because(error))?;
    let roster = Arc::new(Roster::new(profiles.led_to_by(entries)));
    let naming = if settings.by_uid { Naming::Uid } else { Naming::Process };
    let listener = place.bind()?;
    let wants_token = token_file.is_some();
    let authenticator = Authenticator::selecting(kernel, naming, Arc::clone(&roster), wants_token);
    let authenticator = if has_sessions {
        authenticator
            .with_sessions(None, Arc::clone(&clock))
            .map_err(|error| Error::new("cannot make a key for session tokens").because(error))?
    } else {
        authenticator
    };
    let authenticator = Arc::new(authenticator);
    let mut tokens = None;
    if let Some((file, _)) = &mut token_file {
        let (token, registered) = authenticator
            .registry()
            .register(effective_uid(), Binding::Uid)
            .map_err(|error| Error::new("cannot make a token").because(error))?;
        file.write(token.expose_str())?;
        tokens = Some(Tokens::keep(&authenticator, registered, token_file, &clock, &operator)?);
    }
    let service = Service {
        authenticator,
        desks: Desks::by_profile(profiles.desks()),
        endpoint: settings.endpoint,
        hosts: listener.address().map_or_else(Hosts::unix, Hosts::tcp),
        max_connections: max_connections(settings.max_connections),
        clock,
        operator: Arc::clone(&operator),
        manager: Arc::clone(&manager),
    };
    let mut serving = profiles.serve(listener, service)?;
    if let Some(fewer) = fewer_connections(settings.max_connections) {
        operator.announce(&fewer);
    }
    operator.log("ready", &format!("serving on {at}, {deployment}: {}", deployment.why_of_service()));
    manager.ready(&format!("serving on {at}"));
    let again = Again { settings, env: &env, read: read_again, naming_terms, at: &at, roster: &roster };
    while wait_for_a_signal(&mut signals, &mut serving)? == libc::SIGHUP {
        manager.reloading();
        match again.read(&mut serving, &operator) {
            Ok(()) => manager.ready(&format!("serving on {at}")),
            Err(error) => {
                operator.log("settings", &format!("everything stays as it was: {}", error.line()));
                manager.ready(&format!("serving on {at} as before: {}", error.summary()));
            }
        }
    }
    manager.stopping();
    // First: no request is answered any more.
    drop(tokens);
    drop(serving);
    operator.flush();
    Ok(0)
}

/// Waits for a signal, and meanwhile ends what was replaced.
fn wait_for_a_signal(signals: &mut Signals, serving: &mut Serving) -> Result<i32> {
    loop {
        let wait_ms = if serving.end_retired() { LOOK_MS } else { -1 };
        wait_readable([signals.as_fd()], wait_ms)
            .map_err(|error| Error::new("cannot wait for signals").because(error))?;
        if let Some(signal) = signals.take() {
            return Ok(signal.number);
        }
    }
}

/// What it takes to read everything again.
struct Again<'a> {
    settings: &'a settings::Serve,
    env: &'a Env,
    read: ReadAgain<'a>,
    naming_terms: NamingTerms,
    at: &'a str,
    roster: &'a Roster,
}

impl Again<'_> {
    /// Reads settings, selectors, policies and AWS config, and serves by them; or fails, and changes nothing.
    fn read(&self, serving: &mut Serving, operator: &Operator) -> Result<()> {
        let now = (self.read)()?;
        let stays = |settings: &settings::Serve| {
            let settings::Serve { place, endpoint, by_uid, token_file, max_connections, .. } = settings;
            (place.clone(), *endpoint, *by_uid, token_file.clone(), *max_connections)
        };
        if stays(&now) != stays(self.settings) {
            operator.log(
                "settings",
                "where it listens, its endpoint, token file and --max-connections change at a restart only",
            );
        }
        let entries = resolve(&now.entries, &Names::read())?;
        // Only whether they can be told apart here: how callers are named was decided at start.
        kernel(self.naming_terms, &entries)?;
        let deployment = deployment(&entries);
        let profiles = Profiles::prepare(&now, &entries, self.env, (deployment, self.at))?;
        serving.replace(profiles, self.roster, entries)?;
        operator.log("settings", &format!("serving by the settings of now, {deployment}"));
        Ok(())
    }
}

/// Where a service listens, checked.
enum Place {
    Socket(PathBuf, SocketAccess),
    Bound(Listener),
    /// The metadata endpoint's.
    Imds(Listener),
}

impl Place {
    fn of(place: &ServicePlace, handed: Handed, names: &Names) -> Result<Self> {
        if let (Handed::Descriptor(_), ServicePlace::Socket { .. } | ServicePlace::Tcp(_)) = (&handed, place) {
            return Err(Error::usage("the service manager hands over a socket (LISTEN_FDS), and another is asked for")
                .hint("leave --socket and --address out, or the socket's unit"));
        }
        let group_of = |group: &Option<settings::WantedGroup>| {
            group.as_ref().map(|group| names.group(&group.name, &group.said)).transpose()
        };
        match place {
            ServicePlace::HandedOver { mode, group } => match handed {
                Handed::Descriptor(descriptor) => {
                    let terms = Terms { mode: mode.unwrap_or(0o600), group: group_of(group)?, metadata: None };
                    activation::listener(descriptor, &terms).map(Self::Bound)
                }
                Handed::Nothing => Err(Error::usage("serve needs a place to listen at").hint("`--socket PATH`")),
                Handed::To(pid) => {
                    let own = std::process::id();
                    Err(Error::new(format!("the service manager hands a socket to process {pid}, and this is {own}"))
                        .hint("have it start sentinel itself, without a shell between, or give --socket"))
                }
            },
            ServicePlace::Tcp(address) => {
                Listener::tcp(*address).map(Self::Bound).map_err(|error| error.hint("give another port with --address"))
            }
            ServicePlace::Imds { address, hop_limit } => match handed {
                Handed::Descriptor(descriptor) => {
                    let terms = Terms { mode: 0o600, group: None, metadata: Some((*address, *hop_limit)) };
                    activation::listener(descriptor, &terms).map(Self::Imds)
                }
                Handed::Nothing | Handed::To(_) => Listener::metadata(*address, *hop_limit).map(Self::Imds),
            },
            ServicePlace::Socket { path, mode, group } => {
                let group = group_of(group)?;
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
            Self::Bound(Listener::Unix(listening)) => listening.path().display().to_string(),
            Self::Bound(listener) => address(listener),
            Self::Imds(listener) => format!("imds {}", address(listener)),
        }
    }

    fn is_tcp(&self) -> bool {
        matches!(self, Self::Bound(Listener::Tcp(_)) | Self::Imds(_))
    }

    /// Binds what is not bound yet.
    fn bind(self) -> Result<Listener> {
        match self {
            Self::Bound(listener) | Self::Imds(listener) => Ok(listener),
            Self::Socket(path, access) => Ok(Listener::Unix(Listening::bind(&path, &access)?)),
        }
    }
}

fn address(listener: &Listener) -> String {
    listener.address().map(|address| address.to_string()).unwrap_or_default()
}

fn deployment(entries: &[Resolved]) -> Deployment {
    let served = entries.iter().map(|entry| entry.selector.uids.as_slice());
    Deployment::of_service(effective_uid(), served, Overflow::here().holds_every_uid())
}
