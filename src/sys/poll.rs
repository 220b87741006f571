//! poll(2): what can be read or written without waiting.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::cerr;

/// Waits until one of the descriptors can be read or is closed, or `timeout_ms` is over (-1: never).
/// Returns which ones.
///
/// # Errors
/// The kernel's; EINTR is tried again by returning "none".
pub fn wait_readable<const N: usize>(fds: [BorrowedFd<'_>; N], timeout_ms: i32) -> io::Result<[bool; N]> {
    let mut polls = fds.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    let count = libc::nfds_t::try_from(N).map_err(io::Error::other)?;
    // SAFETY: the pointer is to `count` live pollfds, and the descriptors stay open because they are borrowed.
    match cerr(unsafe { libc::poll(polls.as_mut_ptr(), count, timeout_ms) }) {
        Ok(_) => Ok(polls.map(|poll| poll.revents != 0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
        Err(error) => Err(error),
    }
}

/// Whether a write of up to PIPE_BUF (4096) bytes would not wait: nobody may be reading what a person's terminal or pipe
/// shows.
pub fn can_write(fd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one live pollfd and the count is 1; a timeout of 0 returns at once.
    let ready = unsafe { libc::poll(&mut poll, 1, 0) };
    // A reader that is gone (POLLERR) is an error at once and no wait.
    ready == 1
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_full_pipe_cannot_be_written() {
        let (mut writer, _reader) = UnixStream::pair().expect("socketpair");
        assert!(can_write(writer.as_fd()));
        writer.set_nonblocking(true).expect("nonblocking");
        while writer.write(&[0; 4096]).is_ok() {}
        assert!(!can_write(writer.as_fd()));
    }

    #[test]
    fn what_was_written_can_be_read() {
        let (mut writer, reader) = UnixStream::pair().expect("socketpair");
        assert_eq!(wait_readable([reader.as_fd()], 0).expect("poll"), [false]);
        writer.write_all(b"x").expect("written");
        assert_eq!(wait_readable([reader.as_fd()], 0).expect("poll"), [true]);
    }
}
