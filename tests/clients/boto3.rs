//! boto3, unmodified, in processes that outlive their first credentials.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::{MODES, SERVERS, at_moto, at_the_fake, exec};

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
        let log = std::fs::read_to_string(sandbox.path("state/sentinel/decisions.jsonl")).expect("the decision log");
        let peers: Vec<bool> = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|line| line.get("peer").is_some())
            .collect();
        assert_eq!(peers, [false, true], "one at the start, one for the client: {log}");
    }
}
