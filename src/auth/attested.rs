//! What is known of the process on the other end of one connection.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Refusal;
use super::roster::Facts;
use crate::peer::{FarEnd, Kernel, Peer, Program, Programs, Tree, Unattested};
use crate::sys::socket::PeerCredentials;
use crate::sys::user::{Gid, Uid};

/// What the log says of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSummary {
    /// Its pid, 0 where this kernel does not say.
    pub pid: i32,
    /// Its effective uid.
    pub uid: Uid,
    /// Its effective gid; `None` where nobody had to know which process it is.
    pub gid: Option<Gid>,
    /// The program that it runs, in its own mount namespace: to be shown, not to be trusted.
    pub executable: Option<PathBuf>,
}

/// Shared with the callers of every request.
pub(super) struct Attested {
    pub(super) uid: Uid,
    summary: PeerSummary,
    pub(super) named: Named,
    /// The program, once somebody has asked; a peer that changes it is refused, so it is asked for once.
    program: OnceLock<Result<Program, String>>,
}

/// What its identity rests on.
pub(super) enum Named {
    /// Its uid and gid alone, as they were when it connected.
    Uid,
    /// The process, which is of the tree or not.
    OfTree { peer: Peer, in_tree: bool },
    /// The process, whatever tree it is of.
    Process(Peer),
    /// The TCP socket that it holds, whose uid and cgroup the kernel tells. The process is looked for once somebody asks: a
    /// connection that asks for nothing costs no look through /proc.
    Socket { end: FarEnd, kernel: Kernel, holder: OnceLock<Result<Box<Holder>, Unattested>> },
}

pub(super) struct Holder {
    peer: Peer,
    summary: PeerSummary,
}

impl PeerSummary {
    fn of(peer: &Peer) -> Self {
        Self {
            pid: peer.process().pid().as_raw(),
            uid: peer.uid(),
            gid: Some(peer.gid()),
            executable: peer.executable().cloned(),
        }
    }
}

impl Attested {
    pub(super) fn of_tree(peer: Peer, kernel: &Kernel, tree: &Tree) -> Result<Self, Refusal> {
        // For as long as this connection: who is in the tree stays there (but see peer::tree), and what is outside never gets in.
        let in_tree = peer.is_in(tree, kernel)?;
        Ok(Self::new(PeerSummary::of(&peer), Named::OfTree { peer, in_tree }))
    }

    pub(super) fn of_process(peer: Peer) -> Self {
        Self::new(PeerSummary::of(&peer), Named::Process(peer))
    }

    /// With `searched`, who holds it is looked for where that is asked.
    pub(super) fn of_socket(end: FarEnd, kernel: &Kernel, searched: bool) -> Self {
        let holder = if searched { OnceLock::new() } else { OnceLock::from(Err(Unattested::NotFound(end.uid()))) };
        let summary = PeerSummary { pid: 0, uid: end.uid(), gid: None, executable: None };
        Self::new(summary, Named::Socket { end, kernel: kernel.clone(), holder })
    }

    pub(super) fn of_uid(noted: PeerCredentials) -> Self {
        let summary = PeerSummary { pid: noted.pid, uid: noted.uid, gid: Some(noted.gid), executable: None };
        Self::new(summary, Named::Uid)
    }

    fn new(summary: PeerSummary, named: Named) -> Self {
        Self { uid: summary.uid, summary, named, program: OnceLock::new() }
    }

    pub(super) fn summary(&self) -> &PeerSummary {
        match &self.named {
            Named::Socket { holder, .. } => match holder.get() {
                Some(Ok(holder)) => &holder.summary,
                _ => &self.summary,
            },
            _ => &self.summary,
        }
    }

    /// Whether all that was established without a tree still holds.
    pub(super) fn recheck(&self, kernel: &Kernel) -> Result<(), Unattested> {
        match &self.named {
            Named::Process(peer) => peer.recheck_alone(kernel),
            Named::Socket { end, holder, .. } => {
                end.recheck(kernel)?;
                match holder.get() {
                    Some(Ok(holder)) => holder.peer.recheck_alone(kernel),
                    _ => Ok(()),
                }
            }
            Named::Uid | Named::OfTree { .. } => Ok(()),
        }
    }

    /// Whether a change of program would be seen, where one counts.
    pub(super) fn program_is_watched(&self) -> bool {
        match &self.named {
            Named::Uid => true,
            Named::OfTree { peer, .. } => peer.program_is_watched(),
            // Where it would not be seen the program is not known to anybody: nothing rests on it.
            Named::Process(_) | Named::Socket { .. } => true,
        }
    }

    /// The process.
    fn peer(&self) -> Result<&Peer, String> {
        match &self.named {
            Named::Uid => Err("callers are known by their uid alone".to_owned()),
            Named::OfTree { peer, .. } | Named::Process(peer) => Ok(peer),
            Named::Socket { end, kernel, holder } => {
                let find = || {
                    let peer = Peer::holding(end, kernel)?;
                    Ok(Box::new(Holder { summary: PeerSummary::of(&peer), peer }))
                };
                holder.get_or_init(find).as_ref().map(|holder| &holder.peer).map_err(Unattested::to_string)
            }
        }
    }

    /// The program that it runs: may mean that all of its file is read.
    pub(super) fn program(&self, programs: Option<&Programs>) -> Result<&Program, &str> {
        let attest = || match programs {
            Some(programs) => programs.of(self.peer()?),
            None => Err("this kernel cannot name processes".to_owned()),
        };
        self.program.get_or_init(attest).as_ref().map_err(String::as_str)
    }
}

/// Whether the peer of a tree's server is in the tree, as far as that is asked.
pub(super) fn is_inside(attested: &Attested) -> bool {
    !matches!(attested.named, Named::OfTree { in_tree: false, .. })
}

/// What selectors ask of a caller.
pub(super) struct Asked<'a> {
    pub(super) attested: &'a Attested,
    pub(super) programs: Option<&'a Programs>,
    pub(super) kernel: Option<&'a Kernel>,
}

impl Facts for Asked<'_> {
    fn uid(&self) -> Uid {
        self.attested.uid
    }

    fn gid(&self) -> Option<Gid> {
        match &self.attested.named {
            Named::Uid => self.attested.summary.gid,
            _ => self.attested.peer().ok().map(Peer::gid),
        }
    }

    fn path(&self) -> Option<&Path> {
        self.attested.peer().ok()?.executable().map(PathBuf::as_path)
    }

    fn program(&self) -> Option<&Program> {
        self.attested.program(self.programs).ok()
    }

    fn cgroup(&self) -> Option<u64> {
        match &self.attested.named {
            Named::Socket { end, .. } => end.cgroup(),
            Named::Process(peer) => peer.process().cgroup(self.kernel?).ok(),
            Named::Uid | Named::OfTree { .. } => None,
        }
    }
}
