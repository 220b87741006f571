//! The live tokens: who may use each, and whether it still counts.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::token::{Digest, Token};
use crate::peer::Process;
use crate::sys::user::Uid;

/// Who may use a token.
#[derive(Debug)]
pub enum Binding {
    /// Every descendant of the warden.
    Tree,
    /// One process inside the tree, known when the token is registered.
    Process(Process),
    /// One process inside the tree: the first that uses the token.
    FirstUse,
    /// Every process of the token's uid, on a kernel that cannot name processes or where this was asked for.
    Uid,
}

/// One registered token.
#[derive(Debug)]
pub(super) struct Entry {
    digest: Digest,
    pub(super) uid: Uid,
    pub(super) rule: Rule,
    live: AtomicBool,
}

/// [`Binding`], as it is kept.
#[derive(Debug)]
pub(super) enum Rule {
    Tree,
    /// Set at registration or by the first use: one winner.
    Process(OnceLock<Process>),
    Uid,
}

impl Entry {
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::SeqCst)
    }
}

/// A registered token's handle: revokes it.
#[derive(Debug)]
pub struct Registered(Arc<Entry>);

/// All registered tokens, by digest.
#[derive(Debug)]
pub struct Registry {
    entries: Mutex<HashMap<Digest, Arc<Entry>>>,
    /// Compared with when a token is unknown, so that an unknown token costs what a known one costs.
    nobody: Arc<Entry>,
}

impl Default for Registry {
    fn default() -> Self {
        let nobody =
            Entry { digest: Digest::of(b""), uid: Uid(u32::MAX), rule: Rule::Uid, live: AtomicBool::new(false) };
        Self { entries: Mutex::default(), nobody: Arc::new(nobody) }
    }
}

impl Registry {
    /// Makes a token for `uid` with this binding.
    ///
    /// # Errors
    /// The kernel gave no random bytes, or no memory.
    pub fn register(&self, uid: Uid, binding: Binding) -> io::Result<(Token, Registered)> {
        let token = Token::random()?;
        let rule = match binding {
            Binding::Tree => Rule::Tree,
            Binding::Process(process) => Rule::Process(OnceLock::from(process)),
            Binding::FirstUse => Rule::Process(OnceLock::new()),
            Binding::Uid => Rule::Uid,
        };
        let entry = Arc::new(Entry { digest: token.digest(), uid, rule, live: AtomicBool::new(true) });
        self.entries().insert(entry.digest, Arc::clone(&entry));
        Ok((token, Registered(entry)))
    }

    /// Ends a token, at once and for good: also for requests that are being answered.
    pub fn revoke(&self, registered: &Registered) {
        registered.0.live.store(false, Ordering::SeqCst);
        self.entries().remove(&registered.0.digest);
    }

    /// Whether this is a live token.
    pub fn knows(&self, presented: &[u8]) -> bool {
        self.find(presented).is_some()
    }

    /// The entry of a presented token, or `None`. Takes as long for an unknown token as for a known one: the map is keyed
    /// by SHA-256, of which a caller controls no bit, and the digests are compared in constant time either way.
    pub(super) fn find(&self, presented: &[u8]) -> Option<Arc<Entry>> {
        let digest = Digest::of(presented);
        let found = self.entries().get(&digest).map(Arc::clone);
        let candidate = found.unwrap_or_else(|| Arc::clone(&self.nobody));
        let equal = candidate.digest.equals(&digest);
        (equal & candidate.is_live()).then_some(candidate)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Entry>>> {
        // A panic aborts the process, so a poisoned lock is never seen; the map is sound at every step anyway.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_until_it_is_revoked() {
        let registry = Registry::default();
        let (token, registered) = registry.register(Uid(1000), Binding::Tree).expect("random");
        let (other, _) = registry.register(Uid(1000), Binding::Tree).expect("random");
        let entry = registry.find(token.expose_str().as_bytes()).expect("a live token");
        assert!(entry.is_live());
        registry.revoke(&registered);
        assert!(registry.find(token.expose_str().as_bytes()).is_none());
        assert!(!entry.is_live(), "whoever holds the entry sees the revocation");
        assert!(registry.find(other.expose_str().as_bytes()).is_some());
    }

    #[test]
    fn what_was_never_given_out_is_unknown() {
        let registry = Registry::default();
        let (token, _) = registry.register(Uid(1000), Binding::Tree).expect("random");
        for presented in ["", "x", &token.expose_str()[..42], &format!("{}=", token.expose_str())] {
            assert!(registry.find(presented.as_bytes()).is_none(), "{presented}");
        }
    }
}
