//! `sentinel session`: what is being served, and its end.

use std::fs;
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use serde_json::Value;

use super::{Gate, ask};
use crate::harness::{Running, eventually, one_of_three};

/// How long a server may go on after its session was revoked (T16), and a little for a busy machine.
const LATEST: Duration = Duration::from_secs(10);

/// A gate that is open, and a client behind it that was served once.
fn served() -> (Gate, Running, String) {
    let gate = Gate::new();
    let rules = r#"{"version":"1","rules":[{"name":"open","effect":"allow"}]}"#;
    gate.world.sandbox.write("policy.json", rules, 0o600);
    let mut asker = gate.asker(&[]);
    assert!(ask(&mut asker).starts_with("200 "));
    let id = only_session(&gate)["id"].as_str().expect("an id").to_owned();
    (gate, asker, id)
}

fn sessions(gate: &Gate, options: &[&str]) -> Vec<Value> {
    let done = gate.run_as("bob", &[&["session", "list", "--json"], options].concat()).run();
    assert_eq!(done.code(), 0, "{done}");
    done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn only_session(gate: &Gate) -> Value {
    let found = sessions(gate, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Asks until the session is refused, and fails if that takes longer than it may.
#[track_caller]
fn refused_in_time(asker: &mut Running) -> String {
    let since = SystemClock.boot();
    loop {
        let answer = ask(asker);
        let passed = SystemClock.boot() - since;
        if answer.starts_with("403 ") {
            return answer;
        }
        // A connection that is open when the session ends is closed.
        assert!(passed <= LATEST, "served {passed:?} after the session's end: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_session_is_listed_while_it_is_served_and_has_expired_after() {
    // The end waits a second for its record, which the disk may take once: the next start would write it then.
    let (gate, id) = one_of_three(|| {
        let (gate, asker, id) = served();
        let session = only_session(&gate);
        assert_eq!((&session["status"], &session["profile"]), (&"active".into(), &"dev".into()));
        let table = gate.run_as("bob", &["session", "list"]).run();
        let line = table.stdout.lines().nth(1).expect("a line");
        assert!(line.starts_with(&id) && line.contains("dev") && line.contains("active"), "{table}");
        assert_eq!(asker.finish().code(), 0);
        let session = only_session(&gate);
        if session["status"] == "expired" { Ok((gate, id)) } else { Err(session.to_string()) }
    });
    assert_eq!(sessions(&gate, &["--status", "active"]), [] as [Value; 0]);
    assert_eq!(sessions(&gate, &["--status", "expired", "--profile", "dev"]).len(), 1);
    let shown = gate.run_as("bob", &["session", "show", &id]).run();
    assert!(shown.stdout.contains("\nstatus:             expired\n"), "{shown}");
    let revoked = gate.run_as("bob", &["session", "revoke", &id]).run();
    revoked.failed_with(1, &[&format!("session {id} ended at")]);
}

#[test]
fn the_session_of_a_run_that_was_killed_is_ended_by_the_next_start() {
    for was_lost in [false, true] {
        let (gate, asker, id) = served();
        asker.signal("KILL");
        drop(asker);
        assert_eq!(only_session(&gate)["status"], "active");
        let note = gate.file("instances", &id);
        if was_lost {
            // The power may take the text and leave the name.
            fs::write(&note, "").expect("written");
        }
        let mut next = gate.asker(&[]);
        assert!(ask(&mut next).starts_with("200 "));
        eventually("the end of the session", || {
            let status = |session: &Value| session["status"].as_str().map(str::to_owned);
            let found = sessions(&gate, &[]).iter().find(|session| session["id"] == id.as_str()).and_then(status);
            (found.as_deref() == Some("expired") && !note.exists()).then_some(())
        });
        assert_eq!(sessions(&gate, &["--status", "active"]).len(), 1);
        assert_eq!(next.finish().code(), 0);
    }
}

#[test]
fn a_revoked_session_gets_nothing_more() {
    let (gate, mut asker, id) = served();
    let revoked = gate.run_as("bob", &["session", "revoke", &id, "--reason", "laptop stolen"]).run();
    assert_eq!(revoked.code(), 0, "{revoked}");
    assert!(revoked.stderr.contains("within 10 s its server gives no new credentials"), "{revoked}");
    let policy: Value = serde_json::from_str(&revoked.stdout).expect("a policy");
    assert_eq!(policy["Statement"][0]["Effect"], "Deny");
    let answer = refused_in_time(&mut asker);
    assert!(answer.starts_with("403 ") && answer.contains("\"SessionRevoked\""), "{answer}");
    let session = only_session(&gate);
    assert_eq!((&session["status"], &session["revoked_by"]), (&"revoked".into(), &"bob".into()));
    assert_eq!(session["revoked_reason"], "laptop stolen");
    let again = gate.run_as("bob", &["session", "revoke", &id]).run();
    again.failed_with(1, &[&format!("session {id} was revoked by bob at")]);
}

#[test]
fn a_session_whose_record_is_gone_gets_nothing_more() {
    let (gate, mut asker, id) = served();
    fs::remove_file(gate.file("sessions", &id)).expect("remove the record");
    let answer = refused_in_time(&mut asker);
    assert!(answer.starts_with("403 ") && answer.contains("\"SessionRevoked\""), "{answer}");
    gate.run_as("bob", &["session", "revoke", &id]).run().failed_with(1, &[&format!("there is no session {id} in")]);
}

#[test]
fn without_aws_a_session_is_revoked_by_its_uid() {
    let (gate, mut asker, id) = served();
    let revoked = gate.run_as("bob", &["session", "revoke", &id]).env("AWS_PROFILE", "nobody-has-this").run();
    assert_eq!(revoked.code(), 0, "{revoked}");
    assert!(revoked.stderr.contains("recorded as uid:"), "{revoked}");
    let by = only_session(&gate)["revoked_by"].as_str().expect("somebody").to_owned();
    assert!(by.starts_with("uid:"), "{by}");
    assert!(refused_in_time(&mut asker).contains("\"SessionRevoked\""));
}
