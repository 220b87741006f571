//! What is known of this run's session, and of approvals and break-glass events: written by the keeper, read by every request.
//!
//! A request never calls a store. It reads what the keeper confirmed last, and waits for the keeper only where there is nothing
//! yet, or nothing recent. What has not been confirmed for longer than [`GRACE`] is not believed any more (T16).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Event, Request};

/// How old a confirmation may be while the store answers: the keeper's rounds, its calls, and a second.
const FRESH: Duration = Duration::from_secs(9);
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
    /// Why the last call to a store failed.
    failure: Option<Arc<Error>>,
    keeper: Option<Thread>,
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

/// Approvals and break-glass events of one user.
#[derive(Debug, Default)]
pub struct Records {
    /// Whose.
    pub user: String,
    /// Requests, newest first.
    pub requests: Vec<Request>,
    /// Events, newest first.
    pub events: Vec<Event>,
}

impl Standing {
    /// Nothing is known yet. `served`: the run has a session, which is being recorded.
    pub fn new(served: bool, clock: Arc<dyn Clock>) -> Self {
        let session = if served { State::Starting } else { State::None };
        let known = Known { session, user: None, records: None, failure: None, keeper: None };
        Self {
            clock,
            known: Mutex::new(known),
            changed: Condvar::new(),
            answered: AtomicI64::new(0),
            last_access_ms: AtomicI64::new(0),
            source_identity: OnceLock::new(),
        }
    }

    /// The session, as it is known; waits until `deadline` on the boot clock where it is not.
    pub(super) fn session(&self, deadline: Duration) -> Session {
        let mut known = self.known();
        loop {
            let now = self.clock.boot();
            let late = match &known.session {
                State::None => return Session::None,
                State::Ended { id, why } => return Session::Ended { id: Arc::clone(id), why: Arc::clone(why) },
                State::Live { id, table, confirmed } => {
                    let age = now.saturating_sub(*confirmed);
                    let may_be_old = known.failure.is_some() || now >= deadline;
                    if age <= FRESH || age <= GRACE && may_be_old {
                        return Session::Live { id: Arc::clone(id), table: table.clone() };
                    }
                    age > GRACE
                }
                State::Starting => true,
            };
            if let Some(error) = known.failure.as_ref().filter(|_| late) {
                return Session::Unknown(Some(Arc::clone(error)));
            }
            if now >= deadline {
                return Session::Unknown(None);
            }
            known = self.wait(known, deadline.saturating_sub(now));
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
            known.failure = None;
        }
        loop {
            let now = self.clock.boot();
            if let Some((records, confirmed)) = known.records.as_ref().filter(|(records, _)| records.user == user) {
                let age = now.saturating_sub(*confirmed);
                let may_be_old = known.failure.is_some() || now >= deadline;
                if age <= FRESH || age <= GRACE && may_be_old {
                    return Ok(Arc::clone(records));
                }
            }
            if let Some(error) = &known.failure {
                return Err(Some(Arc::clone(error)));
            }
            if now >= deadline {
                return Err(None);
            }
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

    /// Who is to be woken when somebody waits.
    pub(super) fn kept_by(&self, keeper: Thread) {
        self.known().keeper = Some(keeper);
    }

    /// Whose approvals and events are wanted.
    pub(super) fn wanted_user(&self) -> Option<String> {
        self.known().user.clone()
    }

    /// The store confirmed the session at boot time `confirmed`.
    pub(super) fn session_is_live(&self, id: &Arc<str>, table: Option<&Arc<str>>, confirmed: Duration) {
        let mut known = self.known();
        // What has ended stays so, whatever a store says later.
        if !matches!(known.session, State::Ended { .. }) {
            known.session = State::Live { id: Arc::clone(id), table: table.cloned(), confirmed };
            known.failure = None;
        }
        self.changed.notify_all();
    }

    /// The session has ended.
    pub(super) fn session_has_ended(&self, id: &Arc<str>, why: &str) {
        self.known().session = State::Ended { id: Arc::clone(id), why: why.into() };
        self.changed.notify_all();
    }

    /// The store named these at boot time `confirmed`.
    pub(super) fn records_are(&self, records: Records, confirmed: Duration) {
        let mut known = self.known();
        if known.user.as_deref() == Some(&records.user) {
            known.records = Some((Arc::new(records), confirmed));
            known.failure = None;
        }
        self.changed.notify_all();
    }

    /// A call to a store failed.
    pub(super) fn failed(&self, error: Arc<Error>) {
        self.known().failure = Some(error);
        self.changed.notify_all();
    }

    fn wait<'a>(&self, known: MutexGuard<'a, Known>, longest: Duration) -> MutexGuard<'a, Known> {
        if let Some(keeper) = &known.keeper {
            keeper.unpark();
        }
        self.changed.wait_timeout(known, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
