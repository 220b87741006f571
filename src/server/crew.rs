//! The threads of connections. One that is done rests for a while and takes the next connection: to make a thread, its stack
//! and its name costs more than an answer.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A connection's thread parses, decides and writes; calls to AWS have threads of their own. Deciding may read the policy
/// anew, and reading a time zone takes up to 320 KiB in debug builds. Pages that are not touched cost nothing.
const STACK_BYTES: usize = 512 * 1024;
/// Most threads that rest: a flood leaves no more behind.
const MOST_RESTING: usize = 8;
/// How long a thread rests before it ends.
const REST: Duration = Duration::from_secs(5);

/// What a thread does for one connection.
type Work = Box<dyn FnOnce() + Send>;

/// Threads that serve connections. Ends those that rest when it is closed.
#[derive(Default)]
pub(super) struct Crew {
    state: Mutex<State>,
    called: Condvar,
}

/// There are never more pieces of work than threads that rest: each finds a thread that is about to take it.
#[derive(Default)]
struct State {
    resting: usize,
    work: VecDeque<Work>,
    closed: bool,
}

impl Crew {
    /// Has a thread do this: one that rests, or else a new one.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.state();
        if state.resting > state.work.len() {
            state.work.push_back(Box::new(work));
            drop(state);
            self.called.notify_one();
            return Ok(());
        }
        drop(state);
        let crew = Arc::clone(self);
        let thread = thread::Builder::new().name("sentinel-conn".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn(move || {
            work();
            while let Some(next) = crew.next() {
                next();
            }
        });
        started.map(drop)
    }

    /// Ends the threads that rest, and the others when they are done.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.called.notify_all();
    }

    /// Rests until there is work; `None` when that took too long, or enough others rest.
    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        if state.closed || state.resting >= MOST_RESTING {
            return None;
        }
        state.resting = state.resting.saturating_add(1);
        let idle = |state: &mut State| state.work.is_empty() && !state.closed;
        let (mut state, _timed_out) =
            self.called.wait_timeout_while(state, REST, idle).unwrap_or_else(PoisonError::into_inner);
        state.resting = state.resting.saturating_sub(1);
        state.work.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Barrier, mpsc};
    use std::thread::ThreadId;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Which threads do this much work that goes on only when all of it has begun.
    fn together(crew: &Arc<Crew>, count: usize) -> HashSet<ThreadId> {
        let barrier = Arc::new(Barrier::new(count));
        let (tell, told) = mpsc::channel();
        for _ in 0..count {
            let (barrier, tell) = (Arc::clone(&barrier), tell.clone());
            let work = move || {
                barrier.wait();
                tell.send(thread::current().id()).expect("heard");
            };
            crew.start(work).expect("a thread");
        }
        (0..count).map(|_| told.recv_timeout(LIMIT).expect("work waits behind other work")).collect()
    }

    fn wait_for_resting(crew: &Crew, wanted: usize) {
        let began = crate::sys::clock::boottime();
        while crew.state().resting != wanted {
            assert!(crate::sys::clock::boottime() - began < LIMIT, "never did {wanted} threads rest");
            thread::yield_now();
        }
    }

    #[test]
    fn nothing_waits_behind_other_work_and_threads_are_used_again() {
        let crew = Arc::new(Crew::default());
        let first = together(&crew, 3);
        wait_for_resting(&crew, 3);
        assert_eq!(together(&crew, 3), first);
        wait_for_resting(&crew, 3);
        let more = together(&crew, 4);
        assert!(more.len() == 4 && more.is_superset(&first));
        wait_for_resting(&crew, 4);
        crew.close();
        wait_for_resting(&crew, 0);
    }

    #[test]
    fn a_crowd_leaves_eight_threads_and_the_end_leaves_none() {
        let crew = Arc::new(Crew::default());
        assert_eq!(together(&crew, 20).len(), 20);
        wait_for_resting(&crew, MOST_RESTING);
        crew.close();
        wait_for_resting(&crew, 0);
        assert!(crew.next().is_none());
    }
}
