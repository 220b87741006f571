//! The thread that asks stores, so that no request does: is the session still live, what has been approved, which glass is broken.
//!
//! It also writes behind what requests leave: when the session was last used, and how often. Nothing is believed longer than
//! [`super::standing::GRACE`] after the last answer, and a session that was revoked, or whose record is gone, has ended for good.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::standing::{Records, Standing};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::policy::PolicySource;
use crate::store::instances::{self, Instance};
use crate::store::record::{SessionStatus, new_id};
use crate::store::{Engine, Event, Failed, Index, Kind, Record, Request, Session};

/// A round each. A session that was revoked ends within this and one call, which takes at most 5 s.
const ROUND: Duration = Duration::from_secs(3);
/// Uses are written down this often at most, and
const WRITE_BEHIND: SignedDuration = SignedDuration::from_secs(15);
/// this often at least, so that a session that rests does not lapse.
const SIGN_OF_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// A session that is not heard of for this long counts as ended.
const LAPSES_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// How long the end waits for the session's record; what is not written then, the next start writes.
const END_LIMIT: Duration = Duration::from_secs(1);
/// Most records of a user that are looked at.
const RECORDS: usize = 200;
/// Calls over TLS need this in debug builds.
const STACK_BYTES: usize = 512 * 1024;

/// What a keeper keeps.
pub struct Charge {
    /// Opens the store, on the keeper's thread: directories may have to be made, and a start does not wait for that.
    pub open: Box<dyn Fn() -> Result<Arc<dyn Engine>> + Send>,
    /// Where it is noted that this process serves.
    pub state_directory: PathBuf,
    /// What requests read.
    pub standing: Arc<Standing>,
    /// The policy, whose document may be far away.
    pub policy: Option<Arc<PolicySource>>,
    /// The run's session, where it serves.
    pub session: Option<Start>,
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
    pub user: Box<dyn Fn() -> Option<String> + Send>,
    /// Called once, when the session is revoked.
    pub on_end: Box<dyn Fn() + Send>,
}

/// The running thread. Dropping it marks the session as ended.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Keeper {
    /// Starts to keep.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(charge: Charge) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (done, ended) = mpsc::sync_channel(1);
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("sentinel-keep".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                Round::new(charge).run(&stopped);
                // Nobody waits any more where the end took too long.
                let _nobody = done.send(());
            })
            .map_err(|error| Error::new("cannot start a thread").because(error))?;
        Ok(Self { stop, thread, ended: Mutex::new(ended) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Too late is no loss: the next start finds the session.
        let _late = ended.recv_timeout(END_LIMIT);
    }
}

/// The id of a new session.
///
/// # Errors
/// The kernel gave no random bytes.
pub fn session_id() -> Result<Arc<str>> {
    new_id().map(Into::into)
}

struct Round {
    charge: Charge,
    store: Option<Arc<dyn Engine>>,
    /// Held while the session is served, so that others can tell that it is.
    instance: Option<Instance>,
    /// As it was written or read last.
    session: Option<Session>,
    /// What was counted when it was written last.
    written: (i64, Timestamp),
    ended: bool,
}

impl Round {
    fn new(charge: Charge) -> Self {
        Self { charge, store: None, instance: None, session: None, written: (0, Timestamp::MIN), ended: false }
    }

    fn run(&mut self, stop: &AtomicBool) {
        self.charge.standing.kept_by(thread::current());
        while !stop.load(Ordering::SeqCst) {
            self.keep();
            thread::park_timeout(ROUND);
        }
        self.end();
    }

    /// One round. The session comes first: its revocation has a deadline.
    fn keep(&mut self) {
        match self.opened() {
            Ok(store) => {
                if !self.ended {
                    let kept = self.keep_session(&store);
                    self.note(kept);
                }
                let read = self.read_records(store.as_ref());
                self.note(read);
            }
            Err(error) => self.note(Err(error)),
        }
        if let Some(policy) = &self.charge.policy {
            policy.refresh_due();
        }
    }

    fn opened(&mut self) -> Result<Arc<dyn Engine>> {
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => (self.charge.open)()?,
        };
        self.store = Some(Arc::clone(&store));
        Ok(store)
    }

    fn note(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.charge.operator.log("store", &error.line());
            self.charge.standing.failed(Arc::new(error));
        }
    }

    fn keep_session(&mut self, store: &Arc<dyn Engine>) -> Result<()> {
        let Some(start) = &self.charge.session else { return Ok(()) };
        let before = self.charge.clock.boot();
        let is_new = self.session.is_none();
        if is_new {
            if self.instance.is_none() {
                let place = store.place(Kind::Session);
                self.instance = Some(Instance::begin(&self.charge.state_directory, &start.id, &place)?);
            }
            let session = self.begun(start);
            match store.insert(Kind::Session, &session.to_item()) {
                Ok(()) => {}
                // An answer that was lost: the record is ours, because nobody else has this id.
                Err(Failed::Conflict) => {}
                Err(Failed::Error(error)) => return Err(error),
            }
            self.written = (0, session.created_at);
            self.session = Some(session);
        } else {
            let Some(found) = store.get(Kind::Session, &start.id).map_err(Failed::into_error)? else {
                self.has_ended("the session's record is gone");
                return Ok(());
            };
            let found = Session::of_item(&found)?;
            if found.status != SessionStatus::Active {
                let by = found.revoked_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
                let why = found.revoked_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                self.has_ended(&format!("the session was {}{by}{why}", found.status.as_str()));
                return Ok(());
            }
            self.session = Some(found);
        }
        let table = store.table(Kind::Session).map(Arc::from);
        self.charge.standing.session_is_live(&start.id, table.as_ref(), before);
        if is_new {
            // Nobody waits for this.
            self.end_abandoned(store.as_ref());
        }
        self.write_behind(store.as_ref())
    }

    fn begun(&self, start: &Start) -> Session {
        let now = self.charge.clock.wall();
        Session {
            id: start.id.to_string(),
            user: (start.user)().unwrap_or_else(|| "unknown".to_owned()),
            profile: self.charge.profile.clone(),
            server_instance_id: start.instance.clone(),
            status: SessionStatus::Active,
            started_at: now,
            last_access_at: now,
            expires_at: later(now, LAPSES_AFTER),
            request_count: 0,
            source_identity: None,
            device_id: start.device_id.clone(),
            created_at: now,
            updated_at: now,
            revoked_by: None,
            revoked_reason: None,
            version: 1,
        }
    }

    /// Writes down how often the session was used, and that it lives.
    fn write_behind(&mut self, store: &dyn Engine) -> Result<()> {
        let (count, last_ms) = self.charge.standing.accesses();
        let now = self.charge.clock.wall();
        let (written, at) = self.written;
        let age = now.duration_since(at).abs();
        let named = self.charge.session.as_ref().and_then(|start| (start.user)());
        let Some(session) = &mut self.session else { return Ok(()) };
        let is_new = count != written || named.as_ref().is_some_and(|named| *named != session.user);
        if !(is_new && age >= WRITE_BEHIND || age >= SIGN_OF_LIFE) {
            return Ok(());
        }
        let mut next = session.clone();
        next.request_count = count;
        if let Some(user) = named {
            next.user = user;
        }
        if let Ok(last) = Timestamp::from_millisecond(last_ms)
            && count > 0
        {
            next.last_access_at = last;
        }
        next.source_identity = self.charge.standing.source_identity().map(str::to_owned).or(next.source_identity);
        (next.updated_at, next.expires_at) = (now, later(now, LAPSES_AFTER));
        next.version = next.version.saturating_add(1);
        match store.replace(Kind::Session, &next.to_item()) {
            Ok(()) => {
                *session = next;
                self.written = (count, now);
                Ok(())
            }
            // Somebody wrote first, perhaps a revocation: the next round reads it.
            Err(Failed::Conflict) => Ok(()),
            Err(Failed::Error(error)) => Err(error),
        }
    }

    fn has_ended(&mut self, why: &str) {
        self.ended = true;
        if let Some(start) = &self.charge.session {
            self.charge.standing.session_has_ended(&start.id, why);
            self.charge.operator.log("session", &format!("session {}: {why}; nothing more is served", start.id));
            (start.on_end)();
        }
    }

    /// Ends the sessions of processes that were killed, as far as they are recorded where this one is.
    fn end_abandoned(&self, store: &dyn Engine) {
        let left = match instances::abandoned(&self.charge.state_directory) {
            Ok(left) => left,
            Err(error) => return self.charge.operator.log("store", &error.line()),
        };
        for flaw in &left.flaws {
            self.charge.operator.log("store", &flaw.line());
        }
        let place = store.place(Kind::Session);
        for abandoned in left.sessions.into_iter().filter(|abandoned| abandoned.place == place) {
            if let Err(error) = self.end_one(store, &abandoned.id).and_then(|()| abandoned.settle()) {
                self.charge.operator.debug(&error.line());
            }
        }
    }

    fn end_one(&self, store: &dyn Engine, id: &str) -> Result<()> {
        let Some(found) = store.get(Kind::Session, id).map_err(Failed::into_error)? else { return Ok(()) };
        let found = Session::of_item(&found)?;
        if found.status != SessionStatus::Active {
            return Ok(());
        }
        let now = self.charge.clock.wall();
        match store.replace(Kind::Session, &expired(found, now).to_item()) {
            // Somebody else ended it.
            Ok(()) | Err(Failed::Conflict) => Ok(()),
            Err(Failed::Error(error)) => Err(error),
        }
    }

    fn read_records(&self, store: &dyn Engine) -> Result<()> {
        let Some(user) = self.charge.standing.wanted_user() else { return Ok(()) };
        let before = self.charge.clock.boot();
        let by = |field, value| Some(Index { field, value });
        let requests = listed::<Request>(store, by("requester", &user))?;
        let events = listed::<Event>(store, by("invoker", &user))?;
        self.charge.standing.records_are(Records { user, requests, events }, before);
        Ok(())
    }

    /// Says in the record that the run is over.
    fn end(&mut self) {
        let (Some(session), Some(store)) = (self.session.take().filter(|_| !self.ended), &self.store) else { return };
        let (count, _) = self.charge.standing.accesses();
        let ended = expired(Session { request_count: count, ..session }, self.charge.clock.wall());
        match store.replace(Kind::Session, &ended.to_item()) {
            // Somebody else ended it.
            Ok(()) | Err(Failed::Conflict) => {}
            Err(Failed::Error(error)) => self.charge.operator.debug(&error.line()),
        }
    }
}

/// The session's record, once it is over.
fn expired(session: Session, now: Timestamp) -> Session {
    let version = session.version.saturating_add(1);
    Session { status: SessionStatus::Expired, updated_at: now, expires_at: now, version, ..session }
}

/// Records that can be read. One that cannot be is nobody's approval.
fn listed<R: Record>(store: &dyn Engine, index: Option<Index<'_>>) -> Result<Vec<R>> {
    let listing = store.list(R::KIND, index, RECORDS).map_err(Failed::into_error)?;
    Ok(listing.items.iter().filter_map(|item| R::of_item(item).ok()).collect())
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
