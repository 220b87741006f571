//! `sentinel whoami`: what it says is what AWS and the policy say, and nothing of it is secret.

use std::path::Path;

use serde_json::{Value, json};

use crate::fake_sts::ACCOUNT;
use crate::harness::{Finished, World, sentinel};

const POLICY: &str = r#"{"version": "1", "rules": [
    {"name": "cli", "effect": "deny", "conditions": {"mode": ["cli"]}, "reason": "use a server"},
    {"name": "alice", "effect": "allow", "conditions": {"users": ["alice"], "profiles": ["dev"]}}]}"#;

fn report(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"))
}

fn policy(world: &World) -> String {
    world.sandbox.write("policy.json", POLICY, 0o600).to_str().expect("UTF-8").to_owned()
}

#[test]
fn it_says_who_how_and_what_the_policy_says() {
    let world = World::with_dev();
    let policy = policy(&world);
    let run = |options: &[&str]| {
        world.sandbox.sentinel(["whoami", "--profile", "dev", "--policy", &policy]).args(options).run()
    };
    let done = run(&["--json"]);
    assert_eq!(done.code(), 0, "{done}");
    let report = report(&done);
    let alice = &world.alice;
    assert_eq!(report["user"], "alice");
    assert_eq!((&report["arn"], &report["account"]), (&json!(alice.arn), &json!(ACCOUNT)));
    assert!(report["principal_id"].as_str().is_some_and(|id| id.starts_with("AIDA")), "{report}");
    let credentials = world.sandbox.path("home/.aws/credentials");
    assert_eq!(
        report["chain"],
        json!([
            {"step": "keys", "from": format!("profile `base` in {}", credentials.display()), "access_key_id": alice.access_key_id},
            {"step": "role", "role_arn": format!("arn:aws:iam::{ACCOUNT}:role/dev"), "profile": "dev", "mfa_serial": null},
        ])
    );
    assert_eq!(
        (&report["region"], &report["sts_endpoint"]),
        (&json!("us-east-1"), &json!(format!("{}/", world.sts.url())))
    );
    assert_eq!(report["policy"]["source"], policy);
    assert_eq!(report["policy"]["signed"], false);
    let digest = sentinel::digest::hex(&sentinel::digest::sha256(POLICY.as_bytes()));
    assert_eq!(report["policy"]["digest"], digest);
    let said: Vec<(&str, &str, &str)> = report["verdicts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|verdict| {
            let text = |name: &str| verdict[name].as_str().expect("text");
            (text("mode"), text("effect"), text("rule"))
        })
        .collect();
    assert_eq!(said, [("server", "allow", "alice"), ("cli", "deny", "cli"), ("credential_process", "allow", "alice")]);
    assert_eq!(report["verdicts"][1]["reason"], "use a server");
    assert_eq!((&report["deployment"], &report["inside"]), (&json!("advisory"), &json!(null)));
    assert_eq!(report["device_id"], json!(sentinel::device::device_id()));

    let text = run(&[]).stdout;
    for line in [
        "user         alice\n",
        "  role       arn:aws:iam::",
        "             cli                 deny: use a server (rule `cli`)\n",
        "deployment   advisory: sentinel runs as the user whom it serves",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let secret = alice.secret_access_key.as_str();
    assert!(!text.contains(secret) && !done.stdout.contains(secret));
    // It asks who the caller is, and for no credentials.
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 0);
    assert_eq!(world.sts.calls_of("GetCallerIdentity").len(), 2);
    assert_eq!(world.sandbox.decision_log(), "");
}

#[test]
fn without_a_policy_it_says_so() {
    let world = World::with_dev();
    let done = world.sandbox.sentinel(["whoami", "--profile", "base", "--json"]).run();
    let report = report(&done);
    assert_eq!((done.code(), &report["policy"]), (0, &json!(null)), "{done}");
    assert_eq!(
        report["verdicts"][0],
        json!({"mode": "server", "effect": "allow", "rule": null, "rule_index": null, "reason": "no policy"})
    );
    assert_eq!(report["chain"][1], json!({"step": "session", "mfa_serial": null}));
}

#[test]
fn what_cannot_be_found_out_is_said_and_the_rest_is_printed() {
    let world = World::with_dev();
    let broken = world.sandbox.write("broken.json", "{", 0o600);
    let done = world.sandbox.sentinel(["whoami", "--profile", "dev", "--json", "--policy"]).args([&broken]).run();
    let said = report(&done);
    assert_eq!((done.code(), &said["user"]), (1, &json!("alice")), "{done}");
    assert_eq!(said["verdicts"][0]["effect"], "deny");
    assert_eq!(said["verdicts"][0]["reason"], "the policy cannot be read");
    assert!(said["failures"][0].as_str().is_some_and(|text| text.contains("broken.json")), "{said}");

    let line = ["whoami", "--profile", "dev", "--policy", &policy(&world)];
    let done = world.sandbox.sentinel(line).args(["--json"]).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1").run();
    let said = report(&done);
    assert_eq!((done.code(), &said["user"], &said["arn"]), (1, &json!(null), &json!(null)), "{done}");
    // Who it is decides, and is not known.
    assert_eq!(said["verdicts"][0]["effect"], "deny");
    assert_eq!(said["verdicts"][0]["reason"], "the caller's identity is not known");
    assert_eq!(said["verdicts"][1]["reason"], "use a server");
    world.sandbox.sentinel(["whoami", "--profile", "dve"]).run().failed_with(1, &["no profile `dve`"]);
}

#[test]
fn inside_a_tree_it_names_the_run() {
    let world = World::with_dev();
    let report_of = |options: &[&str]| {
        let line = ["sh", "-c", r#""$0" whoami --json; true"#, sentinel()];
        report(&world.sandbox.exec(&[&["--profile", "dev"], options].concat(), &line).run())
    };
    let inside = report_of(&["--unix-socket"])["inside"].clone();
    assert_eq!(inside["profile"], "dev");
    assert!(inside["served"].as_str().is_some_and(|path| Path::new(path).is_absolute()), "{inside}");
    assert!(inside["session_id"].as_str().is_some_and(|id| id.len() == 16), "{inside}");
    let keys = report_of(&[]);
    assert_eq!(keys["inside"], json!({"profile": "dev", "served": null, "session_id": null}));
    // The credentials of the tree are the role's.
    assert_eq!((&keys["user"], &keys["profile"]), (&json!("role:dev"), &json!("environment")));
    let served = world.sandbox.exec(&["--profile", "dev", "--server"], &[sentinel(), "whoami"]).run();
    served.failed_with(
        1,
        &["this is inside `sentinel exec --server` for profile `dev`, session ", "get-caller-identity"],
    );
}

#[test]
fn every_decision_names_the_deployment_and_the_device() {
    let world = World::with_dev();
    for options in [&[][..], &["--unix-socket"]] {
        assert_eq!(world.exec_true(&[&["--profile", "dev"], options].concat()).code(), 0);
    }
    assert_eq!(world.sandbox.sentinel(["credentials", "--profile", "dev"]).run().code(), 0);
    let unread = world.exec_true(&["--profile", "dev", "--policy", "/nowhere/policy.json"]);
    unread.failed_with(125, &["cannot read the policy /nowhere/policy.json"]);
    let decisions = world.sandbox.decisions();
    let modes: Vec<&Value> =
        decisions.iter().filter(|line| line["effect"] == "allow").map(|line| &line["mode"]).collect();
    assert_eq!(modes, ["cli", "server", "credential_process"]);
    let decided: Vec<&Value> = decisions.iter().filter(|line| line.get("effect").is_some()).collect();
    assert_eq!((decided.len(), &decided[3]["reason"]), (4, &json!("the policy cannot be read")));
    let device = json!(sentinel::device::device_id());
    for line in decided {
        assert_eq!((&line["deployment"], &line["device_id"]), (&json!("advisory"), &device), "{line}");
    }
}
