//! Where connections come in: a Unix socket of ours, or a port on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};

use super::Listening;
use crate::error::{Error, Result};
use crate::stream::Stream;
use crate::sys::interface::loopback_addresses;
use crate::sys::socket::set_backlog;

/// Connections that may wait for accept on a port; the kernel cuts it to net.core.somaxconn, which has the same default. More
/// than a flood has, because who comes to a full queue is heard a second later.
const BACKLOG: i32 = 4096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket and the files that belong to it.
    Unix(Listening),
    /// A port on 127.0.0.1, or on another address of the loopback interface.
    Tcp(TcpListener),
}

impl Listener {
    /// Binds a port on 127.0.0.1, never another address; 0 leaves the choice to the kernel.
    ///
    /// # Errors
    /// The port is taken, or not ours to bind.
    pub fn loopback(port: u16) -> Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, port).into(), None)
            .map_err(|error| error.hint("give another port with --server-port, or leave it out"))
    }

    /// Binds an address that is on the loopback interface; what goes out lives so many hops. Linux takes what comes
    /// for such an address from other interfaces as well: a neighbour gets no answer because the other end of each
    /// connection is looked for in this namespace. Port 0 leaves the choice to the kernel.
    ///
    /// # Errors
    /// The address is not there, or the port is taken or not ours to bind.
    pub fn metadata(address: SocketAddrV4, hop_limit: u8) -> Result<Self> {
        require_loopback(*address.ip())?;
        Self::bind(address.into(), Some(hop_limit)).map_err(|error| match address.port() {
            1..1024 => error.hint(
                "ports below 1024 take CAP_NET_BIND_SERVICE, unless net.ipv4.ip_unprivileged_port_start says less",
            ),
            _ => error.hint("give another port, or leave it out"),
        })
    }

    /// Binds an address, which the caller has judged.
    ///
    /// # Errors
    /// It is taken, or not ours to bind.
    pub fn tcp(address: SocketAddr) -> Result<Self> {
        Self::bind(address, None)
    }

    fn bind(address: SocketAddr, hop_limit: Option<u8>) -> Result<Self> {
        let bound = TcpListener::bind(address).and_then(|listener| {
            // Accepted connections inherit it.
            hop_limit.map_or(Ok(()), |hops| listener.set_ttl(hops.into()))?;
            set_backlog(listener.as_fd(), BACKLOG).map(|()| listener)
        });
        bound.map(Self::Tcp).map_err(|error| Error::new(format!("cannot listen on {address}")).because(error))
    }

    /// A port that somebody else bound, judged by [`super::activation`].
    pub(super) fn handed_over(listener: TcpListener, address: SocketAddr, hop_limit: Option<u8>) -> Result<Self> {
        hop_limit
            .map_or(Ok(()), |hops| listener.set_ttl(hops.into()))
            .and_then(|()| set_backlog(listener.as_fd(), BACKLOG))
            .map_err(|error| Error::new(format!("cannot serve on {address}, which was handed over")).because(error))?;
        Ok(Self::Tcp(listener))
    }

    /// The address, of a port.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// The kernel's.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listening) => {
                let (stream, _) = listening.listener().accept()?;
                // macOS hands down what the listener has.
                stream.set_nonblocking(false)?;
                Ok(Stream::Unix(stream))
            }
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                // An answer is one write: waiting for more to send with it would only delay it.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Unix(listening) => listening.listener().set_nonblocking(true),
            Self::Tcp(listener) => listener.set_nonblocking(true),
        }
    }
}

/// Refuses what is not an address of the loopback interface.
pub(super) fn require_loopback(ip: Ipv4Addr) -> Result<()> {
    let on_loopback = ip.is_loopback()
        || loopback_addresses()
            .map_err(|error| Error::new("cannot list the addresses of the loopback interface").because(error))?
            .contains(&ip);
    if on_loopback {
        return Ok(());
    }
    let hint = if ip.is_unspecified() {
        "name one address of it".to_owned()
    } else {
        format!("add it there, as root: ip address add {ip}/32 dev lo")
    };
    Err(Error::new(format!("{ip} is not an address of the loopback interface, and no other is served")).hint(hint))
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listening) => listening.listener().as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_live_as_many_hops_as_was_said() {
        let listener = Listener::metadata(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), 3).expect("a port");
        let _client = TcpStream::connect(listener.address().expect("an address")).expect("connected");
        let Stream::Tcp(accepted) = listener.accept().expect("accepted") else { panic!("a port") };
        assert_eq!(accepted.ttl().expect("IP_TTL"), 3);
    }

    #[test]
    fn what_is_not_on_loopback_is_not_bound() {
        let refused = |ip: &str, hint: &str| {
            let error = Listener::metadata(SocketAddrV4::new(ip.parse().expect("an address"), 0), 1);
            let said = format!("{ip} is not an address of the loopback interface, and no other is served\n  {hint}");
            assert_eq!(error.expect_err("refused").to_string(), said);
        };
        refused("192.0.2.1", "add it there, as root: ip address add 192.0.2.1/32 dev lo");
        refused("0.0.0.0", "name one address of it");
    }
}
