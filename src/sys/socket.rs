//! Unix sockets: who is on the other end, who wrote these bytes, and a bind that is never open to others.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::cerr;
use super::kernel::socket::{bind_as_0600, empty_address, stream_socket};
use super::user::{Gid, Uid};

pub use super::kernel::socket::{
    PATH_LIMIT_BYTES, abstract_address, name_writers, peer_credentials, peer_pidfd, read_with_writer,
};

/// What the kernel noted of the process on the other end: on Linux of who called connect(2) (SO_PEERCRED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its pid in our namespace, 0 where it has none. The number may have been given to another process since.
    pub pid: i32,
    /// Its effective uid at connect.
    pub uid: Uid,
    /// Its effective gid at connect.
    pub gid: Gid,
}

/// Who wrote bytes, as the kernel noted it when they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// Its pid in our namespace, 0 where it has none.
    pub pid: i32,
    /// Its real uid, or one that it may set itself to.
    pub uid: Uid,
}

/// Sets how many connections may wait for accept (listen(2)), for a socket that listens already. The kernel cuts it to
/// net.core.somaxconn.
///
/// # Errors
/// The kernel's refusal.
pub fn set_backlog(socket: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    cerr(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// The first descriptor that a service manager hands over (sd_listen_fds(3)), closed on exec from now on.
///
/// # Errors
/// EBADF: there is none, or this process has made it itself: what was inherited across exec cannot be closed on exec, and
/// everything that this process opens is.
pub fn inherited() -> io::Result<OwnedFd> {
    const FIRST: libc::c_int = 3;
    // SAFETY: fcntl with F_GETFD takes no further argument.
    let flags = cerr(unsafe { libc::fcntl(FIRST, libc::F_GETFD) })?;
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: fcntl with F_SETFD takes an integer.
    cerr(unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open and was inherited, so that no other value of this process owns it; a second call finds it closed on
    // exec, or closed, and returns above.
    Ok(unsafe { OwnedFd::from_raw_fd(FIRST) })
}

/// Whether it is a stream socket that listens (SO_TYPE, SO_ACCEPTCONN).
///
/// # Errors
/// The kernel's refusal.
pub fn is_listening_stream(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    match option(descriptor, libc::SO_TYPE) {
        Ok(kind) => Ok(kind == libc::SOCK_STREAM && option(descriptor, libc::SO_ACCEPTCONN)? != 0),
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether other sockets may listen on the same port beside it (SO_REUSEPORT).
///
/// # Errors
/// The kernel's refusal.
pub fn shares_its_port(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(option(socket, libc::SO_REUSEPORT)? != 0)
}

/// An option of the socket level that is an int.
pub(super) fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = socket_length(size_of::<libc::c_int>())?;
    // SAFETY: the kernel writes at most `length` bytes to `value`, which is that long and live, and the new length to
    // `length`.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &mut length)
    })?;
    if length == socket_length(size_of::<libc::c_int>())? {
        Ok(value)
    } else {
        Err(io::Error::other(format!("getsockopt returned {length} bytes")))
    }
}

/// Binds a Unix stream socket whose file is 0600 from its first instant. `before_listening` runs once it has its path, when
/// nobody can connect to it yet. The kernel names the writers of what comes in ([`name_writers`]).
///
/// `backlog` connections may wait for accept.
///
/// # Errors
/// A path that does not fit sun_path or holds a NUL (EINVAL), one that exists (EADDRINUSE), and the kernel's others.
pub fn bind_private(
    path: &Path,
    backlog: i32,
    before_listening: impl FnOnce() -> io::Result<()>,
) -> io::Result<UnixListener> {
    let (address, length) = unix_address(path)?;
    let socket = stream_socket(true)?;
    bind_as_0600(&socket, || {
        // SAFETY: the pointer is to a live sockaddr_un of `length` bytes; its path ends in a NUL because it is shorter than
        // sun_path.
        cerr(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
    })?;
    before_listening()?;
    // Newer kernels note at connect(2) whether writers are to be named.
    name_writers(socket.as_fd())?;
    // SAFETY: listen takes two integers; the descriptor is open.
    cerr(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(UnixListener::from(socket))
}

/// Connects without waiting: EAGAIN where a server is there and does not accept.
///
/// # Errors
/// The kernel's, ECONNREFUSED where nobody listens.
pub fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let (address, length) = unix_address(path)?;
    let socket = stream_socket(false)?;
    // SAFETY: as for bind in `bind_private`.
    cerr(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(UnixStream::from(socket))
}

/// A path as connect(2) and bind(2) take it.
fn unix_address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > PATH_LIMIT_BYTES || bytes.contains(&0) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut address = empty_address()?;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let length = socket_length(size_of::<libc::sockaddr_un>())?;
    Ok((address, length))
}

pub(super) fn socket_length(bytes: usize) -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn names_the_writer() {
        let (mut left, right) = UnixStream::pair().expect("socketpair");
        name_writers(right.as_fd()).expect("SO_PASSCRED");
        left.write_all(b"hello").expect("write");
        let mut buffer = [0; 16];
        let (read, writer) = read_with_writer(right.as_fd(), &mut buffer).expect("recvmsg");
        assert_eq!(&buffer[..read], b"hello");
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(writer, Some(Writer { pid, uid: crate::sys::user::effective_uid() }));
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (left, _right) = UnixStream::pair().expect("socketpair");
        let peer = peer_credentials(left.as_fd()).expect("SO_PEERCRED");
        assert_eq!(u32::try_from(peer.pid).ok(), Some(std::process::id()));
        assert_eq!(peer.uid, crate::sys::user::effective_uid());
    }

    #[test]
    fn a_bound_socket_is_0600_whatever_the_umask() {
        let path = std::env::temp_dir().join(format!("sentinel-bind-{}", std::process::id()));
        let listener = bind_private(&path, 1, || Ok(())).expect("bind");
        let mode = std::fs::metadata(&path).expect("stat").permissions().mode() & 0o777;
        assert_eq!(bind_private(&path, 1, || Ok(())).expect_err("taken").raw_os_error(), Some(libc::EADDRINUSE));
        drop(listener);
        std::fs::remove_file(&path).expect("remove");
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn what_listens_is_told_from_what_does_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(is_listening_stream(listener.as_fd()).expect("an answer"));
        assert!(!shares_its_port(listener.as_fd()).expect("an answer"));
        let (stream, _other) = UnixStream::pair().expect("socketpair");
        assert!(!is_listening_stream(stream.as_fd()).expect("an answer"));
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        assert!(!is_listening_stream(datagrams.as_fd()).expect("an answer"));
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(!is_listening_stream(file.as_fd()).expect("an answer"), "it is no socket at all");
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let path = format!("/tmp/{}", "x".repeat(103));
        assert_eq!(
            bind_private(Path::new(&path), 1, || Ok(())).expect_err("108 bytes").raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
