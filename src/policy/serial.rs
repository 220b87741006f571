//! The newest signed policy that was obeyed, remembered so that no older one comes back (T29).
//!
//! One file a key and scope, in the state directory: the serial and the digest of the document. It is on disk before the policy
//! is obeyed. Without it nothing is known of what came before: a mark that cannot be read or written is a denial, and whoever can
//! delete it can make a process that starts later forget. A process that runs remembers by itself.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::envelope::{Pin, Scope};
use super::load::Identity;
use crate::digest::{hex, sha256};
use crate::error::{Error, Result};
use crate::trusted::{self, Writers};

/// Where marks are, in the state directory.
const DIRECTORY: &str = "policy-serials";
/// A mark has about 250 bytes.
const MAX_MARK_BYTES: u64 = 4096;
/// How long another process is waited for: it writes less than a kilobyte.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The mark of one key and scope.
pub(super) struct Mark {
    directory: PathBuf,
    /// The file's name without its ending.
    stem: String,
    key: String,
    scope: Scope,
    kept: Mutex<Option<Kept>>,
}

/// What this process knows of the mark.
#[derive(Clone, Copy)]
struct Kept {
    newest: Newest,
    /// The file in which that was read or written.
    file: Identity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Newest {
    serial: u64,
    digest: [u8; 32],
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: String,
    scope: String,
    serial: u64,
    digest: String,
}

impl Mark {
    /// The mark of this key and scope. Nothing is read yet.
    pub(super) fn new(state_directory: &Path, pin: &Pin) -> Self {
        let named = [pin.key.as_bytes(), pin.scope.as_str().as_bytes()].concat();
        Self {
            directory: state_directory.join(DIRECTORY),
            stem: hex(&sha256(&named)),
            key: pin.key.to_string(),
            scope: pin.scope.clone(),
            kept: Mutex::default(),
        }
    }

    /// Lets a policy pass that is not older than any before it, and remembers it. One stat(2) where nothing has changed since.
    ///
    /// # Errors
    /// The policy is older, or has the serial of another document; the mark cannot be read or written.
    pub(super) fn admit(&self, name: &str, serial: u64, digest: [u8; 32]) -> Result<()> {
        let asked = Newest { serial, digest };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *kept {
            known.newest.judge(name, asked)?;
            if known.newest == asked && fs::metadata(self.path()).is_ok_and(|found| Identity::of(&found) == known.file)
            {
                return Ok(());
            }
        }
        let directory = trusted::private_directory("the directory of policy marks", &self.directory)?;
        let _lock = self.lock()?;
        let file = match self.read()? {
            Some((found, file)) if found == asked => file,
            Some((found, file)) => {
                // Remembered also when it refuses: it stays refused when the mark is gone.
                *kept = Some(Kept { newest: found, file });
                found.judge(name, asked)?;
                self.write(&directory, asked)?
            }
            None => self.write(&directory, asked)?,
        };
        *kept = Some(Kept { newest: asked, file });
        Ok(())
    }

    /// Whether [`Mark::admit`] would let it pass. Nothing is locked, made or remembered.
    pub(super) fn check(&self, name: &str, serial: u64, digest: [u8; 32]) -> Result<()> {
        self.read()?.map_or(Ok(()), |(newest, _)| newest.judge(name, Newest { serial, digest }))
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.stem))
    }

    /// Locks the mark against other processes until the file is dropped.
    fn lock(&self) -> Result<File> {
        let path = self.directory.join(format!("{}.lock", self.stem));
        let cannot = |error: io::Error| Error::new(format!("cannot lock {}", path.display())).because(error);
        let file = create(&path, OpenOptions::new().create(true).truncate(false)).map_err(cannot)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
            }
        }
        Err(Error::new(format!("another process keeps {} locked", path.display()))
            .hint("it should have it for milliseconds: see who it is with `fuser`, and end it"))
    }

    fn read(&self) -> Result<Option<(Newest, Identity)>> {
        let path = self.path();
        if matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let name = path.display();
        let (file, found) = trusted::open("the mark of the newest policy", &path, Writers::Owner)?;
        let mut text = String::new();
        let read = file.take(MAX_MARK_BYTES).read_to_string(&mut text);
        read.map_err(|error| Error::new(format!("cannot read the mark of the newest policy {name}")).because(error))?;
        let written = serde_json::from_str::<Written>(&text).ok().and_then(|written| self.newest(&written));
        let newest = written.ok_or_else(|| {
            Error::new(format!("{name} is not the mark of a policy")).hint(
                "what was obeyed before is not known without it: remove it if you know that the policy is the newest",
            )
        })?;
        Ok(Some((newest, Identity::of(&found))))
    }

    fn newest(&self, written: &Written) -> Option<Newest> {
        let digest = crate::digest::from_hex(&written.digest)?.try_into().ok()?;
        let is_this = written.key == self.key && written.scope == self.scope.as_str();
        is_this.then_some(Newest { serial: written.serial, digest })
    }

    /// Puts the mark on disk, under the lock.
    fn write(&self, directory: &File, newest: Newest) -> Result<Identity> {
        let (path, temporary) = (self.path(), self.directory.join(format!("{}.new", self.stem)));
        let written = Written {
            key: self.key.clone(),
            scope: self.scope.to_string(),
            serial: newest.serial,
            digest: hex(&newest.digest),
        };
        let put = || -> io::Result<Identity> {
            let text = serde_json::to_string(&written)?;
            match fs::remove_file(&temporary) {
                // What a process that was killed left behind.
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let mut file = create(&temporary, OpenOptions::new().create_new(true))?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            directory.sync_all()?;
            Ok(Identity::of(&fs::symlink_metadata(&path)?))
        };
        put().map_err(|error| {
            Error::new(format!("cannot write the mark of the newest policy {}", path.display()))
                .because(error)
                .hint("a signed policy is obeyed only where it can be remembered")
        })
    }
}

impl Newest {
    /// Whether a policy may come after this one.
    fn judge(self, name: &str, asked: Self) -> Result<()> {
        const HINT: &str = "an older policy does not come back: sign it anew, with a higher --serial";
        let Self { serial, .. } = asked;
        if serial < self.serial {
            let newest = self.serial;
            return Err(Error::new(format!(
                "the policy {name} has the serial {serial}, and {newest} was obeyed before"
            ))
            .hint(HINT));
        }
        if serial == self.serial && asked.digest != self.digest {
            return Err(Error::new(format!(
                "the policy {name} has the serial {serial} of another policy, which was obeyed before"
            ))
            .hint(HINT));
        }
        Ok(())
    }
}

/// A file of this user's alone.
fn create(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    how.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

#[cfg(test)]
mod tests;
