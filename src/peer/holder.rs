//! Which process has a descriptor of a socket: of the tree, or of a uid.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Unattested;
use super::descriptor::{By, Descriptor, Held, descriptor, sockets};
use super::kernel::Kernel;
use super::process::Process;
use super::tcp::FarEnd;
use super::text;
use super::tree::Tree;
use crate::sys::process::Pid;
use crate::sys::user::Uid;

/// Most processes that are looked through.
const PROCESS_LIMIT: usize = 65_536;
/// How often the tree is looked through until it is the same twice: one that grows all the time is not waited for.
const TRIES: usize = 3;

/// How many of a process's descriptors are looked at before all of every process's.
const NEWEST: usize = 3;
/// Most of one list of children that is read: [`PROCESS_LIMIT`] numbers of up to 7 digits (pid_max is at most 2^22).
const CHILDREN_LIMIT_BYTES: u64 = 512 * 1024;
/// Room for the children of most processes, as text.
const USUAL_CHILDREN_BYTES: usize = 256;
/// Links to /proc/PID/task where it has one subdirectory: one thread.
const ONE_TASK_LINKS: u64 = 3;

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
    /// Of the process that had this number then.
    Seen(Descriptor),
    /// Of a process that is held already.
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

    /// The process of the tree that holds this far end, its descriptor, and how it is known to be of this socket.
    ///
    /// # Errors
    /// Nobody of the tree was found to hold it.
    pub(super) fn holder(&self, end: &FarEnd) -> Result<(Held, By), Unattested> {
        let (inode, uid) = (end.inode(), end.uid());
        let held = |search: &Self| search.found.get(&inode).and_then(|found| search.hold(found, end));
        // Who was seen with it may have ended since, and have left it to another; or was guessed, and is a stranger.
        let again = || {
            let mut search = Self::new(self.kernel, self.tree, std::iter::once((inode, uid)));
            search.look();
            held(&search)
        };
        let found = held(self).or_else(|| if self.found.contains_key(&inode) { again() } else { None });
        let (held, by) = found.ok_or(Unattested::NotInTree { hidden: self.hidden })?;
        self.tree.remembered().push(held.clone());
        Ok((held, by))
    }

    /// Looks at what is remembered, before the whole tree.
    fn guess(&mut self) {
        let remembered = self.tree.remembered().known().clone();
        for held in remembered {
            if self.left.is_empty() {
                return;
            }
            // Its number may be another's by now, who has the same descriptor.
            if let Some(inode) = held.descriptor.socket()
                && held.process.is_alive()
            {
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
    /// descriptor, and so its number. What was found is looked at once more when the process is held, so that all of it is true
    /// of one process.
    fn hold(&self, found: &Found, end: &FarEnd) -> Option<(Held, By)> {
        let leaf = match found {
            Found::Known(held) => held.clone(),
            Found::Seen(descriptor) => {
                let process = Process::open(self.kernel, descriptor.pid).ok()?;
                Held { process: Arc::new(process), descriptor: *descriptor }
            }
        };
        let (mut highest, mut have_inherited) = (leaf.clone(), true);
        let is_inside = self.tree.climb(self.kernel, &leaf.process, |parent| {
            let descriptor = Descriptor { pid: parent.pid(), ..leaf.descriptor };
            have_inherited = have_inherited && descriptor.is_of(end.inode());
            if have_inherited {
                highest = Held { process: Arc::clone(parent), descriptor };
            }
        });
        let by = if is_inside == Ok(true) { highest.is_of(end)? } else { return None };
        highest.process.is_alive().then_some((highest, by))
    }
}

impl Found {
    fn descriptor(&self) -> Descriptor {
        match self {
            Self::Seen(descriptor) | Self::Known(Held { descriptor, .. }) => *descriptor,
        }
    }
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
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::process::own_pid;

    /// A connection of this process's to itself, its far end's descriptor, and that end.
    fn own(kernel: &Kernel) -> ([TcpStream; 2], Descriptor, FarEnd) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let server = listener.accept().expect("accepted").0;
        let end = FarEnd::of(&server, kernel).expect("a far end");
        let number = u32::try_from(client.as_raw_fd()).expect("a number");
        ([client, server], Descriptor { pid: own_pid().expect("a pid"), number }, end)
    }

    fn under(kernel: &Kernel, root: u32) -> Tree {
        Tree::under(process(kernel, root))
    }

    fn process(kernel: &Kernel, pid: u32) -> Process {
        Process::open(kernel, Pid::new(pid.cast_signed()).expect("a pid")).expect("open")
    }

    fn run<'a>(kernel: &'a Kernel, tree: &'a Tree, end: &FarEnd) -> Search<'a> {
        Search::run(kernel, tree, std::iter::once((end.inode(), end.uid())))
    }

    #[test]
    fn what_was_found_is_remembered_and_a_wrong_guess_keeps_nobody_from_being_found() {
        let kernel = Kernel::probe().expect("a tier");
        let tree = under(&kernel, std::os::unix::process::parent_id());
        let [one, other] = [own(&kernel), own(&kernel)];
        for (_, descriptor, end) in [&one, &other, &one] {
            let (found, _) = run(&kernel, &tree, end).holder(end).expect("this process");
            assert_eq!((Some(found.process.pid()), found.descriptor), (own_pid(), *descriptor));
            assert_eq!(tree.remembered().known().first().map(|held| held.descriptor), Some(*descriptor));
        }
        assert_eq!(tree.remembered().known().len(), 2);
    }

    #[test]
    fn who_is_remembered_and_not_of_the_tree_any_more_is_nobody() {
        let kernel = Kernel::probe().expect("a tier");
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let tree = under(&kernel, other.id());
        let (_connection, descriptor, end) = own(&kernel);
        let this = Arc::new(process(&kernel, std::process::id()));
        tree.remembered().push(Held { process: this, descriptor });
        let search = run(&kernel, &tree, &end);
        let (seen, held) = (search.seen_with(end.inode()), search.holder(&end).err());
        drop(other.stdin.take());
        other.wait().expect("wait");
        assert_eq!((seen, held), (own_pid(), Some(Unattested::NotInTree { hidden: None })));
    }

    #[test]
    fn a_number_that_is_anothers_by_now_leads_to_nobody() {
        let kernel = Kernel::probe().expect("a tier");
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let tree = under(&kernel, other.id());
        let mut remembered = Command::new("true").spawn().expect("true");
        let ended = Arc::new(process(&kernel, remembered.id()));
        remembered.wait().expect("wait");
        // As if this process had been given the number of the one that has ended.
        let (_connection, descriptor, end) = own(&kernel);
        tree.remembered().push(Held { process: ended, descriptor });
        let search = run(&kernel, &tree, &end);
        let (seen, held) = (search.seen_with(end.inode()), search.holder(&end).err());
        drop(other.stdin.take());
        other.wait().expect("wait");
        assert_eq!((seen, held), (None, Some(Unattested::NotInTree { hidden: None })));
    }
}
