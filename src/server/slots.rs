//! Connection slots: how many there are, who holds one, and who has to give one up.
//!
//! A connection that waits for a request, or for its answer to be read (slow, idle, or hostile), may be closed to make room;
//! strangers' first. One that nobody has looked at yet, or whose request is being answered, is not. Who is known to be a
//! stranger from the beginning makes nobody wait: all such together have a quarter of the slots, and nobody's room.

use std::cell::Cell;
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
/// while a request is answered. Its thread writes it at every request, without the table's lock; alone in its cache line, so
/// that it takes no other thread's away.
#[repr(align(64))]
struct Since(AtomicU64);

/// A slot; gives it back on drop.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    since: Arc<Since>,
    /// What the table says of its profile: most requests are led to where the last one was, and need no lock to say so.
    led_to: Cell<Option<Arc<str>>>,
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
    /// Strangers, or a user whose processes are looked for, have as many as they may.
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
    /// not told apart have no share: who of them came last is not at the mercy of those who came before. Where a process has to
    /// be looked for, which takes its time, all users together leave a quarter to others, and each leaves as many as it has.
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
            // No more than are left for the next such user: whoever comes finds some.
            let all = table.held.values().filter(|held| matches!(held.who, Who::Searched(_)) && held.is_busy()).count();
            let left = self.max.saturating_sub(own_share).max(1).saturating_sub(all);
            if own().filter(|held| held.is_busy()).count() >= left {
                return Admission::Enough;
            }
        } else if !matches!(who, Who::Uid(_)) && own().filter(|held| !held.is_busy()).count() >= own_share {
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
        Admission::Admitted(Slot { slots: Arc::clone(self), number, since, led_to: Cell::default() })
    }

    /// Threads at a time: those of evicted connections end as soon as they are scheduled.
    fn most_threads(&self) -> usize {
        self.max.saturating_mul(2)
    }

    /// Evicts the connection that has waited longest, whatever the grace: descriptors have run out.
    pub(super) fn evict_one(&self) {
        self.table().evict(|_| true);
    }

    /// Closes the connections that have waited for their clients since `then` or longer.
    pub(super) fn close_rested(&self, then: Duration) {
        let table = self.table();
        for held in table.held.values().filter(|held| held.since.time().is_some_and(|since| since <= then)) {
            held.shut();
        }
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.table().held.is_empty()
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
    /// Whether nobody has looked at it yet, or its request is being answered.
    fn is_busy(&self) -> bool {
        self.since.time().is_none()
    }

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
        let Some(profile) = profile else { return };
        if self.led_to.replace(Some(Arc::clone(profile))).as_ref() == Some(profile) {
            return;
        }
        if let Some(held) = self.slots.table().held.get_mut(&self.number) {
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
mod tests;
