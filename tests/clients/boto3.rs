//! boto3, unmodified, in processes that outlive their first credentials.

use std::collections::BTreeSet;

use super::world::{MODES, SERVERS, at_moto, at_the_fake, exec, fetches, outside_of_servers};
use crate::harness::Sandbox;

/// Makes one client; then one signed call for each line of the input.
const CALLS: &str = "
import sys, boto3
sts = boto3.client('sts')
print('ready')
for line in sys.stdin:
    print(sts.get_caller_identity()['Arn'])
";

#[test]
fn a_client_is_the_role() {
    let (sandbox, moto) = at_moto();
    let script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";
    for (mode, profile, name) in [
        (MODES[0], "dev", "demo-role"),
        (MODES[1], "second", "demo-second-role"),
        (MODES[2], "second", "demo-second-role"),
    ] {
        let done = exec(&sandbox, profile, mode, &["python", "-c", script]).run();
        let expected = format!("arn:aws:sts::{}:assumed-role/{name}/", moto.account);
        assert!(done.code() == 0 && done.stdout.starts_with(&expected), "{done}");
    }
}

#[test]
fn over_tcp_it_is_the_container_provider_that_asks() {
    let (sandbox, _sts) = at_the_fake(true);
    let script = "import botocore.session; print(botocore.session.get_session().get_credentials().method)";
    let done = exec(&sandbox, "dev", &["--server"], &["python", "-c", script]).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "container-role\n"), "{done}");
}

/// Everything that a command of the tree knows, in a client that is not in the tree.
#[test]
fn a_client_outside_the_tree_gets_an_error() {
    let script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";
    let refused = outside_of_servers(|sandbox| sandbox.program("python").args(["-c", script]));
    for (done, error) in refused.iter().zip(["CredentialRetrievalError", "invalid Authorization token"]) {
        done.failed_with(1, &[error]);
        assert_eq!(done.stdout, "");
    }
}

/// Sessions of a few seconds, and no call fails: STS here refuses what has expired.
#[test]
fn a_long_running_client_gets_new_credentials() {
    for mode in SERVERS {
        let (sandbox, sts) = at_the_fake(true);
        // Renewed when 6 s are left, which is more than a busy machine takes from the helper's answer to the call.
        sts.lifetime_s(9);
        let mut client = exec(&sandbox, "dev", mode, &["python", "-u", "-c", CALLS]).spawn();
        assert_eq!(client.line(), "ready");
        let signed = || -> BTreeSet<String> {
            let calls = sts.calls_of("GetCallerIdentity").into_iter();
            calls.map(|call| call.access_key).filter(|key| key.starts_with("ASIA")).collect()
        };
        let mut calls = 0;
        while signed().len() < 2 {
            // Each asks us, which takes some 10 ms.
            assert!(calls < 3000, "{:?}", signed());
            client.send("");
            assert!(client.line().contains(":assumed-role/first/"));
            calls += 1;
        }
        let done = client.finish();
        assert_eq!(done.code(), 0, "{done}");
        let refused = sts.calls_of("GetCallerIdentity").into_iter().find(|call| call.answer.as_deref() != Some("ok"));
        assert!(refused.is_none(), "{refused:?}");
    }
}

/// boto asks at every signature when 15 minutes or less are left: what is served lasts longer.
#[test]
fn a_client_does_not_ask_at_every_signature() {
    for mode in SERVERS {
        let (sandbox, sts) = at_the_fake(true);
        let mut client = exec(&sandbox, "dev", mode, &["python", "-u", "-c", CALLS]).spawn();
        assert_eq!(client.line(), "ready");
        for _ in 0..20 {
            client.send("");
            client.line();
        }
        assert_eq!(client.finish().code(), 0);
        assert_eq!(sts.calls_of("AssumeRole").len(), 1);
        assert_eq!(fetches(&sandbox), 1);
    }
}

/// boto reads the token's file at each fetch, so that it is served however often the token is replaced.
#[test]
fn a_client_is_served_across_rotations_of_its_token() {
    let (sandbox, _sts) = at_the_fake(true);
    let file = sandbox.directory("own", 0o700).join("token");
    let path = file.to_str().expect("UTF-8");
    // With 15 minutes of life boto asks at every call.
    let options = ["--server", "--server-duration", "15m", "--token-file", path, "--token-rotation", "4s"];
    let mut client = exec(&sandbox, "dev", &options, &["python", "-u", "-c", CALLS]).spawn();
    assert_eq!(client.line(), "ready");
    let mut tokens = BTreeSet::new();
    for calls in 0.. {
        tokens.insert(std::fs::read_to_string(&file).expect("a token"));
        if tokens.len() == 3 {
            break;
        }
        assert!(calls < 5000, "{tokens:?}");
        client.send("");
        assert!(client.line().contains(":assumed-role/first/"));
    }
    let done = client.finish();
    // At this rate it meets the limit on requests, and asks again.
    assert!(done.code() == 0 && !done.stderr.contains("token"), "{done}");
    assert!(!file.exists());
}

/// How long the signing takes, and how fast it goes: a busy application's.
const SIGNATURES_A_SECOND: usize = 50;
const SECONDS: usize = 6;

/// Signs, and returns how many different keys it signed with.
#[track_caller]
fn sign(sandbox: &Sandbox, options: &[&str], threads: usize) -> usize {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/sign.py");
    let count = SIGNATURES_A_SECOND * SECONDS;
    let [count_text, rate, threads] = [count, SIGNATURES_A_SECOND, threads].map(|number| number.to_string());
    let done = exec(sandbox, "dev", options, &["python", script, &count_text, &rate, &threads]).run();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done}");
    let words: Vec<f64> = done.stdout.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [signed, keys, seconds] = words[..] else { panic!("{done}") };
    assert_eq!(signed as usize, count, "{done}");
    // What was asked for was done at that rate, not just at some time: a call to us that hangs would show.
    assert!(seconds < 2.0 * SECONDS as f64, "{done}");
    keys as usize
}

#[test]
fn fifty_signatures_a_second_cost_one_fetch_and_one_exchange() {
    for threads in [1, 8] {
        std::thread::scope(|scope| {
            for mode in SERVERS {
                scope.spawn(move || {
                    let (sandbox, sts) = at_the_fake(true);
                    assert_eq!(sign(&sandbox, mode, threads), 1);
                    assert_eq!(sts.calls_of("AssumeRole").len(), 1, "{mode:?}, {threads} threads");
                    assert_eq!(fetches(&sandbox), 1, "{mode:?}, {threads} threads");
                });
            }
        });
    }
}

/// With 15 minutes or less left boto asks us at every use: many fetches, not one of them refused, and still one exchange.
#[test]
fn fifty_fetches_a_second_are_all_answered_from_one_exchange() {
    for threads in [1, 8] {
        let (sandbox, sts) = at_the_fake(true);
        assert_eq!(sign(&sandbox, &["--server", "--server-duration", "15m"], threads), 1);
        assert_eq!(sts.calls_of("AssumeRole").len(), 1, "{threads} threads");
        let fetches = fetches(&sandbox);
        assert!(fetches >= SIGNATURES_A_SECOND * SECONDS / threads, "{threads} threads: {fetches}");
    }
}

/// Sessions of a few seconds, used all the time: an exchange for each refresh, and none for anything else.
#[test]
fn there_are_no_more_exchanges_than_refreshes() {
    let (sandbox, sts) = at_the_fake(true);
    // Refreshed when two thirds are left: every 3 s.
    sts.lifetime_s(9);
    let keys = sign(&sandbox, &["--server"], 8);
    let exchanges = sts.calls_of("AssumeRole");
    assert!((2..=SECONDS / 3 + 2).contains(&keys), "{keys}");
    assert!(exchanges.len() <= keys + 1, "{keys} keys: {exchanges:?}");
    let times: Vec<i64> = exchanges.iter().map(|call| call.at.as_second()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 2), "{times:?}");
}
