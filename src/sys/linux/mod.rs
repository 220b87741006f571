//! What Linux has in its own way, in one place: `macos` has the same names.

pub(super) mod socket;

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::cerr;
use super::process::Pid;

// prctl(2) reads four unsigned longs behind its option: a bare 0 would be passed as an int, and nothing said of its other
// half.
/// "Not dumpable" (include/linux/sched/coredump.h).
const SUID_DUMP_DISABLE: libc::c_ulong = 0;
/// In the place of an argument that the option does not have.
const UNUSED: libc::c_ulong = 0;

/// `socket:[N]` takes 29 bytes at most, with the largest inode there is.
const LINK_LIMIT_BYTES: usize = 64;

/// The clock that counts suspended time as well.
pub(super) const BOOT_CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;

/// Overwrites with zeros in a way that the compiler may not remove (explicit_bzero(3)).
///
/// # Safety
/// `start` is valid for writes of `length_bytes` bytes.
pub(super) unsafe fn zero(start: *mut u8, length_bytes: usize) {
    // SAFETY: the caller's promise is explicit_bzero's.
    unsafe { libc::explicit_bzero(start.cast(), length_bytes) }
}

/// Leaves whole pages out of core dumps, and gives a forked child zeros in their place.
///
/// # Safety
/// The range is a mapping of the caller's, page-aligned at its start.
pub(super) unsafe fn keep_to_this_process(start: *mut u8, length_bytes: usize) -> io::Result<()> {
    for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
        // SAFETY: the caller's promise; both advices leave this process's contents as they are.
        cerr(unsafe { libc::madvise(start.cast(), length_bytes, advice) })?;
    }
    Ok(())
}

/// Where this thread's errno is.
pub(super) fn errno() -> *mut libc::c_int {
    // SAFETY: takes nothing, and returns an address that is valid for this thread's whole life. Async-signal-safe.
    unsafe { libc::__errno_location() }
}

/// Whether a signal's si_code means that a process sent it: SI_USER, SI_QUEUE and SI_TKILL are at most 0, what the kernel
/// sends is above.
pub(super) fn is_sent_by_process(code: libc::c_int) -> bool {
    code <= 0
}

/// How many threads this process has.
pub(super) fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Holds /proc/PID, whose files give ESRCH once the process is gone.
///
/// # Errors
/// There is no such process, or the kernel's refusal.
pub fn hold_proc_directory(pid: Pid) -> io::Result<File> {
    open_path(Path::new(&format!("/proc/{pid}")), libc::O_DIRECTORY)
}

/// Holds a symbolic link, and not what it leads to.
///
/// # Errors
/// There is none, or the kernel's refusal.
pub fn hold_link(path: &Path) -> io::Result<File> {
    open_path(path, libc::O_NOFOLLOW)
}

/// Opens what has this path, and not for reading (O_PATH). With musl, where that is an access mode, std would leave it out.
fn open_path(path: &Path, flags: libc::c_int) -> io::Result<File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = libc::O_PATH | libc::O_CLOEXEC | flags;
    // SAFETY: the path is a live C string; these flags make no file, so that no mode is read.
    let opened = cerr(unsafe { libc::openat(libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { File::from_raw_fd(opened) })
}

/// Where a link that is held leads now (readlinkat(2) with an empty path, Linux 2.6.39).
///
/// # Errors
/// It leads nowhere, or to a name of 64 bytes or more.
pub fn held_link(link: &File) -> io::Result<PathBuf> {
    let mut target = [0u8; LINK_LIMIT_BYTES];
    // SAFETY: the path is an empty string that ends in a NUL, and the kernel writes at most that many bytes to `target`.
    let length = cerr(unsafe {
        libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), LINK_LIMIT_BYTES)
    })?;
    // A name that fills the buffer may be longer.
    let name = usize::try_from(length).ok().filter(|length| *length < LINK_LIMIT_BYTES).and_then(|it| target.get(..it));
    name.map(|name| PathBuf::from(OsStr::from_bytes(name))).ok_or_else(|| io::ErrorKind::InvalidFilename.into())
}

/// No core dump of this process, and no ptrace, /proc/PID/mem or environ for others of its uid (PR_SET_DUMPABLE 0).
/// Inherited by fork, reset by exec.
///
/// # Errors
/// The kernel's refusal.
pub fn refuse_inspection() -> io::Result<()> {
    // SAFETY: PR_SET_DUMPABLE takes unsigned longs, which these are, and touches no memory of ours.
    cerr(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, SUID_DUMP_DISABLE, UNUSED, UNUSED, UNUSED) }).map(drop)
}

/// Orphaned descendants come to this process instead of init (PR_SET_CHILD_SUBREAPER). Not inherited by fork.
///
/// # Errors
/// The kernel's refusal.
pub fn become_subreaper() -> io::Result<()> {
    let on: libc::c_ulong = 1;
    // SAFETY: PR_SET_CHILD_SUBREAPER takes unsigned longs, which these are, and touches no memory of ours.
    cerr(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on, UNUSED, UNUSED, UNUSED) }).map(drop)
}

/// Names the calling thread, as `ps` and `top` show it; the kernel keeps 15 bytes.
pub fn name_thread(name: &std::ffi::CStr) {
    // SAFETY: PR_SET_NAME reads a NUL-terminated string, which a CStr is, and keeps no pointer to it.
    let result = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), UNUSED, UNUSED, UNUSED) };
    debug_assert_eq!(result, 0);
}
