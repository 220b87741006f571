use super::*;

/// The error that a document leads to, as people see it.
#[track_caller]
fn refused(text: &str) -> String {
    Policy::parse(text).expect_err("a flaw").in_document("p.json").to_string()
}

/// The error that these rules lead to, without its beginning.
#[track_caller]
fn rules_refused(rules: &str) -> String {
    let text = refused(&format!(r#"{{"version":"1","rules":{rules}}}"#));
    text.strip_prefix("the policy p.json is not valid: ").expect("the beginning").to_owned()
}

#[track_caller]
fn conditions_refused(conditions: &str) -> String {
    rules_refused(&format!(r#"[{{"name":"r","effect":"allow","conditions":{conditions}}}]"#))
}

#[test]
fn a_full_policy_is_read() {
    let policy = Policy::parse(
        r#"{ "version": "1",
             "rules": [
               { "name": "deploy-from-ci", "effect": "allow",
                 "conditions": { "profiles": ["deploy-*"], "users": ["ci"], "mode": ["server", "credential_process"],
                   "time": { "days": ["monday","friday"], "hours": {"start": "22:00", "end": "06:00"},
                             "timezone": "Europe/Berlin" } },
                 "reason": "CI deploys at night" },
               { "name": "rest", "effect": "deny" } ] }"#,
    )
    .expect("a policy");
    let [first, second] = &policy.rules[..] else { panic!("two rules") };
    assert_eq!((&*first.name, first.effect), ("deploy-from-ci", Effect::Allow));
    assert_eq!(&*first.reason, "CI deploys at night");
    assert_eq!(first.modes, Some(vec![Mode::Server, Mode::CredentialProcess]));
    assert_eq!(first.profiles.as_ref().map(Vec::len), Some(1));
    assert!(first.users.is_some() && first.time.is_some());
    assert_eq!((&*second.name, second.effect), ("rest", Effect::Deny));
    assert!(second.profiles.is_none() && second.users.is_none() && second.modes.is_none() && second.time.is_none());
}

#[test]
fn an_unknown_field_names_the_nearest_known_one() {
    assert_eq!(
        conditions_refused(r#"{"profile":["prod"]}"#),
        "rules[0].conditions: unknown field `profile`\n  did you mean `profiles`?"
    );
    assert_eq!(rules_refused(r#"[{"nane":"x"}]"#), "rules[0]: unknown field `nane`\n  did you mean `name`?");
    assert_eq!(
        conditions_refused(r#"{"time":{"hours":{"begin":"09:00","end":"17:00"}}}"#),
        "rules[0].conditions.time.hours: unknown field `begin`"
    );
    assert_eq!(
        refused(r#"{"version":"1","rule":[]}"#),
        "the policy p.json is not valid: unknown field `rule`\n  did you mean `rules`?"
    );
}

#[test]
fn what_this_version_cannot_enforce_is_refused() {
    let hint = "  remove it if the rule is right without it: it is never ignored";
    for effect in ["require_approval", "require_server", "require_server_session"] {
        assert_eq!(
            rules_refused(&format!(r#"[{{"name":"r","effect":"{effect}"}}]"#)),
            format!("rules[0].effect: this version does not enforce `{effect}`\n{hint}")
        );
    }
    for field in ["role_arns", "session_policy", "max_server_duration", "session_table"] {
        assert_eq!(
            rules_refused(&format!(r#"[{{"name":"r","effect":"allow","{field}":null}}]"#)),
            format!("rules[0].{field}: this version does not enforce `{field}`\n{hint}")
        );
    }
    for field in ["peer", "device"] {
        assert_eq!(
            conditions_refused(&format!(r#"{{"{field}":{{}}}}"#)),
            format!("rules[0].conditions.{field}: this version does not enforce `{field}`\n{hint}")
        );
    }
    assert_eq!(
        refused(r#"{"version":"1","accounts":["123456789012"],"rules":[]}"#),
        format!("the policy p.json is not valid: accounts: this version does not enforce `accounts`\n{hint}")
    );
}

#[test]
fn a_wrong_type_names_its_path() {
    for (conditions, expected) in [
        (r#"{"profiles":"prod"}"#, "rules[0].conditions.profiles: expected a list, found a string"),
        (r#"{"profiles":["a",1]}"#, "rules[0].conditions.profiles[1]: expected a string, found a number"),
        (r#"{"users":null}"#, "rules[0].conditions.users: expected a list, found null"),
        (r#"{"mode":true}"#, "rules[0].conditions.mode: expected a list, found a boolean"),
        (r#"{"time":[]}"#, "rules[0].conditions.time: expected an object, found a list"),
        (
            r#"{"time":{"hours":{"start":9,"end":"17:00"}}}"#,
            "rules[0].conditions.time.hours.start: expected a string, found a number",
        ),
        (r#"{"time":{"hours":{},"timezone":"UTC"}}"#, "rules[0].conditions.time.hours: the field `start` is missing"),
    ] {
        assert_eq!(conditions_refused(conditions), expected);
    }
    assert_eq!(refused("[]"), "the policy p.json is not valid: expected an object, found a list");
    assert_eq!(rules_refused("{}"), "rules: expected a list, found an object");
    assert_eq!(rules_refused("[1]"), "rules[0]: expected an object, found a number");
}

#[test]
fn an_empty_list_is_refused() {
    let hint = "  leave the field out to match everything, or name what should match";
    for (conditions, path) in [
        (r#"{"profiles":[]}"#, "profiles"),
        (r#"{"users":[]}"#, "users"),
        (r#"{"mode":[]}"#, "mode"),
        (r#"{"time":{"days":[]}}"#, "time.days"),
    ] {
        assert_eq!(conditions_refused(conditions), format!("rules[0].conditions.{path}: an empty list\n{hint}"));
    }
    assert_eq!(
        rules_refused("[]"),
        "rules: an empty list\n  a policy without rules denies everything: say so with a rule"
    );
}

#[test]
fn unknown_names_are_refused() {
    for (conditions, expected) in [
        (r#"{"mode":["servr"]}"#, "rules[0].conditions.mode[0]: unknown mode `servr`\n  did you mean `server`?"),
        (
            r#"{"mode":["x"]}"#,
            "rules[0].conditions.mode[0]: unknown mode `x`\n  one of server, cli, credential_process",
        ),
        (
            r#"{"time":{"days":["Monday"]}}"#,
            "rules[0].conditions.time.days[0]: unknown day `Monday`\n  did you mean `monday` or `sunday`?",
        ),
        (
            r#"{"time":{"days":["monday"],"timezone":"Europe/Berlim"}}"#,
            "rules[0].conditions.time.timezone: unknown time zone `Europe/Berlim`\n  did you mean `Europe/Berlin`, `Europe/Dublin` or `Europe/Jersey`?",
        ),
        (
            r#"{"time":{"days":["monday"],"timezone":"+02:00"}}"#,
            "rules[0].conditions.time.timezone: unknown time zone `+02:00`\n  zones are named as Europe/Berlin is",
        ),
    ] {
        assert_eq!(conditions_refused(conditions), expected);
    }
    assert_eq!(
        rules_refused(r#"[{"name":"r","effect":"permit"}]"#),
        "rules[0].effect: unknown effect `permit`\n  one of allow, deny"
    );
    assert_eq!(
        refused(r#"{"version":"2","rules":[]}"#),
        "the policy p.json is not valid: version: unknown version `2`\n  write \"version\": \"1\""
    );
}

#[test]
fn hours_that_mean_nothing_are_refused() {
    assert_eq!(
        conditions_refused(r#"{"time":{"hours":{"start":"09:00","end":"09:00"}}}"#),
        "rules[0].conditions.time.hours: `start` and `end` are the same\n  leave `hours` out for the whole day"
    );
    assert_eq!(
        conditions_refused(r#"{"time":{"hours":{"start":"09:00","end":"24:00"}}}"#),
        "rules[0].conditions.time.hours.end: `24:00` is not a time of day as HH:MM\n  \
         write two digits each, 00:00 to 23:59"
    );
    for time in ["{}", r#"{"timezone":"UTC"}"#] {
        assert_eq!(
            conditions_refused(&format!(r#"{{"time":{time}}}"#)),
            "rules[0].conditions.time: neither `days` nor `hours` is given, so it restricts nothing"
        );
    }
}

#[test]
fn names_are_there_and_unique() {
    assert_eq!(rules_refused(r#"[{"effect":"allow"}]"#), "rules[0]: the field `name` is missing");
    assert_eq!(rules_refused(r#"[{"name":"r"}]"#), "rules[0]: the field `effect` is missing");
    assert_eq!(rules_refused(r#"[{"name":"","effect":"allow"}]"#), "rules[0].name: an empty string");
    assert_eq!(
        rules_refused(r#"[{"name":"r","effect":"allow"},{"name":"r","effect":"deny"}]"#),
        "rules[1].name: an earlier rule is named `r` too"
    );
    assert_eq!(refused("{}"), "the policy p.json is not valid: the field `version` is missing");
}

#[test]
fn a_field_that_occurs_twice_is_refused() {
    assert_eq!(
        refused("{\"version\":\"1\",\n\"rules\":[{\"effect\":\"deny\",\"effect\":\"allow\"}]}"),
        "the policy p.json is not valid: the field `effect` occurs twice at line 2 column 34"
    );
}

#[test]
fn there_are_at_most_ten_thousand_rules() {
    let rules = |count: usize| {
        let rules: Vec<String> = (0..count).map(|index| format!(r#"{{"name":"{index}","effect":"deny"}}"#)).collect();
        format!("[{}]", rules.join(","))
    };
    assert!(Policy::parse(&format!(r#"{{"version":"1","rules":{}}}"#, rules(10_000))).is_ok());
    assert_eq!(rules_refused(&rules(10_001)), "rules: 10001 rules, and at most 10000 are allowed");
}

#[test]
fn long_strings_are_refused() {
    let rule = |bytes: usize| format!(r#"[{{"name":"{}","effect":"allow"}}]"#, "x".repeat(bytes));
    assert!(Policy::parse(&format!(r#"{{"version":"1","rules":{}}}"#, rule(1024))).is_ok());
    assert_eq!(rules_refused(&rule(1025)), "rules[0].name: 1025 bytes, and at most 1024 are allowed");
}

#[test]
fn cut_documents_are_refused_without_panic() {
    let whole = r#"{"version":"1","rules":[{"name":"ä","effect":"allow","conditions":{"time":{"days":["monday"]}}}]}"#;
    assert!(Policy::parse(whole).is_ok());
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        assert!(Policy::parse(&whole[..end]).is_err(), "{end}");
    }
}
