//! The process on the other end of a Unix socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use super::Unattested;
use super::descriptor::descriptor;
use super::kernel::{Kernel, Overflow, Tier};
use super::process::Process;
use crate::sys;
use crate::sys::process::Pid;
use crate::sys::socket::PeerCredentials;

/// Establishes the process that called connect(2).
pub(super) fn establish(stream: &UnixStream, kernel: &Kernel) -> Result<(Process, PeerCredentials), Unattested> {
    let (noted, pid) = unambiguous(stream, kernel.overflow())?;
    let process = match kernel.tier() {
        Tier::PidfsInode | Tier::PeerPidfd => Process::from_pidfd(sys::socket::peer_pidfd(stream.as_fd())?, pid)?,
        Tier::Pidfd | Tier::ProcDirectory => {
            // SO_PEERCRED's number may be another process's by now: who connected, passed the connection on and ended
            // while it waited for accept leaves its number to the next. So whoever has the number must hold the socket.
            let process = Process::open(kernel, pid)?;
            if descriptor(pid, other_end(stream)?)?.is_none() {
                return Err(Unattested::NotTheHolder);
            }
            process
        }
    };
    Ok((process, noted))
}

/// What connect(2) noted of the caller: enough to drop another user's connection at once.
///
/// # Errors
/// The kernel's refusal.
pub fn credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
    sys::socket::peer_credentials(stream.as_fd())
}

/// The same, and the pid, where both name one process and one user.
///
/// # Errors
/// What namespaces make ambiguous, and the kernel's refusal.
pub fn unambiguous(stream: &UnixStream, overflow: &Overflow) -> Result<(PeerCredentials, Pid), Unattested> {
    let noted = unambiguous_ids(stream, overflow)?;
    let pid = Pid::new(noted.pid).ok_or(Unattested::Ambiguous("a process outside of this pid namespace"))?;
    Ok((noted, pid))
}

/// The same where the process need not be known: for callers of another pid namespace.
///
/// # Errors
/// Ids that are outside of this user namespace's map, and the kernel's refusal.
pub fn unambiguous_ids(stream: &UnixStream, overflow: &Overflow) -> Result<PeerCredentials, Unattested> {
    let noted = credentials(stream)?;
    if overflow.holds(noted.uid, noted.gid) {
        return Err(Unattested::FOREIGN_ID);
    }
    Ok(noted)
}

/// The inode of the socket on the other end.
pub(super) fn other_end(stream: &UnixStream) -> io::Result<u64> {
    let own = std::fs::metadata(format!("/proc/self/fd/{}", stream.as_raw_fd()))?.ino();
    sys::netlink::SockDiag::open()?.unix_peer_inode(own)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}
