//! What help is about: a command, or the commands that share their first word.

use super::{COMMANDS, CommandInfo, CommandName};
use crate::nearest::did_you_mean;

/// Commands that share their first word.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// That word.
    pub name: &'static str,
    /// One line for the overview.
    pub summary: &'static str,
}

/// What help is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// One command.
    Command(CommandName),
    /// A family of commands.
    Family(&'static Family),
}

/// Every family, in the order of [`COMMANDS`].
pub static FAMILIES: &[Family] = &[
    Family { name: "serve", summary: "serve credentials to services and containers of this host" },
    Family { name: "policy", summary: "check, try, sign and publish policies" },
    Family { name: "session", summary: "list and revoke the sessions of servers" },
    Family { name: "request", summary: "ask for approvals, and approve" },
    Family { name: "breakglass", summary: "open and close emergency access" },
    Family { name: "log", summary: "verify and read the decision log" },
];

impl Family {
    /// The family that `word` names.
    pub fn of(word: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.name == word)
    }

    /// Its commands, each with its second word.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, &'static CommandInfo)> {
        let name = self.name;
        COMMANDS.iter().filter_map(move |info| match info.parts() {
            (first, Some(second)) if first == name => Some((second, info)),
            _ => None,
        })
    }

    /// Its command with this second word.
    pub fn member(&self, second: &str) -> Option<CommandName> {
        self.members().find(|(word, _)| *word == second).map(|(_, info)| info.command)
    }
}

/// The words that a command line may begin with, in help's order.
pub(in crate::cli) fn first_words() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    COMMANDS.iter().map(|info| info.parts().0).filter(move |word| std::mem::replace(&mut last, word) != *word)
}

/// What a first word that is none may have meant: another first word, or the commands whose second word it is.
pub(in crate::cli) fn meant_by(word: &str) -> Option<String> {
    let seconds: Vec<String> = COMMANDS
        .iter()
        .filter(|info| info.parts().1.is_some_and(|second| second == word))
        .map(|info| format!("`{}`", info.name))
        .collect();
    match seconds.as_slice() {
        [] => did_you_mean(word, first_words()),
        [only] => Some(format!("did you mean {only}?")),
        [others @ .., last] => Some(format!("did you mean {} or {last}?", others.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_members_and_every_first_word_is_a_command_or_a_family() {
        for family in FAMILIES {
            assert!(family.members().count() > 1, "{}", family.name);
            for (second, info) in family.members() {
                assert_eq!(family.member(second), Some(info.command));
            }
        }
        for word in first_words() {
            assert!(CommandName::of(word).is_some() != Family::of(word).is_some(), "{word}");
        }
        assert_eq!(
            first_words().collect::<Vec<_>>(),
            [
                "exec",
                "credentials",
                "serve",
                "whoami",
                "policy",
                "session",
                "request",
                "breakglass",
                "log",
                "version",
                "help",
                "completions",
                "man"
            ]
        );
    }

    #[test]
    fn a_second_word_alone_leads_to_its_commands() {
        assert_eq!(meant_by("validate").as_deref(), Some("did you mean `policy validate`?"));
        assert_eq!(meant_by("keygen").as_deref(), Some("did you mean `policy keygen` or `request keygen`?"));
        assert_eq!(
            meant_by("list").as_deref(),
            Some("did you mean `session list`, `request list` or `breakglass list`?")
        );
        assert_eq!(meant_by("exce").as_deref(), Some("did you mean `exec`?"));
        assert_eq!(meant_by("zzz"), None);
    }
}
