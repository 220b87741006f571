//! sock_diag(7): which socket is on the other end of a connection, and whose it is.
//!
//! A request names one connection exactly, so an answer is one message. Requests are laid out by hand, as
//! include/uapi/linux/{netlink,sock_diag,unix_diag,inet_diag}.h define them, in native order but for ports and addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cerr;
use super::user::Uid;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// "Whatever the cookie is."
const NO_COOKIE: Cookie = Cookie([u32::MAX; 2]);
/// Lengths of nlmsghdr, unix_diag_msg and inet_diag_msg.
const HEADER_BYTES: usize = 16;
const UNIX_MESSAGE_BYTES: usize = 16;
const INET_MESSAGE_BYTES: usize = 72;
/// Largest answer that is read; one connection's is under 300 bytes.
const ANSWER_BYTES: usize = 1024;

/// Lengths of unix_diag_req and inet_diag_req_v2.
const UNIX_REQUEST_BYTES: usize = 24;
const INET_REQUEST_BYTES: usize = 56;

/// Kept sock_diag sockets: more than one, because each is asked one question at a time.
#[derive(Debug)]
pub struct SockDiag {
    sockets: [Mutex<Exchange>; 2],
}

#[derive(Debug)]
struct Exchange {
    fd: OwnedFd,
    sequence: u32,
}

/// What the kernel calls one socket, for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie([u32; 2]);

/// One end of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// The uid that made the socket: 0 also for one that no process holds any more.
    pub uid: Uid,
    /// Its inode, by which a process's descriptor is known; 0 when no process holds it.
    pub inode: u64,
    /// Its name, to ask about the same socket again.
    pub cookie: Cookie,
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
        let mut body = request(UNIX_REQUEST_BYTES);
        body.extend([u8::try_from(libc::AF_UNIX).map_err(io::Error::other)?, 0, 0, 0]);
        body.extend(u32::MAX.to_ne_bytes()); // every state
        body.extend(u32::try_from(own).map_err(io::Error::other)?.to_ne_bytes());
        body.extend(UDIAG_SHOW_PEER.to_ne_bytes());
        body.extend(NO_COOKIE.bytes());
        match self.free().ask(body)? {
            None => Ok(None),
            Some(message) => Ok(peer_in(&message)),
        }
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
        let mut body = request(INET_REQUEST_BYTES);
        body.extend([u8::try_from(family).map_err(io::Error::other)?, protocol, 0, 0]);
        body.extend(u32::MAX.to_ne_bytes()); // every state
        body.extend(local.port().to_be_bytes());
        body.extend(remote.port().to_be_bytes());
        body.extend(address(local.ip()));
        body.extend(address(remote.ip()));
        body.extend(0u32.to_ne_bytes()); // any interface
        body.extend(cookie.unwrap_or(NO_COOKIE).bytes());
        match self.free().ask(body)? {
            None => Ok(None),
            Some(message) => tcp_in(&message, local, remote).map(Some),
        }
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
        Ok(Self { fd, sequence: 0 })
    }

    /// Sends one request, whose header is still blank, and reads its answer: the message behind the netlink header, or `None`
    /// for "no such socket".
    fn ask(&mut self, mut request: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        let flags = u16::try_from(libc::NLM_F_REQUEST).map_err(io::Error::other)?;
        let header = length.to_ne_bytes().into_iter().chain(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        let header = header.chain(flags.to_ne_bytes()).chain(self.sequence.to_ne_bytes());
        for (to, from) in request.iter_mut().zip(header) {
            *to = from;
        }
        // SAFETY: the kernel reads `request.len()` bytes of a live Vec of that length.
        cerr(unsafe { libc::send(self.fd.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) })?;
        let mut answer = [0u8; ANSWER_BYTES];
        // SAFETY: the kernel writes at most `answer.len()` bytes to the live, exclusively borrowed array.
        let read = cerr(unsafe {
            libc::recv(self.fd.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT)
        })?;
        let read = usize::try_from(read).map_err(io::Error::other)?;
        message_in(answer.get(..read).unwrap_or_default(), self.sequence)
    }
}

/// A request with a blank header, and room for a body of this length.
fn request(body_bytes: usize) -> Vec<u8> {
    let mut request = Vec::with_capacity(HEADER_BYTES + body_bytes);
    request.resize(HEADER_BYTES, 0);
    request
}

impl Cookie {
    fn bytes(self) -> [u8; 8] {
        let [low, high] = self.0;
        let ([a, b, c, d], [e, f, g, h]) = (low.to_ne_bytes(), high.to_ne_bytes());
        [a, b, c, d, e, f, g, h]
    }
}

/// An address in the 16 bytes that sock_diag has for it.
fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

/// Takes the netlink header off one answer.
fn message_in(answer: &[u8], sequence: u32) -> io::Result<Option<Vec<u8>>> {
    let length = usize::try_from(u32_at(answer, 0).ok_or_else(malformed)?).map_err(io::Error::other)?;
    let kind = u16_at(answer, 4).ok_or_else(malformed)?;
    if u32_at(answer, 8) != Some(sequence) {
        return Err(malformed());
    }
    if i32::from(kind) == libc::NLMSG_ERROR {
        let code = u32_at(answer, HEADER_BYTES).ok_or_else(malformed)?.cast_signed();
        return match code.wrapping_neg() {
            libc::ENOENT => Ok(None),
            errno => Err(io::Error::from_raw_os_error(errno)),
        };
    }
    if kind != SOCK_DIAG_BY_FAMILY {
        return Err(malformed());
    }
    answer.get(HEADER_BYTES..length).map(|message| Some(message.to_vec())).ok_or_else(malformed)
}

/// The peer's inode in a unix_diag_msg and its attributes.
fn peer_in(message: &[u8]) -> Option<u64> {
    let mut at = UNIX_MESSAGE_BYTES;
    while let (Some(length), Some(kind)) = (u16_at(message, at), u16_at(message, at + 2)) {
        if kind == UNIX_DIAG_PEER {
            return u32_at(message, at + 4).map(u64::from).filter(|inode| *inode != 0);
        }
        // Attributes are padded to four bytes; one shorter than its own head would never end.
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    None
}

/// An inet_diag_msg; it must be about the connection that was asked for.
fn tcp_in(message: &[u8], local: SocketAddr, remote: SocketAddr) -> io::Result<TcpSocket> {
    let message = message.get(..INET_MESSAGE_BYTES).ok_or_else(malformed)?;
    // An IPv6 socket that speaks IPv4 is found by its IPv4 addresses, and answered with them mapped.
    let is_ipv6 = message.first().is_some_and(|family| i32::from(*family) == libc::AF_INET6);
    let address = |ip| match ip {
        IpAddr::V4(ip) if is_ipv6 => ip.to_ipv6_mapped().octets(),
        ip => address(ip),
    };
    let same = message.get(4..6) == Some(&local.port().to_be_bytes())
        && message.get(6..8) == Some(&remote.port().to_be_bytes())
        && message.get(8..24) == Some(&address(local.ip()))
        && message.get(24..40) == Some(&address(remote.ip()));
    if !same {
        return Err(malformed());
    }
    let number = |at| u32_at(message, at).ok_or_else(malformed);
    Ok(TcpSocket { cookie: Cookie([number(44)?, number(48)?]), uid: Uid(number(64)?), inode: u64::from(number(68)?) })
}

fn malformed() -> io::Error {
    io::Error::other("sock_diag gave an answer that cannot be read")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
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
            let other = Cookie([found.cookie.0[0] ^ 1, found.cookie.0[1]]);
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

    #[test]
    fn an_answer_that_is_cut_or_anothers_is_an_error() {
        for length in 0..HEADER_BYTES {
            assert!(message_in(&vec![0; length], 0).is_err());
        }
        let local: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        assert!(tcp_in(&[0; INET_MESSAGE_BYTES], local, local).is_err());
        assert!(tcp_in(&[0; 8], local, local).is_err());
    }
}
