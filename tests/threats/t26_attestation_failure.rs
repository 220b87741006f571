//! T26: when a caller cannot be identified, that is a refusal.

use super::arena::{Arena, OWN_PIDS, assert_report, on_every_tier};
use crate::harness::{is_root, skip};

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
        let served = ["outside: refused", "inside: served", "not dumpable, outside: refused", &hidden];
        let not_started = ["125 '' sentinel: /proc hides the process that watches over the command"];
        let expected = if tier == "proc directory" { &not_started[..] } else { &served[..] };
        assert_report(&Arena::new().fight(&OWN_PIDS, "attestation.py", &[tier, "hidepid"]), expected);
    });
}
