//! T26: when a caller cannot be identified, that is a refusal, over either transport.

use super::arena::{Arena, OWN_PIDS, assert_report, on_every_tier, on_tiers_of_tcp};
use crate::harness::{is_root, skip};
use crate::wire::Transport;

#[test]
fn who_cannot_be_identified_is_refused_on_every_tier() {
    on_every_tier("who_cannot_be_identified_is_refused_on_every_tier", |tier| {
        // Where a socket has to be found among a process's descriptors, one that hides them is refused.
        let hidden = if tier.starts_with("pidfs") || tier.starts_with("peer") { "served" } else { "refused" };
        let expected = [
            "not dumpable, outside: refused",
            &format!("not dumpable, inside: {hidden}"),
            "the next one: served",
            "ended, outside: refused",
            "ended, inside: refused",
            "a storm, outside: 40 answered, []",
            "a storm, inside: 40 answered, []",
            "a storm, inside, served: True",
            "many descriptors, outside: refused",
            "many descriptors, inside: as it must be",
            "the one after that: served",
            "--allow-fallback, outside: refused",
            "--allow-fallback, inside: served",
            "--allow-fallback, bindings: ['tree']",
        ];
        assert_report(&Arena::new().fight(&[], "attestation.py", &[tier, "attack"]), &expected);
    });
}

#[test]
fn a_kernel_that_cannot_name_processes_is_refused_unless_asked_for_and_then_recorded() {
    let done = Arena::new().fight(&[], "attestation.py", &["none", "fallback"]);
    let mut expected = vec![
        "125 ''",
        "sentinel: this kernel cannot tell which process is on the other end of a socket: Address family not supported \
         by protocol (os error 97)",
        "  tokens cannot be bound to a process tree here; `--allow-fallback` lets any process of your uid use them, and \
         every log line says so",
        "inside: served",
        "outside: served",
        "outside, another token: refused",
        "bindings: ['uid (fallback)']",
    ];
    if is_root() {
        expected.push("root, who may open every socket: dropped");
    }
    assert_report(&done, &expected);
}

#[test]
fn a_proc_that_hides_processes_is_no_way_in() {
    if !is_root() {
        return skip("a_proc_that_hides_processes_is_no_way_in", "only root mounts a /proc");
    }
    on_every_tier("a_proc_that_hides_processes_is_no_way_in", |tier| {
        // A process that is not dumpable is hidden even from its own user: what needs /proc to know it refuses it.
        let hidden = if ["pidfs inode", "peer pidfd"].contains(&tier) { "served" } else { "refused" };
        let hidden = format!("not dumpable, inside: {hidden}");
        hides(tier, Transport::Unix, &hidden);
    });
}

#[test]
fn a_proc_that_hides_processes_is_no_way_in_over_tcp() {
    if !is_root() {
        return skip("a_proc_that_hides_processes_is_no_way_in_over_tcp", "only root mounts a /proc");
    }
    on_tiers_of_tcp("a_proc_that_hides_processes_is_no_way_in_over_tcp", |tier| {
        hides(tier, Transport::Tcp, "not dumpable, inside: refused");
        hides(tier, Transport::Ecs, "not dumpable, inside: refused");
        hides(tier, Transport::Imds, "not dumpable, inside: refused");
    });
}

#[track_caller]
fn hides(tier: &str, transport: Transport, hidden: &str) {
    let not_started = ["125 '' sentinel: /proc hides the process that watches over the command"];
    let started =
        ["outside: refused", "inside: served", "inside, a daemon: served", "not dumpable, outside: refused", hidden];
    let expected = if tier == "proc directory" { &not_started[..] } else { &started[..] };
    let done = Arena::new().fight(&OWN_PIDS, "attestation.py", &[tier, "hidepid", transport.option()]);
    assert_report(&done, expected);
}

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
