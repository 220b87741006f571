//! Completions for bash 3.2 and later: `complete -F`, with or without the bash-completion package.

use super::{COMMANDS, FLAGS, Flag, Value, Words, command_names, fill, flags_of, shell_names, spellings};
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let mut options = arm("''", &format!("{} {}", command_names(), words(flags_of(None))));
    let mut words_of = String::new();
    for info in COMMANDS {
        options.push_str(&arm(info.name, &words(flags_of(Some(info.command)))));
        words_of.push_str(&arm(
            info.name,
            &match info.words {
                Words::None => "@nothing".to_owned(),
                Words::ProfileAndProgram => "@program".to_owned(),
                Words::Command => command_names(),
                Words::Shell => shell_names(),
            },
        ));
    }
    fill(
        include_str!("completion.bash"),
        &[
            ("options", options),
            ("values", FLAGS.iter().filter_map(value).collect()),
            ("words", words_of),
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
        ],
    )
}

/// The options in all their spellings, with blanks between them.
fn words(flags: impl Iterator<Item = &'static Flag>) -> String {
    flags.flat_map(spellings).collect::<Vec<_>>().join(" ")
}

/// The arm of `_sentinel_value` for an option; none for a switch.
fn value(flag: &Flag) -> Option<String> {
    let offered = match Value::of(flag)? {
        Value::Profiles => "@profiles".to_owned(),
        Value::Files => "@files".to_owned(),
        Value::Directories => "@directories".to_owned(),
        Value::Choice => flag.choices.join(" "),
        Value::Free => "@nothing".to_owned(),
    };
    Some(arm(&spellings(flag).collect::<Vec<_>>().join(" | "), &offered))
}

/// An arm of a `case`. Nothing in the tables needs quoting: a test checks that.
fn arm(pattern: &str, printed: &str) -> String {
    format!("        {pattern}) echo '{printed}' ;;\n")
}

#[cfg(test)]
mod tests;
