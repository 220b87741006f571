//! boto3, unmodified, in processes that outlive their first credentials.

use super::world::{SERVERS, at_the_fake, exec, fetches, outside_of_servers};
use crate::harness::Sandbox;

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
    const TOKEN: &str = "invalid Authorization token";
    for (done, error) in refused.iter().zip(["CredentialRetrievalError", TOKEN, TOKEN, "MetadataRetrievalError"]) {
        done.failed_with(1, &[error]);
        assert_eq!(done.stdout, "");
    }
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
