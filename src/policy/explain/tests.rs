use super::*;
use crate::policy::evaluate::{Mode, PeerFacts, Program};

const POLICY: &str = r#"{ "version": "1", "accounts": ["123456789012"], "rules": [
    { "name": "night", "effect": "deny",
      "conditions": { "profiles": ["prod-*", "root"], "mode": ["cli", "credential_process"],
        "time": { "days": ["monday"], "hours": {"start": "22:00", "end": "06:00"}, "timezone": "Europe/Berlin" } } },
    { "name": "terraform", "effect": "allow", "max_server_duration": "30m", "session_table": "live",
      "conditions": { "users": ["ci", "role:*"], "peer": { "uids": [0, 7], "executables": ["/usr/bin/terraform"] },
        "device": { "allowed_os_types": ["macos"] } } },
    { "name": "prod", "effect": "allow", "conditions": { "users": ["ann"], "peer": { "uids": [1001] } },
      "session_table": "live", "max_server_duration": "30m", "session_policy": { "Statement": [] } },
    { "name": "rest", "effect": "deny" },
    { "name": "never", "effect": "deny" } ] }"#;

fn question() -> Question<'static> {
    let program = Ok(Program { path: "/usr/bin/aws", sha256: "00" });
    Question {
        profile: "dev",
        user: Some("ann"),
        account: Some("123456789012"),
        role_arn: None,
        by_arn: false,
        mode: Mode::Server,
        peer: PeerFacts { uid: 1001, program },
        os: "linux",
        now: "2026-01-02T23:00:00Z".parse().expect("a time"),
    }
}

#[track_caller]
fn explain(question: &Question<'_>) -> Explanation {
    let policy = Policy::parse(POLICY).expect("a policy");
    let explanation = policy.explain(question);
    assert_eq!(explanation.verdict, policy.evaluate(question));
    explanation
}

#[test]
fn each_rule_says_which_of_its_conditions_do_not_hold() {
    assert_eq!(
        explain(&question()).to_string(),
        "rules[0] `night` (deny) does not match\n  \
           mode: cli, credential_process; this is server\n  \
           profiles: `prod-*`, `root`; this is `dev`\n  \
           time: monday 22:00-06:00 Europe/Berlin; this is saturday 00:00 Europe/Berlin\n\
         rules[1] `terraform` (allow) does not match\n  \
           device.allowed_os_types: macos; this is linux\n  \
           peer.uids: 0, 7; this is 1001\n  \
           users: `ci`, `role:*`; this is `ann`\n  \
           peer.executables: `/usr/bin/terraform`; this is `/usr/bin/aws`\n\
         rules[2] `prod` (allow) matches\n\
         2 rules are not reached\n\
         allow: allowed by the rule prod\n  \
           max_server_duration: 30m\n  \
           session_policy: {\"Statement\":[]}\n  \
           session_table: live"
    );
}

#[test]
fn the_data_are_those_of_the_text() {
    let explanation = explain(&Question { mode: Mode::Cli, profile: "root", ..question() });
    let differs = Difference {
        condition: Condition::Time,
        wanted: "monday 22:00-06:00 Europe/Berlin".to_owned(),
        found: "saturday 00:00 Europe/Berlin".to_owned(),
    };
    assert_eq!(
        explanation.rules[0],
        RuleExplained {
            index: 0,
            name: "night".to_owned(),
            effect: Effect::Deny,
            outcome: Outcome::Differs(vec![differs])
        }
    );
    let outcomes: Vec<&Outcome> = explanation.rules[2..].iter().map(|rule| &rule.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Matches, &Outcome::NotReached, &Outcome::NotReached]);
}

#[test]
fn what_is_not_known_decides_and_says_so() {
    let explanation = explain(&Question { user: None, ..question() });
    let text = explanation.to_string();
    let end = "rules[2] `prod` (allow) cannot be judged: the caller's identity is not known\n\
               2 rules are not reached\n\
               deny: the caller's identity is not known";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_foreign_account_reaches_no_rule() {
    assert_eq!(
        explain(&Question { account: Some("999999999999"), ..question() }).to_string(),
        "5 rules are not reached\ndeny: account 999999999999 is not one of the policy's accounts"
    );
}

#[test]
fn where_no_rule_matches_all_are_explained() {
    let policy = Policy::parse(
        r#"{"version":"1","rules":[{"name":"a\u001b[31m","effect":"allow","conditions":{"profiles":["x"]}}]}"#,
    )
    .expect("a policy");
    assert_eq!(
        policy.explain(&question()).to_string(),
        "rules[0] `a\\u{1b}[31m` (allow) does not match\n  profiles: `x`; this is `dev`\ndeny: no matching rule"
    );
}
