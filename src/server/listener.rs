//! Where connections come in: a Unix socket of ours, or a port on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};

use super::Listening;
use crate::error::{Error, Result};
use crate::stream::Stream;
use crate::sys::socket::set_backlog;

/// Connections that may wait for accept on a port; the kernel cuts it to net.core.somaxconn, which has the same default. More
/// than a flood has, because who comes to a full queue is heard a second later.
const BACKLOG: i32 = 4096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket and the files that belong to it.
    Unix(Listening),
    /// A port on a loopback address.
    Tcp(TcpListener),
}

impl Listener {
    /// Binds a port on 127.0.0.1, never another address; 0 leaves the choice to the kernel.
    ///
    /// # Errors
    /// The port is taken, or not ours to bind.
    pub fn loopback(port: u16) -> Result<Self> {
        let hint = "give another port with --server-port, or leave it out";
        Self::tcp((Ipv4Addr::LOCALHOST, port).into()).map_err(|error| error.hint(hint))
    }

    /// Binds an address, which the caller has judged.
    ///
    /// # Errors
    /// It is taken, or not ours to bind.
    pub fn tcp(address: SocketAddr) -> Result<Self> {
        let bound = TcpListener::bind(address);
        let bound = bound.and_then(|listener| set_backlog(listener.as_fd(), BACKLOG).map(|()| listener));
        bound.map(Self::Tcp).map_err(|error| Error::new(format!("cannot listen on {address}")).because(error))
    }

    /// A port that somebody else bound, judged by [`super::activation`].
    pub(super) fn handed_over(listener: TcpListener) -> Result<Self> {
        set_backlog(listener.as_fd(), BACKLOG)
            .map_err(|error| Error::new("cannot serve on the port that was handed over").because(error))?;
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
            Self::Unix(listening) => listening.listener().accept().map(|(stream, _)| Stream::Unix(stream)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
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

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listening) => listening.listener().as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}
