use std::time::Duration;

use super::*;
use crate::policy::document::ReasonCode;
use crate::policy::evaluate::Mode;

mod sections;

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
                             "timezone": "Europe/Berlin" },
                   "peer": { "uids": [0, 1001], "executables": ["/usr/bin/terraform"],
                             "sha256": ["BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"] },
                   "device": { "allowed_os_types": ["linux"] } },
                 "max_server_duration": "15m", "role_arns": ["arn:aws:iam::123456789012:role/ops/deploy"],
                 "session_policy": { "Version": "2012-10-17", "Statement": [ { "Effect": "Allow" } ] },
                 "session_table": "sessions", "reason": "CI deploys at night" },
               { "name": "rest", "effect": "deny" } ] }"#,
    )
    .expect("a policy");
    let [first, second] = &policy.rules[..] else { panic!("two rules") };
    assert_eq!((&*first.name, first.effect), ("deploy-from-ci", Effect::Allow));
    assert_eq!(&*first.reason, "CI deploys at night");
    let conditions = &first.conditions;
    assert_eq!(conditions.modes, Some(vec![Mode::Server, Mode::CredentialProcess]));
    assert_eq!(conditions.profiles.as_ref().map(Vec::len), Some(1));
    assert!(conditions.users.is_some() && conditions.time.is_some());
    assert_eq!(conditions.uids, Some(vec![0, 1001]));
    assert_eq!(conditions.executables, Some(vec!["/usr/bin/terraform".to_owned()]));
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(conditions.sha256, Some(vec![digest.to_owned()]));
    assert_eq!(conditions.systems, Some(vec!["linux"]));
    assert_eq!(first.role_arns, Some(vec!["arn:aws:iam::123456789012:role/ops/deploy".to_owned()]));
    let constraints = Constraints {
        max_server_duration: Some(Duration::from_secs(900)),
        session_policy: Some(r#"{"Statement":[{"Effect":"Allow"}],"Version":"2012-10-17"}"#.into()),
        session_table: Some("sessions".into()),
    };
    assert_eq!(first.constraints.as_deref(), Some(&constraints));
    assert_eq!((&*second.name, second.effect), ("rest", Effect::Deny));
    assert_eq!(second.conditions, Conditions::default());
    assert_eq!((&second.role_arns, &second.constraints), (&None, &None));
}

/// The README shows one policy with every field.
#[test]
fn the_readmes_policy_is_one_and_has_every_field() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let (_, section) = page.split_once("\n## Policies\n").expect("a section");
    let (_, text) = section.split_once("```json\n").expect("an example");
    let (text, _) = text.split_once("```").expect("its end");
    let policy = Policy::parse(text).unwrap_or_else(|flaw| panic!("{flaw}"));
    assert_eq!(policy.warnings(), [""; 0]);
    let fields = [&DOCUMENT[..], &rule::RULE, &rule::CONDITIONS, &rule::PEER, &rule::TIME];
    let sections = [&super::sections::BREAK_GLASS[..], &super::sections::LIMITS];
    for field in fields.into_iter().chain(sections).flatten() {
        assert!(text.contains(&format!("\"{field}\":")), "{field}");
        let is_explained = section.contains(&format!("`{field}`")) || section.contains(&format!(".{field}`"));
        assert!(is_explained || !DOCUMENT.contains(field), "{field}");
    }
}

#[test]
fn every_effect_is_read() {
    let approvers = r#""approvals":"store","#;
    for effect in Effect::ALL {
        let text = format!(r#"{{"version":"1",{approvers}"rules":[{{"name":"r","effect":"{}"}}]}}"#, effect.as_str());
        assert_eq!(Policy::parse(&text).expect("a policy").rules[0].effect, effect);
    }
}

#[test]
fn the_digest_is_that_of_the_document_as_it_was_read() {
    let text = r#"{"version":"1","rules":[{"name":"r","effect":"deny"}]}"#;
    let policy = Policy::parse(text).expect("a policy");
    assert_eq!(policy.digest(), hex(&sha256(text.as_bytes())));
    let spaced = Policy::parse(&format!("{text}\n")).expect("a policy");
    assert_ne!(spaced.digest(), policy.digest());
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
fn an_effect_or_a_field_that_nearly_has_its_name_is_refused() {
    assert_eq!(
        rules_refused(r#"[{"name":"r","effect":"require-approval"}]"#),
        "rules[0].effect: unknown effect `require-approval`\n  did you mean `require_approval`?"
    );
    assert_eq!(
        rules_refused(r#"[{"name":"r","effect":"allow","max_duration":"15m"}]"#),
        "rules[0]: unknown field `max_duration`"
    );
    assert_eq!(
        rules_refused(r#"[{"name":"r","effect":"allow","role_arn":[]}]"#),
        "rules[0]: unknown field `role_arn`\n  did you mean `role_arns`?"
    );
    assert_eq!(
        conditions_refused(r#"{"peer":{"uid":[1]}}"#),
        "rules[0].conditions.peer: unknown field `uid`\n  did you mean `uids`?"
    );
    assert_eq!(conditions_refused(r#"{"device":{"os":["linux"]}}"#), "rules[0].conditions.device: unknown field `os`");
}

#[test]
fn a_condition_that_asks_for_nothing_is_refused() {
    assert_eq!(
        conditions_refused(r#"{"peer":{}}"#),
        "rules[0].conditions.peer: neither `uids` nor `executables` nor `sha256` is given, so it restricts nothing"
    );
    assert_eq!(
        conditions_refused(r#"{"device":{}}"#),
        "rules[0].conditions.device: the field `allowed_os_types` is missing"
    );
}

#[test]
fn an_executable_is_the_real_path_of_a_program_of_its_own() {
    let refused = |path: &str| {
        let text = conditions_refused(&format!(r#"{{"peer":{{"executables":["{path}"]}}}}"#));
        text.strip_prefix("rules[0].conditions.peer.executables[0]: ").expect("the place").to_owned()
    };
    for path in ["terraform", "bin/terraform", "~/terraform", "./terraform"] {
        let hint = "name the file from the root: /usr/bin/terraform";
        assert_eq!(refused(path), format!("`{path}` is not an absolute path\n  {hint}"));
    }
    for path in ["/", "/usr//bin/x", "/usr/./x", "/usr/../x", "/usr/bin/", "/usr/bin/*"] {
        let hint = "write it as `readlink -f` prints it; `*` has no meaning here";
        assert_eq!(refused(path), format!("`{path}` is not the path of one file\n  {hint}"));
    }
    for path in ["/bin/sh", "/usr/bin/python3.12", "/usr/bin/env", "/bin/busybox", "/lib64/ld-linux-x86-64.so.2"] {
        assert_eq!(
            refused(path),
            format!("`{path}` runs what it is given, so it attests nothing\n  name a program of its own")
        );
    }
}

#[test]
fn a_digest_is_64_hex_digits() {
    for digest in ["abc".to_owned(), "g".repeat(64), "a".repeat(63), "a".repeat(66)] {
        let text = conditions_refused(&format!(r#"{{"peer":{{"sha256":["{digest}"]}}}}"#));
        let start = "rules[0].conditions.peer.sha256[0]: `";
        let end = "` is not a SHA-256 digest\n  it is 64 hex digits, as `sha256sum` prints them";
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    }
}

#[test]
fn uids_are_whole_numbers_and_systems_have_their_names() {
    for (conditions, expected) in [
        (r#"{"peer":{"uids":["1"]}}"#, "peer.uids[0]: expected a number, found a string"),
        (r#"{"peer":{"uids":[-1]}}"#, "peer.uids[0]: `-1` is not a whole number from 0 to 4294967294"),
        (r#"{"peer":{"uids":[1.0]}}"#, "peer.uids[0]: `1.0` is not a whole number from 0 to 4294967294"),
        (r#"{"peer":{"uids":[4294967295]}}"#, "peer.uids[0]: `4294967295` is not a whole number from 0 to 4294967294"),
        (
            r#"{"device":{"allowed_os_types":["darwin"]}}"#,
            "device.allowed_os_types[0]: unknown operating system `darwin`\n  one of linux, macos",
        ),
        (
            r#"{"device":{"allowed_os_types":["mac"]}}"#,
            "device.allowed_os_types[0]: unknown operating system `mac`\n  did you mean `macos`?",
        ),
    ] {
        assert_eq!(conditions_refused(conditions), format!("rules[0].conditions.{expected}"));
    }
}

/// The error that a field of a rule leads to, without its beginning.
#[track_caller]
fn field_refused(field: &str) -> String {
    let text = rules_refused(&format!(r#"[{{"name":"r","effect":"allow",{field}}}]"#));
    text.strip_prefix("rules[0].").expect("the rule").to_owned()
}

#[test]
fn a_cap_is_a_duration_that_sts_can_give() {
    let cap = |text: &str| field_refused(&format!(r#""max_server_duration":{text}"#));
    for text in ["14m", "899s", "13h", "12h1s", "0s"] {
        assert_eq!(cap(&format!("\"{text}\"")), format!("max_server_duration: `{text}` is not between 15m and 12h"));
    }
    for text in ["900", "15", "15M", "m", "1m1h", "15 m", "-15m"] {
        assert_eq!(
            cap(&format!("\"{text}\"")),
            format!(
                "max_server_duration: `{text}` is not a duration\n  write numbers with their units: 15m, 1h30m, 2d"
            )
        );
    }
    assert_eq!(cap("900"), "max_server_duration: expected a string, found a number");
    for text in ["15m", "900s", "12h", "1h30m"] {
        let document =
            format!(r#"{{"version":"1","rules":[{{"name":"r","effect":"allow","max_server_duration":"{text}"}}]}}"#);
        assert!(Policy::parse(&document).is_ok(), "{text}");
    }
}

#[test]
fn role_arns_are_arns_of_roles() {
    for arn in [
        "deploy",
        "arn:aws:iam::123456789012:user/deploy",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/*/x",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role",
        "arn:aws:iam::123456789012:roles/x",
        "arn:aws:iam::12345678901:role/x",
        "arn:aws:iam:us-east-1:123456789012:role/x",
        "arn:aws:sts::123456789012:assumed-role/x/y",
        "arn:gcp:iam::123456789012:role/x",
        "arn:aws:iam::123456789012:role/a b",
    ] {
        assert_eq!(
            field_refused(&format!(r#""role_arns":["{arn}"]"#)),
            format!(
                "role_arns[0]: `{arn}` is not the ARN of a role\n  \
                 it is written as arn:aws:iam::123456789012:role/deploy, and `*` has no meaning"
            )
        );
    }
    for arn in ["arn:aws-us-gov:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/service-role/x/y_+=,.@-1"] {
        let rule = format!(r#"{{"name":"r","effect":"allow","role_arns":["{arn}"]}}"#);
        assert!(Policy::parse(&format!(r#"{{"version":"1","rules":[{rule}]}}"#)).is_ok(), "{arn}");
    }
}

#[test]
fn a_session_policy_is_an_object_that_aws_would_take() {
    assert_eq!(field_refused(r#""session_policy":"{}""#), "session_policy: expected an object, found a string");
    assert_eq!(
        field_refused(r#""session_policy":{}"#),
        "session_policy: the field `Statement` is missing\n  write an IAM policy"
    );
}

#[test]
fn a_session_policy_has_at_most_2048_characters() {
    let policy = |chars: usize| format!(r#"{{ "Statement" : [] , "Id" : "{}" }}"#, "ä".repeat(chars));
    // {"Id":"","Statement":[]}
    let most = 2048 - 24;
    assert_eq!(
        field_refused(&format!(r#""session_policy":{}"#, policy(most + 1))),
        "session_policy: 2049 characters without spaces, and AWS takes 2048"
    );
    let rule = format!(r#"{{"name":"r","effect":"allow","session_policy":{}}}"#, policy(most));
    let policy = Policy::parse(&format!(r#"{{"version":"1","rules":[{rule}]}}"#)).expect("a policy");
    let constraints = policy.rules[0].constraints.as_ref().expect("constraints");
    let text = constraints.session_policy.as_ref().expect("a session policy");
    assert_eq!(text.chars().count(), 2048);
}

#[test]
fn a_table_has_the_name_of_a_table() {
    for name in ["ab", "a b", "t/x", "täble", &"x".repeat(256)] {
        let text = field_refused(&format!(r#""session_table":"{name}""#));
        let end = "is not the name of a DynamoDB table\n  it has 3 to 255 letters, digits, `_`, `.` and `-`";
        assert!(text.starts_with("session_table: `") && text.ends_with(end), "{text}");
    }
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
        (r#"{"peer":{"uids":[]}}"#, "peer.uids"),
        (r#"{"peer":{"executables":[]}}"#, "peer.executables"),
        (r#"{"peer":{"sha256":[]}}"#, "peer.sha256"),
        (r#"{"device":{"allowed_os_types":[]}}"#, "device.allowed_os_types"),
    ] {
        assert_eq!(conditions_refused(conditions), format!("rules[0].conditions.{path}: an empty list\n{hint}"));
    }
    assert_eq!(field_refused(r#""role_arns":[]"#), format!("role_arns: an empty list\n{hint}"));
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
        "rules[0].effect: unknown effect `permit`\n  one of allow, deny, require_approval, require_server, require_server_session"
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
