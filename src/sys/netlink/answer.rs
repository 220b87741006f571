//! sock_diag's answers: bytes to what they say. Pure and total, in native order but for ports and addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::sys::user::Uid;

/// The only kind of message that is asked for, and of answer.
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UNIX_DIAG_PEER: u16 = 2;
/// Present since Linux 5.9, whatever is asked for.
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Lengths of nlmsghdr, unix_diag_msg and inet_diag_msg.
pub(super) const HEADER_BYTES: usize = 16;
const UNIX_MESSAGE_BYTES: usize = 16;
const INET_MESSAGE_BYTES: usize = 72;
/// States of a socket that was connected and has not been closed: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and
/// CLOSING (include/net/tcp_states.h).
const CONNECTED: [u8; 6] = [1, 4, 5, 8, 9, 11];

/// What the kernel calls one socket, and never another one.
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
    /// The inode of the directory in the cgroup v2 hierarchy in which it was made, where the kernel says.
    pub cgroup: Option<u64>,
}

impl Cookie {
    pub(super) const fn new(words: [u32; 2]) -> Self {
        Self(words)
    }

    /// The one that SO_COOKIE says: sock_diag has its lower half first.
    pub(in crate::sys) fn of(value: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        Self([u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])])
    }

    #[cfg(test)]
    pub(super) fn words(self) -> [u32; 2] {
        self.0
    }

    pub(super) fn bytes(self) -> [u8; 8] {
        let [low, high] = self.0;
        let ([a, b, c, d], [e, f, g, h]) = (low.to_ne_bytes(), high.to_ne_bytes());
        [a, b, c, d, e, f, g, h]
    }
}

/// An address in the 16 bytes that sock_diag has for it.
pub(super) fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

/// Takes the netlink header off the answer to request number `sequence`: the message behind it, or `None` for "no such
/// socket".
///
/// # Errors
/// The kernel's refusal, or an answer that is cut or to another request.
pub fn message_in(answer: &[u8], sequence: u32) -> io::Result<Option<&[u8]>> {
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
    answer.get(HEADER_BYTES..length).map(Some).ok_or_else(malformed)
}

/// The peer's inode in a unix_diag_msg and its attributes.
pub fn peer_in(message: &[u8]) -> Option<u64> {
    let at = attribute(message, UNIX_MESSAGE_BYTES, UNIX_DIAG_PEER)?;
    u32_at(message, at).map(u64::from).filter(|inode| *inode != 0)
}

/// Where the value of the first attribute of this kind begins; attributes begin at `at`.
fn attribute(message: &[u8], mut at: usize, wanted: u16) -> Option<usize> {
    while let (Some(length), Some(kind)) = (u16_at(message, at), u16_at(message, at + 2)) {
        if kind == wanted {
            return Some(at + 4);
        }
        // Attributes are padded to four bytes; one shorter than its own head would never end.
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    None
}

/// An inet_diag_msg; it must be about the connection that was asked for. `None` where the socket is not connected: one that
/// only asks to be may have the addresses of another that is, where that one is bound to a device.
///
/// # Errors
/// An answer that is cut or about another connection.
pub fn tcp_in(message: &[u8], local: SocketAddr, remote: SocketAddr) -> io::Result<Option<TcpSocket>> {
    let cgroup = attribute(message, INET_MESSAGE_BYTES, INET_DIAG_CGROUP_ID).and_then(|at| u64_at(message, at));
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
    if !message.get(1).is_some_and(|state| CONNECTED.contains(state)) {
        return Ok(None);
    }
    let number = |at| u32_at(message, at).ok_or_else(malformed);
    let cookie = Cookie([number(44)?, number(48)?]);
    Ok(Some(TcpSocket { cookie, uid: Uid(number(64)?), inode: u64::from(number(68)?), cgroup }))
}

fn malformed() -> io::Error {
    io::Error::other("sock_diag gave an answer that cannot be read")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_or_anothers_is_an_error() {
        for length in 0..HEADER_BYTES {
            assert!(message_in(&vec![0; length], 0).is_err());
        }
        let local: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        assert!(tcp_in(&[0; INET_MESSAGE_BYTES], local, local).is_err());
        assert!(tcp_in(&[0; 8], local, local).is_err());
    }

    #[test]
    fn a_cgroup_is_read_behind_the_message_and_a_cut_one_is_none() {
        let (local, remote): (SocketAddr, SocketAddr) =
            ("127.0.0.1:1".parse().expect("an address"), "127.0.0.2:3".parse().expect("an address"));
        let mut message = vec![0; INET_MESSAGE_BYTES];
        message[1] = 1;
        message[4..8].copy_from_slice(&[0, 1, 0, 3]);
        message[8..24].copy_from_slice(&address(local.ip()));
        message[24..40].copy_from_slice(&address(remote.ip()));
        let cgroup = |message: &[u8]| tcp_in(message, local, remote).expect("an answer").expect("a socket").cgroup;
        assert_eq!(cgroup(&message), None);
        message.extend([5u16, 8].map(u16::to_ne_bytes).concat());
        message.extend([1, 0, 0, 0]);
        message.extend([12u16, INET_DIAG_CGROUP_ID].map(u16::to_ne_bytes).concat());
        message.extend(7u64.to_ne_bytes());
        assert_eq!(cgroup(&message), Some(7));
        message.pop();
        assert_eq!(cgroup(&message), None);
    }

    #[test]
    fn only_a_socket_that_is_connected_is_one() {
        let (local, remote): (SocketAddr, SocketAddr) =
            ("127.0.0.1:1".parse().expect("an address"), "127.0.0.2:3".parse().expect("an address"));
        let mut message = [0; INET_MESSAGE_BYTES];
        message[4..8].copy_from_slice(&[0, 1, 0, 3]);
        message[8..24].copy_from_slice(&address(local.ip()));
        message[24..40].copy_from_slice(&address(remote.ip()));
        let mut connected = |state| {
            message[1] = state;
            tcp_in(&message, local, remote).expect("an answer").is_some()
        };
        assert_eq!((0..=255).filter(|state| connected(*state)).collect::<Vec<u8>>(), [1, 4, 5, 8, 9, 11]);
    }
}
