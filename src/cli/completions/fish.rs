//! Completions for fish 3.4 and later: `complete` lines, each with the place where it holds.

use super::{
    COMMANDS, FAMILIES, Flag, Value, Words, before_a_program, commands_with, fill, flags_of, second_words, shell_names,
    spellings, top_words,
};
use crate::cli::commands::{CommandName, Family, first_words};
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let mut lines = String::new();
    for word in first_words() {
        let info = CommandName::of(word).and_then(CommandName::info);
        let summary = info.map(|info| info.summary).or_else(|| Family::of(word).map(|family| family.summary));
        lines.push_str(&line("", &format!("-a {word} -d {}", quoted(summary.unwrap_or_default()))));
    }
    lines.extend(flags_of(None).map(|flag| option("", flag)));
    for family in FAMILIES {
        // The second word is wanted.
        let place = format!("{} \"\"", family.name);
        for (second, info) in family.members() {
            lines.push_str(&line(&place, &format!("-a {second} -d {}", quoted(info.summary))));
        }
        lines.extend(Flag::of(Id::Help).map(|flag| option(&place, flag)));
        lines.push_str(&line(&format!("help {}", family.name), &format!("-a {}", quoted(&second_words(family)))));
    }
    for info in COMMANDS {
        let words = match info.words {
            Words::None | Words::Id => None,
            Words::ProfileAndProgram => Some(line(info.name, "-a '(__sentinel_profiles)'")),
            Words::Command => Some(line(&format!("{} \"\"", info.name), &format!("-a {}", quoted(&top_words())))),
            Words::Shell => Some(line(info.name, &format!("-a {}", quoted(&shell_names())))),
            Words::Files(..) => Some(line(info.name, "-F")),
        };
        lines.extend(words);
        lines.extend(flags_of(Some(info.command)).map(|flag| option(info.name, flag)));
    }
    fill(
        include_str!("completion.fish"),
        &[
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
            ("with_value", before_a_program().flat_map(spellings).collect::<Vec<_>>().join(" ")),
            ("with_program", commands_with(Words::ProfileAndProgram).collect::<Vec<_>>().join(" ")),
            ("complete", lines),
        ],
    )
}

/// A line that holds among the words of `command`; without one, where a command is wanted.
fn line(command: &str, what: &str) -> String {
    let place = if command.is_empty() { "__sentinel_at".to_owned() } else { format!("'__sentinel_at {command}'") };
    format!("complete -c sentinel -n {place} {what}\n")
}

/// The line of an option of `command`.
fn option(command: &str, flag: &Flag) -> String {
    let short = flag.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let value = match Value::of(flag) {
        None => String::new(),
        Some(Value::Profiles) => " -x -a '(__sentinel_profiles)'".to_owned(),
        Some(Value::Files) => " -r -F".to_owned(),
        Some(Value::Directories) => " -x -a '(__fish_complete_directories (commandline -ct))'".to_owned(),
        Some(Value::Choice) => format!(" -x -a {}", quoted(&flag.choices.join(" "))),
        Some(Value::Free) => " -x".to_owned(),
    };
    line(command, &format!("-l {}{short}{value} -d {}", flag.name, quoted(flag.help)))
}

/// In single quotes, where only a quote and a backslash mean something.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests;
