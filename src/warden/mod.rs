//! The warden: a process of its own that fetches and serves nothing, starts the child, and is the root of "the tree".
//!
//! It is forked before a file is read and before any thread starts: it has what sentinel's own environment had, and no key
//! from a file, no session and no log. It alone is a subreaper, so whatever the child
//! leaves behind stays under it, and whatever else comes to sentinel (children that a shell left across exec, orphans
//! that come to pid 1, sentinel's own helpers) does not. It starts nothing but the child.
//!
//! Broker and warden talk over a socket pair (`wire`); the end of either is the end of serving.

mod process;
mod wire;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub use wire::{Program, Report};

use crate::error::{Error, Result};
use crate::sys::poll::wait_readable;
use crate::sys::process::{Fork, Pid, fork_single_threaded, own_pid, reap};
use wire::Order;

/// Signals that the broker passes on whoever sent them, SIGCONT to a child that is stopped. The terminal sends its own (SIGINT, SIGQUIT, SIGTSTP) to the child
/// as well.
pub const PASSED_ON: [i32; 5] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// The broker's end.
pub struct Warden {
    pid: Pid,
    pipe: UnixStream,
}

/// How long the warden's own end is waited for.
const END_LIMIT_MS: i32 = 1000;

impl Warden {
    /// Forks the warden, which then waits for [`Warden::start`]. To be called while this process has one thread.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn fork() -> Result<Self> {
        let cannot = |why: io::Error| Error::new("cannot start the process that watches over the command").because(why);
        let broker = own_pid().ok_or_else(|| cannot(io::Error::other("this process has no pid")))?;
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        match fork_single_threaded().map_err(cannot)? {
            Fork::Parent(pid) => Ok(Self { pid, pipe: ours }),
            Fork::Child => {
                drop(ours);
                // Exits without running what the broker's copy of this stack would clean up.
                std::process::exit(process::run(theirs, broker))
            }
        }
    }

    /// Its pid, which stays its own: this process is its parent and does not reap it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Starts the child. The answer is [`Report::Started`] or [`Report::CannotStart`].
    ///
    /// # Errors
    /// The warden is gone.
    pub fn start(&self, program: &Program) -> io::Result<()> {
        wire::send_order(&self.pipe, &Order::Start, Some(program))
    }

    /// Passes a signal that came `at` this time since boot on to the child, unless its group has had it from the sender: SIGCONT
    /// to a child that was stopped, or told to stop, before, and to no other.
    ///
    /// # Errors
    /// The warden is gone.
    pub fn signal(&self, number: i32, at: Duration) -> io::Result<()> {
        wire::send_order(&self.pipe, &Order::Signal(number, at), None)
    }

    /// Ends the warden, and takes note of its end: a parent that reaps only what it knows would keep it as a zombie.
    pub fn close(self) {
        let Self { pid, pipe } = self;
        // Its end of the pipe is closed when it ends, which it does once ours is, or has done already.
        let _gone = pipe.shutdown(std::net::Shutdown::Write);
        if wait_readable([pipe.as_fd()], END_LIMIT_MS).is_ok_and(|ended| ended == [true]) {
            let _reaped = reap(pid);
        }
    }

    /// The next report; `None` when the warden is gone. Waits; [`AsFd`] tells when it need not.
    ///
    /// # Errors
    /// The pipe's.
    pub fn report(&self) -> io::Result<Option<Report>> {
        wire::receive_report(&self.pipe)
    }
}

impl AsFd for Warden {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
