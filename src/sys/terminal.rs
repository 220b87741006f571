//! Terminals.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::cerr;

/// Discards what was typed and not read yet, so that nobody else reads it: the beginning of a secret.
///
/// # Errors
/// The kernel's; ENOTTY where it is no terminal.
pub fn discard_input(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: tcflush takes no pointer, and the descriptor stays open because it is borrowed.
    cerr(unsafe { libc::tcflush(terminal.as_raw_fd(), libc::TCIFLUSH) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_no_terminal_is_an_error() {
        let (socket, _other) = UnixStream::pair().expect("socketpair");
        let error = discard_input(socket.as_fd()).expect_err("no terminal");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
