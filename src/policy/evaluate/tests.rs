use super::*;

/// Friday, 2026-01-02, 23:00 UTC.
fn friday_night() -> Timestamp {
    "2026-01-02T23:00:00Z".parse().expect("a time")
}

fn ask<'a>(profile: &'a str, user: Option<&'a str>) -> Question<'a> {
    Question { profile, user, mode: Mode::Server, now: friday_night() }
}

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!(r#"{{"version":"1","rules":[{rules}]}}"#)).expect("a policy")
}

fn verdict(effect: Effect, rule: Option<(usize, &str)>, reason: &str) -> Verdict {
    Verdict { effect, rule: rule.map(|(index, name)| (index, name.into())), reason: reason.into() }
}

#[test]
fn the_first_match_wins() {
    let policy = policy(
        r#"{"name":"no-root","effect":"deny","conditions":{"profiles":["root*"]},"reason":"ask security"},
           {"name":"all","effect":"allow"},
           {"name":"never","effect":"deny"}"#,
    );
    assert_eq!(policy.evaluate(&ask("root-eu", None)), verdict(Effect::Deny, Some((0, "no-root")), "ask security"));
    assert_eq!(policy.evaluate(&ask("dev", None)), verdict(Effect::Allow, Some((1, "all")), "allowed by the rule all"));
}

#[test]
fn a_denial_without_a_reason_names_its_rule() {
    let policy = policy(r#"{"name":"closed","effect":"deny","conditions":{}}"#);
    assert_eq!(
        policy.evaluate(&ask("dev", None)),
        verdict(Effect::Deny, Some((0, "closed")), "denied by the rule closed")
    );
}

#[test]
fn no_match_is_a_denial() {
    let policy = policy(r#"{"name":"dev","effect":"allow","conditions":{"profiles":["dev"]}}"#);
    assert_eq!(policy.evaluate(&ask("prod", None)), verdict(Effect::Deny, None, "no matching rule"));
}

#[test]
fn all_conditions_must_hold() {
    let policy = policy(
        r#"{"name":"r","effect":"allow","conditions":{"profiles":["dev-*","test"],"users":["ci","role:*"],
            "mode":["server"],"time":{"days":["friday"],"hours":{"start":"22:00","end":"06:00"}}}}"#,
    );
    let allowed = |question: Question<'_>| policy.evaluate(&question).effect == Effect::Allow;
    let good = ask("dev-eu", Some("ci"));
    assert!(allowed(good));
    assert!(allowed(Question { user: Some("role:build"), profile: "test", ..good }));
    assert!(!allowed(Question { profile: "prod", ..good }));
    assert!(!allowed(Question { user: Some("ann"), ..good }));
    assert!(!allowed(Question { mode: Mode::Cli, ..good }));
    assert!(!allowed(Question { mode: Mode::CredentialProcess, ..good }));
    assert!(!allowed(Question { now: "2026-01-03T06:00:00Z".parse().expect("a time"), ..good }));
}

#[test]
fn an_unknown_user_is_denied_where_the_user_decides() {
    for (effect, users) in [("allow", "ann"), ("deny", "ann"), ("allow", "*")] {
        let policy = policy(&format!(
            r#"{{"name":"prod","effect":"{effect}","conditions":{{"profiles":["prod"],"users":["{users}"]}}}},
               {{"name":"rest","effect":"allow"}}"#
        ));
        let unknown = verdict(Effect::Deny, Some((0, "prod")), "the caller's identity is not known");
        assert_eq!(policy.evaluate(&ask("prod", None)), unknown);
        assert_eq!(policy.evaluate(&ask("prod", Some(""))), unknown);
        // Where another condition already says no, the user does not matter.
        assert_eq!(policy.evaluate(&ask("dev", None)).effect, Effect::Allow);
    }
}

#[test]
fn the_user_is_needed_only_by_a_users_condition() {
    assert!(!policy(r#"{"name":"a","effect":"allow","conditions":{"profiles":["a"]}}"#).needs_user());
    assert!(
        policy(r#"{"name":"a","effect":"allow"},{"name":"b","effect":"deny","conditions":{"users":["x"]}}"#)
            .needs_user()
    );
}

#[test]
fn a_thousand_rules_take_microseconds() {
    let rules: Vec<String> = (0..1000)
        .map(|index| {
            let conditions =
                r#""profiles":["*deploy*","prod-*"],"time":{"days":["monday"],"timezone":"Europe/Berlin"}"#;
            format!(r#"{{"name":"r{index}","effect":"allow","conditions":{{{conditions}}}}}"#)
        })
        .collect();
    let policy = policy(&rules.join(","));
    let clock = crate::clock::SystemClock;
    let question = ask("prod-deploy-eu", None);
    let fastest = (0..50)
        .map(|_| {
            let start = crate::clock::Clock::boot(&clock);
            assert_eq!(policy.evaluate(&question).rule, None);
            crate::clock::Clock::boot(&clock) - start
        })
        .min()
        .expect("a time");
    // Unoptimised builds are about 20 times slower than the release build that the promise is about.
    let limit_us = if cfg!(debug_assertions) { 5_000 } else { 100 };
    assert!(fastest < std::time::Duration::from_micros(limit_us), "{fastest:?}");
}
