//! A policy document: what is taken holds known fields alone (T14), a field more anywhere is refused, and the same question
//! gets the same answer. What is refused is refused in short words without control characters.

use sentinel::policy::{Effect, Mode, PeerFacts, Policy, Program, Question};
use serde_json::{Map, Value};

/// See the module.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(flaw) => {
            let said = flaw.in_document("p").to_string();
            assert!(said.len() < 1024 && !said.replacen('\n', "", 1).chars().any(char::is_control), "{said:?}");
            return;
        }
    };
    let document: Value = serde_json::from_str(text).expect("JSON");
    let sections = ["version", "accounts", "approvals", "approvers", "breakglass", "limits", "rules"];
    let sections = only(&document, &sections);
    let rules = sections["rules"].as_array().expect("a list");
    rules.iter().for_each(rule);
    let asks = rules.iter().any(|rule| rule["effect"] == "require_approval");
    assert_eq!(policy.needs_approvals(), asks);
    assert!(!asks || sections.contains_key("approvers") != (sections.get("approvals") == Some(&"store".into())));
    for name in ["accounts", "approvers"] {
        sections.get(name).into_iter().for_each(filled);
    }
    answers(&policy, &Policy::parse(text).expect("the same text"), rules);
    for place in 0.. {
        let mut more = document.clone();
        let mut before = place;
        if !add_a_field(&mut more, &mut before) {
            break;
        }
        assert!(Policy::parse(&more.to_string()).is_err(), "{more}");
    }
}

fn rule(rule: &Value) {
    let known = [
        "name",
        "effect",
        "conditions",
        "reason",
        "max_server_duration",
        "role_arns",
        "session_policy",
        "session_table",
    ];
    let fields = only(rule, &known);
    let effects = Effect::ALL.map(Effect::as_str);
    assert!(fields["effect"].as_str().is_some_and(|effect| effects.contains(&effect)));
    assert!(fields["name"].is_string());
    fields.get("role_arns").into_iter().for_each(filled);
    let Some(conditions) = fields.get("conditions") else { return };
    let conditions = only(conditions, &["profiles", "users", "time", "mode", "peer", "device"]);
    for name in ["profiles", "users", "mode"] {
        conditions.get(name).into_iter().for_each(filled);
    }
    if let Some(time) = conditions.get("time") {
        let hours = only(time, &["days", "hours", "timezone"]).get("hours");
        hours.into_iter().for_each(|hours| assert_eq!(only(hours, &["start", "end"]).len(), 2));
    }
    if let Some(peer) = conditions.get("peer") {
        only(peer, &["uids", "executables", "sha256"]).values().for_each(filled);
    }
    if let Some(device) = conditions.get("device") {
        filled(&only(device, &["allowed_os_types"])["allowed_os_types"]);
    }
}

/// A list with something in it, of which nothing is an empty text.
fn filled(list: &Value) {
    let list = list.as_array().expect("a list");
    assert!(!list.is_empty() && list.iter().all(|item| item.as_str().is_none_or(|text| !text.is_empty())));
}

fn only<'a>(value: &'a Value, known: &[&str]) -> &'a Map<String, Value> {
    let fields = value.as_object().expect("an object");
    assert!(fields.keys().all(|name| known.contains(&name.as_str())), "{value}");
    fields
}

fn answers(policy: &Policy, again: &Policy, rules: &[Value]) {
    for (second, user) in [(0, None), (1_700_000_000, Some("ann")), (-1, Some("")), (1_760_000_000, Some("role:x"))] {
        let now = jiff::Timestamp::from_second(second).expect("a time");
        for (profile, mode) in ["dev", "", "prod-eu"].into_iter().zip(Mode::ALL) {
            let program = if second < 0 { Err("hidden") } else { Ok(Program { path: "/usr/bin/aws", sha256: "00" }) };
            let peer = PeerFacts { uid: 0, program };
            let (account, role_arn) = (Some("123456789012"), Some("arn:aws:iam::123456789012:role/a"));
            let by_arn = second == 0;
            let question = Question { profile, user, account, role_arn, by_arn, mode, peer, os: "linux", now };
            let verdict = policy.evaluate(&question);
            assert_eq!(verdict, again.evaluate(&question));
            assert_eq!(verdict, policy.explain(&question).verdict);
            match &verdict.rule {
                None => assert_eq!(verdict.effect, Effect::Deny),
                Some((index, name)) => {
                    assert_eq!(rules[*index]["name"], **name);
                    let effect = verdict.effect.as_str();
                    assert!(verdict.effect == Effect::Deny || rules[*index]["effect"] == effect);
                }
            }
        }
    }
}

/// Adds a field to the object that has `before` objects in front of it; `false` when there are not that many. What AWS is
/// given as it is may have any field.
fn add_a_field(value: &mut Value, before: &mut usize) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().any(|item| add_a_field(item, before)),
        Value::Object(fields) if *before == 0 => fields.insert("peers".to_owned(), "x".into()).is_none(),
        Value::Object(fields) => {
            *before -= 1;
            fields.iter_mut().any(|(name, field)| name != "session_policy" && add_a_field(field, before))
        }
        _ => false,
    }
}
