//! Policies and questions against an oracle that shares no code with the evaluation and takes the slow, plain way.

use std::fmt::Write;

use jiff::Timestamp;
use sentinel::policy::{Effect, Ground, Mode, Outcome, PeerFacts, Policy, Program, Question};

use super::choices::Choices;

#[derive(Debug)]
struct OracleRule {
    effect: &'static str,
    profiles: Option<Vec<String>>,
    users: Option<Vec<String>>,
    modes: Option<Vec<&'static str>>,
    days: Option<Vec<&'static str>>,
    hours: Option<(i64, i64)>,
    /// A zone without summer time, and its offset in minutes.
    zone: Option<(&'static str, i64)>,
    systems: Option<Vec<&'static str>>,
    uids: Option<Vec<u32>>,
    executables: Option<Vec<&'static str>>,
    digests: Option<Vec<String>>,
    roles: Option<Vec<&'static str>>,
    cap_minutes: Option<u64>,
    table: Option<&'static str>,
    narrowed: bool,
}

/// Who asks, from where.
#[derive(Debug)]
struct Asked {
    profile: String,
    user: Option<String>,
    account: Option<&'static str>,
    role: Option<&'static str>,
    /// The role is not the profile's own.
    by_arn: bool,
    mode: &'static str,
    system: &'static str,
    uid: u32,
    /// Path and digest.
    program: Option<(&'static str, String)>,
    week_minute: i64,
}

/// Allowing is half of them.
const EFFECTS: [&str; 8] =
    ["allow", "allow", "allow", "allow", "deny", "require_approval", "require_server", "require_server_session"];
const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];
const ROLES: [&str; 3] =
    ["arn:aws:iam::111111111111:role/a", "arn:aws:iam::111111111111:role/b", "arn:aws:iam::111111111111:role/a/b"];
const SYSTEMS: [&str; 2] = ["linux", "macos"];
const EXECUTABLES: [&str; 3] = ["/a", "/a/b", "/b"];
const UIDS: [u32; 3] = [0, 1, 1000];
const SESSION_POLICY: &str = r#"{"Statement":[{"Effect":"Deny","Limit":1.5}]}"#;
const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MODES: [&str; 3] = ["server", "cli", "credential_process"];
const ZONES: [(&str, i64); 4] =
    [("UTC", 0), ("Asia/Kolkata", 330), ("Pacific/Honolulu", -600), ("Pacific/Kiritimati", 840)];
/// 1970-01-05T00:00:00Z, a Monday, some weeks on: 2026-01-05.
const A_MONDAY_S: i64 = 4 * 86_400 + 2922 * 7 * 86_400;

/// Compares the two, and returns their answer: whether it is allowed, and the index of the rule that decided.
pub fn check(bytes: &[u8]) -> (bool, Option<usize>) {
    let mut choices = Choices(bytes);
    let second = i64::try_from(choices.below(60)).expect("small");
    let mode = choices.pick(&Mode::ALL);
    let mut asked = asked(&mut choices, mode);
    asked.by_arn = asked.role.is_some() && second % 4 == 1;
    let now = Timestamp::from_second(A_MONDAY_S + asked.week_minute * 60 + second).expect("a time");
    let accounts = (choices.below(8) == 1).then(|| vec![choices.pick(&ACCOUNTS)]);
    let count = 1 + choices.below(5);
    let rules: Vec<OracleRule> = (0..count).map(|_| rule(&mut choices)).collect();

    let text: Vec<String> = rules.iter().enumerate().map(|(index, rule)| rule_json(index, rule)).collect();
    let sections = json_list("accounts", accounts.as_ref()).map_or(String::new(), |list| list + ",");
    let text = format!(r#"{{"version":"1","approvals":"store",{sections}"rules":[{}]}}"#, text.join(","));
    let policy = Policy::parse(&text).unwrap_or_else(|flaw| panic!("{flaw}: {text}"));
    let program = asked.program.as_ref().map(|(path, sha256)| Program { path, sha256 });
    let question = Question {
        profile: &asked.profile,
        user: asked.user.as_deref(),
        account: asked.account,
        role_arn: asked.role,
        by_arn: asked.by_arn,
        mode,
        peer: PeerFacts { uid: asked.uid, program: program.ok_or("hidden") },
        os: asked.system,
        now,
    };
    let verdict = policy.evaluate(&question);
    let rule = verdict.rule.as_ref().map(|(index, _)| *index);
    let (effect, ground) = (verdict.effect.as_str(), verdict.ground);
    let expected = match foreign(accounts.as_deref(), &asked) {
        Some(ground) => ("deny", None, ground),
        None => oracle(&rules, &asked),
    };
    assert_eq!((effect, rule, ground), expected, "{asked:#?} {now} {rules:#?}");
    let asks = verdict.constraints.as_deref().map_or((None, None, false), |constraints| {
        let cap = constraints.max_server_duration.map(|cap| cap.as_secs() / 60);
        (cap, constraints.session_table.as_deref(), constraints.session_policy.as_deref() == Some(SESSION_POLICY))
    });
    let decisive = rule.filter(|_| ground == Ground::Rule).map(|index| &rules[index]);
    assert_eq!(asks, decisive.map_or((None, None, false), |rule| (rule.cap_minutes, rule.table, rule.narrowed)));

    let explanation = policy.explain(&question);
    assert_eq!(explanation.verdict, verdict);
    for explained in &explanation.rules {
        let differs = matches!(&explained.outcome, Outcome::Differs(differences) if !differences.is_empty());
        let expected = match (rule, ground) {
            (None, Ground::NoRule | Ground::Role) => differs,
            (None, _) => explained.outcome == Outcome::NotReached,
            (Some(rule), _) if explained.index < rule => differs,
            (Some(rule), _) if explained.index > rule => explained.outcome == Outcome::NotReached,
            (_, Ground::Unknown) => explained.outcome == Outcome::Unknown(verdict.reason.to_string()),
            _ => explained.outcome == Outcome::Matches,
        };
        assert!(expected, "{explained:#?} {verdict:#?}");
    }
    (verdict.effect == Effect::Allow, rule)
}

fn asked(choices: &mut Choices<'_>, mode: Mode) -> Asked {
    Asked {
        profile: name(choices),
        user: (choices.below(8) > 0).then(|| name(choices)).filter(|name| !name.is_empty()),
        account: (choices.below(4) != 1).then(|| choices.pick(&ACCOUNTS)),
        role: (choices.below(3) > 0).then(|| choices.pick(&ROLES)),
        by_arn: false,
        mode: mode.as_str(),
        system: choices.pick(&SYSTEMS),
        uid: choices.pick(&UIDS),
        program: (choices.below(4) != 1).then(|| (choices.pick(&EXECUTABLES), digest(choices))),
        week_minute: i64::try_from(choices.below(7 * 1440)).expect("small"),
    }
}

fn digest(choices: &mut Choices<'_>) -> String {
    choices.pick(&["0a", "f1"]).repeat(32)
}

/// Now and then one or two of these.
fn seldom<T>(choices: &mut Choices<'_>, one: impl Fn(&mut Choices<'_>) -> T) -> Option<Vec<T>> {
    (choices.below(6) == 1).then(|| (0..1 + choices.below(2)).map(|_| one(choices)).collect())
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
        effect: choices.pick(&EFFECTS),
        profiles: some(choices, pattern),
        users: some(choices, pattern),
        modes: some(choices, |choices| choices.pick(&MODES)),
        days: some(choices, |choices| choices.pick(&WEEK)),
        hours: (choices.below(2) == 0).then(|| (minute(choices), minute(choices))).filter(|(from, to)| from != to),
        zone: (choices.below(2) == 0).then(|| choices.pick(&ZONES)),
        systems: seldom(choices, |choices| choices.pick(&SYSTEMS)),
        uids: seldom(choices, |choices| choices.pick(&UIDS)),
        executables: seldom(choices, |choices| choices.pick(&EXECUTABLES)),
        digests: seldom(choices, digest),
        roles: seldom(choices, |choices| choices.pick(&ROLES)),
        cap_minutes: (choices.below(4) == 1).then(|| choices.pick(&[15, 60, 720])),
        table: (choices.below(4) == 1).then(|| choices.pick(&["abc", "live.sessions"])),
        narrowed: choices.below(4) == 1,
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
    let uids = rule.uids.as_ref().map(|uids| {
        let uids: Vec<String> = uids.iter().map(u32::to_string).collect();
        format!(r#""uids":[{}]"#, uids.join(","))
    });
    // In upper case, because that is the same digest.
    let digests: Option<Vec<String>> =
        rule.digests.as_ref().map(|digests| digests.iter().map(|digest| digest.to_uppercase()).collect());
    let peer = [uids, json_list("executables", rule.executables.as_ref()), json_list("sha256", digests.as_ref())];
    let peer: Vec<String> = peer.into_iter().flatten().collect();
    if !peer.is_empty() {
        conditions.push(format!(r#""peer":{{{}}}"#, peer.join(",")));
    }
    if let Some(systems) = json_list("allowed_os_types", rule.systems.as_ref()) {
        conditions.push(format!(r#""device":{{{systems}}}"#));
    }
    let mut text = format!(r#"{{"name":"r{index}","effect":"{}""#, rule.effect);
    if !conditions.is_empty() {
        write!(text, r#","conditions":{{{}}}"#, conditions.join(",")).expect("memory");
    }
    let fields = [
        json_list("role_arns", rule.roles.as_ref()),
        rule.cap_minutes.map(|minutes| format!(r#""max_server_duration":"{minutes}m""#)),
        rule.table.map(|table| format!(r#""session_table":"{table}""#)),
        rule.narrowed.then(|| format!(r#""session_policy": {SESSION_POLICY} "#)),
    ];
    fields.into_iter().flatten().for_each(|field| write!(text, ",{field}").expect("memory"));
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

fn one_of<T: PartialEq>(some: Option<&Vec<T>>, one: &T) -> bool {
    some.is_none_or(|some| some.contains(one))
}

fn foreign(accounts: Option<&[&str]>, asked: &Asked) -> Option<Ground> {
    match (accounts, asked.account) {
        (Some(_), None) => Some(Ground::Unknown),
        (Some(accounts), Some(account)) if !accounts.contains(&account) => Some(Ground::Account),
        _ => None,
    }
}

fn oracle(rules: &[OracleRule], asked: &Asked) -> (&'static str, Option<usize>, Ground) {
    for (index, rule) in rules.iter().enumerate() {
        let others = globs(rule.profiles.as_ref(), &asked.profile)
            && one_of(rule.modes.as_ref(), &asked.mode)
            && one_of(rule.systems.as_ref(), &asked.system)
            && one_of(rule.uids.as_ref(), &asked.uid)
            && in_window(rule, asked.week_minute);
        let by_user = asked.user.as_ref().map(|user| globs(rule.users.as_ref(), user));
        let by_program = asked
            .program
            .as_ref()
            .map(|(path, digest)| one_of(rule.executables.as_ref(), path) && one_of(rule.digests.as_ref(), digest));
        let by_user = if rule.users.is_none() { Some(true) } else { by_user };
        let asks_program = rule.executables.is_some() || rule.digests.is_some();
        let by_program = if asks_program { by_program } else { Some(true) };
        if !others || by_user == Some(false) || by_program == Some(false) {
            continue;
        }
        if by_user.is_none() || by_program.is_none() {
            return ("deny", Some(index), Ground::Unknown);
        }
        let given = match &rule.roles {
            None => !asked.by_arn,
            Some(roles) => asked.role.is_some_and(|role| roles.contains(&role)),
        };
        return if given { (rule.effect, Some(index), Ground::Rule) } else { ("deny", Some(index), Ground::Role) };
    }
    ("deny", None, if asked.by_arn { Ground::Role } else { Ground::NoRule })
}
