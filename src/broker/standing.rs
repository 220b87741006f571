//! What is known of this run's session, and of approvals and break-glass events: written by the keeper, read by every request.
//!
//! A request never calls a store. It reads what the keeper confirmed last, and waits for the keeper only where there is nothing
//! yet, or nothing recent. A session that was not confirmed within [`FRESH`] is believed only where the store failed to say
//! anything of it, and for no longer than [`GRACE`] (T16). Sessions and the other records may be in stores of their own, so that
//! a failure of one is no excuse of the other's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Event, Request};

/// How old a confirmation may be while the store answers. Rounds begin every 3 s and a call takes at most 5 s, so that a store
/// which is slow and not down keeps it younger; a request takes up to a second more.
pub const FRESH: Duration = Duration::from_secs(9);
/// How old it may be while the store does not answer.
pub const GRACE: Duration = Duration::from_secs(60);

/// The shared knowledge.
pub struct Standing {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    changed: Condvar,
    answered: AtomicI64,
    last_access_ms: AtomicI64,
    source_identity: OnceLock<String>,
}

struct Known {
    session: State,
    /// Whose approvals and events are wanted.
    user: Option<String>,
    records: Option<(Arc<Records>, Duration)>,
    /// Why the last look at the session failed.
    session_failure: Option<Arc<Error>>,
    /// Why the last look at the user's records failed.
    records_failure: Option<Arc<Error>>,
    /// Who looks at the session.
    keeper: Option<Thread>,
    /// Who looks at the user's records.
    clerk: Option<Thread>,
}

enum State {
    /// Runs that serve nobody have none.
    None,
    /// Its record is not written yet.
    Starting,
    /// The store said so at this boot time.
    Live { id: Arc<str>, table: Option<Arc<str>>, confirmed: Duration },
    /// It has been revoked, or is gone. For good.
    Ended { id: Arc<str>, why: Arc<str> },
}

/// What a request learns of its session.
#[derive(Debug, Clone)]
pub enum Session {
    /// There is none.
    None,
    /// It may be served.
    Live {
        /// Its id.
        id: Arc<str>,
        /// The DynamoDB table that it is recorded in, if it is.
        table: Option<Arc<str>>,
    },
    /// It may not.
    Ended {
        /// Its id.
        id: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// Nobody knows. `None`: the store has not answered yet.
    Unknown(Option<Arc<Error>>),
}

/// A session that has ended, for good.
#[derive(Debug, Clone)]
pub struct Ended {
    id: Arc<str>,
    why: Arc<str>,
}

/// Approvals and break-glass events of one user.
#[derive(Debug, Default)]
pub struct Records {
    /// Whose.
    pub user: String,
    /// Requests, newest first.
    pub requests: Vec<Request>,
    /// Events, newest first.
    pub events: Vec<Event>,
    /// No event was passed over: their number counts.
    pub all_events_read: bool,
}

impl Standing {
    /// Nothing is known yet. `served`: the run has a session, which is being recorded.
    pub fn new(served: bool, clock: Arc<dyn Clock>) -> Self {
        let session = if served { State::Starting } else { State::None };
        let known = Known {
            session,
            user: None,
            records: None,
            session_failure: None,
            records_failure: None,
            keeper: None,
            clerk: None,
        };
        Self {
            clock,
            known: Mutex::new(known),
            changed: Condvar::new(),
            answered: AtomicI64::new(0),
            last_access_ms: AtomicI64::new(0),
            source_identity: OnceLock::new(),
        }
    }

    /// The session, as it is known at boot time `now`; waits until `deadline` where it is not.
    pub(super) fn session(&self, mut now: Duration, deadline: Duration) -> Session {
        let mut known = self.known();
        loop {
            let late = match &known.session {
                State::None => return Session::None,
                State::Ended { id, why } => return Session::Ended { id: Arc::clone(id), why: Arc::clone(why) },
                State::Live { id, table, confirmed } => {
                    let age = now.saturating_sub(*confirmed);
                    // One that is slow to answer may be about to say no.
                    if age <= FRESH || age <= GRACE && known.session_failure.is_some() {
                        return Session::Live { id: Arc::clone(id), table: table.clone() };
                    }
                    age > GRACE
                }
                State::Starting => true,
            };
            if let Some(error) = known.session_failure.as_ref().filter(|_| late) {
                return Session::Unknown(Some(Arc::clone(error)));
            }
            if now >= deadline {
                return Session::Unknown(None);
            }
            wake(known.keeper.as_ref());
            known = self.wait(known, deadline.saturating_sub(now));
            now = self.clock.boot();
        }
    }

    /// This user's approvals and events; waits until `deadline` on the boot clock where they are not known.
    ///
    /// # Errors
    /// The store's failure; `None`: it has not answered yet.
    pub(super) fn records(&self, user: &str, deadline: Duration) -> Result<Arc<Records>, Option<Arc<Error>>> {
        let mut known = self.known();
        if known.user.as_deref() != Some(user) {
            known.user = Some(user.to_owned());
            known.records = None;
            known.records_failure = None;
        }
        loop {
            let now = self.clock.boot();
            if let Some((records, confirmed)) = known.records.as_ref().filter(|(records, _)| records.user == user) {
                let age = now.saturating_sub(*confirmed);
                let may_be_old = known.records_failure.is_some() || now >= deadline;
                if age <= FRESH || age <= GRACE && may_be_old {
                    return Ok(Arc::clone(records));
                }
            }
            if let Some(error) = &known.records_failure {
                return Err(Some(Arc::clone(error)));
            }
            if now >= deadline {
                return Err(None);
            }
            wake(known.clerk.as_ref());
            known = self.wait(known, deadline.saturating_sub(now));
        }
    }

    /// Counts a request that got credentials, which AWS knows by this SourceIdentity.
    pub(super) fn count(&self, source_identity: Option<&str>) {
        if let (Some(name), None) = (source_identity, self.source_identity.get()) {
            // Another thread may have been first, with another name of the same session.
            let _first = self.source_identity.set(name.to_owned());
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.last_access_ms.store(self.clock.wall().as_millisecond(), Ordering::Relaxed);
    }

    /// How many requests got credentials, and when the last one did, in milliseconds since 1970.
    pub(super) fn accesses(&self) -> (i64, i64) {
        (self.answered.load(Ordering::Relaxed), self.last_access_ms.load(Ordering::Relaxed))
    }

    /// The SourceIdentity of the session's first credentials.
    pub(super) fn source_identity(&self) -> Option<&str> {
        self.source_identity.get().map(String::as_str)
    }

    /// Who is to be woken when somebody waits for the session.
    pub(super) fn kept_by(&self, keeper: Thread) {
        self.known().keeper = Some(keeper);
    }

    /// Who is to be woken when somebody waits for a user's records.
    pub(super) fn looked_up_by(&self, clerk: Thread) {
        self.known().clerk = Some(clerk);
    }

    /// Whether the session has ended, for good.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.known().session, State::Ended { .. })
    }

    /// Whether the session was confirmed, and has not ended.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.known().session, State::Live { .. })
    }

    /// Whose approvals and events are wanted.
    pub(super) fn wanted_user(&self) -> Option<String> {
        self.known().user.clone()
    }

    /// The store confirmed the session at boot time `confirmed`.
    pub(super) fn session_is_live(&self, id: &Arc<str>, table: Option<&Arc<str>>, confirmed: Duration) {
        let mut known = self.known();
        // What has ended stays so, whatever a store says later.
        if matches!(known.session, State::Starting) {
            // What waits for a session need not wait for the next round.
            wake(known.clerk.as_ref());
        }
        if !matches!(known.session, State::Ended { .. }) {
            known.session = State::Live { id: Arc::clone(id), table: table.cloned(), confirmed };
            known.session_failure = None;
        }
        self.changed.notify_all();
    }

    /// The session has ended.
    pub(super) fn session_has_ended(&self, id: &Arc<str>, why: &str) {
        self.known().session = State::Ended { id: Arc::clone(id), why: why.into() };
        self.changed.notify_all();
    }

    /// How the session has ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        match &self.known().session {
            State::Ended { id, why } => Some(Ended { id: Arc::clone(id), why: Arc::clone(why) }),
            State::None | State::Starting | State::Live { .. } => None,
        }
    }

    /// The session ends as one that it takes the place of has.
    pub(super) fn end_as(&self, ended: &Ended) {
        self.session_has_ended(&ended.id, &ended.why);
    }

    /// The session is not recorded, and nobody asked for that.
    pub(super) fn session_is_not_wanted(&self) {
        let mut known = self.known();
        if !matches!(known.session, State::Ended { .. }) {
            known.session = State::None;
        }
        self.changed.notify_all();
    }

    /// The store named these at boot time `confirmed`.
    pub(super) fn records_are(&self, records: Records, confirmed: Duration) {
        let mut known = self.known();
        if known.user.as_deref() == Some(&records.user) {
            known.records = Some((Arc::new(records), confirmed));
            known.records_failure = None;
        }
        self.changed.notify_all();
    }

    /// The store did not say whether the session lives.
    pub(super) fn session_failed(&self, error: Arc<Error>) {
        self.known().session_failure = Some(error);
        self.changed.notify_all();
    }

    /// The store did not name the user's records.
    pub(super) fn records_failed(&self, error: Arc<Error>) {
        self.known().records_failure = Some(error);
        self.changed.notify_all();
    }

    fn wait<'a>(&self, known: MutexGuard<'a, Known>, longest: Duration) -> MutexGuard<'a, Known> {
        self.changed.wait_timeout(known, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(thread: Option<&Thread>) {
    if let Some(thread) = thread {
        thread.unpark();
    }
}

#[cfg(test)]
mod tests;
