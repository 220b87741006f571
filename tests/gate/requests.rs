//! `sentinel request`: asked, approved, and only then used.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Gate, in_seconds};
use crate::harness::{Finished, eventually};

#[test]
fn an_approval_by_another_person_opens_the_profile_for_its_window() {
    let gate = Gate::new();
    let before = gate.exec("dev", &[]);
    before.failed_with(125, &["the rule wants an approval", "sentinel request create --profile dev"]);
    let id = gate.create("dev", "20m");
    gate.exec("dev", &[]).failed_with(125, &[&format!("of request {id} it is pending")]);
    assert_eq!(gate.world.sts.calls_of("AssumeRole").len(), 0);

    let approved = gate.approve("bob", &id);
    let said = format!("approved {id}: alice may use profile `dev` until ");
    assert!(approved.stdout.starts_with(&said), "{approved}");
    let done = gate.exec("dev", &[]);
    assert_eq!(done.code(), 0, "{done}");
    let call = gate.last_session();
    let identity = &call.parameters["SourceIdentity"];
    assert!(identity.starts_with(&format!("sentinel-alice-{}-", &id[..8])), "{identity}");
    let seconds: u64 = call.parameters["DurationSeconds"].parse().expect("seconds");
    assert!((900..=1200).contains(&seconds), "{seconds}");
    let decision = gate.last_decision();
    assert_eq!((&decision["effect"], &decision["approved_request_id"]), (&Value::from("allow"), &Value::from(id)));
}

#[test]
fn a_server_is_served_under_an_approval_until_it_is_taken_back() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    gate.approve("bob", &id);
    let mut asker = gate.asker(&[]);
    assert!(super::ask(&mut asker).starts_with("200 "));
    let done = gate.run_as("carol", &["request", "deny", &id, "--comment", "the ticket is closed"]).run();
    assert_eq!(done.code(), 0, "{done}");
    let refused = eventually("the end of the approval", || {
        Some(super::ask(&mut asker)).filter(|answer| !answer.starts_with("200 ") && !answer.starts_with("429 "))
    });
    assert!(refused.starts_with("403 ") && refused.contains("PolicyDenied"), "{refused}");
}

#[test]
fn what_was_denied_cancelled_or_lapsed_opens_nothing() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let again = gate.run_as("alice", &["request", "create", "--profile", "dev", "--justification", "once more please"]);
    again.run().failed_with(1, &[&format!("request {id} of yours for profile `dev` waits for an approver already")]);
    gate.run_as("alice", &["request", "deny", &id]).run().failed_with(1, &["is your own"]);
    let denied = gate.run_as("bob", &["request", "deny", &id, "--comment", "not today"]).run();
    assert_eq!(denied.code(), 0, "{denied}");
    gate.approving("bob", &id).run().failed_with(1, &[&format!("request {id} was denied by bob at")]);
    gate.exec("dev", &[]).failed_with(125, &["it is denied"]);

    let id = gate.create("dev", "1h");
    gate.run_as("bob", &["request", "cancel", &id]).run().failed_with(1, &["is alice's, and you are bob"]);
    assert_eq!(gate.run_as("alice", &["request", "cancel", &id]).run().code(), 0);
    gate.approving("bob", &id).run().failed_with(1, &["was cancelled by its requester"]);

    let id = gate.create("dev", "1h");
    gate.forge("requests", &id, |record| record["expires_at"] = in_seconds(-1).into());
    gate.approving("bob", &id).run().failed_with(1, &[&format!("request {id} expired at")]);
    let shown = gate.run_as("alice", &["request", "show", &id]).run();
    assert!(shown.stdout.contains("\nstatus:             expired\n"), "{shown}");
    assert_eq!(gate.world.sts.calls_of("AssumeRole").len(), 0);
}

#[test]
fn an_approval_ends_with_its_window() {
    let gate = Gate::new();
    let id = gate.create("dev", "15m");
    gate.approve("bob", &id);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    // Of a window of 15 minutes nothing is left that STS could issue.
    gate.forge("requests", &id, |record| record["expires_at"] = in_seconds(-1).into());
    gate.exec("dev", &[]).failed_with(125, &["its window has ended"]);
}

#[test]
fn of_two_approvers_one_approves() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let running = ["bob", "carol"].map(|name| (name, gate.approving(name, &id).spawn()));
    let done: Vec<(&str, Finished)> = running.into_iter().map(|(name, run)| (name, run.finish())).collect();
    let (won, lost): (Vec<_>, Vec<_>) = done.iter().partition(|(_, done)| done.code() == 0);
    let ([(winner, _)], [(_, loser)]) = (&won[..], &lost[..]) else {
        panic!("one of both: {}\n{}", done[0].1, done[1].1)
    };
    loser.failed_with(1, &[&format!("request {id} was approved by {winner} at")]);
    assert_eq!(gate.record("requests", &id)["approver"], *winner);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
}

#[test]
fn a_key_that_the_policy_does_not_name_approves_nothing() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let (key, public) = super::make_key(&gate.world, "other");
    let policy = gate.policy.to_str().expect("UTF-8");
    let approve =
        |user: &str, key: &str| gate.run_as(user, &["request", "approve", &id, "--key", key, "--policy", policy]).run();
    let done = approve("bob", key.to_str().expect("UTF-8"));
    done.failed_with(1, &["the policy names no approver with the key in", &public]);
    let carols = gate.world.sandbox.path("carol.key");
    approve("bob", carols.to_str().expect("UTF-8")).failed_with(1, &["as carol's, and you are bob"]);
    gate.run_as("bob", &["request", "approve", &id, "--policy", policy]).run().failed_with(2, &["no key was given"]);
    gate.run_as("bob", &["request", "approve", &id]).run().failed_with(2, &["an approval holds for one policy"]);
    assert_eq!(gate.record("requests", &id)["status"], "pending");
}

#[test]
fn an_approver_approves_their_profiles_alone() {
    let gate = Gate::new();
    gate.world.role("third", "base", "");
    let id = gate.create("third", "1h");
    gate.approving("bob", &id).run().failed_with(1, &["the policy does not let bob approve profile `third`"]);
    gate.exec("third", &[]).failed_with(125, &["it is pending"]);
}

#[test]
fn an_approval_of_one_profile_opens_no_other() {
    let gate = Gate::new();
    gate.world.role("other", "base", "");
    gate.approve("bob", &gate.create("dev", "1h"));
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    gate.exec("other", &[]).failed_with(125, &["sentinel request create --profile other"]);
}

#[test]
fn a_changed_policy_voids_approvals() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    gate.approve("bob", &id);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    gate.rule(r#""limits":{"burst":21},"#);
    gate.exec("dev", &[]).failed_with(125, &["it was approved under another policy than the one of now"]);
    let policy = gate.policy.to_str().expect("UTF-8");
    let shown = gate.run_as("alice", &["request", "show", &id, "--policy", policy]).run();
    let expected = "\nvalidity:           does not count: it was approved under another policy than the one of now\n";
    assert!(shown.stdout.contains(expected), "{shown}");
}

#[test]
fn where_the_policy_trusts_the_store_no_key_is_needed() {
    let gate = Gate::new();
    let rules = r#"{"version":"1","approvals":"store","rules":[{"name":"gated","effect":"require_approval"}]}"#;
    gate.world.sandbox.write("policy.json", rules, 0o600);
    let id = gate.create("dev", "1h");
    let policy = gate.policy.to_str().expect("UTF-8");
    let approve = |user: &str| gate.run_as(user, &["request", "approve", &id, "--policy", policy]).run();
    approve("alice").failed_with(1, &["is your own: somebody else has to approve it"]);
    assert_eq!(approve("bob").code(), 0);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
}

#[test]
fn requests_are_listed_and_shown_without_acting_on_the_terminal() {
    let gate = Gate::new();
    let nasty = "please\u{1b}[2J now \u{202e}dlrow";
    let words = ["request", "create", "--profile", "dev", "--justification", nasty, "--json"];
    let created = gate.run_as("alice", &words).run();
    assert_eq!(created.code(), 0, "{created}");
    let record: Value = serde_json::from_str(&created.stdout).expect("JSON");
    assert_eq!(record["justification"], nasty);
    let id = record["id"].as_str().expect("an id");
    gate.approve("bob", id);
    gate.create("dev", "30m");

    let list = |options: &[&str]| gate.run_as("bob", &[&["request", "list"], options].concat()).run();
    let all = list(&[]);
    let lines: Vec<&str> = all.stdout.lines().collect();
    assert!(lines[0].starts_with("ID                REQUESTER  PROFILE  STATUS    CREATED"), "{all}");
    assert_eq!(lines.len(), 3, "{all}");
    assert!(lines[2].contains("alice      dev      approved") && lines[2].contains("please\\u001b[2J"), "{all}");
    assert_eq!(list(&["--status", "pending"]).stdout.lines().count(), 2);
    assert_eq!(list(&["--user", "bob"]).stdout.lines().count(), 1);
    let json = list(&["--status", "approved", "--json"]);
    let listed: Value = serde_json::from_str(&json.stdout).expect("one line of JSON");
    assert_eq!(
        (&listed["id"], &listed["approver"], &listed["justification"]),
        (&id.into(), &"bob".into(), &nasty.into())
    );

    let policy = gate.policy.to_str().expect("UTF-8");
    let shown = gate.run_as("bob", &["request", "show", id, "--policy", policy]).run();
    for line in [
        "requester:          alice",
        "justification:      please\\u001b[2J now \\u202edlrow",
        "approver:           bob",
    ] {
        assert!(shown.stdout.lines().any(|found| found == line), "{line}: {shown}");
    }
    assert!(shown.stdout.contains("\nvalidity:           counts until "), "{shown}");
    for done in [&all, &shown] {
        assert!(!done.stdout.contains(['\u{1b}', '\u{202e}']), "{done}");
    }
    gate.run_as("bob", &["request", "show", "0000000000000000"])
        .run()
        .failed_with(1, &["there is no request 0000000000000000 in", "state/sentinel/requests"]);
}

#[test]
fn a_key_is_private_and_never_replaced() {
    let gate = Gate::new();
    let path = gate.world.sandbox.path("bob.key");
    assert_eq!(std::fs::metadata(&path).expect("a key").permissions().mode() & 0o7777, 0o600);
    let before = std::fs::read(&path).expect("a key");
    let again = gate.world.sandbox.sentinel(["request", "keygen", "--out"]).args([&path]).run();
    again.failed_with(1, &["bob.key is there already"]);
    assert_eq!(std::fs::read(&path).expect("a key"), before);
}

#[test]
fn nothing_is_asked_for_that_is_out_of_bounds() {
    let gate = Gate::new();
    let create = |justification: &str, duration: &str| {
        let words = ["--profile", "dev", "--justification", justification, "--duration", duration];
        gate.run_as("alice", &[&["request", "create"], &words[..]].concat()).run()
    };
    create("too short", "1h").failed_with(2, &["--justification"]);
    create("ticket 4711", "14m").failed_with(2, &["14m"]);
    create("ticket 4711", "9h").failed_with(2, &["9h"]);
    assert!(!gate.file("requests", "x").parent().is_some_and(std::path::Path::exists), "nothing was written");
}
