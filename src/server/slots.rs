//! Connection slots: how many there are, who holds one, and who has to give one up.
//!
//! A connection that waits for a request, or for its answer to be read (slow, idle, or hostile), may be closed to make room;
//! strangers' first. One that nobody has looked at yet, or whose request is being answered, is not. Who is known to be a
//! stranger from the beginning makes nobody wait: all such together have a quarter of the slots, and nobody's room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::stream::Stream;
use crate::sys::user::Uid;

/// How long a connection is safe from eviction after it was found empty: its head is on its way.
const GRACE: Duration = Duration::from_millis(5);

/// The table of connections.
pub(super) struct Slots {
    max: usize,
    table: Mutex<Table>,
    freed: Condvar,
    /// Threads that wait for a change: to wake nobody costs a system call, too.
    waiters: AtomicUsize,
}

#[derive(Default)]
struct Table {
    next: u64,
    closed: bool,
    held: HashMap<u64, Held>,
    /// Threads that still run, those of evicted connections included.
    threads: usize,
}

struct Held {
    stream: Arc<Stream>,
    who: Who,
    since: Arc<Since>,
    /// Whether its peer is inside the process tree, as far as is known.
    inside: bool,
    /// The profile that its last request was led to, where there are several.
    profile: Option<Arc<str>>,
}

/// Boot time in nanoseconds since which a connection waits for its client; [`Since::NEVER`] until its thread has looked, and
/// while a request is answered. Its thread writes it at every request, without the table's lock.
struct Since(AtomicU64);

/// A slot; gives it back on drop.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    since: Arc<Since>,
}

/// Whose a connection is, as far as that is known when it is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// This pid connected, and has not been attested yet.
    Pid(i32),
    /// This pid's, which is inside the process tree.
    Inside(i32),
    /// A process's of this uid, which may be served: nobody knows yet which process.
    Uid(Uid),
    /// The same, where it has to be looked for among all that the uid runs.
    Searched(Uid),
    /// A stranger's.
    Stranger,
}

/// What to do with a connection that has just been accepted.
pub(super) enum Admission {
    /// Serve it.
    Admitted(Slot),
    /// There is room in a moment.
    Later(Duration),
    /// Strangers have as many as they may.
    Enough,
    /// The server ends.
    Closed,
}

impl Slots {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, table: Mutex::default(), freed: Condvar::new(), waiters: AtomicUsize::new(0) })
    }

    /// How many connections of one process may wait: a quarter.
    pub(super) fn share(&self) -> usize {
        (self.max / 4).max(1)
    }

    /// Finds a slot, at the expense of the connection that has waited longest: of the same process if that process holds a
    /// quarter of all slots by waiting, else of any stranger, else of any, past a short grace. The processes of a uid that are
    /// not told apart have no share: who of them came last is not at the mercy of those who came before.
    pub(super) fn admit(self: &Arc<Self>, stream: &Arc<Stream>, who: Who, now: Duration) -> Admission {
        let mut table = self.table();
        if table.closed {
            return Admission::Closed;
        }
        let own_share = self.share();
        let own = || table.held.values().filter(|held| held.who == who);
        if who == Who::Stranger {
            if own().count() >= own_share || table.held.len() >= self.max || table.threads >= self.most_threads() {
                return Admission::Enough;
            }
        } else if matches!(who, Who::Searched(_)) {
            let busy = own().filter(|held| held.since.time().is_none()).count();
            if busy >= self.max.saturating_sub(own_share).max(1) {
                return Admission::Enough;
            }
        } else if !matches!(who, Who::Uid(_)) && own().filter(|held| held.since.time().is_some()).count() >= own_share {
            table.evict(|held| held.who == who);
        }
        if table.held.len() >= self.max {
            match table.first_to_go(|_| true) {
                // Threads are about to look at their connections, or to answer.
                None => return Admission::Later(GRACE),
                Some((_, since)) if now.saturating_sub(since) < GRACE => {
                    return Admission::Later(GRACE.saturating_sub(now.saturating_sub(since)));
                }
                Some(_) => table.evict(|_| true),
            }
        }
        if table.threads >= self.most_threads() {
            return Admission::Later(GRACE);
        }
        let number = table.next;
        table.next = number.wrapping_add(1);
        table.threads = table.threads.saturating_add(1);
        let inside = matches!(who, Who::Inside(_) | Who::Uid(_) | Who::Searched(_));
        let since = Arc::new(Since(AtomicU64::new(Since::NEVER)));
        let (stream, held_since) = (Arc::clone(stream), Arc::clone(&since));
        table.held.insert(number, Held { stream, who, since: held_since, inside, profile: None });
        Admission::Admitted(Slot { slots: Arc::clone(self), number, since })
    }

    /// Threads at a time: those of evicted connections end as soon as they are scheduled.
    fn most_threads(&self) -> usize {
        self.max.saturating_mul(2)
    }

    /// Evicts the connection that has waited longest, whatever the grace: descriptors have run out.
    pub(super) fn evict_one(&self) {
        self.table().evict(|_| true);
    }

    /// Waits until a connection has ended, at most `longest`.
    pub(super) fn wait(&self, longest: Duration) {
        let table = self.table();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _changed_or_late = self.freed.wait_timeout(table, longest).unwrap_or_else(PoisonError::into_inner);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    /// Tells who waits, if anybody does.
    fn changed(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            // Who is about to wait holds the lock until it does.
            drop(self.table());
            self.freed.notify_all();
        }
    }

    /// Admits nobody any more: who waits for a slot is told at once.
    pub(super) fn admit_no_more(&self) {
        self.table().closed = true;
        self.freed.notify_all();
    }

    /// Closes every connection of now, or every one that was served from this profile: what was judged before has no say any
    /// more.
    pub(super) fn hang_up(&self, profile: Option<&Arc<str>>) {
        let table = self.table();
        for held in table.held.values().filter(|held| profile.is_none() || held.profile.as_ref() == profile) {
            held.shut();
        }
    }

    /// Closes every connection, now and from now on, and waits (bounded) until their threads have ended.
    pub(super) fn close(&self, longest: Duration) {
        let mut table = self.table();
        table.closed = true;
        for held in table.held.values() {
            held.shut();
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _timed_out = self
            .freed
            .wait_timeout_while(table, longest, |table| table.threads > 0)
            .unwrap_or_else(PoisonError::into_inner);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Who is evicted first, and since when it waits: strangers before those inside, then who has waited longest.
    fn first_to_go(&self, eligible: impl Fn(&Held) -> bool) -> Option<(u64, Duration)> {
        let waiting = self.held.iter().filter(|(_, held)| eligible(held));
        let order = waiting.filter_map(|(number, held)| Some((held.inside, held.since.time()?, *number))).min();
        order.map(|(_, since, number)| (number, since))
    }

    fn evict(&mut self, eligible: impl Fn(&Held) -> bool) {
        if let Some((number, _)) = self.first_to_go(eligible)
            && let Some(held) = self.held.remove(&number)
        {
            held.shut();
        }
    }
}

impl Held {
    fn shut(&self) {
        // Wakes the thread that reads from it. It fails only if the peer is gone already.
        let _gone = self.stream.shutdown();
    }
}

impl Since {
    const NEVER: u64 = u64::MAX;

    fn time(&self) -> Option<Duration> {
        let since = self.0.load(Ordering::SeqCst);
        (since != Self::NEVER).then(|| Duration::from_nanos(since))
    }
}

impl Slot {
    /// A request is being answered: no eviction.
    pub(super) fn answering(&self) {
        self.since.0.store(Since::NEVER, Ordering::SeqCst);
    }

    /// Waiting for the client since `now`.
    pub(super) fn waiting(&self, now: Duration) {
        // Below `NEVER` for 584 years.
        let since = u64::try_from(now.as_nanos()).unwrap_or(0);
        self.since.0.store(since, Ordering::SeqCst);
        // Somebody may be waiting for one to evict.
        self.slots.changed();
    }

    /// Whether the peer is inside the process tree.
    pub(super) fn attested(&self, inside: bool) {
        if let Some(held) = self.slots.table().held.get_mut(&self.number) {
            held.inside = inside;
        }
    }

    /// A request was led to this profile.
    pub(super) fn led_to(&self, profile: Option<&Arc<str>>) {
        if let Some(profile) = profile
            && let Some(held) = self.slots.table().held.get_mut(&self.number)
            && held.profile.as_ref() != Some(profile)
        {
            held.profile = Some(Arc::clone(profile));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.held.remove(&self.number);
        table.threads = table.threads.saturating_sub(1);
        drop(table);
        self.slots.changed();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn stream() -> (Arc<Stream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        (Arc::new(Stream::Unix(ours)), theirs)
    }

    /// Admits a connection, whose thread finds it empty at once.
    fn admit(slots: &Arc<Slots>, peer: i32, now_ms: u64) -> (Option<Slot>, UnixStream) {
        admit_as(slots, Who::Pid(peer), now_ms)
    }

    fn admit_as(slots: &Arc<Slots>, who: Who, now_ms: u64) -> (Option<Slot>, UnixStream) {
        let (ours, theirs) = stream();
        let now = Duration::from_millis(now_ms);
        match slots.admit(&ours, who, now) {
            Admission::Admitted(slot) => {
                slot.waiting(now);
                (Some(slot), theirs)
            }
            Admission::Later(_) | Admission::Enough | Admission::Closed => (None, theirs),
        }
    }

    fn is_closed(mut theirs: &UnixStream) -> bool {
        theirs.set_nonblocking(true).expect("nonblocking");
        theirs.read(&mut [0; 1]).is_ok_and(|read| read == 0)
    }

    #[test]
    fn the_connection_that_waited_longest_makes_room() {
        let slots = Slots::new(4);
        let held: Vec<_> = (0..4).map(|n| admit(&slots, n, u64::try_from(n).expect("small"))).collect();
        let (later, _) = admit(&slots, 9, 4);
        assert!(later.is_none(), "within the grace nobody is evicted");
        let (fifth, _keep) = admit(&slots, 9, 100);
        assert!(fifth.is_some());
        assert_eq!(held.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [true, false, false, false]);
    }

    #[test]
    fn a_connection_that_is_answered_is_not_evicted() {
        let slots = Slots::new(2);
        let (first, first_end) = admit(&slots, 1, 0);
        let (second, second_end) = admit(&slots, 2, 1);
        first.as_ref().expect("admitted").answering();
        let (third, third_end) = admit(&slots, 3, 100);
        assert!(third.is_some() && !is_closed(&first_end) && is_closed(&second_end));
        third.as_ref().expect("admitted").answering();
        assert!(matches!(slots.admit(&stream().0, Who::Pid(4), Duration::from_secs(1)), Admission::Later(_)));
        drop((second, third_end));
    }

    #[test]
    fn a_connection_that_nobody_has_looked_at_is_not_evicted() {
        let slots = Slots::new(1);
        let (ours, theirs) = stream();
        let Admission::Admitted(slot) = slots.admit(&ours, Who::Pid(1), Duration::ZERO) else {
            panic!("there is room")
        };
        assert!(admit(&slots, 2, 10_000).0.is_none() && !is_closed(&theirs));
        slot.waiting(Duration::from_secs(10));
        assert!(admit(&slots, 2, 10_100).0.is_some() && is_closed(&theirs));
    }

    #[test]
    fn strangers_make_room_before_those_inside() {
        let slots = Slots::new(2);
        let (inside, inside_end) = admit(&slots, 1, 0);
        inside.as_ref().expect("admitted").attested(true);
        let (_stranger, stranger_end) = admit(&slots, 2, 50);
        let (_third, third_end) = admit(&slots, 3, 100);
        assert!(!is_closed(&inside_end) && is_closed(&stranger_end) && !is_closed(&third_end));
    }

    #[test]
    fn one_process_evicts_its_own_first() {
        let slots = Slots::new(8);
        let (_other, other_end) = admit(&slots, 1, 0);
        let own: Vec<_> = (0..3).map(|n| admit(&slots, 7, n + 1)).collect();
        assert!(!is_closed(&other_end));
        assert_eq!(own.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn known_strangers_have_a_quarter_and_make_nobody_wait() {
        let slots = Slots::new(8);
        let strangers: Vec<_> = (0..3).map(|n| admit_as(&slots, Who::Stranger, n * 1000)).collect();
        assert_eq!(strangers.iter().map(|(slot, _)| slot.is_some()).collect::<Vec<_>>(), [true, true, false]);
        assert!(!is_closed(&strangers[0].1), "they do not make room for each other");
        let inside: Vec<_> = (0..7).map(|n| admit_as(&slots, Who::Inside(n), 10_000)).collect();
        assert!(inside.iter().all(|(slot, _)| slot.is_some()));
        assert!(is_closed(&strangers[0].1) && !is_closed(&strangers[1].1), "they make room for those inside");
        assert!(admit_as(&slots, Who::Stranger, 20_000).0.is_none(), "and not the other way round");
        assert!(inside.iter().all(|(_, theirs)| !is_closed(theirs)));
    }

    #[test]
    fn known_strangers_make_nobody_wait_for_the_threads_of_evicted_connections() {
        let slots = Slots::new(1);
        let evicted: Vec<_> = (0..2).map(|n| admit_as(&slots, Who::Inside(1), n * 100)).collect();
        slots.evict_one();
        assert!(evicted.iter().all(|(slot, theirs)| slot.is_some() && is_closed(theirs)), "two threads, no connection");
        let admit = |who| slots.admit(&stream().0, who, Duration::from_secs(1));
        assert!(matches!(admit(Who::Inside(1)), Admission::Later(_)));
        assert!(matches!(admit(Who::Stranger), Admission::Enough));
    }

    #[test]
    fn who_waits_for_a_slot_when_the_server_ends_gets_none() {
        let slots = Slots::new(1);
        let (answering, theirs) = admit(&slots, 1, 0);
        answering.as_ref().expect("admitted").answering();
        let admit = || slots.admit(&stream().0, Who::Pid(2), Duration::from_secs(1));
        assert!(matches!(admit(), Admission::Later(_)));
        slots.admit_no_more();
        assert!(matches!(admit(), Admission::Closed));
        assert!(!is_closed(&theirs), "what is held is closed by `close`");
    }

    #[test]
    fn hanging_up_ends_all_and_admits_others() {
        let slots = Slots::new(4);
        let (waiting, one) = admit(&slots, 1, 0);
        let (answering, other) = admit(&slots, 1, 0);
        answering.as_ref().expect("admitted").answering();
        slots.hang_up(None);
        assert!(is_closed(&one) && is_closed(&other));
        drop((waiting, answering));
        assert!(admit(&slots, 1, 1).0.is_some());
    }

    #[test]
    fn hanging_up_on_one_profile_leaves_the_others() {
        let slots = Slots::new(4);
        let held: Vec<_> = (0..3).map(|n| admit(&slots, n, 0)).collect();
        for ((slot, _), profile) in held.iter().zip(["a", "b"]) {
            slot.as_ref().expect("admitted").led_to(Some(&profile.into()));
        }
        slots.hang_up(Some(&"b".into()));
        assert_eq!(held.iter().map(|(_, theirs)| is_closed(theirs)).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn processes_that_are_not_told_apart_evict_none_of_their_uid_within_the_grace() {
        let slots = Slots::new(4);
        let who = Who::Uid(Uid(7));
        let held: Vec<_> = (0..4).map(|_| admit_as(&slots, who, 0)).collect();
        assert!(held.iter().all(|(slot, theirs)| slot.is_some() && !is_closed(theirs)));
        assert!(admit_as(&slots, who, 4).0.is_none());
        assert!(admit_as(&slots, who, 5).0.is_some());
    }

    #[test]
    fn a_uid_whose_processes_are_looked_for_leaves_a_quarter_to_others() {
        let slots = Slots::new(4);
        let admit = |who| slots.admit(&stream().0, who, Duration::ZERO);
        let busy = [0; 4].map(|_| admit(Who::Searched(Uid(7))));
        assert!(matches!(busy, [_, _, Admission::Admitted(_), Admission::Enough]));
        assert!(matches!(admit(Who::Uid(Uid(8))), Admission::Admitted(_)));
    }

    #[test]
    fn closing_ends_all_and_admits_none() {
        let slots = Slots::new(4);
        let (slot, theirs) = admit(&slots, 1, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| slots.close(Duration::from_secs(10)));
            let mut end = &theirs;
            assert_eq!(end.read(&mut [0; 1]).expect("an end"), 0);
            drop(slot);
        });
        assert!(admit(&slots, 1, 1).0.is_none());
    }
}
