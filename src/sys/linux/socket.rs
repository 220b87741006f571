//! Unix sockets, as far as Linux has them in its own way.

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

use crate::sys::cerr;
use crate::sys::netlink::Cookie;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::{PeerCredentials, Writer, option, socket_length};
use crate::sys::user::{Gid, Uid};

/// A path that fits sun_path together with its NUL, in bytes (unix(7)).
pub const PATH_LIMIT_BYTES: usize = 107;

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

/// A socket's cookie, by which sock_diag(7) knows it, too (SO_COOKIE, Linux 4.12).
///
/// # Errors
/// ENOTSOCK: it is no socket.
pub(in crate::sys) fn cookie(socket: BorrowedFd<'_>) -> io::Result<Cookie> {
    let mut raw: u64 = 0;
    let mut length = socket_length(size_of_val(&raw))?;
    // SAFETY: as in `peer_credentials`, for one u64.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, (&raw mut raw).cast(), &mut length)
    })?;
    check_length(length, size_of_val(&raw))?;
    Ok(Cookie::of(raw))
}

/// Whether it is a connection by several paths (SO_PROTOCOL, MPTCP).
///
/// # Errors
/// ENOTSOCK: it is no socket.
pub(in crate::sys) fn is_multipath(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(option(socket, libc::SO_PROTOCOL)? == libc::IPPROTO_MPTCP)
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

/// Reads bytes together with who wrote them (recvmsg(2) on a socket with [`name_writers`]).
///
/// The kernel does not join bytes of two writers in one read. Descriptors that a peer sends along are never installed:
/// there is room for the credentials only. The writer is `None` where the kernel named none, and its pid is 0 where our
/// pid namespace cannot see it.
///
/// # Errors
/// The kernel's, among them EAGAIN when the socket's receive timeout ran out.
pub fn read_with_writer(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<Writer>)> {
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
            writer = Some(Writer { pid: credentials.pid, uid: Uid(credentials.uid) });
        }
    }
    Ok((usize::try_from(read).map_err(io::Error::other)?, writer))
}

/// An address that is no path (unix(7)); `name` is what follows its NUL.
///
/// # Errors
/// A name that is too long.
pub fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

/// A close-on-exec Unix stream socket.
pub(in crate::sys) fn stream_socket(waits: bool) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | if waits { 0 } else { libc::SOCK_NONBLOCK };
    // SAFETY: socket takes three integers.
    let raw = cerr(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// An address without a path.
pub(in crate::sys) fn empty_address() -> io::Result<libc::sockaddr_un> {
    let family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(io::Error::other)?;
    Ok(libc::sockaddr_un { sun_family: family, sun_path: [0; PATH_LIMIT_BYTES + 1] })
}

/// Runs `bind` so that the socket's file is 0600 from its first instant: fchmod(2) comes first, because a chmod after bind
/// leaves a moment in which others may connect.
pub(in crate::sys) fn bind_as_0600(socket: &OwnedFd, bind: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: fchmod takes two integers; the descriptor is open.
    cerr(unsafe { libc::fchmod(socket.as_raw_fd(), 0o600) })?;
    bind()
}

fn check_length(returned: libc::socklen_t, wanted: usize) -> io::Result<()> {
    if usize::try_from(returned).ok() == Some(wanted) {
        Ok(())
    } else {
        Err(io::Error::other(format!("getsockopt returned {returned} bytes and not {wanted}")))
    }
}
