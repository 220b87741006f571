//! The tokens of a server: one for its whole life, or one after the other in a file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::selectors::Names;
use super::settings;
use crate::auth::{Authenticator, Registered};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::launch::token_file::TokenFile;
use crate::log::operator::Operator;

/// How long a token counts after the next one has taken its place, for who has read it and not used it yet; no longer than
/// until the one after that.
const OVERLAP: Duration = Duration::from_secs(300);
/// How soon a token that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// The longest sleep: a machine that was suspended looks at the clock soon afterwards.
const LOOK: Duration = Duration::from_secs(30);
const STACK_BYTES: usize = 64 * 1024;

/// A token file that was judged, and how often its token is replaced.
pub(super) type Place = (TokenFile, Duration);

/// Judges where a token is to be, before anything else is made.
pub(super) fn place(wanted: Option<&settings::TokenFile>) -> Result<Option<Place>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let group = wanted.group.as_ref().map(|group| Names::read().group(&group.name, &group.said)).transpose()?;
    Ok(Some((TokenFile::at(&wanted.path, group)?, wanted.rotation)))
}

/// What ends every token when it is dropped.
pub(super) struct Tokens {
    live: Arc<Live>,
    thread: Option<JoinHandle<()>>,
}

struct Live {
    authenticator: Arc<Authenticator>,
    /// The newest last. Empty: it has ended.
    tokens: Mutex<Vec<Registered>>,
}

/// A thread that replaces tokens.
struct Rotation {
    live: Arc<Live>,
    file: TokenFile,
    interval: Duration,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
}

impl Tokens {
    /// A token that was given out already: in `place`, where it is replaced from time to time, or elsewhere for good.
    pub(super) fn keep(
        authenticator: &Arc<Authenticator>,
        registered: Registered,
        place: Option<Place>,
        clock: &Arc<dyn Clock>,
        operator: &Arc<Operator>,
    ) -> Result<Self> {
        let tokens = Mutex::new(vec![registered]);
        let live = Arc::new(Live { authenticator: Arc::clone(authenticator), tokens });
        let mut kept = Self { live: Arc::clone(&live), thread: None };
        if let Some((file, interval)) = place {
            let rotation = Rotation { live, file, interval, clock: Arc::clone(clock), operator: Arc::clone(operator) };
            let thread = thread::Builder::new()
                .name("sentinel-token".to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || rotation.run())
                .map_err(|error| Error::new("cannot start a thread").because(error))?;
            kept.thread = Some(thread);
        }
        Ok(kept)
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.live.end();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It removes the file. It cannot have panicked: a panic aborts the process.
            let _ended = thread.join();
        }
    }
}

impl Live {
    fn tokens(&self) -> MutexGuard<'_, Vec<Registered>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        for registered in self.tokens().drain(..) {
            self.authenticator.revoke(&registered);
        }
    }

    /// Ends all but the newest.
    fn end_old(&self) {
        let mut tokens = self.tokens();
        let old = tokens.len().saturating_sub(1);
        for registered in tokens.drain(..old) {
            self.authenticator.revoke(&registered);
        }
    }

    /// Makes one more token like the newest, and hands it out. `None`: it has ended.
    fn renew(&self, hand_out: impl FnOnce(&str) -> Result<()>) -> Option<Result<()>> {
        let renewed = self.authenticator.registry().renew(self.tokens().last()?);
        let (token, registered) = match renewed {
            Ok(renewed) => renewed,
            Err(error) => return Some(Err(Error::new("cannot make a token").because(error))),
        };
        // Not under the lock: a disk may hang, and the end must not wait for it to revoke what is there.
        let handed_out = hand_out(token.expose_str());
        let mut tokens = self.tokens();
        if tokens.is_empty() || handed_out.is_err() {
            self.authenticator.revoke(&registered);
        } else {
            tokens.push(registered);
        }
        Some(handed_out)
    }
}

impl Rotation {
    fn run(mut self) {
        let overlap = OVERLAP.min(self.interval);
        let mut next = self.clock.boot().saturating_add(self.interval);
        let mut old_until = None;
        while !self.live.tokens().is_empty() {
            let now = self.clock.boot();
            if old_until.is_some_and(|until| now >= until) {
                self.live.end_old();
                old_until = None;
            }
            if now >= next {
                let file = &mut self.file;
                match self.live.renew(|token| file.write(token)) {
                    None => return,
                    Some(Ok(())) => {
                        next = now.saturating_add(self.interval);
                        old_until = Some(now.saturating_add(overlap));
                    }
                    Some(Err(error)) => {
                        self.operator.log("token file", &format!("the old token stays: {}", error.summary()));
                        next = now.saturating_add(RETRY.min(self.interval));
                    }
                }
            }
            let until = old_until.map_or(next, |until| next.min(until));
            thread::park_timeout(until.saturating_sub(self.clock.boot()).min(LOOK));
        }
    }
}
