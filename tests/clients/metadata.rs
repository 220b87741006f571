//! What clients do at the metadata endpoint beyond asking for credentials.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::programs::{CLI_2, Client, GO, JAVA, RUST, installed};
use super::world::{EC2, at_the_fake, exec, path};
use crate::fake_sts::wire::{Answer, Response, Server};

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
    // The exchange is that slow.
    std::thread::sleep(Duration::from_millis(700));
    gate.open();
    let line = running.line();
    assert!(line.contains(":assumed-role/first/"), "{line}");
    assert_eq!(running.finish().code(), 0);
    assert_eq!(sts.calls_of("AssumeRole").len(), 1);
}
