use super::*;

/// Friday, 2026-01-02, 23:00 UTC.
fn friday_night() -> Timestamp {
    "2026-01-02T23:00:00Z".parse().expect("a time")
}

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";
const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// From a server of Linux, by a program that is known, for a role.
fn ask<'a>(profile: &'a str, user: Option<&'a str>) -> Question<'a> {
    let program = Ok(Program { path: "/usr/bin/terraform", sha256: DIGEST });
    Question {
        profile,
        user,
        account: Some("123456789012"),
        role_arn: Some(ROLE),
        by_arn: false,
        mode: Mode::Server,
        peer: PeerFacts { uid: 1001, program },
        os: "linux",
        now: friday_night(),
    }
}

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!(r#"{{"version":"1","rules":[{rules}]}}"#)).expect("a policy")
}

fn verdict(effect: Effect, rule: Option<(usize, &str)>, reason: &str) -> Verdict {
    Verdict {
        effect,
        rule: rule.map(|(index, name)| (index, name.into())),
        reason: reason.into(),
        constraints: None,
        ground: if rule.is_some() { Ground::Rule } else { Ground::NoRule },
    }
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
        let reason = "the caller's identity is not known";
        let unknown = Verdict { ground: Ground::Unknown, ..verdict(Effect::Deny, Some((0, "prod")), reason) };
        assert_eq!(policy.evaluate(&ask("prod", None)), unknown);
        assert_eq!(policy.evaluate(&ask("prod", Some(""))), unknown);
        // Where another condition already says no, the user does not matter.
        assert_eq!(policy.evaluate(&ask("dev", None)).effect, Effect::Allow);
    }
}

#[test]
fn the_user_and_the_program_are_needed_only_where_something_turns_on_them() {
    let needs = |rules: &str| {
        let policy = policy(rules);
        (policy.needs_user(), policy.needs_program())
    };
    assert_eq!(
        needs(r#"{"name":"a","effect":"allow","conditions":{"profiles":["a"],"peer":{"uids":[0]}}}"#),
        (false, false)
    );
    let late = |conditions: &str| {
        format!(r#"{{"name":"a","effect":"allow"}},{{"name":"b","effect":"deny","conditions":{conditions}}}"#)
    };
    assert_eq!(needs(&late(r#"{"users":["x"]}"#)), (true, false));
    assert_eq!(needs(&late(r#"{"peer":{"executables":["/x"]}}"#)), (false, true));
    assert_eq!(needs(&late(&format!(r#"{{"peer":{{"sha256":["{DIGEST}"]}}}}"#))), (false, true));
}

#[test]
fn the_peer_and_the_device_are_conditions() {
    let policy = policy(&format!(
        r#"{{"name":"r","effect":"allow","conditions":{{
             "peer":{{"uids":[0,1001],"executables":["/usr/bin/aws","/usr/bin/terraform"],"sha256":["{DIGEST}"]}},
             "device":{{"allowed_os_types":["linux"]}}}}}}"#
    ));
    let effect = |question: Question<'_>| policy.evaluate(&question).effect;
    let good = ask("p", None);
    assert_eq!(effect(good), Effect::Allow);
    assert_eq!(effect(Question { os: "macos", ..good }), Effect::Deny);
    assert_eq!(effect(Question { peer: PeerFacts { uid: 1000, ..good.peer }, ..good }), Effect::Deny);
    let by = |path, sha256| Question { peer: PeerFacts { uid: 0, program: Ok(Program { path, sha256 }) }, ..good };
    assert_eq!(effect(by("/usr/bin/aws", DIGEST)), Effect::Allow);
    for other in [
        by("/usr/bin/terraforn", DIGEST),
        by("/tmp/usr/bin/terraform", DIGEST),
        by("/usr/bin/terraform ", DIGEST),
        by("/usr/bin/terraform", &DIGEST.replace('b', "c")),
        by("/usr/bin/terraform", ""),
    ] {
        assert_eq!(policy.evaluate(&other), verdict(Effect::Deny, None, "no matching rule"));
    }
}

#[test]
fn a_program_that_is_not_known_is_denied_where_the_program_decides() {
    for (effect, peer) in
        [("allow", r#""executables":["/x"]"#.to_owned()), ("deny", format!(r#""sha256":["{DIGEST}"]"#))]
    {
        let policy = policy(&format!(
            r#"{{"name":"prod","effect":"{effect}","conditions":{{"profiles":["prod"],"peer":{{{peer}}}}}}},
               {{"name":"rest","effect":"allow"}}"#
        ));
        let unknown =
            |profile| Question { peer: PeerFacts { uid: 0, program: Err("it was deleted") }, ..ask(profile, None) };
        let reason = "the caller's program is not known: it was deleted";
        let denied = Verdict { ground: Ground::Unknown, ..verdict(Effect::Deny, Some((0, "prod")), reason) };
        assert_eq!(policy.evaluate(&unknown("prod")), denied);
        assert_eq!(policy.evaluate(&unknown("dev")).effect, Effect::Allow);
    }
}

#[test]
fn what_is_known_to_differ_counts_before_what_is_not_known() {
    let policy = policy(
        r#"{"name":"a","effect":"deny","conditions":{"users":["ann"],"peer":{"executables":["/x"]}}},
           {"name":"b","effect":"allow"}"#,
    );
    // The user is not known, but another program asks; and the other way round.
    assert_eq!(policy.evaluate(&ask("p", None)).effect, Effect::Allow);
    let hidden = PeerFacts { uid: 0, program: Err("hidden") };
    assert_eq!(policy.evaluate(&Question { peer: hidden, ..ask("p", Some("bob")) }).effect, Effect::Allow);
    let neither = policy.evaluate(&Question { peer: hidden, ..ask("p", None) });
    assert_eq!(&*neither.reason, "the caller's identity is not known");
}

#[test]
fn a_foreign_account_is_denied_whatever_the_rules_say() {
    let policy = Policy::parse(
        r#"{"version":"1","accounts":["111111111111","123456789012"],"rules":[{"name":"all","effect":"allow"}]}"#,
    )
    .expect("a policy");
    assert!(policy.needs_user());
    let from = |account| Question { account, ..ask("p", Some("ann")) };
    assert_eq!(policy.evaluate(&from(Some("123456789012"))).effect, Effect::Allow);
    let foreign = policy.evaluate(&from(Some("999999999999")));
    let reason = "account 999999999999 is not one of the policy's accounts";
    assert_eq!(foreign, Verdict { ground: Ground::Account, ..verdict(Effect::Deny, None, reason) });
    assert!(!foreign.may_be_lifted());
    for unknown in [None, Some("")] {
        let reason = "the caller's account is not known";
        let denied = Verdict { ground: Ground::Unknown, ..verdict(Effect::Deny, None, reason) };
        assert_eq!(policy.evaluate(&from(unknown)), denied);
    }
}

#[test]
fn a_role_that_the_rule_does_not_give_is_denied_by_the_rule() {
    let policy = policy(&format!(
        r#"{{"name":"deploy","effect":"allow","role_arns":["{ROLE}"],"max_server_duration":"15m"}},{{"name":"rest","effect":"allow"}}"#
    ));
    let given = policy.evaluate(&ask("p", None));
    assert_eq!(given.effect, Effect::Allow);
    let cap = given.constraints.as_ref().and_then(|constraints| constraints.max_server_duration);
    assert_eq!(cap, Some(std::time::Duration::from_secs(900)));
    for (role_arn, reason) in [
        (
            Some("arn:aws:iam::123456789012:role/admin"),
            "the rule deploy does not give the role arn:aws:iam::123456789012:role/admin",
        ),
        (None, "the rule deploy gives roles, and the profile has none"),
    ] {
        let denied = policy.evaluate(&Question { role_arn, ..ask("p", None) });
        assert_eq!(denied, Verdict { ground: Ground::Role, ..verdict(Effect::Deny, Some((0, "deploy")), reason) });
        assert!(!denied.may_be_lifted());
    }
}

#[test]
fn a_role_that_is_asked_for_takes_a_rule_that_names_it() {
    let named = format!(
        r#"{{"name":"named","effect":"allow","conditions":{{"profiles":["p"]}},"role_arns":["{ROLE}"]}},
           {{"name":"weekend","effect":"deny","conditions":{{"profiles":["w"]}},"reason":"not at weekends"}},
           {{"name":"approved","effect":"require_server","conditions":{{"profiles":["a"]}}}},
           {{"name":"own","effect":"allow","conditions":{{"profiles":["o"]}}}}"#
    );
    let policy = policy(&named);
    let asked = |profile| policy.evaluate(&Question { by_arn: true, ..ask(profile, None) });
    let own = |profile| policy.evaluate(&ask(profile, None)).effect;
    assert_eq!((asked("p").effect, asked("p").ground), (Effect::Allow, Ground::Rule));
    for (profile, rule, reason, of_own) in [
        ("w", Some((1, "weekend")), "not at weekends", Effect::Deny),
        ("a", Some((2, "approved")), "the rule approved gives no roles", Effect::RequireServer),
        ("o", Some((3, "own")), "the rule own gives no roles", Effect::Allow),
        ("x", None, "no matching rule", Effect::Deny),
    ] {
        assert_eq!(asked(profile), Verdict { ground: Ground::Role, ..verdict(Effect::Deny, rule, reason) });
        // No emergency opens a role that nobody wrote down.
        assert!(!asked(profile).may_be_lifted());
        assert_eq!(own(profile), of_own);
    }
}

#[test]
fn the_effect_is_the_rules_and_so_is_what_it_asks_for() {
    let text = r#"{"version":"1","approvals":"store","rules":[{"name":"r","effect":"require_approval",
        "session_policy":{"Statement":[]},"session_table":"live-sessions"}]}"#;
    let found = Policy::parse(text).expect("a policy").evaluate(&ask("p", Some("ann")));
    assert_eq!((found.effect, &*found.reason), (Effect::RequireApproval, "the rule r says require_approval"));
    let constraints = found.constraints.as_deref().expect("constraints");
    assert_eq!(constraints.session_policy.as_deref(), Some(r#"{"Statement":[]}"#));
    assert_eq!(constraints.session_table.as_deref(), Some("live-sessions"));
    assert!(found.may_be_lifted());
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
