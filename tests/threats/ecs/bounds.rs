//! Where roles end: with their credentials, with the session, with what the vault keeps.

use std::fs;

use serde_json::Value;

use super::{Ecs, ROLES, Tree, arn, rule};
use crate::fake_sts::Fault;
use crate::harness::eventually;
use crate::wire::{CLIENT, Transport};

/// A server without the option has no roles.
#[test]
fn other_servers_have_no_roles() {
    for options in [&["--server"][..], &["--unix-socket"]] {
        let ecs = Ecs::over(Transport::Tcp);
        let options = [&["--profile", "dev"], options].concat();
        let mut tree = ecs.world.sandbox.python(&options, &format!("{CLIENT}\n{ROLES}")).spawn();
        assert!(tree.line().starts_with("ready "));
        let mut tree = Tree(tree);
        for name in ["one", "dev"] {
            assert_eq!(tree.role(name).0, 404);
        }
        assert_eq!(ecs.assumed("one").len(), 0);
        tree.end();
    }
}

/// T18: an answer of AWS's that is half, empty or over is no role's credentials, and nobody else's trouble.
#[test]
fn half_made_roles_are_errors_and_the_profiles_own_is_served() {
    for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Half] {
        let ecs = Ecs::over(Transport::Tcp);
        let mut tree = ecs.tree("base", &[]);
        let own = Tree::served(&tree.get("/"));
        ecs.world.sts.inject("AssumeRole", 20, fault.clone());
        for _ in 0..3 {
            let (status, body) = tree.role("mine");
            assert!(status == 500 && body.starts_with(r#"{"code":"CredentialsFailed""#), "{fault:?}: {status} {body}");
            assert_eq!(Tree::served(&tree.get("/")), own);
        }
        tree.end();
    }
}

#[test]
fn a_role_in_use_is_fetched_again_before_it_ends() {
    let ecs = Ecs::over(Transport::Unix);
    ecs.world.sts.lifetime_s(9);
    // Who asks all the time would be told to come back later.
    let mut tree = ecs.ruled("base", &rule(&format!(r#","role_arns":["{}"]"#, arn("mine"))), &["--lazy"]);
    let first = Tree::served(&tree.role("mine"));
    // Each answer on the way is one.
    eventually("other credentials", || {
        let next = Tree::served(&tree.role("mine"));
        (next["AccessKeyId"] != first["AccessKeyId"]).then_some(())
    });
    tree.end();
}

/// T16: a session that has ended gives no role either, be it in the cache or not.
#[test]
fn a_revoked_session_gets_no_role() {
    Ecs::over_both(|ecs| {
        let members = format!(r#","role_arns":["{}","{}"]"#, arn("dev"), arn("one"));
        let mut tree = ecs.ruled("dev", &rule(&members), &[]);
        Tree::served(&tree.role("one"));
        let records = fs::read_dir(ecs.world.sandbox.path("state/sentinel/sessions")).expect("sessions");
        let records = records.map(|entry| entry.expect("an entry").path());
        for record in records.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            fs::remove_file(record).expect("removed");
        }
        let refused = eventually("the end of the session", || Some(tree.role("one")).filter(|answer| answer.0 != 200));
        assert!(refused.1.contains("SessionRevoked") || refused.0 == 0, "{refused:?}");
        let calls = ecs.world.sts.calls().len();
        for name in ["one", "two", "dev"] {
            let answer = tree.role(name);
            assert!(answer.0 == 403 && answer.1.contains("SessionRevoked"), "{answer:?}");
            assert_eq!(ecs.decided()[2], arn(name));
        }
        assert_eq!(ecs.world.sts.calls().len(), calls);
        tree.end();
    });
}

/// T23: a flood of roles takes no memory, few calls to AWS, and nothing from what is in use.
#[test]
fn a_flood_of_roles_costs_little_and_takes_nobodys_place() {
    Ecs::over_both(|ecs| {
        let mut tree = ecs.tree("base", &[]);
        let before = [Tree::served(&tree.get("/")), Tree::served(&tree.role("mine"))];
        let pid = tree.0.pid();
        let mut flood = |number: u32| -> Value {
            tree.0.send(&format!("flood {number}"));
            serde_json::from_str(&tree.0.line()).expect("counts")
        };
        flood(200);
        let resident = resident_kib(pid);
        let seen = flood(3_000);
        assert!(seen["429"].as_u64().is_some_and(|count| count > 2_000) && seen.get("200").is_none(), "{seen}");
        let grown = resident_kib(pid) - resident;
        assert!(grown < 1_024, "{grown} KiB more after the flood");
        let calls = ecs.world.sts.calls_of("AssumeRole").len();
        // A burst of 20, and 100 in a minute.
        assert!(calls <= 20 + 100, "{calls} calls to AWS");
        let after = ["/".to_owned(), format!("/role-arn/{}", arn("mine"))].map(|path| {
            eventually("room among the requests", || Some(tree.get(&path)).filter(|answer| answer.0 != 429))
        });
        assert_eq!(after.map(|answer| Tree::served(&answer)), before);
        assert_eq!(ecs.assumed("mine").len(), 1);
        tree.end();
    });
}

/// The resident memory of a process.
fn resident_kib(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The seventeenth set takes the place of the one that nobody asked for longest.
#[test]
fn sixteen_sets_are_kept() {
    let ecs = Ecs::over(Transport::Tcp);
    for number in 0..17 {
        ecs.world.sts.role(&format!("r{number}")).trusts(&ecs.world.alice.arn).arn();
    }
    let mut tree = ecs.tree("base", &["--lazy", "--source-identity", "off"]);
    for number in 0..17 {
        Tree::served(&tree.role(&format!("r{number}")));
    }
    let calls = ecs.world.sts.calls_of("AssumeRole").len();
    assert_eq!(calls, 17);
    for number in 1..17 {
        Tree::served(&tree.role(&format!("r{number}")));
    }
    assert_eq!(ecs.world.sts.calls_of("AssumeRole").len(), 17);
    Tree::served(&tree.role("r0"));
    assert_eq!(ecs.assumed("r0").len(), 2);
    tree.end();
}
