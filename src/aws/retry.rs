//! Three attempts, with full jitter between them, up to a deadline on the boot clock.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

use super::failure::{Failure, FailureKind};

/// Attempts in all: what AWS's SDKs make by default.
pub const ATTEMPTS: u32 = 3;
/// The longest attempt: STS answers within a second; ten allow for a slow proxy and a lost packet.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause is at most this; each further one at most twice the one before.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// How a pause is made: sleeping, but in tests.
pub type Pause = Arc<dyn Fn(Duration) + Send + Sync>;

/// Calls `attempt` with its time-out until it succeeds, fails for good, was called [`ATTEMPTS`] times, or no time is
/// left before `deadline_boot`. The failure is the last attempt's.
///
/// # Errors
/// The last attempt's failure, or [`FailureKind::Timeout`] when the deadline has already passed.
pub fn retry<T>(
    clock: &dyn Clock,
    pause: &Pause,
    deadline_boot: Duration,
    mut attempt: impl FnMut(Duration) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let left = || deadline_boot.saturating_sub(clock.boot());
    let mut last = Failure::new(FailureKind::Timeout, "");
    let mut longest = BACKOFF_FIRST;
    for number in 1..=ATTEMPTS {
        let timeout = left().min(ATTEMPT_TIMEOUT);
        if timeout.is_zero() {
            break;
        }
        last = match attempt(timeout) {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let wait = jittered(longest);
        if !last.is_retryable() || number == ATTEMPTS || wait >= left() {
            break;
        }
        pause(wait);
        longest = longest.saturating_mul(2);
    }
    Err(last)
}

/// Calls `attempt` once, with the time-out that [`retry`] would give it.
///
/// # Errors
/// The attempt's failure, or [`FailureKind::Timeout`] when the deadline has already passed.
pub fn once<T>(
    clock: &dyn Clock,
    deadline_boot: Duration,
    attempt: impl FnOnce(Duration) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let timeout = deadline_boot.saturating_sub(clock.boot()).min(ATTEMPT_TIMEOUT);
    if timeout.is_zero() { Err(Failure::new(FailureKind::Timeout, "")) } else { attempt(timeout) }
}

/// A random part of `longest`; all of it when the kernel has no randomness.
fn jittered(longest: Duration) -> Duration {
    let mut bytes = [0xff; 2];
    if getrandom::getrandom(&mut bytes).is_err() {
        return longest;
    }
    longest.mul_f64(f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use jiff::Timestamp;

    use super::*;

    /// A clock that moves when told, and a pause that moves it.
    pub(in super::super) struct HandClock {
        wall: Timestamp,
        boot: Mutex<Duration>,
    }

    impl HandClock {
        pub(in super::super) fn at(wall: &str) -> Arc<Self> {
            Arc::new(Self { wall: wall.parse().expect("a time"), boot: Mutex::new(Duration::from_secs(1_000)) })
        }

        pub(in super::super) fn pass(&self, time: Duration) {
            *self.boot.lock().expect("a lock") += time;
        }

        pub(in super::super) fn pause(self: &Arc<Self>) -> Pause {
            let clock = Arc::clone(self);
            Arc::new(move |time| clock.pass(time))
        }
    }

    impl Clock for HandClock {
        fn wall(&self) -> Timestamp {
            self.wall
        }

        fn boot(&self) -> Duration {
            *self.boot.lock().expect("a lock")
        }
    }

    fn throttled() -> Failure {
        Failure::answered(400, "Throttling", "")
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let clock = HandClock::at("2026-01-31T09:30:00Z");
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&pauses);
        let pause: Pause = Arc::new(move |time| seen.lock().expect("a lock").push(time));
        let mut attempts = 0;
        let result: Result<(), _> = retry(&*clock, &pause, Duration::from_secs(2_000), |timeout| {
            assert_eq!(timeout, ATTEMPT_TIMEOUT);
            attempts += 1;
            Err(throttled())
        });
        assert_eq!(result, Err(throttled()));
        assert_eq!(attempts, 3);
        let pauses = pauses.lock().expect("a lock");
        assert_eq!(pauses.len(), 2);
        assert!(pauses[0] <= Duration::from_millis(500) && pauses[1] <= Duration::from_secs(1));
    }

    #[test]
    fn an_attempt_ends_at_the_deadline_and_none_begins_after_it() {
        let clock = HandClock::at("2026-01-31T09:30:00Z");
        let mut timeouts = Vec::new();
        let result: Result<(), _> = retry(&*clock, &clock.pause(), Duration::from_secs(1_004), |timeout| {
            timeouts.push(timeout);
            clock.pass(timeout);
            Err(throttled())
        });
        assert_eq!(result, Err(throttled()));
        assert_eq!(timeouts, [Duration::from_secs(4)]);
        let late: Result<(), _> = retry(&*clock, &clock.pause(), Duration::from_secs(1_004), |_| Ok(()));
        assert_eq!(late, Err(Failure::new(FailureKind::Timeout, "")));
    }

    /// The answer of before is not waited for, and a caller that has slept asks anew.
    #[test]
    fn what_a_sleep_has_outlasted_is_not_tried_again() {
        let clock = HandClock::at("2026-01-31T09:30:00Z");
        let mut attempts = 0;
        let result: Result<(), _> = retry(&*clock, &clock.pause(), Duration::from_secs(1_028), |_| {
            attempts += 1;
            clock.pass(Duration::from_secs(8 * 3600));
            Err(Failure::new(FailureKind::Timeout, ""))
        });
        assert_eq!(result.map_err(|failure| failure.kind()), Err(FailureKind::Timeout));
        assert_eq!(attempts, 1);
    }

    #[test]
    fn a_final_failure_is_not_tried_again() {
        let clock = HandClock::at("2026-01-31T09:30:00Z");
        let mut attempts = 0;
        let result: Result<(), _> = retry(&*clock, &clock.pause(), Duration::from_secs(2_000), |_| {
            attempts += 1;
            Err(Failure::answered(403, "AccessDenied", ""))
        });
        assert_eq!(result.map_err(|failure| failure.kind()), Err(FailureKind::Denied));
        assert_eq!(attempts, 1);
    }
}
