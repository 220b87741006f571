//! What holds for every client, in every mode that serves.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;

use sentinel::clock::{Clock, SystemClock};

use super::programs::{BOTO3, CLI_1, CLI_2, Client, JAVA, JS_2, JS_3, RUST, installed};
use super::world::{EC2, SERVERS, at_moto, at_the_fake, exec, fetches, outside_of_servers, two_at_a_time};
use crate::fake_sts::wire::{Answer, Response, Server};
use crate::fake_sts::{ACCOUNT, Sts};
use crate::harness::{DEADLINE, Invocation, Sandbox, one_of_three};

/// Every client that is installed, in every mode that serves.
fn in_every_mode(test: &str, work: impl Fn(&Client, &[&str], &[&str]) + Sync) {
    let clients = installed(test);
    let all = clients.iter().flat_map(|client| SERVERS.map(|mode| (client, mode)));
    two_at_a_time(all, |((client, command), mode)| {
        work(client, mode, &command.iter().map(String::as_str).collect::<Vec<_>>());
    });
}

fn is_cli(client: &Client) -> bool {
    [CLI_1.name, CLI_2.name].contains(&client.name)
}

fn role() -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/first/")
}

fn signed(sts: &Sts) -> BTreeSet<String> {
    let calls = sts.calls_of("GetCallerIdentity").into_iter();
    calls.map(|call| call.access_key).filter(|key| key.starts_with("ASIA")).collect()
}

/// Sessions of a few seconds, and no call fails: STS here refuses what has expired.
///
/// Two are left out at the metadata endpoint, where credentials are never that short: boto3 prolongs by itself what ends
/// within 20 minutes, and the second SDK for JavaScript what ends within 15 s.
#[test]
fn a_long_running_client_gets_new_credentials() {
    in_every_mode("a_long_running_client_gets_new_credentials", |client, mode, command| {
        if mode == EC2 && [BOTO3.name, JS_2.name].contains(&client.name) {
            return;
        }
        // What a client signs with may end on a busy machine before AWS reads it.
        one_of_three(|| {
            let (sandbox, sts) = at_the_fake(true);
            // Renewed when 9 s are left, which is more than a busy machine takes from the helper's answer to the call.
            sts.lifetime_s(14);
            let mut running = exec(&sandbox, "dev", mode, command).spawn();
            assert_eq!(running.line(), "ready");
            let began = SystemClock.boot();
            while signed(&sts).len() < 2 {
                let is_in_time = SystemClock.boot() - began < DEADLINE;
                assert!(is_in_time, "{} {mode:?}: {:?}", client.name, signed(&sts));
                running.send("");
                let line = running.line();
                if !line.starts_with(&role()) {
                    return Err(format!("{} {mode:?}: {line}", client.name));
                }
            }
            assert_eq!(running.finish().code(), 0);
            let answers: BTreeSet<_> =
                sts.calls_of("GetCallerIdentity").into_iter().map(|call| call.answer.expect("answered")).collect();
            let all_good = answers == BTreeSet::from(["ok".to_owned()]);
            if all_good { Ok(()) } else { Err(format!("{} {mode:?}: {answers:?}", client.name)) }
        });
    });
}

/// Neither a variable of the person nor a default: the region is the profile's. The CLI does not say its own.
#[test]
fn a_client_is_in_the_profiles_region() {
    in_every_mode("a_client_is_in_the_profiles_region", |client, mode, command| {
        let (sandbox, moto) = at_moto();
        sandbox.settings("south", &format!("region = eu-south-2\nrole_arn = {}\nsource_profile = base", moto.role_arn));
        let done = exec(&sandbox, "south", mode, command).without("AWS_REGION").stdin(b"\n").run();
        let role = format!("ready\narn:aws:sts::{}:assumed-role/demo-role/", moto.account);
        let end = if is_cli(client) { "\n" } else { " in eu-south-2\n" };
        let is_right = done.stdout.starts_with(&role) && done.stdout.ends_with(end);
        assert!(is_right, "{} {mode:?}: {done}", client.name);
    });
}

/// Each keeps what it has for as long as it is good. The CLI is another process each time.
#[test]
fn a_client_does_not_ask_at_every_signature() {
    in_every_mode("a_client_does_not_ask_at_every_signature", |client, mode, command| {
        let (sandbox, sts) = at_the_fake(true);
        let done = exec(&sandbox, "dev", mode, command).stdin("\n".repeat(3).as_bytes()).run();
        assert_eq!((done.code(), done.stdout.lines().count()), (0, 4), "{} {mode:?}: {done}", client.name);
        assert!(done.stdout.lines().skip(1).all(|line| line.starts_with(&role())), "{} {mode:?}: {done}", client.name);
        assert_eq!(sts.calls_of("AssumeRole").len(), 1, "{} {mode:?}", client.name);
        let processes = if is_cli(client) { 3 } else { 1 };
        assert_eq!(fetches(&sandbox), processes, "{} {mode:?}", client.name);
    });
}

/// Everything that a command of the tree knows, in a client that is not in the tree.
#[test]
fn a_client_outside_the_tree_gets_an_error() {
    two_at_a_time(installed("a_client_outside_the_tree_gets_an_error"), |(client, command)| {
        let outside = |sandbox: &Sandbox| sandbox.program(&command[0]).args(&command[1..]).stdin(b"\n");
        for done in outside_of_servers(outside) {
            let said = done.stdout.strip_prefix("ready\n").unwrap_or_else(|| panic!("{}: {done}", client.name));
            let is_none =
                ["credential", "unable to retrieve token"].iter().any(|part| said.to_lowercase().contains(part));
            assert!(is_none && !said.contains(":assumed-role/"), "{}: {done}", client.name);
        }
    });
}

/// A proxy that nobody can reach anything through, and what was asked of it.
fn proxy() -> (Server, std::sync::mpsc::Receiver<String>) {
    let (seen, asked) = channel();
    let server = Server::start(move |request| {
        seen.send(format!("{request:?}")).expect("the test listens");
        Answer::Whole(Response { status: 403, headers: Vec::new(), body: b"{}".to_vec() })
    });
    (server, asked)
}

/// The client with a proxy in its environment, and `more` for env(1).
fn behind(proxy: &Server, sandbox: &Sandbox, mode: &[&str], more: &[&str], command: &[&str]) -> Invocation {
    let set = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| format!("{name}={}", proxy.url()));
    let words =
        ["env"].iter().chain(more).copied().chain(set.iter().map(String::as_str)).chain(command.iter().copied());
    exec(sandbox, "dev", mode, &words.collect::<Vec<_>>()).stdin(b"\n")
}

#[test]
fn no_client_asks_us_through_a_proxy() {
    in_every_mode("no_client_asks_us_through_a_proxy", |client, mode, command| {
        let (sandbox, _sts) = at_the_fake(true);
        let (proxy, asked) = proxy();
        let done = behind(&proxy, &sandbox, mode, &[], command).run();
        assert!(done.stdout.starts_with(&format!("ready\n{}", role())), "{} {mode:?}: {done}", client.name);
        assert_eq!(asked.try_iter().count(), 0, "{} {mode:?}", client.name);
    });
}

/// What exec's NO_PROXY is for: this one brings even what is meant for 127.0.0.1 to a proxy, token and all.
#[test]
fn without_no_proxy_the_sdk_for_rust_would() {
    let Some(command) = RUST.command("without_no_proxy_the_sdk_for_rust_would") else { return };
    let (sandbox, _sts) = at_the_fake(true);
    let (proxy, asked) = proxy();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let done = behind(&proxy, &sandbox, &["--server"], &["-u", "NO_PROXY", "-u", "no_proxy"], &command).run();
    assert!(!done.stdout.contains(&role()), "{done}");
    let asked = asked.try_iter().next().expect("the proxy was asked");
    assert!(asked.to_lowercase().contains("authorization"), "{asked}");
}

/// Which of the two variables for a token wins is each SDK's own choice: exec sets one alone. JavaScript's third version
/// tries the file four times and then the variable. The CLI 2 is left out, because older ones do not know the file.
#[test]
fn clients_differ_in_which_token_they_take() {
    let (sandbox, _sts) = at_the_fake(true);
    let environment = exec(&sandbox, "dev", &["--server"], &["env", "-0"]).run().environment();
    let tokens: Vec<_> = environment.keys().filter(|name| name.contains("AUTHORIZATION")).collect();
    assert_eq!(tokens, ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]);

    let wrong = sandbox.write("wrong", &"A".repeat(43), 0o600);
    let file = format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}", wrong.display());
    for (client, command) in installed("clients_differ_in_which_token_they_take") {
        if client.name == CLI_2.name {
            continue;
        }
        let words: Vec<&str> = ["env", &file].into_iter().chain(command.iter().map(String::as_str)).collect();
        let done = exec(&sandbox, "dev", &["--server"], &words).stdin(b"\n").run();
        let takes_the_variable = [JS_2.name, JS_3.name, JAVA.name].contains(&client.name);
        assert_eq!(done.stdout.contains(&role()), takes_the_variable, "{}: {done}", client.name);
    }
}
