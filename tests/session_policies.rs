//! `--session-policy` and `--policy-arn`: what reaches AWS, and what is refused before.

use crate::fake_sts::{ACCOUNT, Fault, Sts};
use crate::harness::{Finished, Sandbox};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

struct Setup {
    sts: Sts,
    sandbox: Sandbox,
}

impl Setup {
    /// The profiles `base` (keys), `first` (a role) and `last` (a role that is assumed with it).
    fn new() -> Self {
        let sts = Sts::start();
        let sandbox = Sandbox::new(&sts);
        let alice = sts.user("alice");
        let first = sts.role("first").trusts(&alice.arn).allows_source_identity().arn();
        let last = sts.role("last").trusts(&first).allows_source_identity().arn();
        sandbox.profile("base", &alice, "region = us-east-1");
        sandbox.settings("first", &format!("role_arn = {first}\nsource_profile = base"));
        sandbox.settings("last", &format!("role_arn = {last}\nsource_profile = first"));
        sandbox.write("home/narrow.json", "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [] }\n", 0o600);
        Self { sts, sandbox }
    }

    fn exec(&self, options: &[&str]) -> Finished {
        self.sandbox.sentinel(["exec"]).args(options).args(["--", "true"]).run()
    }

    /// It ended so, and AWS was not asked.
    #[track_caller]
    fn assert_refused(&self, options: &[&str], parts: &[&str]) {
        self.exec(options).failed_with(125, parts);
        assert_eq!(self.sts.calls().len(), 0, "{:?}", self.sts.calls());
    }
}

#[test]
fn the_last_role_alone_is_narrowed() {
    let setup = Setup::new();
    let own = format!("arn:aws:iam::{ACCOUNT}:policy/narrow");
    let options =
        ["--profile", "last", "--session-policy", "narrow.json", "--policy-arn", READ_ONLY, "--policy-arn", &own];
    let done = setup.exec(&options);
    assert_eq!(done.code(), 0, "{done}");
    let calls = setup.sts.calls_of("AssumeRole");
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
        let setup = Setup::new();
        let both = format!("{READ_ONLY}, arn:aws:iam::{ACCOUNT}:policy/narrow");
        let run = setup.sandbox.sentinel(options).env("SENTINEL_POLICY_ARN", both);
        let done = run.env("SENTINEL_SESSION_POLICY", setup.sandbox.path("home/narrow.json")).run();
        assert_eq!(done.code(), 0, "{done}");
        let asked = setup.sts.calls_of("AssumeRole").pop().expect("a call").parameters;
        assert_eq!(asked["Policy"], r#"{"Statement":[],"Version":"2012-10-17"}"#);
        assert_eq!(asked.keys().filter(|name| name.starts_with("PolicyArns.")).count(), 2);
    }
}

#[test]
fn without_a_role_there_is_nothing_to_narrow() {
    let setup = Setup::new();
    let sentence = "--session-policy and --policy-arn narrow a role's session, and profile `base` has no role";
    setup.assert_refused(&["--profile", "base", "--session-policy", "narrow.json"], &[sentence]);
    setup.assert_refused(&["--profile", "base", "--policy-arn", READ_ONLY], &[sentence]);
}

#[test]
fn what_aws_would_refuse_is_refused_before_any_call() {
    let setup = Setup::new();
    let first = |option: &'static str, value: &'static str| ["--profile", "first", option, value];
    setup.sandbox.write("home/long.json", &format!(r#"{{"Id":"{}"}}"#, "x".repeat(2040)), 0o600);
    setup.sandbox.write("home/text", "Allow everything", 0o600);
    setup.sandbox.write("home/open.json", "{}", 0o666);
    setup.assert_refused(
        &first("--session-policy", "long.json"),
        &["has 2049 characters without spaces, and AWS takes 2048"],
    );
    setup.assert_refused(&first("--session-policy", "text"), &["the session policy text is not a JSON object"]);
    setup.assert_refused(
        &first("--session-policy", "open.json"),
        &["may be written by its group or others (mode 0666)"],
    );
    setup.assert_refused(&first("--session-policy", "none.json"), &["cannot read the session policy none.json"]);
    setup.assert_refused(&first("--policy-arn", "ReadOnlyAccess"), &["is not a managed policy's ARN"]);
    for foreign in ["arn:aws:iam::210987654321:policy/narrow", "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"] {
        setup.assert_refused(&first("--policy-arn", foreign), &[foreign, "is not of the account of", "nor AWS's own"]);
    }
    let eleven = [["--policy-arn", READ_ONLY]; 11].concat();
    setup.assert_refused(&[&["--profile", "first"][..], &eleven].concat(), &["names 11 policies, and AWS takes 10"]);
}

#[test]
fn a_policy_that_aws_cannot_pack_has_a_sentence() {
    let setup = Setup::new();
    let message = "Packed size of session tags and session policy consumes 112% of allotted space.";
    setup.sts.inject("AssumeRole", 1, Fault::Refuse { status: 400, code: "PackedPolicyTooLarge", message });
    let done = setup.exec(&["--profile", "first", "--session-policy", "narrow.json"]);
    done.failed_with(125, &["the session policy is too large for AWS", "112%", "shorten it"]);
    assert_eq!(setup.sts.calls_of("AssumeRole").len(), 1);
}
