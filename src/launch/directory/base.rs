//! Where private directories are made: XDG_RUNTIME_DIR, else the temporary directory.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{open_directory, stale};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::sys::user::Uid;

/// A directory that holds private directories, and how those are named.
#[derive(Debug)]
pub struct Base {
    path: PathBuf,
    /// What names begin with: nothing where the base is ours alone, `sentinel-<uid>-` where it is shared.
    prefix: String,
    owner: Uid,
}

impl Base {
    /// `$XDG_RUNTIME_DIR/sentinel` if XDG_RUNTIME_DIR is a directory of `owner` with mode 0700, else `$TMPDIR`, else
    /// `/tmp`.
    ///
    /// # Errors
    /// When `sentinel` there is a link, another's or open to others; when the temporary directory lets others rename
    /// our directories.
    pub fn choose(env: &Env, owner: Uid) -> Result<Self> {
        match env.os("XDG_RUNTIME_DIR").map(Path::new) {
            Some(runtime) if is_private(runtime, owner) => Self::under_runtime(runtime, owner),
            _ => Self::under_temporary(Path::new(env.os("TMPDIR").unwrap_or("/tmp".as_ref())), owner),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose private directories these are.
    pub(super) fn owner(&self) -> Uid {
        self.owner
    }

    /// A path that nobody has used: 64 random bits.
    pub(super) fn fresh_path(&self) -> Result<PathBuf> {
        let mut bytes = [0; RANDOM_DIGITS / 2];
        getrandom::getrandom(&mut bytes)
            .map_err(|error| Error::new("the kernel gives no random bytes").because(error.to_string()))?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.path.join(format!("{}{digits}", self.prefix)))
    }

    /// Whether a private directory of ours could have this name.
    pub(super) fn is_name(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|digits| {
            digits.len() == RANDOM_DIGITS && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    }

    /// Removes what killed sentinels of this user left here, and returns how many directories that were.
    ///
    /// A failure is not an error: what cannot be removed is in nobody's way.
    pub fn clean_stale(&self) -> usize {
        stale::clean(self)
    }

    fn under_runtime(runtime: &Path, owner: Uid) -> Result<Self> {
        let path = runtime.join("sentinel");
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::new(format!("cannot make the directory {}", path.display())).because(error));
            }
            _ => {}
        }
        let refused =
            |why: String| Err(Error::new(format!("{} {why}", path.display())).hint("remove it, and start again"));
        match open_directory(&path).and_then(|opened| opened.metadata()) {
            Ok(found) if found.uid() == owner.0 && found.mode() & 0o777 == 0o700 => {
                Ok(Self { path, prefix: String::new(), owner })
            }
            Ok(found) => {
                let mode = found.mode() & 0o777;
                refused(format!("has owner {} and mode {mode:o}, not {owner} and 700", found.uid()))
            }
            Err(_) => refused("is not a directory".to_owned()),
        }
    }

    fn under_temporary(path: &Path, owner: Uid) -> Result<Self> {
        let unfit = |why: &str| {
            Error::new(format!("the temporary directory {} {why}", path.display()))
                .hint("set XDG_RUNTIME_DIR or TMPDIR to a directory of your own with mode 0700")
        };
        if !path.is_absolute() {
            return Err(unfit("is not an absolute path"));
        }
        let found = fs::metadata(path).map_err(|error| unfit("cannot be used").because(error))?;
        if !found.is_dir() {
            return Err(unfit("is not a directory"));
        }
        // Whoever may rename entries could put a directory of theirs in place of ours. The sticky bit forbids it to all
        // but the owners of the entry and of the directory, which root may be.
        let is_open = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
        if is_open || ![owner.0, 0].contains(&found.uid()) {
            return Err(unfit("lets other users rename what is in it"));
        }
        Ok(Self { path: path.to_owned(), prefix: format!("sentinel-{owner}-"), owner })
    }
}

/// Whether this is a directory, not a link, of `owner` and closed to others.
fn is_private(path: &Path, owner: Uid) -> bool {
    path.is_absolute()
        && open_directory(path)
            .and_then(|opened| opened.metadata())
            .is_ok_and(|found| found.uid() == owner.0 && found.mode() & 0o777 == 0o700)
}

/// Hexadecimal digits of a name: enough that two never meet, few enough that the socket's path stays short.
const RANDOM_DIGITS: usize = 16;
