use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::log::decision::{Decision, DecisionLog, Options};
use crate::log::operator::Operator;
use crate::policy::Effect;

/// A directory that goes away with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sentinel-log-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn file(&self, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join("log");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn append(path: &Path, lines: &str) {
    assert!(Sink::file(path, true).expect("a log").append(lines).is_ok());
}

fn open(path: &Path) -> DecisionLog {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = Options { file: Some(path.to_owned()), ..Options::default() };
    DecisionLog::open(&options, Arc::clone(&clock), Arc::new(Operator::stderr(clock, false))).expect("a log")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the log")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("metadata").mode() & 0o7777
}

/// The error of opening the file, with its path as `FILE`.
#[track_caller]
fn refused(path: &Path) -> String {
    Sink::file(path, false).err().expect("an error").to_string().replace(&path.display().to_string(), "FILE")
}

/// Takes what each write is told to take, and keeps it.
struct Scripted {
    takes: Vec<io::Result<usize>>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = if self.takes.is_empty() { bytes.len() } else { self.takes.remove(0)? };
        self.written.lock().expect("the bytes").extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn scripted(takes: Vec<io::Result<usize>>) -> (Sink, Arc<Mutex<Vec<u8>>>) {
    let written = Arc::new(Mutex::new(Vec::new()));
    (Sink::new("the disk", Scripted { takes, written: Arc::clone(&written) }), written)
}

fn full_disk() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

#[test]
fn a_full_disk_is_an_error() {
    let (mut sink, written) = scripted(vec![Err(full_disk())]);
    let failed = sink.append("one\n").expect_err("a full disk");
    assert_eq!(failed.written_bytes, 0);
    assert_eq!(
        failed.error.to_string(),
        "cannot write the decision log to the disk: No space left on device (os error 28)"
    );
    assert!(sink.append("two\n").is_ok());
    assert_eq!(*written.lock().expect("the bytes"), b"two\n");
}

#[test]
fn a_torn_line_is_an_error_and_the_next_begins_afresh() {
    // Torn, then nothing written twice, then torn after the line feed alone, then whole.
    let (mut sink, written) = scripted(vec![Ok(2), Err(full_disk()), Ok(0), Ok(1)]);
    let failures: Vec<Failed> = (0..4).map(|_| sink.append("line\n").expect_err("no room")).collect();
    assert_eq!(failures.iter().map(|failed| failed.written_bytes).collect::<Vec<_>>(), [2, 0, 0, 0]);
    let errors: Vec<String> = failures.iter().map(|failed| failed.error.to_string()).collect();
    assert_eq!(errors[0], "only 2 of 5 bytes of a decision were written to the disk\n  is the disk full?");
    assert_eq!(errors[2], "only 0 of 6 bytes of a decision were written to the disk\n  is the disk full?");
    assert_eq!(errors[3], "only 1 of 6 bytes of a decision were written to the disk\n  is the disk full?");
    assert!(sink.append("line\n").is_ok());
    assert_eq!(*written.lock().expect("the bytes"), b"li\nline\n");
}

#[test]
fn lines_that_are_too_many_for_one_write_are_never_cut() {
    let lines: String = (0..40).map(|n| format!("{n:02}{}\n", "x".repeat(n * 10))).collect();
    let (begun, writes) = std::sync::mpsc::channel::<Vec<u8>>();
    struct Each(std::sync::mpsc::Sender<Vec<u8>>);
    impl Write for Each {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).expect("the test listens");
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    assert!(Sink::new("a place", Each(begun)).append(&lines).is_ok());
    let writes: Vec<Vec<u8>> = writes.iter().collect();
    assert_eq!(writes.len(), 2, "40 lines of 7920 bytes");
    assert!(writes.iter().all(|write| write.len() <= WRITE_LIMIT_BYTES && write.last() == Some(&b'\n')));
    assert_eq!(writes.concat(), lines.as_bytes());
}

#[test]
fn a_signal_before_the_write_is_no_error() {
    let (mut sink, written) = scripted(vec![Err(ErrorKind::Interrupted.into())]);
    assert!(sink.append("one\n").is_ok());
    assert_eq!(*written.lock().expect("the bytes"), b"one\n");
}

#[test]
fn a_line_that_an_earlier_process_tore_is_ended() {
    let directory = Directory::new();
    let path = directory.file("{\"timest", 0o600);
    append(&path, "next\n");
    append(&path, "last\n");
    assert_eq!(read(&path), "{\"timest\nnext\nlast\n");
}

#[test]
fn the_file_and_its_directories_are_private() {
    let directory = Directory::new();
    let path = directory.0.join("a/b/log");
    append(&path, "one\n");
    assert_eq!((mode(&path), read(&path).as_str()), (0o600, "one\n"));
    assert_eq!((mode(&directory.0.join("a")), mode(&directory.0.join("a/b"))), (0o700, 0o700));
}

#[test]
fn a_file_that_others_can_open_is_refused() {
    for bits in [0o640, 0o604, 0o620, 0o601] {
        let directory = Directory::new();
        assert_eq!(
            refused(&directory.file("", bits)),
            format!("the decision log FILE is open to its group or others (mode {bits:04o})\n  chmod 600 FILE")
        );
    }
}

#[test]
fn a_file_of_another_owner_is_refused() {
    let facts = Facts { regular: true, owner: Uid(1001), mode: 0o600 };
    let error = check(Path::new("/l"), &facts, Uid(1000)).expect_err("another owner");
    assert_eq!(
        error.to_string(),
        "the decision log /l belongs to uid 1001, not to uid 1000\n  name another file with --log-file"
    );
    let roots = Facts { owner: Uid(0), ..facts };
    assert!(check(Path::new("/l"), &roots, Uid(1000)).is_err());
    let ours = Facts { owner: Uid(1000), ..facts };
    assert!(check(Path::new("/l"), &ours, Uid(1000)).is_ok());
}

#[test]
fn a_read_only_file_is_refused() {
    let directory = Directory::new();
    let path = directory.file("", 0o400);
    // The kernel refuses everyone but root, whom the mode must tell.
    let expected = if user::effective_uid() == Uid(0) {
        "the decision log FILE is read-only (mode 0400)\n  chmod 600 FILE"
    } else {
        "cannot open the decision log FILE: Permission denied (os error 13)"
    };
    assert_eq!(refused(&path), expected);
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    assert_eq!(refused(Path::new("/dev/full")), "the decision log FILE is not a regular file");
    let directory = Directory::new();
    assert_eq!(
        refused(&directory.0),
        "cannot open the decision log FILE: Is a directory (os error 21)\n  name another file with --log-file"
    );
    let fifo = directory.0.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    assert_eq!(refused(&fifo), "the decision log FILE is not a regular file");
}

#[test]
fn a_symbolic_link_is_refused_and_its_target_untouched() {
    let directory = Directory::new();
    let (target, link) = (directory.file("kept", 0o600), directory.0.join("link"));
    symlink(&target, &link).expect("a link");
    assert_eq!(refused(&link), "the decision log FILE is a symbolic link\n  name the file that it points to");
    let dangling = directory.0.join("dangling");
    symlink(directory.0.join("nowhere"), &dangling).expect("a link");
    assert_eq!(refused(&dangling), "the decision log FILE is a symbolic link\n  name the file that it points to");
    assert_eq!(read(&target), "kept");
    assert!(!directory.0.join("nowhere").exists());
}

#[test]
fn many_writers_lose_and_tear_nothing() {
    const THREADS: usize = 8;
    const LINES: usize = 200;
    let directory = Directory::new();
    let path = directory.0.join("log");
    // Half of the threads share a log, the others open their own, as other processes would.
    let shared = open(&path);
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (shared, start, path) = (&shared, &start, &path);
            scope.spawn(move || {
                let own = open(path);
                let log = if thread % 2 == 0 { shared } else { &own };
                start.wait();
                for line in 0..LINES {
                    let reason = format!("{thread}/{line}/{}", "x".repeat(line * 15));
                    let decision = Decision::new(jiff::Timestamp::UNIX_EPOCH, "dev", Effect::Allow, &reason);
                    log.record(&decision).expect("a line");
                }
            });
        }
    });
    drop(shared);
    let mut next = [0; THREADS];
    let mut events = 0;
    for line in read(&path).lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        if value.get("event").is_some() {
            events += 1;
            continue;
        }
        let reason = value["reason"].as_str().expect("a reason");
        let mut parts = reason.split('/');
        let thread: usize = parts.next().expect("a thread").parse().expect("a number");
        let number: usize = parts.next().expect("a line").parse().expect("a number");
        assert_eq!(number, next[thread], "lines of a thread keep their order");
        assert_eq!(parts.next().map(str::len), Some(number * 15));
        next[thread] += 1;
    }
    assert_eq!(next, [LINES; THREADS]);
    // The threads with an even number share one; an unused stream of theirs has no line.
    assert_eq!(events, 2 * (THREADS / 2 + 1));
}

#[test]
fn a_file_that_was_renamed_is_opened_anew() {
    let directory = Directory::new();
    let (path, older) = (directory.0.join("log"), directory.0.join("log.1"));
    let mut sink = Sink::file(&path, false).expect("a log");
    let second = |seconds: u64| Duration::from_secs(seconds);
    sink.renew(second(10)).expect("the same file");
    assert!(sink.append("one\n").is_ok());
    std::fs::rename(&path, &older).expect("renamed");
    // It is looked at once a second at most.
    sink.renew(second(10)).expect("not looked at");
    assert!(sink.append("two\n").is_ok());
    sink.renew(second(11)).expect("a new file");
    assert!(sink.append("three\n").is_ok());
    assert_eq!((read(&older).as_str(), read(&path).as_str()), ("one\ntwo\n", "three\n"));
    // Another one in its place is looked at as at the start.
    std::fs::rename(&path, &older).expect("renamed");
    directory.file("torn", 0o640);
    let error = sink.renew(second(12)).expect_err("open to the group");
    assert!(error.summary().ends_with("is open to its group or others (mode 0640)"), "{error}");
    directory.file("torn", 0o600);
    sink.renew(second(12)).expect("ours");
    assert!(sink.append("four\n").is_ok());
    assert_eq!(read(&path), "torn\nfour\n");
}

#[test]
fn the_last_line_is_found() {
    let directory = Directory::new();
    let tail = |text: &str| {
        let path = directory.file(text, 0o600);
        Sink::file(&path, false).expect("a log").tail().expect("read").map(|tail| (tail.digest, tail.torn))
    };
    assert_eq!(tail(""), None);
    assert_eq!(tail("\n"), None);
    assert_eq!(tail("one\n"), Some((sha256(b"one"), false)));
    assert_eq!(tail("one\ntwo\n\n"), Some((sha256(b"two"), false)));
    assert_eq!(tail("one\ntw"), Some((sha256(b"tw"), true)));
    let long = "x".repeat(TAIL_BYTES - 2);
    assert_eq!(tail(&format!("one\n{long}\n")), Some((sha256(long.as_bytes()), false)));
    assert_eq!(tail(&format!("one\n{long}x\n")), None);
}

#[test]
fn a_line_that_another_process_is_writing_is_no_torn_one() {
    let mut looks = 0;
    let found = settled(|| {
        looks += 1;
        Ok(Some(Tail { digest: sha256(b"line"), torn: looks < 3 }))
    });
    assert!(!found.expect("it can be read").expect("a line").torn);
    assert_eq!(looks, 3);
    let never = settled(|| Ok(Some(Tail { digest: sha256(b"li"), torn: true })));
    assert!(never.expect("it can be read").expect("a line").torn);
}
