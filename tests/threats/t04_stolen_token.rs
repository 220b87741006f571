//! T4: a stolen token is useless outside its tree, on every kernel tier; and over TCP, where no kernel names the peer.
//!
//! Known limit over TCP: a process of the tree that keeps its own descriptor open and passes a copy out serves whoever has
//! the copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::arena::{Arena, assert_report, on_every_tier, on_tiers_of_tcp};
use crate::harness::{is_root, skip};
use crate::wire::Served;

/// What every tier must say, whoever runs the tests.
const EVERYWHERE: [&str; 13] = [
    "inside: served",
    "inside, a daemon: served",
    "outside: refused",
    "outside, a daemon: refused",
    "inside another tree: refused",
    "connected inside, written outside: refused",
    "connected and written inside: served",
    "the same connection, written outside later: refused",
    "connected outside, written inside: refused",
    "the second half written outside: refused",
    "the first half written outside: refused",
    "connected inside, written by a child: refused",
    "connected and written by one that has ended: refused",
];

/// What needs a pid namespace of our own.
const RECYCLED: [&str; 5] = [
    "a thief's pid is a process of the tree: refused",
    "the process that has the thief's pid: served",
    "30 times in a hurry: refused",
    "served while it lived: served",
    "a thief with the pid and the connection of a process of the tree: refused",
];

/// What every tier must say over TCP.
const EVERYWHERE_OVER_TCP: [&str; 34] = [
    "inside: served",
    "inside, a child: served",
    "inside, a grandchild: served",
    "inside, a daemon: served",
    "inside, an orphan below a subreaper: served",
    "inside, through an IPv6 socket: served",
    "outside: refused",
    "outside, a child: refused",
    "outside, a daemon: refused",
    "outside, an orphan below a subreaper: refused",
    "outside, through an IPv6 socket: refused",
    "inside another tree: refused",
    "passed out before it was used: refused",
    "passed out while nobody looked: refused",
    "passed out in the middle of a request: refused",
    "the first request of a connection: served",
    "passed out after it: refused",
    "the connection with its number: served",
    "before its descriptor got another number: served",
    "and after that: served",
    "who has a child with the same connection: served",
    "after that child's end: served",
    "a child: served",
    "its connection, used by what it left behind: refused",
    "left behind before anybody looked, inside: served",
    "left behind before anybody looked, outside: refused",
    "served on a port: served",
    "outside, from the same port: refused",
    "inside, from the port of a thief in the queue: served",
    "outside, from the port of one in the queue: refused",
    "one of the tree waits for a connection with a thief's addresses: True",
    "another of the tree, behind the thief: served",
    "the thief: dropped",
    "decisions of these: ['allow']",
];

const RECYCLED_OVER_TCP: [&str; 2] =
    ["served while it lived: served", "a thief with its pid, its connection and its descriptor's number: refused"];

#[test]
fn a_stolen_token_opens_nothing_on_any_tier() {
    on_every_tier("a_stolen_token_opens_nothing_on_any_tier", |tier| {
        steal("stolen_token.py", &[tier], &EVERYWHERE, &RECYCLED);
    });
}

#[test]
fn a_stolen_token_opens_no_port_on_any_tier() {
    on_tiers_of_tcp("a_stolen_token_opens_no_port_on_any_tier", |tier| {
        steal("stolen_token_tcp.py", &[tier, "--server"], &EVERYWHERE_OVER_TCP, &RECYCLED_OVER_TCP);
    });
}

#[test]
fn a_stolen_session_token_opens_no_metadata_on_any_tier() {
    on_tiers_of_tcp("a_stolen_session_token_opens_no_metadata_on_any_tier", |tier| {
        steal("stolen_token_tcp.py", &[tier, "--ec2-server"], &EVERYWHERE_OVER_TCP, &RECYCLED_OVER_TCP);
    });
}

#[track_caller]
fn steal(attack: &str, arguments: &[&str], everywhere: &[&str], with_recycled_pids: &[&str]) {
    let (done, recycled) = Arena::new().fight_with_recycled_pids(attack, arguments);
    assert_report(&done, &[everywhere, if recycled { with_recycled_pids } else { &[] }].concat());
}

/// Who cannot use a token outside may try to have the tree run its program: the link that SDKs run, and the config that
/// names it, belong to the same user.
#[test]
fn a_replaced_helper_ends_serving() {
    const ASK: &str = "
say(PATH, TOKEN.decode())
for _ in sys.stdin:
    say(status(once(ask())))
";
    for put_back in [false, true] {
        for file in ["sentinel", "config"] {
            let served = Served::new();
            let mut inside = served.inside(&[], ASK).spawn();
            let stolen = inside.line();
            let directory =
                Path::new(stolen.split(' ').next().expect("a path")).parent().expect("a directory").to_owned();
            inside.send("");
            assert_eq!(inside.line(), "200");
            let (made, aside) = (directory.join(file), served.sandbox.path("aside"));
            fs::rename(&made, &aside).expect("moved away");
            symlink("/bin/echo", &made).expect("replaced");
            if put_back {
                fs::rename(&aside, &made).expect("moved back");
            }
            inside.send("");
            assert_eq!(inside.line(), "403", "{file}, put back: {put_back}");
            inside.error_line("changed the files");
            // Its own clean-up leaves what is not its own.
            let _left = fs::remove_file(&made);
            inside.close_stdin();
            assert_eq!(inside.finish().code(), 0);
        }
    }
}

#[test]
fn a_change_of_uid_is_seen_on_every_tier() {
    if !is_root() {
        return skip("a_change_of_uid_is_seen_on_every_tier", "only root changes its uid");
    }
    on_every_tier("a_change_of_uid_is_seen_on_every_tier", |tier| {
        let done = Arena::of_root().fight(&[], "changed_uid.py", &[tier]);
        assert_report(&done, &["root: served", "connected as root, written as nobody: refused"]);
    });
}
