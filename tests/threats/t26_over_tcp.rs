//! T26 over TCP: when a caller cannot be identified, that is a refusal.

use super::arena::{Arena, OWN_PIDS, assert_report, on_tiers_of_tcp};
use crate::harness::{is_root, skip};

#[test]
fn who_cannot_be_found_in_the_tree_is_refused_on_every_tier() {
    on_tiers_of_tcp("who_cannot_be_found_in_the_tree_is_refused_on_every_tier", |tier| {
        let mut expected = vec![
            "not dumpable, outside: refused",
            "not dumpable, inside: refused",
            "said why: True",
            "the next one: served",
            "a thread's own descriptors, inside: refused",
            "a storm, outside: refused",
            "a storm, inside: served",
            "a build, outside, 50 questions: refused",
            "a build, inside, 50 questions: served",
        ];
        if is_root() {
            expected.extend(["root: dropped", "another uid: dropped"]);
        }
        assert_report(&Arena::new().fight(&[], "attestation_tcp.py", &[tier, "attack"]), &expected);
    });
}

#[test]
fn an_orphaned_connection_is_nobodys_to_a_sentinel_of_root() {
    if !is_root() {
        return skip("an_orphaned_connection_is_nobodys_to_a_sentinel_of_root", "uid 0 is root's");
    }
    let done = Arena::of_root().fight(&[], "attestation_tcp.py", &["pidfs inode", "orphans"]);
    let expected = [
        "nobody, who is alive: dropped",
        "behind them, inside: served",
        "decisions: ['allow']",
        "said: ['sentinel: dropped a connection of uid 65534']",
    ];
    assert_report(&done, &expected);
}

#[test]
fn a_kernel_that_cannot_name_sockets_is_refused_whatever_is_allowed() {
    let socket = "this kernel cannot tell which process is on the other end of a socket";
    let family = "Address family not supported by protocol (os error 97)";
    for (tier, sentence) in [
        (
            "no sock_diag",
            "this kernel cannot tell which process is on the other end of a TCP connection: it has no sock_diag",
        ),
        ("none", &format!("{socket}: {family}")),
    ] {
        let done = Arena::new().fight(&[], "attestation_tcp.py", &[tier, "refuse"]);
        let sentence = format!("sentinel: {sentence}");
        let hint = "  use --unix-socket in place of --server: it needs less of the kernel";
        // Without and with --allow-fallback.
        assert_report(&done, &["125 ''", &sentence, hint, "125 ''", &sentence, hint]);
    }
}

#[test]
fn a_proc_that_hides_processes_is_no_way_in_over_tcp() {
    if !is_root() {
        return skip("a_proc_that_hides_processes_is_no_way_in_over_tcp", "only root mounts a /proc");
    }
    on_tiers_of_tcp("a_proc_that_hides_processes_is_no_way_in_over_tcp", |tier| {
        let not_started = ["125 '' sentinel: /proc hides the process that watches over the command"];
        let started = [
            "outside: refused",
            "inside: served",
            "inside, a daemon: served",
            "not dumpable, outside: refused",
            "not dumpable, inside: refused",
        ];
        let expected = if tier == "proc directory" { &not_started[..] } else { &started[..] };
        assert_report(&Arena::new().fight(&OWN_PIDS, "attestation_tcp.py", &[tier, "hidepid"]), expected);
    });
}
