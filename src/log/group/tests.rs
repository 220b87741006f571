use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::log::operator::Operator;
use crate::log::sink::Sink;
use crate::log::writer::{About, Places};

/// How long a step of a test may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// As much as there is.
const ALL: usize = usize::MAX;

/// Tells of each write, and takes what it is told to take.
struct Slow {
    begun: Sender<String>,
    takes: Receiver<io::Result<usize>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.send(String::from_utf8_lossy(bytes).into_owned()).expect("the test listens");
        let taken = self.takes.recv_timeout(DEADLINE).expect("the test says how much is taken")?;
        Ok(taken.min(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn group(sinks: Vec<Sink>) -> Group {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
    let places = Places { sinks, syslog: None, anchor: false, lines: false };
    Group::new(Writer::new(places, About::default(), clock, operator))
}

/// A group over one slow place, what is written to it, and how much that takes.
fn slow() -> (Group, Receiver<String>, Sender<io::Result<usize>>) {
    let ((begun, writes), (takes, taken)) = (channel(), channel());
    (group(vec![Sink::new("the disk", Slow { begun, takes: taken })]), writes, takes)
}

/// What was written, each line's first field: `open`, or the name of the record.
fn names(written: &str) -> Vec<String> {
    let name = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        line.get("n").or(line.get("event")).and_then(serde_json::Value::as_str).expect("a name").to_owned()
    };
    written.lines().filter(|line| !line.is_empty()).map(name).collect()
}

/// Waits until this many threads wait for a write to end.
fn wait_for(group: &Group, threads: usize) {
    let end = crate::sys::clock::boottime() + DEADLINE;
    while group.state().waiting < threads {
        assert!(crate::sys::clock::boottime() < end, "waited for {threads} threads to wait");
        std::thread::yield_now();
    }
}

#[test]
fn lines_that_come_during_a_write_are_written_together_and_none_returns_before_its_own() {
    let (group, writes, takes) = slow();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| group.write("{\"n\":\"first\"}\n"));
        assert_eq!(names(&writes.recv_timeout(DEADLINE).expect("a write")), ["open", "first"]);
        let lines = ["{\"n\":\"0\"}\n", "{\"n\":\"1\"}\n", "{\"n\":\"2\"}\n", "{\"n\":\"3\"}\n"];
        let others: Vec<_> = lines.iter().map(|line| scope.spawn(|| group.write(line))).collect();
        wait_for(&group, 4);
        takes.send(Ok(ALL)).expect("the writer waits");
        first.join().expect("no panic").expect("written");
        let mut lines = names(&writes.recv_timeout(DEADLINE).expect("a write"));
        lines.sort_unstable();
        assert_eq!(lines, ["0", "1", "2", "3"]);
        assert!(others.iter().all(|other| !other.is_finished()), "nobody returns before its line is written");
        takes.send(Ok(ALL)).expect("the writer waits");
        for other in others {
            other.join().expect("no panic").expect("written");
        }
    });
    assert_eq!(writes.try_recv().ok(), None, "two writes in all");
    takes.send(Ok(ALL)).expect("the group is there");
    group.close().expect("closed");
}

#[test]
fn a_write_that_fails_fails_every_line_of_its_batch_and_no_other() {
    let (group, writes, takes) = slow();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| group.write("{\"n\":\"first\"}\n"));
        writes.recv_timeout(DEADLINE).expect("a write");
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| group.write("{\"n\":\"line\"}\n"))).collect();
        wait_for(&group, 3);
        takes.send(Ok(ALL)).expect("the writer waits");
        first.join().expect("no panic").expect("written");
        let batch = writes.recv_timeout(DEADLINE).expect("a write");
        assert_eq!(names(&batch), ["line", "line", "line"]);
        // The first line and a part of the second came through.
        let taken = batch.find('\n').expect("lines") + 4;
        takes.send(Ok(taken)).expect("the writer waits");
        for other in others {
            let error = other.join().expect("no panic").expect_err("not the whole batch");
            assert_eq!(
                error.to_string(),
                format!(
                    "only {taken} of {} bytes of a decision were written to the disk\n  is the disk full?",
                    batch.len()
                )
            );
        }
        let next = scope.spawn(|| group.write("{\"n\":\"next\"}\n"));
        let written = writes.recv_timeout(DEADLINE).expect("a write");
        assert!(written.starts_with('\n'), "it begins on a line of its own");
        assert_eq!(names(&written), ["open", "next"]);
        takes.send(Ok(ALL)).expect("the writer waits");
        next.join().expect("no panic").expect("written");
    });
}

#[test]
fn a_place_that_fails_fails_the_batch_also_where_another_took_it() {
    let full = io::Error::from_raw_os_error(libc::ENOSPC);
    let (begun, _writes) = channel();
    let (takes, taken) = channel();
    takes.send(Err(full)).expect("kept");
    let disk = Sink::new("the disk", Slow { begun, takes: taken });
    let group = group(vec![Sink::new("one", io::sink()), disk]);
    let error = group.write("{}\n").expect_err("a full disk");
    assert_eq!(error.to_string(), "cannot write the decision log to the disk: No space left on device (os error 28)");
}

#[test]
fn nothing_is_written_after_the_end() {
    let (group, writes, takes) = slow();
    (0..2).for_each(|_| takes.send(Ok(ALL)).expect("kept"));
    group.write("{\"n\":\"one\"}\n").expect("written");
    group.close().expect("closed");
    let error = group.write("{\"n\":\"late\"}\n").expect_err("closed");
    assert_eq!(error.to_string(), "the decision log is closed: this sentinel is ending");
    group.close().expect("once more is nothing");
    assert_eq!(writes.iter().take(2).flat_map(|write| names(&write)).collect::<Vec<_>>(), ["open", "one", "close"]);
    assert_eq!(writes.try_recv().ok(), None);
}
