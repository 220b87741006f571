//! Does this peer hold a live token, inside the token's binding?
//!
//! Only [`Authenticator`] makes a [`Caller`] of a connection. The peer is attested before the token is looked up, and the
//! token is looked up whatever the attestation said, so that neither the answer nor its time tells which of them failed.
//! Session tokens, which anybody inside gets for the asking, are the exception: who is inside is told that one is missing.

mod attested;
mod authenticator;
mod registry;
mod roster;
mod session;
mod token;
mod watch;

use std::fmt;

pub use attested::PeerSummary;
pub use authenticator::{Authenticator, Caller, Invoker, Naming, Shown, Visitor, Visitors};
pub use registry::{Binding, Registered, Registry};
pub use roster::{Roster, Selector, Served};
pub use session::{Sessions, Ttl};
pub use token::Token;
pub use watch::Watched;

use crate::peer::Unattested;

/// Why a request was refused: for the operator. The caller gets one answer for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The peer could not be established, or is not any more what it was.
    Unattested(Unattested),
    /// The request's bytes were written by another process than the one that connected.
    PassedOn,
    /// Somebody changed the files that sentinel made for the tree.
    FilesChanged,
    /// No token.
    Missing,
    /// No token that was ever given out, or one that was revoked.
    Unknown,
    /// Another uid's token.
    WrongUid,
    /// Not a descendant of the warden.
    OutsideTree,
    /// The token belongs to another process of the tree.
    WrongProcess,
    /// No entry selects the caller.
    Unselected,
    /// Inside, and without a session token that lives. Told apart from the others, because nothing was shown that may be known
    /// to insiders alone.
    NoSession,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unattested(why) => why.fmt(f),
            Self::PassedOn => f.write_str("the request was written by another process than the one that connected"),
            Self::FilesChanged => f.write_str(
                "another process changed the files that sentinel made for the command: no new connection is served",
            ),
            Self::Missing => f.write_str("no token"),
            Self::Unknown => f.write_str("unknown or revoked token"),
            Self::WrongUid => f.write_str("the token of another uid"),
            Self::OutsideTree => f.write_str("not a descendant of the command that sentinel started"),
            Self::WrongProcess => f.write_str("the token is bound to another process of the tree"),
            Self::Unselected => f.write_str("no --allow and no --map selects it"),
            Self::NoSession => f.write_str("no live session token"),
        }
    }
}

impl From<Unattested> for Refusal {
    fn from(why: Unattested) -> Self {
        Self::Unattested(why)
    }
}
