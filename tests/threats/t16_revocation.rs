//! T16: a revoked session gets no new credential within 10 s, also when its record is gone, and whatever is done to the record
//! after that.

use std::fs;
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use sentinel::store::Session;
use sentinel::store::record::SessionStatus;

use crate::gate::{Gate, ask};
use crate::harness::{Running, eventually};
use crate::wire::{FETCHED, Served, Transport};

const LATEST: Duration = Duration::from_secs(10);

/// A client of a server for `dev`, served once, and the session's id.
fn served() -> (Gate, Running, String) {
    let gate = Gate::new();
    gate.world.sandbox.write("policy.json", r#"{"version":"1","rules":[{"name":"open","effect":"allow"}]}"#, 0o600);
    let mut asker = gate.asker(&["--server-duration", "1h"]);
    assert!(ask(&mut asker).starts_with("200 "));
    let files = fs::read_dir(gate.file("sessions", "x").parent().expect("a directory")).expect("the records");
    let names: Vec<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    let ids: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    let [id] = ids[..] else { panic!("one session: {names:?}") };
    (gate, asker, id.to_owned())
}

/// The tree asks without a pause, and on new connections, from now on.
#[track_caller]
fn ends_in_time(gate: &Gate, asker: &mut Running) {
    let since = SystemClock.boot();
    loop {
        let answer = ask(asker);
        let passed = SystemClock.boot() - since;
        if !answer.starts_with("200 ") {
            assert!(answer == "closed" || answer.contains("\"SessionRevoked\""), "{answer}");
            break;
        }
        assert!(passed <= LATEST, "served {passed:?} after the session's end: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = gate.world.sts.calls().len();
    // The connections of before are closed a moment after the first refusal, of which one may be the next.
    let again = eventually("an answer", || Some(ask(asker)).filter(|answer| answer != "closed"));
    assert!(again.starts_with("403 ") && again.contains("\"SessionRevoked\""), "{again}");
    assert_eq!(gate.world.sts.calls().len(), before, "AWS was asked once more");
}

/// The server would have looked at the record twice.
#[track_caller]
fn stays_refused(asker: &mut Running) {
    let since = SystemClock.boot();
    let mut hung_up = 0;
    while SystemClock.boot() - since < Duration::from_secs(7) {
        let answer = ask(asker);
        // At the session's end, and not again.
        hung_up += usize::from(answer == "closed");
        assert!(answer.contains("\"SessionRevoked\"") || answer == "closed" && hung_up == 1, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_tree_whose_session_was_revoked_is_refused_and_stays_so() {
    let (gate, mut asker, id) = served();
    let revoked = gate.run_as("bob", &["session", "revoke", &id]).run();
    assert_eq!(revoked.code(), 0, "{revoked}");
    ends_in_time(&gate, &mut asker);
    // The tree's own user can write the record: what has ended has ended.
    gate.forge_record(&id, |session: &mut Session| session.status = SessionStatus::Active);
    stays_refused(&mut asker);
    let decision = gate.last_decision();
    assert_eq!((&decision["effect"], &decision["session_id"]), (&"deny".into(), &id.into()));
}

#[test]
fn a_tree_whose_record_is_gone_is_refused_and_stays_so() {
    let (gate, mut asker, id) = served();
    let file = gate.file("sessions", &id);
    let text = fs::read_to_string(&file).expect("a record");
    fs::remove_file(&file).expect("remove the record");
    ends_in_time(&gate, &mut asker);
    gate.world.sandbox.write(&format!("state/sentinel/sessions/{id}.json"), &text, 0o600);
    stays_refused(&mut asker);
}

/// Session tokens of the metadata endpoint are another kind of session: they outlive this one, and are worth nothing then.
const UNTIL_THE_END: &str = r#"
say(status(once(ask())))
sys.stdin.readline()
end = time.monotonic() + 10
while once(ask()).startswith(b"HTTP/1.1 200 OK"):
    assert time.monotonic() < end, "served 10 s after the session's end"
    time.sleep(0.1)
# Connections of before are closed a moment after the first refusal, of which one may be the next.
def answered(request):
    while not (raw := request()): pass
    return raw
tokens = [TOKEN] if HEADER == b"Authorization: " else [TOKEN, answered(session_token).rpartition(b"\n")[2]]
say({b"SessionRevoked" in answered(lambda: once(ask(token))) for token in tokens})
"#;

/// Ends the session of each endpoint in this way.
fn ended_by(end: impl Fn(&Served, &str) + Sync) {
    Served::over_each(&[&Transport::OF_EXEC[2..], &Transport::OF_SERVICES].concat(), |served| {
        let mut asking = served.inside(&[], &format!("{FETCHED}{UNTIL_THE_END}")).spawn();
        assert_eq!(asking.line(), "200");
        let listed = served.sandbox.sentinel(["session", "list", "--json"]).run();
        let session: serde_json::Value = serde_json::from_str(listed.stdout.trim_end()).expect("one session");
        end(&served, session["id"].as_str().expect("an id"));
        let calls = served.sts.calls().len();
        asking.send("");
        assert_eq!(asking.line(), "{True}");
        assert_eq!(served.sts.calls().len(), calls, "AWS was asked once more");
        assert_eq!(asking.finish().code(), 0);
    });
}

#[test]
fn on_every_other_endpoint_a_session_that_was_revoked_has_ended() {
    ended_by(|served, id| {
        let revoked = served.sandbox.sentinel(["session", "revoke", id, "--profile", "base"]).run();
        assert_eq!(revoked.code(), 0, "{revoked}");
    });
}

#[test]
fn on_every_other_endpoint_a_session_whose_record_is_gone_has_ended() {
    ended_by(|served, id| {
        fs::remove_file(served.sandbox.path(&format!("state/sentinel/sessions/{id}.json"))).expect("removed");
    });
}
