//! Time: the wall clock, which expiry follows, and the boot clock, which deadlines follow.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::sys;

/// Where time comes from. Tests inject their own.
pub trait Clock: Send + Sync {
    /// Now, UTC. Jumps when the clock is set.
    fn wall(&self) -> Timestamp;

    /// Time since boot, suspend included. Never jumps.
    fn boot(&self) -> Duration;
}

/// An instant, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock.
    pub wall: Timestamp,
    /// By the boot clock.
    pub boot: Duration,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), boot: clock.boot() }
    }

    /// Seconds left at `now` until `end`, of which one learnt at this moment: those of the wall clock, and no more than there
    /// were less those that have passed since, so that a clock which is set back makes nothing last longer.
    pub fn left_s(self, end: Timestamp, now: Self) -> i64 {
        end.duration_since(self.unset(now).wall).as_secs()
    }

    /// `now`, by a wall clock that has not been set back since this moment.
    #[must_use]
    pub fn unset(self, now: Self) -> Self {
        let passed = SignedDuration::try_from(now.boot.saturating_sub(self.boot)).unwrap_or(SignedDuration::MAX);
        let wall = self.wall.checked_add(passed).unwrap_or(Timestamp::MAX);
        Self { wall: wall.max(now.wall), ..now }
    }
}

/// The kernel's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let now = sys::clock::realtime();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        // The subsecond part is below 10^9, which always fits; a clock beyond the year 9999 reads as the last instant.
        Timestamp::new(seconds, i32::try_from(now.subsec_nanos()).unwrap_or(0)).unwrap_or(Timestamp::MAX)
    }

    fn boot(&self) -> Duration {
        sys::clock::boottime()
    }
}

/// RFC 3339 in UTC with milliseconds, as the logs write it: `2026-01-31T09:30:00.000Z`.
pub fn rfc3339_ms(time: Timestamp) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| write!(f, "{time:.3}"))
}

/// RFC 3339 in UTC with whole seconds, as AWS writes it: `2026-01-31T09:30:00Z`.
pub fn rfc3339_s(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_aws_and_the_logs_write_them() {
        let time: Timestamp = "2026-01-31T09:30:00.1239Z".parse().expect("a time");
        assert_eq!(rfc3339_ms(time).to_string(), "2026-01-31T09:30:00.123Z");
        assert_eq!(rfc3339_s(time), "2026-01-31T09:30:00Z");
    }

    #[test]
    fn what_is_left_is_the_least_that_either_clock_says() {
        let at = |wall: &str, boot_s| Moment { wall: wall.parse().expect("a time"), boot: Duration::from_secs(boot_s) };
        let (learnt, end) = (at("2026-01-31T09:00:00Z", 500), at("2026-01-31T10:00:00Z", 0).wall);
        for (now, left_s) in [
            (learnt, 3600),
            (at("2026-01-31T09:30:00Z", 500 + 1800), 1800),
            // Set forward, and set back, by an hour.
            (at("2026-01-31T10:30:00Z", 500 + 1800), -1800),
            (at("2026-01-31T08:30:00Z", 500 + 1800), 1800),
            (at("2026-01-31T09:00:00Z", 500 + 3600), 0),
            (Moment { wall: Timestamp::MIN, boot: Duration::MAX }, end.as_second() - Timestamp::MAX.as_second()),
        ] {
            assert_eq!(learnt.left_s(end, now), left_s, "{now:?}");
        }
        // No second that has begun counts.
        let learnt = Moment { boot: Duration::from_millis(500_400), ..at("2026-01-31T09:00:00.9Z", 0) };
        for (boot_ms, left_s) in [(500_400, 3599), (501_499, 3598), (501_500, 3598), (501_501, 3597)] {
            let now = Moment { boot: Duration::from_millis(boot_ms), ..at("2026-01-31T08:00:00Z", 0) };
            assert_eq!(learnt.left_s(end, now), left_s, "{boot_ms}");
        }
    }

    #[test]
    fn the_system_clock_runs() {
        let clock = SystemClock;
        assert!(clock.wall() > "2024-01-01T00:00:00Z".parse().expect("a time"));
        assert!(clock.boot() > Duration::ZERO);
    }
}
