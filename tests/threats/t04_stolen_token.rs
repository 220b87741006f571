//! T4: a stolen token is useless outside its tree, on every kernel tier.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::arena::{Arena, OWN_PIDS, assert_report, on_every_tier};
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

#[test]
fn a_stolen_token_opens_nothing_on_any_tier() {
    if !is_root() {
        skip("a_stolen_token_opens_nothing_on_any_tier", "recycled pids need root; the rest runs");
    }
    on_every_tier("a_stolen_token_opens_nothing_on_any_tier", |tier| {
        let arena = Arena::new();
        if is_root() {
            let done = arena.fight(&OWN_PIDS, "stolen_token.py", &[tier, "recycle"]);
            assert_report(&done, &[&EVERYWHERE[..], &RECYCLED[..]].concat());
        } else {
            assert_report(&arena.fight(&[], "stolen_token.py", &[tier]), &EVERYWHERE);
        }
    });
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
