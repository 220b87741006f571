//! T4: a stolen token is useless outside its tree, on every kernel tier.

use super::arena::{Arena, OWN_PIDS, assert_report, on_every_tier};
use crate::harness::{is_root, skip};

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
