//! The process on the other end of a Unix socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::Unattested;
use super::kernel::{Kernel, Overflow, Tier};
use super::process::{Image, Process};
use crate::sys;
use crate::sys::process::Pid;
use crate::sys::socket::PeerCredentials;
use crate::sys::user::{Gid, Uid};

/// Most descriptors of one process that are looked through for a socket (tiers without SO_PEERPIDFD). The usual limit
/// of a process is 1024; one that holds more than this is refused.
const DESCRIPTOR_LIMIT: usize = 65_536;

/// The process that called connect(2), established from the socket.
#[derive(Debug)]
pub struct Peer {
    process: Process,
    uid: Uid,
    gid: Gid,
    image: Option<Image>,
    executable: Option<PathBuf>,
}

impl Peer {
    /// Establishes the peer of an accepted connection.
    ///
    /// # Errors
    /// Whatever keeps the identity from being certain.
    pub fn of(stream: &UnixStream, kernel: &Kernel) -> Result<Self, Unattested> {
        let (noted, pid) = unambiguous(stream, kernel.overflow())?;
        let process = match kernel.tier() {
            Tier::PidfsInode | Tier::PeerPidfd => Process::from_pidfd(sys::socket::peer_pidfd(stream.as_fd())?, pid)?,
            Tier::Pidfd | Tier::ProcDirectory => {
                // SO_PEERCRED's number may be another process's by now: who connected, passed the connection on and ended
                // while it waited for accept leaves its number to the next. So whoever has the number must hold the socket.
                let process = Process::open(kernel, pid)?;
                if !holds_socket(pid, other_end(stream)?)? {
                    return Err(Unattested::NotTheHolder);
                }
                process
            }
        };
        let facts = process.facts(kernel)?;
        if facts.pid != pid {
            return Err(Unattested::Gone);
        }
        if facts.uid != noted.uid {
            return Err(Unattested::UidChanged);
        }
        let (image, executable) = (process.image(), process.executable());
        if !process.is_alive() {
            return Err(Unattested::Gone);
        }
        Ok(Self { process, uid: noted.uid, gid: noted.gid, image, executable })
    }

    /// Whether all that was established still holds: asked at every request.
    ///
    /// # Errors
    /// What has changed.
    pub fn recheck(&self, kernel: &Kernel) -> Result<(), Unattested> {
        if self.process.facts(kernel)?.uid != self.uid {
            return Err(Unattested::UidChanged);
        }
        if self.image.as_ref().is_some_and(|image| !image.is_current()) && self.process.is_alive() {
            return Err(Unattested::ProgramChanged);
        }
        if !self.process.is_alive() {
            return Err(Unattested::Gone);
        }
        Ok(())
    }

    /// Whether a change of program would be seen. Where not (a process that is not dumpable), a connection is good for one
    /// request.
    pub fn program_is_watched(&self) -> bool {
        self.image.is_some()
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its effective uid, at connect and now.
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// Its effective gid at connect.
    pub fn gid(&self) -> Gid {
        self.gid
    }

    /// The program that it ran when the peer was established: to be shown, not to be trusted.
    pub fn executable(&self) -> Option<&PathBuf> {
        self.executable.as_ref()
    }
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
    let noted = credentials(stream)?;
    let pid = Pid::new(noted.pid).ok_or(Unattested::Ambiguous("a process outside of this pid namespace"))?;
    if overflow.holds(noted.uid, noted.gid) {
        return Err(Unattested::Ambiguous("an id outside of this user namespace's map"));
    }
    Ok((noted, pid))
}

/// The inode of the socket on the other end.
pub(super) fn other_end(stream: &UnixStream) -> io::Result<u64> {
    let own = std::fs::metadata(format!("/proc/self/fd/{}", stream.as_raw_fd()))?.ino();
    sys::netlink::SockDiag::open()?.unix_peer_inode(own)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

/// Whether the process has a descriptor of the socket with this inode.
pub(super) fn holds_socket(pid: Pid, inode: u64) -> io::Result<bool> {
    let wanted = format!("socket:[{inode}]");
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTOR_LIMIT) {
        // A descriptor that was closed since the listing is not the one that is looked for.
        if std::fs::read_link(entry?.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let kernel = Kernel::probe().expect("a tier");
        let (left, right) = UnixStream::pair().expect("socketpair");
        let peer = Peer::of(&left, &kernel).expect("a peer");
        assert_eq!(Some(peer.process().pid()), own_pid());
        assert_eq!(peer.uid(), sys::user::effective_uid());
        assert_eq!(peer.recheck(&kernel), Ok(()));
        assert!(peer.program_is_watched());
        assert!(holds_socket(peer.process().pid(), other_end(&left).expect("an inode")).expect("a listing"));
        drop(right);
        assert!(other_end(&left).is_err());
    }
}
