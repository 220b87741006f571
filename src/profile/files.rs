//! Finding and reading the two files. A file is opened once and judged by what was opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use super::ini::{self, Ini};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::sys::user::{Uid, effective_uid};

/// The largest file that is read: a thousand profiles take about a tenth of it.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// The keys whose values must not be seen by others.
const SECRET_KEYS: [&str; 3] = ["aws_secret_access_key", "aws_session_token", "aws_security_token"];

/// Which of the two files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    /// `~/.aws/config`.
    Config,
    /// `~/.aws/credentials`.
    Credentials,
}

impl Which {
    /// The variable that names another path.
    fn variable(self) -> &'static str {
        match self {
            Self::Config => "AWS_CONFIG_FILE",
            Self::Credentials => "AWS_SHARED_CREDENTIALS_FILE",
        }
    }

    fn default_path(self) -> &'static Path {
        Path::new(match self {
            Self::Config => "~/.aws/config",
            Self::Credentials => "~/.aws/credentials",
        })
    }
}

/// A file's text, wiped on drop; or the place where it would be.
pub(super) struct SourceFile {
    /// Where it is, with `~` expanded.
    pub(super) path: PathBuf,
    /// `None`: there is no such file.
    text: Option<Zeroizing<String>>,
    /// The permission bits of the file that was opened; 0 for `/dev/null`.
    mode: u32,
}

impl SourceFile {
    /// Finds and reads the file.
    ///
    /// # Errors
    /// When it is named by its variable and missing, is not a plain file, belongs to someone else, can be written by
    /// others, cannot be read, is too large or not UTF-8.
    pub(super) fn load(which: Which, env: &Env) -> Result<Self> {
        let named = env.os(which.variable()).map(Path::new);
        let path = match expand(named.unwrap_or(which.default_path()), env.os("HOME").map(Path::new)) {
            Some(path) => path,
            None => match named {
                None => return Ok(Self { path: which.default_path().to_owned(), text: None, mode: 0 }),
                Some(path) => {
                    let what =
                        format!("{} is {}, and only ~/ with HOME set is expanded", which.variable(), path.display());
                    return Err(Error::new(what).hint(format!("set {} to an absolute path", which.variable())));
                }
            },
        };
        match open(&path) {
            Ok(file) => Self::read(which, path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match named {
                None => Ok(Self { path, text: None, mode: 0 }),
                Some(_) => {
                    Err(Error::new(format!("{} names {}, which does not exist", which.variable(), path.display()))
                        .hint(format!("create it, or set {} to /dev/null to use none", which.variable())))
                }
            },
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    fn read(which: Which, path: PathBuf, file: File) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| unreadable(&path, error))?;
        if is_dev_null(&metadata) {
            return Ok(Self { path, text: Some(Zeroizing::default()), mode: 0 });
        }
        check_kind(&path, &metadata)?;
        let mode = metadata.mode() & 0o7777;
        check_owner(&path, Uid(metadata.uid()), effective_uid())?;
        check_not_writable(which, &path, mode)?;
        // One byte more than allowed tells a file that is too large (or grows) from one that just fits.
        let capacity = usize::try_from(metadata.len().min(FILE_LIMIT_BYTES) + 1).unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&path, error))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_LIMIT_BYTES {
            return Err(Error::new(format!("{} is larger than 1 MiB", path.display()))
                .hint("config and credentials files are small: check that this is one"));
        }
        let text = text(&path, std::mem::take(&mut *bytes))?;
        Ok(Self { path, text: Some(Zeroizing::new(text)), mode })
    }

    /// Whether there is such a file.
    pub(super) fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// The file's sections; none when it is missing.
    ///
    /// # Errors
    /// On a line that is not understood, and when others can read secrets in the file.
    pub(super) fn parse(&self) -> Result<Ini<'_>> {
        let Some(text) = &self.text else { return Ok(Ini::default()) };
        let ini = ini::parse(text).map_err(|error| {
            let what = format!("{}:{} {}", self.path.display(), error.line, error.problem);
            Error::new(what).hint(error.problem.hint())
        })?;
        let mut entries = ini.sections.iter().flat_map(|section| &section.entries);
        let holds_secrets = entries.any(|entry| SECRET_KEYS.contains(&entry.key.as_str()) && !entry.first.is_empty());
        if holds_secrets && self.mode & 0o077 != 0 {
            let path = self.path.display();
            return Err(Error::new(format!("{path} holds secrets and is open to others (mode {:04o})", self.mode))
                .hint(format!("chmod 600 {path}")));
        }
        Ok(ini)
    }
}

/// Opens without waiting for a writer, should it be a FIFO, and without taking a terminal. Links are followed: people
/// link these files.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// The path with a leading `~` replaced; `None` without HOME, and for `~user`.
fn expand(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    if let Ok(rest) = path.strip_prefix("~") {
        return home.map(|home| home.join(rest));
    }
    (!path.as_os_str().as_encoded_bytes().starts_with(b"~")).then(|| path.to_owned())
}

fn is_dev_null(metadata: &Metadata) -> bool {
    // Device 1:3 (the kernel's devices.txt), whatever its path; small numbers are encoded as major << 8 | minor.
    metadata.file_type().is_char_device() && metadata.rdev() == 0x103
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let name = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else {
        "a device"
    };
    Err(Error::new(format!("{} is {name}, not a file", path.display())).hint("name a file, or /dev/null for none"))
}

fn check_owner(path: &Path, owner: Uid, us: Uid) -> Result<()> {
    if owner == us || owner == Uid(0) {
        return Ok(());
    }
    let path = path.display();
    Err(Error::new(format!("{path} belongs to uid {owner}, and uid {us} would obey it"))
        .hint(format!("chown {us} {path}, or use a file of your own")))
}

/// Who can write the file chooses the identity, and the program that credential_process runs.
fn check_not_writable(which: Which, path: &Path, mode: u32) -> Result<()> {
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let path = path.display();
    // What the credentials file needs anyway, once it has secrets.
    let change = match which {
        Which::Config => "go-w",
        Which::Credentials => "600",
    };
    Err(Error::new(format!("{path} can be changed by others (mode {mode:04o})")).hint(format!("chmod {change} {path}")))
}

/// The bytes as text; wiped when they are not.
fn text(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        let line = 1 + bytes.iter().take(good).filter(|byte| **byte == b'\n').count();
        bytes.zeroize();
        Error::new(format!("{}:{line} is not UTF-8", path.display())).hint("save the file as UTF-8")
    })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(format!("cannot read {}", path.display()))
        .because(error)
        .hint("check the permissions of the file and of the directories above it")
}

#[cfg(test)]
mod tests;
