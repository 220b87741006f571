use super::*;
use crate::ed25519::PrivateKey;

const RULES: &str = r#""rules":[{"name":"r","effect":"allow"}]"#;

fn policy(sections: &str) -> Policy {
    Policy::parse(&format!(r#"{{"version":"1",{sections},{RULES}}}"#)).expect("a policy")
}

/// The error that these sections lead to, without its beginning.
#[track_caller]
fn section_refused(sections: &str) -> String {
    let text = refused(&format!(r#"{{"version":"1",{sections},{RULES}}}"#));
    text.strip_prefix("the policy p.json is not valid: ").expect("the beginning").to_owned()
}

fn key() -> String {
    PrivateKey::random().expect("a key").public().to_string()
}

#[test]
fn what_a_policy_does_not_say_has_its_default() {
    let text = format!(r#"{{"version":"1",{RULES}}}"#);
    let policy = Policy::parse(&text).expect("a policy");
    assert_eq!(policy.accounts(), None);
    assert_eq!(policy.approvals(), Approvals::Signed);
    assert!(policy.approvers().is_empty() && policy.breakglass().is_none());
    assert_eq!(policy.limits(), Limits { exchanges_per_minute: 100, burst: 20, requests_per_second: 200 });
    assert!(!policy.needs_user() && !policy.needs_program() && !policy.needs_approvals());
}

#[test]
fn accounts_are_twelve_digits_in_quotes() {
    assert_eq!(policy(r#""accounts":["123456789012"]"#).accounts(), Some(&["123456789012".to_owned()][..]));
    let hint = "an account is 12 digits, in quotes";
    for account in ["12345678901", "1234567890123", "12345678901x", "arn:aws:iam::123456789012:root"] {
        assert_eq!(
            section_refused(&format!(r#""accounts":["{account}"]"#)),
            format!("accounts[0]: `{account}` is not an AWS account\n  {hint}")
        );
    }
    assert_eq!(section_refused(r#""accounts":[123456789012]"#), "accounts[0]: expected a string, found a number");
    assert!(section_refused(r#""accounts":[]"#).starts_with("accounts: an empty list\n"));
}

#[test]
fn approvers_have_a_name_and_a_key_of_their_own() {
    let (bob, eve) = (key(), key());
    let both =
        format!(r#""approvers":[{{"name":"bob","key":"{bob}","profiles":["prod-*"]}},{{"name":"eve","key":"{eve}"}}]"#);
    let policy = policy(&both);
    let [first, second] = policy.approvers() else { panic!("two approvers") };
    assert_eq!((first.name.as_str(), first.key.to_string()), ("bob", bob.clone()));
    assert!(first.approves("prod-eu") && !first.approves("dev") && second.approves("dev"));

    let approvers = |list: &str| section_refused(&format!(r#""approvers":[{list}]"#));
    assert_eq!(
        approvers(&format!(r#"{{"name":"bob","key":"{bob}"}},{{"name":"bob","key":"{eve}"}}"#)),
        "approvers[1].name: an earlier approver is named `bob` too"
    );
    assert_eq!(
        approvers(&format!(r#"{{"name":"bob","key":"{bob}"}},{{"name":"eve","key":"{bob}"}}"#)),
        "approvers[1].key: the key of `bob` too: a signature must name one person"
    );
    assert_eq!(
        approvers(r#"{"name":"bob","key":"AAAA"}"#),
        "approvers[0].key: not an Ed25519 public key\n  \
         it is 32 bytes in base64, or PEM as `openssl pkey -pubout` writes it"
    );
    assert_eq!(
        approvers(&format!(r#"{{"name":"b*","key":"{bob}"}}"#)),
        "approvers[0].name: `b*` is a pattern and not one user"
    );
    assert_eq!(approvers(&format!(r#"{{"key":"{bob}"}}"#)), "approvers[0]: the field `name` is missing");
    assert_eq!(
        approvers(&format!(r#"{{"name":"bob","key":"{bob}","profile":["p"]}}"#)),
        "approvers[0]: unknown field `profile`\n  did you mean `profiles`?"
    );
}

#[test]
fn what_nobody_could_approve_is_refused() {
    let rules = r#""rules":[{"name":"a","effect":"allow","conditions":{"profiles":["a"]}},
                            {"name":"b","effect":"require_approval"}]"#;
    assert_eq!(
        refused(&format!(r#"{{"version":"1",{rules}}}"#)),
        "the policy p.json is not valid: rules[1].effect: nobody could ever approve: there are no `approvers`\n  \
         name them with their keys, or say \"approvals\": \"store\""
    );
    let signed = format!(r#"{{"version":"1","approvers":[{{"name":"bob","key":"{}"}}],{rules}}}"#, key());
    assert!(Policy::parse(&signed).expect("a policy").needs_approvals());
    let store = Policy::parse(&format!(r#"{{"version":"1","approvals":"store",{rules}}}"#)).expect("a policy");
    assert_eq!(store.approvals(), Approvals::Store);
    assert!(store.needs_approvals() && store.needs_user());
}

#[test]
fn approvers_whom_nobody_asks_are_refused() {
    assert_eq!(
        section_refused(&format!(r#""approvals":"store","approvers":[{{"name":"bob","key":"{}"}}]"#, key())),
        "approvers: with \"approvals\": \"store\" nobody's signature is looked at\n  leave out one of the two"
    );
    assert_eq!(
        section_refused(r#""approvals":"sign""#),
        "approvals: unknown way to approve `sign`\n  did you mean `signed`?"
    );
}

#[test]
fn break_glass_has_its_bounds() {
    let policy = policy(
        r#""breakglass":{"users":["ann"],"profiles":["prod-*"],"reason_codes":["incident","recovery"],"max_duration":"1h",
           "cooldown":"0s","quota":{"events":5,"period":"7d"},"lifts":["require_approval"]}"#,
    );
    let found = policy.breakglass().expect("break-glass");
    assert!(found.allows("ann", "prod-eu") && !found.allows("ann", "dev") && !found.allows("bob", "prod-eu"));
    assert_eq!(found.reason_codes, [ReasonCode::Incident, ReasonCode::Recovery]);
    assert_eq!((found.max_duration, found.cooldown), (Duration::from_secs(3600), Duration::ZERO));
    assert_eq!((found.quota_events, found.quota_period), (5, Duration::from_secs(7 * 86_400)));
    assert!(found.lifts_approval && !found.lifts_deny);
    assert!(policy.needs_user());
}

#[test]
fn break_glass_that_says_nothing_has_its_defaults() {
    let policy = policy(r#""breakglass":{}"#);
    let found = policy.breakglass().expect("break-glass");
    assert!(found.allows("anybody", "anything"));
    assert_eq!(found.reason_codes, ReasonCode::ALL);
    assert_eq!((found.max_duration, found.cooldown), (Duration::from_secs(4 * 3600), Duration::from_secs(3600)));
    assert_eq!((found.quota_events, found.quota_period), (3, Duration::from_secs(86_400)));
    assert!(found.lifts_approval && found.lifts_deny);
}

#[test]
fn break_glass_beyond_its_bounds_is_refused() {
    for (field, expected) in [
        (r#""max_duration":"5h""#, "max_duration: `5h` is not between 15m and 4h"),
        (r#""max_duration":"14m""#, "max_duration: `14m` is not between 15m and 4h"),
        (r#""cooldown":"31d""#, "cooldown: `31d` is not between 0s and 30d"),
        (r#""quota":{"events":0,"period":"24h"}"#, "quota.events: `0` is not a whole number from 1 to 1000"),
        (r#""quota":{"events":1,"period":"59m"}"#, "quota.period: `59m` is not between 1h and 30d"),
        (r#""quota":{"events":1}"#, "quota: the field `period` is missing"),
        (
            r#""lifts":["require_server"]"#,
            "lifts[0]: unknown effect to lift `require_server`\n  one of require_approval, deny",
        ),
        (
            r#""reason_codes":["incidents"]"#,
            "reason_codes[0]: unknown reason code `incidents`\n  did you mean `incident`?",
        ),
    ] {
        assert_eq!(section_refused(&format!(r#""breakglass":{{{field}}}"#)), format!("breakglass.{expected}"));
    }
    assert!(section_refused(r#""breakglass":{"users":[]}"#).starts_with("breakglass.users: an empty list\n"));
    assert_eq!(section_refused(r#""breakglass":null"#), "breakglass: expected an object, found null");
}

#[test]
fn limits_are_numbers_above_nothing() {
    let policy = policy(r#""limits":{"burst":5}"#);
    assert_eq!(policy.limits(), Limits { exchanges_per_minute: 100, burst: 5, requests_per_second: 200 });
    for (field, expected) in [
        (r#""burst":0"#, "burst: `0` is not a whole number from 1 to 1000000"),
        (r#""burst":1.5"#, "burst: `1.5` is not a whole number from 1 to 1000000"),
        (r#""requests_per_second":"200""#, "requests_per_second: expected a number, found a string"),
        (
            r#""exchanges_per_minute":1000001"#,
            "exchanges_per_minute: `1000001` is not a whole number from 1 to 1000000",
        ),
    ] {
        assert_eq!(section_refused(&format!(r#""limits":{{{field}}}"#)), format!("limits.{expected}"));
    }
}
