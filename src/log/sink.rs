//! Where whole lines go: a file that is appended to, or standard error.

use std::borrow::Cow;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::stderr::Stderr;
use crate::error::{Error, Result};
use crate::sys::user::{self, Uid};

/// What one write takes: pipes keep as much whole (PIPE_BUF), and take it without a wait where they can be written.
const WRITE_LIMIT_BYTES: usize = 4096;

/// A place for lines, each of which is written whole, in one write(2), or is an error.
pub(super) struct Sink {
    name: String,
    out: Box<dyn Write + Send>,
    /// What was written last did not end its line, so the next line begins with a line feed.
    torn: bool,
}

impl Sink {
    /// Standard error.
    pub(super) fn stderr() -> Self {
        Self::new("standard error", Stderr)
    }

    /// A file of this user's alone, which is created, with its directory, if it is missing.
    pub(super) fn file(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata().map_err(|error| cannot_open(path, error))?;
        check(path, &Facts::of(&metadata), user::effective_uid())?;
        let torn = ends_torn(&file, metadata.len()).map_err(|error| cannot_open(path, error))?;
        let mut sink = Self::new(path.display().to_string(), file);
        sink.torn = torn;
        Ok(sink)
    }

    pub(super) fn new(name: impl Into<String>, out: impl Write + Send + 'static) -> Self {
        Self { name: name.into(), out: Box::new(out), torn: false }
    }

    /// Writes whole lines, each of which brings its line feed, in writes of at most [`WRITE_LIMIT_BYTES`].
    ///
    /// # Errors
    /// When one was not written, or not whole; those after it are not written then. The next line begins on a fresh line.
    pub(super) fn append(&mut self, lines: &str) -> Result<()> {
        let mut rest = lines;
        while let Some((now, later)) = rest.split_at_checked(whole_lines_bytes(rest)).filter(|(now, _)| !now.is_empty())
        {
            self.write(now)?;
            rest = later;
        }
        Ok(())
    }

    fn write(&mut self, lines: &str) -> Result<()> {
        let bytes = if self.torn { Cow::Owned(["\n", lines].concat()) } else { Cow::Borrowed(lines) };
        let bytes = bytes.as_bytes();
        let written = loop {
            match self.out.write(bytes) {
                // Nothing was written: a signal came first.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::new(format!("cannot write the decision log to {}", self.name)).because(error));
                }
                Ok(written) => break written,
            }
        };
        if let Some(last) = bytes.get(..written).and_then(<[u8]>::last) {
            self.torn = *last != b'\n';
        }
        if written == bytes.len() {
            return Ok(());
        }
        let total = bytes.len();
        Err(Error::new(format!("only {written} of {total} bytes of a decision were written to {}", self.name))
            .hint("is the disk full?"))
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

/// Whether the file ends in the middle of a line, which an earlier process could not finish.
fn ends_torn(file: &File, length_bytes: u64) -> io::Result<bool> {
    let Some(last_at) = length_bytes.checked_sub(1) else {
        return Ok(false);
    };
    let mut last = [0];
    file.read_exact_at(&mut last, last_at)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests;
