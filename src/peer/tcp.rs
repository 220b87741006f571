//! The process on the other end of a loopback TCP connection.
//!
//! TCP has no SO_PEERCRED. sock_diag names the socket on the other end: its uid, its inode, and a cookie that no other socket
//! gets. Whoever of the tree has a descriptor with that inode, and where it is told with that cookie, is the peer. What is not found
//! in this network namespace is nobody.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Unattested;
use super::descriptor::{self, By, Descriptor, Held, descriptor};
use super::holder::{self, Search};
use super::kernel::{Kernel, Overflow};
use super::process::Process;
use super::tree::Tree;
use crate::sys::netlink::{Cookie, SockDiag, TcpSocket};
use crate::sys::process::Pid;
use crate::sys::user::Uid;

/// How a TCP peer holds on to its connection.
#[derive(Debug)]
pub(super) struct Link {
    inode: u64,
    descriptor: Descriptor,
    /// Whether it was looked at before.
    was_seen: AtomicBool,
    /// Held from the second look on: most connections bring one request. `None` where that was not possible.
    held: OnceLock<Option<descriptor::Link>>,
}

/// The socket on the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct FarEnd {
    /// Its own address, and ours.
    addresses: (SocketAddr, SocketAddr),
    socket: TcpSocket,
}

impl FarEnd {
    /// Finds it.
    ///
    /// # Errors
    /// There is no such socket here, or no process holds it any more.
    pub fn of(stream: &TcpStream, kernel: &Kernel) -> Result<Self, Unattested> {
        let addresses = (stream.peer_addr()?, stream.local_addr()?);
        let socket = kernel.diag()?.tcp_socket(addresses.0, addresses.1, None)?.ok_or(Unattested::Gone)?;
        // A socket that no process holds any more reports uid 0 as well: so the inode comes first.
        if socket.inode == 0 { Err(Unattested::Gone) } else { Ok(Self { addresses, socket }) }
    }

    /// The uid that made the socket: enough to drop another user's connection at once.
    pub fn uid(&self) -> Uid {
        self.socket.uid
    }

    /// The inode of the cgroup in which the socket was made, where the kernel says.
    pub fn cgroup(&self) -> Option<u64> {
        self.socket.cgroup
    }

    /// Whether its uid names one user here.
    ///
    /// # Errors
    /// It may be anybody's.
    pub fn unambiguous(&self, overflow: &Overflow) -> Result<(), Unattested> {
        if overflow.holds_uid(self.socket.uid) { Err(Unattested::FOREIGN_ID) } else { Ok(()) }
    }

    /// Whether it is still that socket, that somebody holds, and of that uid.
    ///
    /// # Errors
    /// It is not.
    pub fn recheck(&self, kernel: &Kernel) -> Result<(), Unattested> {
        let now = kernel.diag()?.tcp_socket(self.addresses.0, self.addresses.1, Some(self.socket.cookie))?;
        if now == Some(self.socket) { Ok(()) } else { Err(Unattested::Gone) }
    }

    /// Its inode, which all of its descriptors show.
    pub(super) fn inode(&self) -> u64 {
        self.socket.inode
    }

    /// Whether the kernel calls it so.
    pub(super) fn is_called(&self, cookie: &Cookie) -> bool {
        self.socket.cookie == *cookie
    }

    /// Whether a connection between these addresses, its own first, could be this one. IPv6 has IPv4's addresses, too.
    pub(super) fn is_between(&self, (own, other): (SocketAddr, SocketAddr)) -> bool {
        let same =
            |a: SocketAddr, b: SocketAddr| (a.ip().to_canonical(), a.port()) == (b.ip().to_canonical(), b.port());
        same(self.addresses.0, own) && same(self.addresses.1, other)
    }

    /// Who holds it, of the processes of its uid. Several may, as where a program has just forked, if they run one file.
    ///
    /// No other user's socket is held to be asked for its cookie: to let it go may take as long as they like. So the inode decides.
    pub(super) fn holder(&self, kernel: &Kernel) -> Result<(Arc<Process>, Link), Unattested> {
        let TcpSocket { uid, inode, .. } = self.socket;
        let mut found: Option<Held> = None;
        for descriptor in holder::of_uid(uid, inode) {
            let process = Process::open(kernel, descriptor.pid)?;
            match &found {
                None => found = Some(Held { process: Arc::new(process), descriptor }),
                Some(first) if first.process.executable_identity() == process.executable_identity() => {}
                Some(_) => return Err(Unattested::Shared),
            }
        }
        let (process, link) = self.link((found.ok_or(Unattested::NotFound(uid))?, By::Inode), kernel)?;
        link.recheck()?;
        Ok((process, link))
    }

    /// Who holds it, and how.
    fn link(&self, (held, by): (Held, By), kernel: &Kernel) -> Result<(Arc<Process>, Link), Unattested> {
        // What was found has this inode: is that still this socket's?
        if by == By::Inode {
            self.recheck(kernel)?;
        }
        Ok((held.process, Link::new(self.socket.inode, held.descriptor)))
    }
}

/// The other ends of several connections, and who of the tree was seen with them.
pub(super) struct FarEnds<'a> {
    ends: Vec<FarEnd>,
    search: Search<'a>,
    kernel: &'a Kernel,
}

impl<'a> FarEnds<'a> {
    /// Looks through the tree once for all of these.
    pub(super) fn of(ends: Vec<FarEnd>, kernel: &'a Kernel, tree: &'a Tree) -> Self {
        let sockets = ends.iter().map(|end| (end.socket.inode, end.socket.uid));
        Self { search: Search::run(kernel, tree, sockets), ends, kernel }
    }

    /// Who was seen with one of them, not established yet.
    pub(super) fn seen(&self, number: usize) -> Option<Pid> {
        let end = self.ends.get(number)?;
        self.search.seen_with(end.socket.inode)
    }

    /// Establishes who holds one of them. Whether they still do is asked at every request, the first one included.
    pub(super) fn establish(&self, number: usize) -> Result<(Arc<Process>, Uid, Link), Unattested> {
        let end = self.ends.get(number).ok_or(Unattested::Gone)?;
        end.unambiguous(self.kernel.overflow())?;
        let (process, link) = end.link(self.search.holder(end)?, self.kernel)?;
        Ok((process, end.uid(), link))
    }
}

impl Link {
    fn new(inode: u64, descriptor: Descriptor) -> Self {
        Self { inode, descriptor, was_seen: AtomicBool::new(false), held: OnceLock::new() }
    }

    /// Whether that process still holds it. The socket itself is not asked for again: a connection has one far end from its
    /// beginning, and that this process held it was established. Once that is closed no answer reaches anybody.
    pub(super) fn recheck(&self) -> Result<(), Unattested> {
        // A shell moves what it opened to the number that was asked for: it still holds the connection.
        if self.is_where_it_was() || descriptor(self.descriptor.pid, self.inode)?.is_some() {
            Ok(())
        } else {
            Err(Unattested::NotTheHolder)
        }
    }

    fn is_where_it_was(&self) -> bool {
        let is_first = !self.was_seen.swap(true, Ordering::Relaxed);
        let held = if is_first { &None } else { self.held.get_or_init(|| self.descriptor.hold().ok()) };
        held.as_ref().map_or_else(|| self.descriptor.is_of(self.inode), |link| link.is_of(self.inode))
    }
}

/// Tries all of it on this process itself.
///
/// # Errors
/// Why TCP peers cannot be named here: no tcp_diag, a /proc that hides descriptors.
pub(super) fn probe(diag: &SockDiag) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, address) = listener.accept()?;
    let found = diag.tcp_socket(address, server.local_addr()?, None)?;
    let inode = found.map_or(0, |socket| socket.inode);
    let own = crate::sys::process::own_pid().ok_or_else(|| io::Error::other("this process has no pid"))?;
    if inode == 0 || descriptor(own, inode)?.is_none() {
        return Err(io::Error::other("/proc does not show this process's own connection"));
    }
    drop(client);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// Whether cookies are told: not where a container's filter of system calls keeps them back.
    fn is_told(kernel: &Kernel) -> bool {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        let own = Process::open(kernel, crate::sys::process::own_pid().expect("a pid")).expect("open");
        own.socket(u32::try_from(socket.as_raw_fd()).expect("a number")).expect("a socket").is_some()
    }

    /// This process's parent as the root, so that this process is of the tree; and two connections of this process's to itself, the
    /// clients' ends first.
    fn two_connections(kernel: &Kernel) -> (Tree, [TcpStream; 2], [TcpStream; 2]) {
        let parent = Pid::new(std::os::unix::process::parent_id().cast_signed()).expect("a pid");
        let tree = Tree::under(Process::open(kernel, parent).expect("open"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let connect = || TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let clients = [connect(), connect()];
        let servers = [(); 2].map(|()| listener.accept().expect("accepted").0);
        (tree, clients, servers)
    }

    /// Whoever makes 2^32 sockets has one with the inode of a socket that a process of the tree keeps.
    #[test]
    fn another_socket_with_the_inode_of_one_that_the_tree_holds_is_another() {
        let kernel = Kernel::probe().expect("a tier");
        let (tree, _clients, servers) = two_connections(&kernel);
        let [mut forged, kept] = servers.each_ref().map(|server| FarEnd::of(server, &kernel).expect("a socket"));
        forged.socket.inode = kept.socket.inode;
        let ends = FarEnds::of(vec![forged, kept], &kernel, &tree);
        if is_told(&kernel) {
            assert_eq!(ends.establish(0).err(), Some(Unattested::NotInTree { hidden: None }));
        }
        assert!(ends.establish(1).is_ok());
    }

    #[test]
    fn a_later_socket_with_the_same_addresses_and_inode_is_another() {
        let kernel = Kernel::probe().expect("a tier");
        let (tree, clients, servers) = two_connections(&kernel);
        let ends = FarEnds::of(
            servers.iter().map(|server| FarEnd::of(server, &kernel).expect("a socket")).collect(),
            &kernel,
            &tree,
        );
        let [(_, _, link), (_, _, other)] = [0, 1].map(|number| ends.establish(number).expect("a peer"));
        // The first look is through /proc, the later ones at what is held.
        for is_held in [false, true, true] {
            assert_eq!((link.recheck(), other.recheck()), (Ok(()), Ok(())));
            assert_eq!(link.held.get().is_some_and(Option::is_some), is_held);
        }
        // What a recycled port and a recycled inode would leave of it.
        let FarEnds { mut ends, search, .. } = ends;
        ends[0].socket.cookie = ends[1].socket.cookie;
        let ends = FarEnds { ends, search, kernel: &kernel };
        let refused = if is_told(&kernel) { Unattested::NotInTree { hidden: None } } else { Unattested::Gone };
        assert_eq!(ends.establish(0).err(), Some(refused));
        drop(clients);
        assert_eq!(link.recheck(), Err(Unattested::NotTheHolder));
    }
}
