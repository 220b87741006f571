//! Unix sockets: who is on the other end, who wrote these bytes, and a bind that is never open to others.

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::cerr;
use super::pidfd::PidFd;
use super::user::{Gid, Uid};

/// A path that fits sun_path together with its NUL, in bytes (unix(7)).
pub const PATH_LIMIT_BYTES: usize = 107;

/// What connect(2) noted of the process that called it (SO_PEERCRED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its pid in our namespace, 0 where it has none. The number may have been given to another process since.
    pub pid: i32,
    /// Its effective uid at connect.
    pub uid: Uid,
    /// Its effective gid at connect.
    pub gid: Gid,
}

/// Who called connect on the other end.
///
/// # Errors
/// The kernel's refusal, or an answer of another size.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let mut raw = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = socket_length(size_of::<libc::ucred>())?;
    // SAFETY: the kernel writes at most `length` bytes to `raw`, which is that long and live, and the new length to `length`.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut raw).cast(), &mut length)
    })?;
    check_length(length, size_of::<libc::ucred>())?;
    Ok(PeerCredentials { pid: raw.pid, uid: Uid(raw.uid), gid: Gid(raw.gid) })
}

/// A pidfd of the process that called connect (SO_PEERPIDFD, Linux 6.5), close-on-exec.
///
/// # Errors
/// ENOPROTOOPT: an older kernel; ESRCH, EINVAL: the process has been reaped.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<PidFd> {
    let mut raw: libc::c_int = -1;
    let mut length = socket_length(size_of_val(&raw))?;
    // SAFETY: as in `peer_credentials`, for one int.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERPIDFD, (&raw mut raw).cast(), &mut length)
    })?;
    check_length(length, size_of_val(&raw))?;
    if raw < 0 {
        return Err(io::Error::other("SO_PEERPIDFD returned no descriptor"));
    }
    // SAFETY: the kernel just installed `raw` as a new descriptor for this call, which nobody else owns.
    Ok(PidFd::from_owned(unsafe { OwnedFd::from_raw_fd(raw) }))
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

/// Asks the kernel to name the writer of every message (SO_PASSCRED). On a listener, accepted sockets inherit it.
///
/// # Errors
/// The kernel's refusal.
pub fn name_writers(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = socket_length(size_of_val(&on))?;
    // SAFETY: the kernel reads `length` bytes, which is the size of the live `on`.
    cerr(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, (&raw const on).cast(), length)
    })
    .map(drop)
}

/// Reads bytes together with the pid of the process that wrote them (recvmsg(2) on a socket with [`name_writers`]).
///
/// The kernel does not join bytes of two writers in one read. Descriptors that a peer sends along are never installed:
/// there is room for the credentials only. The pid is `None` where the kernel gave none, and 0 for a writer that our
/// pid namespace cannot see.
///
/// # Errors
/// The kernel's, among them EAGAIN when the socket's receive timeout ran out.
pub fn read_with_writer(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<i32>)> {
    /// Room for one SCM_CREDENTIALS message, aligned as cmsghdr must be. 32 = CMSG_SPACE(sizeof(struct ucred)).
    #[repr(C, align(8))]
    struct Control([u8; 32]);
    let mut control = Control([0; 32]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is a C struct of integers and pointers, for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _; // usize in glibc, u32 in musl
    // SAFETY: every pointer in `message` is to a live, exclusively borrowed buffer of the length beside it, for the call.
    let read = cerr(unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) })?;
    // SAFETY: recvmsg has filled in `message`; CMSG_FIRSTHDR reads its control length and returns null or the buffer's start.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    let mut writer = None;
    if !header.is_null() {
        // SAFETY: not null means that the control buffer holds at least one whole cmsghdr, aligned by `Control`.
        let header_fields = unsafe { header.read() };
        // SAFETY: CMSG_LEN only computes a number.
        let wanted = unsafe { libc::CMSG_LEN(u32::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?) };
        if header_fields.cmsg_level == libc::SOL_SOCKET
            && header_fields.cmsg_type == libc::SCM_CREDENTIALS
            && header_fields.cmsg_len as u64 == u64::from(wanted)
        {
            // SAFETY: CMSG_DATA computes the address behind the header, inside the control buffer.
            let data = unsafe { libc::CMSG_DATA(header) };
            // SAFETY: the length check above says that a whole ucred is there; read_unaligned asks for no alignment.
            let credentials = unsafe { data.cast::<libc::ucred>().read_unaligned() };
            writer = Some(credentials.pid);
        }
    }
    Ok((usize::try_from(read).map_err(io::Error::other)?, writer))
}

/// Binds a Unix stream socket whose file is 0600 from its first instant: fchmod(2) comes before bind(2), because a
/// chmod after bind leaves a moment in which others may connect.
///
/// `backlog` connections may wait for accept.
///
/// # Errors
/// A path that does not fit sun_path or holds a NUL (EINVAL), one that exists (EADDRINUSE), and the kernel's others.
pub fn bind_private(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    let (address, length) = unix_address(path)?;
    // SAFETY: socket takes three integers.
    let raw = cerr(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: fchmod takes two integers; the descriptor is open.
    cerr(unsafe { libc::fchmod(socket.as_raw_fd(), 0o600) })?;
    // SAFETY: the pointer is to a live sockaddr_un of `length` bytes; its path ends in a NUL because it has at most 107 bytes.
    cerr(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
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
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes three integers.
    let raw = cerr(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
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
    let family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(io::Error::other)?;
    let mut address = libc::sockaddr_un { sun_family: family, sun_path: [0; 108] };
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let length = socket_length(size_of::<libc::sockaddr_un>())?;
    Ok((address, length))
}

fn socket_length(bytes: usize) -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(bytes).map_err(io::Error::other)
}

fn check_length(returned: libc::socklen_t, wanted: usize) -> io::Result<()> {
    if usize::try_from(returned).ok() == Some(wanted) {
        Ok(())
    } else {
        Err(io::Error::other(format!("getsockopt returned {returned} bytes and not {wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
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
        assert_eq!(writer, i32::try_from(std::process::id()).ok());
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
        let listener = bind_private(&path, 1).expect("bind");
        let mode = std::fs::metadata(&path).expect("stat").permissions().mode() & 0o777;
        assert_eq!(bind_private(&path, 1).expect_err("taken").raw_os_error(), Some(libc::EADDRINUSE));
        drop(listener);
        std::fs::remove_file(&path).expect("remove");
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let path = format!("/tmp/{}", "x".repeat(103));
        assert_eq!(bind_private(Path::new(&path), 1).expect_err("108 bytes").raw_os_error(), Some(libc::EINVAL));
    }
}
