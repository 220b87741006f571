//! A connection, over a Unix socket or loopback TCP: what both can do.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::sys::socket;

/// An accepted connection.
#[derive(Debug)]
pub enum Stream {
    /// Over a Unix socket: the kernel names who connected, and who wrote each byte.
    Unix(UnixStream),
    /// Over loopback TCP: the kernel names the socket on the other end, and we look for who holds it.
    Tcp(TcpStream),
}

/// Who wrote the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This process; `None` where the kernel named none.
    Named(Option<socket::Writer>),
    /// TCP names no writers.
    NeverNamed,
}

impl Stream {
    /// Ends reading and writing, also for a thread that waits for either.
    ///
    /// # Errors
    /// The peer is gone already.
    pub fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        }
    }

    /// The TCP connection, if it is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(stream) => Some(stream),
        }
    }

    /// How long a read waits; `None` is for ever.
    ///
    /// # Errors
    /// A time of zero, or the kernel's refusal.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(timeout),
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// How long a write waits.
    ///
    /// # Errors
    /// A time of zero, or the kernel's refusal.
    pub fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }

    /// Reads what has come, and who wrote it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<(usize, Writer)> {
        match self {
            Self::Unix(stream) => {
                socket::read_with_writer(stream.as_fd(), buffer).map(|(read, writer)| (read, Writer::Named(writer)))
            }
            Self::Tcp(stream) => (&mut &*stream).read(buffer).map(|read| (read, Writer::NeverNamed)),
        }
    }

    /// Writes several buffers with one call, as far as the kernel takes them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => (&mut &*stream).write_vectored(parts),
            Self::Tcp(stream) => (&mut &*stream).write_vectored(parts),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}
