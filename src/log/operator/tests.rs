use std::io;

use super::*;

/// A clock that the test sets.
#[derive(Default)]
struct TestClock(Mutex<Duration>);

impl TestClock {
    fn set(&self, seconds: f64) {
        *self.0.lock().expect("the clock") = Duration::from_secs_f64(seconds);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        *self.0.lock().expect("the clock")
    }
}

/// A writer whose bytes the test can see.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().expect("the bytes"))).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the bytes").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn operator(debug: bool) -> (Operator, Arc<TestClock>, Shared) {
    let (clock, out) = (Arc::new(TestClock::default()), Shared::default());
    (Operator::new(clock.clone(), debug, out.clone()), clock, out)
}

#[test]
fn what_no_caller_can_cause_is_written_always() {
    let (operator, _, out) = operator(false);
    for number in 0..8 {
        operator.announce(&format!("profile {number}"));
    }
    operator.flush();
    let lines: String = (0..8).map(|number| format!("sentinel: profile {number}\n")).collect();
    assert_eq!(out.take(), lines);
}

#[test]
fn five_of_a_kind_are_written_in_ten_seconds() {
    let (operator, clock, out) = operator(false);
    for number in 0..8 {
        operator.log("refused callers", &format!("refused {number}"));
    }
    operator.log("slow answers", "AWS is slow");
    assert_eq!(
        out.take(),
        "sentinel: refused 0\nsentinel: refused 1\nsentinel: refused 2\nsentinel: refused 3\nsentinel: refused 4\n\
         sentinel: AWS is slow\n"
    );
    clock.set(9.999);
    operator.log("refused callers", "refused again");
    assert_eq!(out.take(), "");
    clock.set(10.0);
    operator.log("refused callers", "refused later");
    assert_eq!(out.take(), "sentinel: suppressed 4 more: refused callers\nsentinel: refused later\n");
}

#[test]
fn another_kinds_message_ends_a_period_too() {
    let (operator, clock, out) = operator(false);
    for _ in 0..6 {
        operator.log("a", "x");
    }
    out.take();
    clock.set(60.0);
    operator.log("b", "y");
    assert_eq!(out.take(), "sentinel: suppressed 1 more: a\nsentinel: y\n");
    operator.log("a", "z");
    assert_eq!(out.take(), "sentinel: z\n");
}

#[test]
fn what_was_suppressed_is_said_at_the_end() {
    let (operator, _, out) = operator(false);
    for _ in 0..7 {
        operator.log("a", "x");
    }
    out.take();
    drop(operator);
    assert_eq!(out.take(), "sentinel: suppressed 2 more: a\n");
}

#[test]
fn debug_lines_are_for_those_who_ask() {
    let (quiet, _, out) = operator(false);
    quiet.debug("detail");
    assert_eq!(out.take(), "");
    let (loud, _, out) = operator(true);
    loud.debug("detail");
    assert_eq!(out.take(), "sentinel: debug: detail\n");
}

#[test]
fn a_message_cannot_forge_a_line() {
    let (operator, _, out) = operator(false);
    operator.log("a", "x\nsentinel: all is well\u{1b}[2J");
    assert_eq!(out.take(), "sentinel: x\\u000asentinel: all is well\\u001b[2J\n");
    operator.log("a", &"x".repeat(2000));
    assert_eq!(out.take(), format!("sentinel: {}...\n", "x".repeat(1021)));
}

#[test]
fn a_reader_who_left_does_no_harm() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let operator = Operator::new(Arc::new(TestClock::default()), true, writer);
    operator.log("a", "x");
    operator.debug("y");
}
