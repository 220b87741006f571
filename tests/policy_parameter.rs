//! Policies in SSM Parameter Store, at moto, which checks every signature and permission.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::clients::moto::Moto;
use crate::clients::world::at_moto;
use crate::fake_ssm::Ssm;
use crate::harness::{Finished, Sandbox, World};

const ALLOW: &str = "{ \"version\": \"1\",\n  \"rules\": [ { \"name\": \"all\", \"effect\": \"allow\" } ] }\n";
const DENY: &str = "{ \"version\": \"1\",\n  \"rules\": [ { \"name\": \"all\", \"effect\": \"deny\" } ] }\n";

/// A parameter of its own for each test: moto is shared.
struct Setup {
    sandbox: Sandbox,
    moto: &'static Moto,
    parameter: String,
}

impl Setup {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (sandbox, moto) = at_moto();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { sandbox, moto, parameter: format!("/sentinel/policy-{number}") }
    }

    /// `sentinel ARGUMENTS --policy-parameter NAME OPTIONS`.
    fn run(&self, arguments: &[&str], options: &[&str]) -> Finished {
        let run = self.sandbox.sentinel(arguments).args(["--policy-parameter", &self.parameter]).args(options);
        run.env("AWS_ENDPOINT_URL_SSM", &self.moto.endpoint).run()
    }

    /// The same with the role's keys, which may do everything with parameters.
    fn as_role(&self, arguments: &[&str], options: &[&str]) -> Finished {
        self.run(arguments, &[&["--aws-profile", "dev"], options].concat())
    }

    fn file(&self, name: &str, text: &str) -> String {
        self.sandbox.write(name, text, 0o644).display().to_string()
    }

    fn ssm(&self) -> String {
        format!("ssm:{}", self.parameter)
    }

    /// A pair of keys: the private one's path, and the public one.
    fn key(&self) -> (String, String) {
        let path = self.sandbox.path("policy.key").display().to_string();
        let done = self.sandbox.sentinel(["policy", "keygen", "--out", &path]).run();
        assert_eq!(done.code(), 0, "{done}");
        (path, done.stdout.trim().to_owned())
    }

    fn signed(&self, name: &str, policy: &str, key: &str, serial: &str) -> String {
        let out = self.sandbox.path(name).display().to_string();
        let options = ["--key", key, "--serial", serial, "--not-after", "90d", "--out", &out];
        let done = self.sandbox.sentinel(["policy", "sign", policy]).args(options).run();
        assert_eq!(done.code(), 0, "{done}");
        out
    }
}

#[track_caller]
fn printed(done: &Finished, code: i32, stdout: &str) {
    assert_eq!((done.code(), done.stdout.as_str()), (code, stdout), "{done}");
}

#[test]
fn a_policy_that_was_pushed_is_pulled_compared_and_obeyed() {
    let setup = Setup::new();
    let (allow, deny) = (setup.file("allow.json", ALLOW), setup.file("deny.json", DENY));
    let ssm = setup.ssm();
    printed(&setup.as_role(&["policy", "push", &allow], &[]), 0, &format!("{ssm} is at version 1\n"));
    let done = setup.as_role(&["policy", "pull"], &[]);
    printed(&done, 0, ALLOW);
    assert_eq!(done.stderr, format!("sentinel: {ssm} is at version 1\n"));
    printed(&setup.as_role(&["policy", "diff", &allow], &[]), 0, "");
    let expected = format!(
        "--- {ssm}\n+++ {deny}\n@@ -1,2 +1,2 @@\n {{ \"version\": \"1\",\n-  \"rules\": [ {{ \"name\": \"all\", \"effect\": \
         \"allow\" }} ] }}\n+  \"rules\": [ {{ \"name\": \"all\", \"effect\": \"deny\" }} ] }}\n"
    );
    printed(&setup.as_role(&["policy", "diff", &deny], &[]), 1, &expected);

    let exec = |command: &str| setup.run(&["exec", "--profile", "dev"], &["--", "echo", command]);
    printed(&exec("it ran"), 0, "it ran\n");
    let decision = setup.sandbox.decisions().pop().expect("a line");
    assert_eq!((&decision["effect"], &decision["policy_path"]), (&"allow".into(), &ssm.as_str().into()));

    let done = setup.as_role(&["policy", "push", &deny], &["--expect-version", "1"]);
    printed(&done, 0, &format!("{ssm} is at version 2\n"));
    assert_eq!(done.stderr, expected);
    exec("it ran").failed_with(125, &["policy denied profile `dev`: denied by the rule all"]);
}

#[test]
fn a_push_over_somebody_elses_is_refused() {
    let setup = Setup::new();
    let (allow, deny) = (setup.file("allow.json", ALLOW), setup.file("deny.json", DENY));
    let ssm = setup.ssm();
    let done = setup.as_role(&["policy", "push", &allow], &["--expect-version", "1"]);
    done.failed_with(1, &[&format!("{ssm} is at version 0, and 1 was expected")]);
    printed(
        &setup.as_role(&["policy", "push", &allow], &["--expect-version", "0"]),
        0,
        &format!("{ssm} is at version 1\n"),
    );
    let done = setup.as_role(&["policy", "push", &deny], &["--expect-version", "0"]);
    done.failed_with(1, &[&format!("{ssm} is at version 1, and 0 was expected"), "somebody else has pushed meanwhile"]);
    let again = format!("{ssm} is at version 1, and holds this already\n");
    printed(&setup.as_role(&["policy", "push", &allow], &[]), 0, &again);
}

#[test]
fn what_is_no_policy_or_too_large_is_not_pushed() {
    let setup = Setup::new();
    let bad = setup.file("bad.json", "{}");
    setup.as_role(&["policy", "push", &bad], &[]).failed_with(1, &["is not valid: the field `version` is missing"]);
    let padded = |bytes: usize| format!("{ALLOW}{}", " ".repeat(bytes - ALLOW.len()));
    let large = setup.file("large.json", &padded(8193));
    let expected = format!("the policy {large} has 8193 bytes, and a parameter holds 8192");
    setup.as_role(&["policy", "push", &large], &[]).failed_with(1, &[&expected]);
    setup
        .as_role(&["policy", "pull"], &[])
        .failed_with(1, &[&format!("there is no parameter {} in us-east-1", setup.parameter)]);

    let largest = setup.file("largest.json", &padded(8192));
    let done = setup.as_role(&["policy", "push", &largest], &[]);
    printed(&done, 0, &format!("{} is at version 1\n", setup.ssm()));
    assert!(done.stderr.contains("the policy has 8192 bytes: over 4096, it needs the advanced tier"), "{done}");
}

#[test]
fn the_runs_own_keys_read_unless_others_are_named() {
    let setup = Setup::new();
    let allow = setup.file("allow.json", ALLOW);
    // moto's user may read parameters and not write them; the role may do both.
    let done = setup.run(&["policy", "push", &allow], &["--profile", "dev"]);
    assert_eq!(done.code(), 2, "{done}");
    let push = |name: &str, value: &str| {
        let run = setup.sandbox.sentinel(["policy", "push", &allow, "--policy-parameter", &setup.parameter]);
        run.env("AWS_ENDPOINT_URL_SSM", &setup.moto.endpoint).env(name, value).run()
    };
    let denied = ["AWS refused PutParameter"];
    push("AWS_PROFILE", "dev").failed_with(1, &denied);
    push("SENTINEL_AWS_PROFILE", "base").failed_with(1, &denied);
    printed(&push("SENTINEL_AWS_PROFILE", "dev"), 0, &format!("{} is at version 1\n", setup.ssm()));
    printed(&setup.run(&["exec", "--profile", "dev"], &["--aws-profile", "second", "--", "echo", "ran"]), 0, "ran\n");
}

#[test]
fn a_signed_policy_is_published_and_rolled_back_nowhere() {
    let setup = Setup::new();
    let (allow, deny) = (setup.file("allow.json", ALLOW), setup.file("deny.json", DENY));
    let (private, public) = setup.key();
    let pinned = ["--policy-key", public.as_str()];
    let ssm = setup.ssm();
    setup.as_role(&["policy", "push", &allow], &pinned).failed_with(1, &["is not signed"]);
    let (first, second) = (setup.signed("1.json", &deny, &private, "1"), setup.signed("2.json", &allow, &private, "2"));
    printed(&setup.as_role(&["policy", "push", &second], &pinned), 0, &format!("{ssm} is at version 1\n"));
    printed(&setup.as_role(&["policy", "pull"], &pinned), 0, ALLOW);
    setup.as_role(&["policy", "pull"], &[]).failed_with(1, &["is signed, and no key is given to check that with"]);
    printed(&setup.run(&["exec", "--profile", "dev"], &[&pinned[..], &["--", "echo", "ran"]].concat()), 0, "ran\n");

    // This host has obeyed the second.
    let older = ["the policy", "has the serial 1, and 2 was obeyed before"];
    setup.sandbox.sentinel(["policy", "validate", &first]).args(pinned).run().failed_with(1, &older);
    setup.sandbox.sentinel(["policy", "test", &first, "--profile", "dev"]).args(pinned).run().failed_with(1, &older);
    let done = setup.as_role(&["policy", "push", &first], &pinned);
    done.failed_with(1, &["the serial 1 does not come after 2, which the parameter has"]);
    // A draft is compared with what is signed, and what is signed with its terms.
    let draft = setup.as_role(&["policy", "diff", &allow], &pinned);
    assert!(
        draft.code() == 1 && draft.stdout.contains("-signed for the scope `default`, serial 2, until 20"),
        "{draft}"
    );
    printed(&setup.as_role(&["policy", "diff", &second], &pinned), 0, "");
    let out = setup.sandbox.path("out.json");
    let done = setup.as_role(&["policy", "pull", "--out", out.to_str().expect("UTF-8")], &pinned);
    printed(&done, 0, "");
    assert_eq!(std::fs::read_to_string(&out).expect("a file"), ALLOW);
}

/// At the strict fake, which knows what it was asked.
#[test]
fn a_named_profiles_role_is_assumed_once_and_names_nobody() {
    let world = World::with_dev();
    world.role("reader", "base", "");
    let ssm = Ssm::holding(ALLOW);
    let options = ["--profile", "dev", "--policy-parameter", "/p", "--aws-profile", "reader"];
    let done = world.sandbox.exec(&options, &["echo", "ran"]).env("AWS_ENDPOINT_URL_SSM", ssm.url()).run();
    printed(&done, 0, "ran\n");
    let calls = world.sts.calls_of("AssumeRole");
    let roles: Vec<&str> = calls.iter().map(|call| call.parameters["RoleArn"].as_str()).collect();
    assert!(roles.len() == 2 && roles[0].ends_with(":role/reader") && roles[1].ends_with(":role/dev"), "{roles:?}");
    let of = |name: &str| calls[0].parameters.get(name).map(String::as_str);
    assert_eq!((of("RoleSessionName"), of("SourceIdentity")), (Some("sentinel"), None));
    assert_eq!(ssm.calls().len(), 1);
}

#[test]
fn nobody_is_asked_for_a_code_to_read_a_policy_with() {
    let world = World::with_dev();
    world.role("guarded", "base", "mfa_serial = arn:aws:iam::123456789012:mfa/alice");
    let ssm = Ssm::holding(ALLOW);
    let options = ["--profile", "dev", "--policy-parameter", "/p", "--aws-profile", "guarded"];
    let done = world.sandbox.exec(&options, &["true"]).env("AWS_ENDPOINT_URL_SSM", ssm.url()).run();
    done.failed_with(125, &["profile `guarded` asks for MFA", "name a profile without mfa_serial with --aws-profile"]);
    assert_eq!((world.sts.calls().len(), ssm.calls().len()), (0, 0));
}

#[test]
fn a_policy_is_not_asked_for_over_plain_http() {
    let world = World::with_dev();
    let options = ["--profile", "dev", "--policy-parameter", "/p"];
    let done = world.sandbox.exec(&options, &["true"]).env("AWS_ENDPOINT_URL_SSM", "http://policies.example").run();
    done.failed_with(125, &["AWS_ENDPOINT_URL_SSM is http to a host that is not this one"]);
    assert_eq!(world.sts.calls().len(), 0);
}
