//! The same with records in tables, which moto keeps: it verifies every signature and permission.

use serde_json::Value;

use super::{Gate, ask};
use crate::harness::eventually;

#[test]
fn an_approval_in_a_table_opens_the_profile() {
    let gate = Gate::in_tables();
    let id = gate.create("dev", "1h");
    assert!(!gate.file("requests", &id).exists());
    gate.exec("dev", &[]).failed_with(125, &[&format!("of request {id} it is pending")]);
    let again = gate.run_as("alice", &["request", "create", "--profile", "dev", "--justification", "once more please"]);
    again.run().failed_with(1, &[&format!("request {id} of yours")]);
    gate.approve("bob", &id);
    gate.approving("carol", &id).run().failed_with(1, &[&format!("request {id} was approved by bob at")]);
    let done = gate.exec("dev", &[]);
    assert_eq!(done.code(), 0, "{done}");
    assert!(gate.last_session().parameters["SourceIdentity"].contains(&id[..8]));
    let listed = gate.run_as("bob", &["request", "list", "--status", "approved", "--json"]).run();
    let record: Value = serde_json::from_str(&listed.stdout).expect("one line of JSON");
    assert_eq!(record["id"], id);
    let missing = gate.run_as("bob", &["request", "show", "0000000000000000"]).run();
    let table = gate.tables.requests.as_deref().expect("a table");
    missing.failed_with(1, &[&format!("there is no request 0000000000000000 in {table}")]);
}

#[test]
fn a_session_in_a_table_is_listed_and_revoked() {
    let gate = Gate::in_tables();
    gate.approve("bob", &gate.create("dev", "1h"));
    let mut asker = gate.asker(&[]);
    assert!(ask(&mut asker).starts_with("200 "));
    let list = || gate.run_as("bob", &["session", "list", "--json"]).run().stdout;
    let session: Value = serde_json::from_str(&list()).expect("one line of JSON");
    assert_eq!((&session["status"], &session["profile"]), (&"active".into(), &"dev".into()));
    let id = session["id"].as_str().expect("an id");
    let revoked = gate.run_as("bob", &["session", "revoke", id, "--reason", "a drill"]).run();
    assert_eq!(revoked.code(), 0, "{revoked}");
    let answer = eventually("the end of the session", || {
        let answer = ask(&mut asker);
        // Who asks without a pause is told to come back later, too.
        (!answer.starts_with("200 ") && !answer.starts_with("429 ")).then_some(answer)
    });
    assert!(answer == "closed" || answer.contains("\"SessionRevoked\""), "{answer}");
    let session: Value = serde_json::from_str(&list()).expect("one line of JSON");
    assert_eq!((&session["status"], &session["revoked_by"]), (&"revoked".into(), &"bob".into()));
}

#[test]
fn an_emergency_in_a_table_is_opened_once_and_closed() {
    let gate = Gate::in_tables();
    gate.rule(r#""breakglass":{"cooldown":"1h"},"#);
    let policy = gate.policy.to_str().expect("UTF-8");
    let words =
        ["--profile", "dev", "--reason-code", "incident", "--justification", "the database is down, nobody awake"];
    let open = || gate.run_as("alice", &[&["breakglass", "open", "--policy", policy], &words[..]].concat()).run();
    let opened = open();
    assert_eq!(opened.code(), 0, "{opened}");
    let id = opened.stdout.trim_end();
    open().failed_with(1, &[&format!("event {id} is still open")]);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    assert_eq!(gate.run_as("alice", &["breakglass", "close", id]).run().code(), 0);
    open().failed_with(1, &[&format!("event {id} ended less than 1h before")]);
    gate.exec("dev", &[]).failed_with(125, &["the rule wants an approval"]);
}
