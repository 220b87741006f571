//! Why a policy answers as it does: what each rule says to a question, as data and as text.

use std::fmt;

use super::evaluate::{Answer, Condition, Question, Unknown, Verdict};
use super::flaw::{in_one_line, shown};
use super::pattern::Pattern;
use super::schema::{Conditions, Effect, Policy};
use super::time::Instant;
use crate::duration;

/// What each rule says to a question, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Every rule, in the policy's order.
    pub rules: Vec<RuleExplained>,
    /// What [`Policy::evaluate`] answers.
    pub verdict: Verdict,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleExplained {
    /// Its place in the policy, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// What it does where it matches.
    pub effect: Effect,
    /// What it says.
    pub outcome: Outcome,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All its conditions hold, so it decides.
    Matches,
    /// These conditions do not hold.
    Differs(Vec<Difference>),
    /// It turns on what is not known, which is a denial.
    Unknown(String),
    /// Something before it has decided.
    NotReached,
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub condition: Condition,
    /// What it asks for.
    pub wanted: String,
    /// What there is instead.
    pub found: String,
}

impl Policy {
    /// What each rule says to this question.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let mut instant = Instant::new(question.now);
        let mut decided = self.foreign(question);
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            let outcome = match decided {
                Some(_) => Outcome::NotReached,
                None => match differences(&rule.conditions, question, &mut instant) {
                    (differences, _) if !differences.is_empty() => Outcome::Differs(differences),
                    (_, Some(what)) => {
                        decided = Some(rule.undecided(index, what));
                        Outcome::Unknown(what.reason())
                    }
                    (_, None) => {
                        decided = Some(rule.verdict(index, question));
                        Outcome::Matches
                    }
                },
            };
            rules.push(RuleExplained { index, name: rule.name.to_string(), effect: rule.effect, outcome });
        }
        Explanation { rules, verdict: decided.unwrap_or_else(|| Verdict::unmatched(question)) }
    }
}

/// The conditions that do not hold, and the first thing that is not known.
fn differences<'a, 'q>(
    conditions: &'a Conditions,
    question: &Question<'q>,
    instant: &mut Instant<'a>,
) -> (Vec<Difference>, Option<Unknown<'q>>) {
    let (mut found, mut unknown) = (Vec::new(), None);
    for condition in Condition::ALL {
        match conditions.answer(condition, question, instant) {
            Answer::Yes => {}
            Answer::No => found.push(Difference {
                condition,
                wanted: wanted(conditions, condition),
                found: there_is(conditions, condition, question),
            }),
            Answer::Unknown(what) => unknown = unknown.or(Some(what)),
        }
    }
    (found, unknown)
}

fn wanted(conditions: &Conditions, condition: Condition) -> String {
    fn list<T>(items: Option<&Vec<T>>, text: impl Fn(&T) -> String) -> String {
        items.into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
    }
    let names = |items: Option<&Vec<Pattern>>| list(items, |pattern| shown(pattern.as_str()));
    match condition {
        Condition::Mode => list(conditions.modes.as_ref(), |mode| mode.as_str().to_owned()),
        Condition::System => list(conditions.systems.as_ref(), |system| (*system).to_owned()),
        Condition::Uid => list(conditions.uids.as_ref(), u32::to_string),
        Condition::Profile => names(conditions.profiles.as_ref()),
        Condition::Time => conditions.time.as_ref().map(ToString::to_string).unwrap_or_default(),
        Condition::User => names(conditions.users.as_ref()),
        Condition::Executable => list(conditions.executables.as_ref(), |path| shown(path)),
        Condition::Digest => list(conditions.sha256.as_ref(), Clone::clone),
    }
}

fn there_is(conditions: &Conditions, condition: Condition, question: &Question<'_>) -> String {
    let program = question.peer.program;
    match condition {
        Condition::Mode => question.mode.as_str().to_owned(),
        Condition::System => question.os.to_owned(),
        Condition::Uid => question.peer.uid.to_string(),
        Condition::Profile => shown(question.profile),
        Condition::Time => conditions.time.as_ref().map(|window| window.local_text(question.now)).unwrap_or_default(),
        Condition::User => shown(question.user.unwrap_or_default()),
        Condition::Executable => program.map_or_else(str::to_owned, |program| shown(program.path)),
        Condition::Digest => program.map_or(String::new(), |program| program.sha256.to_owned()),
    }
}

impl fmt::Display for Explanation {
    /// One line a rule, with a line for each condition that does not hold; the verdict last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beyond = 0;
        for RuleExplained { index, name, effect, outcome } in &self.rules {
            let rule = format_args!("rules[{index}] {} ({})", shown(name), effect.as_str());
            match outcome {
                Outcome::Matches => writeln!(f, "{rule} matches")?,
                Outcome::Unknown(why) => writeln!(f, "{rule} cannot be judged: {}", in_one_line(why))?,
                Outcome::NotReached => beyond += 1,
                Outcome::Differs(differences) => {
                    writeln!(f, "{rule} does not match")?;
                    for Difference { condition, wanted, found } in differences {
                        writeln!(f, "  {}: {wanted}; this is {found}", condition.as_str())?;
                    }
                }
            }
        }
        match beyond {
            0 => {}
            1 => writeln!(f, "1 rule is not reached")?,
            _ => writeln!(f, "{beyond} rules are not reached")?,
        }
        write!(f, "{}: {}", self.verdict.effect.as_str(), in_one_line(&self.verdict.reason))?;
        let Some(constraints) = self.verdict.constraints.as_deref() else { return Ok(()) };
        if let Some(limit) = constraints.max_server_duration {
            write!(f, "\n  max_server_duration: {}", duration::text(limit))?;
        }
        if let Some(policy) = &constraints.session_policy {
            write!(f, "\n  session_policy: {policy}")?;
        }
        if let Some(table) = &constraints.session_table {
            write!(f, "\n  session_table: {table}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
