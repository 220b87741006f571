//! The process on the other end of a connection, established once and checked at every request.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use super::kernel::Kernel;
use super::process::{Facts, Process};
use super::running::Running;
use super::tree::Tree;
use super::{Unattested, tcp, unix};
use crate::stream::Stream;
use crate::sys::process::Pid;
use crate::sys::user::{Gid, Uid};

/// The process on the other end: of a Unix socket, who called connect(2); of TCP, who of the tree holds the connection.
#[derive(Debug)]
pub struct Peer {
    process: Arc<Process>,
    uid: Uid,
    gid: Gid,
    running: Arc<Running>,
    /// What TCP has to look at again; over a Unix socket the kernel names the writer of each byte instead.
    link: Option<tcp::Link>,
}

impl Peer {
    /// Establishes the peer of an accepted connection. Over TCP it is looked for in `tree` alone.
    ///
    /// # Errors
    /// Whatever keeps the identity from being certain.
    pub fn of(stream: &Stream, kernel: &Kernel, tree: &Tree) -> Result<Self, Unattested> {
        match stream {
            Stream::Unix(stream) => {
                let (process, noted) = unix::establish(stream, kernel)?;
                Self::new(process, noted.uid, None, kernel)
            }
            Stream::Tcp(stream) => Arrivals::of(vec![tcp::FarEnd::of(stream, kernel)?], kernel, tree).peer(0),
        }
    }

    fn new(
        process: impl Into<Arc<Process>>,
        uid: Uid,
        link: Option<tcp::Link>,
        kernel: &Kernel,
    ) -> Result<Self, Unattested> {
        let process = process.into();
        let facts = process.facts(kernel)?;
        if facts.pid != process.pid() {
            return Err(Unattested::Gone);
        }
        if facts.uid != uid {
            return Err(Unattested::UidChanged);
        }
        // No gid comes with a TCP connection.
        if kernel.overflow().holds(facts.uid, facts.gid) {
            return Err(Unattested::FOREIGN_ID);
        }
        let running = process.running(kernel);
        if !process.is_alive() {
            return Err(Unattested::Gone);
        }
        Ok(Self { process, uid, gid: facts.gid, running, link })
    }

    /// Establishes who called connect(2) on a Unix socket, whatever tree it is of.
    ///
    /// # Errors
    /// Whatever keeps the identity from being certain.
    pub fn of_any_tree(stream: &UnixStream, kernel: &Kernel) -> Result<Self, Unattested> {
        let (process, noted) = unix::establish(stream, kernel)?;
        let peer = Self::new(process, noted.uid, None, kernel)?;
        if peer.gid == noted.gid { Ok(peer) } else { Err(Unattested::GidChanged) }
    }

    /// Establishes who holds the other end of a TCP connection, of the processes of the uid that made it.
    ///
    /// # Errors
    /// Whatever keeps the identity from being certain: also that several programs hold it.
    pub fn holding(end: &tcp::FarEnd, kernel: &Kernel) -> Result<Self, Unattested> {
        let (process, link) = end.holder(kernel)?;
        Self::new(process, end.uid(), Some(link), kernel)
    }

    /// Whether all that was established still holds, and the tree's root still runs: asked at every request.
    ///
    /// # Errors
    /// What has changed.
    pub fn recheck(&self, kernel: &Kernel, tree: &Tree) -> Result<(), Unattested> {
        self.still(kernel)?;
        if tree.is_alive_with(&self.process) {
            Ok(())
        } else if self.process.is_alive() {
            Err(Unattested::TreeEnded)
        } else {
            Err(Unattested::Gone)
        }
    }

    /// The same for a peer of no tree, whose gid counts as well.
    ///
    /// # Errors
    /// What has changed.
    pub fn recheck_alone(&self, kernel: &Kernel) -> Result<(), Unattested> {
        if self.still(kernel)?.gid != self.gid {
            return Err(Unattested::GidChanged);
        }
        if self.process.is_alive() { Ok(()) } else { Err(Unattested::Gone) }
    }

    fn still(&self, kernel: &Kernel) -> Result<Facts, Unattested> {
        let facts = self.process.facts(kernel)?;
        if facts.uid != self.uid {
            return Err(Unattested::UidChanged);
        }
        if self.running.has_ended() && self.process.is_alive() {
            return Err(Unattested::ProgramChanged);
        }
        if let Some(link) = &self.link {
            link.recheck()?;
        }
        Ok(facts)
    }

    /// Whether it is inside of the tree. Over TCP it was looked for nowhere else.
    ///
    /// # Errors
    /// As for [`Tree::holds`].
    pub fn is_in(&self, tree: &Tree, kernel: &Kernel) -> Result<bool, Unattested> {
        if self.link.is_some() { Ok(true) } else { tree.holds(kernel, &self.process) }
    }

    /// Whether a change of program would be seen. Where not (a process that is not dumpable), a connection is good for one
    /// request.
    pub fn program_is_watched(&self) -> bool {
        self.running.is_watched()
    }

    /// Whether it runs, for certain, the program that it ran when the peer was established.
    pub(super) fn runs_the_same(&self) -> bool {
        self.running.is_current() && self.process.is_alive()
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its effective uid, at connect and now.
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// Its effective gid when the peer was established.
    pub fn gid(&self) -> Gid {
        self.gid
    }

    /// The program that it ran when the peer was established: to be shown, not to be trusted.
    pub fn executable(&self) -> Option<&PathBuf> {
        self.running.executable()
    }
}

/// TCP connections that have come together: one look through the tree tells whose they are.
pub struct Arrivals<'a> {
    ends: tcp::FarEnds<'a>,
    kernel: &'a Kernel,
}

impl<'a> Arrivals<'a> {
    /// Looks for the processes of `tree` that hold the other ends of these.
    pub fn of(ends: Vec<tcp::FarEnd>, kernel: &'a Kernel, tree: &'a Tree) -> Self {
        Self { ends: tcp::FarEnds::of(ends, kernel, tree), kernel }
    }

    /// Whose one of them seems to be: good for counting, and for nothing else.
    pub fn seen(&self, number: usize) -> Option<Pid> {
        self.ends.seen(number)
    }

    /// Establishes the peer of one of them.
    ///
    /// # Errors
    /// Whatever keeps the identity from being certain.
    pub fn peer(&self, number: usize) -> Result<Peer, Unattested> {
        let (process, uid, link) = self.ends.establish(number)?;
        Peer::new(process, uid, Some(link), self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::sys::process::own_pid;
    use crate::sys::user::effective_uid;

    /// This process's parent as the root, so that this process is of the tree.
    fn tree(kernel: &Kernel) -> Tree {
        let parent = Pid::new(std::os::unix::process::parent_id().cast_signed()).expect("a pid");
        Tree::under(Process::open(kernel, parent).expect("open"))
    }

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let kernel = Kernel::probe().expect("a tier");
        let (left, _right) = UnixStream::pair().expect("socketpair");
        let tree = tree(&kernel);
        let peer = Peer::of(&Stream::Unix(left), &kernel, &tree).expect("a peer");
        assert_eq!(Some(peer.process().pid()), own_pid());
        assert_eq!(peer.uid(), effective_uid());
        assert_eq!(peer.recheck(&kernel, &tree), Ok(()));
        assert!(peer.program_is_watched());
    }

    #[test]
    fn the_other_end_of_a_loopback_connection_is_this_process() {
        let kernel = Kernel::probe().expect("a tier");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        let tree = tree(&kernel);
        let peer = Peer::of(&Stream::Tcp(server), &kernel, &tree).expect("a peer");
        assert_eq!(Some(peer.process().pid()), own_pid());
        assert_eq!(peer.recheck(&kernel, &tree), Ok(()));
        drop(client);
        assert_eq!(peer.recheck(&kernel, &tree), Err(Unattested::NotTheHolder));
    }

    #[test]
    fn without_a_tree_the_connector_and_the_holder_are_found_as_well() {
        let kernel = Kernel::probe().expect("a tier");
        let (left, _right) = UnixStream::pair().expect("socketpair");
        let peer = Peer::of_any_tree(&left, &kernel).expect("a peer");
        assert_eq!((Some(peer.process().pid()), peer.recheck_alone(&kernel)), (own_pid(), Ok(())));

        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        let end = tcp::FarEnd::of(&server, &kernel).expect("a far end");
        let peer = Peer::holding(&end, &kernel).expect("a peer");
        assert_eq!((Some(peer.process().pid()), peer.uid()), (own_pid(), effective_uid()));
        assert_eq!((end.recheck(&kernel), peer.recheck_alone(&kernel)), (Ok(()), Ok(())));
        drop(client);
        assert_eq!(end.recheck(&kernel), Err(Unattested::Gone));
        assert_eq!(peer.recheck_alone(&kernel), Err(Unattested::NotTheHolder));
    }

    #[test]
    fn a_holder_outside_of_the_tree_is_nobody() {
        let kernel = Kernel::probe().expect("a tier");
        let mut other = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let root = Process::open(&kernel, Pid::new(other.id().cast_signed()).expect("a pid")).expect("open");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        let refused = Peer::of(&Stream::Tcp(server), &kernel, &Tree::under(root)).err();
        drop(other.stdin.take());
        other.wait().expect("wait");
        assert_eq!(refused, Some(Unattested::NotInTree { hidden: None }));
    }
}
