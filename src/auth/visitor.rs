//! Who is on the other ends of connections, before they have asked for anything.

use std::sync::Arc;

use super::Refusal;
use super::attested::{Attested, is_inside};
use super::selected::Selected;
use crate::peer::{Arrivals, FarEnd, Kernel, Tree, Unattested};
use crate::sys::process::Pid;
use crate::sys::socket::Writer;
use crate::sys::user::Uid;

/// The process on the other end of one connection, attested once; rechecked at every request.
pub struct Visitor {
    pub(super) attested: Result<Arc<Attested>, Refusal>,
    /// Whether it could be served at all.
    pub(super) inside: bool,
}

/// Who is on the other ends of TCP connections that have come together.
pub struct Visitors<'a> {
    pub(super) arrivals: Result<Arrived<'a>, Refusal>,
}

pub(super) enum Arrived<'a> {
    /// They were looked for in the tree.
    OfTree(Arrivals<'a>, &'a Kernel, &'a Tree),
    /// They are known by their sockets.
    Sockets(Vec<FarEnd>, &'a Selected),
}

impl Visitors<'_> {
    /// Whose the connection with this number seems to be: good for counting, and for nothing else. `None`: a stranger's.
    pub fn seen(&self, number: usize) -> Option<i32> {
        match self.arrivals.as_ref().ok()? {
            Arrived::OfTree(arrivals, ..) => arrivals.seen(number).map(Pid::as_raw),
            Arrived::Sockets(..) => None,
        }
    }

    /// Whether processes were told apart.
    pub fn are_told_apart(&self) -> bool {
        !matches!(self.arrivals, Ok(Arrived::Sockets(..)))
    }

    /// Attests the peer of the connection with this number.
    pub fn visitor(&self, number: usize) -> Visitor {
        let attested = match &self.arrivals {
            Ok(Arrived::OfTree(arrivals, kernel, tree)) => arrivals
                .peer(number)
                .map_err(Refusal::from)
                .and_then(|peer| Attested::of_tree(peer, kernel, tree))
                .map(|attested| (is_inside(&attested), attested)),
            // Whose uid no entry could match was dropped. The rest is asked once there is a request.
            Ok(Arrived::Sockets(ends, selected)) => ends
                .get(number)
                .ok_or(Unattested::Gone.into())
                .and_then(|end| selected.attest_end(*end))
                .map(|a| (true, a)),
            Err(refusal) => Err(refusal.clone()),
        };
        match attested {
            Ok((inside, attested)) => Visitor { attested: Ok(Arc::new(attested)), inside },
            Err(refusal) => Visitor { attested: Err(refusal), inside: false },
        }
    }
}

impl Visitor {
    /// Whether the next request on this connection could be authenticated at all: not for a peer whose change of program
    /// would not be seen.
    pub fn may_ask_again(&self) -> bool {
        self.attested.as_ref().is_ok_and(|attested| attested.program_is_watched())
    }

    /// Whether the peer could be served at all, given a token: a stranger's connection is the first to make room.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// The pid that connected; `None` where it was not established, 0 where nobody had to know it.
    pub fn pid(&self) -> Option<i32> {
        self.attested.as_ref().ok().map(|attested| attested.summary().pid)
    }

    /// The uid that connected, where it was established.
    pub fn uid(&self) -> Option<Uid> {
        self.attested.as_ref().ok().map(|attested| attested.uid)
    }

    /// Whether this writer is who connected. Where only the uid is known, one of that uid.
    pub fn wrote(&self, writer: Option<Writer>) -> bool {
        writer
            .is_some_and(|writer| Some(writer.pid) == self.pid() && (writer.pid != 0 || Some(writer.uid) == self.uid()))
    }

    /// For the operator: `pid 7`, `a process of uid 1001`.
    pub fn name(&self) -> String {
        match (self.pid(), self.uid()) {
            (Some(0), Some(uid)) => format!("a process of uid {uid}"),
            (Some(pid), _) => format!("pid {pid}"),
            _ => "a process".to_owned(),
        }
    }
}
