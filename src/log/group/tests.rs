use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;

/// How long a step of a test may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Tells of each write, and takes what it is told to take.
struct Slow {
    begun: Sender<String>,
    takes: Receiver<io::Result<usize>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.send(String::from_utf8_lossy(bytes).into_owned()).expect("the test listens");
        self.takes.recv_timeout(DEADLINE).expect("the test says how much is taken")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A group over one slow place, what is written to it, and how much that takes.
fn slow() -> (Group, Receiver<String>, Sender<io::Result<usize>>) {
    let ((begun, writes), (takes, taken)) = (channel(), channel());
    (Group::new(vec![Sink::new("the disk", Slow { begun, takes: taken })]), writes, takes)
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
        let first = scope.spawn(|| group.write("first\n"));
        assert_eq!(writes.recv_timeout(DEADLINE).expect("a write"), "first\n");
        let lines = ["0\n", "1\n", "2\n", "3\n"];
        let others: Vec<_> = lines.iter().map(|line| scope.spawn(|| group.write(line))).collect();
        wait_for(&group, 4);
        takes.send(Ok(6)).expect("the writer waits");
        first.join().expect("no panic").expect("written");
        let together = writes.recv_timeout(DEADLINE).expect("a write");
        let mut lines: Vec<&str> = together.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["0", "1", "2", "3"]);
        assert!(others.iter().all(|other| !other.is_finished()), "nobody returns before its line is written");
        takes.send(Ok(8)).expect("the writer waits");
        for other in others {
            other.join().expect("no panic").expect("written");
        }
    });
    assert_eq!(writes.try_recv().ok(), None, "two writes in all");
}

#[test]
fn a_write_that_fails_fails_every_line_of_its_batch_and_no_other() {
    let (group, writes, takes) = slow();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| group.write("first\n"));
        writes.recv_timeout(DEADLINE).expect("a write");
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| group.write("line\n"))).collect();
        wait_for(&group, 3);
        takes.send(Ok(6)).expect("the writer waits");
        first.join().expect("no panic").expect("written");
        writes.recv_timeout(DEADLINE).expect("a write");
        // The first line and a part of the second came through.
        takes.send(Ok(7)).expect("the writer waits");
        for other in others {
            let error = other.join().expect("no panic").expect_err("not the whole batch");
            assert_eq!(
                error.to_string(),
                "only 7 of 15 bytes of a decision were written to the disk\n  is the disk full?"
            );
        }
        let next = scope.spawn(|| group.write("next\n"));
        assert_eq!(writes.recv_timeout(DEADLINE).expect("a write"), "\nnext\n", "it begins on a line of its own");
        takes.send(Ok(6)).expect("the writer waits");
        next.join().expect("no panic").expect("written");
    });
}

#[test]
fn a_place_that_fails_fails_the_batch_also_where_another_took_it() {
    let full = io::Error::from_raw_os_error(libc::ENOSPC);
    let (begun, _writes) = channel();
    let (takes, taken) = channel();
    takes.send(Err(full)).expect("kept");
    let group = Group::new(vec![Sink::new("one", io::sink()), Sink::new("the disk", Slow { begun, takes: taken })]);
    let error = group.write("line\n").expect_err("a full disk");
    assert_eq!(error.to_string(), "cannot write the decision log to the disk: No space left on device (os error 28)");
}
