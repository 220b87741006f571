//! How much one process tree may ask for: counted after authentication, so that a neighbour cannot use it up (T23).
//!
//! Two buckets: requests, which the cache answers, and exchanges with AWS, which cost others something. Their sizes are the
//! policy's of now. There is one tree for each run, so that this takes the same memory whatever is asked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::policy::Limits;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// What is left of both allowances.
#[derive(Default)]
pub(super) struct Limiter {
    requests: Mutex<Bucket>,
    exchanges: Mutex<Bucket>,
}

/// A token bucket that is kept as the time that was used: no rounding, and nothing to fill up.
#[derive(Default)]
struct Bucket {
    /// Boot time until which the allowance is spoken for. In the past: the bucket is full.
    taken_until: Duration,
}

impl Limiter {
    /// Takes one request's allowance.
    ///
    /// # Errors
    /// There is none left: when there will be.
    pub(super) fn request(&self, now: Duration, limits: Limits) -> Result<(), Duration> {
        take(&self.requests, now, SECOND, limits.requests_per_second, limits.requests_per_second)
    }

    /// Takes one exchange's allowance.
    ///
    /// # Errors
    /// There is none left: when there will be.
    pub(super) fn exchange(&self, now: Duration, limits: Limits) -> Result<(), Duration> {
        take(&self.exchanges, now, MINUTE, limits.exchanges_per_minute, limits.burst)
    }
}

/// `rate` of them each `period`, and up to `burst` at once.
fn take(bucket: &Mutex<Bucket>, now: Duration, period: Duration, rate: u32, burst: u32) -> Result<(), Duration> {
    let each = period.checked_div(rate).unwrap_or(period);
    let most = each.saturating_mul(burst.max(1));
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    // Limits that were changed meanwhile may have left more spoken for than they allow: nobody pays for those of then.
    let spoken_for = bucket.taken_until.saturating_sub(now).min(most);
    let wanted = spoken_for.saturating_add(each);
    let over = wanted.saturating_sub(most);
    let (spoken_for, outcome) = if over.is_zero() { (wanted, Ok(())) } else { (spoken_for, Err(over)) };
    bucket.taken_until = now.saturating_add(spoken_for);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { exchanges_per_minute: 6, burst: 3, requests_per_second: 4 };

    #[test]
    fn a_burst_is_served_and_then_the_rate() {
        let limiter = Limiter::default();
        let at = Duration::from_secs;
        for _ in 0..3 {
            assert_eq!(limiter.exchange(at(100), LIMITS), Ok(()));
        }
        assert_eq!(limiter.exchange(at(100), LIMITS), Err(at(10)));
        assert_eq!(limiter.exchange(at(104), LIMITS), Err(at(6)));
        assert_eq!(limiter.exchange(at(110), LIMITS), Ok(()));
        assert_eq!(limiter.exchange(at(110), LIMITS), Err(at(10)));
        // A long rest fills the bucket, and no more than that.
        let served = (0..10).filter(|_| limiter.exchange(at(1000), LIMITS).is_ok()).count();
        assert_eq!(served, 3);
    }

    #[test]
    fn requests_and_exchanges_are_counted_apart() {
        let limiter = Limiter::default();
        let now = Duration::from_secs(5);
        let served = (0..10).filter(|_| limiter.request(now, LIMITS).is_ok()).count();
        assert_eq!(served, 4);
        assert_eq!(limiter.request(now, LIMITS), Err(Duration::from_millis(250)));
        assert_eq!(limiter.exchange(now, LIMITS), Ok(()));
    }

    #[test]
    fn a_lower_limit_counts_at_once() {
        let limiter = Limiter::default();
        let now = Duration::from_secs(5);
        for _ in 0..3 {
            assert_eq!(limiter.exchange(now, LIMITS), Ok(()));
        }
        let lower = Limits { burst: 1, ..LIMITS };
        assert_eq!(limiter.exchange(now + Duration::from_secs(15), lower), Err(Duration::from_secs(10)));
        assert_eq!(limiter.exchange(now + Duration::from_secs(30), lower), Ok(()));
        assert_eq!(limiter.exchange(now + Duration::from_secs(30), lower), Err(Duration::from_secs(10)));
    }

    #[test]
    fn a_limit_that_was_a_mistake_starves_nobody_once_it_is_mended() {
        let limiter = Limiter::default();
        let now = Duration::from_secs(5);
        let mistake = Limits { exchanges_per_minute: 1, burst: 1_000_000, requests_per_second: 1 };
        for _ in 0..1_000 {
            assert_eq!(limiter.exchange(now, mistake), Ok(()));
        }
        assert_eq!(limiter.exchange(now, LIMITS), Err(Duration::from_secs(10)));
        assert_eq!(limiter.exchange(now + Duration::from_secs(10), LIMITS), Ok(()));
    }

    #[test]
    fn the_largest_and_the_smallest_limits_count() {
        for limit in [1, 3, 1_000_000] {
            let limiter = Limiter::default();
            let limits = Limits { exchanges_per_minute: limit, burst: limit, requests_per_second: limit };
            // The largest are not counted to their end; nobody's clock stands still for that long.
            let tries = limit.saturating_add(5).min(2_000);
            let served = (0..tries).filter(|_| limiter.request(Duration::MAX / 2, limits).is_ok()).count();
            assert_eq!(served, usize::try_from(limit.min(tries)).expect("small"), "{limit}");
        }
    }
}
