//! What is valid in a policy and hardly meant.

use std::collections::HashMap;

use super::evaluate::Mode;
use super::flaw::shown;
use super::schema::{Conditions, Policy};

impl Policy {
    /// What whoever keeps the policy should look at, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let names_users = self.rules.iter().find(|rule| rule.conditions.users.is_some());
        if let Some(rule) = names_users.filter(|_| self.accounts.is_none()) {
            let what = "names users, and there are no `accounts`: every AWS account may have a user of that name";
            found.push(format!("the rule {} {what}", shown(&rule.name)));
        }
        let mut before: HashMap<&Conditions, &str> = HashMap::new();
        let mut all: Option<&str> = None;
        for rule in &self.rules {
            let earlier = before.get(&rule.conditions).copied();
            if let Some(all) = all {
                let (name, all) = (shown(&rule.name), shown(all));
                found.push(format!("the rule {name} is never reached: the rule {all} before it matches everything"));
            } else if let Some(earlier) = earlier {
                let (name, earlier) = (shown(&rule.name), shown(earlier));
                found
                    .push(format!("the rule {name} is never reached: the rule {earlier} before it has its conditions"));
            } else if rule.conditions.hold_always() {
                all = Some(&rule.name);
            }
            before.entry(&rule.conditions).or_insert(&rule.name);
        }
        found
    }
}

impl Conditions {
    /// Whether nothing gets past a rule with these. A user who is not known does not either: that is a denial.
    fn hold_always(&self) -> bool {
        let Self { profiles, users, modes, time, systems, uids, executables, sha256 } = self;
        [profiles, users].iter().all(|some| some.as_ref().is_none_or(|some| some.iter().any(|one| one.is_everything())))
            && modes.as_ref().is_none_or(|some| Mode::ALL.iter().all(|mode| some.contains(mode)))
            && time.is_none()
            && systems.is_none()
            && uids.is_none()
            && executables.is_none()
            && sha256.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(document: &str) -> Vec<String> {
        Policy::parse(document).expect("a policy").warnings()
    }

    #[test]
    fn names_without_accounts_are_anybodys() {
        let rules = r#""rules":[{"name":"a","effect":"allow","conditions":{"users":["ann"]}}]"#;
        assert_eq!(
            warnings(&format!(r#"{{"version":"1",{rules}}}"#)),
            ["the rule `a` names users, and there are no `accounts`: every AWS account may have a user of that name"]
        );
        assert_eq!(warnings(&format!(r#"{{"version":"1","accounts":["123456789012"],{rules}}}"#)), [""; 0]);
    }

    #[test]
    fn rules_behind_one_that_matches_everything_are_named() {
        for everything in [
            "{}",
            r#"{"profiles":["prod","*"]}"#,
            r#"{"users":["**"]}"#,
            r#"{"mode":["cli","server","credential_process"]}"#,
        ] {
            let text = format!(
                r#"{{"version":"1","accounts":["123456789012"],"rules":[{{"name":"a","effect":"deny","conditions":{everything}}},
                   {{"name":"b","effect":"allow"}}]}}"#
            );
            let warning = "the rule `b` is never reached: the rule `a` before it matches everything";
            assert_eq!(warnings(&text), [warning], "{everything}");
        }
        for something in [
            r#"{"profiles":["*-prod"]}"#,
            r#"{"mode":["cli"]}"#,
            r#"{"time":{"days":["monday"]}}"#,
            r#"{"peer":{"uids":[0]}}"#,
            r#"{"device":{"allowed_os_types":["linux","macos"]}}"#,
        ] {
            let text = format!(
                r#"{{"version":"1","rules":[{{"name":"a","effect":"deny","conditions":{something}}},{{"name":"b","effect":"allow"}}]}}"#
            );
            assert_eq!(warnings(&text), [""; 0], "{something}");
        }
    }

    #[test]
    fn rules_with_the_conditions_of_an_earlier_one_are_named() {
        let rule = |name: &str, zone: &str| {
            format!(
                r#"{{"name":"{name}","effect":"allow","conditions":{{"profiles":["p"],"time":{{"days":["monday"],"timezone":"{zone}"}}}}}}"#
            )
        };
        let text =
            |zone: &str| format!(r#"{{"version":"1","rules":[{},{}]}}"#, rule("a", "Europe/Berlin"), rule("b", zone));
        assert_eq!(
            warnings(&text("Europe/Berlin")),
            ["the rule `b` is never reached: the rule `a` before it has its conditions"]
        );
        assert_eq!(warnings(&text("Europe/Paris")), [""; 0]);
    }
}
