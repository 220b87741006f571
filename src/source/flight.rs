//! One fetch at a time: many may wait for it, nobody starts a second, and a failure is tried again with backoff.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// A TLS handshake needs up to 128 KiB of stack in debug builds, and a helper's output is read on it too.
const STACK_BYTES: usize = 512 * 1024;
/// The pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why there is no value.
#[derive(Clone)]
pub enum Unavailable {
    /// The fetch goes on; ask again.
    Pending,
    /// Too many fetches were asked for: ask again then.
    Limited(Duration),
    /// The fetch failed.
    Failed(Arc<Error>),
}

/// What may be done with a value that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Hand it out.
    Fresh,
    /// Hand it out, and fetch the next.
    Due,
    /// Do not hand it out.
    Ended,
}

/// A value that is fetched on a thread of its own.
pub(super) struct Flight<T> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    value: Option<Arc<T>>,
    running: bool,
    /// Whether anybody has asked since the value came.
    asked: bool,
    failure: Option<Failure>,
}

struct Failure {
    error: Arc<Error>,
    count: u32,
    /// Boot time before which there is no next try.
    retry_at: Duration,
}

impl<T: Send + Sync + 'static> Flight<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State { value: None, running: false, asked: false, failure: None };
        Arc::new(Self { clock, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// The value, fetched with `fetch` if need be and if `admit` lets it; waits until `deadline` on the boot clock.
    pub(super) fn ask(
        self: &Arc<Self>,
        deadline: Duration,
        freshness: impl Fn(&T) -> Freshness,
        admit: impl FnOnce() -> std::result::Result<(), Duration>,
        fetch: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> std::result::Result<Arc<T>, Unavailable> {
        let mut start = Some((admit, fetch));
        let mut state = self.state();
        state.asked = true;
        loop {
            let usable = state.value.as_ref().map(|value| (Arc::clone(value), freshness(value)));
            let (usable, wanted) = match usable {
                Some((value, Freshness::Fresh)) => return Ok(value),
                Some((value, Freshness::Due)) => (Some(value), true),
                Some((_, Freshness::Ended)) | None => (None, true),
            };
            let now = self.clock.boot();
            let resting = state.failure.as_ref().filter(|failure| now < failure.retry_at).map(|f| Arc::clone(&f.error));
            if wanted && !state.running && resting.is_none() {
                match start.take() {
                    Some((admit, fetch)) => match admit() {
                        Ok(()) => self.start(&mut state, fetch),
                        Err(wait) => return usable.ok_or(Unavailable::Limited(wait)),
                    },
                    // This caller's own fetch has ended, and what it brought has ended too: do not go round for ever.
                    None => return usable.ok_or(Unavailable::Pending),
                }
            }
            match (usable, resting) {
                (Some(value), _) => return Ok(value),
                (None, Some(error)) if !state.running => return Err(Unavailable::Failed(error)),
                _ => {}
            }
            let left = deadline.saturating_sub(now);
            if left.is_zero() {
                return Err(Unavailable::Pending);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Fetches the next value when the one that is there is due, if it was asked for since it came: what nobody uses is
    /// left to end. Fetches only if `admit` lets it. Returns how long until it is worth looking again, at most `longest`.
    pub(super) fn refresh_if_used(
        self: &Arc<Self>,
        due_in: impl Fn(&T) -> Option<Duration>,
        longest: Duration,
        admit: impl FnOnce() -> std::result::Result<(), Duration>,
        fetch: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Duration {
        let mut state = self.state();
        let Some(due_in) = state.value.as_ref().and_then(|value| due_in(value)) else { return longest };
        let now = self.clock.boot();
        let resting = state.failure.as_ref().map_or(Duration::ZERO, |failure| failure.retry_at.saturating_sub(now));
        if !due_in.is_zero() || !resting.is_zero() {
            return due_in.max(resting).min(longest);
        }
        if state.asked && !state.running {
            if let Err(wait) = admit() {
                return wait.min(longest);
            }
            self.start(&mut state, fetch);
        }
        longest
    }

    /// Whether there is nothing to lose: no value, and none on its way.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.value.is_none() && !state.running
    }

    fn start(self: &Arc<Self>, state: &mut State<T>, fetch: impl FnOnce() -> Result<T> + Send + 'static) {
        let flight = Arc::clone(self);
        state.running = true;
        let started =
            thread::Builder::new().name("sentinel-fetch".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                let fetched = fetch();
                flight.land(&mut flight.state(), fetched);
            });
        if let Err(error) = started {
            let error = Error::new("cannot start a thread to fetch credentials").because(error);
            self.land(state, Err(error.hint("raise the limit on processes (ulimit -u)")));
        }
    }

    fn land(&self, state: &mut State<T>, fetched: Result<T>) {
        state.running = false;
        match fetched {
            Ok(value) => {
                state.value = Some(Arc::new(value));
                state.asked = false;
                state.failure = None;
            }
            Err(error) => {
                let count = state.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
                let retry_at = self.clock.boot().saturating_add(pause(count));
                state.failure = Some(Failure { error: Arc::new(error), count, retry_at });
            }
        }
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doubling, up to the longest, of which a random half to whole: hosts that fail together do not come back together.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let mut byte = [0; 1];
    // Without random bytes the pause is just not spread.
    let spread = getrandom::getrandom(&mut byte).map_or(255, |()| u32::from(byte[0]));
    doubled / 2 + doubled / 2 * spread / 255
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::clock::SystemClock;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn many_ask_and_one_fetches() {
        let flight = Flight::new(Arc::new(SystemClock));
        let fetches = Arc::new(AtomicU32::new(0));
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        thread::scope(|scope| {
            let askers: Vec<_> = (0..8)
                .map(|_| {
                    let (fetches, gate) = (Arc::clone(&fetches), Arc::clone(&gate));
                    let flight = &flight;
                    scope.spawn(move || {
                        flight.ask(
                            soon(),
                            |_| Freshness::Fresh,
                            free,
                            move || {
                                fetches.fetch_add(1, Ordering::SeqCst);
                                gate.lock().expect("the gate").recv().expect("a release");
                                Ok(7)
                            },
                        )
                    })
                })
                .collect();
            release.send(()).expect("sent");
            for asker in askers {
                assert_eq!(asker.join().expect("no panic").ok().as_deref(), Some(&7));
            }
        });
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    /// A deadline that is not reached.
    fn soon() -> Duration {
        SystemClock.boot() + LONG
    }

    /// Lets everybody fetch.
    fn free() -> std::result::Result<(), Duration> {
        Ok(())
    }

    #[test]
    fn a_fetch_that_is_not_admitted_is_not_made() {
        let flight = Flight::new(Arc::new(SystemClock));
        let full = || Err(Duration::from_secs(3));
        let answer = flight.ask(soon(), |_| Freshness::Fresh, full, || Ok(1));
        assert!(matches!(answer, Err(Unavailable::Limited(wait)) if wait == Duration::from_secs(3)));
        assert_eq!(flight.ask(soon(), |_| Freshness::Fresh, free, || Ok(2)).ok().as_deref(), Some(&2));
        // What is there costs no exchange, and what is due is handed out without one.
        for freshness in [Freshness::Fresh, Freshness::Due] {
            assert_eq!(flight.ask(soon(), |_| freshness, full, || Ok(3)).ok().as_deref(), Some(&2));
        }
        assert!(matches!(flight.ask(soon(), |_| Freshness::Ended, full, || Ok(4)), Err(Unavailable::Limited(_))));
    }

    #[test]
    fn who_cannot_wait_is_told_to_ask_again() {
        let flight = Flight::new(Arc::new(SystemClock));
        let (release, gate) = mpsc::channel::<()>();
        let fetch = move || gate.recv().map(|()| 7).map_err(|error| Error::new("no release").because(error));
        assert!(matches!(flight.ask(Duration::ZERO, |_| Freshness::Fresh, free, fetch), Err(Unavailable::Pending)));
        release.send(()).expect("sent");
        let second = flight.ask(soon(), |_| Freshness::Fresh, free, || Err(Error::new("a second fetch")));
        assert_eq!(second.ok().as_deref(), Some(&7));
    }

    #[test]
    fn a_failure_is_told_and_rests() {
        let flight: Arc<Flight<u8>> = Flight::new(Arc::new(SystemClock));
        for _ in 0..2 {
            // The second asker gets the first one's failure: its own fetch is not run within the pause.
            let answer = flight.ask(soon(), |_| Freshness::Fresh, free, || Err(Error::new("AWS is down")));
            let Err(Unavailable::Failed(error)) = answer else { unreachable!("no value was ever fetched") };
            assert_eq!(error.to_string(), "AWS is down");
        }
        assert_eq!(flight.state().failure.as_ref().map(|failure| failure.count), Some(1));
    }

    #[test]
    fn what_is_due_is_handed_out_while_the_next_is_fetched() {
        let flight = Flight::new(Arc::new(SystemClock));
        assert_eq!(flight.ask(soon(), |_| Freshness::Fresh, free, || Ok(1)).ok().as_deref(), Some(&1));
        let fresh = |value: &i32| if *value == 1 { Freshness::Due } else { Freshness::Fresh };
        assert_eq!(flight.ask(soon(), fresh, free, || Ok(2)).ok().as_deref(), Some(&1));
        let ended = |value: &i32| if *value == 1 { Freshness::Ended } else { Freshness::Fresh };
        assert_eq!(flight.ask(soon(), ended, free, || Ok(2)).ok().as_deref(), Some(&2));
    }

    #[test]
    fn a_value_that_is_still_good_outlives_a_failure() {
        let flight = Flight::new(Arc::new(SystemClock));
        assert_eq!(flight.ask(soon(), |_| Freshness::Fresh, free, || Ok(1)).ok().as_deref(), Some(&1));
        let mut state = flight.state();
        flight.land(&mut state, Err(Error::new("AWS is down")));
        drop(state);
        let answer = flight.ask(soon(), |_| Freshness::Due, free, || Err(Error::new("not tried within the pause")));
        assert_eq!(answer.ok().as_deref(), Some(&1));
    }

    #[test]
    fn what_nobody_used_is_not_refreshed() {
        let flight = Flight::new(Arc::new(SystemClock));
        flight.land(&mut flight.state(), Ok(1));
        let due = |_: &i32| Some(Duration::ZERO);
        assert_eq!(flight.refresh_if_used(due, LONG, free, || Ok(2)), LONG);
        assert!(!flight.state().running);
        assert_eq!(flight.ask(soon(), |_| Freshness::Fresh, free, || Ok(3)).ok().as_deref(), Some(&1));
        let wait = Duration::from_secs(7);
        assert_eq!(flight.refresh_if_used(due, LONG, || Err(wait), || Ok(4)), wait);
        assert!(!flight.state().running);
        flight.refresh_if_used(due, LONG, free, || Ok(2));
        let ended = |value: &i32| if *value == 1 { Freshness::Ended } else { Freshness::Fresh };
        assert_eq!(flight.ask(soon(), ended, free, || Ok(3)).ok().as_deref(), Some(&2));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        for (failures, longest_s) in [(1, 1), (2, 2), (3, 4), (7, 60), (100, 60)] {
            let pause = pause(failures);
            assert!(
                pause <= Duration::from_secs(longest_s) && pause * 2 >= Duration::from_secs(longest_s),
                "{failures}"
            );
        }
    }
}
