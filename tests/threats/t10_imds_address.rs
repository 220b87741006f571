//! T10, on the address that tools know by heart: 169.254.169.254, in a network namespace of the test's own. Nothing is sent to
//! that address anywhere else, because there somebody may answer.

use std::fs;
use std::process::Command;

use crate::harness::{is_root, python, sentinel, skip};
use crate::wire::{Served, Transport};

const ATTACK: &str = include_str!("attackers/imds_namespace.py");

/// What makes a namespace here: as root, or as whoever may be root of a user namespace.
fn namespace() -> Option<&'static [&'static str]> {
    let made = |words: &&[&str]| Command::new(words[0]).args(&words[1..]).args(["ip", "link"]).output();
    let works = |words: &&[&str]| made(words).is_ok_and(|done| done.status.success());
    let words: &[&str] = if is_root() { &["unshare", "-n"] } else { &["unshare", "-rn"] };
    Some(words).filter(works)
}

#[test]
fn the_metadata_address_serves_its_tree_and_neither_neighbours_nor_pages_nor_others() {
    const NAME: &str = "the_metadata_address_serves_its_tree_and_neither_neighbours_nor_pages_nor_others";
    let Some(namespace) = namespace() else {
        return skip(NAME, "it takes unshare, ip, and the right to make a network namespace");
    };
    let served = Served::over(Transport::Imds);
    // AWS is not in reach from there: credentials that somebody else made.
    let given = served.sandbox.write(
        "given.sh",
        "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"ASIAGIVEN\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\
         \"Expiration\":\"2100-01-01T00:00:00Z\"}'\n",
        0o700,
    );
    served.sandbox.settings("given", &format!("region = us-east-1\ncredential_process = {}", given.display()));
    let host = fs::read_link("/proc/self/ns/net").expect("a network namespace");
    let has_boto3 =
        Command::new(python()).args(["-c", "import boto3"]).output().is_ok_and(|done| done.status.success());
    let client = if has_boto3 { python() } else { "" };
    let run = served.sandbox.program(namespace[0]).args(&namespace[1..]);
    let run = run.args([python(), "-c", ATTACK, sentinel(), host.to_str().expect("UTF-8"), client]);
    let done = run.without("AWS_EC2_METADATA_DISABLED").run();
    let mut expected = vec![
        "without the address: 125 sentinel: 169.254.169.254 is not an address of the loopback interface, and no other is served",
        "inside: given ASIAGIVEN",
        "with the port: 200",
        "a rebound page: 400 400",
        "a rebound page: 400 400",
        "a rebound page: 400 400",
        "a rebound page: 400 400",
        "a page: 400 400",
        "a proxy: 400",
        "a process of the same user: 403 403",
        "a neighbour: not a byte not a byte",
    ];
    if has_boto3 {
        expected.insert(1, "boto3: iam-role ASIAGIVEN");
    }
    if is_root() {
        expected.push("another user: not a byte not a byte");
    }
    assert_eq!((done.code(), done.stdout.lines().collect::<Vec<_>>()), (0, expected), "{done}");
}
