//! The live tokens: who may use each, and whether it still counts.

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
#[derive(Debug, Clone)]
pub(super) enum Rule {
    Tree,
    /// Set at registration or by the first use: one winner, also of tokens that follow each other.
    Process(Arc<OnceLock<Process>>),
    Uid,
}

impl Entry {
    pub(super) fn is_live(&self) -> bool {
        self.live.load(Ordering::SeqCst)
    }

    /// What session tokens of its callers are for: this entry, and no other that ever was.
    pub(super) fn subject(&self) -> &[u8] {
        self.digest.as_bytes()
    }
}

/// A registered token's handle: revokes it.
#[derive(Debug)]
pub struct Registered(pub(super) Arc<Entry>);

/// All registered tokens.
#[derive(Debug)]
pub struct Registry {
    /// In the order of their digests, nobody's last.
    entries: Mutex<Vec<Arc<Entry>>>,
    /// What is compared with where there is nothing else.
    nobody: Arc<Entry>,
}

/// What was found for a presented token, which may not be its own.
pub(super) struct Found {
    candidate: Arc<Entry>,
    known: bool,
}

impl Default for Registry {
    fn default() -> Self {
        let nobody = Entry { digest: Digest::LAST, uid: Uid(u32::MAX), rule: Rule::Uid, live: AtomicBool::new(false) };
        let nobody = Arc::new(nobody);
        Self { entries: Mutex::new(vec![Arc::clone(&nobody)]), nobody }
    }
}

impl Registry {
    /// Makes a token for `uid` with this binding.
    ///
    /// # Errors
    /// The kernel gave no random bytes, or no memory.
    pub fn register(&self, uid: Uid, binding: Binding) -> io::Result<(Token, Registered)> {
        let rule = match binding {
            Binding::Tree => Rule::Tree,
            Binding::Process(process) => Rule::Process(Arc::new(OnceLock::from(process))),
            Binding::FirstUse => Rule::Process(Arc::default()),
            Binding::Uid => Rule::Uid,
        };
        self.add(uid, rule)
    }

    /// Makes another token for whoever may use this one; both count.
    ///
    /// # Errors
    /// As for [`Registry::register`].
    pub fn renew(&self, registered: &Registered) -> io::Result<(Token, Registered)> {
        self.add(registered.0.uid, registered.0.rule.clone())
    }

    fn add(&self, uid: Uid, rule: Rule) -> io::Result<(Token, Registered)> {
        let token = Token::random()?;
        let entry = Arc::new(Entry { digest: token.digest(), uid, rule, live: AtomicBool::new(true) });
        let mut entries = self.entries();
        let at = place(&entries, &entry.digest);
        entries.insert(at, Arc::clone(&entry));
        Ok((token, Registered(entry)))
    }

    /// Ends a token, at once and for good: also for requests that are being answered.
    pub fn revoke(&self, registered: &Registered) {
        registered.0.live.store(false, Ordering::SeqCst);
        self.entries().retain(|entry| !Arc::ptr_eq(entry, &registered.0));
    }

    /// Whether this is a live token.
    pub fn knows(&self, presented: &[u8]) -> bool {
        self.find(presented).known
    }

    /// Finds a presented token. Takes as long for an unknown token as for a known one: each takes as many
    /// steps to the place where it would be, by digests of which a caller controls no bit, and the digest that is found there
    /// is compared in constant time. A map would do less where it finds nothing, which can be measured.
    pub(super) fn find(&self, presented: &[u8]) -> Found {
        let digest = Digest::of(presented);
        let entries = self.entries();
        let candidate = Arc::clone(entries.get(place(&entries, &digest)).unwrap_or(&self.nobody));
        drop(entries);
        let equal = candidate.digest.equals(&digest);
        Found { known: equal & candidate.is_live(), candidate }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Entry>>> {
        // A panic aborts the process, so a poisoned lock is never seen; the list is sound at every step anyway.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// The token's entry, if there is such a live token.
    pub(super) fn entry(self) -> Option<Arc<Entry>> {
        self.known.then_some(self.candidate)
    }
}

/// Where the digest is among the entries, or would be: always as many comparisons of one number each.
fn place(entries: &[Arc<Entry>], digest: &Digest) -> usize {
    entries.partition_point(|entry| entry.digest.leading() < digest.leading())
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
        let entry = registry.find(token.expose_str().as_bytes()).entry().expect("a live token");
        assert!(entry.is_live());
        registry.revoke(&registered);
        assert!(!registry.knows(token.expose_str().as_bytes()));
        assert!(!entry.is_live(), "whoever holds the entry sees the revocation");
        assert!(registry.knows(other.expose_str().as_bytes()));
    }

    #[test]
    fn a_renewed_token_is_bound_to_the_winner_of_the_first() {
        let registry = Registry::default();
        let (_, first) = registry.register(Uid(1000), Binding::FirstUse).expect("random");
        let (token, second) = registry.renew(&first).expect("random");
        let (Rule::Process(one), Rule::Process(other)) = (&first.0.rule, &second.0.rule) else { panic!("{first:?}") };
        assert!(Arc::ptr_eq(one, other));
        assert_eq!(second.0.uid, Uid(1000));
        registry.revoke(&first);
        assert!(registry.knows(token.expose_str().as_bytes()), "the old one's end is not the new one's");
    }

    #[test]
    fn every_one_of_many_is_found_and_only_those() {
        let registry = Registry::default();
        let tokens: Vec<_> = (0..50).map(|_| registry.register(Uid(1), Binding::Tree).expect("random")).collect();
        for (at, (_, registered)) in tokens.iter().enumerate() {
            if at % 2 == 0 {
                registry.revoke(registered);
            }
        }
        for (at, (token, _)) in tokens.iter().enumerate() {
            assert_eq!(registry.knows(token.expose_str().as_bytes()), at % 2 == 1);
        }
    }

    #[test]
    fn what_was_never_given_out_is_unknown() {
        let registry = Registry::default();
        let (token, _) = registry.register(Uid(1000), Binding::Tree).expect("random");
        for presented in ["", "x", &token.expose_str()[..42], &format!("{}=", token.expose_str())] {
            assert!(!registry.knows(presented.as_bytes()), "{presented}");
        }
    }
}
