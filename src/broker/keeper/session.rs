//! Is the session still live? One call a round, and a last one that says that the run is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{LAPSES_AFTER, Shared, Start, expired, later};
use crate::error::Result;
use crate::store::instances::Instance;
use crate::store::record::SessionStatus;
use crate::store::{Engine, Failed, Kind, Record, Session};

pub(super) struct Round {
    shared: Arc<Shared>,
    /// Held while the session is served, so that others can tell that it is.
    instance: Option<Instance>,
    ended: bool,
}

impl Round {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, instance: None, ended: false }
    }

    pub(super) fn run(&mut self, stop: &AtomicBool) {
        let shared = Arc::clone(&self.shared);
        let standing = &shared.charge.standing;
        standing.kept_by(thread::current());
        while !stop.load(Ordering::SeqCst) {
            let began = shared.charge.clock.boot();
            if let Err(error) = self.keep() {
                shared.log(&error);
                let has_begun = shared.session().is_some();
                if !has_begun && !shared.charge.must_record {
                    shared.charge.operator.log("store", "this run's session is not recorded, and cannot be revoked");
                    standing.session_is_not_wanted();
                    return;
                }
                standing.session_failed(Arc::new(error));
            }
            if self.ended {
                return;
            }
            shared.rest(began);
        }
        self.end();
    }

    fn keep(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(start) = &shared.charge.session else { return Ok(()) };
        let store = shared.store()?;
        // What is said afterwards was true at this time at least.
        let asked_at = shared.charge.clock.boot();
        let begun = shared.session().is_some();
        if begun {
            let Some(found) = store.get(Kind::Session, &start.id).map_err(Failed::into_error)? else {
                self.has_ended(start, "the session's record is gone");
                return Ok(());
            };
            let found = Session::of_item(&found)?;
            if found.status != SessionStatus::Active {
                let by = found.revoked_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
                let why = found.revoked_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                self.has_ended(start, &format!("the session was {}{by}{why}", found.status.as_str()));
                // Who looks into it wants to know what it was used for until then.
                let mut used = shared.with_uses(found);
                used.version = used.version.saturating_add(1);
                return match store.replace(Kind::Session, &used.to_item()) {
                    Ok(()) | Err(Failed::Conflict) => Ok(()),
                    Err(Failed::Error(error)) => Err(error),
                };
            }
            *shared.session() = Some(found);
        } else {
            self.begin(start, store.as_ref())?;
        }
        let table = store.table(Kind::Session).map(Arc::from);
        shared.charge.standing.session_is_live(&start.id, table.as_ref(), asked_at);
        Ok(())
    }

    fn begin(&mut self, start: &Start, store: &dyn Engine) -> Result<()> {
        if self.instance.is_none() {
            let place = store.place(Kind::Session);
            self.instance = Some(Instance::begin(&self.shared.charge.state_directory, &start.id, &place)?);
        }
        let session = self.begun(start);
        match store.insert(Kind::Session, &session.to_item()) {
            // An answer that was lost: the record is ours, because nobody else has this id.
            Ok(()) | Err(Failed::Conflict) => {}
            Err(Failed::Error(error)) => return Err(error),
        }
        *self.shared.session() = Some(session);
        Ok(())
    }

    fn begun(&self, start: &Start) -> Session {
        let now = self.shared.charge.clock.wall();
        Session {
            id: start.id.to_string(),
            user: (start.user)().unwrap_or_else(|| "unknown".to_owned()),
            profile: self.shared.charge.profile.clone(),
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

    fn has_ended(&mut self, start: &Start, why: &str) {
        self.ended = true;
        let charge = &self.shared.charge;
        charge.standing.session_has_ended(&start.id, why);
        charge.operator.log("session", &format!("session {}: {why}; nothing more is served", start.id));
        (start.on_end)();
    }

    /// Says in the record that the run is over.
    fn end(&self) {
        let shared = &self.shared;
        let Some(session) = shared.session().take() else { return };
        let id = session.id.clone();
        let over = expired(shared.with_uses(session), shared.charge.clock.wall());
        let ended = shared.store().and_then(|store| match store.replace(Kind::Session, &over.to_item()) {
            Ok(()) => Ok(()),
            // Somebody else ended it; or the clerk has just written in it.
            Err(Failed::Conflict) => shared.end_recorded(store.as_ref(), &id),
            Err(Failed::Error(error)) => Err(error),
        });
        if let Err(error) = ended {
            shared.charge.operator.debug(&error.line());
        }
    }
}
