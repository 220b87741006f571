//! Raw arguments to a [`Parsed`] value. No side effects, and no defaults: see [`super::settings`].

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use super::commands::{CommandName, Family, Topic, Words, meant_by};
use super::completions::Shell;
use super::flags::{FLAGS, Flag, Id};
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;

/// What the command line says, and no more.
#[derive(Default)]
pub struct Parsed {
    /// The command; `None` is `sentinel` alone.
    pub command: Option<CommandName>,
    /// The flags given, with the value of those that take one.
    pub given: Vec<(Id, Option<OsString>)>,
    /// The profile as a word of its own (exec).
    pub profile: Option<OsString>,
    /// The child's program and its arguments (exec). Empty: a shell.
    pub child: Vec<OsString>,
    /// The words of the commands that keep theirs: files, or an id. As many as the command takes.
    pub words: Vec<OsString>,
    /// What help is wanted about (help, and a family's first word with `--help`).
    pub topic: Option<Topic>,
    /// Whose completions are wanted (completions).
    pub shell: Option<Shell>,
    /// `-h` or `--help` was given, and nothing after it was read.
    pub help: Option<HelpLength>,
}

/// How much help is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelpLength {
    /// `-h`: one line a flag.
    Short,
    /// `--help` and `help COMMAND`: everything.
    Long,
}

impl Parsed {
    /// Whether the flag was given.
    pub fn has(&self, id: Id) -> bool {
        self.given.iter().any(|(given, _)| *given == id)
    }

    /// The value that the flag was given.
    pub fn value(&self, id: Id) -> Option<&OsStr> {
        self.given.iter().find(|(given, _)| *given == id).and_then(|(_, value)| value.as_deref())
    }

    /// The values of a flag that may be given more than once.
    pub fn values(&self, id: Id) -> impl Iterator<Item = &OsStr> {
        self.given.iter().filter(move |(given, _)| *given == id).filter_map(|(_, value)| value.as_deref())
    }
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// Of kind usage, for anything that is not in the tables.
pub fn parse(args: &[OsString]) -> Result<Parsed> {
    let parsed = read(args)?;
    match (&parsed.profile, parsed.value(Id::Profile)) {
        (Some(word), Some(value)) => Err(Error::usage(format!(
            "the profile is given twice: `{}` and `--profile {}`",
            word.display(),
            value.display()
        ))),
        _ => Ok(parsed),
    }
}

fn read(args: &[OsString]) -> Result<Parsed> {
    let mut words = args.iter();
    let mut parsed = Parsed::default();
    if let Some(word) = words.as_slice().first().filter(|word| !is_option(word)) {
        words.next();
        match topic(word)? {
            Topic::Command(command) => parsed.command = Some(command),
            Topic::Family(family) => match words.next() {
                Some(second) if second == "-h" || second == "--help" => {
                    parsed.topic = Some(Topic::Family(family));
                    parsed.help = Some(if second == "-h" { HelpLength::Short } else { HelpLength::Long });
                    return Ok(parsed);
                }
                Some(second) if !is_option(second) => parsed.command = Some(member(family, second)?),
                _ => return Err(no_second_word(family)),
            },
        }
    }
    let mut parser = Parser::from_args(words);
    loop {
        if take_child(&mut parser, &mut parsed)? {
            return Ok(parsed);
        }
        let (flag, letter) = match parser.next().map_err(|error| usage_of(&error))? {
            None => {
                check_words(&parsed)?;
                return Ok(parsed);
            }
            Some(Arg::Long(name)) => (find_long(name, parsed.command)?, false),
            Some(Arg::Short(letter)) => (find_short(letter, parsed.command)?, true),
            Some(Arg::Value(word)) => {
                take_word(word, &mut parsed)?;
                continue;
            }
        };
        if parsed.has(flag.id) && !flag.repeats() {
            return Err(Error::usage(format!("{} is given twice", flag.dashed())));
        }
        let value = match flag.value {
            Some(_) => Some(take_value(&mut parser, flag)?),
            None => None,
        };
        parsed.given.push((flag.id, value));
        if flag.id == Id::Help {
            parsed.help = Some(if letter { HelpLength::Short } else { HelpLength::Long });
            return Ok(parsed);
        }
    }
}

/// Takes the rest of the line as the child's command if the child's command begins here. True if it did.
///
/// It begins after `--`, and at the first word that is not an option once the profile is known.
fn take_child(parser: &mut Parser, parsed: &mut Parsed) -> Result<bool> {
    let Some(mut rest) = parser.try_raw_args() else { return Ok(false) };
    let Some(next) = rest.peek() else { return Ok(false) };
    let is_word = next == "-" || !is_option(next);
    let marked = next == "--";
    match parsed.command {
        Some(CommandName::Exec) if marked => drop(rest.next()),
        Some(CommandName::Exec) if is_word && (parsed.profile.is_some() || parsed.has(Id::Profile)) => {}
        Some(command) if marked => {
            return Err(Error::usage(format!("{} runs no command, so `--` has no place in it", command.name())));
        }
        _ => return Ok(false),
    }
    parsed.child = rest.collect();
    Ok(true)
}

/// A word that is neither an option nor part of the child's command.
fn take_word(word: OsString, parsed: &mut Parsed) -> Result<()> {
    match parsed.command {
        Some(CommandName::Exec) => parsed.profile = Some(word),
        Some(CommandName::Help) => match parsed.topic {
            None => parsed.topic = Some(topic(&word)?),
            Some(Topic::Family(family)) => parsed.topic = Some(Topic::Command(member(family, &word)?)),
            Some(Topic::Command(_)) => return Err(no_argument(CommandName::Help.name(), &word)),
        },
        Some(CommandName::Completions) if parsed.shell.is_none() => parsed.shell = Some(Shell::of(&word)?),
        Some(CommandName::Credentials) => {
            let word = word.display();
            return Err(Error::usage(format!("credentials takes no argument, and was given `{word}`"))
                .hint(format!("a profile is named with `--profile {word}`")));
        }
        Some(command) if takes(command).kept().1 > parsed.words.len() => parsed.words.push(word),
        Some(command) if takes(command).kept().1 > 0 => {
            let (name, noun) = (command.name(), takes(command).noun());
            return Err(Error::usage(format!("{name} takes no {noun} more, and was given `{}`", word.display()))
                .hint(format!("`sentinel help {name}` shows how it is written")));
        }
        other => return Err(no_argument(other.map_or("sentinel", CommandName::name), &word)),
    }
    Ok(())
}

fn no_argument(name: &str, word: &OsStr) -> Error {
    Error::usage(format!("{name} takes no argument `{}` here", word.display()))
        .hint("`sentinel help` shows what each command takes")
}

/// The words that the command takes.
fn takes(command: CommandName) -> Words {
    command.info().map_or(Words::None, |info| info.words)
}

/// Refuses a line that lacks words which its command cannot do without.
fn check_words(parsed: &Parsed) -> Result<()> {
    let Some(info) = parsed.command.and_then(CommandName::info) else { return Ok(()) };
    if parsed.words.len() >= info.words.kept().0 {
        return Ok(());
    }
    let error = Error::usage(format!("{} needs {}", info.name, info.words.noun()));
    Err(match info.synopsis.first() {
        Some(synopsis) => error.hint(format!("`{synopsis}`")),
        None => error,
    })
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

/// The flag's value: attached by `=` (or to the letter), else the next argument unless that looks like an option.
fn take_value(parser: &mut Parser, flag: &Flag) -> Result<OsString> {
    let value = match parser.optional_value() {
        Some(value) => Some(value),
        None => parser.try_raw_args().and_then(|mut rest| rest.next_if(|next| !is_option(next))),
    };
    let name = flag.dashed();
    let Some(value) = value else {
        return Err(
            Error::usage(format!("{name} needs a value")).hint(format!("`{name} {}`", flag.value.unwrap_or_default()))
        );
    };
    if value.is_empty() {
        return Err(Error::usage(format!("{name} has an empty value")));
    }
    Ok(value)
}

/// What a first word names.
fn topic(word: &OsStr) -> Result<Topic> {
    let text = word.to_string_lossy();
    // `policy validate` in one word is none.
    let command = CommandName::of(&text).filter(|_| !text.contains(' ')).map(Topic::Command);
    command.or_else(|| Family::of(&text).map(Topic::Family)).ok_or_else(|| {
        Error::usage(format!("there is no command `{text}`"))
            .hint(meant_by(&text).unwrap_or_else(|| "`sentinel help` lists the commands".to_owned()))
    })
}

/// What a second word names.
fn member(family: &Family, second: &OsStr) -> Result<CommandName> {
    let text = second.to_string_lossy();
    let name = family.name;
    family.member(&text).ok_or_else(|| {
        let near = did_you_mean(&text, family.members().map(|(word, _)| word));
        Error::usage(format!("{name} has no command `{text}`"))
            .hint(near.unwrap_or_else(|| format!("`sentinel help {name}` lists them")))
    })
}

fn no_second_word(family: &Family) -> Error {
    let words: Vec<&str> = family.members().map(|(word, _)| word).collect();
    let (name, all) = (family.name, words.join(", "));
    Error::usage(format!("{name} needs a second word: {all}"))
        .hint(format!("`sentinel help {name}` says what each does"))
}

fn find_long(name: &str, command: Option<CommandName>) -> Result<&'static Flag> {
    let dashed = format!("--{name}");
    let named: Vec<&'static Flag> = FLAGS.iter().filter(|flag| flag.name == name).collect();
    if named.is_empty() {
        let known = FLAGS.iter().filter(|flag| flag.belongs_to(command)).map(Flag::dashed).collect::<Vec<_>>();
        let near = did_you_mean(&dashed, known.iter().map(String::as_str).filter(|known| is_near(name, known)));
        return Err(unknown(&dashed, command, near));
    }
    named.iter().find(|flag| flag.belongs_to(command)).copied().ok_or_else(|| misplaced(&named, &dashed, command))
}

fn find_short(letter: char, command: Option<CommandName>) -> Result<&'static Flag> {
    let dashed = format!("-{letter}");
    match FLAGS.iter().find(|flag| flag.short == Some(letter)) {
        Some(flag) if flag.belongs_to(command) => Ok(flag),
        Some(flag) => Err(misplaced(&[flag], &dashed, command)),
        None => Err(unknown(&dashed, command, None)),
    }
}

/// Whether the bare names are near: the dashes, which all have in common, must not make them so.
fn is_near(name: &str, dashed: &str) -> bool {
    !crate::nearest::nearest(name, [dashed.trim_start_matches('-')]).is_empty()
}

fn unknown(dashed: &str, command: Option<CommandName>, near: Option<String>) -> Error {
    let (who, help) = match command {
        Some(command) => (command.name(), format!("`sentinel help {}` lists its options", command.name())),
        None => ("sentinel", "`sentinel help` lists the commands; options follow them".to_owned()),
    };
    Error::usage(format!("{who} has no option {dashed}")).hint(near.unwrap_or(help))
}

/// These flags share the name, and none is the command's.
fn misplaced(flags: &[&Flag], dashed: &str, command: Option<CommandName>) -> Error {
    let owners: Vec<&str> = flags.iter().flat_map(|flag| flag.commands).map(|command| command.name()).collect();
    let owners = match owners.as_slice() {
        [] => return unknown(dashed, command, Some(format!("{dashed} stands alone: `sentinel {dashed}`"))),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, ..] => format!("{one}, {two} and others"),
    };
    let hint = match command {
        Some(_) => format!("{dashed} belongs to {owners}"),
        None => format!("{dashed} belongs to {owners}: write it after the command"),
    };
    unknown(dashed, command, Some(hint))
}

/// What lexopt itself can object to: a switch with a value.
fn usage_of(error: &lexopt::Error) -> Error {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            Error::usage(format!("{option} takes no value, and was given `{}`", value.display()))
        }
        other => Error::usage(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
