//! A descriptor of another process, and of which socket it is.
//!
//! /proc shows it: every process that holds the socket with inode N has a descriptor that links to `socket:[N]`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::process::Process;
use super::tcp::FarEnd;
use crate::sys::pidfd::HeldSocket;
use crate::sys::process::{Pid, held_link, hold_link};

/// Most descriptors of one process that are looked through. The usual limit of a process is 1024; one that holds more
/// than this is refused.
const DESCRIPTOR_LIMIT: usize = 65_536;
/// How many descriptors are remembered, each with its process, which is held by a descriptor of our own.
const REMEMBERED: usize = 8;

/// A descriptor of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) pid: Pid,
    pub(super) number: u32,
}

impl Descriptor {
    /// Whether it is still a descriptor of the socket with this inode. True of the process that had the number when it
    /// was read: who asks holds the process.
    pub(super) fn is_of(self, inode: u64) -> bool {
        self.socket() == Some(inode)
    }

    /// The inode of the socket that it is of, if it is one.
    pub(super) fn socket(self) -> Option<u64> {
        socket_in(&fs::read_link(self.path()).ok()?)
    }

    /// Holds its link, which shows from then on what this process has under this number, without a way through /proc.
    pub(super) fn hold(self) -> io::Result<Link> {
        hold_link(&self.path()).map(Link)
    }

    fn path(self) -> PathBuf {
        format!("/proc/{}/fd/{}", self.pid, self.number).into()
    }
}

/// The link of a descriptor, held.
#[derive(Debug)]
pub(super) struct Link(File);

impl Link {
    /// Whether it shows the socket with this inode.
    pub(super) fn is_of(&self, inode: u64) -> bool {
        held_link(&self.0).is_ok_and(|target| socket_in(&target) == Some(inode))
    }
}

/// A descriptor of a process that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) process: Arc<Process>,
    pub(super) descriptor: Descriptor,
}

/// How it is known of which socket a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// By its cookie, which no other socket ever gets.
    Cookie,
    /// By its inode, where the cookie is not told or is that of one path (MPTCP). Another socket may have the same: the kernel
    /// counts to 2^32, and begins anew.
    Inode,
}

impl Held {
    /// Whether it is of this socket now; and if so, how that is known.
    pub(super) fn is_of(&self, end: &FarEnd) -> Option<By> {
        let by = match self.process.socket(self.descriptor.number) {
            Ok(Some(HeldSocket { cookie, .. })) if end.is_called(&cookie) => return Some(By::Cookie),
            // Of a connection by several paths the one that was found has the inode of the whole, and a cookie of its own.
            Ok(Some(HeldSocket { multipath: Some(addresses), .. })) if end.is_between(addresses) => By::Inode,
            Ok(None) => By::Inode,
            Ok(Some(_)) | Err(_) => return None,
        };
        self.descriptor.is_of(end.inode()).then_some(by)
    }
}

/// With what processes of the tree came before, the last one first: who comes again is mostly given the same number by its
/// kernel. A guess, to be looked at like any other descriptor.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Vec<Held>>);

impl Remembered {
    pub(super) fn push(&self, held: Held) {
        let mut known = self.known();
        known.retain(|other| other.descriptor != held.descriptor);
        known.insert(0, held);
        known.truncate(REMEMBERED);
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Vec<Held>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process's descriptor of the socket with this inode.
pub(super) fn descriptor(pid: Pid, inode: u64) -> io::Result<Option<Descriptor>> {
    Ok(sockets(pid)?.find(|(_, found)| *found == inode).map(|(descriptor, _)| descriptor))
}

/// The sockets that a process holds, by inode.
pub(super) fn sockets(pid: Pid) -> io::Result<impl Iterator<Item = (Descriptor, u64)>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTOR_LIMIT).flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let descriptors = numbers.map(move |number| Descriptor { pid, number });
    // A descriptor that was closed since the listing is not one that is looked for.
    Ok(descriptors.filter_map(|descriptor| Some((descriptor, descriptor.socket()?))))
}

/// The inode in `socket:[N]`, which is what a descriptor of a socket links to (proc_pid_fd(5)).
fn socket_in(target: &Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
