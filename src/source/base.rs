//! The keys that a chain starts with, and where they are from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::process;
use crate::aws::keys::Keys;
use crate::clock::{Clock, Moment, rfc3339_s};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::{Base, StaticKeys};

/// A helper's keys are used again for as long as they have this much left,
const HELPER_MARGIN_S: i64 = 60;
/// and where nobody says when they end, for the calls of one start.
const HELPER_REUSE: Duration = Duration::from_secs(60);

/// Where a chain's first keys come from.
pub(super) enum BaseKeys {
    /// They are written down.
    Held(Arc<Held>),
    /// A program prints them.
    Process { profile: String, command: String, env: Env, last: Mutex<Option<Arc<Held>>> },
}

/// Keys, and what is known of them.
pub(super) struct Held {
    pub(super) keys: Arc<Keys>,
    pub(super) expiration: Option<Timestamp>,
    /// For the person who has to mend it when AWS refuses them.
    pub(super) origin: String,
    /// When they came.
    since: Moment,
}

impl BaseKeys {
    pub(super) fn new(base: Base, env: &Env, clock: &dyn Clock) -> Self {
        let held = |keys: StaticKeys, origin: String| {
            let StaticKeys { access_key_id, secret_access_key, session_token, expiration } = keys;
            let keys = Keys { access_key_id, secret_access_key, session_token };
            Self::Held(Arc::new(Held::new(keys, expiration, origin, clock)))
        };
        match base {
            Base::Environment(keys) => held(keys, "the environment".to_owned()),
            Base::Keys { profile, file, keys } => held(keys, format!("profile `{profile}` in {}", file.display())),
            Base::Process { profile, command } => {
                Self::Process { profile, command, env: env.clone(), last: Mutex::new(None) }
            }
        }
    }

    /// Whether it is known already that the keys do not end.
    pub(super) fn are_long_lived(&self) -> bool {
        matches!(self, Self::Held(held) if held.keys.session_token.is_none())
    }

    /// The keys. A helper is run again only when its last answer is about to end: it may ask a person.
    ///
    /// # Errors
    /// The helper's failure, and keys that have ended.
    pub(super) fn keys(&self, clock: &dyn Clock) -> Result<Arc<Held>> {
        let held = match self {
            Self::Held(held) => Arc::clone(held),
            Self::Process { profile, command, env, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                match last.as_ref().filter(|held| held.is_recent(clock)) {
                    Some(held) => Arc::clone(held),
                    None => {
                        let (keys, expiration) = process::run(profile, command, env, clock)?;
                        let origin = format!("the credential_process of profile `{profile}`");
                        let mut held = Held::new(keys, expiration, origin, clock);
                        // The same once more has no more left than it had.
                        if let Some(before) = last.as_ref().filter(|before| before.is_same(&held)) {
                            held.since = before.since;
                        }
                        let held = Arc::new(held);
                        *last = Some(Arc::clone(&held));
                        held
                    }
                }
            }
        };
        match held.expiration {
            Some(end) if end <= clock.wall() => Err(held.expired(end)),
            _ => Ok(held),
        }
    }
}

impl Held {
    pub(super) fn new(keys: Keys, expiration: Option<Timestamp>, origin: String, clock: &dyn Clock) -> Self {
        Self { keys: Arc::new(keys), expiration, origin, since: Moment::now(clock) }
    }

    /// The moment from which to reckon what they have left, for whoever gets the keys themselves: AWS does not look at
    /// those before they are used.
    ///
    /// # Errors
    /// They have ended, also where the wall clock was set back since they came.
    pub(super) fn seen(&self, now: Moment) -> Result<Moment> {
        match self.expiration {
            Some(end) if self.since.left_s(end, now) < 1 => Err(self.expired(end)),
            Some(_) => Ok(self.since.unset(now)),
            None => Ok(now),
        }
    }

    fn expired(&self, end: Timestamp) -> Error {
        Error::new(format!("the source credentials of {} expired at {}", self.origin, rfc3339_s(end)))
            .hint("get new ones (log in again), then start the command again")
    }

    /// Whether these are keys that end, once more.
    fn is_same(&self, other: &Self) -> bool {
        self.expiration.is_some()
            && self.expiration == other.expiration
            && self.keys.access_key_id == other.keys.access_key_id
    }

    fn is_recent(&self, clock: &dyn Clock) -> bool {
        match self.expiration {
            Some(end) => self.since.left_s(end, Moment::now(clock)) > HELPER_MARGIN_S,
            None => clock.boot().saturating_sub(self.since.boot) < HELPER_REUSE,
        }
    }
}
