//! Which process is on the other end of a connection.
//!
//! A [`Peer`] can only be made from a socket. Invariants: its process is held by a handle that a recycled pid cannot
//! satisfy; its uid at connect was its uid when the peer was made; what cannot be established is a refusal, never a guess.

pub mod cgroup;
mod descriptor;
mod holder;
mod identity;
pub mod kernel;
pub mod process;
mod program;
mod running;
pub mod tcp;
pub mod text;
pub mod tree;
pub mod unix;

use std::fmt;

pub use cgroup::Cgroup;
pub use identity::{Arrivals, Peer};
pub use kernel::{Kernel, Overflow};
pub use process::Process;
pub use program::{Program, Programs};
pub use tcp::FarEnd;
pub use tree::Tree;

use crate::sys::process::Pid;
use crate::sys::user::Uid;

/// Why a peer could not be established. For the operator; a refused caller is told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unattested {
    /// The process has ended, or has given its number to another.
    Gone,
    /// Namespaces make the identity ambiguous: pid 0, or an id that the map does not hold.
    Ambiguous(&'static str),
    /// The process changed its uid after it connected.
    UidChanged,
    /// The process changed its gid after it connected.
    GidChanged,
    /// No process of the uid that made the connection was found to hold it.
    NotFound(Uid),
    /// Processes that run different programs hold the connection.
    Shared,
    /// The process that connect(2) named does not hold the other end of the connection.
    NotTheHolder,
    /// No process of the tree was found to hold the connection; `hidden` is one that could not be looked into.
    NotInTree {
        /// It is not dumpable, or runs as another user.
        hidden: Option<Pid>,
    },
    /// The process runs another program than the one that connected.
    ProgramChanged,
    /// The tree's root has ended.
    TreeEnded,
    /// The ancestry kept changing while it was walked.
    Unsettled,
    /// The kernel would not say, with its reason.
    Unreadable(String),
}

impl Unattested {
    /// A uid or gid that may be anybody's.
    const FOREIGN_ID: Self = Self::Ambiguous("an id outside of this user namespace's map");
}

impl fmt::Display for Unattested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the process has ended"),
            Self::Ambiguous(what) => write!(f, "ambiguous identity: {what}"),
            Self::UidChanged => f.write_str("the process changed its uid after it connected"),
            Self::GidChanged => f.write_str("the process changed its gid after it connected"),
            Self::NotFound(uid) => {
                write!(f, "no process of uid {uid} that can be looked into holds the connection")
            }
            Self::Shared => f.write_str("processes that run different programs hold the connection"),
            Self::NotTheHolder => f.write_str("the process that connected does not hold the connection"),
            Self::NotInTree { hidden: None } => f.write_str("no process of the tree holds the connection"),
            Self::NotInTree { hidden: Some(pid) } => write!(
                f,
                "no process of the tree that can be looked into holds the connection; pid {pid} cannot: it is not dumpable or \
                 runs as another user"
            ),
            Self::ProgramChanged => f.write_str("the process executed another program on an open connection"),
            Self::TreeEnded => f.write_str("the command's tree has ended"),
            Self::Unsettled => f.write_str("the process's ancestry kept changing"),
            Self::Unreadable(why) => write!(f, "the kernel would not say who it is: {why}"),
        }
    }
}

impl From<std::io::Error> for Unattested {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            // ESRCH from /proc and pidfds, ENOENT from /proc/PID, EINVAL from SO_PEERPIDFD: the process has been reaped.
            Some(libc::ESRCH | libc::ENOENT | libc::EINVAL) => Self::Gone,
            _ => Self::Unreadable(error.to_string()),
        }
    }
}
