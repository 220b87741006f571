//! Ancestry: is a process a descendant of one that we hold?
//!
//! Membership does not end while the root lives: a descendant whose parent ends is given to the nearest subreaper above
//! it, which is the root or one of the root's descendants. And nothing outside becomes a descendant. Neither is so across pid
//! namespaces: who joins one (setns(2)) leaves orphans to its init.

use std::sync::Arc;

use super::Unattested;
use super::descriptor::Remembered;
use super::kernel::Kernel;
use super::process::Process;
use crate::sys::process::Pid;

/// Deepest ancestry that is walked. Shells in shells come to dozens.
const DEPTH_LIMIT: usize = 1024;
/// How often one step is tried again when a parent ends in the middle of it.
const RESTART_LIMIT: usize = 64;

/// The descendants of one process: of the warden, which is a subreaper and starts nothing but the child.
#[derive(Debug)]
pub struct Tree {
    root: Process,
    /// With what its processes connected.
    remembered: Remembered,
}

impl Tree {
    /// The tree under `root`, which must be a subreaper, and a child of this process, so that its number stays its own.
    pub fn under(root: Process) -> Self {
        Self { root, remembered: Remembered::default() }
    }

    /// The root's pid, which stays its own while this process does not reap it.
    pub(super) fn root(&self) -> Pid {
        self.root.pid()
    }

    /// Where to look first for who holds a connection.
    pub(super) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Whether the root still runs.
    pub fn is_alive(&self) -> bool {
        self.root.is_alive()
    }

    /// Whether the root and this process both still run.
    pub(super) fn is_alive_with(&self, process: &Process) -> bool {
        self.root.both_alive(process)
    }

    /// Whether `leaf` is a descendant of the root. The root itself is not.
    ///
    /// # Errors
    /// The walk did not settle, a process ended under it, or the kernel would not say.
    pub fn holds(&self, kernel: &Kernel, leaf: &Process) -> Result<bool, Unattested> {
        self.climb(kernel, leaf, |_| {})
    }

    /// The same; every process between the two is shown on the way, the nearest first.
    pub(super) fn climb(
        &self,
        kernel: &Kernel,
        leaf: &Process,
        mut see: impl FnMut(&Arc<Process>),
    ) -> Result<bool, Unattested> {
        let mut held: Option<Arc<Process>> = None;
        for _ in 0..DEPTH_LIMIT {
            match step(kernel, held.as_deref().unwrap_or(leaf), self.root.pid())? {
                Step::Root => {
                    return if self.is_alive_with(leaf) { Ok(true) } else { Err(Unattested::Gone) };
                }
                Step::Top => return Ok(false),
                Step::Parent(parent) => see(held.insert(Arc::new(parent))),
            }
        }
        Err(Unattested::Unsettled)
    }

    /// The parent of a process of the tree.
    ///
    /// # Errors
    /// As for [`Tree::holds`]; and when the parent is the root or outside.
    pub fn parent(&self, kernel: &Kernel, of: &Process) -> Result<Process, Unattested> {
        match step(kernel, of, self.root.pid())? {
            Step::Parent(parent) if of.is_alive() => Ok(parent),
            Step::Parent(_) => Err(Unattested::Gone),
            Step::Root | Step::Top => Err(Unattested::Ambiguous("a helper that works for nobody")),
        }
    }
}

/// The processes above `leaf`, nearest first, up to pid 1 or the limit of what can be seen: to be shown to a person.
pub fn ancestors(kernel: &Kernel, leaf: Pid) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let Ok(first) = Process::open(kernel, leaf) else { return found };
    let mut current = first;
    while found.len() < DEPTH_LIMIT {
        // Nobody has pid 0, so this walk has no root to stop at.
        let parent =
            current.facts(kernel).ok().and_then(|facts| facts.parent).and_then(|pid| Process::open(kernel, pid).ok());
        let Some(parent) = parent else { break };
        found.push(std::mem::replace(&mut current, parent));
    }
    found.push(current);
    found
}

enum Step {
    /// The parent is the root.
    Root,
    /// There is no parent that could be below the root.
    Top,
    /// The parent, held while it was the parent.
    Parent(Process),
}

/// One step up. The parent is asked for before and after it is held: if it did not change, what is held is the parent.
fn step(kernel: &Kernel, from: &Process, root: Pid) -> Result<Step, Unattested> {
    for _ in 0..RESTART_LIMIT {
        let Some(parent) = from.facts(kernel)?.parent else { return Ok(Step::Top) };
        if parent == root {
            return Ok(Step::Root);
        }
        if parent.as_raw() == 1 {
            return Ok(Step::Top);
        }
        let held = match Process::open(kernel, parent) {
            Ok(held) => held,
            // It ended just now, and `from` has another parent.
            Err(Unattested::Gone) => continue,
            Err(other) => return Err(other),
        };
        if from.facts(kernel)?.parent == Some(parent) && held.is_alive() {
            return Ok(Step::Parent(held));
        }
    }
    Err(Unattested::Unsettled)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn a_grandchild_is_inside_and_the_parent_is_not() {
        let kernel = Kernel::probe().expect("a tier");
        let root = Process::open(&kernel, own_pid().expect("a pid")).expect("open");
        let tree = Tree::under(root);
        let mut shell = Command::new("sh")
            .args(["-c", "exec 3<&0; cat <&3 & echo $!; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let pid = Pid::new(line.trim().parse().expect("a pid")).expect("a pid");
        let grandchild = Process::open(&kernel, pid).expect("open");
        assert_eq!(tree.holds(&kernel, &grandchild), Ok(true));
        let parent = Pid::new(std::os::unix::process::parent_id().cast_signed()).expect("a pid");
        let outside = Process::open(&kernel, parent).expect("open");
        assert_eq!(tree.holds(&kernel, &outside), Ok(false));
        let root_again = Process::open(&kernel, own_pid().expect("a pid")).expect("open");
        assert_eq!(tree.holds(&kernel, &root_again), Ok(false));
        let shell_pid = shell.id().cast_signed();
        let parent = tree.parent(&kernel, &grandchild).expect("a parent");
        assert_eq!(parent.pid().as_raw(), shell_pid);
        assert!(tree.parent(&kernel, &parent).is_err(), "above it is the root");
        drop(shell.stdin.take());
        shell.wait().expect("wait");
        assert_eq!(tree.holds(&kernel, &grandchild), Err(Unattested::Gone));
    }
}
