//! A document that is fetched: how long it is believed, and what happens while nobody answers.
//!
//! Fetched within 30 s it answers at once. Older, the request waits for a fetch on another thread, one at a time. When the
//! service is down or slow, what was fetched before serves until it is five minutes old, and then nothing does. A document that
//! came and is not good, and a service that says that there is none, end what was fetched before at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::read::{Document, Reader};
use super::schema::Policy;
use super::source::{Fetch, Unfetched};
use crate::error::{Error, Result};

/// How old a document may be that answers at once.
const FRESH: Duration = Duration::from_secs(30);
/// From this age on one that is in use is fetched anew ahead of the requests.
const DUE: Duration = Duration::from_secs(20);
/// How old a document may be that answers while the service does not. All ages are on the boot clock, from the question on.
const LONGEST: Duration = Duration::from_secs(300);
/// The pause after the first failure; it doubles up to the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(8);
/// A TLS handshake needs up to 128 KiB of stack in debug builds.
const STACK_BYTES: usize = 512 * 1024;

pub(super) struct Parameter {
    reader: Reader,
    fetch: Arc<dyn Fetch>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Boot time at which the fetch began that is under way.
    running: Option<Duration>,
    failure: Option<Failure>,
    /// Whether anybody has asked since the document came: what nobody uses is not fetched ahead.
    asked: bool,
}

struct Held {
    document: Document,
    /// Boot time at which it was asked for.
    asked_at: Duration,
}

struct Failure {
    error: Error,
    count: u32,
    /// Boot time before which there is no next try.
    retry_at: Duration,
}

impl Parameter {
    pub(super) fn new(reader: Reader, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self { reader, fetch, state: Mutex::default(), changed: Condvar::new() })
    }

    pub(super) fn name(&self) -> &str {
        &self.reader.name
    }

    /// The policy of now; waits at most `wait` for it.
    pub(super) fn current(self: &Arc<Self>, wait: Duration) -> Result<Arc<Policy>> {
        let deadline = self.now().saturating_add(wait);
        let mut state = self.state();
        state.asked = true;
        loop {
            let now = self.now();
            let age = state.age(now);
            if age.is_some_and(|age| age < FRESH) {
                return self.answer(&state);
            }
            if state.running.is_none() && !state.rests(now) {
                self.start(&mut state, now);
            }
            let is_usable = age.is_some_and(|age| age < LONGEST);
            // One that is slow already is not waited for by everybody who has something else.
            let patience = match state.running {
                None => now,
                Some(since) if is_usable => deadline.min(since.saturating_add(wait)),
                Some(_) => deadline,
            };
            let left = patience.saturating_sub(now);
            if left.is_zero() {
                return if is_usable { self.answer(&state) } else { Err(self.nothing(&state)) };
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn refresh_due(self: &Arc<Self>) {
        let mut state = self.state();
        let now = self.now();
        let is_due = state.age(now).is_none_or(|age| age >= DUE);
        if state.asked && is_due && state.running.is_none() && !state.rests(now) {
            self.start(&mut state, now);
        }
    }

    /// Waits until no fetch is under way.
    #[cfg(test)]
    pub(super) fn wait_until_landed(&self) {
        let landed = self.changed.wait_while(self.state(), |state| state.running.is_some());
        drop(landed.unwrap_or_else(PoisonError::into_inner));
    }

    fn answer(&self, state: &State) -> Result<Arc<Policy>> {
        let Some(Held { document, .. }) = &state.held else { return Err(self.nothing(state)) };
        self.reader.confirm(document)?;
        Ok(Arc::clone(&document.policy))
    }

    /// Why there is no policy.
    fn nothing(&self, state: &State) -> Error {
        let name = self.name();
        match &state.failure {
            Some(failure) => failure.error.repeated(),
            None => Error::new(format!("cannot read the policy {name}: there was no answer in time")).hint("try again"),
        }
    }

    fn start(self: &Arc<Self>, state: &mut State, now: Duration) {
        let parameter = Arc::clone(self);
        state.running = Some(now);
        let started =
            thread::Builder::new().name("sentinel-policy".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                let fetched = parameter.fetch.fetch().and_then(|bytes| {
                    // A document that is not good is as good as none.
                    parameter.reader.read(bytes).map_err(Unfetched::Refused)
                });
                parameter.land(&mut parameter.state(), now, fetched);
            });
        if let Err(error) = started {
            let error = Error::new("cannot start a thread to fetch the policy").because(error);
            let error = Unfetched::Down(error.hint("raise the limit on processes (ulimit -u)"));
            self.land(state, now, Err(error));
        }
    }

    fn land(&self, state: &mut State, asked_at: Duration, fetched: std::result::Result<Document, Unfetched>) {
        state.running = None;
        let (error, is_refusal) = match fetched {
            Ok(document) => {
                *state = State { held: Some(Held { document, asked_at }), ..State::default() };
                self.changed.notify_all();
                return;
            }
            Err(Unfetched::Down(error)) => (error.within(&format!("cannot read the policy {}", self.name())), false),
            Err(Unfetched::Refused(error)) => (error, true),
        };
        if is_refusal {
            state.held = None;
        }
        let count = state.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
        let rest = FIRST_REST.saturating_mul(1 << count.saturating_sub(1).min(10)).min(LONGEST_REST);
        state.failure = Some(Failure { error, count, retry_at: self.now().saturating_add(rest) });
        self.changed.notify_all();
    }

    fn now(&self) -> Duration {
        self.reader.clock.boot()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn age(&self, now: Duration) -> Option<Duration> {
        self.held.as_ref().map(|held| now.saturating_sub(held.asked_at))
    }

    fn rests(&self, now: Duration) -> bool {
        self.failure.as_ref().is_some_and(|failure| now < failure.retry_at)
    }
}
