//! What this kernel can say of processes: a probe, made once at start.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Unattested;
use super::process::Process;
use super::text;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::netlink::SockDiag;
use crate::sys::process::own_pid;
use crate::sys::user::{Gid, Uid};

/// How a process is held, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// SO_PEERPIDFD, and an inode that is never used again (Linux 6.9).
    PidfsInode,
    /// SO_PEERPIDFD, held and polled (Linux 6.5).
    PeerPidfd,
    /// pidfd_open of SO_PEERCRED's pid, held and polled, and the peer's socket found among its descriptors (Linux 5.3).
    Pidfd,
    /// The same with a descriptor of /proc/PID.
    ProcDirectory,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PidfsInode => "pidfs inode",
            Self::PeerPidfd => "peer pidfd",
            Self::Pidfd => "pidfd",
            Self::ProcDirectory => "proc directory",
        })
    }
}

/// A port without process authentication would be open to every process of the host, so no option allows it.
pub const UNIX_SOCKET_INSTEAD: &str = "use --unix-socket in place of --server: it needs less of the kernel";

/// What the probe found.
#[derive(Debug, Clone)]
pub struct Kernel {
    tier: Tier,
    get_info: bool,
    overflow: Overflow,
    /// Kept, because TCP peers are asked about at every request.
    diag: Option<Arc<SockDiag>>,
}

/// The uid and the gid that stand for every id outside of this user namespace's map; `None` where the map holds them all.
#[derive(Debug, Clone)]
pub struct Overflow {
    uid: Option<Uid>,
    gid: Option<Gid>,
}

impl Overflow {
    /// Of the user namespace that this process is in.
    pub fn here() -> Self {
        Self { uid: overflow("uid").map(Uid), gid: overflow("gid").map(Gid) }
    }

    /// Whether this user namespace is one that holds every uid: its uid 0 is root.
    pub fn holds_every_uid(&self) -> bool {
        self.uid.is_none()
    }

    /// Whether this uid may be anybody's.
    pub(super) fn holds_uid(&self, uid: Uid) -> bool {
        self.uid == Some(uid)
    }

    /// Whether one of these ids may be anybody's.
    pub(super) fn holds(&self, uid: Uid, gid: Gid) -> bool {
        self.uid == Some(uid) || self.gid == Some(gid)
    }
}

impl Kernel {
    /// Tries each tier on this process itself.
    ///
    /// # Errors
    /// This kernel, or its /proc, cannot name peers at all.
    pub fn probe() -> Result<Self> {
        let (left, right) = UnixStream::pair().map_err(cannot)?;
        let pid = own_pid().ok_or_else(|| cannot(io::Error::other("this process has no pid")))?;
        // Programs and descriptors are read there by number, and on some kernels everything is.
        let status = std::fs::read_to_string("/proc/self/status").map_err(cannot)?;
        if !text::shows_only(&status, pid) {
            return Err(cannot(io::Error::other("/proc belongs to another pid namespace")));
        }
        let tier = match sys::socket::peer_pidfd(left.as_fd()) {
            Ok(pidfd) if pidfd.inode().is_ok_and(|inode| inode.is_some()) => Tier::PidfsInode,
            Ok(_) => Tier::PeerPidfd,
            Err(_) => {
                let inode = super::unix::other_end(&left).map_err(cannot)?;
                if super::descriptor::descriptor(pid, inode).map_err(cannot)?.is_none() {
                    return Err(cannot(io::Error::other("/proc does not show this process's own sockets")));
                }
                match sys::pidfd::PidFd::open(pid) {
                    Ok(_) => Tier::Pidfd,
                    Err(_) => Tier::ProcDirectory,
                }
            }
        };
        drop(right);
        let kernel = Self {
            tier,
            get_info: sys::pidfd::PidFd::open(pid).and_then(|pidfd| pidfd.info()).is_ok(),
            overflow: Overflow::here(),
            diag: SockDiag::open().ok().map(Arc::new),
        };
        match Process::open(&kernel, pid).and_then(|own| own.facts(&kernel)) {
            Ok(_) => Ok(kernel),
            Err(why) => Err(cannot(io::Error::other(why.to_string()))),
        }
    }

    /// How processes are held.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Whether PIDFD_GET_INFO works (Linux 6.13); /proc is read otherwise.
    pub(super) fn has_get_info(&self) -> bool {
        self.get_info
    }

    /// Whether TCP peers can be named, too: tried on this process itself.
    ///
    /// # Errors
    /// Why not.
    pub fn probe_tcp(&self) -> Result<()> {
        let tried = match &self.diag {
            Some(diag) => super::tcp::probe(diag),
            None => Err(io::Error::other("it has no sock_diag")),
        };
        tried.map_err(|why| {
            Error::new("this kernel cannot tell which process is on the other end of a TCP connection")
                .because(why)
                .hint(UNIX_SOCKET_INSTEAD)
        })
    }

    /// Where sockets are asked about.
    pub(super) fn diag(&self) -> std::result::Result<&SockDiag, Unattested> {
        self.diag.as_deref().ok_or_else(|| Unattested::Unreadable("this kernel has no sock_diag".to_owned()))
    }

    /// The ids that name nobody.
    pub(super) fn overflow(&self) -> &Overflow {
        &self.overflow
    }
}

/// Whether /proc shows this process the programs and descriptors of other users' processes (CAP_SYS_PTRACE: ptrace(2)).
pub fn may_look_into_others() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| text::may_trace(&status))
}

fn cannot(why: io::Error) -> Error {
    Error::new("this kernel cannot tell which process is on the other end of a socket").because(why).hint(
        "tokens cannot be bound to a process tree here; `--allow-fallback` lets any process of your uid use them, and \
         every log line says so",
    )
}

/// The overflow id (`uid` or `gid`), unless the map of this user namespace holds every id, when 65534 is just a user.
fn overflow(kind: &str) -> Option<u32> {
    let map = std::fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
    if text::map_is_total(&map) {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/sys/kernel/overflow{kind}")).unwrap_or_default();
    Some(text.trim().parse().unwrap_or(65_534))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_finds_a_tier_here() {
        Kernel::probe().expect("a tier");
    }
}
