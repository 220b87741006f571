//! A token in a file, for SDKs that read it at each fetch (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE): its owner's alone, or a
//! group's to read, never half written, and gone when this ends (T7, T21).
//!
//! The directory is held open and judged, so that a path which comes to lead elsewhere changes nothing. The file is locked
//! while it counts: a second sentinel does not take it over, and one that was killed leaves a file that is not locked.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sys::directory::{How, open_at, rename_at, unlink_at};
use crate::sys::user::{Gid, effective_uid};

/// 256 bits in base64url. No line's end: SDKs send what is in the file.
const TOKEN_BYTES: usize = 43;

/// A place for tokens, one after the other.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    directory: File,
    name: CString,
    /// What a token is written to before it takes the name.
    temporary: CString,
    group: Option<Gid>,
    /// The file that has the name now, locked.
    current: Option<File>,
}

impl TokenFile {
    /// Judges the place; nothing is made yet. With `group`, that may read the file.
    ///
    /// # Errors
    /// A directory where others may write, and whatever is at the path that is not a token file of ours which nobody uses.
    pub fn at(path: &Path, group: Option<Gid>) -> Result<Self> {
        let path = std::path::absolute(path)
            .map_err(|error| Error::new(format!("cannot use the path {}", path.display())).because(error))?;
        let parts = path.parent().zip(path.file_name());
        let (parent, name) = parts.ok_or_else(|| Error::new(format!("{} is not a path for a file", path.display())))?;
        let c_string = |suffix: &[u8]| {
            CString::new([name.as_bytes(), suffix].concat())
                .map_err(|_| Error::new(format!("cannot use the path {}", path.display())))
        };
        // Nobody has a file of this name by accident.
        let (name, temporary) = (c_string(b"")?, c_string(b".sentinel-new")?);
        let directory = open_directory(parent)?;
        let file = Self { directory, name, temporary, group, current: None, path };
        file.judge_what_is_there()?;
        Ok(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a token in the place of what is there.
    ///
    /// # Errors
    /// It cannot be written, or the place has been taken before the first one: then what was there stays.
    pub fn write(&mut self, token: &str) -> Result<()> {
        if self.current.is_none() {
            // A person may have been asked for a code since it was judged.
            self.judge_what_is_there()?;
        }
        let written = self.replace(token).inspect_err(|_| {
            // It may hold the token.
            let _gone = unlink_at(&self.directory, &self.temporary);
        });
        let file = written.map_err(|error| {
            Error::new(format!("cannot write the token file {}", self.path.display())).because(error)
        })?;
        self.current = Some(file);
        Ok(())
    }

    fn replace(&self, token: &str) -> io::Result<File> {
        // What another left behind that was killed: nobody else writes here.
        match unlink_at(&self.directory, &self.temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = open_at(&self.directory, &self.temporary, How::Create)?;
        if let Some(group) = self.group {
            fchown(&file, None, Some(group.0))?;
        }
        // Whatever the umask took.
        file.set_permissions(Permissions::from_mode(if self.group.is_some() { 0o640 } else { 0o600 }))?;
        file.write_all(token.as_bytes())?;
        file.try_lock()?;
        rename_at(&self.directory, &self.temporary, &self.name)?;
        Ok(file)
    }

    /// Whether the file that has the name is the one that was written last.
    fn is_ours(&self) -> bool {
        let Some(current) = &self.current else { return false };
        let now = open_at(&self.directory, &self.name, How::Read).and_then(|file| file.metadata());
        let is_same =
            |now: fs::Metadata| current.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()));
        now.is_ok_and(is_same)
    }

    fn judge_what_is_there(&self) -> Result<()> {
        let taken = |why: &str| {
            Error::new(format!("the token file {} is taken: {why}", self.path.display()))
                .hint("give another path with --token-file")
        };
        let mut file = match open_at(&self.directory, &self.name, How::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(taken("it is a symbolic link")),
            Err(error) => return Err(taken("it cannot be opened").because(error)),
        };
        let found = file.metadata().map_err(|error| taken("it cannot be looked at").because(error))?;
        if !found.is_file() {
            return Err(taken("it is not a regular file"));
        }
        if found.uid() != effective_uid().0 {
            return Err(taken(&format!("it belongs to uid {}", found.uid())));
        }
        // A slip must not cost anybody a file.
        let mut token = [0; TOKEN_BYTES];
        let is_token = found.len() == TOKEN_BYTES as u64
            && file.read_exact(&mut token).is_ok()
            && token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        if !is_token {
            return Err(taken("it holds something else than a token"));
        }
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(taken("another sentinel writes it")),
            Err(TryLockError::Error(error)) => Err(taken("it cannot be locked").because(error)),
        }
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // What somebody else has put there is theirs.
        if self.is_ours() {
            let _gone = unlink_at(&self.directory, &self.name);
        }
    }
}

/// Opens a directory in which nobody else may put another file in the place of ours.
fn open_directory(path: &Path) -> Result<File> {
    let name = path.display();
    let cannot = |error: io::Error| Error::new(format!("cannot use the directory {name}")).because(error);
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open(path)
        .map_err(|error| cannot(error).hint(format!("make it: mkdir -m 700 {name}")))?;
    let found = directory.metadata().map_err(cannot)?;
    if found.uid() != effective_uid().0 && found.uid() != 0 {
        return Err(Error::new(format!("the directory {name} belongs to uid {}", found.uid()))
            .hint("put the token file into a directory of your own"));
    }
    match found.mode() & 0o7777 {
        mode if mode & 0o022 == 0 => Ok(directory),
        mode => Err(Error::new(format!("others may write to the directory {name} (mode {mode:04o})"))
            .hint("put the token file into a directory of your own (mkdir -m 700 DIR)")),
    }
}

#[cfg(test)]
mod tests;
