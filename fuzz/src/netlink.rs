//! sock_diag's answers: what is said of a socket stands in the answer, and an answer about another connection is refused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sentinel::sys::netlink::answer::{message_in, peer_in, tcp_in};

use super::choices::Choices;

/// See the module.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    // Often the right number, which the answer has at its eighth byte.
    let right = choices.below(4) > 0;
    let answer = choices.0;
    let numbered = answer.get(8..12).and_then(|number| number.try_into().ok()).map_or(0, u32::from_ne_bytes);
    let sequence = if right { numbered } else { numbered.wrapping_add(1) };
    if let Ok(Some(message)) = message_in(answer, sequence) {
        assert!(right);
        assert_eq!(answer.get(16..16 + message.len()), Some(message));
        about(message);
    }
    about(answer);
}

fn about(message: &[u8]) {
    if let Some(inode) = peer_in(message) {
        let inode = u32::try_from(inode).expect("four bytes").to_ne_bytes();
        assert!(message.windows(8).any(|attribute| attribute[2..4] == 2_u16.to_ne_bytes() && attribute[4..] == inode));
    }
    let Some(named) = message.get(4..40) else { return };
    let port = |at: usize| u16::from_be_bytes([named[at], named[at + 1]]);
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(named[at], named[at + 1], named[at + 2], named[at + 3]));
    let (local, remote) = (SocketAddr::new(address(4), port(0)), SocketAddr::new(address(20), port(2)));
    if let Ok(Some(socket)) = tcp_in(message, local, remote) {
        // Neither one that only asks to be connected (2), nor one that has been (6, 7).
        assert!(![2, 3, 6, 7].contains(&message[1]));
        assert_eq!(message[64..68], socket.uid.0.to_ne_bytes());
        assert_eq!(message[68..72], u32::try_from(socket.inode).expect("four bytes").to_ne_bytes());
        let elsewhere = SocketAddr::new(remote.ip(), remote.port().wrapping_add(1));
        assert!(tcp_in(message, local, elsewhere).is_err());
    }
}
