//! Where whole lines go: a file that is appended to, or standard error.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chain::Digest;
use super::stderr::Stderr;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::sys::user::{self, Uid};

/// What one write takes: pipes keep as much whole (PIPE_BUF), and take it without a wait where they can be written.
const WRITE_LIMIT_BYTES: usize = 4096;
/// How often it is looked whether the file still has its name.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often an end without a line feed is looked at again, and how long after: another process may be writing the rest, which
/// becomes visible page by page.
const LOOKS: u32 = 20;
const LOOK_PAUSE: Duration = Duration::from_millis(1);
/// A longer last line was not written by sentinel.
const TAIL_BYTES: usize = 8192;

/// A place for lines, each of which is written whole, in one write(2), or is an error.
pub(super) struct Sink {
    name: String,
    out: Out,
    /// What was written last did not end its line, so the next line begins with a line feed.
    torn: bool,
}

enum Out {
    File(LogFile),
    Other(Box<dyn Write + Send>),
}

/// The file, and what finds out that its name is another's by now.
struct LogFile {
    file: File,
    path: PathBuf,
    identity: (u64, u64),
    looked_at_boot: Option<Duration>,
    sync: bool,
}

/// Why lines were not written.
pub(super) struct Failed {
    /// How much of them was written nevertheless.
    pub(super) written_bytes: usize,
    /// What is told.
    pub(super) error: Error,
}

/// What a file ends in.
pub(super) struct Tail {
    /// The last line's, without its line feed.
    pub(super) digest: Digest,
    /// It has no line feed: an earlier process could not finish it.
    pub(super) torn: bool,
}

impl Sink {
    /// Standard error.
    pub(super) fn stderr() -> Self {
        Self::new("standard error", Stderr)
    }

    /// A file of this user's alone, which is created, with its directory, if it is missing. `sync`: what is appended is on
    /// the disk when the call returns.
    pub(super) fn file(path: &Path, sync: bool) -> Result<Self> {
        let (file, identity, torn) = open_checked(path)?;
        let file = LogFile { file, path: path.to_owned(), identity, looked_at_boot: None, sync };
        Ok(Self { name: path.display().to_string(), out: Out::File(file), torn })
    }

    pub(super) fn new(name: impl Into<String>, out: impl Write + Send + 'static) -> Self {
        Self { name: name.into(), out: Out::Other(Box::new(out)), torn: false }
    }

    /// Opens the file anew where its name is another file's, or nobody's: it was rotated away. Looks once a second at most.
    ///
    /// # Errors
    /// When the other file may not hold the log.
    pub(super) fn renew(&mut self, now_boot: Duration) -> Result<()> {
        let Out::File(log) = &mut self.out else { return Ok(()) };
        if log.looked_at_boot.is_some_and(|looked| now_boot.saturating_sub(looked) < RENEWAL) {
            return Ok(());
        }
        let now = std::fs::symlink_metadata(&log.path).map(|found| (found.dev(), found.ino()));
        if !now.is_ok_and(|now| now == log.identity) {
            let (file, identity, torn) = open_checked(&log.path)?;
            (log.file, log.identity, self.torn) = (file, identity, torn);
        }
        log.looked_at_boot = Some(now_boot);
        Ok(())
    }

    /// What is there already; `None` where that is nothing, or cannot be read back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn tail(&self) -> Result<Option<Tail>> {
        match &self.out {
            Out::File(log) => settled(|| tail(&log.file)).map_err(|error| cannot_open(&log.path, error)),
            Out::Other(_) => Ok(None),
        }
    }

    /// Writes whole lines, each of which brings its line feed, in writes of at most [`WRITE_LIMIT_BYTES`].
    ///
    /// # Errors
    /// When one was not written, or not whole; those after it are not written then. The next line begins on a fresh line.
    pub(super) fn append(&mut self, lines: &str) -> std::result::Result<(), Failed> {
        let mut rest = lines;
        let written_bytes = |rest: &str| lines.len().saturating_sub(rest.len());
        while let Some((now, later)) = rest.split_at_checked(whole_lines_bytes(rest)).filter(|(now, _)| !now.is_empty())
        {
            self.write(now).map_err(|failed| Failed {
                written_bytes: written_bytes(rest).saturating_add(failed.written_bytes),
                ..failed
            })?;
            rest = later;
        }
        match &self.out {
            Out::File(log) if log.sync => log.file.sync_data().map_err(|error| Failed {
                written_bytes: lines.len(),
                error: Error::new(format!("cannot bring the decision log {} to the disk", self.name)).because(error),
            }),
            _ => Ok(()),
        }
    }

    fn write(&mut self, lines: &str) -> std::result::Result<(), Failed> {
        let bytes = if self.torn { Cow::Owned(["\n", lines].concat()) } else { Cow::Borrowed(lines) };
        let bytes = bytes.as_bytes();
        let written = loop {
            let written = match &mut self.out {
                Out::File(log) => log.file.write(bytes),
                Out::Other(out) => out.write(bytes),
            };
            match written {
                // Nothing was written: a signal came first.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let error = Error::new(format!("cannot write the decision log to {}", self.name)).because(error);
                    return Err(Failed { written_bytes: 0, error });
                }
                Ok(written) => break written,
            }
        };
        let (total, ahead) = (bytes.len(), bytes.len().saturating_sub(lines.len()));
        if let Some(last) = bytes.get(..written).and_then(<[u8]>::last) {
            self.torn = *last != b'\n';
        }
        if written == total {
            return Ok(());
        }
        let error = Error::new(format!("only {written} of {total} bytes of a decision were written to {}", self.name))
            .hint("is the disk full?");
        Err(Failed { written_bytes: written.saturating_sub(ahead), error })
    }
}

/// The length of the whole lines at the start that go into one write. A line is never longer than that.
fn whole_lines_bytes(lines: &str) -> usize {
    match lines.as_bytes().get(..WRITE_LIMIT_BYTES) {
        Some(start) => start.iter().rposition(|byte| *byte == b'\n').map_or(lines.len(), |at| at.saturating_add(1)),
        None => lines.len(),
    }
}

/// What decides whether a file may hold the log.
struct Facts {
    regular: bool,
    owner: Uid,
    mode: u32,
}

impl Facts {
    fn of(metadata: &Metadata) -> Self {
        Self { regular: metadata.is_file(), owner: Uid(metadata.uid()), mode: metadata.mode() & 0o7777 }
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|error| {
            Error::new(format!("cannot create the decision log's directory {}", parent.display())).because(error)
        })?;
    }
    // Who can write to the directory can put another file in this one's place.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = std::fs::metadata(directory).map_err(|error| cannot_open(path, error))?;
    let (mode, owner, us) = (found.mode(), Uid(found.uid()), user::effective_uid());
    if owner != us && owner != Uid(0) {
        let directory = directory.display();
        return Err(Error::new(format!(
            "the directory {directory} belongs to uid {owner}, who may replace the decision log"
        ))
        .hint("name another file with --log-file"));
    }
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        let (directory, mode) = (directory.display(), mode & 0o7777);
        return Err(Error::new(format!(
            "others may replace files in {directory} (mode {mode:04o}), the decision log too"
        ))
        .hint(format!("chmod go-w {directory}, or name another file with --log-file")));
    }
    // Reading is for the last byte alone. O_NONBLOCK: opening a FIFO must not wait for a reader.
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => Error::new(format!("the decision log {} is a symbolic link", path.display()))
                .hint("name the file that it points to"),
            _ => cannot_open(path, error),
        })
}

fn cannot_open(path: &Path, error: io::Error) -> Error {
    Error::new(format!("cannot open the decision log {}", path.display()))
        .because(error)
        .hint("name another file with --log-file")
}

/// Refuses a file that others could read, write or replace, and one that is not meant to be written.
fn check(path: &Path, facts: &Facts, us: Uid) -> Result<()> {
    let (path, mode, owner) = (path.display(), facts.mode, facts.owner);
    if !facts.regular {
        return Err(Error::new(format!("the decision log {path} is not a regular file")));
    }
    if owner != us {
        return Err(Error::new(format!("the decision log {path} belongs to uid {owner}, not to uid {us}"))
            .hint("name another file with --log-file"));
    }
    if mode & 0o077 != 0 {
        return Err(Error::new(format!("the decision log {path} is open to its group or others (mode {mode:04o})"))
            .hint(format!("chmod 600 {path}")));
    }
    // root may write to such a file, and should not.
    if mode & 0o200 == 0 {
        return Err(Error::new(format!("the decision log {path} is read-only (mode {mode:04o})"))
            .hint(format!("chmod 600 {path}")));
    }
    Ok(())
}

/// Opens the file if it may hold the log. Returns which one it is, and whether it ends in the middle of a line.
fn open_checked(path: &Path) -> Result<(File, (u64, u64), bool)> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(|error| cannot_open(path, error))?;
    check(path, &Facts::of(&metadata), user::effective_uid())?;
    let torn = ends_torn(&file, metadata.len()).map_err(|error| cannot_open(path, error))?;
    Ok((file, (metadata.dev(), metadata.ino()), torn))
}

/// Whether the file ends in the middle of a line, which an earlier process could not finish.
fn ends_torn(file: &File, length_bytes: u64) -> io::Result<bool> {
    let Some(last_at) = length_bytes.checked_sub(1) else {
        return Ok(false);
    };
    let mut last = [0];
    file.read_exact_at(&mut last, last_at)?;
    Ok(last != *b"\n")
}

/// What the file ends in, once nobody seems to be writing it.
fn settled(mut look: impl FnMut() -> io::Result<Option<Tail>>) -> io::Result<Option<Tail>> {
    for _ in 1..LOOKS {
        let found = look()?;
        if !found.as_ref().is_some_and(|tail| tail.torn) {
            return Ok(found);
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    look()
}

/// The file's last line. `None` where there is none, or it is longer than any line of ours.
fn tail(file: &File) -> io::Result<Option<Tail>> {
    let mut bytes = vec![0; TAIL_BYTES];
    let length = file.metadata()?.len();
    let start = length.saturating_sub(u64::try_from(TAIL_BYTES).unwrap_or(0));
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start.saturating_add(u64::try_from(filled).unwrap_or(0))) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    let torn = bytes.last().is_some_and(|last| *last != b'\n');
    // Lines without anything in them are what a process writes to end a torn one.
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let line = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => bytes.get(at.saturating_add(1)..).unwrap_or_default(),
        None if start == 0 => bytes.as_slice(),
        None => return Ok(None),
    };
    Ok((!line.is_empty()).then(|| Tail { digest: sha256(line), torn }))
}

#[cfg(test)]
mod tests;
