//! Cleaning up after sentinels that were killed (T3). See the parent's head for why this cannot hit a live one.

use std::fs::{self, DirEntry, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::base::Base;
use super::{CONFIG, HELPER, LOCK, SOCKET, SOCKET_LOCK, leads_to, open_directory, remove_known};

/// Removes the stale directories of `base`, and returns how many.
pub(super) fn clean(base: &Base) -> usize {
    let Ok(entries) = fs::read_dir(base.path()) else { return 0 };
    let ours = |entry: &DirEntry| entry.file_name().to_str().is_some_and(|name| base.is_name(name));
    entries.take(ENTRIES).flatten().filter(ours).filter(|entry| clean_one(base, &entry.path()).unwrap_or(false)).count()
}

/// Removes one directory if it is ours and dead. True if it did.
fn clean_one(base: &Base, path: &Path) -> io::Result<bool> {
    let found = open_directory(path)?.metadata()?;
    if found.uid() != base.owner().0 || found.mode() & 0o777 != 0o700 || !has_only_ours(path)? {
        return Ok(false);
    }
    let lock_path = path.join(LOCK);
    // O_NONBLOCK, in case that is something that makes its opener wait.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let lock = match OpenOptions::new().read(true).custom_flags(flags).open(&lock_path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Its maker died, or is about to make the lock. rmdir takes only an empty directory, and the maker notices.
            return fs::remove_dir(path).map(|()| true);
        }
        Err(error) => return Err(error),
    };
    if lock.try_lock().is_err() || !leads_to(&lock_path, &lock)? || !has_only_ours(path)? {
        return Ok(false);
    }
    // The lock is held until the directory is gone.
    remove_known(path).map(|()| true)
}

/// Whether the directory holds nothing but what sentinel puts there.
fn has_only_ours(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = KNOWN.iter().find(|(known, _)| name == *known).map(|(_, kind)| kind);
        if !kind.is_some_and(|is_kind| entry.file_type().is_ok_and(|found| is_kind(&found))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a directory entry is of the kind expected.
type IsKind = fn(&FileType) -> bool;

/// What a private directory holds, each with its kind.
const KNOWN: [(&str, IsKind); 5] = [
    (LOCK, FileType::is_file),
    (CONFIG, FileType::is_file),
    (HELPER, FileType::is_symlink),
    (SOCKET, FileTypeExt::is_socket),
    (SOCKET_LOCK, FileType::is_file),
];

/// How many entries of the base are looked at: any user may fill a shared temporary directory, and that must not slow
/// our start. What lies beyond is left for another time.
const ENTRIES: usize = 10_000;
