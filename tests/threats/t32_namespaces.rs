//! T32: an identity that a namespace makes ambiguous is refused.

use super::arena::{Arena, assert_report, on_every_tier};
use crate::harness::{is_root, skip};
use crate::wire::Transport;

#[test]
fn process_0_and_what_comes_into_a_pid_namespace_are_refused() {
    if !is_root() {
        return skip("process_0_and_what_comes_into_a_pid_namespace_are_refused", "pid namespaces need root");
    }
    let attack = |tier, transport: Transport| {
        let done = Arena::new().fight(&[], "namespaces.py", &["pids", tier, transport.option()]);
        let expected = [
            "inside: served",
            "process 0: refused",
            "came in from outside: refused",
            "came in, and was adopted by sentinel: refused",
        ];
        assert_report(&done, &expected);
    };
    on_every_tier("process_0_and_what_comes_into_a_pid_namespace_are_refused", |tier| attack(tier, Transport::Unix));
    // Over TCP no number comes with a connection: who holds it is looked for.
    for transport in [Transport::Tcp, Transport::Ecs, Transport::Imds] {
        attack("pidfs inode", transport);
    }
}

#[test]
fn a_proc_of_another_pid_namespace_is_refused_at_the_start() {
    const NAME: &str = "a_proc_of_another_pid_namespace_is_refused_at_the_start";
    if !is_root() {
        return skip(NAME, "pid namespaces need root");
    }
    on_every_tier(NAME, |tier| {
        let done = Arena::new().fight(&[], "namespaces.py", &["proc", tier]);
        let expected = "a foreign /proc: 125 '' sentinel: this kernel cannot tell which process is on the other end of a \
                        socket: /proc belongs to another pid namespace";
        assert_report(&done, &[expected]);
    });
}

#[test]
fn process_0_is_refused_also_where_the_user_is_enough() {
    if !is_root() {
        return skip("process_0_is_refused_also_where_the_user_is_enough", "pid namespaces need root");
    }
    let done = Arena::new().fight(&[], "namespaces.py", &["pids", "pidfs inode", "--unix-socket", "--bind", "uid"]);
    let expected = [
        "inside: served",
        "process 0: refused",
        // These have a pid and the user, which is all that this binding asks for.
        "came in from outside: served",
        "came in, and was adopted by sentinel: served",
    ];
    assert_report(&done, &expected);
}

#[test]
fn an_id_that_may_be_anybodys_is_refused() {
    const NAME: &str = "an_id_that_may_be_anybodys_is_refused";
    // The endpoint, the map's ids, who is inside, the same user outside, and root outside.
    for (transport, map, inside, outside, root) in [
        (Transport::Unix, "uid+gid", "served", "served", "dropped"),
        (Transport::Unix, "uid", "refused", "refused", "dropped"),
        (Transport::Unix, "", "refused", "refused", "refused"),
        // Over TCP who is outside is not found.
        (Transport::Tcp, "uid+gid", "served", "refused", "dropped"),
        (Transport::Tcp, "uid", "refused", "refused", "dropped"),
        (Transport::Tcp, "", "refused", "refused", "refused"),
        (Transport::Ecs, "", "refused", "refused", "refused"),
        (Transport::Imds, "uid+gid", "served", "refused", "dropped"),
        (Transport::Imds, "", "refused", "refused", "refused"),
    ] {
        let done = Arena::new().fight(&[], "namespaces.py", &["users", map, transport.option()]);
        if done.stderr.contains("no user namespaces here") {
            return skip(NAME, "this host allows no user namespaces");
        }
        let mut expected = vec![format!("inside: {inside}"), format!("the same user, outside: {outside}")];
        if is_root() {
            expected.push(format!("root, outside: {root}"));
        }
        assert_report(&done, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn where_only_users_count_an_ambiguous_one_is_still_refused() {
    const NAME: &str = "where_only_users_count_an_ambiguous_one_is_still_refused";
    if !is_root() {
        return skip(NAME, "pid namespaces need root");
    }
    let done = Arena::new().fight(&[], "namespaces.py", &["fallback"]);
    if done.stderr.contains("no user namespaces here") {
        return skip(NAME, "this host allows no user namespaces");
    }
    let expected = [
        "an unmapped user, inside: refused",
        "root as an unmapped user, outside: refused",
        "process 1's child: served",
        "process 0: refused",
    ];
    assert_report(&done, &expected);
}

#[test]
fn uid_65534_is_a_user_like_others_where_every_id_has_a_name() {
    if !is_root() {
        return skip("uid_65534_is_a_user_like_others_where_every_id_has_a_name", "only root becomes another user");
    }
    let done = Arena::new().fight(&[], "namespaces.py", &["nobody"]);
    assert_report(&done, &["65534, inside: served", "65534, outside: refused"]);
}
