//! A question to a policy, and its answer. Pure: no clock, no file, and no allocation where a rule decides.

use std::sync::Arc;

use jiff::Timestamp;

use super::schema::{Effect, Policy, Rule};
use super::time::Instant;

/// How credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From a server of ours.
    Server,
    /// From a command that hands them over once.
    Cli,
    /// As the credential_process of an SDK.
    CredentialProcess,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 3] = [Mode::Server, Mode::Cli, Mode::CredentialProcess];

    /// The name in policies and records: `credential_process`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Server => "server",
            Mode::Cli => "cli",
            Mode::CredentialProcess => "credential_process",
        }
    }
}

/// What a policy is asked: may this user have this profile's credentials, in this way, now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// The user as AWS knows them; `None` when that could not be found out. An empty name is no name.
    pub user: Option<&'a str>,
    /// How they ask.
    pub mode: Mode,
    /// When they ask.
    pub now: Timestamp,
}

/// A policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they may.
    pub effect: Effect,
    /// The index and name of the rule that decided; `None` when none matched.
    pub rule: Option<(usize, Arc<str>)>,
    /// Why, for the person who asked and for the record.
    pub reason: Arc<str>,
}

/// What one rule says to a question.
enum Match {
    No,
    Yes,
    /// Everything but the user matches, and the user is not known.
    Unknown,
}

impl Policy {
    /// The first matching rule's answer; a denial when no rule matches.
    ///
    /// A denial too when a rule turns on who the user is, and that is not known: whether the rule would have matched
    /// decides which rule is next, so nothing after it can be trusted.
    pub fn evaluate(&self, question: &Question<'_>) -> Verdict {
        let mut instant = Instant::new(question.now);
        for (index, rule) in self.rules.iter().enumerate() {
            let (effect, reason) = match rule.matches(question, &mut instant) {
                Match::No => continue,
                Match::Yes => (rule.effect, Arc::clone(&rule.reason)),
                Match::Unknown => (Effect::Deny, "the caller's identity is not known".into()),
            };
            return Verdict { effect, rule: Some((index, Arc::clone(&rule.name))), reason };
        }
        Verdict { effect: Effect::Deny, rule: None, reason: "no matching rule".into() }
    }

    /// Whether some rule has a users condition, so that an answer may need the user's name.
    pub fn needs_user(&self) -> bool {
        self.rules.iter().any(|rule| rule.users.is_some())
    }
}

impl Rule {
    /// Users come last, so that a rule that does not match for another reason needs no user. Time comes after the
    /// cheaper conditions.
    fn matches<'a>(&'a self, question: &Question<'_>, instant: &mut Instant<'a>) -> Match {
        let others = self.modes.as_ref().is_none_or(|modes| modes.contains(&question.mode))
            && self.profiles.as_ref().is_none_or(|some| some.iter().any(|one| one.matches(question.profile)))
            && self.time.as_ref().is_none_or(|window| window.contains(instant));
        match (&self.users, question.user.filter(|user| !user.is_empty())) {
            _ if !others => Match::No,
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Unknown,
            (Some(users), Some(user)) if users.iter().any(|one| one.matches(user)) => Match::Yes,
            (Some(_), Some(_)) => Match::No,
        }
    }
}

#[cfg(test)]
mod tests;
