//! Shell completions. The shells' own code is in three templates; the tables of commands and flags fill them.

mod bash;
mod fish;
mod zsh;

use std::ffi::OsStr;

use super::commands::{COMMANDS, CommandName, FAMILIES, Family, Words, first_words};
use super::flags::{FLAGS, Flag, Id};
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;

/// A shell that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its shell's name")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The shell that `word` names.
    ///
    /// # Errors
    /// Of kind usage, for a shell without completions.
    pub fn of(word: &OsStr) -> Result<Self> {
        Self::ALL.into_iter().find(|shell| word == shell.name()).ok_or_else(|| {
            let text = word.to_string_lossy();
            let near = did_you_mean(&text, Self::ALL.map(Self::name));
            Error::usage(format!("there are no completions for `{text}`"))
                .hint(near.unwrap_or_else(|| "the shells are bash, zsh and fish".to_owned()))
        })
    }

    /// The shell that was given.
    ///
    /// # Errors
    /// Of kind usage, if none was.
    pub fn wanted(given: Option<Self>) -> Result<Self> {
        given.ok_or_else(|| {
            Error::usage("completions needs the name of a shell").hint("`sentinel completions bash`, zsh or fish")
        })
    }
}

/// The completions, as the shell reads them.
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash::script(),
        Shell::Zsh => zsh::script(),
        Shell::Fish => fish::script(),
    }
}

/// What completes an option's value.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Profiles,
    Files,
    Directories,
    /// One of the flag's choices.
    Choice,
    /// Nothing that could be listed.
    Free,
}

impl Value {
    /// The flag's; `None` for a switch. What help calls the value says what it is.
    fn of(flag: &Flag) -> Option<Self> {
        Some(match flag.value? {
            _ if !flag.choices.is_empty() => Self::Choice,
            "P" => Self::Profiles,
            "FILE" | "PATH" => Self::Files,
            "DIR" => Self::Directories,
            _ => Self::Free,
        })
    }
}

/// The flags that `command` takes; `None` is `sentinel` without a command.
fn flags_of(command: Option<CommandName>) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| flag.belongs_to(command))
}

/// `-d` and `--duration`.
fn spellings(flag: &Flag) -> impl Iterator<Item = String> {
    flag.short.map(|letter| format!("-{letter}")).into_iter().chain([flag.dashed()])
}

/// The names of the commands whose words are of this kind.
fn commands_with(words: Words) -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().filter(move |info| info.words == words).map(|info| info.name)
}

/// The options that have a value and stand before the command that exec runs, but for `--profile`.
fn before_a_program() -> impl Iterator<Item = &'static Flag> {
    flags_of(Some(CommandName::Exec)).filter(|flag| flag.value.is_some() && flag.id != Id::Profile)
}

/// The words that a command line may begin with, with blanks between them.
fn top_words() -> String {
    first_words().collect::<Vec<_>>().join(" ")
}

/// The second words of a family, with blanks between them.
fn second_words(family: &Family) -> String {
    family.members().map(|(word, _)| word).collect::<Vec<_>>().join(" ")
}

/// The names of the shells, with blanks between them.
fn shell_names() -> String {
    Shell::ALL.map(Shell::name).join(" ")
}

/// The template with each `@name@` replaced by its part.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    parts.iter().fold(template.to_owned(), |text, (name, part)| text.replace(&format!("@{name}@"), part.trim_end()))
}

#[cfg(test)]
mod tests;
