//! A policy document: what is taken holds known fields alone (T14), a field more anywhere is refused, and the same question
//! gets the same answer. What is refused is refused in short words without control characters.

use sentinel::policy::{Effect, Mode, Policy, Question};
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
    let rules = only(&document, &["version", "rules"])["rules"].as_array().expect("a list");
    rules.iter().for_each(rule);
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
    let fields = only(rule, &["name", "effect", "conditions", "reason"]);
    assert!(fields["effect"] == "allow" || fields["effect"] == "deny");
    assert!(fields["name"].is_string());
    let Some(conditions) = fields.get("conditions") else { return };
    let conditions = only(conditions, &["profiles", "users", "time", "mode"]);
    for name in ["profiles", "users", "mode"] {
        if let Some(list) = conditions.get(name) {
            let list = list.as_array().expect("a list");
            assert!(!list.is_empty() && list.iter().all(|item| item.as_str().is_some_and(|text| !text.is_empty())));
        }
    }
    if let Some(time) = conditions.get("time") {
        let hours = only(time, &["days", "hours", "timezone"]).get("hours");
        hours.into_iter().for_each(|hours| assert_eq!(only(hours, &["start", "end"]).len(), 2));
    }
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
            let question = Question { profile, user, mode, now };
            let verdict = policy.evaluate(&question);
            assert_eq!(verdict, again.evaluate(&question));
            match &verdict.rule {
                None => assert_eq!(verdict.effect, Effect::Deny),
                Some((index, name)) => {
                    assert_eq!(rules[*index]["name"], **name);
                    assert!(verdict.effect == Effect::Deny || rules[*index]["effect"] == "allow");
                }
            }
        }
    }
}

/// Adds a field to the object that has `before` objects in front of it; `false` when there are not that many.
fn add_a_field(value: &mut Value, before: &mut usize) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().any(|item| add_a_field(item, before)),
        Value::Object(fields) if *before == 0 => fields.insert("peers".to_owned(), "x".into()).is_none(),
        Value::Object(fields) => {
            *before -= 1;
            fields.iter_mut().any(|(_, field)| add_a_field(field, before))
        }
        _ => false,
    }
}
