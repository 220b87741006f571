//! T14: what a rule gives is no more than it says, in every mode: accounts, roles, session policies, durations.

use super::ruled::{Ruled, WAYS, answered, one_rule, serves};
use crate::fake_sts::ACCOUNT;

const ALLOW: &str = r#""effect":"allow""#;

fn of_accounts(accounts: &str) -> String {
    format!(r#"{{"version":"1","accounts":[{accounts}],"rules":[{{"name":"r","effect":"allow"}}]}}"#)
}

/// The last value of a parameter of an action.
#[track_caller]
fn asked(ruled: &Ruled, action: &str, parameter: &str) -> Option<String> {
    ruled.sts.calls_of(action).pop().expect("a call").parameters.get(parameter).cloned()
}

#[test]
fn a_caller_of_another_account_gets_nothing() {
    for (way, _, status) in WAYS {
        let ruled = Ruled::by(&of_accounts(r#""999999999999","000000000000""#));
        let done = ruled.way(way, "dev", &[]).run();
        ruled.has_denied(&done, status, &format!("account {ACCOUNT} is not one of the policy's accounts"));
        assert_eq!(ruled.sts.calls_of("AssumeRole").len(), 0);
        ruled.rule(&of_accounts(&format!(r#""999999999999","{ACCOUNT}""#)));
        ruled.has_given(&ruled.way(way, "dev", &[]).run());
    }
}

#[test]
fn a_role_that_the_rule_does_not_name_is_not_given() {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    for (way, _, status) in WAYS {
        // It names the role on the way and not the last, which is the one that counts; a name is no pattern and no prefix.
        let ruled = Ruled::by(&one_rule(&format!(r#"{ALLOW},"role_arns":["{}","{}"]"#, role("dev"), role("nex"))));
        let done = ruled.way(way, "next", &[]).run();
        ruled.has_denied(&done, status, &format!("the rule r does not give the role {}", role("next")));
        let done = ruled.way(way, "base", &[]).run();
        ruled.has_denied(&done, status, "the rule r gives roles, and the profile has none");
        assert_eq!(ruled.sts.calls_of("AssumeRole").len() + ruled.sts.calls_of("GetSessionToken").len(), 0);
        ruled.has_given(&ruled.way(way, "dev", &[]).run());
    }
}

#[test]
fn a_rules_session_policy_reaches_aws_at_the_last_role() {
    let narrow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let rule = one_rule(&format!(r#"{ALLOW},"session_policy":{narrow}"#));
    for (way, _, status) in WAYS {
        let ruled = Ruled::by(&rule);
        ruled.has_given(&ruled.way(way, "next", &[]).run());
        let calls = ruled.sts.calls_of("AssumeRole");
        let policies: Vec<_> = calls.iter().map(|call| call.parameters.get("Policy")).collect();
        let [None, Some(policy)] = policies[..] else { panic!("{way:?}: {policies:?}") };
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(policy), read(narrow), "{way:?}");

        // The person's own beside it would take its place, because AWS takes one.
        let own = ruled.sandbox.write("own.json", r#"{"Version":"2012-10-17","Statement":[]}"#, 0o600);
        let done = ruled.way(way, "dev", &["--session-policy", own.to_str().expect("UTF-8")]).run();
        done.failed_with(status, &["the policy has a session_policy of its own for this rule"]);
        assert!(done.stdout.is_empty() && !ruled.started().exists(), "{done}");
        // Who has no role has nothing to narrow.
        let done = ruled.way(way, "base", &[]).run();
        done.failed_with(status, &["the policy narrows a role's session, and profile `base` has no role"]);
        assert!(done.stdout.is_empty() && !ruled.started().exists(), "{done}");
        assert_eq!(ruled.sts.calls_of("AssumeRole").len(), 2, "{way:?}");
        assert_eq!(ruled.sts.calls_of("GetSessionToken").len(), 0, "{way:?}");
    }
}

#[test]
fn no_session_lasts_longer_than_the_rule_allows() {
    for (way, _, status) in WAYS {
        let ruled = Ruled::by(&one_rule(&format!(r#"{ALLOW},"max_server_duration":"20m""#)));
        let longer: &[&str] = if serves(way) { &["--server-duration", "2h"] } else { &["--duration", "2h"] };
        for options in [&[][..], longer] {
            for (profile, action) in [("dev", "AssumeRole"), ("next", "AssumeRole"), ("base", "GetSessionToken")] {
                ruled.has_given(&ruled.way(way, profile, options).run());
                assert_eq!(asked(&ruled, action, "DurationSeconds").as_deref(), Some("1200"), "{way:?} {profile}");
                let last = ruled.sandbox.decisions().pop().expect("a decision");
                // From our clock before the call to the end that AWS gave, which a busy machine makes a little longer.
                let lasts = last["session_duration_seconds"].as_u64().expect("a number");
                assert!((1200..1260).contains(&lasts), "{last}");
            }
        }
        // A shorter wish is granted.
        let shorter: &[&str] = if serves(way) { &["--server-duration", "16m"] } else { &["--duration", "16m"] };
        ruled.has_given(&ruled.way(way, "dev", shorter).run());
        assert_eq!(asked(&ruled, "AssumeRole", "DurationSeconds").as_deref(), Some("960"), "{way:?}");
        if !serves(way) {
            // Keys that do not end cannot be made to.
            let before = ruled.sandbox.decisions().len();
            let done = ruled.way(way, "base", &["--no-session"]).run();
            done.failed_with(status, &["the policy allows 20m, and the keys of profile `base` cannot be made to end"]);
            assert!(done.stdout.is_empty() && !ruled.started().exists(), "{done}");
            let decisions = ruled.sandbox.decisions();
            assert!(
                decisions.len() == before + 1 && decisions[before]["error"].is_string(),
                "{:?}",
                &decisions[before..]
            );
        }
    }
}

/// What was fetched under one rule is not handed out under another one, which gives less.
#[test]
fn a_stricter_rule_does_not_hand_out_what_a_looser_one_fetched() {
    let ruled = Ruled::by(&one_rule(ALLOW));
    let mut tree = ruled.tree(&["exec", "--unix-socket"], &[]);
    assert!(tree.line().starts_with("ready "));
    let narrow = r#"{"Version":"2012-10-17","Statement":[]}"#;
    for (count, members) in
        [(1, ""), (2, r#","max_server_duration":"15m""#), (3, &format!(r#","session_policy":{narrow}"#))]
    {
        ruled.rule(&one_rule(&format!("{ALLOW}{members}")));
        assert!(answered(&mut tree, "2").starts_with("200=2 "), "{members}");
        assert_eq!(ruled.sts.calls_of("AssumeRole").len(), count, "{members}");
    }
    assert_eq!(tree.finish().code(), 0);
}
