//! sock_diag(7): which socket is on the other end of a connection, and whose it is.
//!
//! A request names one connection exactly, so an answer is one message. Requests are laid out by hand, as
//! include/uapi/linux/{netlink,sock_diag,unix_diag,inet_diag}.h define them, in native order but for ports and addresses.

#[forbid(unsafe_code)]
pub mod answer;

use std::io;
use std::mem::size_of_val;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cerr;
use answer::{HEADER_BYTES, SOCK_DIAG_BY_FAMILY, address, message_in, peer_in, tcp_in, u32_at};

pub use answer::{Cookie, TcpSocket};

const UDIAG_SHOW_PEER: u32 = 4;
/// "Whatever the cookie is."
const NO_COOKIE: Cookie = Cookie::new([u32::MAX; 2]);
/// Largest answer that is read; one connection's is under 300 bytes.
const ANSWER_BYTES: usize = 1024;

/// Length of inet_diag_req_v2; unix_diag_req is shorter.
const LONGEST_REQUEST_BYTES: usize = 56;

/// Kept sock_diag sockets: more than one, because each is asked one question at a time.
#[derive(Debug)]
pub struct SockDiag {
    sockets: [Mutex<Exchange>; 2],
}

#[derive(Debug)]
struct Exchange {
    fd: OwnedFd,
    sequence: u32,
    /// The request that is being made, in a buffer that the next one uses again.
    request: Vec<u8>,
}

impl SockDiag {
    /// Opens a sock_diag socket.
    ///
    /// # Errors
    /// EPROTONOSUPPORT, EAFNOSUPPORT: a kernel without it.
    pub fn open() -> io::Result<Self> {
        Ok(Self { sockets: [Mutex::new(Exchange::open()?), Mutex::new(Exchange::open()?)] })
    }

    /// The inode of the socket that is connected to the Unix socket with inode `own`; `None` when there is none any more.
    ///
    /// # Errors
    /// No unix_diag in this kernel, or an answer that cannot be read.
    pub fn unix_peer_inode(&self, own: u64) -> io::Result<Option<u64>> {
        let mut exchange = self.free();
        let body = exchange.blank();
        body.extend([u8::try_from(libc::AF_UNIX).map_err(io::Error::other)?, 0, 0, 0]);
        body.extend(u32::MAX.to_ne_bytes()); // every state
        body.extend(u32::try_from(own).map_err(io::Error::other)?.to_ne_bytes());
        body.extend(UDIAG_SHOW_PEER.to_ne_bytes());
        body.extend(NO_COOKIE.bytes());
        exchange.ask(|message| Ok(peer_in(message)))
    }

    /// The TCP socket that is bound to `local` and connected to `remote`; `None` when there is none. With `cookie`, only if
    /// it is still that socket.
    ///
    /// # Errors
    /// No tcp_diag in this kernel, addresses of two families, or an answer that cannot be read.
    pub fn tcp_socket(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        cookie: Option<Cookie>,
    ) -> io::Result<Option<TcpSocket>> {
        let family = match (local, remote) {
            (SocketAddr::V4(_), SocketAddr::V4(_)) => libc::AF_INET,
            (SocketAddr::V6(_), SocketAddr::V6(_)) => libc::AF_INET6,
            _ => return Err(io::Error::other("addresses of two families")),
        };
        let protocol = u8::try_from(libc::IPPROTO_TCP).map_err(io::Error::other)?;
        let mut exchange = self.free();
        let body = exchange.blank();
        body.extend([u8::try_from(family).map_err(io::Error::other)?, protocol, 0, 0]);
        body.extend(u32::MAX.to_ne_bytes()); // every state
        body.extend(local.port().to_be_bytes());
        body.extend(remote.port().to_be_bytes());
        body.extend(address(local.ip()));
        body.extend(address(remote.ip()));
        body.extend(0u32.to_ne_bytes()); // any interface
        body.extend(cookie.unwrap_or(NO_COOKIE).bytes());
        exchange.ask(|message| tcp_in(message, local, remote))
    }

    /// A socket that nobody is asking, or the first that is free again.
    fn free(&self) -> MutexGuard<'_, Exchange> {
        let [first, second] = &self.sockets;
        let free = first.try_lock().ok().or_else(|| second.try_lock().ok());
        free.unwrap_or_else(|| first.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Exchange {
    fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes three integers.
        let raw = cerr(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) })?;
        // SAFETY: `raw` is a descriptor that socket(2) has just made and that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { fd, sequence: 0, request: Vec::with_capacity(HEADER_BYTES + LONGEST_REQUEST_BYTES) })
    }

    /// The next request, with a blank header.
    fn blank(&mut self) -> &mut Vec<u8> {
        self.request.clear();
        self.request.resize(HEADER_BYTES, 0);
        &mut self.request
    }

    /// Sends the request and reads its answer: what `read` makes of the message behind the netlink header, or `None` for "no
    /// such socket".
    fn ask<T>(&mut self, read: impl FnOnce(&[u8]) -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        self.send()?;
        self.answer(read)
    }

    fn send(&mut self) -> io::Result<()> {
        let request = &mut self.request;
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        let flags = u16::try_from(libc::NLM_F_REQUEST).map_err(io::Error::other)?;
        let header = length.to_ne_bytes().into_iter().chain(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        let header = header.chain(flags.to_ne_bytes()).chain(self.sequence.to_ne_bytes());
        for (to, from) in request.iter_mut().zip(header) {
            *to = from;
        }
        // SAFETY: the kernel reads `request.len()` bytes of a live Vec of that length.
        cerr(unsafe { libc::send(self.fd.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) }).map(drop)
    }

    /// The answer to the last request. One to an earlier request, whose reading failed, is passed over: or else every later
    /// answer would be taken for the one before it, and refused. So is what the kernel did not send: another process may
    /// write to a netlink socket if it has CAP_NET_ADMIN over the network namespace.
    fn answer<T>(&mut self, read: impl FnOnce(&[u8]) -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        let mut answer = [0u8; ANSWER_BYTES];
        // SAFETY: sockaddr_nl is a C struct of integers, for which all zeros is a valid value.
        let mut sender: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        loop {
            let mut length = libc::socklen_t::try_from(size_of_val(&sender)).map_err(io::Error::other)?;
            // SAFETY: the kernel writes at most `answer.len()` bytes to the live, exclusively borrowed array, at most `length`
            // bytes to `sender`, which is that long, and the new length to `length`.
            let length_bytes = cerr(unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    answer.as_mut_ptr().cast(),
                    answer.len(),
                    libc::MSG_DONTWAIT,
                    (&raw mut sender).cast(),
                    &mut length,
                )
            })?;
            let length_bytes = usize::try_from(length_bytes).map_err(io::Error::other)?;
            let answer = answer.get(..length_bytes).unwrap_or_default();
            let from_kernel =
                usize::try_from(length).is_ok_and(|length| length == size_of_val(&sender)) && sender.nl_pid == 0;
            if from_kernel && u32_at(answer, 8) == Some(self.sequence) {
                return match message_in(answer, self.sequence)? {
                    None => Ok(None),
                    Some(message) => read(message),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn inode(fd: &impl AsRawFd) -> u64 {
        std::fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("stat").ino()
    }

    #[test]
    fn finds_the_other_end_of_a_unix_socket() {
        let diag = SockDiag::open().expect("sock_diag");
        let (left, right) = UnixStream::pair().expect("socketpair");
        assert_eq!(diag.unix_peer_inode(inode(&left)).expect("unix_diag"), Some(inode(&right)));
        let own = inode(&left);
        drop(right);
        assert_eq!(diag.unix_peer_inode(own).expect("unix_diag"), None);
        drop(left);
        assert_eq!(diag.unix_peer_inode(own).expect("unix_diag"), None);
    }

    #[test]
    fn finds_a_tcp_client_by_its_addresses_and_then_by_its_cookie() {
        let diag = SockDiag::open().expect("sock_diag");
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(listen) else { continue };
            let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
            let (server, address) = listener.accept().expect("accepted");
            let ours = server.local_addr().expect("an address");
            let found = diag.tcp_socket(address, ours, None).expect("tcp_diag").expect("a socket");
            assert_eq!(found.inode, inode(&client));
            assert_eq!(found.uid, crate::sys::user::effective_uid());
            assert_eq!(diag.tcp_socket(address, ours, Some(found.cookie)).expect("tcp_diag"), Some(found));
            let other = Cookie::new(found.cookie.words().map(|word| word ^ 1));
            assert_eq!(diag.tcp_socket(address, ours, Some(other)).ok().flatten(), None);
        }
    }

    #[test]
    fn finds_an_ipv6_client_that_speaks_ipv4() {
        let diag = SockDiag::open().expect("sock_diag");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let Ok(client) = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")) else { return };
        let (server, address) = listener.accept().expect("accepted");
        let ours = server.local_addr().expect("an address");
        let found = diag.tcp_socket(address, ours, None).expect("tcp_diag").expect("a socket");
        assert_eq!(found.inode, inode(&client));
        assert_eq!(diag.tcp_socket(address, ours, Some(found.cookie)).expect("tcp_diag"), Some(found));
    }

    #[test]
    fn an_answer_that_was_left_unread_is_passed_over() {
        let diag = SockDiag::open().expect("sock_diag");
        let (left, right) = UnixStream::pair().expect("socketpair");
        {
            let mut exchange = diag.sockets[0].lock().expect("not poisoned");
            exchange.blank().resize(40, 0);
            exchange.send().expect("sent");
        }
        assert_eq!(diag.unix_peer_inode(inode(&left)).expect("unix_diag"), Some(inode(&right)));
    }

    #[test]
    fn a_closed_client_has_no_inode() {
        let diag = SockDiag::open().expect("sock_diag");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (server, address) = listener.accept().expect("accepted");
        drop(client);
        // It lingers without an owner (FIN-WAIT-2), as uid 0: a trap for whoever looks at the uid first.
        let found = diag.tcp_socket(address, server.local_addr().expect("an address"), None).expect("tcp_diag");
        assert_eq!(found.map_or(0, |socket| socket.inode), 0);
    }
}
