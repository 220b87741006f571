//! A policy and its file, kept in step: the only part of the policy that does input.
//!
//! The file is stat'ed for every answer and read again when it is another file or has changed. A file that cannot be
//! read, or is not valid, is an error until it is mended: the policy read before it is not used again (T14).

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::json::MAX_BYTES;
use super::schema::Policy;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::trusted::{self, Writers};

/// How often a file that changes while it is read is read again before that is an error.
const MAX_READS: usize = 3;

/// A file that changed more recently than this is read again next time, because a second change within one tick of the
/// file system's clock (at most 2 s, on FAT) would leave its times as they are.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// A policy that follows its file.
pub struct PolicyFile {
    path: PathBuf,
    clock: Box<dyn Clock>,
    read: Mutex<Option<Loaded>>,
}

struct Loaded {
    identity: Identity,
    settled: bool,
    policy: Arc<Policy>,
}

/// What differs between two files, and between a file and itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl PolicyFile {
    /// Opens the file and reads it once, so that a policy that is not valid is known at the start.
    ///
    /// # Errors
    /// As [`PolicyFile::current`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::with_clock(path, SystemClock)
    }

    fn with_clock(path: impl Into<PathBuf>, clock: impl Clock + 'static) -> Result<Self> {
        let file = Self { path: path.into(), clock: Box::new(clock), read: Mutex::new(None) };
        file.current()?;
        Ok(file)
    }

    /// The path that the policy is read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The policy that the file holds now. One stat(2) when the file has not changed.
    ///
    /// # Errors
    /// When the file is gone, is not a regular file of this user's or root's that they alone may write, or does not
    /// hold a valid policy.
    pub fn current(&self) -> Result<Arc<Policy>> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| self.cannot_read(error))?;
        let identity = Identity::of(&metadata);
        // The lock is held while the file is read, so that many threads read a changed file once.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = read.as_ref().filter(|loaded| loaded.settled && loaded.identity == identity) {
            return Ok(Arc::clone(&loaded.policy));
        }
        *read = None;
        let loaded = self.load()?;
        let policy = Arc::clone(&loaded.policy);
        *read = Some(loaded);
        Ok(policy)
    }

    fn load(&self) -> Result<Loaded> {
        for _ in 0..MAX_READS {
            let now = self.clock.wall();
            let (file, metadata) = trusted::open("the policy", &self.path, Writers::Owner)?;
            let text = self.text(&file)?;

            let identity = Identity::of(&metadata);
            let after = file.metadata().map_err(|error| self.cannot_read(error))?;
            if identity == Identity::of(&after) {
                let policy = Policy::parse(&text).map_err(|flaw| flaw.in_document(&self.path.display().to_string()))?;
                return Ok(Loaded { identity, settled: identity.settled(now), policy: Arc::new(policy) });
            }
        }
        Err(Error::new(format!("the policy {} changes while it is read", self.path.display()))
            .hint("replace it with rename, not by writing into it"))
    }

    fn text(&self, file: &File) -> Result<String> {
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|error| self.cannot_read(error))?;
        if bytes.len() > MAX_BYTES {
            return Err(Error::new(format!("the policy {} is larger than 1 MiB", self.path.display())));
        }
        String::from_utf8(bytes).map_err(|_| Error::new(format!("the policy {} is not UTF-8", self.path.display())))
    }

    fn cannot_read(&self, error: std::io::Error) -> Error {
        Error::new(format!("cannot read the policy {}", self.path.display())).because(error)
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change after `now` is sure to show.
    fn settled(&self, now: Timestamp) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed = i32::try_from(nanoseconds).ok().and_then(|nanos| Timestamp::new(seconds, nanos).ok());
        changed.is_some_and(|changed| now.duration_since(changed) > SETTLED_AFTER)
    }
}

#[cfg(test)]
mod tests;
