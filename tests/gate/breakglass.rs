//! `sentinel breakglass`: in an emergency, on record, within bounds.

use serde_json::Value;

use super::{Gate, in_seconds};
use crate::harness::{Finished, Invocation};

const WHY: &str = "the database is down, nobody awake";

/// A gate with glass that alice may break, twice a day.
fn gate() -> Gate {
    let gate = Gate::new();
    gate.rule(
        r#""breakglass":{"users":["alice"],"profiles":["dev"],"max_duration":"30m","cooldown":"20m","reason_codes":["incident"],
        "quota":{"events":2,"period":"24h"}},"#,
    );
    gate
}

fn opening(gate: &Gate, user: &str, options: &[&str]) -> Invocation {
    let policy = gate.policy.to_str().expect("UTF-8");
    let words = ["--policy", policy, "--justification", WHY];
    let profile = if options.contains(&"--profile") { &[][..] } else { &["--profile", "dev"] };
    let code = if options.contains(&"--reason-code") { &[][..] } else { &["--reason-code", "incident"] };
    let time = if options.contains(&"--duration") { &[][..] } else { &["--duration", "20m"] };
    gate.run_as(user, &[&["breakglass", "open"], &words[..], profile, code, time, options].concat())
}

fn open(gate: &Gate, options: &[&str]) -> Finished {
    opening(gate, "alice", options).run()
}

/// Opens for 20 minutes. Returns the id.
#[track_caller]
fn opened(gate: &Gate) -> String {
    let done = open(gate, &[]);
    assert_eq!(done.code(), 0, "{done}");
    done.stdout.trim_end().to_owned()
}

/// The event began and ended so much earlier.
fn long_ago(gate: &Gate, id: &str, seconds: i64) {
    gate.forge("breakglass", id, |record| {
        record["created_at"] = in_seconds(-seconds).into();
        record["expires_at"] = in_seconds(1200 - seconds).into();
    });
}

#[test]
fn broken_glass_stands_in_for_an_approval_and_is_loud() {
    let gate = gate();
    gate.exec("dev", &[]).failed_with(125, &["the rule wants an approval"]);
    let done = open(&gate, &[]);
    assert_eq!(done.code(), 0, "{done}");
    let id = done.stdout.trim_end();
    assert!(done.stderr.contains("GLASS IS BROKEN: alice opened profile `dev` until"), "{done}");
    let decision = gate.last_decision();
    assert_eq!((&decision["effect"], &decision["break_glass_event_id"]), (&"allow".into(), &id.into()));
    assert_eq!(decision["reason"], format!("break-glass opened: incident: {WHY}"));

    assert_eq!(gate.exec("dev", &[]).code(), 0);
    let call = gate.last_session();
    let identity = &call.parameters["SourceIdentity"];
    assert!(identity.starts_with(&format!("sentinel-alice-{}-", &id[..8])), "{identity}");
    let seconds: u64 = call.parameters["DurationSeconds"].parse().expect("seconds");
    assert!((900..=1200).contains(&seconds), "{seconds}");
    assert_eq!(gate.last_decision()["break_glass_event_id"], id);

    let closed = gate.run_as("bob", &["breakglass", "close", id, "--reason", "it is over"]).run();
    assert_eq!(closed.code(), 0, "{closed}");
    let decision = gate.last_decision();
    assert_eq!((&decision["user"], &decision["break_glass_event_id"]), (&"bob".into(), &id.into()));
    assert_eq!(decision["reason"], "break-glass closed: it is over");
    gate.exec("dev", &[]).failed_with(125, &["the rule wants an approval"]);
    let again = gate.run_as("alice", &["breakglass", "close", id]).run();
    again.failed_with(1, &[&format!("break-glass event {id} was closed by bob at")]);
}

#[test]
fn cooldown_and_quota_are_kept() {
    let gate = gate();
    let first = opened(&gate);
    open(&gate, &[]).failed_with(1, &[&format!("event {first} is still open")]);
    long_ago(&gate, &first, 1800);
    open(&gate, &[]).failed_with(1, &[&format!("event {first} ended less than 20m before")]);
    long_ago(&gate, &first, 3600);
    let second = opened(&gate);
    assert_ne!(first, second);
    long_ago(&gate, &second, 3500);
    open(&gate, &[]).failed_with(1, &["glass was broken 2 times within 1d"]);
    long_ago(&gate, &first, 86_500);
    opened(&gate);
}

#[test]
fn who_what_why_and_how_long_are_the_policys() {
    let gate = gate();
    opening(&gate, "bob", &["--profile", "bob"])
        .run()
        .failed_with(1, &["the policy does not let bob break glass for profile `bob`"]);
    open(&gate, &["--profile", "base"])
        .failed_with(1, &["the policy does not let alice break glass for profile `base`"]);
    open(&gate, &["--reason-code", "other"])
        .failed_with(1, &["the policy takes incident as a reason, and not `other`"]);
    open(&gate, &["--duration", "31m"]).failed_with(1, &["31m is not between 15m and 30m"]);
    open(&gate, &["--duration", "14m"]).failed_with(2, &["14m"]);
    open(&gate, &["--duration", "5h"]).failed_with(2, &["5h"]);
    let refused = gate.last_decision();
    assert_eq!(refused["effect"], "deny");
    assert!(refused["reason"].as_str().is_some_and(|why| why.starts_with("break-glass refused: ")), "{refused}");
    let listed = gate.run_as("bob", &["breakglass", "list", "--json"]).run();
    assert_eq!(listed.stdout, "", "{listed}");
    gate.rule("");
    open(&gate, &[]).failed_with(1, &["the policy lets nobody break glass"]);
    let words = ["breakglass", "open", "--profile", "dev", "--reason-code", "incident", "--justification", WHY];
    gate.run_as("alice", &words).run().failed_with(2, &["a policy says who may break glass, and none was given"]);
}

#[test]
fn credentials_under_an_event_end_with_it() {
    let gate = gate();
    let id = opened(&gate);
    // 14 minutes and more are good for STS's shortest session; less is good for nothing. Two looks at the clock are not at one
    // time, and a window may not be longer than what was asked for.
    gate.forge("breakglass", &id, |record| {
        record["created_at"] = in_seconds(-329).into();
        record["expires_at"] = in_seconds(870).into();
    });
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    assert_eq!(gate.last_session().parameters["DurationSeconds"], "900");
    gate.forge("breakglass", &id, |record| {
        record["created_at"] = in_seconds(-599).into();
        record["expires_at"] = in_seconds(600).into();
    });
    gate.exec("dev", &[]).failed_with(125, &["15m"]);
    assert_eq!(gate.world.sts.calls_of("AssumeRole").len(), 1);
}

#[test]
fn an_event_that_was_written_past_the_rules_opens_nothing() {
    let gate = gate();
    let id = opened(&gate);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    for (field, value, why) in [
        ("duration", Value::from(7200), "not between"),
        ("expires_at", in_seconds(3600).into(), "longer than it says"),
        ("reason_code", "whim".into(), "as a reason"),
        ("invoker", "bob".into(), "another user's"),
        ("created_at", in_seconds(3600).into(), "in the future"),
    ] {
        let whole = gate.record("breakglass", &id);
        gate.forge("breakglass", &id, |record| record[field] = value);
        let done = gate.exec("dev", &[]);
        assert_eq!(done.code(), 125, "{why}: {done}");
        gate.forge("breakglass", &id, |record| *record = whole);
    }
    assert_eq!(gate.exec("dev", &[]).code(), 0);
}

#[test]
fn of_many_who_open_at_once_one_does() {
    let gate = gate();
    let running: Vec<_> = (0..4).map(|_| opening(&gate, "alice", &[]).spawn()).collect();
    let done: Vec<Finished> = running.into_iter().map(crate::harness::Running::finish).collect();
    let won: Vec<&Finished> = done.iter().filter(|done| done.code() == 0).collect();
    assert_eq!(won.len(), 1, "{} and {}", done[0], done[1]);
    for lost in done.iter().filter(|done| done.code() != 0) {
        lost.failed_with(1, &["is still open"]);
    }
    let listed = gate.run_as("bob", &["breakglass", "list", "--status", "active", "--json"]).run();
    assert_eq!(listed.stdout.lines().count(), 1, "{listed}");
}
