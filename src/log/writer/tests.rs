use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;

use serde_json::Value;

use super::*;
use crate::clock::SystemClock;
use crate::log::line::Line;
use crate::log::reader::Lines;
use crate::log::verify::{Report, Verifier};

/// A clock that the test sets.
#[derive(Default)]
struct TestClock(Mutex<Duration>);

impl TestClock {
    fn set(&self, seconds: u64) {
        *self.0.lock().expect("the clock") = Duration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        *self.0.lock().expect("the clock")
    }
}

/// A file on a disk with so much room left. Whoever writes appends.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Disk {
    fn with_room(bytes: usize) -> Self {
        let disk = Self::default();
        disk.set_room(bytes);
        disk
    }

    fn set_room(&self, bytes: usize) {
        self.0.lock().expect("the disk").1 = bytes;
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("the disk").0.clone()
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().expect("the disk");
        let taken = bytes.len().min(disk.1);
        if taken == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        disk.1 -= taken;
        disk.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn places(disk: &Disk) -> Places {
    Places { sinks: vec![Sink::new("the disk", disk.clone())], syslog: None, anchor: false, lines: false }
}

fn with(places: Places, about: About, clock: Arc<dyn Clock>) -> Writer {
    let operator = Arc::new(Operator::stderr(Arc::new(SystemClock), false));
    Writer::new(places, about, clock, operator)
}

fn writer(disk: &Disk) -> Writer {
    with(places(disk), About::default(), Arc::new(TestClock::default()))
}

fn verified(bytes: &[u8]) -> Report {
    let mut verifier = Verifier::new(None);
    let mut lines = Lines::of(bytes);
    while let Some(raw) = lines.read().expect("memory") {
        verifier.look_ahead(raw.bytes.expect("short"));
    }
    let file = verifier.file("disk");
    let mut lines = Lines::of(bytes);
    while let Some(raw) = lines.read().expect("memory") {
        verifier.check(Verifier::place(file, raw.number), raw.bytes);
    }
    verifier.finish()
}

fn record(text: &str) -> String {
    format!("{{\"timestamp\":\"t\",\"reason\":\"{text}\"}}\n")
}

#[test]
fn a_stream_opens_with_its_first_line_and_closes_once() {
    let disk = Disk::with_room(1 << 20);
    let about = About { device_id: Some("d".to_owned()), deployment: Some("advisory".to_owned()), ..About::default() };
    let mut writer = with(places(&disk), about, Arc::new(TestClock::default()));
    assert_eq!(disk.bytes(), b"");
    writer.write(&[record("a"), record("b")].concat()).expect("room");
    writer.close().expect("room");
    writer.close().expect("nothing to do");
    assert!(writer.write(&record("c")).is_err());
    let lines = disk.lines();
    let open = &lines[0];
    let stream = open["stream"].as_str().expect("a stream");
    assert_eq!(
        *open,
        serde_json::json!({
            "timestamp": "1970-01-01T00:00:00.000Z", "event": "open", "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"), "device_id": "d", "deployment": "advisory", "stream": stream, "seq": 0
        })
    );
    let rest: Vec<(Option<&str>, u64)> = lines[1..]
        .iter()
        .map(|line| (line["reason"].as_str().or(line["event"].as_str()), line["seq"].as_u64().expect("a number")))
        .collect();
    assert_eq!(rest, [(Some("a"), 1), (Some("b"), 2), (Some("close"), 3)]);
    assert_eq!(verified(&disk.bytes()).findings, [""; 0]);
}

#[test]
fn what_was_never_asked_leaves_no_line() {
    let disk = Disk::with_room(1 << 20);
    writer(&disk).close().expect("nothing to do");
    assert_eq!(disk.bytes(), b"");
}

#[test]
fn after_a_full_disk_a_new_stream_says_where_the_old_one_ended() {
    let disk = Disk::with_room(1 << 20);
    let mut writer = writer(&disk);
    writer.write(&record("a")).expect("room");
    disk.set_room(0);
    for _ in 0..2 {
        let error = writer.write(&record("lost")).expect_err("full");
        assert_eq!(
            error.to_string(),
            "cannot write the decision log to the disk: No space left on device (os error 28)"
        );
    }
    disk.set_room(30);
    assert!(writer.write(&record("torn")).is_err());
    disk.set_room(1 << 20);
    writer.write(&record("b")).expect("room");
    writer.close().expect("room");
    let bytes = disk.bytes();
    let text = String::from_utf8(bytes.clone()).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    let open: Value = serde_json::from_str(lines[3]).expect("JSON");
    let first: Value = serde_json::from_str(lines[1]).expect("JSON");
    assert_eq!(
        open["continues"],
        serde_json::json!({"stream": first["stream"], "seq": 1, "head": hex(&sha256(lines[1].as_bytes()))})
    );
    assert_eq!(open["torn"], serde_json::json!([hex(&sha256(lines[2].as_bytes()))]));
    let report = verified(&bytes);
    assert_eq!(report.findings, [""; 0]);
    assert_eq!(report.notes.len(), 1, "{report:?}");
}

#[test]
fn whatever_a_disk_takes_what_was_taken_stays_verifiable() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below).expect("small")
    };
    for _ in 0..300 {
        let disk = Disk::default();
        let mut writers = [writer(&disk), writer(&disk), writer(&disk)];
        let mut written = Vec::new();
        for number in 0..30 {
            // Often enough for all, sometimes for a part, sometimes for nothing.
            disk.set_room([usize::MAX, usize::MAX, next(1200), 0][next(4)]);
            let text = format!("<{number}>");
            let lines = [record(&text), record(&text)].concat();
            if writers[next(3)].write(&lines).is_ok() {
                written.push(text);
            }
        }
        disk.set_room(usize::MAX);
        writers.iter_mut().for_each(|writer| writer.close().expect("room"));
        let bytes = disk.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let report = verified(&bytes);
        assert_eq!(report.findings, [""; 0], "{text}");
        for wanted in written {
            assert!(text.matches(&wanted).count() >= 2, "{wanted} is lost");
        }
    }
}

#[test]
fn another_place_that_fails_does_not_break_the_chain() {
    let (disk, copy) = (Disk::with_room(1 << 20), Disk::default());
    let sinks = vec![Sink::new("the disk", disk.clone()), Sink::new("the copy", copy.clone())];
    let mut writer = with(Places { sinks, ..places(&disk) }, About::default(), Arc::new(TestClock::default()));
    let error = writer.write(&record("a")).expect_err("no room for the copy");
    assert_eq!(error.to_string(), "cannot write the decision log to the copy: No space left on device (os error 28)");
    copy.set_room(1 << 20);
    writer.write(&record("b")).expect("room");
    let seqs: Vec<u64> = disk.lines().iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, [0, 1, 2]);
    assert_eq!(copy.lines().len(), 1);
}

#[test]
fn heads_go_to_syslog_at_both_ends_and_now_and_then() {
    let path = std::env::temp_dir().join(format!("sentinel-anchor-{}", std::process::id()));
    let service = UnixDatagram::bind(&path).expect("a socket");
    service.set_nonblocking(true).expect("nonblocking");
    let anchors = || {
        let mut message = [0; 8192];
        let mut found = Vec::new();
        while let Ok(length) = service.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            let head = text.split_once("sentinel-head ").expect("a head").1.to_owned();
            found.push(Head::parse(&head).expect("a head").seq);
        }
        found
    };
    let disk = Disk::with_room(1 << 20);
    let clock = Arc::new(TestClock::default());
    clock.set(1000);
    let syslog = Some(Syslog::new(&path).expect("a socket"));
    let mut writer =
        with(Places { syslog, anchor: true, ..places(&disk) }, About::default(), Arc::clone(&clock) as Arc<dyn Clock>);
    writer.write(&record("a")).expect("room");
    assert_eq!(anchors(), [1]);
    clock.set(1059);
    writer.write(&record("b")).expect("room");
    assert_eq!(anchors(), [0; 0]);
    clock.set(1060);
    writer.write(&record("c")).expect("room");
    assert_eq!(anchors(), [3]);
    (0..100).for_each(|_| writer.write(&record("d")).expect("room"));
    assert_eq!(anchors(), [103]);
    writer.write(&record("e")).expect("room");
    // Nobody there is no reason to refuse.
    std::fs::remove_file(&path).expect("removed");
    clock.set(2000);
    writer.write(&record("f")).expect("room");
    writer.close().expect("room");
    assert_eq!(anchors(), [0; 0]);
}

#[test]
fn lines_go_to_syslog_or_the_decision_fails() {
    let path = std::env::temp_dir().join(format!("sentinel-lines-{}", std::process::id()));
    let service = UnixDatagram::bind(&path).expect("a socket");
    let disk = Disk::with_room(1 << 20);
    let syslog = Some(Syslog::new(&path).expect("a socket"));
    let mut writer =
        with(Places { syslog, lines: true, ..places(&disk) }, About::default(), Arc::new(TestClock::default()));
    writer.write(&record("a")).expect("room");
    let mut message = [0; 8192];
    for line in disk.bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let length = service.recv(&mut message).expect("a message");
        let sent = &message[..length];
        assert!(sent.ends_with(line), "{}", String::from_utf8_lossy(sent));
        assert!(matches!(Line::read(sent), Line::Glued { .. }));
    }
    std::fs::remove_file(&path).expect("removed");
    let error = writer.write(&record("b")).expect_err("nobody");
    assert!(error.summary().starts_with("cannot write to syslog at "), "{error}");
}
