//! Signals as bytes in a pipe: the handler writes what came, ordinary code reads it.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::kernel::{errno, is_sent_by_process};
use super::{cerr, clock};

/// A signal that this process got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// Whether a process sent it (kill(2), tgkill(2), sigqueue(3)), and not the kernel: Ctrl-C comes from the terminal,
    /// which sends it to the whole foreground process group.
    pub sent_by_process: bool,
    /// When the handler ran: time since boot.
    pub at: Duration,
}

/// The reading end. Dropping it does not bring the old handlers back.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
}

/// Where the handler writes: the descriptor of a socket that is never closed.
static WRITER: AtomicI32 = AtomicI32::new(-1);

impl Signals {
    /// Handles these signals from now on. A handler, and not SIG_IGN or a blocked mask, because a child inherits those
    /// and exec puts a handler back to the default.
    ///
    /// What this process was started to ignore (`nohup`, a shell's `&` without job control) stays ignored, here and in
    /// children; SIGCHLD and SIGCONT are handled nevertheless, because supervision needs them.
    ///
    /// A second call, as in a forked child, replaces the first one's pipe, so that two processes never share one.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn install(numbers: &[i32]) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        reader.set_nonblocking(true)?;
        WRITER.store(writer.into_raw_fd(), Ordering::SeqCst);
        for number in numbers {
            if !matches!(*number, libc::SIGCHLD | libc::SIGCONT) && is_ignored(*number)? {
                continue;
            }
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = note;
            // SAFETY: sigaction is a C struct of integers, a function pointer's address and a set; all zeros is valid.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            // SAFETY: `action` is live; the handler has the signature that SA_SIGINFO asks for and calls only
            // async-signal-safe functions; the old action is not asked for.
            cerr(unsafe { libc::sigaction(*number, &action, std::ptr::null_mut()) })?;
        }
        Ok(Self { reader })
    }

    /// The next signal, if one has come.
    pub fn take(&mut self) -> Option<Signal> {
        let mut record = [0; 10];
        // Ten bytes to a stream socket arrive together: the kernel queues each write as one buffer.
        self.reader.read_exact(&mut record).ok()?;
        let [number, sent, at @ ..] = record;
        let at = Duration::from_nanos(u64::from_ne_bytes(at));
        Some(Signal { number: i32::from(number), sent_by_process: sent == 1, at })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Undoes what whoever started this process may have left: where SIGCHLD is ignored, the ends of children are lost, and a
/// blocked signal never comes. To be called before there is a second thread.
///
/// # Errors
/// The kernel's refusal.
pub fn reset() -> io::Result<()> {
    // SAFETY: sigaction is a C struct of integers, a function pointer's address and a set; all zeros is valid, and means
    // SIG_DFL and an empty set.
    let action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `action` is live; the old action is not asked for.
    cerr(unsafe { libc::sigaction(libc::SIGCHLD, &action, std::ptr::null_mut()) })?;
    // SAFETY: the set is live; the old one is not asked for.
    cerr(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &action.sa_mask, std::ptr::null_mut()) }).map(drop)
}

fn is_ignored(number: i32) -> io::Result<bool> {
    // SAFETY: as in `install`: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action sigaction only writes the current one to `action`, which is live.
    cerr(unsafe { libc::sigaction(number, std::ptr::null(), &mut action) })?;
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// The handler. Async-signal-safe: clock_gettime(2), an atomic load and one write(2), errno kept.
extern "C" fn note(number: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t, which outlives the handler.
    let info = unsafe { &*info };
    let sent = is_sent_by_process(info.si_code);
    let errno = errno();
    // SAFETY: errno's address is valid for this thread's whole life; reading an int.
    let before = unsafe { *errno };
    let [a, b, c, d, e, f, g, h] = u64::try_from(clock::boottime().as_nanos()).unwrap_or(u64::MAX).to_ne_bytes();
    let record = [u8::try_from(number).unwrap_or(0), u8::from(sent), a, b, c, d, e, f, g, h];
    // SAFETY: `record` is live and as long as is said; write is async-signal-safe. A full pipe loses the record, which takes
    // hundreds of unread signals.
    unsafe { libc::write(WRITER.load(Ordering::SeqCst), record.as_ptr().cast(), record.len()) };
    // SAFETY: as above; writing back the int that was there.
    unsafe { *errno = before };
}
