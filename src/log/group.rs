//! Group commit: while one thread writes, the records of the others gather, and the next of them writes them all at once.
//!
//! A line's outcome is that of the batch that it was written with: when a write fails, every line of that batch has
//! failed, also one that may have come through whole.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::writer::Writer;
use crate::error::{Error, Result};

/// How often a thread looks whether the other has written before it sleeps: for about as long as a line takes into a file, which
/// is less than sleeping and being woken take.
const LOOKS: usize = 100;

/// Writes records, for many threads.
pub(super) struct Group {
    state: Mutex<State>,
    settled: Condvar,
    /// Whether a thread writes. Good for waiting, and for nothing else: the state tells.
    writing: AtomicBool,
}

#[derive(Default)]
struct State {
    /// `None` while a thread writes.
    writer: Option<Box<Writer>>,
    /// Records that wait to be written, a line each, and the batch that they will be.
    lines: String,
    /// The buffer of the lines that were written last, empty, for those that gather next.
    spare: String,
    gathering: Arc<Batch>,
    /// Threads that wait for a batch, their own or the one before it.
    waiting: usize,
}

/// What became of lines that were written together.
#[derive(Default)]
struct Batch(OnceLock<Result<()>>);

impl Group {
    pub(super) fn new(writer: Writer) -> Self {
        let state = State { writer: Some(Box::new(writer)), waiting: 0, ..State::default() };
        Self { state: Mutex::new(state), settled: Condvar::new(), writing: AtomicBool::new(false) }
    }

    /// Returns once the line was written everywhere.
    ///
    /// # Errors
    /// When one place did not take all of the batch.
    pub(super) fn write(&self, line: &str) -> Result<()> {
        let mut state = self.state();
        state.lines.push_str(line);
        let batch = Arc::clone(&state.gathering);
        loop {
            if let Some(outcome) = batch.0.get() {
                return outcome.as_ref().copied().map_err(Error::repeated);
            }
            state = match state.writer.take() {
                // Nobody writes, and this line has not been written: so what gathers holds it.
                Some(writer) => self.write_gathered(state, writer),
                None => self.wait(state),
            };
        }
    }

    /// Ends the stream, once nobody writes. What comes later is refused.
    ///
    /// # Errors
    /// When the closing line was not written.
    pub(super) fn close(&self) -> Result<()> {
        let mut state = self.state();
        let mut writer = loop {
            state = match state.writer.take() {
                Some(writer) => break writer,
                None => self.wait(state),
            };
        };
        let closed = writer.close();
        state.writer = Some(writer);
        if state.waiting > 0 {
            self.settled.notify_all();
        }
        closed
    }

    fn write_gathered<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut writer: Box<Writer>,
    ) -> MutexGuard<'a, State> {
        let spare = std::mem::take(&mut state.spare);
        let mut lines = std::mem::replace(&mut state.lines, spare);
        let batch = std::mem::take(&mut state.gathering);
        self.writing.store(true, Ordering::Release);
        drop(state);
        let outcome = writer.write(&lines);
        let mut state = self.state();
        self.writing.store(false, Ordering::Release);
        // It was empty: only the thread that took the batch settles it.
        let _settled_once = batch.0.set(outcome);
        state.writer = Some(writer);
        lines.clear();
        state.spare = lines;
        if state.waiting > 0 {
            self.settled.notify_all();
        }
        state
    }

    /// Waits until nobody writes, or longer: who comes back looks.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        drop(state);
        for _ in 0..LOOKS {
            if !self.writing.load(Ordering::Acquire) {
                return self.state();
            }
            spin_loop();
        }
        let mut state = self.state();
        if state.writer.is_some() {
            return state;
        }
        state.waiting = state.waiting.saturating_add(1);
        let mut state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting = state.waiting.saturating_sub(1);
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
