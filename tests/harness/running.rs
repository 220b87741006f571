//! A program that runs while the test talks with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Builder;

use super::invocation::{Finished, tail};
use super::{DEADLINE, eventually, process};

/// The longest line that is read; a program that writes without end fails its test instead of filling memory.
const LINE_LIMIT_BYTES: u64 = 16 << 20;

/// A running program. Dropping it kills its process group.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: [String; 2],
    words: String,
    reaped: bool,
}

impl Running {
    pub(super) fn new(mut child: Child, words: String) -> Self {
        let stdin = child.stdin.take();
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self { child, stdin, stdout, stderr, said: Default::default(), words, reaped: false }
    }

    /// Its process id, which stays its own until it was waited for.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output, without the line's end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.stdout.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.said[0].push_str(&line);
                line.trim_end_matches('\n').to_owned()
            }
            Err(_) => panic!("no further line on stdout from {}", self.so_far()),
        }
    }

    /// The next line of its standard error that contains `part`.
    #[track_caller]
    pub(crate) fn error_line(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.stderr.recv_timeout(DEADLINE) else {
                panic!("no line with `{part}` on stderr from {}", self.so_far());
            };
            self.said[1].push_str(&line);
            if line.contains(part) {
                return line.trim_end_matches('\n').to_owned();
            }
        }
    }

    /// Writes a line to its standard input.
    #[track_caller]
    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin was closed");
        if let Err(error) = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush()) {
            panic!("cannot write `{line}`: {error}: {}", self.so_far());
        }
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal by its name: `TERM`, `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        process::signal(self.pid(), name);
    }

    /// Waits for the end, within the deadline, and gives the output from the beginning. What it left behind in its
    /// group is killed then; to look at that first, use [`process::wait_until_gone`] and then this.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        self.stdin = None;
        let pid = self.pid();
        eventually(&format!("the end of `{}`", self.words), || matches!(process::state(pid), Some('Z')).then_some(()));
        self.said[0].push_str(&self.rest(&self.stdout));
        self.said[1].push_str(&self.rest(&self.stderr));
        let status = self.reap();
        let [stdout, stderr] = std::mem::take(&mut self.said);
        Finished { stdout, stderr, status, words: self.words.clone() }
    }

    /// What is left of one output.
    #[track_caller]
    fn rest(&self, stream: &Receiver<String>) -> String {
        let mut text = String::new();
        loop {
            match stream.recv_timeout(DEADLINE) {
                Ok(line) => text.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return text,
                Err(RecvTimeoutError::Timeout) => panic!("`{}` ended, and something holds its output", self.words),
            }
        }
    }

    /// Kills the group and waits. The leader is reaped last: until then the group's number is its own.
    fn reap(&mut self) -> ExitStatus {
        process::signal_group(self.pid(), "KILL");
        self.reaped = true;
        self.child.wait().expect("wait for a child")
    }

    pub(super) fn write_and_close(&mut self, bytes: Vec<u8>) {
        let Some(mut stdin) = self.stdin.take() else { return };
        if !bytes.is_empty() {
            // On a thread, because the program may fill its output before it reads. It may also not read at all.
            let writer = move || drop(stdin.write_all(&bytes));
            drop(Builder::new().name("test-stdin".to_owned()).spawn(writer).expect("a thread"));
        }
    }

    fn so_far(&mut self) -> String {
        self.said[0].extend(self.stdout.try_iter());
        self.said[1].extend(self.stderr.try_iter());
        let state = if process::state(self.pid()) == Some('Z') { "ended" } else { "running" };
        let [stdout, stderr] = &self.said;
        format!("`{}` ({state})\n--- stdout\n{}\n--- stderr\n{}", self.words, tail(stdout), tail(stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.reap();
        }
    }
}

/// Reads lines on a thread, so that every wait for one has a deadline.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    let read = move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match stream.by_ref().take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() => return,
                Ok(_) => {}
            }
        }
    };
    drop(Builder::new().name("test-output".to_owned()).spawn(read).expect("a thread"));
    receiver
}
