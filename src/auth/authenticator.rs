//! From a connection and a token to a [`Caller`].

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::Refusal;
use super::attested::{Asked, Attested, Named, PeerSummary};
use super::registry::{Entry, Registered, Registry, Rule};
use super::roster::Roster;
use super::session::{Sessions, Ttl};
use super::watch::Watched;
use crate::clock::Clock;
use crate::peer::{Arrivals, FarEnd, Kernel, Overflow, Peer, Process, Program, Programs, Tree, Unattested, unix};
use crate::secret::Secret;
use crate::stream::Stream;
use crate::sys::process::Pid;
use crate::sys::socket::{PeerCredentials, Writer};
use crate::sys::user::{Gid, Uid, effective_uid};

/// How old a judgement may be when its answer is written. What changes in less is not told from what changes while the
/// answer is on its way; reading credentials from the cache and writing a line of the log take less.
const MOMENT: Duration = Duration::from_millis(1);

/// Where every connection is judged.
pub struct Authenticator {
    registry: Registry,
    mode: Mode,
    /// Device and inode of this program: a peer that runs it is our own credentials helper.
    own_program: Option<(u64, u64)>,
    /// Where peers' programs are attested; `None` where peers cannot be named.
    programs: Option<Arc<Programs>>,
    /// What the tree trusts because sentinel made it.
    watched: Vec<Watched>,
    /// Where requests show session tokens: these, and the entry whose binding says who may have them, where no selector does.
    sessions: Option<(Sessions, Option<Arc<Entry>>)>,
}

/// What peers are held against: decided once, at start, never for one connection.
enum Mode {
    /// This kernel names peers; tokens are bound to this tree.
    Attested { kernel: Kernel, tree: Tree },
    /// This kernel cannot name peers and `--allow-fallback` was given: the uid is all there is.
    UidOnly { overflow: Overflow },
    /// A service: whoever an entry selects, whatever tree they are of.
    Selected(Selected),
}

struct Selected {
    /// `None`: over a Unix socket, callers are known by uid and gid alone.
    kernel: Option<Kernel>,
    naming: Naming,
    overflow: Overflow,
    roster: Arc<Roster>,
    wants_token: bool,
}

/// What a service knows its callers by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Over a Unix socket the process, over TCP the socket and, where that is asked for, the process that holds it.
    Process,
    /// The uid, and over a Unix socket the gid: for processes of another pid namespace.
    Uid,
}

/// The process on the other end of one connection, attested once; rechecked at every request.
pub struct Visitor {
    attested: Result<Arc<Attested>, Refusal>,
    /// Whether it could be served at all.
    inside: bool,
}

/// Who is on the other ends of TCP connections that have come together.
pub struct Visitors<'a> {
    arrivals: Result<Arrived<'a>, Refusal>,
}

enum Arrived<'a> {
    /// They were looked for in the tree.
    OfTree(Arrivals<'a>, &'a Kernel, &'a Tree),
    /// They are known by their sockets.
    Sockets(Vec<FarEnd>, &'a Selected),
}

/// Proof that a request was authenticated: this peer held this token, inside its binding.
pub struct Caller {
    who: Who,
}

enum Who {
    Peer {
        attested: Arc<Attested>,
        programs: Option<Arc<Programs>>,
        /// The token's; `None` where none was asked for.
        entry: Option<Arc<Entry>>,
        /// The profile that the caller's selector leads to.
        profile: Option<Arc<str>>,
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

impl Authenticator {
    /// Holds peers against this tree.
    pub fn attested(kernel: Kernel, tree: Tree) -> Self {
        let (own_program, programs) = programs(&kernel);
        let mode = Mode::Attested { kernel, tree };
        Self { registry: Registry::default(), mode, own_program, programs, watched: Vec::new(), sessions: None }
    }

    /// Holds peers against their uid only.
    pub fn uid_only() -> Self {
        let mode = Mode::UidOnly { overflow: Overflow::here() };
        Self {
            registry: Registry::default(),
            mode,
            own_program: None,
            programs: None,
            watched: Vec::new(),
            sessions: None,
        }
    }

    /// Serves whom the roster selects. With `wants_token`, if they hold a live token as well.
    pub fn selecting(kernel: Option<Kernel>, naming: Naming, roster: Arc<Roster>, wants_token: bool) -> Self {
        let (own_program, programs) = kernel.as_ref().map_or((None, None), programs);
        let mode = Mode::Selected(Selected { kernel, naming, overflow: Overflow::here(), roster, wants_token });
        Self { registry: Registry::default(), mode, own_program, programs, watched: Vec::new(), sessions: None }
    }

    /// Serves nobody who connects once one of these has changed.
    #[must_use]
    pub fn watching(mut self, files: Vec<Watched>) -> Self {
        self.watched = files;
        self
    }

    /// Gives session tokens to whoever is inside the binding of this token, which nobody is told; without one, to whom a selector
    /// names, each for its uid and profile.
    ///
    /// # Errors
    /// The kernel gave no random bytes, or no memory.
    pub fn with_sessions(mut self, registered: Option<&Registered>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        self.sessions = Some((Sessions::new(clock)?, registered.map(|registered| Arc::clone(&registered.0))));
        Ok(self)
    }

    /// A session token for this caller, and for whoever else is inside the same binding.
    ///
    /// # Errors
    /// The kernel gave no memory; or there are no sessions here.
    pub fn session_token(&self, caller: &Caller, ttl: Ttl) -> io::Result<Secret> {
        match (&self.sessions, &caller.who) {
            (Some((sessions, _)), Who::Peer { attested, profile: Some(profile), .. }) => {
                sessions.token(&subject(attested.uid, profile), ttl)
            }
            (Some((sessions, _)), Who::Peer { entry: Some(entry), .. }) => sessions.token(entry.subject(), ttl),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The tokens.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Ends a token.
    pub fn revoke(&self, registered: &Registered) {
        self.registry.revoke(registered);
    }

    /// Who connected to a Unix socket: enough to drop another user's connection at once.
    ///
    /// # Errors
    /// The kernel would not say.
    pub fn who(&self, stream: &UnixStream) -> Result<PeerCredentials, Unattested> {
        Ok(unix::credentials(stream)?)
    }

    /// Whether somebody with this uid, and gid where that is known, could be served at all.
    pub fn may_serve(&self, uid: Uid, gid: Option<Gid>) -> bool {
        match &self.mode {
            Mode::Attested { .. } | Mode::UidOnly { .. } => uid == effective_uid(),
            Mode::Selected(selected) => selected.roster.may_match(uid, gid),
        }
    }

    /// Whether the process of somebody with this uid has to be looked for, over TCP.
    pub fn looks_for_processes_of(&self, uid: Uid) -> bool {
        matches!(&self.mode, Mode::Selected(selected) if selected.roster.needs_process_of(uid))
    }

    /// The socket on the other end of a TCP connection, of which a look through the tree tells whose it is.
    ///
    /// # Errors
    /// The kernel would not say.
    pub fn far_end(&self, stream: &TcpStream) -> Result<FarEnd, Unattested> {
        match &self.mode {
            Mode::Attested { kernel, .. } | Mode::Selected(Selected { kernel: Some(kernel), .. }) => {
                FarEnd::of(stream, kernel)
            }
            // Without process authentication a loopback port would be open to every process of the host.
            Mode::UidOnly { .. } | Mode::Selected(_) => Err(unnamed()),
        }
    }

    /// Attests the peer of an accepted connection. What cannot be attested is kept, and refused at every request, so that
    /// it is answered as any other refusal.
    pub fn visitor(&self, stream: &Stream) -> Visitor {
        let attested = self.attest(stream).map(Arc::new);
        let inside = attested.as_ref().is_ok_and(|attested| match &self.mode {
            Mode::Selected(selected) => self.profile_for(selected, attested).is_some(),
            _ => is_inside(attested),
        });
        Visitor { attested, inside }
    }

    /// Looks, once through the tree, whose TCP connections these are that have come together.
    pub fn visitors(&self, ends: Vec<FarEnd>) -> Visitors<'_> {
        let arrivals = match (&self.mode, self.unchanged()) {
            (_, Err(refusal)) => Err(refusal),
            (Mode::Attested { kernel, tree }, Ok(())) => {
                Ok(Arrived::OfTree(Arrivals::of(ends, kernel, tree), kernel, tree))
            }
            (Mode::Selected(selected), Ok(())) => Ok(Arrived::Sockets(ends, selected)),
            (Mode::UidOnly { .. }, Ok(())) => Err(unnamed().into()),
        };
        Visitors { arrivals }
    }

    fn attest(&self, stream: &Stream) -> Result<Attested, Refusal> {
        self.unchanged()?;
        match &self.mode {
            Mode::UidOnly { overflow } => {
                let Stream::Unix(stream) = stream else { return Err(unnamed().into()) };
                let (noted, _) = unix::unambiguous(stream, overflow)?;
                Ok(Attested::of_uid(noted))
            }
            Mode::Attested { kernel, tree } => Attested::of_tree(Peer::of(stream, kernel, tree)?, kernel, tree),
            Mode::Selected(selected) => selected.attest(stream),
        }
    }

    /// A replaced file has its program run in a process that connects anew.
    fn unchanged(&self) -> Result<(), Refusal> {
        if self.watched.iter().all(Watched::is_unchanged) { Ok(()) } else { Err(Refusal::FilesChanged) }
    }

    /// Judges one request. `writers_agree`: all bytes of the request were written by the process that connected.
    ///
    /// # Errors
    /// The reason, for the operator's log. The order is fixed: the peer first, then the token.
    pub fn authenticate(&self, visitor: &Visitor, writers_agree: bool, shown: Shown<'_>) -> Result<Caller, Refusal> {
        let present = self.recheck(visitor, writers_agree);
        let (attested, entry, profile, has_session) = match &self.mode {
            Mode::Selected(selected) => self.select(selected, present, shown)?,
            _ => {
                let (entry, has_session) = self.look_up(shown);
                let (attested, entry) = (present?, entry?);
                if entry.uid != attested.uid {
                    return Err(Refusal::WrongUid);
                }
                self.inside(&entry, attested)?;
                (attested, Some(entry), None, has_session)
            }
        };
        // Last: only who is inside may learn what is wrong with a session token.
        if !has_session {
            return Err(Refusal::NoSession);
        }
        let (attested, programs) = (Arc::clone(attested), self.programs.clone());
        Ok(Caller { who: Who::Peer { attested, programs, entry, profile } })
    }

    /// Judges the caller of a service: who it is, which entry selects it, and what it shows.
    #[expect(clippy::type_complexity, reason = "what a caller is made of")]
    fn select<'a>(
        &self,
        selected: &Selected,
        present: Result<&'a Arc<Attested>, Refusal>,
        shown: Shown<'_>,
    ) -> Result<(&'a Arc<Attested>, Option<Arc<Entry>>, Option<Arc<str>>, bool), Refusal> {
        // Looked up whatever the attestation said.
        let known = match shown {
            Shown::Token(token) => self.registry.find(token.unwrap_or_default()).entry(),
            Shown::Session(_) | Shown::Nothing => None,
        };
        let attested = present?;
        let profile = self.profile_for(selected, attested).ok_or(Refusal::Unselected)?;
        let (entry, has_session) = match shown {
            Shown::Token(token) if selected.wants_token => {
                (Some(known.ok_or(if token.is_some() { Refusal::Unknown } else { Refusal::Missing })?), true)
            }
            // Over a Unix socket without a token file whatever is shown says nothing.
            Shown::Token(_) | Shown::Nothing => (None, true),
            Shown::Session(token) => {
                let sessions = self.sessions.as_ref().ok_or(Refusal::Missing)?;
                (None, sessions.0.is_live(&subject(attested.uid, &profile), token.unwrap_or_default()))
            }
        };
        Ok((attested, entry, Some(profile), has_session))
    }

    /// The profile of the first entry that selects this peer now.
    fn profile_for(&self, selected: &Selected, attested: &Attested) -> Option<Arc<str>> {
        let asked = Asked { attested, programs: self.programs.as_deref(), kernel: selected.kernel.as_ref() };
        selected.roster.profile_for(&asked)
    }

    /// The entry that the request is judged by, and whether it lacks no session token.
    fn look_up(&self, shown: Shown<'_>) -> (Result<Arc<Entry>, Refusal>, bool) {
        let session = match shown {
            Shown::Token(token) => {
                let missing = if token.is_some() { Refusal::Unknown } else { Refusal::Missing };
                return (self.registry.find(token.unwrap_or_default()).entry().ok_or(missing), true);
            }
            Shown::Session(token) => Some(token.unwrap_or_default()),
            Shown::Nothing => None,
        };
        let Some((sessions, Some(entry))) = &self.sessions else { return (Err(Refusal::Missing), false) };
        let has_session = session.is_none_or(|token| sessions.is_live(entry.subject(), token));
        let live = if entry.is_live() { Ok(Arc::clone(entry)) } else { Err(Refusal::Unknown) };
        (live, has_session)
    }

    fn recheck<'a>(&self, visitor: &'a Visitor, writers_agree: bool) -> Result<&'a Arc<Attested>, Refusal> {
        let attested = visitor.attested.as_ref().map_err(Refusal::clone)?;
        match (&self.mode, &attested.named) {
            (Mode::Attested { kernel, tree }, Named::OfTree { peer, .. }) => peer.recheck(kernel, tree)?,
            (Mode::Selected(Selected { kernel: Some(kernel), .. }), _) => attested.recheck(kernel)?,
            _ => {}
        }
        // Who connected may have passed the connection on; the kernel names the writer of each byte.
        if !writers_agree {
            return Err(Refusal::PassedOn);
        }
        Ok(attested)
    }

    /// Whether the peer is inside the token's binding.
    fn inside(&self, entry: &Entry, attested: &Attested) -> Result<(), Refusal> {
        let (Mode::Attested { kernel, tree }, Named::OfTree { peer, in_tree }) = (&self.mode, &attested.named) else {
            return match entry.rule {
                Rule::Uid => Ok(()),
                // Tokens of the fallback mode are made with the uid binding; any other is not for this mode.
                Rule::Tree | Rule::Process(_) => Err(Refusal::OutsideTree),
            };
        };
        let owner = match &entry.rule {
            Rule::Uid => return Ok(()),
            _ if !in_tree => return Err(Refusal::OutsideTree),
            Rule::Tree => return Ok(()),
            Rule::Process(owner) => owner,
        };
        let principal = self.principal(kernel, tree, peer.process())?;
        // `set` is a compare-and-set: of any number of first uses at once, one wins, and the others see its process.
        match owner.set(principal) {
            Ok(()) => Ok(()),
            Err(mine) if owner.get().is_some_and(|winner| winner.is(&mine)) => Ok(()),
            Err(_) => Err(Refusal::WrongProcess),
        }
    }

    /// Judges a second time, before the answer to a caller is written, where the exchange took longer than a moment. That
    /// the token has not been revoked is looked at in any case.
    ///
    /// # Errors
    /// What has changed since.
    pub fn confirm(&self, visitor: &Visitor, caller: &Caller, took: Duration) -> Result<(), Refusal> {
        if took > MOMENT {
            let attested = self.recheck(visitor, true)?;
            if let Mode::Selected(selected) = &self.mode
                && self.profile_for(selected, attested).as_ref() != caller.profile()
            {
                return Err(Refusal::Unselected);
            }
        }
        if caller.is_live() { Ok(()) } else { Err(Refusal::Unknown) }
    }

    /// Whom the credentials are for. Our own helper works for the process above it, and above the `sh -c` that most SDKs run
    /// it with; who runs neither is meant itself. The helper is known by its program, which nobody else can be.
    fn principal(&self, kernel: &Kernel, tree: &Tree, leaf: &Process) -> Result<Process, Unattested> {
        if self.own_program.is_none() || leaf.executable_identity() != self.own_program {
            return leaf.reopened(kernel);
        }
        let above = tree.parent(kernel, leaf)?;
        if runs_a_helper(&above) { tree.parent(kernel, &above) } else { Ok(above) }
    }
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

impl Selected {
    fn attest(&self, stream: &Stream) -> Result<Attested, Refusal> {
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

    fn attest_end(&self, end: FarEnd) -> Result<Attested, Refusal> {
        end.unambiguous(&self.overflow)?;
        match (&self.kernel, self.naming) {
            (Some(kernel), naming) => Ok(Attested::of_socket(end, kernel, naming == Naming::Process)),
            (None, _) => Err(unnamed().into()),
        }
    }
}

/// Where programs are attested, and this program's own identity.
fn programs(kernel: &Kernel) -> (Option<(u64, u64)>, Option<Arc<Programs>>) {
    let own = crate::sys::process::own_pid().and_then(|pid| Process::open(kernel, pid).ok());
    let own_program = own.and_then(|process| process.executable_identity());
    (own_program, Some(Arc::new(Programs::new(kernel, own_program))))
}

/// What a session token of a service is for: this uid, and this profile.
fn subject(uid: Uid, profile: &str) -> Vec<u8> {
    [&uid.0.to_be_bytes(), profile.as_bytes()].concat()
}

/// Whether the peer of a tree's server is in the tree, as far as that is asked.
fn is_inside(attested: &Attested) -> bool {
    !matches!(attested.named, Named::OfTree { in_tree: false, .. })
}

/// Only Unix sockets are served where the kernel cannot name peers.
fn unnamed() -> Unattested {
    Unattested::Unreadable("no process authentication".to_owned())
}

/// Whether this is the shell of an SDK that runs a credential_process: `sh -c '<path> credentials'`.
fn runs_a_helper(process: &Process) -> bool {
    match process.arguments().as_slice() {
        [shell, option, command] => {
            let name = shell.rsplit('/').next().unwrap_or(shell);
            matches!(name, "sh" | "dash" | "bash") && option == "-c" && command.trim_end().ends_with(" credentials")
        }
        _ => false,
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
    fn is_live(&self) -> bool {
        match &self.who {
            Who::Peer { entry, .. } => entry.as_ref().is_none_or(|entry| entry.is_live()),
            Who::Invoker => true,
        }
    }
}

#[cfg(test)]
mod tests;
