//! Process file descriptors: a process that cannot be mistaken for a later one with its number.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::cerr;
use super::kernel::socket::{cookie, is_multipath};
use super::netlink::Cookie;
use super::process::Pid;
use super::user::{Gid, Uid};

/// A pidfd (pidfd_open(2), SO_PEERPIDFD).
#[derive(Debug)]
pub struct PidFd(OwnedFd);

/// What PIDFD_GET_INFO says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// The process's id.
    pub pid: i32,
    /// Its parent's id, 0 where the parent is outside of our pid namespace.
    pub parent: i32,
    /// Its current effective user id.
    pub uid: Uid,
    /// Its current effective group id.
    pub gid: Gid,
    /// The inode of its directory in the cgroup v2 hierarchy, where the kernel says.
    pub cgroup: Option<u64>,
}

/// A socket that a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldSocket {
    /// What the kernel calls it.
    pub cookie: Cookie,
    /// Where it is a connection by several paths (MPTCP), of which sock_diag shows one, with a cookie of its own: its own address
    /// and the other end's.
    pub multipath: Option<(SocketAddr, SocketAddr)>,
}

/// The kernel's struct pidfd_info, first version (include/uapi/linux/pidfd.h): 64 bytes.
#[repr(C)]
#[derive(Default)]
struct RawInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ruid: u32,
    rgid: u32,
    euid: u32,
    egid: u32,
    suid: u32,
    sgid: u32,
    fsuid: u32,
    fsgid: u32,
    exit_code: i32,
}

const INFO_PID: u64 = 1;
const INFO_CREDENTIALS: u64 = 2;
const INFO_CGROUP: u64 = 4;
/// `_IOWR(0xFF, 11, 64 bytes)`.
const GET_INFO: libc::Ioctl = 0xC040_FF0Bu32 as libc::Ioctl;
/// The magic number of pidfs, "PIDF" (Linux 6.9).
const PIDFS_MAGIC: u32 = 0x5049_4446;

impl PidFd {
    /// pidfd_open(2), Linux 5.3.
    ///
    /// # Errors
    /// ESRCH: no such process; ENOSYS: an older kernel.
    pub fn open(pid: Pid) -> io::Result<Self> {
        let no_flags: libc::c_long = 0;
        // SAFETY: pidfd_open takes two integers and touches no memory of ours; syscall reads each as a long, which both are.
        let raw = cerr(unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid.as_raw()), no_flags) })?;
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        // SAFETY: the kernel just returned `raw` as a new descriptor, which nobody else owns. It is close-on-exec.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Takes a descriptor that is known to be a pidfd.
    pub(super) fn from_owned(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Whether the process has ended, reaped or not.
    ///
    /// # Errors
    /// The kernel's refusal to poll.
    pub fn has_ended(&self) -> io::Result<bool> {
        Self::have_ended([self]).map(|[ended]| ended)
    }

    /// Which of these processes have ended, asked with one call.
    ///
    /// # Errors
    /// The kernel's refusal to poll.
    pub fn have_ended<const N: usize>(pidfds: [&Self; N]) -> io::Result<[bool; N]> {
        let mut polls = pidfds.map(|pidfd| libc::pollfd { fd: pidfd.0.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        let count = libc::nfds_t::try_from(N).map_err(io::Error::other)?;
        // SAFETY: the pointer is to `count` live pollfds; a timeout of 0 returns at once.
        cerr(unsafe { libc::poll(polls.as_mut_ptr(), count, 0) })?;
        Ok(polls.map(|poll| poll.revents != 0))
    }

    /// The process's current ids (PIDFD_GET_INFO, Linux 6.13).
    ///
    /// # Errors
    /// ESRCH: it has ended; ENOTTY: an older kernel.
    pub fn info(&self) -> io::Result<Info> {
        let mut raw = RawInfo { mask: INFO_PID | INFO_CREDENTIALS | INFO_CGROUP, ..RawInfo::default() };
        // SAFETY: the request number carries the size 64, which is the size of RawInfo (asserted below), and the kernel
        // writes no more than that to the live, exclusively borrowed struct.
        cerr(unsafe { libc::ioctl(self.0.as_raw_fd(), GET_INFO, &mut raw) })?;
        if raw.mask & (INFO_PID | INFO_CREDENTIALS) != INFO_PID | INFO_CREDENTIALS {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        let narrow = |id: u32| i32::try_from(id).map_err(io::Error::other);
        let cgroup = Some(raw.cgroup_id).filter(|id| raw.mask & INFO_CGROUP != 0 && *id != 0);
        let (pid, parent) = (narrow(raw.tgid)?, narrow(raw.ppid)?);
        Ok(Info { pid, parent, uid: Uid(raw.euid), gid: Gid(raw.egid), cgroup })
    }

    /// The socket that the process has under this number now. It is held for as long as it is asked (pidfd_getfd(2), Linux 5.6), and
    /// let go in the end, which may take as long as whoever made it wants: a socket lingers, and a file may be anything.
    ///
    /// # Errors
    /// EPERM, EACCES: who may not trace the process is not told; ENOSYS: an older kernel; EBADF, ENOTSOCK: there is no socket.
    pub fn socket(&self, number: u32) -> io::Result<HeldSocket> {
        let no_flags: libc::c_long = 0;
        // SAFETY: pidfd_getfd takes three integers and touches no memory of ours; syscall reads each as a long, which all are.
        let raw = cerr(unsafe {
            libc::syscall(
                libc::SYS_pidfd_getfd,
                libc::c_long::from(self.0.as_raw_fd()),
                libc::c_long::from(number),
                no_flags,
            )
        })?;
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        // SAFETY: the kernel just returned `raw` as a new descriptor, which nobody else owns. It is close-on-exec.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let cookie = cookie(socket.as_fd())?;
        if !is_multipath(socket.as_fd())? {
            return Ok(HeldSocket { cookie, multipath: None });
        }
        let socket = TcpStream::from(socket);
        Ok(HeldSocket { cookie, multipath: Some((socket.local_addr()?, socket.peer_addr()?)) })
    }

    /// The pidfs inode, unique for as long as the system runs; `None` where pidfds are not in pidfs (before Linux 6.9).
    ///
    /// # Errors
    /// The kernel's refusal to stat.
    pub fn inode(&self) -> io::Result<Option<u64>> {
        let mut system = std::mem::MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: fstatfs writes one statfs to the pointer, which is valid for that for the whole call.
        if unsafe { libc::fstatfs(self.0.as_raw_fd(), system.as_mut_ptr()) } != 0 {
            return Ok(None);
        }
        // SAFETY: zeroed, then filled by a call that succeeded; all its fields are integers.
        let system = unsafe { system.assume_init() };
        if u32::try_from(system.f_type) != Ok(PIDFS_MAGIC) {
            return Ok(None);
        }
        let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: fstat writes one stat to the pointer, which is valid for that for the whole call.
        cerr(unsafe { libc::fstat(self.0.as_raw_fd(), stat.as_mut_ptr()) })?;
        // SAFETY: zeroed, then filled by a call that succeeded; all its fields are integers.
        Ok(Some(unsafe { stat.assume_init() }.st_ino))
    }
}

const _: () = assert!(size_of::<RawInfo>() == 64);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn knows_this_process() {
        let fd = PidFd::open(own_pid().expect("a pid")).expect("pidfd_open");
        assert!(!fd.has_ended().expect("poll"));
        if let Ok(info) = fd.info() {
            assert_eq!(Pid::new(info.pid), own_pid());
            assert_eq!(info.uid, crate::sys::user::effective_uid());
        }
    }

    #[test]
    fn tells_sockets_apart_and_from_what_is_none() {
        let fd = PidFd::open(own_pid().expect("a pid")).expect("pidfd_open");
        let (left, right) = UnixStream::pair().expect("socketpair");
        let number = |descriptor: &dyn AsRawFd| u32::try_from(descriptor.as_raw_fd()).expect("a number");
        let left_again = left.try_clone().expect("dup");
        let [one, again, other] = [&left, &left_again, &right].map(|socket| fd.socket(number(socket)));
        match (one, again, other) {
            (Ok(one), Ok(again), Ok(other)) => assert!(one == again && one != other),
            // A filter of system calls, as containers have them.
            (one, ..) => assert!(matches!(
                one.expect_err("EPERM").raw_os_error(),
                Some(libc::EPERM | libc::EACCES | libc::ENOSYS)
            )),
        }
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(fd.socket(number(&file)).is_err());
        assert!(fd.socket(u32::MAX).is_err());
    }

    #[test]
    fn sees_an_end() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let fd = PidFd::open(Pid::new(i32::try_from(child.id()).expect("a pid")).expect("a pid")).expect("pidfd_open");
        child.wait().expect("wait");
        assert!(fd.has_ended().expect("poll"));
        assert!(fd.info().is_err());
    }
}
