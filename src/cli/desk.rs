//! What the commands about records work at: the stores, the policy, the log, and who is asking.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::person::Person;
use super::reach::Reach;
use super::records::{self, Shown, Wanted, show};
use super::settings::{self, Access};
use super::{policy_source, prepare, print, stores};
use crate::clock::{Clock, SystemClock};
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::Result;
use crate::log::decision::DecisionLog;
use crate::log::operator::Operator;
use crate::policy::Policy;
use crate::profile;
use crate::store::{Engine, Kind};
use crate::trusted;

/// How long AWS may take to say who asks, where nothing can be done without.
const IDENTITY_LIMIT: Duration = Duration::from_secs(30);
/// And where something can: a session that has to end does not wait for a network that is down.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(5);

/// One command's.
pub(super) struct Desk<'a> {
    stores: &'a settings::Stores,
    env: &'a Env,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(stores: &'a settings::Stores, env: &'a Env) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
        Self { stores, env, clock, operator }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Tells the person.
    pub(super) fn say(&self, message: &str) {
        self.operator.log("note", message);
    }

    /// Who asks: whoever holds the keys that this profile starts with.
    pub(super) fn person_of(&self, profile: &str) -> Result<Person> {
        self.person_within(&Access { profile: Some(profile.to_owned()), ..self.stores.access.clone() }, IDENTITY_LIMIT)
    }

    /// Who asks: whoever holds the keys of `--profile`, or of AWS's own default. `--aws-profile` only reads and writes for them.
    pub(super) fn person(&self) -> Result<Person> {
        self.person_within(&self.stores.access, IDENTITY_LIMIT)
    }

    /// Who asks, or which uid where records are this host's and AWS does not say.
    pub(super) fn person_or_uid(&self, engine: &dyn Engine, kind: Kind) -> Result<Person> {
        if engine.table(kind).is_some() {
            return self.person();
        }
        self.person_within(&self.stores.access, IDENTITY_PATIENCE).or_else(|error| {
            let person = Person::of_uid();
            self.say(&format!("recorded as {}: {}", person.user, error.summary()));
            Ok(person)
        })
    }

    /// Prints the records that are wanted: a table for people, or lines of JSON.
    pub(super) fn list<R: Shown, const N: usize>(
        &self,
        wanted: &Wanted<'_>,
        json: bool,
        head: [&str; N],
        line: impl Fn(&R, &'static str) -> [String; N],
    ) -> Result<u8> {
        let engine = self.engine(R::KIND)?;
        let now = self.now();
        let found = records::list::<R>(engine.as_ref(), wanted, now)?;
        for flaw in &found.flaws {
            self.operator.log("records", &flaw.line());
        }
        print(&if json {
            let line = |(record, item): (R, _)| show::json(&show::with(item, "status", record.status(now)));
            found.records.into_iter().map(line).collect::<Result<String>>()?
        } else {
            let lines: Vec<[String; N]> =
                found.records.iter().map(|(record, _)| line(record, record.status(now))).collect();
            show::table(head, &lines)
        })
    }

    /// Where records of this kind are.
    pub(super) fn engine(&self, kind: Kind) -> Result<Arc<dyn Engine>> {
        stores::engine(self.stores, kind, || self.reach(&self.stores.access), || self.state_directory(), &self.clock)
    }

    /// The policy as it is now, where one is named.
    pub(super) fn policy(&self, settings: &settings::PolicySource) -> Result<Option<Arc<Policy>>> {
        let reach = || self.reach(&settings.access);
        let source = policy_source::of(settings, reach, || self.state_directory(), &self.clock)?;
        source.map(|source| source.current(prepare::START_LIMIT)).transpose()
    }

    /// Where decisions are put on record.
    pub(super) fn log(&self, settings: &settings::Log) -> Result<DecisionLog> {
        prepare::open_log(
            (settings, Deployment::OF_A_RUN),
            self.stores.state_dir.as_deref(),
            self.env,
            &self.clock,
            &self.operator,
        )
    }

    fn reach(&self, access: &Access) -> Result<Reach> {
        Reach::of(access, self.env, &self.clock)
    }

    fn state_directory(&self) -> Result<PathBuf> {
        let directory = prepare::state_directory(self.stores.state_dir.as_deref(), self.env)?;
        trusted::private_directory("the state directory", &directory)?;
        Ok(directory)
    }

    fn person_within(&self, access: &Access, limit: Duration) -> Result<Person> {
        let wanted = profile::Wanted { profile: access.profile.as_deref(), region: access.region.as_deref() };
        Person::of_profile(&wanted, self.env, &self.clock, &self.operator, limit)
    }
}
