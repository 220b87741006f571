//! macOS has no sock_diag: nothing says which process holds a TCP connection in a way that can be asked about again.

use std::io;
use std::net::SocketAddr;

use super::absent;
use crate::sys::user::Uid;

/// A value that cannot be: there is no sock_diag.
#[derive(Debug)]
pub enum SockDiag {}

/// Never made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {}

/// What sock_diag would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "never made; see Linux's")]
pub struct TcpSocket {
    pub uid: Uid,
    pub inode: u64,
    pub cookie: Cookie,
    pub cgroup: Option<u64>,
}

impl SockDiag {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open() -> io::Result<Self> {
        Err(absent("macOS has no sock_diag"))
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn unix_peer_inode(&self, _: u64) -> io::Result<Option<u64>> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn tcp_socket(&self, _: SocketAddr, _: SocketAddr, _: Option<Cookie>) -> io::Result<Option<TcpSocket>> {
        match *self {}
    }
}
