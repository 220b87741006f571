//! macOS has no descriptor that names a process: nobody can be held.

use std::io;
use std::net::SocketAddr;

use super::absent;
use super::netlink::Cookie;
use crate::sys::process::Pid;
use crate::sys::user::{Gid, Uid};

/// A value that cannot be: there are no pidfds.
#[derive(Debug)]
pub enum PidFd {}

/// What a pidfd would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "never made; see Linux's")]
pub struct Info {
    pub pid: i32,
    pub parent: i32,
    pub uid: Uid,
    pub gid: Gid,
    pub cgroup: Option<u64>,
}

/// What a process would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "never made; see Linux's")]
pub struct HeldSocket {
    pub cookie: Cookie,
    pub multipath: Option<(SocketAddr, SocketAddr)>,
}

impl PidFd {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: Pid) -> io::Result<Self> {
        Err(absent("macOS has no pidfds"))
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn has_ended(&self) -> io::Result<bool> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn have_ended<const N: usize>(pidfds: [&Self; N]) -> io::Result<[bool; N]> {
        Ok(pidfds.map(|pidfd| match *pidfd {}))
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn info(&self) -> io::Result<Info> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn socket(&self, _: u32) -> io::Result<HeldSocket> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn inode(&self) -> io::Result<Option<u64>> {
        match *self {}
    }
}
