//! Processes: fork, attributes, signals to them, and how they end.

use std::fmt;
use std::io;

use super::cerr;
use super::kernel::thread_count;

pub use super::kernel::{become_subreaper, held_link, hold_link, hold_proc_directory, name_thread, refuse_inspection};

/// A process id, always above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(libc::pid_t);

impl Pid {
    /// `None` for 0 and below, which the kernel uses for "a process that you cannot see" and for process groups.
    pub fn new(raw: i32) -> Option<Self> {
        (raw > 0).then_some(Self(raw))
    }

    /// The number.
    pub fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Fork {
    /// The old process, and its new child.
    Parent(Pid),
    /// The new process.
    Child,
}

/// fork(2). Refused once this process has a second thread, because only the calling thread survives in the child and
/// locks that others hold would stay locked there.
///
/// # Errors
/// More than one thread, or the kernel's refusal.
pub fn fork_single_threaded() -> io::Result<Fork> {
    if thread_count()? > 1 {
        return Err(io::Error::other("this process has more than one thread"));
    }
    // SAFETY: fork's duty is that the child of a multi-threaded process calls only async-signal-safe functions; the check
    // above leaves one thread, so the child is a full copy that may go on as normal code.
    match cerr(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Pid::new(pid).map(Fork::Parent).ok_or_else(|| io::Error::other("fork returned no pid")),
    }
}

/// This process's id.
pub fn own_pid() -> Option<Pid> {
    i32::try_from(std::process::id()).ok().and_then(Pid::new)
}

/// kill(2).
///
/// # Errors
/// The process is gone or may not be signalled.
pub fn signal(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers and touches no memory; a Pid is above 0, so no process group is meant.
    cerr(unsafe { libc::kill(pid.0, signal) }).map(drop)
}

/// Whether both processes are of one process group, which a terminal and `kill -- -PGID` signal as one.
pub fn share_group(a: Pid, b: Pid) -> bool {
    let group = |pid: Pid| {
        // SAFETY: getpgid takes one integer and touches no memory of ours.
        unsafe { libc::getpgid(pid.0) }
    };
    group(a) > 0 && group(a) == group(b)
}

/// How many descriptors this process may have open (the soft RLIMIT_NOFILE).
///
/// # Errors
/// The kernel's refusal.
pub fn descriptor_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit, which getrlimit fills.
    cerr(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Waits for the end of one child that is ending, and forgets it (waitpid(2)).
///
/// # Errors
/// It is no child of this process.
pub fn reap(pid: Pid) -> io::Result<()> {
    // SAFETY: waitpid takes two integers; a null status pointer asks for no status.
    cerr(unsafe { libc::waitpid(pid.0, std::ptr::null_mut(), 0) }).map(drop)
}

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildEvent {
    /// It called exit with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// A signal stopped it.
    Stopped,
    /// SIGCONT resumed it.
    Continued,
}

/// The next thing that happened to any child, without waiting. Reaps a child that ended.
///
/// `Ok(None)`: nothing new. To be called from one place of a process only, or exits are stolen.
///
/// # Errors
/// ECHILD when there is no child at all.
pub fn next_child_event() -> io::Result<Option<(Pid, ChildEvent)>> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
    // SAFETY: waitid writes at most one siginfo_t to the pointer, which is valid for that for the whole call.
    cerr(unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) })?;
    // SAFETY: all-zero bytes are a valid siginfo_t (integers and a union of integers and pointers), and waitid has either
    // left them or replaced them.
    let info = unsafe { info.assume_init() };
    // SAFETY: after waitid, si_pid is the union's live field; with nothing to report it is still the zero put there.
    let Some(pid) = Pid::new(unsafe { info.si_pid() }) else { return Ok(None) };
    // SAFETY: as for si_pid.
    let status = unsafe { info.si_status() };
    let event = match info.si_code {
        libc::CLD_EXITED => ChildEvent::Exited(status),
        libc::CLD_STOPPED => ChildEvent::Stopped,
        libc::CLD_CONTINUED => ChildEvent::Continued,
        libc::CLD_KILLED | libc::CLD_DUMPED => ChildEvent::Killed(status),
        // A child that traces itself stops here (CLD_TRAPPED): nothing that a shell would show.
        _ => return next_child_event(),
    };
    Ok(Some((pid, event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_below_are_no_pids() {
        assert_eq!(Pid::new(0), None);
        assert_eq!(Pid::new(-1), None);
        assert_eq!(Pid::new(7).map(Pid::as_raw), Some(7));
    }

    #[test]
    fn a_process_with_two_threads_is_not_forked() {
        // The test runner itself has more than one thread.
        let error = std::thread::scope(|scope| scope.spawn(fork_single_threaded).join().expect("no panic"))
            .expect_err("two threads");
        assert_eq!(error.to_string(), "this process has more than one thread");
    }
}
