//! A process that cannot be mistaken for a later one with its number.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::Unattested;
use super::cgroup;
use super::kernel::{Kernel, Tier};
use super::running::Running;
use super::text;
use crate::sys::pidfd::{HeldSocket, PidFd};
use crate::sys::process::{Pid, hold_proc_directory};
use crate::sys::user::{Gid, Uid};

/// A process, held by a handle that names it alone.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    handle: Handle,
    /// The pidfs inode, where there is one.
    inode: Option<u64>,
    running: Mutex<Option<Arc<Running>>>,
}

#[derive(Debug)]
enum Handle {
    PidFd(PidFd),
    /// An O_PATH descriptor of /proc/PID, whose files give ESRCH once the process is gone.
    Directory(File),
}

/// What is so of a process now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its id in our pid namespace.
    pub pid: Pid,
    /// Its parent; `None` where the parent is outside of our pid namespace, or there is none.
    pub parent: Option<Pid>,
    /// Its effective uid.
    pub uid: Uid,
    /// Its effective gid.
    pub gid: Gid,
}

/// Most of one /proc file that is read. `stat` and `status` are under 2 KiB.
const PROC_FILE_LIMIT_BYTES: u64 = 16 * 1024;

impl Process {
    /// Holds the process that has this number now.
    ///
    /// # Errors
    /// There is none, or the kernel's refusal.
    pub fn open(kernel: &Kernel, pid: Pid) -> Result<Self, Unattested> {
        if kernel.tier() == Tier::ProcDirectory {
            return Ok(Self::held(pid, Handle::Directory(hold_proc_directory(pid)?), None));
        }
        Self::from_pidfd(PidFd::open(pid)?, pid)
    }

    /// Takes a pidfd of the process that had this number when the kernel made the pidfd.
    pub(super) fn from_pidfd(pidfd: PidFd, pid: Pid) -> Result<Self, Unattested> {
        let inode = pidfd.inode()?;
        Ok(Self::held(pid, Handle::PidFd(pidfd), inode))
    }

    fn held(pid: Pid, handle: Handle, inode: Option<u64>) -> Self {
        Self { pid, handle, inode, running: Mutex::default() }
    }

    /// Holds the same process once more.
    ///
    /// # Errors
    /// It has ended, or the kernel's refusal.
    pub fn reopened(&self, kernel: &Kernel) -> Result<Self, Unattested> {
        let again = Self::open(kernel, self.pid)?;
        if again.is(self) { Ok(again) } else { Err(Unattested::Gone) }
    }

    /// Its number, which is another's once [`Process::is_alive`] says no.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        match &self.handle {
            Handle::PidFd(pidfd) => pidfd.has_ended().is_ok_and(|ended| !ended),
            Handle::Directory(_) => {
                self.read("stat").ok().and_then(|stat| text::state(&stat)).is_some_and(|s| !"ZXx".contains(s))
            }
        }
    }

    /// Whether both still run: asked with one call where the kernel can.
    pub(super) fn both_alive(&self, other: &Self) -> bool {
        match (&self.handle, &other.handle) {
            (Handle::PidFd(own), Handle::PidFd(other)) => {
                PidFd::have_ended([own, other]).is_ok_and(|ended| ended == [false, false])
            }
            _ => self.is_alive() && other.is_alive(),
        }
    }

    /// Whether both are one process.
    pub fn is(&self, other: &Self) -> bool {
        match (self.inode, other.inode) {
            (Some(own), Some(its)) => own == its,
            // While both live, one number cannot be two processes.
            _ => self.pid == other.pid && self.is_alive() && other.is_alive(),
        }
    }

    /// Its parent and current ids.
    ///
    /// # Errors
    /// It has ended, or the kernel's refusal.
    pub fn facts(&self, kernel: &Kernel) -> Result<Facts, Unattested> {
        if let Handle::PidFd(pidfd) = &self.handle
            && kernel.has_get_info()
        {
            let info = pidfd.info()?;
            let pid = Pid::new(info.pid).ok_or(Unattested::Ambiguous("a process outside of this pid namespace"))?;
            return Ok(Facts { pid, parent: Pid::new(info.parent), uid: info.uid, gid: info.gid });
        }
        let facts = text::facts(&self.read("status")?)
            .ok_or_else(|| Unattested::Unreadable("/proc/PID/status cannot be understood".to_owned()))?;
        // Read by number: true of this process only if it still lived afterwards.
        if !self.is_alive() {
            return Err(Unattested::Gone);
        }
        Ok(facts)
    }

    /// The inode of the directory in the cgroup v2 hierarchy that it is in.
    ///
    /// # Errors
    /// It has ended, is in none, or the kernel's refusal.
    pub fn cgroup(&self, kernel: &Kernel) -> Result<u64, Unattested> {
        let none = || Unattested::Unreadable("the process's cgroup is not known".to_owned());
        if let Handle::PidFd(pidfd) = &self.handle
            && kernel.has_get_info()
        {
            return pidfd.info()?.cgroup.ok_or_else(none);
        }
        let id = text::unified_cgroup(&self.read("cgroup")?).and_then(cgroup::id_of).ok_or_else(none)?;
        // Read by number: true of this process only if it still lived afterwards.
        if self.is_alive() { Ok(id) } else { Err(Unattested::Gone) }
    }

    /// The socket that it has under this number now; `None` where that is not told: on older kernels, and to who may not trace
    /// it (Yama from `ptrace_scope` 2 on, a filter of system calls, another user).
    ///
    /// # Errors
    /// There is no socket, or the kernel's refusal.
    pub(super) fn socket(&self, number: u32) -> io::Result<Option<HeldSocket>> {
        let Handle::PidFd(pidfd) = &self.handle else { return Ok(None) };
        match pidfd.socket(number) {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What it runs now. Who is held from one connection to the next is asked for it once, while that is still so.
    pub(super) fn running(&self, kernel: &Kernel) -> Arc<Running> {
        // A panic aborts the process, so a poisoned lock is never seen.
        let mut known = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(running) if running.is_current() => Arc::clone(running),
            _ => Arc::clone(known.insert(Arc::new(Running::of(self, kernel)))),
        }
    }

    /// The program that it runs, as a path in its own mount namespace: to be shown, not to be trusted.
    pub fn executable(&self) -> Option<PathBuf> {
        fs::read_link(self.path("exe")).ok()
    }

    /// Device and inode of the program that it runs.
    pub fn executable_identity(&self) -> Option<(u64, u64)> {
        fs::metadata(self.path("exe")).ok().map(|file| (file.dev(), file.ino()))
    }

    /// Its arguments, at most 16 KiB of them: to be shown, not to be trusted.
    pub fn arguments(&self) -> Vec<String> {
        let text = self.read("cmdline").unwrap_or_default();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// One of its files under /proc.
    ///
    /// # Errors
    /// There is none, or it may not be seen.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut bytes = Vec::with_capacity(2048);
        self.file(name)?.take(PROC_FILE_LIMIT_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn path(&self, name: &str) -> String {
        match &self.handle {
            Handle::PidFd(_) => format!("/proc/{}/{name}", self.pid),
            Handle::Directory(directory) => format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn this_process_is_itself_and_alive() {
        let kernel = Kernel::probe().expect("a tier");
        let pid = own_pid().expect("a pid");
        let (a, b) = (Process::open(&kernel, pid).expect("open"), Process::open(&kernel, pid).expect("open"));
        assert!(a.is(&b));
        assert!(a.is_alive());
        let facts = a.facts(&kernel).expect("facts");
        assert_eq!(facts.pid, pid);
        assert_eq!(facts.uid, crate::sys::user::effective_uid());
        assert_eq!(facts.parent.map(Pid::as_raw).map(i32::cast_unsigned), Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn an_ended_process_is_gone_on_every_handle() {
        let kernel = Kernel::probe().expect("a tier");
        let mut child =
            std::process::Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        // Its answer shows that it is past exec.
        let mut answer = [0; 1];
        child.stdin.as_mut().expect("stdin").write_all(b"x").expect("written");
        child.stdout.as_mut().expect("stdout").read_exact(&mut answer).expect("an echo");
        let pid = Pid::new(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        let by_pidfd = Process::open(&kernel, pid).expect("open");
        let directory = hold_proc_directory(pid).expect("open");
        let by_directory = Process::held(pid, Handle::Directory(directory), None);
        assert!(by_pidfd.is_alive() && by_directory.is_alive());
        assert!(by_pidfd.is(&by_directory));
        drop(child.stdin.take());
        child.wait().expect("wait");
        assert!(!by_pidfd.is_alive() && !by_directory.is_alive());
        assert!(!by_pidfd.is(&by_directory));
        assert_eq!(by_pidfd.facts(&kernel), Err(Unattested::Gone));
        assert_eq!(by_directory.facts(&kernel), Err(Unattested::Gone));
    }
}
