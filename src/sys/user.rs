//! User and group ids.

use std::fmt;

/// A user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u32);

/// A group id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gid(pub u32);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// This process's effective group id (getegid(2)).
pub fn effective_gid() -> Gid {
    // SAFETY: getegid takes no argument, touches no memory of ours and is documented never to fail.
    Gid(unsafe { libc::getegid() })
}

/// This process's effective user id (geteuid(2)).
pub fn effective_uid() -> Uid {
    // SAFETY: geteuid takes no argument, touches no memory of ours and is documented never to fail.
    Uid(unsafe { libc::geteuid() })
}
