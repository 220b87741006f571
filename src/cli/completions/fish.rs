//! Completions for fish 3.4 and later: `complete` lines, each with the place where it holds.

use super::{
    COMMANDS, FLAGS, Flag, Value, Words, command_names, commands_with, fill, flags_of, shell_names, spellings,
};
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let mut lines = String::new();
    for info in COMMANDS {
        lines.push_str(&line("", &format!("-a {} -d {}", info.name, quoted(info.summary))));
    }
    lines.extend(flags_of(None).map(|flag| option("", flag)));
    for info in COMMANDS {
        let words = match info.words {
            Words::None => None,
            Words::ProfileAndProgram => Some("(__sentinel_profiles)".to_owned()),
            Words::Command => Some(command_names()),
            Words::Shell => Some(shell_names()),
        };
        lines.extend(words.map(|words| line(info.name, &format!("-a {}", quoted(&words)))));
        lines.extend(flags_of(Some(info.command)).map(|flag| option(info.name, flag)));
    }
    let with_value = FLAGS.iter().filter(|flag| flag.value.is_some() && flag.id != Id::Profile);
    fill(
        include_str!("completion.fish"),
        &[
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
            ("with_value", with_value.flat_map(spellings).collect::<Vec<_>>().join(" ")),
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
