//! The profiles that a service serves: each has a vault, limits, a session and a stream of the log of its own.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::auth::{Roster, Served};
use crate::broker::keeper::Keeper;
use crate::broker::standing::Ended;
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
use crate::server::{Closer, Desk, Listener, Server, Service};
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
    service: Arc<Service>,
    current: Running,
    /// What was replaced, and the boot time at which no request that it let in can be left.
    retired: Vec<(Duration, Running)>,
    /// The profiles whose sessions have ended, whether they are served now or not: it takes a restart to begin anew.
    ended: HashMap<Arc<str>, Ended>,
}

/// Profiles that are served. Dropping it ends their sessions.
struct Running {
    profiles: Vec<Profile>,
    refreshers: Vec<JoinHandle<()>>,
}

/// No request takes longer: it waits for AWS for less than a second, and for its answer to be read for two.
const RETIRED_FOR: Duration = Duration::from_secs(5);

impl Profiles {
    /// Prepares what the entries lead to. Nothing is asked of AWS yet, but for a policy that is a parameter: a service starts before
    /// its network does.
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
            let wanted = entry.profile.as_deref().or(settings.common.profile.as_deref());
            let is_own = entry.profile.is_none();
            if let Some(known) = wanted.and_then(|wanted| profiles.named(wanted)) {
                if is_own {
                    profiles.own = Some(known);
                }
                continue;
            }
            let purpose = Purpose {
                mode: Mode::Server,
                profile: wanted,
                deployment,
                served: true,
                attended: false,
                duration: settings.duration,
                default_duration: DEFAULT_DURATION,
            };
            let prepared = prepare(&settings.common, env, &purpose)?;
            let name: Arc<str> = prepared.vendor.profile().into();
            if is_own {
                profiles.own = Some(Arc::clone(&name));
            }
            // The one that nobody names may be another entry's, too.
            if profiles.named(&name).is_none() {
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
    pub(super) fn desks(&self) -> HashMap<Arc<str>, Arc<Desk>> {
        let desk = |profile: &Profile| {
            let desk = Desk::in_region(Arc::clone(&profile.vendor), profile.region.clone());
            (Arc::clone(&profile.name), desk)
        };
        self.all.iter().map(desk).collect()
    }

    /// Starts to serve.
    pub(super) fn serve(self, listener: Listener, service: Service) -> Result<Serving> {
        let service = Arc::new(service);
        let server = Server::start(listener, Arc::clone(&service))?;
        let current = self.start(&server)?;
        Ok(Serving { server: Some(server), service, current, retired: Vec::new(), ended: HashMap::new() })
    }

    /// Lets each be closed, and kept fresh.
    fn start(self, server: &Server) -> Result<Running> {
        let mut running = Running { profiles: self.all, refreshers: Vec::new() };
        for profile in &running.profiles {
            // It is set once.
            let _first = profile.closer.set(server.closer(Some(Arc::clone(&profile.name))));
            running.refreshers.push(refresh(&profile.vendor)?);
        }
        Ok(running)
    }

    fn named(&self, name: &str) -> Option<Arc<str>> {
        self.all.iter().find(|known| &*known.name == name).map(|known| Arc::clone(&known.name))
    }

    fn tell(&self, prepared: &Prepared) {
        let name = prepared.vendor.profile();
        let session = prepared.session_id.as_deref().unwrap_or("none");
        let policy =
            prepared.vendor.policy_name().map_or("without a policy".to_owned(), |p| format!("by the policy {p}"));
        self.operator.announce(&format!("profile `{name}`: session {session}, {policy}"));
    }
}

/// Ends the sessions of profiles whose sessions have ended before. Returns their names.
fn end_as<'a>(now: &'a [Profile], ended: &HashMap<Arc<str>, Ended>) -> Vec<&'a str> {
    let known = |profile: &'a Profile| {
        profile.vendor.end_as(ended.get(&profile.name)?);
        Some(&*profile.name)
    };
    now.iter().filter_map(known).collect()
}

impl Running {
    /// Those whose sessions have ended.
    fn ended(&self) -> Vec<(Arc<str>, Ended)> {
        let ended = |profile: &Profile| Some((Arc::clone(&profile.name), profile.vendor.ended()?));
        self.profiles.iter().filter_map(ended).collect()
    }
}

impl Serving {
    /// Takes these in place of all others, in one step for every caller: a request that was let in before it is answered as
    /// before, and the next one on the same connection is matched anew.
    pub(super) fn replace(&mut self, profiles: Profiles, roster: &Roster, entries: Vec<Resolved>) -> Result<()> {
        let Some(server) = &self.server else { return Ok(()) };
        let (desks, entries) = (profiles.desks(), profiles.led_to_by(entries));
        let before = std::iter::once(&self.current).chain(self.retired.iter().map(|(_, running)| running));
        self.ended.extend(before.flat_map(Running::ended));
        for name in end_as(&profiles.all, &self.ended) {
            profiles.operator.announce(&format!("profile `{name}` stays ended: a restart begins a new session"));
        }
        let current = profiles.start(server)?;
        self.service.desks.add(desks);
        roster.replace(entries);
        let old = std::mem::replace(&mut self.current, current);
        self.retired.push((self.service.clock.boot().saturating_add(RETIRED_FOR), old));
        Ok(())
    }

    /// Ends what was replaced and can have no request left. Returns whether there will be more of that.
    pub(super) fn end_retired(&mut self) -> bool {
        let now = self.service.clock.boot();
        let before = self.retired.len();
        // A revocation that was written just before they were replaced is seen by their keepers alone.
        let due = self.retired.iter().filter(|(until, _)| now >= *until);
        self.ended.extend(due.flat_map(|(_, retired)| retired.ended()));
        end_as(&self.current.profiles, &self.ended);
        self.retired.retain(|(until, _)| now < *until);
        if self.retired.len() < before && self.retired.is_empty() {
            let profiles = &self.current.profiles;
            self.service.desks.retain(|name| profiles.iter().any(|profile| &*profile.name == name));
        }
        !self.retired.is_empty()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.server.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (profile, refresher) in self.profiles.iter().zip(&self.refreshers) {
            profile.vendor.stop();
            refresher.thread().unpark();
            if let Some(keeper) = &profile.keeper {
                keeper.stop();
            }
        }
        for profile in &mut self.profiles {
            // Marks its session as ended.
            drop(profile.keeper.take());
            // Threads that hold it may outlive this process's last line.
            profile.vendor.close_log();
        }
    }
}
