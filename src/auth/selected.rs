//! Callers of a service: whoever an entry selects, whatever tree they are of.

use std::sync::Arc;

use super::Refusal;
use super::attested::Attested;
use super::roster::Roster;
use crate::peer::{FarEnd, Kernel, Overflow, Peer, Unattested, unix};
use crate::stream::Stream;
use crate::sys::user::Uid;

/// Whom a service serves.
pub(super) struct Selected {
    /// `None`: over a Unix socket, callers are known by uid and gid alone.
    pub(super) kernel: Option<Kernel>,
    pub(super) naming: Naming,
    pub(super) overflow: Overflow,
    pub(super) roster: Arc<Roster>,
    pub(super) wants_token: bool,
}

/// What a service knows its callers by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Over a Unix socket the process, over TCP the socket and, where that is asked for, the process that holds it.
    Process,
    /// The uid, and over a Unix socket the gid: for processes of another pid namespace.
    Uid,
}

impl Selected {
    pub(super) fn attest(&self, stream: &Stream) -> Result<Attested, Refusal> {
        match (stream, &self.kernel) {
            (Stream::Unix(stream), Some(kernel)) if self.naming == Naming::Process => {
                Ok(Attested::of_process(Peer::of_any_tree(stream, kernel)?))
            }
            (Stream::Unix(stream), _) if self.naming == Naming::Uid => {
                Ok(Attested::of_uid(unix::unambiguous_ids(stream, &self.overflow)?))
            }
            (Stream::Tcp(stream), Some(kernel)) => self.attest_end(FarEnd::of(stream, kernel)?),
            _ => Err(unnamed().into()),
        }
    }

    pub(super) fn attest_end(&self, end: FarEnd) -> Result<Attested, Refusal> {
        end.unambiguous(&self.overflow)?;
        match (&self.kernel, self.naming) {
            (Some(kernel), naming) => Ok(Attested::of_socket(end, kernel, naming == Naming::Process)),
            (None, _) => Err(unnamed().into()),
        }
    }
}

/// What a session token of a service is for: this uid, and this profile.
pub(super) fn subject(uid: Uid, profile: &str) -> Vec<u8> {
    [&uid.0.to_be_bytes(), profile.as_bytes()].concat()
}

/// Only Unix sockets are served where the kernel cannot name peers.
pub(super) fn unnamed() -> Unattested {
    Unattested::Unreadable("no process authentication".to_owned())
}
