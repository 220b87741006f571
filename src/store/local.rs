//! Records in a directory of this user's: one file each, so that what one process writes another can read and end.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::directory::Directory;
use super::instances;
use super::listing::Newest;
use super::record::{Item, Kind, SessionStatus, is_id};
use super::{Engine, Failed, Index, Listing};
use crate::clock::rfc3339_ms;
use crate::error::{Error, Result};

/// When records were reaped last.
const REAPED: &str = "reaped";
/// How often they are.
const REAP_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How many are removed under one lock, so that nobody waits long.
const REAP_BATCH: usize = 100;

/// The local engine.
#[derive(Debug)]
pub struct Local {
    state: Directory,
    sessions: Directory,
    requests: Directory,
    events: Directory,
}

impl Local {
    /// The records of a state directory, which is made where it is missing.
    ///
    /// # Errors
    /// When it, or a directory in it, is another's, is open to others, or cannot be used.
    pub fn open(state: &Path) -> Result<Self> {
        let names = Kind::ALL.map(|kind| state.join(directory_name(kind)));
        let new = names.iter().any(|path| !path.is_dir());
        let [sessions, requests, events] = names;
        let local = Self {
            state: Directory::open(state)?,
            sessions: Directory::open(&sessions)?,
            requests: Directory::open(&requests)?,
            events: Directory::open(&events)?,
        };
        if new {
            local.state.sync()?;
        }
        Ok(local)
    }

    /// Removes what DynamoDB would have removed: records whose `ttl` has passed, but no session that is still served.
    /// Returns how many.
    ///
    /// # Errors
    /// When a directory cannot be read, locked or written.
    pub fn reap(&self, now: Timestamp) -> Result<usize> {
        let mut removed = 0;
        for kind in Kind::ALL {
            let directory = self.directory(kind);
            let over: Vec<String> =
                directory.ids()?.into_iter().filter(|id| self.is_over(kind, id, now).unwrap_or(false)).collect();
            for batch in over.chunks(REAP_BATCH) {
                let _lock = directory.lock()?;
                for id in batch {
                    // Once more: it may have been extended since.
                    if self.is_over(kind, id, now)? {
                        directory.remove(&file_name(id))?;
                        removed += 1;
                    }
                }
                directory.sync()?;
            }
        }
        Ok(removed)
    }

    /// As [`Local::reap`], unless that was done within a day.
    ///
    /// # Errors
    /// As [`Local::reap`].
    pub fn reap_daily(&self, now: Timestamp) -> Result<usize> {
        {
            let lock = self.state.lock()?;
            let mut text = Vec::new();
            let last = match self.state.read(REAPED, &mut text)? {
                true => std::str::from_utf8(&text).ok().and_then(|text| text.parse::<Timestamp>().ok()),
                false => None,
            };
            // A time to come is of a clock that was wrong.
            if last.is_some_and(|last| last <= now && now.duration_since(last) < REAP_EVERY) {
                return Ok(0);
            }
            self.state.write(REAPED, rfc3339_ms(now).to_string().as_bytes(), &lock)?;
        }
        self.reap(now)
    }

    /// Whether a record's time has passed, and nobody serves under it.
    fn is_over(&self, kind: Kind, id: &str, now: Timestamp) -> Result<bool> {
        let Some(item) = self.read(kind, id, &mut Vec::new())? else { return Ok(false) };
        let over = item.number("ttl").is_some_and(|ttl| ttl < now.as_second());
        if !over || kind != Kind::Session {
            return Ok(over);
        }
        let expires: Option<Timestamp> = item.text("expires_at").and_then(|text| text.parse().ok());
        let live = item.text("status") == Some("active") && expires.is_none_or(|expires| expires > now);
        Ok(!live && !instances::is_held(self.state.path(), id)?)
    }

    fn directory(&self, kind: Kind) -> &Directory {
        match kind {
            Kind::Session => &self.sessions,
            Kind::Request => &self.requests,
            Kind::Event => &self.events,
        }
    }

    fn read(&self, kind: Kind, id: &str, bytes: &mut Vec<u8>) -> Result<Option<Item>> {
        let (directory, name) = (self.directory(kind), file_name(id));
        if !directory.read(&name, bytes)? {
            return Ok(None);
        }
        let broken = |why: String| {
            Error::new(format!("{} is not a {}: {why}", directory.shown(&name), kind.noun()))
                .hint("restore it from a backup, or move it away")
        };
        let item: Item = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        match item.text("id") {
            Some(own) if own == id => Ok(Some(item)),
            _ => Err(broken("its `id` is another".to_owned())),
        }
    }
}

impl Engine for Local {
    fn insert(&self, kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        let (directory, name) = (self.directory(kind), file_name(item.checked_id(kind)?));
        let bytes = bytes_of(item)?;
        let lock = directory.lock()?;
        if directory.open_file(&name)?.is_some() {
            return Err(Failed::Conflict);
        }
        // The power that takes a session's name takes the session as well. What people ask for stays.
        Ok(match kind {
            Kind::Session => directory.put(&name, &bytes, &lock),
            Kind::Request | Kind::Event => directory.write(&name, &bytes, &lock),
        }?)
    }

    fn get(&self, kind: Kind, id: &str) -> std::result::Result<Option<Item>, Failed> {
        // What is no id names no file.
        if !is_id(id) {
            return Ok(None);
        }
        Ok(self.read(kind, id, &mut Vec::new())?)
    }

    fn replace(&self, kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        let (directory, id) = (self.directory(kind), item.checked_id(kind)?);
        let lock = directory.lock()?;
        let Some(found) = self.read(kind, id, &mut Vec::new())? else { return Err(Failed::Conflict) };
        let statuses = item.text("status").map_or(&[][..], |status| kind.statuses_before(status));
        let follows = statuses.is_empty() || found.text("status").is_some_and(|status| statuses.contains(&status));
        if found.version().checked_add(1) != Some(item.version()) || !follows {
            return Err(Failed::Conflict);
        }
        let mut item = item.clone();
        for (name, value) in found.0 {
            // What sentinel does not know another tool may need.
            if !kind.fields().contains(&name.as_str()) {
                item.0.entry(name).or_insert(value);
            }
        }
        let (name, bytes) = (file_name(item.checked_id(kind)?), bytes_of(&item)?);
        // A command's end waits for this. One that a power cut undoes leaves an active session that nobody serves: it lapses.
        if kind == Kind::Session && item.text("status") == Some(SessionStatus::Expired.as_str()) {
            return Ok(directory.put(&name, &bytes, &lock)?);
        }
        Ok(directory.write(&name, &bytes, &lock)?)
    }

    fn list(&self, kind: Kind, index: Option<Index<'_>>, limit: usize) -> std::result::Result<Listing, Failed> {
        if let Some(index) = index {
            kind.index_of(index.field)?;
        }
        let leads = |item: &Item| index.is_none_or(|index| item.text(index.field) == Some(index.value));
        let (mut newest, mut bytes) = (Newest::new(limit), Vec::new());
        for id in self.directory(kind).ids()? {
            match self.read(kind, &id, &mut bytes) {
                Ok(Some(item)) if leads(&item) => newest.add(item),
                // It is another's, or was removed meanwhile.
                Ok(_) => {}
                Err(error) => newest.flaw(error),
            }
        }
        Ok(newest.listing(&self.place(kind)))
    }

    fn place(&self, kind: Kind) -> String {
        self.directory(kind).path().display().to_string()
    }

    fn table(&self, _kind: Kind) -> Option<&str> {
        None
    }
}

fn directory_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => "sessions",
        Kind::Request => "requests",
        Kind::Event => "breakglass",
    }
}

fn file_name(id: &str) -> String {
    format!("{id}.json")
}

fn bytes_of(item: &Item) -> Result<Vec<u8>> {
    serde_json::to_vec(item).map_err(|error| Error::new("cannot write a record as JSON").because(error))
}

#[cfg(test)]
mod tests;
