//! Which process has a descriptor of a socket.
//!
//! /proc shows it: every process that holds the socket with inode N has a descriptor that links to `socket:[N]`.

use std::fs;
use std::io;

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
            .is_ok_and(|target| target.as_os_str() == name(inode).as_str())
    }
}

/// The process's descriptor of the socket with this inode.
pub(super) fn descriptor(pid: Pid, inode: u64) -> io::Result<Option<Descriptor>> {
    let wanted = name(inode);
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTOR_LIMIT) {
        let entry = entry?;
        // A descriptor that was closed since the listing is not the one that is looked for.
        if fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()) {
            let number = entry.file_name().to_str().and_then(|number| number.parse().ok());
            return Ok(number.map(|number| Descriptor { pid, number }));
        }
    }
    Ok(None)
}

/// The process of the tree that holds the socket with this inode, and its descriptor. Who cannot be looked into (another
/// uid, not dumpable) is not found, and so is refused.
///
/// # Errors
/// Nobody of the tree holds it.
pub(super) fn in_tree(kernel: &Kernel, tree: &Tree, inode: u64, uid: Uid) -> Result<(Process, Descriptor), Unattested> {
    let mut before = Vec::new();
    for _ in 0..TRIES {
        let now = descendants(tree.root());
        for pid in &now {
            if let Some(found) = held_by(kernel, tree, *pid, inode) {
                return Ok(found);
            }
        }
        // `children` files omit entries only while tasks end, and those that ended were in the list before. So nothing is
        // missing from a list that is the same twice: strangers are refused without a look at every process of the host.
        if !now.is_empty() && now == before {
            return Err(Unattested::NotTheHolder);
        }
        before = now;
    }
    // A tree that does not rest. The other way round: who of this uid is of the tree, and does it hold it?
    for pid in processes_of(uid) {
        if let Some(found) = held_by(kernel, tree, pid, inode) {
            return Ok(found);
        }
    }
    Err(Unattested::NotTheHolder)
}

/// The process with this number, if it holds the socket and is of the tree. Held first, so that all that is found is true
/// of one process.
fn held_by(kernel: &Kernel, tree: &Tree, pid: Pid, inode: u64) -> Option<(Process, Descriptor)> {
    let process = Process::open(kernel, pid).ok()?;
    // Ancestry first: a stranger may have descriptors without end.
    if tree.holds(kernel, &process) != Ok(true) {
        return None;
    }
    let descriptor = descriptor(pid, inode).ok()??;
    process.is_alive().then_some((process, descriptor))
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

/// The processes that run as this uid.
fn processes_of(uid: Uid) -> Vec<Pid> {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == uid.0));
    entries.filter_map(|entry| Pid::new(entry.file_name().to_str()?.parse().ok()?)).take(PROCESS_LIMIT).collect()
}

fn name(inode: u64) -> String {
    format!("socket:[{inode}]")
}
