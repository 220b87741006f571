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
    Verdict { effect, rule: rule.map(|(index, name)| (index, name.to_owned())), reason: reason.to_owned() }
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

/// Policies and questions at random, against an oracle that shares no code with the evaluation.
mod against_an_oracle {
    use std::fmt::Write;

    use super::*;

    /// xorshift64: the same numbers in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
        }

        fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
            from[self.below(from.len())]
        }

        /// Up to two thirds of the time, one to three of these.
        fn some<'a>(&mut self, from: &[&'a str]) -> Option<Vec<&'a str>> {
            if self.below(3) == 0 {
                return None;
            }
            let count = 1 + self.below(3);
            Some((0..count).map(|_| self.pick(from)).collect())
        }
    }

    #[derive(Debug)]
    struct OracleRule {
        allow: bool,
        profiles: Option<Vec<&'static str>>,
        users: Option<Vec<&'static str>>,
        modes: Option<Vec<&'static str>>,
        days: Option<Vec<&'static str>>,
        hours: Option<(i64, i64)>,
        /// A zone without summer time, and its offset in minutes.
        zone: Option<(&'static str, i64)>,
    }

    const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const PATTERNS: [&str; 10] = ["a", "b", "ab", "*", "a*", "*b", "a*b", "*a*", "b*a", "*a*b*"];
    const NAMES: [&str; 9] = ["a", "b", "ab", "ba", "aab", "abb", "bab", "aba", "c"];
    const ZONES: [(&str, i64); 4] =
        [("UTC", 0), ("Asia/Kolkata", 330), ("Pacific/Honolulu", -600), ("Pacific/Kiritimati", 840)];
    /// 1970-01-05T00:00:00Z, a Monday, some weeks on: 2026-01-05.
    const A_MONDAY_S: i64 = 4 * 86_400 + 2922 * 7 * 86_400;

    fn random_rule(random: &mut Random) -> OracleRule {
        let minute = |random: &mut Random| i64::try_from(random.below(24) * 60 + random.below(4) * 15).expect("small");
        OracleRule {
            allow: random.below(2) == 0,
            profiles: random.some(&PATTERNS),
            users: random.some(&PATTERNS),
            modes: random.some(&["server", "cli", "credential_process"]),
            days: random.some(&WEEK),
            hours: (random.below(2) == 0).then(|| (minute(random), minute(random))).filter(|(from, to)| from != to),
            zone: (random.below(2) == 0).then(|| ZONES[random.below(ZONES.len())]),
        }
    }

    fn json_list(field: &str, items: Option<&Vec<&str>>) -> Option<String> {
        items.map(|items| format!("\"{field}\":[\"{}\"]", items.join("\",\"")))
    }

    fn rule_json(index: usize, rule: &OracleRule) -> String {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let mut conditions: Vec<String> = [
            json_list("profiles", rule.profiles.as_ref()),
            json_list("users", rule.users.as_ref()),
            json_list("mode", rule.modes.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if rule.days.is_some() || rule.hours.is_some() {
            let hours =
                rule.hours.map(|(from, to)| format!(r#""hours":{{"start":"{}","end":"{}"}}"#, clock(from), clock(to)));
            let zone = rule.zone.map(|(name, _)| format!(r#""timezone":"{name}""#));
            let parts: Vec<String> =
                [json_list("days", rule.days.as_ref()), hours, zone].into_iter().flatten().collect();
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

    fn globs(patterns: Option<&Vec<&str>>, name: &str) -> bool {
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

    #[test]
    fn random_policies_answer_as_the_oracle_does() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut seen = [0_usize; 3];
        for _ in 0..2_000 {
            let count = 1 + random.below(5);
            let rules: Vec<OracleRule> = (0..count).map(|_| random_rule(&mut random)).collect();
            let text: Vec<String> = rules.iter().enumerate().map(|(index, rule)| rule_json(index, rule)).collect();
            let policy = policy(&text.join(","));
            for _ in 0..5 {
                let profile = random.pick(&NAMES);
                let user = (random.below(8) > 0).then(|| random.pick(&NAMES));
                let mode = Mode::ALL[random.below(3)];
                let week_minute = i64::try_from(random.below(7 * 1440)).expect("small");
                let second = i64::try_from(random.below(60)).expect("small");
                let now = Timestamp::from_second(A_MONDAY_S + week_minute * 60 + second).expect("a time");

                let verdict = policy.evaluate(&Question { profile, user, mode, now });
                let found = (verdict.effect == Effect::Allow, verdict.rule.map(|(index, _)| index));
                let expected = oracle(&rules, profile, user, mode.as_str(), week_minute);
                assert_eq!(found, expected, "{profile} {user:?} {mode:?} {now} {rules:#?}");
                seen[usize::from(found.0) + usize::from(found.1.is_none()) * 2] += 1;
            }
        }
        // Each kind of answer came up often enough to mean something.
        assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
    }
}
