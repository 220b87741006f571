//! Lines of a file of any size, read in bounded memory.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The longest line that is looked at: four times what sentinel writes, because a line may follow a torn one without a line
/// feed between them.
pub const LINE_LIMIT_BYTES: usize = 16 * 1024;

/// Reads lines, one at a time.
pub struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// A line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Which one, from 1.
    pub number: u64,
    /// Its bytes; `None` if it is longer than [`LINE_LIMIT_BYTES`].
    pub bytes: Option<&'a [u8]>,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`.
    pub fn of(input: R) -> Self {
        Self { input: BufReader::with_capacity(64 * 1024, input), line: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end. The last one may lack its line feed.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Raw<'_>>> {
        self.line.clear();
        let limit = u64::try_from(LINE_LIMIT_BYTES).unwrap_or(0).saturating_add(1);
        self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > LINE_LIMIT_BYTES {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Raw { number: self.number, bytes: None }));
        }
        Ok(Some(Raw { number: self.number, bytes: Some(&self.line) }))
    }
}

/// Opens a file to read lines from, from the start as often as is wanted. `what` is what people call it: `the log`.
///
/// # Errors
/// When it cannot be opened or is no regular file.
pub fn open(what: &str, path: &Path) -> Result<(File, u64)> {
    let cannot = |error: io::Error| Error::new(format!("cannot read {what} {}", path.display())).because(error);
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    if !found.is_file() {
        return Err(Error::new(format!("{what} {} is not a regular file", path.display())));
    }
    Ok((file, found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::of(text);
        let mut found = Vec::new();
        while let Some(raw) = lines.read().expect("memory can be read") {
            found.push((raw.number, raw.bytes.map(<[u8]>::to_vec)));
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_the_last_may_lack_its_end() {
        let line = |number, text: &str| (number, Some(text.as_bytes().to_vec()));
        assert_eq!(read(b""), []);
        assert_eq!(read(b"a\n\nb"), [line(1, "a"), line(2, ""), line(3, "b")]);
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let longest = vec![b'x'; LINE_LIMIT_BYTES];
        let text = [&longest, &b"\n"[..], &longest, b"y", &longest, b"\nend\n"].concat();
        assert_eq!(read(&text), [(1, Some(longest.clone())), (2, None), (3, Some(b"end".to_vec()))]);
        assert_eq!(read(&[&longest[..], b"y"].concat()), [(1, None)]);
    }
}
