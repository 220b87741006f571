//! The operator log: lines for the people who run sentinel, on standard error.
//!
//! A caller who can cause a message can cause a million, so each kind of message has a limit, but for those that no caller can
//! cause. A line that cannot be
//! written is lost: nothing here fails or panics.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::escape;
use super::stderr::Stderr;
use crate::clock::Clock;

/// How many messages of a kind are written in [`PERIOD`].
const MESSAGES: u32 = 5;

/// For how long a kind's messages are counted, from its first one.
const PERIOD: Duration = Duration::from_secs(10);

/// The longest message: a line that a terminal still shows on a few rows.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Writes `sentinel: <message>` lines.
pub struct Operator {
    clock: Arc<dyn Clock>,
    debug: bool,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    kinds: BTreeMap<&'static str, Count>,
}

/// The messages of one kind in one period.
struct Count {
    since: Duration,
    written: u32,
    suppressed: u64,
}

impl Operator {
    /// Writes to standard error. `debug` lets [`Operator::debug`]'s lines through.
    pub fn stderr(clock: Arc<dyn Clock>, debug: bool) -> Self {
        Self::new(clock, debug, Stderr)
    }

    fn new(clock: Arc<dyn Clock>, debug: bool, out: impl Write + Send + 'static) -> Self {
        Self { clock, debug, state: Mutex::new(State { out: Box::new(out), kinds: BTreeMap::new() }) }
    }

    /// Writes a message, at most five of a kind in ten seconds. `kind` is for people: `suppressed 7 more: <kind>`
    /// stands for the others.
    pub fn log(&self, kind: &'static str, message: &str) {
        let now = self.clock.boot();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.close_periods(|count| now.saturating_sub(count.since) >= PERIOD);
        let count = state.kinds.entry(kind).or_insert(Count { since: now, written: 0, suppressed: 0 });
        if count.written < MESSAGES {
            count.written += 1;
            state.write("sentinel: ", message);
        } else {
            count.suppressed = count.suppressed.saturating_add(1);
        }
    }

    /// Writes what no caller can cause, however often it comes.
    pub fn announce(&self, message: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).write("sentinel: ", message);
    }

    /// Says what was suppressed and not yet said: at the end, which other threads that hold this may not see.
    pub fn flush(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).close_periods(|_| true);
    }

    /// Writes a message, if the operator asked for such.
    pub fn debug(&self, message: &str) {
        if self.debug {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.write("sentinel: debug: ", message);
        }
    }
}

impl Drop for Operator {
    /// Says what was suppressed and not yet said.
    fn drop(&mut self) {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).close_periods(|_| true);
    }
}

impl State {
    /// Forgets the periods that are over, and says what each suppressed.
    fn close_periods(&mut self, over: impl Fn(&Count) -> bool) {
        for (kind, count) in self.kinds.extract_if(.., |_, count| over(count)).collect::<Vec<_>>() {
            if count.suppressed > 0 {
                self.write("sentinel: ", &format!("suppressed {} more: {kind}", count.suppressed));
            }
        }
    }

    fn write(&mut self, prefix: &str, message: &str) {
        let mut line = prefix.to_owned();
        escape::push(&mut line, message, MAX_MESSAGE_BYTES);
        line.push('\n');
        // There is nobody to tell when standard error is gone, or nobody reads it.
        let _ = self.out.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;
