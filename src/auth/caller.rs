//! Proof that a request was authenticated, which [`super::Authenticator`] alone makes.

use std::sync::Arc;

use super::attested::{Attested, PeerSummary};
use super::registry::Entry;
use super::roster::Served;
use crate::peer::{Program, Programs};
use crate::sys::user::effective_uid;

/// Proof that a request was authenticated: this peer held this token, inside its binding; or an entry of a service selects it.
pub struct Caller {
    pub(super) who: Who,
}

pub(super) enum Who {
    Peer {
        attested: Arc<Attested>,
        programs: Option<Arc<Programs>>,
        /// The token's; `None` where none was asked for.
        entry: Option<Arc<Entry>>,
        /// The profile that the caller's selector leads to.
        profile: Option<Arc<str>>,
        /// Those among which that was: all may be replaced while the request is answered.
        entries: Option<Arc<[Served]>>,
    },
    Invoker,
}

/// What a request shows to be let in.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// A token that was given out beforehand; `None` where the request has no Authorization.
    Token(Option<&'a [u8]>),
    /// A session token, which the same caller or another inside was given on request; `None` where the request has none.
    Session(Option<&'a [u8]>),
    /// Nothing: whoever is inside may ask this.
    Nothing,
}

/// This process's own user: who runs `exec` without a server, or `credentials`. There is no peer to be authenticated.
pub struct Invoker;

impl Caller {
    /// The caller for work that this process's own user asked for.
    pub fn invoker(_: Invoker) -> Self {
        Self { who: Who::Invoker }
    }

    /// The peer, where there is one.
    pub fn peer(&self) -> Option<&PeerSummary> {
        match &self.who {
            Who::Peer { attested, .. } => Some(attested.summary()),
            Who::Invoker => None,
        }
    }

    /// The profile that the caller's selector leads to; `None` where there is one for all.
    pub fn profile(&self) -> Option<&Arc<str>> {
        match &self.who {
            Who::Peer { profile, .. } => profile.as_ref(),
            Who::Invoker => None,
        }
    }

    /// The effective uid of whoever asks.
    pub fn uid(&self) -> u32 {
        match &self.who {
            Who::Peer { attested, .. } => attested.uid.0,
            Who::Invoker => effective_uid().0,
        }
    }

    /// The program that asks: attested when this is asked for the first time on a connection, which may mean that all of
    /// its file is read.
    ///
    /// # Errors
    /// Why it is not known, as a clause for people.
    pub fn program(&self) -> Result<&Program, &str> {
        let Who::Peer { attested, programs, .. } = &self.who else {
            return Err("no process of a tree asked; a server that is started with --lazy waits for one");
        };
        attested.program(programs.as_deref())
    }

    /// Whether the token has not been revoked since.
    pub(super) fn is_live(&self) -> bool {
        match &self.who {
            Who::Peer { entry, .. } => entry.as_ref().is_none_or(|entry| entry.is_live()),
            Who::Invoker => true,
        }
    }
}
