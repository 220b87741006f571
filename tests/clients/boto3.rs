//! boto3, unmodified, in processes that outlive their first credentials.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::{MODES, at_moto, at_the_fake, exec};

/// Makes one client; then one signed call for each line of the input, and prints whose key it was signed with.
const CALLS: &str = "
import sys, boto3
session = boto3.Session()
sts = session.client('sts')
print('ready')
for line in sys.stdin:
    sts.get_caller_identity()
    print(session.get_credentials().get_frozen_credentials().access_key)
";

#[test]
fn a_client_is_the_role() {
    let (sandbox, moto) = at_moto();
    let script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";
    for (mode, profile, name) in [(MODES[0], "dev", "demo-role"), (MODES[1], "second", "demo-second-role")] {
        let done = exec(&sandbox, profile, mode, &["python", "-c", script]).run();
        let expected = format!("arn:aws:sts::{}:assumed-role/{name}/", moto.account);
        assert!(done.code() == 0 && done.stdout.starts_with(&expected), "{done}");
    }
}

/// Sessions of a few seconds, and no call fails: STS here refuses what has expired.
#[test]
fn a_long_running_client_gets_new_credentials() {
    let (sandbox, sts) = at_the_fake(true);
    sts.lifetime_s(6);
    let mut client = exec(&sandbox, "dev", &["--unix-socket"], &["python", "-u", "-c", CALLS]).spawn();
    assert_eq!(client.line(), "ready");
    let mut keys = BTreeSet::new();
    let mut calls = 0;
    // Each call runs the helper, which takes some 10 ms.
    while keys.len() < 3 {
        assert!(calls < 3000, "{keys:?}");
        client.send("");
        keys.insert(client.line());
        calls += 1;
    }
    let done = client.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(sts.calls_of("AssumeRole").len() <= keys.len() + 1, "one call for each session, and one that may follow");
    let asked = sts.calls_of("GetCallerIdentity");
    assert!(asked.iter().all(|call| call.answer.as_deref() == Some("ok")), "{:?}", asked.last());
    let signed: BTreeSet<_> = asked.iter().map(|call| call.access_key.clone()).collect();
    assert!(signed.is_superset(&keys), "{signed:?} {keys:?}");
}

/// boto asks at every signature when 15 minutes or less are left: what is served lasts longer.
#[test]
fn a_client_does_not_ask_at_every_signature() {
    let (sandbox, sts) = at_the_fake(true);
    let mut client = exec(&sandbox, "dev", &["--unix-socket"], &["python", "-u", "-c", CALLS]).spawn();
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
