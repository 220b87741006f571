//! Which process has a descriptor of a socket.
//!
//! /proc shows it: every process that holds the socket with inode N has a descriptor that links to `socket:[N]`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use super::Unattested;
use super::kernel::Kernel;
use super::process::Process;
use super::tree::Tree;
use crate::sys::process::Pid;
use crate::sys::user::Uid;

/// Most descriptors of one process that are looked through. The usual limit of a process is 1024; one that holds more
/// than this is refused.
const DESCRIPTOR_LIMIT: usize = 65_536;
/// Most processes that are looked through.
const PROCESS_LIMIT: usize = 65_536;
/// How often the tree is looked through until it is the same twice.
const TRIES: usize = 8;

/// A descriptor of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) pid: Pid,
    number: u32,
}

impl Descriptor {
    /// Whether it is still a descriptor of the socket with this inode. True of the process that had the number when it
    /// was read: who asks holds the process.
    pub(super) fn is_of(self, inode: u64) -> bool {
        fs::read_link(format!("/proc/{}/fd/{}", self.pid, self.number))
            .is_ok_and(|target| socket_in(&target) == Some(inode))
    }
}

/// The process's descriptor of the socket with this inode.
pub(super) fn descriptor(pid: Pid, inode: u64) -> io::Result<Option<Descriptor>> {
    Ok(sockets(pid)?.find(|(_, found)| *found == inode).map(|(descriptor, _)| descriptor))
}

/// Looks for processes of the tree that hold sockets: for all of them with one look through the tree, because each
/// costs as much as one.
pub(super) struct Search<'a> {
    kernel: &'a Kernel,
    tree: &'a Tree,
    /// Inodes of sockets that were not found yet, and the uids that made them.
    left: HashMap<u64, Uid>,
    found: HashMap<u64, (Process, Descriptor)>,
    hidden: Option<Pid>,
}

impl<'a> Search<'a> {
    /// Looks for the holders of these sockets, which have been held since before the call.
    pub(super) fn run(kernel: &'a Kernel, tree: &'a Tree, sockets: impl Iterator<Item = (u64, Uid)>) -> Self {
        let mut search = Self { kernel, tree, left: sockets.collect(), found: HashMap::new(), hidden: None };
        search.look();
        search
    }

    /// The process of the tree that holds the socket with this inode, and its descriptor.
    ///
    /// # Errors
    /// Nobody of the tree was found to hold it, or it has been taken already.
    pub(super) fn take(&mut self, inode: u64) -> Result<(Process, Descriptor), Unattested> {
        self.found.remove(&inode).ok_or(Unattested::NotInTree { hidden: self.hidden })
    }

    fn look(&mut self) {
        let mut before = Vec::new();
        for _ in 0..TRIES {
            let now = descendants(self.tree.root());
            for pid in &now {
                if self.left.is_empty() {
                    return;
                }
                self.look_into(*pid);
            }
            // `children` files omit entries only while tasks end, and those that ended were in the list before. So nothing
            // is missing from a list that is the same twice: strangers cost no look at every process of the host.
            if !now.is_empty() && now == before {
                return;
            }
            before = now;
        }
        // A tree that does not rest. The other way round: who of these uids is of the tree, and does it hold one?
        for pid in processes_of(&self.left.values().copied().collect()) {
            // Ancestry first: a stranger may have descriptors without end.
            let process = Process::open(self.kernel, pid);
            if process.is_ok_and(|process| self.tree.holds(self.kernel, &process) == Ok(true)) {
                self.look_into(pid);
            }
        }
    }

    /// Finds what this process holds. Who cannot be looked into (another uid, not dumpable) is not found, and so is refused.
    fn look_into(&mut self, pid: Pid) {
        let sockets = match sockets(pid) {
            Ok(sockets) => sockets,
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied {
                    self.hidden = Some(pid);
                }
                return;
            }
        };
        for (descriptor, inode) in sockets {
            if self.left.contains_key(&inode)
                && let Some(process) = self.holder(descriptor, inode)
            {
                self.left.remove(&inode);
                self.found.insert(inode, (process, descriptor));
            }
        }
    }

    /// The process with this descriptor, if it is of the tree. Held first, so that all that is found is true of one process.
    fn holder(&self, descriptor: Descriptor, inode: u64) -> Option<Process> {
        let process = Process::open(self.kernel, descriptor.pid).ok()?;
        let of_tree = self.tree.holds(self.kernel, &process) == Ok(true);
        (of_tree && descriptor.is_of(inode) && process.is_alive()).then_some(process)
    }
}

/// The sockets that a process holds, by inode.
fn sockets(pid: Pid) -> io::Result<impl Iterator<Item = (Descriptor, u64)>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTOR_LIMIT).flatten();
    Ok(entries.filter_map(move |entry| {
        // A descriptor that was closed since the listing is not one that is looked for.
        let inode = socket_in(&fs::read_link(entry.path()).ok()?)?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((Descriptor { pid, number }, inode))
    }))
}

/// The inode in `socket:[N]`, which is what a descriptor of a socket links to (proc_pid_fd(5)).
fn socket_in(target: &Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The processes below `root`, nearest first, as their `children` files list them.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| Pid::new(pid.parse().ok()?)));
        }
        if found.len() > PROCESS_LIMIT {
            break;
        }
    }
    found.split_off(1)
}

/// The processes that run as one of these uids.
fn processes_of(uids: &HashSet<Uid>) -> Vec<Pid> {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let entries =
        entries.flatten().filter(|entry| entry.metadata().is_ok_and(|found| uids.contains(&Uid(found.uid()))));
    entries.filter_map(|entry| Pid::new(entry.file_name().to_str()?.parse().ok()?)).take(PROCESS_LIMIT).collect()
}
