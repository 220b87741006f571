//! The profiles that a service serves: each has a vault, limits, a session and a stream of the log of its own.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crate::auth::Served;
use crate::broker::keeper::Keeper;
use crate::cli::prepare::{Prepared, Purpose, prepare};
use crate::cli::selectors::Resolved;
use crate::cli::serving::{DEFAULT_DURATION, refresh};
use crate::cli::settings;
use crate::clock::{Clock, SystemClock};
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::Result;
use crate::log::operator::Operator;
use crate::policy::Mode;
use crate::server::{Closer, Desk, Desks, Listener, Server, Service};
use crate::vending::Vendor;

/// All of them, none twice.
pub(super) struct Profiles {
    /// At least one.
    all: Vec<Profile>,
    /// The name of the one that `--profile` names, where an entry leads to it.
    own: Option<Arc<str>>,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
}

struct Profile {
    name: Arc<str>,
    vendor: Arc<Vendor>,
    region: Option<String>,
    keeper: Option<Keeper>,
    closer: Arc<OnceLock<Closer>>,
}

/// A running service. Dropping it ends it: the socket first, then the sessions.
pub(super) struct Serving {
    server: Option<Server>,
    profiles: Vec<Profile>,
    refreshers: Vec<JoinHandle<()>>,
}

impl Profiles {
    /// Prepares what the entries lead to. Nothing is asked of AWS yet: a service starts before its network does.
    pub(super) fn prepare(
        settings: &settings::Serve,
        entries: &[Resolved],
        env: &Env,
        (deployment, at): (Deployment, &str),
    ) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let operator = Arc::new(Operator::stderr(Arc::clone(&clock), settings.common.debug));
        let mut profiles = Self { all: Vec::new(), own: None, clock, operator };
        for entry in entries {
            let wanted = entry.profile.as_deref();
            if wanted.is_some_and(|wanted| profiles.has(wanted)) {
                continue;
            }
            let purpose = Purpose {
                mode: Mode::Server,
                profile: wanted,
                deployment,
                served: true,
                duration: settings.duration,
                default_duration: DEFAULT_DURATION,
            };
            let prepared = prepare(&settings.common, env, &purpose)?;
            let name: Arc<str> = prepared.vendor.profile().into();
            if wanted.is_none() {
                profiles.own = Some(Arc::clone(&name));
            }
            // The one that --profile or a variable names may be another entry's, too.
            if !profiles.has(&name) {
                profiles.tell(&prepared);
                let Prepared { vendor, keeper, closer, profile, .. } = prepared;
                let region = profile.facts().region.map(str::to_owned);
                let vendor = Arc::new(vendor.bound("selector").serving(at.to_owned()));
                profiles.all.push(Profile { name, vendor, region, keeper, closer });
            }
        }
        Ok(profiles)
    }

    /// What is the same for all.
    pub(super) fn of_all(&self) -> (Arc<dyn Clock>, Arc<Operator>) {
        (Arc::clone(&self.clock), Arc::clone(&self.operator))
    }

    /// The entries, each with its profile's name.
    pub(super) fn led_to_by(&self, entries: Vec<Resolved>) -> Vec<Served> {
        let own = || self.own.clone().unwrap_or_else(|| "".into());
        let served = |entry: Resolved| Served { selector: entry.selector, profile: entry.profile.unwrap_or_else(own) };
        entries.into_iter().map(served).collect()
    }

    /// A desk for each.
    pub(super) fn desks(&self) -> Desks {
        let desk = |profile: &Profile| {
            let desk = Desk::in_region(Arc::clone(&profile.vendor), profile.region.clone());
            (Arc::clone(&profile.name), desk)
        };
        Desks::by_profile(self.all.iter().map(desk).collect())
    }

    /// Starts to serve.
    pub(super) fn serve(self, listener: Listener, service: Service) -> Result<Serving> {
        let server = Server::start(listener, Arc::new(service))?;
        for profile in &self.all {
            // It is set once.
            let _first = profile.closer.set(server.closer(Some(Arc::clone(&profile.name))));
        }
        let mut serving = Serving { server: Some(server), profiles: self.all, refreshers: Vec::new() };
        for profile in &serving.profiles {
            serving.refreshers.push(refresh(&profile.vendor)?);
        }
        Ok(serving)
    }

    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|known| &*known.name == name)
    }

    fn tell(&self, prepared: &Prepared) {
        let name = prepared.vendor.profile();
        let session = prepared.session_id.as_deref().unwrap_or("none");
        let policy =
            prepared.vendor.policy_name().map_or("without a policy".to_owned(), |p| format!("by the policy {p}"));
        self.operator.log("start", &format!("profile `{name}`: session {session}, {policy}"));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.server.take());
        for (profile, refresher) in self.profiles.iter().zip(&self.refreshers) {
            profile.vendor.stop();
            refresher.thread().unpark();
        }
        for profile in &mut self.profiles {
            // Marks its session as ended.
            drop(profile.keeper.take());
            // Threads that hold it may outlive this process's last line.
            profile.vendor.close_log();
        }
    }
}
