//! Which sessions are being served: a file for each, locked (flock(2)) for as long as its process lives.
//!
//! A process that was killed leaves its file behind without a lock, so that the next start can end the session that nobody
//! serves any more. A file has its lock before it has its name; who begins and who looks for what was left take turns.
//!
//! The lock belongs to the open file: a process that is forked from here, and goes on without exec, keeps it as well. So
//! begin after the warden was forked.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::directory::Directory;
use super::record::{Item, Value, is_id};
use crate::error::{Error, Result};

/// The directory in the state directory.
const DIRECTORY: &str = "instances";

/// A session that this process serves.
#[derive(Debug)]
pub struct Instance {
    directory: Directory,
    name: String,
    process_id: u32,
    _locked: File,
}

/// A session that a process served which is gone.
#[derive(Debug)]
pub struct Abandoned {
    /// The session's id.
    pub id: String,
    /// Where it is recorded: [`super::Engine::place`] of that time. `None` where that was lost with the power.
    pub place: Option<String>,
    directory: Arc<Directory>,
    /// Locked, so that only one start ends the session.
    _locked: File,
}

/// What [`abandoned`] found.
#[derive(Debug, Default)]
pub struct Left {
    /// What is to be ended.
    pub sessions: Vec<Abandoned>,
    /// Files that could not be read.
    pub flaws: Vec<Error>,
}

impl Instance {
    /// Notes in the state directory that this process serves the session, which is recorded at `place`.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn begin(state: &Path, id: &str, place: &str) -> Result<Self> {
        if !is_id(id) {
            return Err(Error::new(format!("`{}` is not an id of 16 hex digits", id.escape_debug())));
        }
        let directory = Directory::open(&state.join(DIRECTORY))?;
        let name = file_name(id);
        let text = |text: &str| Value::Text(text.to_owned());
        let note = Item([("id".to_owned(), text(id)), ("place".to_owned(), text(place))].into());
        let failed = |error: io::Error| Error::new(format!("cannot write {}", directory.shown(&name))).because(error);
        let note = serde_json::to_vec(&note).map_err(|error| failed(error.into()))?;
        let lock = directory.lock()?;
        let file = directory.unfinished(&note, &lock)?;
        file.try_lock().map_err(|error| failed(error.into()))?;
        // Not waited for: what the power takes of it, its text or its name, had a session that lapses.
        directory.finish(&name, &lock)?;
        Ok(Self { directory, name, process_id: std::process::id(), _locked: file })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A forked process that drops its copy serves nothing. Where removal fails, the next start finds the file.
        if self.process_id == std::process::id() {
            let _ = self.directory.remove(&self.name);
        }
    }
}

impl Abandoned {
    /// Forgets it: the session was ended, or is none any more. Whoever drops it instead leaves it to the next start.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn settle(self) -> Result<()> {
        self.directory.remove(&file_name(&self.id))
    }
}

/// The sessions that nobody serves any more, each held until it is settled or dropped.
///
/// # Errors
/// When the directory cannot be used.
pub fn abandoned(state: &Path) -> Result<Left> {
    let directory = Arc::new(Directory::open(&state.join(DIRECTORY))?);
    let mut left = Left::default();
    let _turn = directory.lock()?;
    for id in directory.ids()? {
        match look(&directory, &id) {
            Ok(Some(found)) => left.sessions.push(found),
            Ok(None) => {}
            Err(error) => left.flaws.push(error),
        }
    }
    Ok(left)
}

/// Whether a process serves this session now.
///
/// # Errors
/// When its file cannot be looked at.
pub(super) fn is_held(state: &Path, id: &str) -> Result<bool> {
    let directory = Directory::open(&state.join(DIRECTORY))?;
    match directory.open_file(&file_name(id))? {
        Some(file) => is_locked(&directory, id, &file),
        None => Ok(false),
    }
}

/// The session, if its process is gone.
fn look(directory: &Arc<Directory>, id: &str) -> Result<Option<Abandoned>> {
    let name = file_name(id);
    let Some(file) = directory.open_file(&name)? else { return Ok(None) };
    // Locked is served; without a name it ended in order, since it was listed.
    let metadata = |error| Error::new(format!("cannot read {}", directory.shown(&name))).because(error);
    if is_locked(directory, id, &file)? || file.metadata().map_err(metadata)?.nlink() == 0 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    directory.read_open(&name, &file, &mut bytes)?;
    let note: Option<Item> = serde_json::from_slice(&bytes).ok();
    let place = note.as_ref().and_then(|note| note.text("place")).map(str::to_owned);
    // A name that came to the disk before its text.
    let is_lost = bytes.iter().all(|byte| *byte == 0);
    if place.is_some() || is_lost {
        return Ok(Some(Abandoned { id: id.to_owned(), place, directory: Arc::clone(directory), _locked: file }));
    }
    Err(Error::new(format!("{} does not say where its session is recorded", directory.shown(&name)))
        .hint("remove it; the session ends by itself"))
}

/// Whether another holds the lock; otherwise `file` holds it now.
fn is_locked(directory: &Directory, id: &str, file: &File) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(Error::new(format!("cannot lock {}", directory.shown(&file_name(id)))).because(error))
        }
    }
}

fn file_name(id: &str) -> String {
    format!("{id}.json")
}

#[cfg(test)]
mod tests;
