//! The AWS CLI, unmodified, in every mode and as its own caller of the helper.

use super::world::{MODES, SERVERS, at_moto, at_the_fake, exec, outside_of_servers, path};
use crate::fake_sts::ACCOUNT;
use crate::harness::{Finished, sentinel};

const WHOAMI: [&str; 7] = ["aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"];

/// The ARNs that were printed, without their sessions' names.
#[track_caller]
fn roles(done: &Finished) -> Vec<String> {
    assert_eq!(done.code(), 0, "{done}");
    let role = |line: &str| line.rsplit_once('/').expect("a session").0.to_owned();
    done.stdout.lines().map(role).collect()
}

fn role(account: &str, name: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{name}")
}

#[test]
fn a_command_is_the_role() {
    let (sandbox, moto) = at_moto();
    for mode in MODES {
        let done = exec(&sandbox, "dev", mode, &WHOAMI).run();
        assert_eq!(roles(&done), [role(&moto.account, "demo-role")]);
    }
}

#[test]
fn a_command_of_another_service_is_signed_with_the_roles_session() {
    let (sandbox, moto) = at_moto();
    for mode in MODES {
        let run = exec(&sandbox, "dev", mode, &["aws", "dynamodb", "list-tables", "--output", "text"]);
        // moto checks the signature, and that the role may do this, which the user may not.
        let done = run.env("AWS_ENDPOINT_URL", &moto.endpoint).run();
        assert_eq!(done.code(), 0, "{done}");
    }
}

#[test]
fn the_commands_of_a_shell_share_one_session() {
    for mode in MODES {
        let (sandbox, sts) = at_the_fake(true);
        let script = ["\"$@\""; 3].join(" && ");
        let command = [&["sh", "-c", &script, "sh"], &WHOAMI[..]].concat();
        let done = exec(&sandbox, "dev", mode, &command).run();
        assert_eq!(roles(&done), vec![role(ACCOUNT, "first"); 3], "{done}");
        assert_eq!(sts.calls_of("AssumeRole").len(), 1);
        let asked = sts.calls_of("GetCallerIdentity");
        let session = asked.last().expect("a call").access_key.clone();
        assert_eq!(asked.iter().filter(|call| call.access_key == session).count(), 3);
    }
}

#[test]
fn a_parallel_make_shares_one_session() {
    const TARGETS: usize = 8;
    for mode in MODES {
        let (sandbox, sts) = at_the_fake(true);
        let names: Vec<String> = (0..TARGETS).map(|number| format!("t{number}")).collect();
        let names = names.join(" ");
        let makefile =
            format!("all: {names}\n.PHONY: all {names}\n{names}:\n\t@{} > $@.arn && cat $@.arn\n", WHOAMI.join(" "));
        sandbox.write("home/Makefile", &makefile, 0o600);
        let mut make = exec(&sandbox, "dev", mode, &["make", "-j8"]).spawn();
        // Read as they come: the deadline is then each command's, not that of all eight.
        for _ in 0..TARGETS {
            assert!(make.line().starts_with(&role(ACCOUNT, "first")), "{mode:?}");
        }
        let done = make.finish();
        assert_eq!((roles(&done).len(), done.stderr.as_str()), (TARGETS, ""), "{done}");
        assert_eq!(sts.calls_of("AssumeRole").len(), 1);
    }
}

#[test]
fn a_chain_ends_at_its_last_role() {
    let (sandbox, moto) = at_moto();
    for mode in MODES {
        let done = exec(&sandbox, "second", mode, &WHOAMI).run();
        assert_eq!(roles(&done), [role(&moto.account, "demo-second-role")]);
    }
}

#[test]
fn a_chain_carries_its_source_identity() {
    for mode in MODES {
        let (sandbox, sts) = at_the_fake(true);
        let done = exec(&sandbox, "second", mode, &WHOAMI).run();
        assert_eq!(roles(&done), [role(ACCOUNT, "second")]);
        let calls = sts.calls_of("AssumeRole");
        let said: Vec<_> = calls.iter().map(|call| call.parameters.get("SourceIdentity").map(String::as_str)).collect();
        // AWS keeps the first one for all of the chain.
        assert!(matches!(said[..], [Some(first), None] if first.starts_with("sentinel-alice-direct-")), "{said:?}");
        assert!(calls.iter().all(|call| call.answer.as_deref() == Some("ok")), "{calls:?}");
    }
}

#[test]
fn a_role_that_denies_a_source_identity_is_used_without() {
    for mode in MODES {
        let (sandbox, sts) = at_the_fake(false);
        let done = exec(&sandbox, "dev", mode, &WHOAMI).run();
        assert_eq!(roles(&done), [role(ACCOUNT, "first")]);
        assert!(done.stderr.contains("is assumed without SourceIdentity"), "{done}");
        let answers: Vec<_> = sts.calls_of("AssumeRole").into_iter().map(|call| call.answer.unwrap()).collect();
        assert_eq!(answers, ["AccessDenied", "ok"]);
    }
}

#[test]
fn from_a_server_the_profile_has_its_name() {
    for mode in SERVERS {
        let (sandbox, _sts) = at_the_fake(true);
        let other = [&["aws", "--profile", "base"], &WHOAMI[1..]].concat();
        let done = exec(&sandbox, "dev", mode, &other).run();
        done.failed_with(255, &["config profile (base) could not be found"]);
        let named = [&["aws", "--profile", "dev"], &WHOAMI[1..]].concat();
        let done = exec(&sandbox, "dev", mode, &named).run();
        assert_eq!(roles(&done), [role(ACCOUNT, "first")], "{mode:?}");
    }
}

#[test]
fn the_cli_says_where_its_credentials_are_from() {
    for (mode, source) in
        MODES.into_iter().zip(["env", "custom-process", "container-role", "container-role", "iam-role"])
    {
        let (sandbox, _sts) = at_the_fake(true);
        let done = exec(&sandbox, "dev", mode, &["aws", "configure", "list"]).run();
        assert_eq!(done.code(), 0, "{done}");
        let line =
            |name: &str| done.stdout.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{done}"));
        for name in ["access_key", "secret_key"] {
            assert!(line(name).contains(source), "{done}");
        }
        assert!(line("region").contains("us-east-1"), "{done}");
    }
}

/// Everything that a command of the tree knows, in a CLI that is not in the tree.
#[test]
fn a_command_outside_the_tree_gets_an_error() {
    let refused = outside_of_servers(|sandbox| sandbox.program("aws").args(&WHOAMI[1..]));
    const TOKEN: &str = "invalid Authorization token";
    for (done, words) in refused.iter().zip(["refused this process", TOKEN, TOKEN, "Unable to retrieve token"]) {
        done.failed_with(255, &[words]);
        assert_eq!(done.stdout, "");
    }
}

/// Without exec: the person's own config file runs the helper.
#[test]
fn the_persons_own_config_file_may_name_the_helper() {
    let (sandbox, moto) = at_moto();
    sandbox.settings(
        "outside",
        &format!("region = us-east-1\ncredential_process = {} credentials --profile dev", sentinel()),
    );
    let named = [&["--profile", "outside"], &WHOAMI[1..]].concat();
    let done = sandbox.program("aws").env("PATH", path()).args(named).run();
    assert_eq!(roles(&done), [role(&moto.account, "demo-role")]);
    let unnamed = sandbox.program("aws").env("PATH", path()).args(&WHOAMI[1..]).env("AWS_PROFILE", "outside").run();
    assert_eq!(roles(&unnamed), [role(&moto.account, "demo-role")]);
}

#[test]
fn a_denial_reaches_the_person_through_the_cli() {
    let (sandbox, sts) = at_the_fake(true);
    let deny = r#"{"version":"1","rules":[{"name":"closed","effect":"deny","reason":"closed for today"}]}"#;
    let policy = sandbox.write("policy.json", deny, 0o600);
    const DENIED: &str = "policy denied access";
    let said = ["the policy denies these credentials now", DENIED, DENIED, "Unable to locate credentials"];
    for (mode, words) in SERVERS.into_iter().zip(said) {
        let options = [mode, &["--lazy", "--policy", policy.to_str().expect("UTF-8")]].concat();
        let done = exec(&sandbox, "dev", &options, &WHOAMI).run();
        // One line is the CLI's, with our helper's words or the answer's; the other is the server's, with the reason.
        done.failed_with(255, &[words, "closed for today"]);
    }
    assert_eq!(sts.calls().len(), 0);
}
