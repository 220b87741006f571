//! The threads that ask stores, so that no request does.
//!
//! | thread | job |
//! |---|---|
//! | the keeper | is the session still live? That has a deadline (T16), so that this thread calls for nothing else |
//! | the clerk | what has been approved, which glass is broken; how often the session was used; which others are abandoned |
//!
//! Nothing is believed longer than [`super::standing::GRACE`] after the last answer, and a session that was revoked, or whose
//! record is gone, has ended for good.

mod clerk;
mod session;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::standing::Standing;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::policy::PolicySource;
use crate::store::record::{SessionStatus, new_id};
use crate::store::{Engine, Failed, Kind, Record, Session};

/// From the beginning of one round to the next one's: a round that took longer is followed at once. A session that was revoked
/// ends within this and one call, which takes at most 5 s.
const ROUND: Duration = Duration::from_secs(3);
/// A session that is not heard of for this long counts as ended.
const LAPSES_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// How long the end waits for the session's record; what is not written then, the next start writes.
const END_LIMIT: Duration = Duration::from_secs(1);
/// Calls over TLS need this in debug builds.
const STACK_BYTES: usize = 512 * 1024;

/// What a keeper keeps.
pub struct Charge {
    /// Opens the store, on a thread of the keeper's: directories may have to be made, and a start does not wait for that.
    pub open: Box<dyn Fn() -> Result<Arc<dyn Engine>> + Send + Sync>,
    /// Where it is noted that this process serves.
    pub state_directory: PathBuf,
    /// What requests read.
    pub standing: Arc<Standing>,
    /// The policy, whose document may be far away.
    pub policy: Option<Arc<PolicySource>>,
    /// The run's session, where it serves.
    pub session: Option<Start>,
    /// Whether the session has to be recorded: not where there is neither a policy nor a table, and nowhere to write.
    pub must_record: bool,
    /// The profile whose approvals count.
    pub profile: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For the person who runs this.
    pub operator: Arc<Operator>,
}

/// What a session is recorded with.
pub struct Start {
    /// Its id.
    pub id: Arc<str>,
    /// The serving process.
    pub instance: String,
    /// The device, hashed.
    pub device_id: Option<String>,
    /// The user, if AWS has named them: asked at every write.
    pub user: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// Called once, when the session is revoked.
    pub on_end: Box<dyn Fn() + Send + Sync>,
}

/// The running threads. Dropping it marks the session as ended.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Keeper {
    /// Starts to keep.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(charge: Charge) -> Result<Self> {
        let shared = Arc::new(Shared { charge, store: Mutex::default(), session: Mutex::default() });
        let stop = Arc::new(AtomicBool::new(false));
        let (done, ended) = mpsc::sync_channel(1);
        let mut threads = Vec::new();
        if shared.charge.session.is_some() {
            let mut round = session::Round::new(Arc::clone(&shared));
            let stopped = Arc::clone(&stop);
            threads.push(spawn("sentinel-keep", move || {
                round.run(&stopped);
                // Its instance's file goes with it, before this process does.
                drop(round);
                // Nobody waits any more where the end took too long.
                let _nobody = done.send(());
            })?);
        }
        let (mut round, stopped) = (clerk::Round::new(shared), Arc::clone(&stop));
        threads.push(spawn("sentinel-clerk", move || round.run(&stopped))?);
        Ok(Self { stop, threads, ended: Mutex::new(ended) })
    }

    /// Begins to end it, so that several end at the same time: the drop waits.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Too late is no loss: the next start finds the session. Where there is none nobody is waited for.
        let _late = ended.recv_timeout(END_LIMIT);
    }
}

fn spawn(name: &str, job: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(job);
    thread.map_err(|error| Error::new("cannot start a thread").because(error))
}

/// The id of a new session.
///
/// # Errors
/// The kernel gave no random bytes.
pub fn session_id() -> Result<Arc<str>> {
    new_id().map(Into::into)
}

/// What both threads work with.
struct Shared {
    charge: Charge,
    store: Mutex<Option<Arc<dyn Engine>>>,
    /// As it was written or read last.
    session: Mutex<Option<Session>>,
}

impl Shared {
    fn store(&self) -> Result<Arc<dyn Engine>> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match &*store {
            Some(store) => Ok(Arc::clone(store)),
            None => Ok(Arc::clone(store.insert((self.charge.open)()?))),
        }
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rests until the next round, which begins [`ROUND`] after this one did, or sooner when somebody waits.
    fn rest(&self, began: Duration) {
        let took = self.charge.clock.boot().saturating_sub(began);
        thread::park_timeout(ROUND.saturating_sub(took));
    }

    fn log(&self, error: &Error) {
        self.charge.operator.log("store", &error.line());
    }

    /// The session's record with whose it is and how it was used, as far as that is known by now.
    fn with_uses(&self, mut session: Session) -> Session {
        let standing = &self.charge.standing;
        if let Some(user) = self.named() {
            session.user = user;
        }
        let (count, last_ms) = standing.accesses();
        session.request_count = count;
        if let Ok(last) = Timestamp::from_millisecond(last_ms)
            && count > 0
        {
            session.last_access_at = last;
        }
        session.source_identity = standing.source_identity().map(str::to_owned).or(session.source_identity);
        session
    }

    /// The user, once AWS has named them.
    fn named(&self) -> Option<String> {
        self.charge.session.as_ref().and_then(|start| (start.user)())
    }

    /// Says in a session's record that nobody serves it any more.
    fn end_recorded(&self, store: &dyn Engine, id: &str) -> Result<()> {
        let Some(found) = store.get(Kind::Session, id).map_err(Failed::into_error)? else { return Ok(()) };
        let found = Session::of_item(&found)?;
        if found.status != SessionStatus::Active {
            return Ok(());
        }
        match store.replace(Kind::Session, &expired(found, self.charge.clock.wall()).to_item()) {
            // Somebody else ended it.
            Ok(()) | Err(Failed::Conflict) => Ok(()),
            Err(Failed::Error(error)) => Err(error),
        }
    }
}

/// The session's record, once it is over.
fn expired(session: Session, now: Timestamp) -> Session {
    let version = session.version.saturating_add(1);
    Session { status: SessionStatus::Expired, updated_at: now, expires_at: now, version, ..session }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
