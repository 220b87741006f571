//! T4 over TCP, where no kernel names the peer: a stolen token is useless outside its tree.
//!
//! Known limit: a process of the tree that keeps its own descriptor open and passes a copy out serves whoever has the copy.

use super::arena::{Arena, OWN_PIDS, assert_report, on_tiers_of_tcp};
use crate::harness::{is_root, skip};

/// What every tier must say, whoever runs the tests.
const EVERYWHERE: [&str; 34] = [
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

/// What needs a pid namespace of our own.
const RECYCLED: [&str; 2] =
    ["served while it lived: served", "a thief with its pid, its connection and its descriptor's number: refused"];

#[test]
fn a_stolen_token_opens_no_port_on_any_tier() {
    if !is_root() {
        skip("a_stolen_token_opens_no_port_on_any_tier", "recycled pids need root; the rest runs");
    }
    on_tiers_of_tcp("a_stolen_token_opens_no_port_on_any_tier", |tier| {
        let arena = Arena::new();
        if is_root() {
            let done = arena.fight(&OWN_PIDS, "stolen_token_tcp.py", &[tier, "recycle"]);
            assert_report(&done, &[&EVERYWHERE[..], &RECYCLED[..]].concat());
        } else {
            assert_report(&arena.fight(&[], "stolen_token_tcp.py", &[tier]), &EVERYWHERE);
        }
    });
}
