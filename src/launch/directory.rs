//! The private directory: socket, generated config and helper link of one sentinel (T1, T3, T21).
//!
//! # Creation and cleaning, without a lock that other users could hold
//!
//! A directory is alive while its `lock` is locked (flock(2), which the kernel drops with the process). Its maker works
//! in the order mkdir, create `lock`, lock it, check that the path still leads to the locked file. A cleaner removes only
//! what it has locked, or what is empty. Whatever a cleaner takes away from under a maker, the maker notices: `lock`
//! cannot be created (the empty directory is gone), is locked by another, or is no longer at its path. The maker then
//! starts again under another name. Once the check has passed no cleaner can get the lock.

mod base;
mod stale;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use base::Base;

use crate::error::{Error, Result};
use crate::sys::socket::PATH_LIMIT_BYTES;
use crate::sys::user::Uid;

/// A directory of ours alone, removed with its files when this is dropped.
///
/// Only the process that made it removes it: a forked child that drops its copy changes nothing.
pub struct PrivateDirectory {
    path: PathBuf,
    process_id: u32,
    /// Locked until the directory is gone.
    _lock: File,
}

impl PrivateDirectory {
    /// Makes a fresh directory in `base`, with the helper link to `executable`. Mode 0700, owner checked.
    ///
    /// # Errors
    /// When it cannot be made, is not what was made, or its socket's path would be too long.
    pub fn create(base: &Base, executable: &Path) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = base.fresh_path()?;
            check_socket_path(&path.join(SOCKET))?;
            let failed = |error| Error::new(format!("cannot make the directory {}", path.display())).because(error);
            if let Some(lock) = make(&path, base.owner()).map_err(failed)? {
                // From here on a failure removes what was made.
                let made = Self { path, process_id: std::process::id(), _lock: lock };
                made.link_helper(executable)?;
                return Ok(made);
            }
        }
        Err(Error::new(format!("cannot keep a directory under {}: each was removed at once", base.path().display())))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the socket belongs. It is made elsewhere, and removed here.
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// The generated AWS config file.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The link to our own program, under a name that every SDK can run.
    pub fn helper(&self) -> PathBuf {
        self.path.join(HELPER)
    }

    /// Writes the generated config file, and only if nothing has its name: 0400, so that `aws configure` cannot change it,
    /// after which nothing would be served any more.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        let path = self.config();
        create_file(&path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.set_permissions(Permissions::from_mode(0o400))
            })
            .map_err(|error| Error::new(format!("cannot write {}", path.display())).because(error))
    }

    /// Removes the directory and its files.
    ///
    /// # Errors
    /// When something in it is not ours, or it cannot be removed.
    pub fn close(self) -> Result<()> {
        let result = self.remove();
        result.map_err(|error| Error::new(format!("cannot remove {}", self.path.display())).because(error))
    }

    fn link_helper(&self, executable: &Path) -> Result<()> {
        let path = self.helper();
        std::os::unix::fs::symlink(executable, &path)
            .map_err(|error| Error::new(format!("cannot make the link {}", path.display())).because(error))
    }

    fn remove(&self) -> io::Result<()> {
        if self.process_id == std::process::id() { remove_known(&self.path) } else { Ok(()) }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // Already gone after `close`; otherwise nobody is left to tell, and the next start tries again.
        let _ = self.remove();
    }
}

/// Refuses a path that does not fit into a socket's address.
///
/// # Errors
/// Naming the path and its length.
pub fn check_socket_path(path: &Path) -> Result<()> {
    let length_bytes = path.as_os_str().len();
    if length_bytes <= PATH_LIMIT_BYTES {
        return Ok(());
    }
    Err(Error::new(format!(
        "the socket path {} is {length_bytes} bytes long, and the kernel takes {PATH_LIMIT_BYTES}",
        path.display()
    ))
    .hint("choose a shorter one, or set XDG_RUNTIME_DIR or TMPDIR to a shorter directory"))
}

/// Makes the directory and its lock. `None`: a cleaner was faster, and another name is needed.
fn make(path: &Path, owner: Uid) -> io::Result<Option<File>> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        result => result?,
    }
    let opened = match open_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    let found = opened.metadata()?;
    if found.uid() != owner.0 || found.mode() & 0o777 != 0o700 {
        let message = format!("it has owner {} and mode {:o}, not {owner} and 700", found.uid(), found.mode() & 0o777);
        return Err(io::Error::other(message));
    }
    lock_fresh(&path.join(LOCK))
}

/// Makes `lock` and locks it. `None`: a cleaner has it, had it, or has removed the directory.
fn lock_fresh(path: &Path) -> io::Result<Option<File>> {
    match create_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => claim(path, result?),
    }
}

/// Locks the file that was made at `path`. `None`: a cleaner has it, or has removed it.
fn claim(path: &Path, lock: File) -> io::Result<Option<File>> {
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(leads_to(path, &lock)?.then_some(lock))
}

/// Whether `path` is `file` itself, and not a link to it, another file, or nothing.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A new file of ours: 0600, never through a link, never over another.
fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Opens a directory, never through a link.
fn open_directory(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(path)
}

/// Removes the names that are ours, the lock last, and then the directory, which fails if anything else is in it.
fn remove_known(path: &Path) -> io::Result<()> {
    for name in [SOCKET, SOCKET_LOCK, CONFIG, HELPER, LOCK] {
        match fs::remove_file(path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

const SOCKET: &str = "s.sock";
/// What binding the socket adds.
const SOCKET_LOCK: &str = "s.sock.lock";
const CONFIG: &str = "config";
const HELPER: &str = "sentinel";
const LOCK: &str = "lock";

/// How often a directory may be lost to a cleaner before that is an error. Each loss needs another sentinel to start in
/// the same microseconds.
const ATTEMPTS: usize = 32;

#[cfg(test)]
mod tests;
