//! The local engine: what it promises, to processes that are killed as well.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sentinel::store::record::Record;
use sentinel::store::{Engine, Kind, Local, Session};

use super::{Contention, conformance, increment, insert, read, session};
use crate::harness::{Sandbox, skip};

/// Where a child of these tests works, and what it does there.
const WORK: &str = "SENTINEL_TEST_STORE_WORK";

/// A place for a store; nothing of it asks AWS.
fn scratch() -> Sandbox {
    Sandbox::with_endpoint("http://127.0.0.1:1")
}

#[test]
fn the_local_engine_keeps_what_engines_promise() {
    let sandbox = scratch();
    let local = Local::open(&sandbox.path("store")).expect("a store");
    conformance(&local, &Contention { writers: 8, updates: 50 });
}

#[test]
fn no_update_of_many_processes_is_lost() {
    let (processes, updates) = (4, 25);
    let sandbox = scratch();
    let state = sandbox.path("store");
    let local = Local::open(&state).expect("a store");
    let session = session();
    insert(&local, &session);
    let children: Vec<Child> = (0..processes).map(|_| child(&state, &session.id, &updates.to_string())).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let found: Session = read(&local, &session.id);
    assert_eq!((found.request_count, found.version), (processes * updates, processes * updates + 1));
}

/// Each child is killed after it has finished another number of writes, in the middle of one that follows.
#[test]
fn a_writer_that_is_killed_leaves_whole_records() {
    let sandbox = scratch();
    let state = sandbox.path("store");
    let local = Local::open(&state).expect("a store");
    let session = session();
    insert(&local, &session);
    for round in 0..30 {
        let before: Session = read(&local, &session.id);
        let mut writer = child(&state, &session.id, "forever");
        let mut lines = BufReader::new(writer.stderr.take().expect("its output is piped")).lines();
        let mut acknowledged = before.version;
        for _ in 0..=round % 7 {
            acknowledged = lines.next().expect("a line").expect("a line").parse().expect("a version");
        }
        writer.kill().expect("killed");
        writer.wait().expect("it ends");
        let after: Session = read(&local, &session.id);
        // What it said was written is there, and what it was at may be, whole.
        assert!(after.version >= acknowledged, "{} was acknowledged, {} is there", acknowledged, after.version);
        assert_eq!(after.request_count, after.version - 1);
        let listing = local.list(Kind::Session, None, 10).expect("a listing");
        assert_eq!((listing.items.len(), listing.flaws.len()), (1, 0));
        // And the next writer is kept from nothing.
        increment(&local, &session.id, 1);
    }
}

/// Where a write can end, in its order: the system call that its process is killed at, which of them, and whether the new record is
/// there by then.
const STEPS: [(&str, u32, bool); 6] = [
    ("flock", 1, false),
    ("unlinkat", 1, false),
    ("fsync", 1, false),
    ("renameat", 1, false),
    ("fsync", 2, true),
    ("flock", 2, true),
];

#[test]
fn a_writer_that_is_killed_at_any_step_leaves_the_old_record_or_the_new() {
    let test = "a_writer_that_is_killed_at_any_step_leaves_the_old_record_or_the_new";
    let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !traced.is_ok_and(|status| status.success()) {
        return skip(test, "strace is not installed, or may not trace");
    }
    let sandbox = scratch();
    let state = sandbox.path("store");
    let local = Local::open(&state).expect("a store");
    let mut expected = session();
    insert(&local, &expected);
    for (call, which, is_new) in STEPS {
        let work = format!("{}\n{}\n2", state.display(), expected.id);
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={which}")]);
        command.arg(std::env::current_exe().expect("our own path")).args(CHILD).env(WORK, work);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace");
        assert!(!status.success(), "{call} {which}: it was not killed");
        if is_new {
            expected.version += 1;
            expected.request_count += 1;
        }
        assert_eq!(read::<Session>(&local, &expected.id), expected, "{call} {which}");
        let listing = local.list(Kind::Session, None, 10).expect("a listing");
        assert_eq!((listing.items.len(), listing.flaws.len()), (1, 0), "{call} {which}");
    }
    increment(&local, &expected.id, 1);
    assert!(!state.join("sessions/.unfinished").exists());
}

/// What makes this test's program do the work of a child.
const CHILD: [&str; 4] = ["--ignored", "--exact", "--nocapture", "store::local::a_process_of_its_own"];

/// This test's program again, as a process of its own that works on one session.
fn child(state: &Path, id: &str, times: &str) -> Child {
    let program = std::env::current_exe().expect("our own path");
    let mut command = Command::new(program);
    command.args(CHILD);
    command.env(WORK, format!("{}\n{id}\n{times}", state.display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}

#[test]
#[ignore = "the child of other tests"]
fn a_process_of_its_own() {
    let Ok(work) = std::env::var(WORK) else { return };
    let [state, id, times] = work.split('\n').collect::<Vec<_>>()[..] else { panic!("three lines: {work}") };
    let local = Local::open(Path::new(state)).expect("a store");
    if let Ok(times) = times.parse() {
        return increment(&local, id, times);
    }
    let mut output = std::io::stderr().lock();
    loop {
        increment(&local, id, 1);
        let found = local.get(Session::KIND, id).expect("an answer").expect("a record");
        writeln!(output, "{}", found.version()).expect("somebody reads");
    }
}
