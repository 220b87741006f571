//! `exec --wait`: the command starts when somebody has approved.

use super::{Gate, in_seconds};

#[test]
fn exec_waits_for_the_approval() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let mut waiting = gate.exec_invocation("dev", &["--wait"]).spawn();
    let line = waiting.error_line("waiting");
    assert_eq!(line, format!("sentinel: waiting for an approval of request {id} for profile `dev`"));
    assert_eq!(gate.world.sts.calls_of("AssumeRole").len(), 0);
    let asked = gate.world.sts.calls_of("GetCallerIdentity").len();
    gate.approve("bob", &id);
    let done = waiting.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stderr.ends_with(&format!("sentinel: request {id} is approved\n")), "{done}");
    // Bob's own question is the only one since: waiting asks AWS for nothing.
    assert_eq!(gate.world.sts.calls_of("GetCallerIdentity").len(), asked + 1);
    assert!(gate.last_session().parameters["SourceIdentity"].contains(&id[..8]));
}

#[test]
fn a_server_waits_before_its_child_starts() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let mut waiting = gate.exec_invocation("dev", &["--wait", "--unix-socket"]).spawn();
    waiting.error_line("waiting");
    gate.approve("carol", &id);
    let done = waiting.finish();
    assert_eq!(done.code(), 0, "{done}");
}

#[test]
fn while_the_last_window_ends_the_next_is_waited_for() {
    let gate = Gate::new();
    let rules = r#"{"version":"1","approvals":"store","rules":[{"name":"gated","effect":"require_approval"}]}"#;
    gate.world.sandbox.write("policy.json", rules, 0o600);
    let last = gate.create("dev", "1h");
    gate.approve("bob", &last);
    gate.forge("requests", &last, |record| record["expires_at"] = in_seconds(600).into());
    let name = format!("are left of approval {last}, and STS's shortest session is 15m");
    gate.exec("dev", &["--wait"]).failed_with(125, &[&name, "there is no request to wait for"]);
    let next = gate.create("dev", "1h");
    gate.exec("dev", &[]).failed_with(125, &[&name]);
    let mut waiting = gate.exec_invocation("dev", &["--wait", "--unix-socket"]).spawn();
    waiting.error_line("waiting");
    gate.approve("bob", &next);
    let done = waiting.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(gate.last_session().parameters["SourceIdentity"].contains(&next[..8]));
}

#[test]
fn a_no_ends_the_wait() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    let mut waiting = gate.exec_invocation("dev", &["--wait"]).spawn();
    waiting.error_line("waiting");
    assert_eq!(gate.run_as("bob", &["request", "deny", &id, "--comment", "not today"]).run().code(), 0);
    waiting.finish().failed_with(125, &[&format!("request {id} was denied by bob: not today")]);
    gate.exec("dev", &["--wait"])
        .failed_with(125, &["there is no request to wait for", "sentinel request create --profile dev"]);
}

#[test]
fn a_signal_ends_the_wait() {
    let gate = Gate::new();
    gate.create("dev", "1h");
    for options in [&["--wait"][..], &["--wait", "--unix-socket"]] {
        let mut waiting = gate.exec_invocation("dev", options).spawn();
        waiting.error_line("waiting");
        waiting.signal("INT");
        let done = waiting.finish();
        assert_eq!(done.code(), 130, "{done}");
    }
}
