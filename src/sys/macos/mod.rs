//! What macOS has in its own way: the same names as `linux`.
//!
//! Which process is on the other end of a socket is not established here: LOCAL_PEERPID and LOCAL_PEERTOKEN name the process
//! that used the socket last, by a number that is used again, orphans go to launchd, and nothing names who holds a TCP
//! connection. So `pidfd` and `netlink` refuse everything, the probe at start fails, and tokens are bound to a uid or not
//! given at all.

pub mod netlink;
pub mod pidfd;
pub(super) mod socket;

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::cerr;
use super::process::Pid;

/// The clock that counts suspended time as well, here.
pub(super) const BOOT_CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// minherit(2): a forked child gets zeros. Not in the libc crate.
const VM_INHERIT_ZERO: libc::c_int = 3;

// SAFETY: the types are those of minherit(2): `void *`, `size_t`, `int`, and an int as its result.
unsafe extern "C" {
    fn minherit(start: *mut libc::c_void, length_bytes: usize, inherit: libc::c_int) -> libc::c_int;
}

/// What Linux has and macOS has not.
fn absent(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

/// Overwrites with zeros in a way that the compiler may not remove (memset_s(3)).
///
/// # Safety
/// `start` is valid for writes of `length_bytes` bytes.
pub(super) unsafe fn zero(start: *mut u8, length_bytes: usize) {
    // SAFETY: the caller's promise; both lengths are the same, so that it cannot fail.
    unsafe { libc::memset_s(start.cast(), length_bytes, 0, length_bytes) };
}

/// Gives a forked child zeros in place of whole pages. Nothing leaves pages out of core dumps, which are off by default.
///
/// # Safety
/// The range is a mapping of the caller's, page-aligned at its start.
pub(super) unsafe fn keep_to_this_process(start: *mut u8, length_bytes: usize) -> io::Result<()> {
    // SAFETY: the caller's promise; this process's contents stay as they are.
    cerr(unsafe { minherit(start.cast(), length_bytes, VM_INHERIT_ZERO) }).map(drop)
}

/// Where this thread's errno is.
pub(super) fn errno() -> *mut libc::c_int {
    // SAFETY: takes nothing, and returns an address that is valid for this thread's whole life. Async-signal-safe.
    unsafe { libc::__error() }
}

/// Whether a signal's si_code means that a process sent it: SI_USER and SI_QUEUE, which are above 0 here, or no code at all.
pub(super) fn is_sent_by_process(code: libc::c_int) -> bool {
    const SI_USER: libc::c_int = 0x10001;
    const SI_QUEUE: libc::c_int = 0x10002;
    code <= 0 || matches!(code, SI_USER | SI_QUEUE)
}

/// How many threads this process has (proc_pidinfo with PROC_PIDTASKINFO).
pub(super) fn thread_count() -> io::Result<usize> {
    // SAFETY: proc_taskinfo is a C struct of integers, for which all zeros is a valid value.
    let mut info: libc::proc_taskinfo = unsafe { std::mem::zeroed() };
    let length = libc::c_int::try_from(size_of::<libc::proc_taskinfo>()).map_err(io::Error::other)?;
    let own = libc::c_int::try_from(std::process::id()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is that long and live.
    let written = unsafe { libc::proc_pidinfo(own, libc::PROC_PIDTASKINFO, 0, (&raw mut info).cast(), length) };
    if written != length {
        return Err(io::Error::last_os_error());
    }
    usize::try_from(info.pti_threadnum).map_err(io::Error::other)
}

/// There is no /proc here.
///
/// # Errors
/// Always.
pub fn hold_proc_directory(_: Pid) -> io::Result<File> {
    Err(absent("macOS has no /proc"))
}

/// There is no /proc here, the one place where links are held.
///
/// # Errors
/// Always.
pub fn hold_link(_: &Path) -> io::Result<File> {
    Err(absent("macOS has no /proc"))
}

/// As [`hold_link`].
///
/// # Errors
/// Always.
pub fn held_link(_: &File) -> io::Result<PathBuf> {
    Err(absent("macOS has no /proc"))
}

/// Nothing to do: task_for_pid, which debuggers need, is refused to processes of the same user unless they are entitled to
/// it. PT_DENY_ATTACH would stay with the child across exec.
///
/// # Errors
/// None.
pub fn refuse_inspection() -> io::Result<()> {
    Ok(())
}

/// Nothing to do: orphans go to launchd, and are outside.
///
/// # Errors
/// None.
pub fn become_subreaper() -> io::Result<()> {
    Ok(())
}

/// Names the calling thread, as debuggers show it.
pub fn name_thread(name: &CStr) {
    // SAFETY: pthread_setname_np reads a NUL-terminated string, which a CStr is, and keeps no pointer to it.
    let _unnamed = unsafe { libc::pthread_setname_np(name.as_ptr()) };
}
