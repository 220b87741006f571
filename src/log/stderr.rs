//! Standard error, which must not make anybody wait: whoever can cause a message could stop every request while a
//! terminal is held (Ctrl-S) or a pipe is full.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use crate::sys::poll::can_write;

/// Standard error; a write that would wait is an error instead. Lines are at most 4 KiB, which a pipe takes whole.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        if can_write(stderr.as_fd()) { stderr.lock().write(bytes) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
