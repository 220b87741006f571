//! Unix sockets, as far as macOS has them in its own way.

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::SocketAddr;

use super::absent;
use crate::sys::cerr;
use crate::sys::pidfd::PidFd;
use crate::sys::socket::{PeerCredentials, Writer, socket_length};
use crate::sys::user::{Gid, Uid};

/// A path that fits sun_path together with its NUL, in bytes (unix(4)).
pub const PATH_LIMIT_BYTES: usize = 103;

/// Who is on the other end: uid and gid as connect noted them (LOCAL_PEERCRED), and the process that used the other end last
/// (LOCAL_PEERPID).
///
/// # Errors
/// The kernel's refusal, or an answer of another size or version.
pub fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    // SAFETY: xucred is a C struct of integers, for which all zeros is a valid value.
    let mut raw: libc::xucred = unsafe { std::mem::zeroed() };
    let mut length = socket_length(size_of::<libc::xucred>())?;
    // SAFETY: the kernel writes at most `length` bytes to `raw`, which is that long and live, and the new length to `length`.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_LOCAL, libc::LOCAL_PEERCRED, (&raw mut raw).cast(), &mut length)
    })?;
    let [gid, ..] = raw.cr_groups;
    if length != socket_length(size_of::<libc::xucred>())?
        || raw.cr_version != libc::XUCRED_VERSION
        || raw.cr_ngroups < 1
    {
        return Err(io::Error::other("LOCAL_PEERCRED gave an answer of another kind"));
    }
    Ok(PeerCredentials { pid: peer_pid(socket)?, uid: Uid(raw.cr_uid), gid: Gid(gid) })
}

fn peer_pid(socket: BorrowedFd<'_>) -> io::Result<i32> {
    let mut pid: libc::pid_t = 0;
    let mut length = socket_length(size_of_val(&pid))?;
    // SAFETY: as in `peer_credentials`, for one int.
    cerr(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_LOCAL, libc::LOCAL_PEERPID, (&raw mut pid).cast(), &mut length)
    })?;
    Ok(pid)
}

/// There is no such thing here.
///
/// # Errors
/// Always.
pub fn peer_pidfd(_: BorrowedFd<'_>) -> io::Result<PidFd> {
    Err(absent("macOS does not say for certain which process is on the other end of a socket"))
}

/// Nothing to do: see [`read_with_writer`].
///
/// # Errors
/// None.
pub fn name_writers(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Reads bytes together with the process that used the other end last; `None` once that end is closed.
///
/// # Errors
/// The kernel's, among them EAGAIN when the socket's receive timeout ran out.
pub fn read_with_writer(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<Writer>)> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes to the live, exclusively borrowed buffer.
    let read = cerr(unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) })?;
    let writer = peer_credentials(socket).ok().map(|peer| Writer { pid: peer.pid, uid: peer.uid });
    Ok((usize::try_from(read).map_err(io::Error::other)?, writer))
}

/// There is no such thing here.
///
/// # Errors
/// Always.
pub fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(absent("macOS has no abstract sockets"))
}

/// A close-on-exec Unix stream socket. No child is started between the calls: the warden, which starts them, makes none.
pub(in crate::sys) fn stream_socket(waits: bool) -> io::Result<OwnedFd> {
    // SAFETY: socket takes three integers.
    let raw = cerr(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) })?;
    // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: fcntl with F_SETFD takes an integer.
    cerr(unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    if !waits {
        // SAFETY: fcntl with F_SETFL takes an integer.
        cerr(unsafe { libc::fcntl(raw, libc::F_SETFL, libc::O_NONBLOCK) })?;
    }
    Ok(socket)
}

/// An address without a path.
pub(in crate::sys) fn empty_address() -> io::Result<libc::sockaddr_un> {
    let family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(io::Error::other)?;
    let length = u8::try_from(size_of::<libc::sockaddr_un>()).map_err(io::Error::other)?;
    Ok(libc::sockaddr_un { sun_len: length, sun_family: family, sun_path: [0; PATH_LIMIT_BYTES + 1] })
}

/// Runs `bind` so that the socket's file is 0600 from its first instant: under a umask, because fchmod(2) does not take
/// sockets here. For that moment the umask is the whole process's; what else is made then has fewer rights, not more.
pub(in crate::sys) fn bind_as_0600(_: &OwnedFd, bind: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: umask takes an integer and cannot fail.
    let before = unsafe { libc::umask(0o177) };
    let bound = bind();
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    bound
}
