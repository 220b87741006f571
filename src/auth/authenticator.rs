//! From a connection and a token to a [`Caller`].

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::Refusal;
use super::attested::{Asked, Attested, Named, is_inside};
use super::caller::{Caller, Shown, Who};
use super::registry::{Entry, Registered, Registry, Rule};
use super::roster::{Roster, Served, profile_in};
use super::selected::{Naming, Selected, subject, unnamed};
use super::session::{Sessions, Ttl};
use super::visitor::{Arrived, Visitor, Visitors};
use super::watch::Watched;
use crate::clock::Clock;
use crate::peer::{Arrivals, FarEnd, Kernel, Overflow, Peer, Process, Programs, Tree, Unattested, unix};
use crate::secret::Secret;
use crate::stream::Stream;
use crate::sys::socket::PeerCredentials;
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

impl Authenticator {
    /// Holds peers against this tree.
    pub fn attested(kernel: Kernel, tree: Tree) -> Self {
        let programs = programs(&kernel);
        Self::of(Mode::Attested { kernel, tree }, programs)
    }

    /// Holds peers against their uid only.
    pub fn uid_only() -> Self {
        Self::of(Mode::UidOnly { overflow: Overflow::here() }, (None, None))
    }

    /// Serves whom the roster selects. With `wants_token`, if they hold a live token as well.
    pub fn selecting(kernel: Option<Kernel>, naming: Naming, roster: Arc<Roster>, wants_token: bool) -> Self {
        let programs = kernel.as_ref().map_or((None, None), programs);
        Self::of(Mode::Selected(Selected { kernel, naming, overflow: Overflow::here(), roster, wants_token }), programs)
    }

    fn of(mode: Mode, (own_program, programs): (Option<(u64, u64)>, Option<Arc<Programs>>)) -> Self {
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
            Mode::Selected(selected) => self.profile_for((selected, &selected.roster.current()), attested).is_some(),
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
        let (entry, has_session) = self.look_up(shown);
        let attested = present?;
        if let Mode::Selected(selected) = &self.mode {
            return self.select(selected, attested, entry, shown);
        }
        let entry = entry?;
        if entry.uid != attested.uid {
            return Err(Refusal::WrongUid);
        }
        self.inside(&entry, attested)?;
        // Last: only who is inside may learn what is wrong with a session token.
        if !has_session {
            return Err(Refusal::NoSession);
        }
        Ok(self.caller(attested, Some(entry), None))
    }

    /// Judges the caller of a service: which entry selects it, and what it shows. `known` is what was found for a token.
    fn select(
        &self,
        selected: &Selected,
        attested: &Arc<Attested>,
        known: Result<Arc<Entry>, Refusal>,
        shown: Shown<'_>,
    ) -> Result<Caller, Refusal> {
        let entries = selected.roster.current();
        let profile = self.profile_for((selected, &entries), attested).ok_or(Refusal::Unselected)?;
        let entry = match shown {
            Shown::Token(_) if selected.wants_token => Some(known?),
            // Over a Unix socket without a token file whatever is shown says nothing.
            Shown::Token(_) | Shown::Nothing => None,
            Shown::Session(token) => {
                let (sessions, _) = self.sessions.as_ref().ok_or(Refusal::Missing)?;
                if !sessions.is_live(&subject(attested.uid, &profile), token.unwrap_or_default()) {
                    return Err(Refusal::NoSession);
                }
                None
            }
        };
        Ok(self.caller(attested, entry, Some((profile, entries))))
    }

    fn caller(
        &self,
        attested: &Arc<Attested>,
        entry: Option<Arc<Entry>>,
        led: Option<(Arc<str>, Arc<[Served]>)>,
    ) -> Caller {
        let (attested, programs) = (Arc::clone(attested), self.programs.clone());
        let (profile, entries) = led.unzip();
        Caller { who: Who::Peer { attested, programs, entry, profile, entries } }
    }

    /// The profile of the first of these entries that selects this peer now.
    fn profile_for(&self, (selected, entries): (&Selected, &[Served]), attested: &Attested) -> Option<Arc<str>> {
        let asked = Asked { attested, programs: self.programs.as_deref(), kernel: selected.kernel.as_ref() };
        profile_in(entries, &asked)
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
            if let (Mode::Selected(selected), Who::Peer { entries: Some(entries), profile, .. }) =
                (&self.mode, &caller.who)
            {
                // What it was then may still have this profile; where the entries have been replaced, some has to name it still.
                let current = selected.roster.current();
                let replaced = !Arc::ptr_eq(&current, entries);
                if self.profile_for((selected, entries), attested) != *profile
                    || (replaced && self.profile_for((selected, &current), attested).is_none())
                {
                    return Err(Refusal::Unselected);
                }
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

/// Where programs are attested, and this program's own identity.
fn programs(kernel: &Kernel) -> (Option<(u64, u64)>, Option<Arc<Programs>>) {
    let own = crate::sys::process::own_pid().and_then(|pid| Process::open(kernel, pid).ok());
    let own_program = own.and_then(|process| process.executable_identity());
    (own_program, Some(Arc::new(Programs::new(kernel, own_program))))
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

#[cfg(test)]
mod tests;
