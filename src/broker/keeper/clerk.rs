//! What has no deadline: approvals and break-glass events, the uses of the session, and sessions that were abandoned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jiff::{SignedDuration, Timestamp};

use super::{LAPSES_AFTER, Shared, later};
use crate::broker::standing::Records;
use crate::error::Result;
use crate::store::instances::{self, Abandoned};
use crate::store::{Engine, Event, Failed, Index, Kind, Record, Request};

/// Uses are written down this often at most, and
const WRITE_BEHIND: SignedDuration = SignedDuration::from_secs(15);
/// this often at least, so that a session that rests does not lapse.
const SIGN_OF_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// Most records of a user that are looked at.
const RECORDS: usize = 200;

pub(super) struct Round {
    shared: Arc<Shared>,
    /// How many uses were written last, and when.
    written: Option<(i64, Timestamp)>,
    /// Sessions that were abandoned are looked for once.
    looked_for_abandoned: bool,
}

impl Round {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, written: None, looked_for_abandoned: false }
    }

    pub(super) fn run(&mut self, stop: &AtomicBool) {
        let shared = Arc::clone(&self.shared);
        shared.charge.standing.looked_up_by(thread::current());
        while !stop.load(Ordering::SeqCst) {
            let began = shared.charge.clock.boot();
            self.keep();
            shared.rest(began);
        }
    }

    /// One round. Requests wait for records, and for nothing else.
    pub(super) fn keep(&mut self) {
        let charge = &self.shared.charge;
        if let Some(policy) = &charge.policy {
            policy.refresh_due();
        }
        let store = self.shared.store();
        let read = match &store {
            Ok(store) => self.read_records(store.as_ref()),
            Err(error) => Err(error.repeated()),
        };
        if let Err(error) = read {
            // The keeper tells what is wrong with a session's store.
            if charge.standing.wanted_user().is_some() {
                self.shared.log(&error);
            }
            charge.standing.records_failed(Arc::new(error));
        }
        // Once there is a session, and not before the child's first request may need it.
        if let (Ok(store), true) = (store, charge.standing.is_live()) {
            if let Err(error) = self.write_behind(store.as_ref()) {
                self.shared.log(&error);
            }
            if !self.looked_for_abandoned {
                self.looked_for_abandoned = true;
                self.end_abandoned(store.as_ref());
            }
        }
    }

    fn read_records(&self, store: &dyn Engine) -> Result<()> {
        let standing = &self.shared.charge.standing;
        let Some(user) = standing.wanted_user() else { return Ok(()) };
        let asked_at = self.shared.charge.clock.boot();
        let by = |field, value| Some(Index { field, value });
        let (requests, _) = listed::<Request>(store, by("requester", &user))?;
        let (events, all_events_read) = listed::<Event>(store, by("invoker", &user))?;
        standing.records_are(Records { user, requests, events, all_events_read }, asked_at);
        Ok(())
    }

    /// Writes down how often the session was used, and that it lives.
    fn write_behind(&mut self, store: &dyn Engine) -> Result<()> {
        let charge = &self.shared.charge;
        let Some(before) = self.shared.session().clone() else { return Ok(()) };
        let now = charge.clock.wall();
        let (written, at) = self.written.unwrap_or((0, before.created_at));
        let age = now.duration_since(at).abs();
        // Whose it is does not wait: who looks for a person's sessions wants to find this one.
        let is_named = self.shared.named().is_some_and(|user| user != before.user);
        let is_used = charge.standing.accesses().0 != written;
        if !(is_named || is_used && age >= WRITE_BEHIND || age >= SIGN_OF_LIFE) {
            return Ok(());
        }
        let mut next = self.shared.with_uses(before);
        let count = next.request_count;
        (next.updated_at, next.expires_at) = (now, later(now, LAPSES_AFTER));
        next.version = next.version.saturating_add(1);
        match store.replace(Kind::Session, &next.to_item()) {
            // The keeper reads it back.
            Ok(()) => self.written = Some((count, now)),
            // Somebody wrote first, perhaps a revocation: the keeper reads that.
            Err(Failed::Conflict) => {}
            Err(Failed::Error(error)) => return Err(error),
        }
        Ok(())
    }

    /// Ends the sessions of processes that were killed, as far as they are recorded where this one is, or nobody knows where.
    fn end_abandoned(&self, store: &dyn Engine) {
        let left = match instances::abandoned(&self.shared.charge.state_directory) {
            Ok(left) => left,
            Err(error) => return self.shared.log(&error),
        };
        for flaw in &left.flaws {
            self.shared.log(flaw);
        }
        let place = store.place(Kind::Session);
        let is_here = |abandoned: &Abandoned| abandoned.place.as_ref().is_none_or(|its| *its == place);
        for abandoned in left.sessions.into_iter().filter(is_here) {
            let ended = self.shared.end_recorded(store, &abandoned.id).and_then(|()| abandoned.settle());
            if let Err(error) = ended {
                self.shared.charge.operator.debug(&error.line());
            }
        }
    }
}

/// Records that can be read, and whether those are all there are. One that cannot be is nobody's approval.
fn listed<R: Record>(store: &dyn Engine, index: Option<Index<'_>>) -> Result<(Vec<R>, bool)> {
    let listing = store.list(R::KIND, index, RECORDS).map_err(Failed::into_error)?;
    let records: Vec<R> = listing.items.iter().filter_map(|item| R::of_item(item).ok()).collect();
    let all = listing.flaws.is_empty() && records.len() == listing.items.len() && records.len() < RECORDS;
    Ok((records, all))
}
