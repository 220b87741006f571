//! The decision log as the program writes it and reads it back: many processes, a full disk, rotation, keys and syslog.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Finished, Running, Sandbox, World, eventually, python, sentinel};

/// The log of a sandbox, unless it is put elsewhere.
const LOG: &str = "../state/sentinel/decisions.jsonl";
/// Asks the server of its tree whenever it is told to, and prints the status.
const ASKS: &str = include_str!("threats/attackers/asker.py");

fn verify(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    sandbox.sentinel(["log", "verify"]).args(arguments).run()
}

/// Verifies, and wants nothing to be found.
#[track_caller]
fn assert_whole(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let done = verify(sandbox, arguments);
    assert!(done.code() == 0 && done.stderr.is_empty(), "{done}");
    let last = done.stdout.lines().last().expect("a line").to_owned();
    assert!(last.starts_with("whole: "), "{done}");
    done.stdout
}

fn key_file(sandbox: &Sandbox, name: &str, digit: &str) -> String {
    let path = sandbox.write(name, &digit.repeat(64), 0o600);
    path.to_str().expect("UTF-8").to_owned()
}

fn ask(running: &mut Running) -> String {
    running.send("");
    running.line()
}

#[test]
fn eight_processes_lose_and_tear_nothing() {
    const RUNS: usize = 5;
    let world = World::new();
    let script = format!(r#"for n in $(seq {RUNS}); do "$0" credentials --profile base --no-session >/dev/null; done"#);
    let start = || world.sandbox.program("sh").args(["-c", &script, sentinel()]).spawn();
    let running: Vec<Running> = (0..8).map(|_| start()).collect();
    for running in running {
        let done = running.finish();
        assert!(done.code() == 0 && done.stderr.is_empty(), "{done}");
    }
    assert_eq!(world.sandbox.decisions().len(), 8 * RUNS);
    let said = assert_whole(&world.sandbox, &[]);
    assert!(said.ends_with("whole: 120 lines, 40 streams\n"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("sentinel-head ")).count(), 8 * RUNS);
}

#[test]
fn every_line_fits_four_kibibytes_with_what_the_chain_adds() {
    let world = World::new();
    let key = key_file(&world.sandbox, "key", "a");
    world.sandbox.write("long.json", &format!(r#"{{"version":"1","{}":1}}"#, "x".repeat(3900)), 0o600);
    let policy = world.sandbox.path("long.json");
    let run = world.sandbox.sentinel(["credentials", "--profile", "base", "--log-key", &key, "--policy"]);
    run.args([&policy]).run().failed_with(1, &["unknown field"]);
    let log = world.sandbox.decision_log();
    assert!(log.lines().count() == 3 && log.lines().all(|line| line.len() < 4096), "{log}");
    assert_whole(&world.sandbox, &["--log-key", &key]);
}

/// Starts a server whose files may have so many bytes: its disk is full then.
fn with_little_room(world: &World, bytes: &str) -> Running {
    // Python ignores SIGXFSZ, and so does what it becomes.
    let limited = "import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])";
    let run = world.sandbox.program(python()).args(["-c", limited, bytes, sentinel(), "exec", "--unix-socket"]);
    let mut running = run.args(["--profile", "dev", "--", python(), "-u", "-c", ASKS]).spawn();
    assert_eq!(running.line(), "ready");
    running
}

fn set_room(running: &Running, bytes: &str) {
    let pid = running.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(status.is_ok_and(|status| status.success()), "prlimit");
}

#[test]
fn a_full_disk_gives_no_credentials_and_leaves_a_log_that_is_whole() {
    let world = World::with_dev();
    let mut running = with_little_room(&world, "2300");
    let mut answers: Vec<String> = (0..6).map(|_| ask(&mut running)).collect();
    assert!(answers[0].starts_with("200 "), "{answers:?}");
    assert!(answers[5].starts_with("500 ") && !answers[5].contains("SecretAccessKey"), "{answers:?}");
    assert_eq!(fs::metadata(world.sandbox.path("state/sentinel/decisions.jsonl")).expect("the log").len(), 2300);
    set_room(&running, "unlimited");
    answers.push(ask(&mut running));
    assert!(answers[6].starts_with("200 "), "{answers:?}");
    let done = running.finish();
    assert_eq!(done.code(), 0, "{done}");
    let said = assert_whole(&world.sandbox, &[]);
    let log = world.sandbox.decision_log();
    let torn = log.lines().position(|line| serde_json::from_str::<Value>(line).is_err()).expect("a torn line") + 1;
    let path = world.sandbox.path("state/sentinel/decisions.jsonl");
    let note = format!(
        "note: {}:{torn}: was not written to its end: a later opening line says that a write failed, and names it\n",
        path.display()
    );
    assert!(said.starts_with(&note), "{said}");
    // The new stream goes on where the old one had to be given up.
    assert!(!said.contains("which was not closed"), "{said}");
    // Each answer with credentials has its line, besides that of the start.
    let given = answers.iter().filter(|answer| answer.starts_with("200 ")).count();
    let allowed = log.lines().filter(|line| line.contains(r#""effect":"allow""#) && line.ends_with("\"}")).count();
    assert_eq!(allowed, given + 1, "{log}");
}

#[test]
fn a_disk_that_stays_full_leaves_what_the_next_run_explains() {
    let world = World::with_dev();
    let mut running = with_little_room(&world, "2300");
    assert!((0..6).map(|_| ask(&mut running)).any(|answer| answer.starts_with("500 ")));
    let done = running.finish();
    assert!(done.stderr.contains("the end of the decision log was not recorded: "), "{done}");
    assert_eq!(verify(&world.sandbox, &[]).code(), 1);
    assert_eq!(world.exec_true(&["base"]).code(), 0);
    let said = assert_whole(&world.sandbox, &[]);
    assert!(said.contains("which was not closed: "), "{said}");
}

#[test]
fn a_server_follows_a_rotation_and_the_files_are_whole_together() {
    let world = World::with_dev();
    let mut running = world.sandbox.python(&["--unix-socket", "dev"], ASKS).spawn();
    assert_eq!(running.line(), "ready");
    assert!(ask(&mut running).starts_with("200 "));
    let (path, older) =
        (world.sandbox.path("state/sentinel/decisions.jsonl"), world.sandbox.path("state/sentinel/decisions.jsonl.1"));
    fs::rename(&path, &older).expect("rotated");
    // The name is looked at once a second at most.
    eventually("a new file", || {
        // On a fast machine that is more than a tree may ask for, and a refusal is on record as well.
        let answer = ask(&mut running);
        assert!(answer.starts_with("200 ") || answer.starts_with("429 "), "{answer}");
        path.exists().then_some(())
    });
    assert_eq!(running.finish().code(), 0);
    let [newer, older] = [path, older].map(|path: PathBuf| path.to_str().expect("UTF-8").to_owned());
    assert_whole(&world.sandbox, &[&older, &newer]);
    let said = assert_whole(&world.sandbox, &[&newer]);
    assert!(said.starts_with(&format!("note: {newer}:1: older files are missing: stream ")), "{said}");
    assert_eq!(verify(&world.sandbox, &[&newer, &older]).code(), 1);
}

#[test]
fn a_key_proves_who_wrote_it() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let (key, other) = (key_file(sandbox, "key", "a"), key_file(sandbox, "other", "b"));
    assert_eq!(world.exec_true(&["base", "--log-key", &key, "--log-fsync"]).code(), 0);
    assert!(sandbox.decision_log().lines().all(|line| line.contains(r#","mac":""#)));
    assert_whole(sandbox, &["--log-key", &key]);
    let said = assert_whole(sandbox, &[]);
    assert!(said.contains("note: there are MACs, which --log-key would check\n"), "{said}");
    let done = verify(sandbox, &["--log-key", &other, LOG]);
    let wrong =
        format!("{LOG}:1: has a MAC that the key does not give: it was changed, or another key's owner wrote it\n");
    assert!(done.code() == 1 && done.stdout.starts_with(&wrong), "{done}");
    assert!(done.stdout.ends_with("NOT whole: 3 findings in 3 lines, 1 stream\n"), "{done}");
    // Who forgets the key is seen as well.
    assert_eq!(world.exec_true(&["base"]).code(), 0);
    let done = verify(sandbox, &["--log-key", &key, LOG]);
    let none = format!("{LOG}:4: has no MAC, so that nothing shows that the key's owner wrote it\n");
    assert!(done.code() == 1 && done.stdout.starts_with(&none), "{done}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let world = World::new();
    let path = world.sandbox.write("key", &"a".repeat(64), 0o640);
    let (key, name) = (path.to_str().expect("UTF-8"), path.display());
    let expected =
        format!("sentinel: the log's key {name} is open to its group or others (mode 0640)\n  chmod 600 {name}\n");
    let done = world.exec_true(&["base", "--log-key", key]);
    assert_eq!((done.code(), done.stderr.as_str()), (125, expected.as_str()));
    assert_eq!(world.sts.calls().len(), 0);
    let done = verify(&world.sandbox, &["--log-key", key]);
    assert_eq!((done.code(), done.stderr.as_str()), (1, expected.as_str()));
}

/// What came to the socket.
fn received(service: &UnixDatagram) -> String {
    service.set_nonblocking(true).expect("nonblocking");
    let mut message = vec![0; 8192];
    let mut text = String::new();
    while let Ok(length) = service.recv(&mut message) {
        text.push_str(std::str::from_utf8(&message[..length]).expect("UTF-8"));
        text.push('\n');
    }
    text
}

#[test]
fn lines_and_heads_go_to_syslog() {
    let world = World::new();
    let path = world.sandbox.path("run/syslog");
    let service = UnixDatagram::bind(&path).expect("a socket");
    let socket = path.to_str().expect("UTF-8");
    let options = ["base", "--log-syslog", "--log-anchor", "--syslog-socket", socket];
    let done = world.exec_true(&options);
    assert!(done.code() == 0 && done.stderr.is_empty(), "{done}");
    let kept = received(&service);
    let log = world.sandbox.decision_log();
    for line in log.lines() {
        assert!(kept.contains(&format!(" decision - {line}\n")), "{line} is not in {kept}");
    }
    let heads: Vec<&str> = kept.lines().filter_map(|line| line.split_once("sentinel-head ")).map(|(_, h)| h).collect();
    let seqs: Vec<&str> = heads.iter().filter_map(|head| head.split(':').nth(1)).collect();
    assert_eq!(seqs, ["1", "2"], "{kept}");
    let kept = world.sandbox.write("kept", &kept, 0o600);
    assert_whole(&world.sandbox, &["--syslog", kept.to_str().expect("UTF-8"), "--head", heads[1]]);
}

#[test]
fn without_syslog_there_is_no_credential_if_lines_were_to_go_there() {
    let world = World::new();
    let path = world.sandbox.path("run/nobody");
    let socket = path.to_str().expect("UTF-8");
    let done = world.exec_true(&["base", "--log-syslog", "--syslog-socket", socket]);
    done.failed_with(125, &[&format!("cannot write to syslog at {socket}: No such file"), "--syslog-socket names"]);
    // An anchor is for later.
    let done = world.exec_true(&["base", "--log-anchor", "--syslog-socket", socket]);
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stderr.contains("sentinel: the decision log is not anchored: cannot write to syslog at "), "{done}");
}

#[test]
fn it_is_shown_to_people_and_to_programs() {
    let world = World::with_dev();
    let sandbox = &world.sandbox;
    assert_eq!(world.exec_true(&["dev"]).code(), 0);
    let denies = r#"{"version": "1", "rules": [{"name": "never", "effect": "deny", "reason": "not you\u001b[2J"}]}"#;
    let policy = sandbox.write("policy.json", denies, 0o600);
    assert_eq!(world.exec_true(&["base", "--policy", policy.to_str().expect("UTF-8")]).code(), 125);
    let show = |arguments: &[&str]| {
        let done = sandbox.sentinel(["log", "show"]).args(arguments).run();
        assert!(done.code() == 0 && done.stderr.is_empty(), "{done}");
        done.stdout
    };
    let all = show(&[]);
    assert_eq!(all.lines().count(), 6, "{all}");
    assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{all:?}");
    let denied = show(&["--effect", "deny"]);
    assert!(denied.ends_with("not you\\u001b[2J; rule never\n") && denied.lines().count() == 1, "{denied}");
    assert_eq!(
        show(&["--profile", "dev", "--user", "alice", "--since", "1h", "--until", "2100-01-01T00:00:00Z"])
            .lines()
            .count(),
        1
    );
    assert_eq!(show(&["--until", "1h"]), "");
    let json = show(&["--json", "--profile", "dev"]);
    let line: Value = serde_json::from_str(&json).expect("one line of JSON");
    assert_eq!((&line["profile"], &line["seq"]), (&Value::from("dev"), &Value::from(1)));
    // Torn and foreign lines do not end it.
    let log = sandbox.decision_log();
    let path = sandbox.write("other.jsonl", &format!("{}\n\u{1b}[2J\n{log}", &log[..40]), 0o600);
    let shown = show(&[path.to_str().expect("UTF-8")]);
    assert!(shown.starts_with("(not a line of the log: {\"timestamp\""), "{shown}");
    assert!(shown.contains("\n(not a line of the log: \\u001b[2J)\n") && shown.lines().count() == 8, "{shown}");
    let missing = sandbox.sentinel(["log", "show", "/nonexistent"]).run();
    missing.failed_with(1, &["cannot read the decision log /nonexistent: No such file or directory"]);
}
