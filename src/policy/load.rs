//! A policy and its file, kept in step.
//!
//! The file is stat'ed for every answer and read again when it is another file or has changed. A file that cannot be
//! read, or is not valid, is an error until it is mended: the policy read before it is not used again (T14).

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::read::{Document, Reader};
use super::schema::Policy;
use crate::error::{Error, Result};
use crate::trusted::{self, Writers};

/// How often a file that changes while it is read is read again before that is an error.
const MAX_READS: usize = 3;

/// A file that changed more recently than this is read again next time, because a second change within one tick of the
/// file system's clock (at most 2 s, on FAT) would leave its times as they are.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// A policy that follows its file.
pub(super) struct PolicyFile {
    path: PathBuf,
    reader: Reader,
    read: Mutex<Option<Loaded>>,
}

struct Loaded {
    identity: Identity,
    settled: bool,
    document: Document,
}

/// What differs between two files, and between a file and itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl PolicyFile {
    /// The policy of this file, which is not looked at yet.
    pub(super) fn new(path: PathBuf, reader: Reader) -> Self {
        Self { path, reader, read: Mutex::new(None) }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        &self.reader.name
    }

    /// The policy that the file holds now. One stat(2) when the file has not changed, and another one where it is signed.
    ///
    /// # Errors
    /// When the file is gone, is not a regular file of this user's or root's that they alone may write, or does not
    /// hold a policy that may be obeyed now.
    pub(super) fn current(&self) -> Result<Arc<Policy>> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| self.cannot_read(error))?;
        let identity = Identity::of(&metadata);
        // The lock is held while the file is read, so that many threads read a changed file once.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = read.as_ref().filter(|loaded| loaded.settled && loaded.identity == identity) {
            self.reader.confirm(&loaded.document)?;
            return Ok(Arc::clone(&loaded.document.policy));
        }
        *read = None;
        let loaded = self.load()?;
        let policy = Arc::clone(&loaded.document.policy);
        *read = Some(loaded);
        Ok(policy)
    }

    fn load(&self) -> Result<Loaded> {
        for _ in 0..MAX_READS {
            let now = self.reader.clock.wall();
            let (file, metadata) = trusted::open("the policy", &self.path, Writers::Owner)?;
            let bytes = self.bytes(&file)?;

            let identity = Identity::of(&metadata);
            let after = file.metadata().map_err(|error| self.cannot_read(error))?;
            if identity == Identity::of(&after) {
                return Ok(Loaded { identity, settled: identity.settled(now), document: self.reader.read(bytes)? });
            }
        }
        Err(Error::new(format!("the policy {} changes while it is read", self.path.display()))
            .hint("replace it with rename, not by writing into it"))
    }

    fn bytes(&self, file: &File) -> Result<Vec<u8>> {
        // One byte more than is taken, so that what is too long is seen to be.
        let limit = u64::try_from(self.reader.limit_bytes()).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|error| self.cannot_read(error))?;
        Ok(bytes)
    }

    fn cannot_read(&self, error: std::io::Error) -> Error {
        Error::new(format!("cannot read the policy {}", self.path.display())).because(error)
    }
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
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
