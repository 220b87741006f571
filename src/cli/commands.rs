//! The commands, as one table: parser, help, man page and completions derive from it.
//!
//! A command of two words, `policy validate`, is a command of its own; its first word names a [`Family`].

mod log;
mod policy;
mod records;
mod run;
mod serve;
mod topic;

use super::joined::{joined, length};
pub use topic::{FAMILIES, Family, Topic};
pub(super) use topic::{first_words, meant_by};

/// A command of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its words; COMMANDS says what it does")]
pub enum CommandName {
    Exec,
    Credentials,
    ServeEcs,
    ServeEc2,
    Whoami,
    PolicyValidate,
    PolicyTest,
    PolicyExplain,
    PolicySign,
    PolicyKeygen,
    PolicyPull,
    PolicyPush,
    PolicyDiff,
    SessionList,
    SessionShow,
    SessionRevoke,
    RequestCreate,
    RequestList,
    RequestShow,
    RequestApprove,
    RequestDeny,
    RequestCancel,
    RequestKeygen,
    BreakglassOpen,
    BreakglassList,
    BreakglassShow,
    BreakglassClose,
    LogVerify,
    LogShow,
    Version,
    Help,
    Completions,
    Man,
}

/// The words that a command takes, its options aside. Completions offer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// None.
    None,
    /// A profile, unless `--profile` is given, then another program's command line.
    ProfileAndProgram,
    /// One of the commands.
    Command,
    /// One of the shells that have completions.
    Shell,
    /// Files: at least so many, and at most.
    Files(usize, usize),
    /// The id of a record.
    Id,
}

/// What help says about a command.
#[derive(Clone, Copy)]
pub struct CommandInfo {
    /// Which one.
    pub command: CommandName,
    /// The word on the command line, or both words.
    pub name: &'static str,
    /// One line for the overview.
    pub summary: &'static str,
    /// The words that it takes.
    pub words: Words,
    /// How it is written, one way a line.
    pub synopsis: &'static [&'static str],
    /// Paragraphs that follow the synopsis.
    pub description: &'static [&'static str],
    /// Command lines, each with what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit statuses, each with what it means.
    pub statuses: &'static [(&'static str, &'static str)],
}

impl Words {
    /// How many words are kept for the command to read, at least and at most.
    pub fn kept(self) -> (usize, usize) {
        match self {
            Self::Files(least, most) => (least, most),
            Self::Id => (1, 1),
            _ => (0, 0),
        }
    }

    /// What one of them is called in help.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Files(..) => "FILE",
            _ => "ID",
        }
    }
}

impl CommandName {
    /// The command of this name, of one word or two.
    pub fn of(name: &str) -> Option<Self> {
        COMMANDS.iter().find(|info| info.name == name).map(|info| info.command)
    }

    /// The word on the command line, or both.
    pub fn name(self) -> &'static str {
        self.info().map_or("", |info| info.name)
    }

    /// Its line of the table; a test checks that every command has one.
    pub fn info(self) -> Option<&'static CommandInfo> {
        COMMANDS.iter().find(|info| info.command == self)
    }
}

impl CommandInfo {
    /// The first word and, in a family, the second.
    pub fn parts(&self) -> (&'static str, Option<&'static str>) {
        match self.name.split_once(' ') {
            Some((first, second)) => (first, Some(second)),
            None => (self.name, None),
        }
    }
}

const PARTS: &[&[CommandInfo]] =
    &[run::CREDENTIALS, serve::SERVE, run::WHOAMI, policy::POLICY, records::RECORDS, log::LOG, run::ABOUT];

/// Every command, in the order in which help lists them.
pub static COMMANDS: &[CommandInfo] = &joined::<CommandInfo, { length(PARTS) }>(PARTS);

const STATUSES: &[(&str, &str)] = &[("0", "done"), ("1", "failed or refused"), ("2", "wrong usage")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::EVERY;

    #[test]
    fn every_command_has_one_line_and_its_name_leads_back() {
        for command in EVERY.iter().copied() {
            assert_eq!(COMMANDS.iter().filter(|info| info.command == command).count(), 1);
            assert_eq!(CommandName::of(command.name()), Some(command));
            let info = command.info().expect("a line");
            assert!(!info.synopsis.is_empty(), "{}", info.name);
            for line in info.synopsis {
                assert!(line.starts_with(&format!("sentinel {}", info.name)), "{line}");
            }
        }
        assert_eq!(COMMANDS.len(), EVERY.len());
        assert_eq!(CommandName::of("serve ecs"), Some(CommandName::ServeEcs));
        assert_eq!(CommandName::of("policy"), None);
    }

    #[test]
    fn words_that_a_command_keeps_are_in_its_synopsis() {
        for info in COMMANDS {
            let (least, most) = info.words.kept();
            let noun = info.words.noun();
            let names = |line: &&&str| line.split([' ', '[', ']', '.']).any(|word| word == noun);
            assert_eq!(info.synopsis.iter().any(|line| names(&line)), most > 0, "{}", info.name);
            assert!(least <= most, "{}", info.name);
        }
    }
}
