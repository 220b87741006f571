//! Clients that are told of the metadata endpoint, and of nothing else.

use super::world::{at_moto, at_the_fake, exec, fetches};
use crate::fake_sts::ACCOUNT;
use crate::harness::eventually;

const METADATA: &[&str] = &["--ec2-server"];

#[test]
fn boto3_is_the_role_by_its_instance_provider() {
    let (sandbox, moto) = at_moto();
    let script = "import boto3\ns = boto3.Session()\nprint(s.get_credentials().method)\n\
                  print(s.client('sts').get_caller_identity()['Arn'])";
    let done = exec(&sandbox, "second", METADATA, &["python", "-c", script]).run();
    let expected = format!("iam-role\narn:aws:sts::{}:assumed-role/demo-second-role/", moto.account);
    assert!(done.code() == 0 && done.stdout.starts_with(&expected), "{done}");
}

#[test]
fn the_cli_is_the_role() {
    let (sandbox, sts) = at_the_fake(true);
    let whoami = ["aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"];
    let done = exec(&sandbox, "dev", METADATA, &whoami).run();
    assert!(done.stdout.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/first/")), "{done}");
    assert_eq!(sts.calls_of("AssumeRole").len(), 1);
    let done = exec(&sandbox, "dev", METADATA, &["aws", "configure", "list"]).run();
    let line = done.stdout.lines().find(|line| line.contains("secret_key")).unwrap_or_else(|| panic!("{done}"));
    assert!(line.contains("iam-role"), "{done}");
}

/// Without the variables that say so as well.
#[test]
fn the_region_is_found_there() {
    let (sandbox, _sts) = at_the_fake(true);
    let script = "from botocore.utils import IMDSRegionProvider as P; import botocore.session as s; \
                  print(P(s.get_session()).provide())";
    let command = ["env", "-u", "AWS_REGION", "-u", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE=/dev/null"];
    let done = exec(&sandbox, "dev", METADATA, &[&command[..], &["python", "-c", script]].concat()).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "us-east-1\n"), "{done}");
}

/// boto stretches what ends within 15 minutes, so it is told that its time is over.
#[test]
fn a_long_running_client_gets_new_credentials() {
    let (sandbox, sts) = at_the_fake(true);
    // Renewed when 6 s are left.
    sts.lifetime_s(9);
    let script = "import sys, datetime, boto3\nc = boto3.Session().get_credentials()\nfor _ in sys.stdin:\n    \
                  c._expiry_time = datetime.datetime.now(datetime.timezone.utc)\n    \
                  print(c.get_frozen_credentials().access_key)";
    let mut client = exec(&sandbox, "dev", METADATA, &["python", "-u", "-c", script]).spawn();
    let mut key = || {
        client.send("");
        client.line()
    };
    let first = key();
    sts.wait_for_calls("AssumeRole", 2);
    eventually("new credentials", || (key() != first).then_some(()));
    let done = client.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(fetches(&sandbox) >= 2, "{done}");
}

/// Everything that a command of the tree knows, in a client that is not in the tree: the endpoint, and even a live token.
#[test]
fn clients_outside_the_tree_have_no_credentials() {
    let (sandbox, sts) = at_the_fake(true);
    let mut tree =
        exec(&sandbox, "dev", METADATA, &["sh", "-c", "echo $AWS_EC2_METADATA_SERVICE_ENDPOINT; read _"]).spawn();
    let endpoint = tree.line();
    let before = sts.calls().len();
    let script = "import boto3; print(boto3.Session().get_credentials())";
    for words in [&["python", "-c", script][..], &["aws", "sts", "get-caller-identity", "--region", "us-east-1"]] {
        let run = sandbox.program(words[0]).args(&words[1..]).env("PATH", super::world::path());
        let run = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint).without("AWS_EC2_METADATA_DISABLED");
        let done = run.run();
        assert!(done.stdout == "None\n" || done.code() != 0 && done.stderr.contains("credentials"), "{done}");
    }
    tree.error_line("no process of the tree holds the connection");
    assert_eq!((sts.calls().len(), fetches(&sandbox)), (before, 0));
    tree.send("");
    assert_eq!(tree.finish().code(), 0);
}
