//! Clients that are told of the metadata endpoint, and of nothing else.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::programs::{CLI_2, Client, GO, JAVA, RUST, installed};
use super::world::{EC2, at_moto, at_the_fake, exec, fetches, path};
use crate::fake_sts::wire::{Answer, Response, Server};
use crate::harness::eventually;

#[test]
fn boto3_is_the_role_by_its_instance_provider() {
    let (sandbox, moto) = at_moto();
    let script = "import boto3\ns = boto3.Session()\nprint(s.get_credentials().method)\n\
                  print(s.client('sts').get_caller_identity()['Arn'])";
    let done = exec(&sandbox, "second", EC2, &["python", "-c", script]).run();
    let expected = format!("iam-role\narn:aws:sts::{}:assumed-role/demo-second-role/", moto.account);
    assert!(done.code() == 0 && done.stdout.starts_with(&expected), "{done}");
}

/// Without the variables that say so as well.
#[test]
fn the_region_is_found_there() {
    let (sandbox, _sts) = at_the_fake(true);
    let script = "from botocore.utils import IMDSRegionProvider as P; import botocore.session as s; \
                  print(P(s.get_session()).provide())";
    let command = ["env", "-u", "AWS_REGION", "-u", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE=/dev/null"];
    let done = exec(&sandbox, "dev", EC2, &[&command[..], &["python", "-c", script]].concat()).run();
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
    let mut client = exec(&sandbox, "dev", EC2, &["python", "-u", "-c", script]).spawn();
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
    let mut tree = exec(&sandbox, "dev", EC2, &["sh", "-c", "echo $AWS_EC2_METADATA_SERVICE_ENDPOINT; read _"]).spawn();
    let endpoint = tree.line();
    let before = sts.calls().len();
    let script = "import boto3; print(boto3.Session().get_credentials())";
    for words in [&["python", "-c", script][..], &["aws", "sts", "get-caller-identity", "--region", "us-east-1"]] {
        let run = sandbox.program(words[0]).args(&words[1..]).env("PATH", path());
        let run = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint).without("AWS_EC2_METADATA_DISABLED");
        let done = run.run();
        assert!(done.stdout == "None\n" || done.code() != 0 && done.stderr.contains("credentials"), "{done}");
    }
    tree.error_line("no process of the tree holds the connection");
    assert_eq!((sts.calls().len(), fetches(&sandbox)), (before, 0));
    tree.send("");
    assert_eq!(tree.finish().code(), 0);
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

/// Seen by a server of the test's own that gives nothing: Go's token lives for 5 minutes, all others' for 6 hours.
#[test]
fn clients_ask_for_session_tokens_first() {
    for (client, command) in installed("clients_ask_for_session_tokens_first") {
        let (sandbox, _sts) = at_the_fake(true);
        let (seen, asked) = channel();
        let recorder = Server::start(move |request| {
            let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds").map(str::to_owned);
            seen.send((request.method.clone(), request.target.clone(), ttl)).expect("the test listens");
            Answer::Whole(Response { status: 403, headers: Vec::new(), body: Vec::new() })
        });
        let done = sandbox
            .program(&command[0])
            .args(&command[1..])
            .env("PATH", path())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", recorder.url())
            .env("AWS_EC2_METADATA_V1_DISABLED", "true")
            .without("AWS_EC2_METADATA_DISABLED")
            .stdin(b"\n")
            .run();
        let ttl = if client.name == GO.name { "300" } else { "21600" };
        let first = asked.try_iter().next().unwrap_or_else(|| panic!("{}: {done}", client.name));
        assert_eq!(first, ("PUT".to_owned(), "/latest/api/token".to_owned(), Some(ttl.to_owned())), "{}", client.name);
    }
}

/// Without a region anywhere else, these take it from us.
#[test]
fn clients_that_look_for_a_region_find_the_profiles() {
    const TEST: &str = "clients_that_look_for_a_region_find_the_profiles";
    let inside = |client: Client, script: &str| {
        let command = client.command(TEST)?;
        let (sandbox, sts) = at_the_fake(true);
        sts.region("*");
        let config = std::fs::read_to_string(sandbox.path("home/.aws/config")).expect("the profiles");
        sandbox.config(&config.replace("us-east-1", "eu-south-2"));
        let script = format!("unset AWS_REGION AWS_DEFAULT_REGION; export AWS_CONFIG_FILE=/dev/null; {script}");
        let words: Vec<&str> = ["sh", "-c", &script].into_iter().chain(words(&command)).collect();
        Some(exec(&sandbox, "dev", EC2, &words).without("AWS_REGION").stdin(b"\n").run())
    };
    for client in [RUST, JAVA] {
        let name = client.name;
        let Some(done) = inside(client, "exec \"$0\"") else { continue };
        assert!(done.stdout.ends_with(" in eu-south-2\n"), "{name}: {done}");
    }
    // Its command is a script that sets what it needs and runs the rest, of which the last is its path.
    let Some(done) = inside(CLI_2, "exec sh -c \"$2\" sh \"$7\" configure list") else { return };
    let line = done.stdout.lines().find(|line| line.contains("region")).unwrap_or_else(|| panic!("{done}"));
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["region", "eu-south-2", "imds"], "{done}");
}

/// It waits half a second for an answer, asks again, and is answered from the exchange that its first question began.
#[test]
fn an_exchange_that_takes_longer_than_gos_patience_is_not_lost() {
    let Some(command) = GO.command("an_exchange_that_takes_longer_than_gos_patience_is_not_lost") else { return };
    let (sandbox, sts) = at_the_fake(true);
    let gate = sts.hang("AssumeRole");
    let mut running = exec(&sandbox, "dev", &[EC2, &["--lazy"]].concat(), &words(&command)).spawn();
    assert_eq!(running.line(), "ready");
    running.send("");
    sts.wait_for_calls("AssumeRole", 1);
    // The exchange is that slow: its first question is over, and its second one has most of its half second left.
    std::thread::sleep(Duration::from_millis(550));
    gate.open();
    let line = running.line();
    assert!(line.contains(":assumed-role/first/"), "{line}");
    assert_eq!(running.finish().code(), 0);
    assert_eq!(sts.calls_of("AssumeRole").len(), 1);
}
