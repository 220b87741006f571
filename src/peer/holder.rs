//! Which process has a descriptor of a socket.
//!
//! /proc shows it: every process that holds the socket with inode N has a descriptor that links to `socket:[N]`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Unattested;
use super::kernel::Kernel;
use super::process::Process;
use super::text;
use super::tree::Tree;
use crate::sys::process::{Pid, held_link, hold_link};
use crate::sys::user::Uid;

/// Most descriptors of one process that are looked through. The usual limit of a process is 1024; one that holds more
/// than this is refused.
const DESCRIPTOR_LIMIT: usize = 65_536;
/// Most processes that are looked through.
const PROCESS_LIMIT: usize = 65_536;
/// How often the tree is looked through until it is the same twice: one that grows all the time is not waited for.
const TRIES: usize = 3;

/// How many of a process's descriptors are looked at before all of every process's.
const NEWEST: usize = 3;
/// How many descriptors are remembered, each with its process, which is held by a descriptor of our own.
const REMEMBERED: usize = 8;
/// Most of one list of children that is read: [`PROCESS_LIMIT`] numbers of up to 7 digits (pid_max is at most 2^22).
const CHILDREN_LIMIT_BYTES: u64 = 512 * 1024;
/// Room for the children of most processes, as text.
const USUAL_CHILDREN_BYTES: usize = 256;
/// Links to /proc/PID/task where it has one subdirectory: one thread.
const ONE_TASK_LINKS: u64 = 3;

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
        self.socket() == Some(inode)
    }

    /// The inode of the socket that it is of, if it is one.
    fn socket(self) -> Option<u64> {
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

/// With what processes of the tree came before, the last one first: who comes again is mostly given the same number by its
/// kernel. A guess, to be looked at like any other descriptor; but who is held is of the tree for as long as it lives.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Vec<Held>>);

impl Remembered {
    fn push(&self, held: Held) {
        let mut known = self.known();
        known.retain(|other| other.descriptor != held.descriptor);
        known.insert(0, held);
        known.truncate(REMEMBERED);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Held>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process's descriptor of the socket with this inode.
pub(super) fn descriptor(pid: Pid, inode: u64) -> io::Result<Option<Descriptor>> {
    Ok(sockets(pid)?.find(|(_, found)| *found == inode).map(|(descriptor, _)| descriptor))
}

/// The descriptors with which processes of this uid hold the socket with this inode, one of each process.
pub(super) fn of_uid(uid: Uid, inode: u64) -> impl Iterator<Item = Descriptor> {
    let held = move |pid| descriptor(pid, inode).ok().flatten();
    // The directory of who gave up another uid is root's (proc(5)), as that of many a service.
    let found = processes_of(&HashSet::from([uid, Uid(0)])).into_iter().filter(move |pid| runs_as(*pid, uid));
    found.filter_map(held)
}

/// Whether the process with this number runs as this uid. A guess, to be looked at again once it is held.
fn runs_as(pid: Pid, uid: Uid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| text::facts(&status).is_some_and(|facts| facts.uid == uid))
}

/// Looks for processes of the tree that hold sockets: for all of them with one look through the tree, because each
/// costs as much as one.
pub(super) struct Search<'a> {
    kernel: &'a Kernel,
    tree: &'a Tree,
    /// Inodes of sockets that were not found yet, and the uids that made them.
    left: HashMap<u64, Uid>,
    found: HashMap<u64, Found>,
    hidden: Option<Pid>,
}

/// A descriptor that was seen to be the socket's.
#[derive(Clone)]
enum Found {
    /// Of a process with this number.
    Seen(Descriptor),
    /// Of a process that was held when it was looked at, and is of the tree.
    Known(Held),
}

impl<'a> Search<'a> {
    /// Looks for the holders of these sockets, which have been held since before the call.
    pub(super) fn run(kernel: &'a Kernel, tree: &'a Tree, sockets: impl Iterator<Item = (u64, Uid)>) -> Self {
        let mut search = Self::new(kernel, tree, sockets);
        search.guess();
        search.look();
        search
    }

    fn new(kernel: &'a Kernel, tree: &'a Tree, sockets: impl Iterator<Item = (u64, Uid)>) -> Self {
        Self { kernel, tree, left: sockets.collect(), found: HashMap::new(), hidden: None }
    }

    /// Who was seen with the socket with this inode: not yet held, so only good for counting.
    pub(super) fn seen_with(&self, inode: u64) -> Option<Pid> {
        self.found.get(&inode).map(|found| found.descriptor().pid)
    }

    /// The process of the tree that holds the socket with this inode, and its descriptor.
    ///
    /// # Errors
    /// Nobody of the tree was found to hold it.
    pub(super) fn holder(&self, inode: u64, uid: Uid) -> Result<Held, Unattested> {
        let held = |search: &Self| search.found.get(&inode).and_then(|found| search.hold(found, inode));
        // Who was seen with it may have ended since, and have left it to another; or was guessed, and is a stranger.
        let again = || {
            let mut search = Self::new(self.kernel, self.tree, std::iter::once((inode, uid)));
            search.look();
            held(&search)
        };
        let found = held(self).or_else(|| if self.found.contains_key(&inode) { again() } else { None });
        let held = found.ok_or(Unattested::NotInTree { hidden: self.hidden })?;
        self.tree.remembered().push(held.clone());
        Ok(held)
    }

    /// Looks at what is remembered, before the whole tree.
    fn guess(&mut self) {
        let remembered = self.tree.remembered().known().clone();
        for held in remembered {
            if self.left.is_empty() {
                return;
            }
            if let Some(inode) = held.descriptor.socket() {
                self.look_at(Found::Known(held), inode);
            }
        }
    }

    fn look(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let mut before = Vec::new();
        for _ in 0..TRIES {
            let now = descendants(self.tree.root());
            // Who connects has mostly just been started, and has just opened what it connects with.
            let looks: &[fn(&mut Self, Pid)] =
                if before.is_empty() { &[Self::look_at_newest, Self::look_into] } else { &[Self::look_into] };
            for look in looks {
                for pid in now.iter().rev() {
                    if self.left.is_empty() {
                        return;
                    }
                    look(self, *pid);
                }
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

    /// Looks at the newest descriptors of a process alone, which are mostly those with the highest numbers. Numbers are given
    /// out from 0, so that their count tells the highest, or the one below it where one has been closed. The count is the
    /// directory's size (since Linux 6.2), without which nothing is looked at here: to list the directory costs far more.
    fn look_at_newest(&mut self, pid: Pid) {
        let count = fs::metadata(format!("/proc/{pid}/fd")).map_or(0, |directory| directory.size());
        let Some(highest) = u32::try_from(count).ok().filter(|count| *count > 0) else { return };
        for number in (0..=highest).rev().take(NEWEST) {
            let descriptor = Descriptor { pid, number };
            if let Some(inode) = descriptor.socket() {
                self.look_at(Found::Seen(descriptor), inode);
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
            self.look_at(Found::Seen(descriptor), inode);
        }
    }

    fn look_at(&mut self, found: Found, inode: u64) {
        if self.left.remove(&inode).is_some() {
            self.found.insert(inode, found);
        }
    }

    /// The process with this descriptor, if it is of the tree; or the highest above it from which it has inherited the
    /// descriptor, and so its number. All that is found has to be true of one process: it is looked at once that is held.
    fn hold(&self, found: &Found, inode: u64) -> Option<Held> {
        let (mut held, mut is_certain) = match found {
            Found::Known(held) => (held.clone(), true),
            Found::Seen(descriptor) => {
                let process = Process::open(self.kernel, descriptor.pid).ok()?;
                if self.tree.holds(self.kernel, &process) != Ok(true) {
                    return None;
                }
                (Held { process: Arc::new(process), descriptor: *descriptor }, false)
            }
        };
        while let Ok(parent) = self.tree.parent(self.kernel, &held.process) {
            let descriptor = Descriptor { pid: parent.pid(), ..held.descriptor };
            if !descriptor.is_of(inode) {
                break;
            }
            (held, is_certain) = (Held { process: Arc::new(parent), descriptor }, true);
        }
        ((is_certain || held.descriptor.is_of(inode)) && held.process.is_alive()).then_some(held)
    }
}

impl Found {
    fn descriptor(&self) -> Descriptor {
        match self {
            Self::Seen(descriptor) | Self::Known(Held { descriptor, .. }) => *descriptor,
        }
    }
}

/// The sockets that a process holds, by inode.
fn sockets(pid: Pid) -> io::Result<impl Iterator<Item = (Descriptor, u64)>> {
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

/// The processes below `root`, nearest first, as their `children` files list them.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    let mut children = String::with_capacity(USUAL_CHILDREN_BYTES);
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for task in tasks(parent) {
            children.clear();
            // A list that cannot be read to its end is none.
            let file = File::open(task.join("children"));
            if file.and_then(|file| file.take(CHILDREN_LIMIT_BYTES).read_to_string(&mut children)).is_err() {
                children.clear();
            }
            found.extend(children.split_whitespace().filter_map(|pid| Pid::new(pid.parse().ok()?)));
        }
        if found.len() > PROCESS_LIMIT {
            break;
        }
    }
    found.split_off(1)
}

/// The directories of a process's threads.
fn tasks(pid: Pid) -> Vec<PathBuf> {
    let directory = PathBuf::from(format!("/proc/{pid}/task"));
    // Most processes have one thread, which has the process's number: it need not be listed.
    if fs::metadata(&directory).is_ok_and(|found| found.nlink() == ONE_TASK_LINKS) {
        return vec![directory.join(pid.to_string())];
    }
    fs::read_dir(directory).map(|tasks| tasks.flatten().map(|task| task.path()).collect()).unwrap_or_default()
}

/// The processes that run as one of these uids.
fn processes_of(uids: &HashSet<Uid>) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let entries =
        entries.flatten().filter(|entry| entry.metadata().is_ok_and(|found| uids.contains(&Uid(found.uid()))));
    entries.filter_map(|entry| Pid::new(entry.file_name().to_str()?.parse().ok()?)).take(PROCESS_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::process::own_pid;
    use crate::sys::user::effective_uid;

    /// This process's descriptor of a socket, and the socket's inode.
    fn own(socket: &UnixStream) -> (Descriptor, u64) {
        let number = u32::try_from(socket.as_raw_fd()).expect("a number");
        let descriptor = Descriptor { pid: own_pid().expect("a pid"), number };
        (descriptor, descriptor.socket().expect("a socket"))
    }

    fn under(kernel: &Kernel, root: u32) -> Tree {
        Tree::under(Process::open(kernel, Pid::new(root.cast_signed()).expect("a pid")).expect("open"))
    }

    #[test]
    fn what_was_found_is_remembered_and_a_wrong_guess_keeps_nobody_from_being_found() {
        let kernel = Kernel::probe().expect("a tier");
        let tree = under(&kernel, std::os::unix::process::parent_id());
        let (left, right) = UnixStream::pair().expect("socketpair");
        for socket in [&left, &right, &left] {
            let (descriptor, inode) = own(socket);
            let search = Search::run(&kernel, &tree, std::iter::once((inode, effective_uid())));
            let found = search.holder(inode, effective_uid()).expect("this process");
            assert_eq!((Some(found.process.pid()), found.descriptor), (own_pid(), descriptor));
            assert_eq!(tree.remembered().known().first().map(|held| held.descriptor), Some(descriptor));
        }
        assert_eq!(tree.remembered().known().len(), 2);
    }

    #[test]
    fn a_number_that_is_a_strangers_by_now_leads_to_nobody() {
        let kernel = Kernel::probe().expect("a tier");
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let tree = under(&kernel, other.id());
        let mut remembered = Command::new("true").spawn().expect("true");
        let pid = Pid::new(remembered.id().cast_signed()).expect("a pid");
        let process = Arc::new(Process::open(&kernel, pid).expect("open"));
        remembered.wait().expect("wait");
        // As if this process had been given the number of the one that has ended.
        let (left, _right) = UnixStream::pair().expect("socketpair");
        let (descriptor, inode) = own(&left);
        tree.remembered().push(Held { process, descriptor });
        let search = Search::run(&kernel, &tree, std::iter::once((inode, effective_uid())));
        let (seen, held) = (search.seen_with(inode), search.holder(inode, effective_uid()).err());
        drop(other.stdin.take());
        other.wait().expect("wait");
        assert_eq!(seen, own_pid());
        assert_eq!(held, Some(Unattested::NotInTree { hidden: None }));
    }
}
