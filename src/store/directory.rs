//! A private directory of small files, each of which is there whole or not at all, whenever the power goes.
//!
//! Who writes holds the directory's lock (flock(2), which the kernel drops with the process), so there is one writer at a
//! time and one name for what is not finished: the next writer removes what an earlier one left behind. A file is written,
//! synced (but for a note that the power may empty: `instances`), given its name, and then the directory is synced, where it is not
//! enough that the name leads to the file before or to this one. Nothing is ever changed in place, so readers need no lock.
//!
//! The directory is held open: files are found in it whatever its path leads to by now.

use std::ffi::{CStr, CString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::sys::directory::{How, open_at, rename_at, unlink_at};
use crate::sys::user::effective_uid;
use crate::trusted;

/// Held by who writes.
const LOCK: &CStr = c".lock";
/// What is being written.
const UNFINISHED: &CStr = c".unfinished";
/// The longest wait for the lock: a writer holds it for milliseconds, and for as long as a bad disk takes to sync.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(2);
/// The largest file taken: a record has at most 1000 characters of a person's, and a few hundred bytes of ours.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// A directory of this user's alone.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    held: File,
}

/// The right to write into a directory, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _held: File,
}

impl Directory {
    /// Opens it, and makes it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let held = trusted::private_directory("the state directory", path)?;
        Ok(Self { path: path.to_owned(), held })
    }

    /// Where it was found.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the right to write, and not for long.
    pub(super) fn lock(&self) -> Result<Lock> {
        self.lock_within(LOCK_LIMIT)
    }

    pub(super) fn lock_within(&self, limit: Duration) -> Result<Lock> {
        let cannot = |error| Error::new(format!("cannot lock {}", self.path.display())).because(error);
        let file = open_at(&self.held, LOCK, How::Lock).map_err(cannot)?;
        let give_up = SystemClock.boot().saturating_add(limit);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _held: file }),
                Err(TryLockError::WouldBlock) if SystemClock.boot() < give_up => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let seconds = limit.as_secs();
                    let what = format!("{} was locked by another process for {seconds} s", self.path.display());
                    return Err(
                        Error::new(what).hint("a sentinel that was stopped may hold it: see `fuser -v` on its .lock")
                    );
                }
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
    }

    /// The whole file of this name into `bytes`, which are replaced; false when there is none.
    pub(super) fn read(&self, name: &str, bytes: &mut Vec<u8>) -> Result<bool> {
        match self.open_file(name)? {
            Some(file) => self.read_open(name, &file, bytes).map(|()| true),
            None => Ok(false),
        }
    }

    /// The file of this name, if there is one.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>> {
        match c_name(name).and_then(|name| open_at(&self.held, &name, How::Read)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => self.refuse(name, "is a symbolic link"),
            Err(error) => Err(Error::new(format!("cannot read {}", self.shown(name))).because(error)),
        }
    }

    /// The whole of an open file, which has to be a file of this user's alone (T21).
    pub(super) fn read_open(&self, name: &str, mut file: &File, bytes: &mut Vec<u8>) -> Result<()> {
        let cannot = |error| Error::new(format!("cannot read {}", self.shown(name))).because(error);
        let (found, us) = (file.metadata().map_err(cannot)?, effective_uid());
        if !found.is_file() {
            return self.refuse(name, "is not a regular file");
        }
        if found.uid() != us.0 {
            return self.refuse(name, &format!("belongs to uid {}, not to uid {us}", found.uid()));
        }
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o7777;
            return self.refuse(name, &format!("is open to its group or others (mode {mode:04o})"));
        }
        if found.len() > FILE_MAX_BYTES {
            return self.refuse(name, "is larger than 64 KiB");
        }
        // Files never change, so that one read of the length that is known gets it all.
        bytes.clear();
        bytes.resize(usize::try_from(found.len()).unwrap_or(0), 0);
        file.read_exact(bytes).map_err(cannot)
    }

    /// Puts a file in the place of the one of that name, if there is one. When this returns it is on the disk.
    pub(super) fn write(&self, name: &str, bytes: &[u8], lock: &Lock) -> Result<()> {
        self.put(name, bytes, lock)?;
        self.sync()
    }

    /// The same, but the power may go and leave the one that was there before.
    pub(super) fn put(&self, name: &str, bytes: &[u8], lock: &Lock) -> Result<()> {
        let file = self.unfinished(bytes, lock)?;
        let cannot = |error| Error::new(format!("cannot write {}", self.shown(name))).because(error);
        file.sync_all().map_err(cannot)?;
        self.finish(name, lock)
    }

    /// A new file that has no name of its own yet.
    pub(super) fn unfinished(&self, bytes: &[u8], _lock: &Lock) -> Result<File> {
        let cannot = |error| Error::new(format!("cannot write into {}", self.path.display())).because(error);
        match unlink_at(&self.held, UNFINISHED) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let mut file = open_at(&self.held, UNFINISHED, How::Create).map_err(cannot)?;
        file.write_all(bytes).map_err(cannot)?;
        Ok(file)
    }

    /// Gives the file that was written last its name.
    pub(super) fn finish(&self, name: &str, _lock: &Lock) -> Result<()> {
        let renamed = c_name(name).and_then(|name| rename_at(&self.held, UNFINISHED, &name));
        renamed.map_err(|error| Error::new(format!("cannot write {}", self.shown(name))).because(error))
    }

    /// Removes a file; it may be gone already.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match c_name(name).and_then(|name| unlink_at(&self.held, &name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(format!("cannot remove {}", self.shown(name))).because(error))
            }
            _ => Ok(()),
        }
    }

    /// Brings names that were given or taken away to the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.held.sync_all().map_err(|error| Error::new(format!("cannot sync {}", self.path.display())).because(error))
    }

    /// The ids of the files that are called `<id>.json`, in no order.
    pub(super) fn ids(&self) -> Result<Vec<String>> {
        let cannot = |error| Error::new(format!("cannot list {}", self.path.display())).because(error);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|id| super::is_id(id)) {
                ids.push(id.to_owned());
            }
        }
        Ok(ids)
    }

    fn refuse<T>(&self, name: &str, why: &str) -> Result<T> {
        Err(Error::new(format!("{} {why}", self.shown(name)))
            .hint("it is not sentinel's: find out whose, and remove it"))
    }

    /// The path of a file, to be shown.
    pub(super) fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

fn c_name(name: &str) -> io::Result<CString> {
    CString::new(name).map_err(io::Error::other)
}

#[cfg(test)]
pub(super) mod tests;
