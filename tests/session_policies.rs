//! `--session-policy` and `--policy-arn`: what reaches AWS, and what is refused before.

use crate::fake_sts::{ACCOUNT, Fault};
use crate::harness::World;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// The profiles `base` (keys), `first` (a role) and `last` (a role that is assumed with it), and a policy.
fn world() -> World {
    let world = World::new();
    world.role("first", "base", "");
    world.role("last", "first", "");
    world.sandbox.write("home/narrow.json", "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [] }\n", 0o600);
    world
}

#[test]
fn the_last_role_alone_is_narrowed() {
    let world = world();
    let own = format!("arn:aws:iam::{ACCOUNT}:policy/narrow");
    let options =
        ["--profile", "last", "--session-policy", "narrow.json", "--policy-arn", READ_ONLY, "--policy-arn", &own];
    let done = world.exec_true(&options);
    assert_eq!(done.code(), 0, "{done}");
    let calls = world.sts.calls_of("AssumeRole");
    assert_eq!(calls.len(), 2);
    let narrowing = |name: &&String| name.starts_with("Policy");
    assert_eq!(calls[0].parameters.keys().find(narrowing), None);
    let asked = &calls[1].parameters;
    assert_eq!(asked["Policy"], r#"{"Statement":[],"Version":"2012-10-17"}"#);
    assert_eq!((asked["PolicyArns.member.1.arn"].as_str(), &asked["PolicyArns.member.2.arn"]), (READ_ONLY, &own));
    assert_eq!(asked.keys().filter(narrowing).count(), 3);
}

#[test]
fn variables_say_it_too_and_every_mode_narrows() {
    for options in [
        &["exec", "--profile", "first", "--", "true"][..],
        &["exec", "--profile", "first", "--server", "--", "true"],
        &["credentials", "--profile", "first"],
    ] {
        let world = world();
        let both = format!("{READ_ONLY}, arn:aws:iam::{ACCOUNT}:policy/narrow");
        let run = world.sandbox.sentinel(options).env("SENTINEL_POLICY_ARN", both);
        let done = run.env("SENTINEL_SESSION_POLICY", world.sandbox.path("home/narrow.json")).run();
        assert_eq!(done.code(), 0, "{done}");
        let asked = world.sts.calls_of("AssumeRole").pop().expect("a call").parameters;
        assert_eq!(asked["Policy"], r#"{"Statement":[],"Version":"2012-10-17"}"#);
        assert_eq!(asked.keys().filter(|name| name.starts_with("PolicyArns.")).count(), 2);
    }
}

#[test]
fn without_a_role_there_is_nothing_to_narrow() {
    let world = world();
    let sentence = "--session-policy and --policy-arn narrow a role's session, and profile `base` has no role";
    world.refused_without_a_call(&["--profile", "base", "--session-policy", "narrow.json"], &[sentence]);
    world.refused_without_a_call(&["--profile", "base", "--policy-arn", READ_ONLY], &[sentence]);
}

#[test]
fn what_aws_would_refuse_is_refused_before_any_call() {
    let world = world();
    let first = |option: &'static str, value: &'static str| ["--profile", "first", option, value];
    world.sandbox.write("home/long.json", &format!(r#"{{"Id":"{}"}}"#, "x".repeat(2040)), 0o600);
    world.sandbox.write("home/text", "Allow everything", 0o600);
    world.sandbox.write("home/open.json", "{}", 0o666);
    world.refused_without_a_call(
        &first("--session-policy", "long.json"),
        &["has 2049 characters without spaces, and AWS takes 2048"],
    );
    world.refused_without_a_call(&first("--session-policy", "text"), &["the session policy text is not a JSON object"]);
    world.refused_without_a_call(
        &first("--session-policy", "open.json"),
        &["may be written by its group or others (mode 0666)"],
    );
    world
        .refused_without_a_call(&first("--session-policy", "none.json"), &["cannot read the session policy none.json"]);
    world.refused_without_a_call(&first("--policy-arn", "ReadOnlyAccess"), &["is not a managed policy's ARN"]);
    for foreign in ["arn:aws:iam::210987654321:policy/narrow", "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"] {
        world.refused_without_a_call(
            &first("--policy-arn", foreign),
            &[foreign, "is not of the account of", "nor AWS's own"],
        );
    }
    let eleven = [["--policy-arn", READ_ONLY]; 11].concat();
    world.refused_without_a_call(
        &[&["--profile", "first"][..], &eleven].concat(),
        &["names 11 policies, and AWS takes 10"],
    );
}

#[test]
fn a_policy_that_aws_cannot_pack_has_a_sentence() {
    let world = world();
    let message = "Packed size of session tags and session policy consumes 112% of allotted space.";
    world.sts.inject("AssumeRole", 1, Fault::Refuse { status: 400, code: "PackedPolicyTooLarge", message });
    let done = world.exec_true(&["--profile", "first", "--session-policy", "narrow.json"]);
    done.failed_with(125, &["the session policy is too large for AWS", "112%", "shorten it"]);
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 1);
}
