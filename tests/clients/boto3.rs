//! boto3, unmodified, in processes that outlive their first credentials.

use std::collections::BTreeSet;

use super::world::{SERVERS, at_moto, at_the_fake, exec, fetches, outside_of_servers, two_at_a_time};
use crate::harness::{Sandbox, sentinel};

/// Two roles in one process, of which the second is assumed with the first: by a URI, and by a helper of one's own config.
#[test]
fn a_client_is_the_role_that_it_asks_for() {
    let (sandbox, moto) = at_moto();
    let by_uri = "
import os, sys, boto3
uri = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']
print(boto3.client('sts').get_caller_identity()['Arn'])
os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = uri + 'role-arn/' + sys.argv[1]
print(boto3.Session().client('sts').get_caller_identity()['Arn'])
";
    let by_helper = "
import os, sys, boto3
print(boto3.client('sts').get_caller_identity()['Arn'])
with open('config', 'x') as config:
    config.write(f'[default]\\ncredential_process = {sys.argv[2]} credentials --role-arn {sys.argv[1]}\\n')
os.environ['AWS_CONFIG_FILE'] = 'config'
print(boto3.Session().client('sts').get_caller_identity()['Arn'])
";
    for (options, script) in [(&["--ecs-server"][..], by_uri), (&["--ecs-server", "--unix-socket"], by_helper)] {
        let command = ["python", "-c", script, &moto.second_role_arn, sentinel()];
        let done = exec(&sandbox, "dev", options, &command).cwd(&sandbox.path("tmp")).run();
        assert_eq!(done.code(), 0, "{done}");
        let names = ["demo-role", "demo-second-role"];
        for (line, name) in done.stdout.lines().zip(names) {
            let expected = format!("arn:aws:sts::{}:assumed-role/{name}/", moto.account);
            assert!(line.starts_with(&expected), "{done}");
        }
        assert_eq!(done.stdout.lines().count(), names.len(), "{done}");
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
    const TOKEN: &str = "invalid Authorization token";
    for (done, error) in refused.iter().zip(["CredentialRetrievalError", TOKEN, TOKEN, "MetadataRetrievalError"]) {
        done.failed_with(1, &[error]);
        assert_eq!(done.stdout, "");
    }
}

/// Makes one client; then one signed call for each line of the input.
const CALLS: &str = "
import sys, boto3
sts = boto3.client('sts')
print('ready')
for line in sys.stdin:
    print(sts.get_caller_identity()['Arn'])
";

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
    // A machine that is busy otherwise holds boto up for longer than a call to us that hangs would: that one is an error.
    assert!(seconds < 10.0 * SECONDS as f64, "{done}");
    keys as usize
}

#[test]
fn fifty_signatures_a_second_cost_one_fetch_and_one_exchange() {
    for threads in [1, 8] {
        two_at_a_time(SERVERS, |mode| {
            let (sandbox, sts) = at_the_fake(true);
            assert_eq!(sign(&sandbox, mode, threads), 1);
            assert_eq!(sts.calls_of("AssumeRole").len(), 1, "{mode:?}, {threads} threads");
            assert_eq!(fetches(&sandbox), 1, "{mode:?}, {threads} threads");
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
    // Refreshed when two thirds are left, in whole seconds: after 2 to 3 s.
    sts.lifetime_s(9);
    let keys = sign(&sandbox, &["--server"], 8);
    let exchanges = sts.calls_of("AssumeRole");
    // A busy machine is slow to start to sign, and slow to sign: some are renewed before they were seen.
    assert!((2..=exchanges.len()).contains(&keys), "{keys} keys: {exchanges:?}");
    // Of two that are anything else than refreshes the second would come sooner.
    let times: Vec<i64> = exchanges.iter().map(|call| call.at.as_second()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 2), "{times:?}");
}
