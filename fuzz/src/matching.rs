//! Policies and questions against an oracle that shares no code with the evaluation and takes the slow, plain way.

use std::fmt::Write;

use jiff::Timestamp;
use sentinel::policy::{Effect, Mode, Policy, Question};

use super::choices::Choices;

#[derive(Debug)]
struct OracleRule {
    allow: bool,
    profiles: Option<Vec<String>>,
    users: Option<Vec<String>>,
    modes: Option<Vec<&'static str>>,
    days: Option<Vec<&'static str>>,
    hours: Option<(i64, i64)>,
    /// A zone without summer time, and its offset in minutes.
    zone: Option<(&'static str, i64)>,
}

const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MODES: [&str; 3] = ["server", "cli", "credential_process"];
const ZONES: [(&str, i64); 4] =
    [("UTC", 0), ("Asia/Kolkata", 330), ("Pacific/Honolulu", -600), ("Pacific/Kiritimati", 840)];
/// 1970-01-05T00:00:00Z, a Monday, some weeks on: 2026-01-05.
const A_MONDAY_S: i64 = 4 * 86_400 + 2922 * 7 * 86_400;

/// Compares the two, and returns their answer: whether it is allowed, and the index of the rule that decided.
pub fn check(bytes: &[u8]) -> (bool, Option<usize>) {
    let mut choices = Choices(bytes);
    let profile = name(&mut choices);
    let user = (choices.below(8) > 0).then(|| name(&mut choices)).filter(|name| !name.is_empty());
    let mode = choices.pick(&Mode::ALL);
    let week_minute = i64::try_from(choices.below(7 * 1440)).expect("small");
    let second = i64::try_from(choices.below(60)).expect("small");
    let now = Timestamp::from_second(A_MONDAY_S + week_minute * 60 + second).expect("a time");
    let count = 1 + choices.below(5);
    let rules: Vec<OracleRule> = (0..count).map(|_| rule(&mut choices)).collect();

    let text: Vec<String> = rules.iter().enumerate().map(|(index, rule)| rule_json(index, rule)).collect();
    let text = format!(r#"{{"version":"1","rules":[{}]}}"#, text.join(","));
    let policy = Policy::parse(&text).unwrap_or_else(|flaw| panic!("{flaw}: {text}"));
    let verdict = policy.evaluate(&Question { profile: &profile, user: user.as_deref(), mode, now });
    let found = (verdict.effect == Effect::Allow, verdict.rule.map(|(index, _)| index));
    let expected = oracle(&rules, &profile, user.as_deref(), mode.as_str(), week_minute);
    assert_eq!(found, expected, "{profile} {user:?} {mode:?} {now} {rules:#?}");
    found
}

fn name(choices: &mut Choices<'_>) -> String {
    (0..choices.below(5)).map(|_| choices.pick(&['a', 'b', 'ä'])).collect()
}

fn pattern(choices: &mut Choices<'_>) -> String {
    (0..1 + choices.below(5)).map(|_| choices.pick(&['a', '*', 'b', '*', 'ä'])).collect()
}

/// Two thirds of the time one to three of these.
fn some<T>(choices: &mut Choices<'_>, one: impl Fn(&mut Choices<'_>) -> T) -> Option<Vec<T>> {
    (choices.below(3) > 0).then(|| (0..1 + choices.below(3)).map(|_| one(choices)).collect())
}

fn rule(choices: &mut Choices<'_>) -> OracleRule {
    let minute = |choices: &mut Choices<'_>| {
        i64::try_from(choices.below(24) * 60 + choices.pick(&[0, 1, 30, 59])).expect("small")
    };
    OracleRule {
        allow: choices.below(2) == 0,
        profiles: some(choices, pattern),
        users: some(choices, pattern),
        modes: some(choices, |choices| choices.pick(&MODES)),
        days: some(choices, |choices| choices.pick(&WEEK)),
        hours: (choices.below(2) == 0).then(|| (minute(choices), minute(choices))).filter(|(from, to)| from != to),
        zone: (choices.below(2) == 0).then(|| choices.pick(&ZONES)),
    }
}

fn json_list<T: AsRef<str>>(field: &str, items: Option<&Vec<T>>) -> Option<String> {
    let items: Vec<&str> = items?.iter().map(AsRef::as_ref).collect();
    Some(format!("\"{field}\":[\"{}\"]", items.join("\",\"")))
}

fn rule_json(index: usize, rule: &OracleRule) -> String {
    let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let lists = [
        json_list("profiles", rule.profiles.as_ref()),
        json_list("users", rule.users.as_ref()),
        json_list("mode", rule.modes.as_ref()),
    ];
    let mut conditions: Vec<String> = lists.into_iter().flatten().collect();
    if rule.days.is_some() || rule.hours.is_some() {
        let hours =
            rule.hours.map(|(from, to)| format!(r#""hours":{{"start":"{}","end":"{}"}}"#, clock(from), clock(to)));
        let zone = rule.zone.map(|(name, _)| format!(r#""timezone":"{name}""#));
        let parts: Vec<String> = [json_list("days", rule.days.as_ref()), hours, zone].into_iter().flatten().collect();
        conditions.push(format!(r#""time":{{{}}}"#, parts.join(",")));
    }
    let mut text = format!(r#"{{"name":"r{index}","effect":"{}""#, if rule.allow { "allow" } else { "deny" });
    if !conditions.is_empty() {
        write!(text, r#","conditions":{{{}}}"#, conditions.join(",")).expect("memory");
    }
    text + "}"
}

/// Matches by trying every length for every star.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => (0..=name.len()).any(|taken| glob(&pattern[1..], &name[taken..])),
        (Some(a), Some(b)) if a == b => glob(&pattern[1..], &name[1..]),
        _ => false,
    }
}

fn globs(patterns: Option<&Vec<String>>, name: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| glob(pattern.as_bytes(), name.as_bytes())))
}

/// Walks back minute by minute to where the window began, counting minutes since a Monday.
fn in_window(rule: &OracleRule, week_minute: i64) -> bool {
    if rule.days.is_none() && rule.hours.is_none() {
        return true;
    }
    let local = week_minute + rule.zone.map_or(0, |(_, offset)| offset);
    let day_of = |minute: i64| WEEK[usize::try_from(minute.div_euclid(1440).rem_euclid(7)).expect("a day")];
    let mut began = local;
    if let Some((from, to)) = rule.hours {
        while began.rem_euclid(1440) != from {
            if began.rem_euclid(1440) == to {
                return false;
            }
            began -= 1;
        }
    }
    rule.days.as_ref().is_none_or(|days| days.contains(&day_of(began)))
}

fn oracle(
    rules: &[OracleRule],
    profile: &str,
    user: Option<&str>,
    mode: &str,
    week_minute: i64,
) -> (bool, Option<usize>) {
    for (index, rule) in rules.iter().enumerate() {
        if !globs(rule.profiles.as_ref(), profile)
            || !rule.modes.as_ref().is_none_or(|modes| modes.contains(&mode))
            || !in_window(rule, week_minute)
        {
            continue;
        }
        match (&rule.users, user) {
            (Some(_), None) => return (false, Some(index)),
            (users, user) if globs(users.as_ref(), user.unwrap_or_default()) => return (rule.allow, Some(index)),
            _ => {}
        }
    }
    (false, None)
}
