//! Which program a process runs, where that can be counted on.
//!
//! The kernel says which file a process was started from, and by which path. That is worth something where root alone
//! could have put this file at this path, as we see the path, and where its code is its own: interpreters and the dynamic
//! loader run what they are given. What the person who starts a program does to it (LD_PRELOAD, ptrace) does not show here.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::identity::Peer;
use super::kernel::Kernel;
use super::process::Process;
use super::text::file_system;
use crate::digest::{hex, sha256_of};
use crate::interpreter::is_interpreter;
use crate::sys::user::Uid;

/// What the kernel appends to the path of a file that has no name any more.
const DELETED: &str = " (deleted)";
/// The largest program that is read. The largest that AWS's own tools come to is a tenth of it.
const PROGRAM_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;
/// Most of the list of mounts that is read: some ten thousand.
const MOUNTS_LIMIT_BYTES: u64 = 4 * 1024 * 1024;
/// How many programs' digests are remembered. A policy names a few.
const REMEMBERED: usize = 32;

/// Our helper speaks for a process that it does not name.
const OWN_HELPER: &str =
    "over a Unix socket `sentinel credentials` asks, and the program that it asks for cannot be told: use --server";

/// A program that was attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path, as the kernel writes it.
    pub path: String,
    /// The SHA-256 of its file, in lower-case hex.
    pub sha256: String,
}

/// Where programs are attested, with the digests of those that were.
#[derive(Debug)]
pub struct Programs {
    /// Device and inode of this program.
    own: Option<(u64, u64)>,
    /// Whether uid 0 here is root, and not whoever made this user namespace.
    root_is_root: bool,
    digests: Mutex<Vec<(Version, String)>>,
}

/// What differs between two files, and between a file and itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Programs {
    /// A place for attestations by what this kernel says. `own` is this program.
    pub fn new(kernel: &Kernel, own: Option<(u64, u64)>) -> Self {
        Self { own, root_is_root: kernel.overflow().holds_every_uid(), digests: Mutex::default() }
    }

    /// The program of a connection's peer, which ran it from the moment when the peer was established until now.
    ///
    /// # Errors
    /// Why the program says nothing, as a clause for people.
    pub fn of(&self, peer: &Peer) -> Result<Program, String> {
        let program = self.attest(peer.process())?;
        if peer.runs_the_same() {
            Ok(program)
        } else {
            Err("whether the process changed its program cannot be told".to_owned())
        }
    }

    /// The program that this process runs.
    fn attest(&self, process: &Process) -> Result<Program, String> {
        let hidden = || format!("pid {} has ended, or may not be looked into", process.pid());
        let identity = process.executable_identity().ok_or_else(hidden)?;
        if self.own == Some(identity) {
            return Err(OWN_HELPER.to_owned());
        }
        let path = named(&process.executable().ok_or_else(hidden)?)?;
        if !self.root_is_root {
            return Err("uid 0 of this user namespace may be anybody outside of it".to_owned());
        }
        let (file, version) = open(Path::new(&path))?;
        if (version.device, version.inode) != identity {
            return Err(format!("pid {} runs another file than what is {path} here", process.pid()));
        }
        let sha256 = self.digest(&path, file, version)?;
        // A process that executed something else meanwhile is not the one that was looked at.
        if process.executable_identity() != Some(identity) || !process.is_alive() {
            return Err(hidden());
        }
        Ok(Program { path, sha256 })
    }

    /// The digest of an open file, read once for each version of it.
    fn digest(&self, path: &str, file: File, version: Version) -> Result<String, String> {
        // The lock is held while the file is read, so that many connections of one program read it once.
        let mut known = self.known();
        if let Some((_, digest)) = known.iter().find(|(known, _)| *known == version) {
            return Ok(digest.clone());
        }
        let cannot = |error: io::Error| format!("{path} cannot be read: {error}");
        if version.size_bytes > PROGRAM_LIMIT_BYTES {
            return Err(format!("{path} is larger than 1 GiB"));
        }
        let digest = hex(&sha256_of((&file).take(PROGRAM_LIMIT_BYTES)).map_err(cannot)?);
        if Version::of(&file.metadata().map_err(cannot)?) != version {
            return Err(format!("{path} changed while it was read"));
        }
        known.insert(0, (version, digest.clone()));
        known.truncate(REMEMBERED);
        Ok(digest)
    }

    fn known(&self) -> MutexGuard<'_, Vec<(Version, String)>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path that the kernel gave, if the name tells whose code runs.
fn named(path: &Path) -> Result<String, String> {
    let Some(text) = path.to_str() else { return Err(format!("the path {} is not UTF-8", path.display())) };
    if let Some(before) = text.strip_suffix(DELETED) {
        return Err(format!("{before} was deleted or replaced since it was started"));
    }
    let name = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_absolute());
    match name {
        None => Err(format!("{text} is not a path from the root")),
        Some(name) if is_interpreter(name) => Err(format!("{text} runs what it is given, so it attests nothing")),
        Some(_) => Ok(text.to_owned()),
    }
}

/// Opens the file at a path that root alone can change, directories included.
fn open(path: &Path) -> Result<(File, Version), String> {
    let cannot = |at: &Path| {
        let at = at.display().to_string();
        move |error: io::Error| format!("{at} cannot be looked at here: {error}")
    };
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    for directory in above.into_iter().rev() {
        let found = fs::symlink_metadata(directory).map_err(cannot(directory))?;
        if !found.is_dir() {
            return Err(format!("{} is not a directory here", directory.display()));
        }
        of_root_alone(directory, Uid(found.uid()), found.mode())?;
    }
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot(path))?;
    let found = file.metadata().map_err(cannot(path))?;
    if !found.is_file() {
        return Err(format!("{} is not a regular file here", path.display()));
    }
    of_root_alone(path, Uid(found.uid()), found.mode())?;
    if served_by_a_process(found.dev()).map_err(cannot(path))? {
        return Err(format!(
            "{} is on a FUSE file system, where it may read as one file and run as another",
            path.display()
        ));
    }
    Ok((file, Version::of(&found)))
}

fn of_root_alone(path: &Path, owner: Uid, mode: u32) -> Result<(), String> {
    let path = path.display();
    if owner != Uid(0) {
        return Err(format!("{path} belongs to uid {owner}, not to root"));
    }
    if mode & 0o022 != 0 {
        return Err(format!("{path} may be written by others than root (mode {:04o})", mode & 0o7777));
    }
    Ok(())
}

/// Whether a process answers for the files of this device. It may give others to read than to execute, and call root their
/// owner.
fn served_by_a_process(device: u64) -> io::Result<bool> {
    Ok(file_system(&mounts()?, device).is_some_and(|kind| kind.starts_with("fuse")))
}

/// The list of mounts that this process sees (proc_pid_mountinfo(5)).
pub(super) fn mounts() -> io::Result<String> {
    let mut mounts = String::new();
    let read = File::open("/proc/self/mountinfo")?.take(MOUNTS_LIMIT_BYTES).read_to_string(&mut mounts)?;
    if u64::try_from(read).unwrap_or(u64::MAX) >= MOUNTS_LIMIT_BYTES {
        return Err(io::Error::other("there are too many mounts"));
    }
    Ok(mounts)
}

impl Version {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size_bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests;
