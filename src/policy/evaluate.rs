//! A question to a policy, and its answer. Pure: no clock, no file, no allocation but the verdict's own text.

use std::sync::Arc;

use jiff::Timestamp;

use super::schema::{Conditions, Constraints, Effect, Policy, Rule};
use super::time::Instant;

/// How credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The user's AWS account; `None` when that could not be found out.
    pub account: Option<&'a str>,
    /// The role whose credentials are asked for; `None` when they are the profile's own and the profile has none.
    pub role_arn: Option<&'a str>,
    /// Whether that role was asked for by its ARN, and is not the profile's own.
    pub by_arn: bool,
    /// How they ask.
    pub mode: Mode,
    /// The process that asks.
    pub peer: PeerFacts<'a>,
    /// The operating system: `linux`, `macos`.
    pub os: &'a str,
    /// When they ask.
    pub now: Timestamp,
}

/// What is known of the process that asks.
#[derive(Debug, Clone, Copy)]
pub struct PeerFacts<'a> {
    /// Its effective uid.
    pub uid: u32,
    /// The program that it runs, or why that is not known.
    pub program: Result<Program<'a>, &'a str>,
}

/// A program that was attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program<'a> {
    /// Its path, as the kernel writes it.
    pub path: &'a str,
    /// The SHA-256 of its file, in lower-case hex.
    pub sha256: &'a str,
}

/// A policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether they may, or what it takes.
    pub effect: Effect,
    /// The index and name of the rule that decided; `None` when none did.
    pub rule: Option<(usize, Arc<str>)>,
    /// Why, for the person who asked and for the record.
    pub reason: Arc<str>,
    /// What the credentials have to keep to; `None` is nothing.
    pub constraints: Option<Arc<Constraints>>,
    /// What this rests on.
    pub ground: Ground,
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// No policy said it.
    Elsewhere,
    /// The effect of the rule that matched.
    Rule,
    /// No rule matched.
    NoRule,
    /// The rule that matched does not give this role, or none matched for a role that was asked for by its ARN.
    Role,
    /// Something that a rule, or the policy's accounts, turn on is not known.
    Unknown,
    /// The caller is of none of the policy's accounts.
    Account,
}

/// A condition of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `mode`.
    Mode,
    /// `device.allowed_os_types`.
    System,
    /// `peer.uids`.
    Uid,
    /// `profiles`.
    Profile,
    /// `time`.
    Time,
    /// `users`.
    User,
    /// `peer.executables`.
    Executable,
    /// `peer.sha256`.
    Digest,
}

/// What one condition says to a question.
pub(super) enum Answer<'q> {
    /// It holds, or is not there.
    Yes,
    No,
    Unknown(Unknown<'q>),
}

/// What is not known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unknown<'q> {
    User,
    /// And why.
    Program(&'q str),
}

/// What one rule says to a question.
enum Match<'q> {
    No,
    Yes,
    /// Everything that is known matches.
    Unknown(Unknown<'q>),
}

impl Policy {
    /// The first matching rule's answer; a denial when no rule matches.
    ///
    /// A denial too when a rule turns on what is not known: whether the rule would have matched decides which rule is
    /// next, so nothing after it can be trusted.
    pub fn evaluate(&self, question: &Question<'_>) -> Verdict {
        if let Some(denial) = self.foreign(question) {
            return denial;
        }
        let mut instant = Instant::new(question.now);
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.conditions.matches(question, &mut instant) {
                Match::No => {}
                Match::Yes => return rule.verdict(index, question),
                Match::Unknown(what) => return rule.undecided(index, what),
            }
        }
        Verdict::unmatched(question)
    }

    /// The denial of a caller of another account than the policy's: names count only there.
    pub(super) fn foreign(&self, question: &Question<'_>) -> Option<Verdict> {
        let accounts = self.accounts.as_ref()?;
        let (ground, reason) = match question.account.filter(|account| !account.is_empty()) {
            Some(account) if accounts.iter().any(|known| known == account) => return None,
            Some(account) => (Ground::Account, format!("account {account} is not one of the policy's accounts")),
            None => (Ground::Unknown, "the caller's account is not known".to_owned()),
        };
        Some(Verdict::denial(None, ground, reason))
    }
}

impl Verdict {
    /// An answer that no policy gave.
    pub fn new(effect: Effect, reason: impl Into<Arc<str>>) -> Self {
        Self { effect, rule: None, reason: reason.into(), constraints: None, ground: Ground::Elsewhere }
    }

    /// Whether a break-glass event may stand above this: it is a decision of the rules. What is not known, a foreign
    /// account and a role that the rule does not give stay denied.
    pub fn may_be_lifted(&self) -> bool {
        matches!(self.ground, Ground::Rule | Ground::NoRule)
    }

    /// A role that was asked for takes a rule that names it, so that no emergency stands above this.
    pub(super) fn unmatched(question: &Question<'_>) -> Self {
        let ground = if question.by_arn { Ground::Role } else { Ground::NoRule };
        Self::denial(None, ground, "no matching rule")
    }

    fn denial(rule: Option<(usize, Arc<str>)>, ground: Ground, reason: impl Into<Arc<str>>) -> Self {
        Self { effect: Effect::Deny, rule, reason: reason.into(), constraints: None, ground }
    }
}

impl Rule {
    /// The answer of this rule, which matches.
    pub(super) fn verdict(&self, index: usize, question: &Question<'_>) -> Verdict {
        let rule = Some((index, Arc::clone(&self.name)));
        let reason = match (&self.role_arns, question.role_arn) {
            (Some(roles), Some(role)) if roles.iter().any(|given| given == role) => None,
            (Some(_), Some(role)) => Some(format!("the rule {} does not give the role {role}", self.name)),
            (Some(_), None) => Some(format!("the rule {} gives roles, and the profile has none", self.name)),
            // Its own words say more.
            (None, _) if question.by_arn && self.effect == Effect::Deny => Some(self.reason.to_string()),
            (None, _) if question.by_arn => Some(format!("the rule {} gives no roles", self.name)),
            (None, _) => None,
        };
        if let Some(reason) = reason {
            return Verdict::denial(rule, Ground::Role, reason);
        }
        let constraints = self.constraints.clone();
        Verdict { effect: self.effect, rule, reason: Arc::clone(&self.reason), constraints, ground: Ground::Rule }
    }

    /// The denial for want of something that this rule turns on.
    pub(super) fn undecided(&self, index: usize, what: Unknown<'_>) -> Verdict {
        Verdict::denial(Some((index, Arc::clone(&self.name))), Ground::Unknown, what.reason())
    }
}

impl Unknown<'_> {
    /// The sentence for the person who asked and for the record.
    pub(super) fn reason(self) -> String {
        match self {
            Self::User => "the caller's identity is not known".to_owned(),
            Self::Program(why) => format!("the caller's program is not known: {why}"),
        }
    }
}

impl Condition {
    /// Every condition in the order in which they are looked at: what is cheap first, and last what may not be known, so
    /// that a rule which does not match for another reason does not need it.
    pub const ALL: [Condition; 8] = [
        Condition::Mode,
        Condition::System,
        Condition::Uid,
        Condition::Profile,
        Condition::Time,
        Condition::User,
        Condition::Executable,
        Condition::Digest,
    ];

    /// The field of `conditions` that it is.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Mode => "mode",
            Condition::System => "device.allowed_os_types",
            Condition::Uid => "peer.uids",
            Condition::Profile => "profiles",
            Condition::Time => "time",
            Condition::User => "users",
            Condition::Executable => "peer.executables",
            Condition::Digest => "peer.sha256",
        }
    }
}

impl Conditions {
    fn matches<'a, 'q>(&'a self, question: &Question<'q>, instant: &mut Instant<'a>) -> Match<'q> {
        let mut unknown = None;
        for condition in Condition::ALL {
            match self.answer(condition, question, instant) {
                Answer::Yes => {}
                Answer::No => return Match::No,
                Answer::Unknown(what) => unknown = unknown.or(Some(what)),
            }
        }
        unknown.map_or(Match::Yes, Match::Unknown)
    }

    /// What one of the conditions says.
    pub(super) fn answer<'a, 'q>(
        &'a self,
        condition: Condition,
        question: &Question<'q>,
        instant: &mut Instant<'a>,
    ) -> Answer<'q> {
        fn one_of<T>(some: Option<&Vec<T>>, is: impl Fn(&T) -> bool) -> Answer<'static> {
            if some.is_none_or(|some| some.iter().any(is)) { Answer::Yes } else { Answer::No }
        }
        let program =
            |wanted: Option<&Vec<String>>, of: for<'p> fn(&Program<'p>) -> &'p str| match question.peer.program {
                _ if wanted.is_none() => Answer::Yes,
                Ok(program) => one_of(wanted, |wanted| wanted == of(&program)),
                Err(why) => Answer::Unknown(Unknown::Program(why)),
            };
        match condition {
            Condition::Mode => one_of(self.modes.as_ref(), |mode| *mode == question.mode),
            Condition::System => one_of(self.systems.as_ref(), |system| *system == question.os),
            Condition::Uid => one_of(self.uids.as_ref(), |uid| *uid == question.peer.uid),
            Condition::Profile => one_of(self.profiles.as_ref(), |pattern| pattern.matches(question.profile)),
            Condition::Time if self.time.as_ref().is_none_or(|window| window.contains(instant)) => Answer::Yes,
            Condition::Time => Answer::No,
            Condition::User => match question.user.filter(|user| !user.is_empty()) {
                _ if self.users.is_none() => Answer::Yes,
                Some(user) => one_of(self.users.as_ref(), |pattern| pattern.matches(user)),
                None => Answer::Unknown(Unknown::User),
            },
            Condition::Executable => program(self.executables.as_ref(), |program| program.path),
            Condition::Digest => program(self.sha256.as_ref(), |program| program.sha256),
        }
    }
}

#[cfg(test)]
mod tests;
