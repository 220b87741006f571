//! The broker against a naive reading of what a policy means, over random policies, sessions, approvals, events and clocks.

mod oracle;
mod world;

use std::sync::Arc;
use std::time::Duration;

use oracle::Wanted;
use world::{Random, World};

use super::{Applicant, Denied, Rules};
use crate::auth::{Caller, Invoker};

/// Enough that each pair of rules' effects meets each state of a session and of the records.
const CASES: u64 = 5_000;

#[test]
fn every_decision_is_the_oracles() {
    let mut seen = std::collections::BTreeMap::<&'static str, u32>::new();
    for seed in 1..=CASES {
        let world = World::random(&mut Random::new(seed));
        let wanted = oracle::decide(&world);
        let found = decide(&world);
        *seen.entry(wanted.kind()).or_default() += 1;
        assert_eq!(found, wanted, "seed {seed}: {world}");
    }
    // A generator that never gets somewhere tests nothing there.
    for kind in
        ["allowed", "allowed by approval", "allowed by break-glass", "denied", "unapproved", "revoked", "unknown"]
    {
        assert!(seen.get(kind).is_some_and(|count| *count > 20), "{kind}: {seen:?}");
    }
}

fn decide(world: &World) -> Wanted {
    let broker = world.broker();
    let rules = Rules(world.policy());
    let applicant = world.user.as_ref().map(|user| Applicant { user, account: &world.account });
    let (deadline, asked) = (Duration::ZERO, world.asked.map(Arc::from));
    match broker.authorize(Caller::invoker(Invoker), &rules, applicant, asked.as_ref(), deadline) {
        Ok(grant) => {
            let (_, ruling, lease) = grant.redeem();
            assert_eq!(lease.terms(), &ruling.terms);
            assert_eq!(lease.terms().role.as_deref(), world.asked.filter(|_| world.asked != world.role_arn));
            let window = ruling.terms.window.map(|window| (window.by, window.id.to_string()));
            let rule = ruling.verdict.rule.map(|(index, _)| index);
            let narrowed_by = ruling.terms.session_policy.map(|policy| json(&policy).to_string());
            Wanted::Allowed { rule, window, most: ruling.terms.max_duration, narrowed_by }
        }
        Err(Denied::Policy(denied)) => Wanted::Denied { rule: denied.1.verdict.rule.map(|(index, _)| index) },
        Err(Denied::Unapproved(denied)) => Wanted::Unapproved { rule: denied.1.verdict.rule.map(|(index, _)| index) },
        Err(Denied::Revoked(_)) => Wanted::Revoked,
        Err(Denied::Pending(_)) => Wanted::Unknown,
        Err(Denied::Undecided(undecided)) => {
            assert_eq!(undecided.1.reason, "the session cannot be confirmed");
            Wanted::Unknown
        }
        Err(Denied::Limited(..)) => panic!("one request is no flood"),
    }
}

/// Read and written anew: it is what it says that counts.
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}
