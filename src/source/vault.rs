//! Where a grant is exchanged for credentials, and the cache behind it.
//!
//! Credentials leave only for a [`Grant`], which the exchange consumes. Never expired, empty or half-made ones: an error
//! instead. While AWS is down, what is still valid is handed out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flight::{Flight, Freshness, Unavailable};
use super::{Credentials, Source};
use crate::auth::Caller;
use crate::aws::identity::Identity;
use crate::broker::{Grant, Lease, Ruling};
use crate::clock::{Clock, Moment};

/// What is left of a session when the next one is fetched, at most; boto asks at every signature below 15 minutes.
const REFRESH_AHEAD_S: i64 = 20 * 60;
/// How long the refresher sleeps at most: the wall clock, which expiry follows, may be set meanwhile.
const LONGEST_NAP: Duration = Duration::from_secs(15);

/// Sets of credentials that are kept: one for each role that is asked for, and each approval, event or rule that limits them.
const KEPT: usize = 16;

/// Exchanges grants for one profile's credentials.
pub struct Vault {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    /// The one that was asked for last is last.
    kept: Mutex<Vec<Kept>>,
    identity: Arc<Flight<Arc<Identity>>>,
    stopped: AtomicBool,
}

/// Credentials under some terms, and the right to fetch them again.
struct Kept {
    lease: Lease,
    credentials: Arc<Flight<Credentials>>,
}

/// What is left of a grant after its exchange: who asked, and the ruling, for the record.
pub struct Receipt {
    /// Who asked.
    pub caller: Caller,
    /// What was decided, and why.
    pub ruling: Ruling,
}

impl Vault {
    /// A vault over one source.
    pub fn new(source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            kept: Mutex::default(),
            identity: Flight::new(Arc::clone(&clock)),
            clock,
            stopped: AtomicBool::new(false),
        }
    }

    /// Exchanges a grant: waits until `deadline` on the boot clock for AWS, which is asked only if `admit` lets it.
    pub fn exchange(
        &self,
        grant: Grant,
        deadline: Duration,
        admit: impl FnOnce() -> Result<(), Duration>,
    ) -> (Receipt, Result<Arc<Credentials>, Unavailable>) {
        let (caller, ruling, lease) = grant.redeem();
        let credentials = self.under(&lease);
        // Not the time of the question: what comes after a long wait may have ended meanwhile.
        let answer = credentials.ask(deadline, |value| freshness(value, self.now()), admit, self.fetch(lease));
        (Receipt { caller, ruling }, answer)
    }

    /// Who the base credentials belong to: asked of AWS once. Waits until `deadline` on the boot clock.
    ///
    /// # Errors
    /// AWS has not answered yet, or not well.
    pub fn identity(&self, deadline: Duration) -> Result<Arc<Identity>, Unavailable> {
        let source = Arc::clone(&self.source);
        self.identity
            .ask(deadline, |_| Freshness::Fresh, || Ok(()), move || source.identity())
            .map(|identity| Arc::clone(identity.as_ref()))
    }

    /// Who the base credentials belong to, if AWS has been asked already.
    pub fn known_identity(&self) -> Option<Arc<Identity>> {
        self.source.known_identity()
    }

    /// Keeps what is in use fresh, as far as `admit` lets it, while that is of use, and until [`Vault::stop`]: to be run on a
    /// thread of its own. What is kept is wiped at the end, once it is in nobody's hands.
    pub fn keep_fresh(&self, is_of_use: impl Fn() -> bool, admit: impl Fn() -> Result<(), Duration>) {
        while !self.stopped.load(Ordering::SeqCst) && is_of_use() {
            std::thread::park_timeout(self.refresh(&admit));
        }
        self.kept().clear();
    }

    /// Ends [`Vault::keep_fresh`], once its thread is unparked.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Starts the fetches that are due. Returns how long until it is worth looking again.
    fn refresh(&self, admit: impl Fn() -> Result<(), Duration>) -> Duration {
        let now = self.now();
        let due = |kept: &Kept| {
            let fetch = self.fetch(kept.lease.renewed());
            kept.credentials.refresh_if_used(|value| due_in(value, now), LONGEST_NAP, &admit, fetch)
        };
        self.kept().iter().map(due).min().unwrap_or(LONGEST_NAP)
    }

    /// The credentials under a lease's terms. Those that nobody asked for longest make room, and before them what never came: a
    /// flood of roles that nobody may assume takes no others' place.
    fn under(&self, lease: &Lease) -> Arc<Flight<Credentials>> {
        let mut kept = self.kept();
        match kept.iter().position(|one| one.lease.terms() == lease.terms()) {
            Some(at) => kept.get_mut(at..).unwrap_or_default().rotate_left(1),
            None => {
                if kept.len() >= KEPT {
                    let vain = kept.iter().position(|one| one.credentials.is_empty());
                    drop(kept.remove(vain.unwrap_or(0)));
                }
                let credentials = Flight::new(Arc::clone(&self.clock));
                kept.push(Kept { lease: lease.renewed(), credentials });
            }
        }
        kept.last().map_or_else(|| Flight::new(Arc::clone(&self.clock)), |last| Arc::clone(&last.credentials))
    }

    fn now(&self) -> Moment {
        Moment::now(self.clock.as_ref())
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, lease: Lease) -> impl FnOnce() -> crate::error::Result<Credentials> + Send + 'static {
        let source = Arc::clone(&self.source);
        move || source.fetch(&lease)
    }
}

fn freshness(credentials: &Credentials, now: Moment) -> Freshness {
    match (credentials.left_s(now), due_in(credentials, now)) {
        (Some(left), _) if left < 1 => Freshness::Ended,
        (_, Some(Duration::ZERO)) => Freshness::Due,
        _ => Freshness::Fresh,
    }
}

/// How long until the next ones should be fetched: once less than 20 minutes or two thirds of the lifetime are left,
/// whichever is less. `None`: never.
fn due_in(credentials: &Credentials, now: Moment) -> Option<Duration> {
    let (left, lifetime) = (credentials.left_s(now)?, credentials.lifetime_s()?);
    let ahead = REFRESH_AHEAD_S.min(lifetime.saturating_mul(2) / 3);
    Some(Duration::from_secs(u64::try_from(left.saturating_sub(ahead)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::auth::Invoker;
    use crate::broker::Broker;
    use crate::clock::SystemClock;
    use crate::error::Error;

    const LONG: Duration = Duration::from_secs(20);

    /// Which roles were fetched, one after the other. Nobody may assume those that begin with `no`.
    #[derive(Default)]
    struct Fetched(Mutex<Vec<String>>);

    impl Source for Fetched {
        fn fetch(&self, lease: &Lease) -> crate::error::Result<Credentials> {
            let role = lease.terms().role.as_deref().unwrap_or("own").to_owned();
            if role.starts_with("no") {
                return Err(Error::new("nobody may assume it"));
            }
            self.0.lock().expect("a lock").push(role.clone());
            let issued_at = Moment::now(&SystemClock);
            let expiration = Some(issued_at.wall + SignedDuration::from_hours(1));
            Ok(Credentials { role_arn: Some(role), issued_at, expiration, ..Credentials::lasting(0) })
        }

        fn identity(&self) -> crate::error::Result<Arc<Identity>> {
            Err(Error::new("nobody is asked"))
        }

        fn known_identity(&self) -> Option<Arc<Identity>> {
            None
        }
    }

    struct World {
        broker: Broker,
        vault: Vault,
        fetched: Arc<Fetched>,
    }

    impl World {
        fn new() -> Self {
            let (clock, fetched) = (Arc::new(SystemClock), Arc::new(Fetched::default()));
            let broker = Broker::without_policy(Arc::clone(&clock) as Arc<dyn Clock>);
            Self { broker, vault: Vault::new(Arc::clone(&fetched) as Arc<dyn Source>, clock), fetched }
        }

        /// Whether there are credentials of this role, and how many fetches there were by then.
        fn ask(&self, role: &str) -> (bool, usize) {
            let asked = (role != "own").then(|| Arc::from(role));
            let rules = self.broker.rules(Duration::ZERO).expect("no policy");
            let grant = self.broker.authorize(Caller::invoker(Invoker), &rules, None, asked.as_ref(), Duration::ZERO);
            let grant = grant.ok().expect("a grant");
            let (receipt, answer) = self.vault.exchange(grant, SystemClock.boot() + LONG, || Ok(()));
            assert_eq!(receipt.ruling.terms.role, asked);
            let is_of_role = answer.ok().map(|credentials| credentials.role_arn() == Some(role));
            assert_ne!(is_of_role, Some(false), "credentials of another role than {role}");
            (is_of_role.is_some(), self.fetched.0.lock().expect("a lock").len())
        }
    }

    #[test]
    fn what_nobody_asked_for_longest_makes_room() {
        let world = World::new();
        assert_eq!(world.ask("own"), (true, 1));
        for role in 1..KEPT {
            assert_eq!(world.ask(&format!("r{role}")), (true, role + 1));
        }
        // All are there, and the profile's own was used last.
        assert_eq!(world.ask("r1"), (true, KEPT));
        assert_eq!(world.ask("own"), (true, KEPT));
        assert_eq!(world.ask("one more"), (true, KEPT + 1));
        for role in ["own", "r1", "r3"] {
            assert_eq!(world.ask(role), (true, KEPT + 1), "{role}");
        }
        assert_eq!(world.ask("r2"), (true, KEPT + 2));
        assert_eq!(world.vault.kept().len(), KEPT);
    }

    #[test]
    fn roles_that_nobody_may_assume_take_no_others_place() {
        let world = World::new();
        for role in ["own", "a", "b"] {
            assert!(world.ask(role).0);
        }
        for role in 0..100 {
            assert_eq!(world.ask(&format!("no{role}")), (false, 3));
        }
        for role in ["own", "a", "b"] {
            assert_eq!(world.ask(role), (true, 3), "{role}");
        }
        assert_eq!(world.vault.kept().len(), KEPT);
    }

    /// So long after their issue, by each clock.
    fn after(credentials: &Credentials, wall_s: i64, boot_s: u64) -> Moment {
        let Moment { wall, boot } = credentials.issued_at;
        Moment { wall: wall + SignedDuration::from_secs(wall_s), boot: boot + Duration::from_secs(boot_s) }
    }

    #[test]
    fn refresh_is_ahead_by_twenty_minutes_or_two_thirds() {
        for (lifetime_s, after_s, wanted) in [
            (3600, 0, Freshness::Fresh),
            (3600, 2399, Freshness::Fresh),
            (3600, 2400, Freshness::Due),
            (3600, 3599, Freshness::Due),
            (3600, 3600, Freshness::Ended),
            (900, 299, Freshness::Fresh),
            (900, 300, Freshness::Due),
            (900, 900, Freshness::Ended),
            (900, 99_999, Freshness::Ended),
        ] {
            let credentials = Credentials::lasting(lifetime_s);
            let now = after(&credentials, after_s, u64::try_from(after_s).expect("later"));
            assert_eq!(freshness(&credentials, now), wanted, "{lifetime_s} {after_s}");
        }
    }

    #[test]
    fn long_lived_keys_never_end() {
        let credentials = Credentials { expiration: None, ..Credentials::lasting(0) };
        let end = Moment { wall: Timestamp::MAX, boot: Duration::MAX };
        assert_eq!(freshness(&credentials, end), Freshness::Fresh);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_them_from_ending() {
        let credentials = Credentials::lasting(900);
        for (after_s, wanted) in
            [(0, Freshness::Fresh), (299, Freshness::Fresh), (300, Freshness::Due), (900, Freshness::Ended)]
        {
            let now = after(&credentials, i64::try_from(after_s).expect("small") - 3600, after_s);
            assert_eq!(freshness(&credentials, now), wanted, "{after_s}");
        }
        assert_eq!(due_in(&credentials, after(&credentials, -3600, 100)), Some(Duration::from_secs(200)));
    }

    #[test]
    fn a_clock_that_was_set_forward_and_back_ends_nothing() {
        let credentials = Credentials::lasting(900);
        let wanted = [(3700, Freshness::Ended), (100, Freshness::Fresh)];
        for (wall_s, wanted) in wanted {
            assert_eq!(freshness(&credentials, after(&credentials, wall_s, 100)), wanted);
        }
    }

    /// The boot clock counts what was slept through.
    #[test]
    fn a_sleep_past_their_end_ends_them() {
        let credentials = Credentials::lasting(900);
        assert_eq!(freshness(&credentials, after(&credentials, 8 * 3600, 8 * 3600)), Freshness::Ended);
        // Whatever the hardware's clock says afterwards.
        assert_eq!(freshness(&credentials, after(&credentials, 10, 8 * 3600)), Freshness::Ended);
    }
}
