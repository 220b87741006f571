//! Completions for bash 3.2 and later: `complete -F`, with or without the bash-completion package.

use super::{
    COMMANDS, FAMILIES, FLAGS, Flag, Value, Words, fill, flags_of, second_words, shell_names, spellings, top_words,
};
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let mut options = arm("''", &format!("{} {}", top_words(), words(flags_of(None))));
    let mut families = String::new();
    for family in FAMILIES {
        options.push_str(&arm(family.name, &format!("{} -h --help", second_words(family))));
        families.push_str(&arm(family.name, &second_words(family)));
    }
    let mut words_of = String::new();
    for info in COMMANDS {
        options.push_str(&arm(&pattern(info.name), &words(flags_of(Some(info.command)))));
        words_of.push_str(&arm(
            &pattern(info.name),
            &match info.words {
                Words::None | Words::Id => "@nothing".to_owned(),
                Words::ProfileAndProgram => "@program".to_owned(),
                Words::Command => "@topics".to_owned(),
                Words::Shell => shell_names(),
                Words::Files(..) => "@files".to_owned(),
            },
        ));
    }
    fill(
        include_str!("completion.bash"),
        &[
            ("options", options),
            ("families", families),
            ("values", FLAGS.iter().filter_map(value).collect()),
            ("words", words_of),
            ("top", top_words()),
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
        ],
    )
}

/// A command's name as a pattern of `case`.
fn pattern(name: &str) -> String {
    if name.contains(' ') { format!("'{name}'") } else { name.to_owned() }
}

/// The options in all their spellings, with blanks between them.
fn words(flags: impl Iterator<Item = &'static Flag>) -> String {
    flags.flat_map(spellings).collect::<Vec<_>>().join(" ")
}

/// The arm of `_sentinel_value` for an option; none for a switch. One whose name means something else to other commands is
/// looked up with its command.
fn value(flag: &Flag) -> Option<String> {
    let offered = match Value::of(flag)? {
        Value::Profiles => "@profiles".to_owned(),
        Value::Files => "@files".to_owned(),
        Value::Directories => "@directories".to_owned(),
        Value::Choice => flag.choices.join(" "),
        Value::Free => "@nothing".to_owned(),
    };
    let differs = |other: &&Flag| {
        other.name == flag.name && (Value::of(other) != Value::of(flag) || other.choices != flag.choices)
    };
    let patterns: Vec<String> = if FLAGS.iter().any(|other| differs(&other)) {
        flag.commands.iter().map(|command| format!("'{} {}'", command.name(), flag.dashed())).collect()
    } else {
        spellings(flag).map(|spelling| format!("*' {spelling}'")).collect()
    };
    Some(arm(&patterns.join(" | "), &offered))
}

/// An arm of a `case`. Nothing in the tables needs quoting: a test checks that.
fn arm(pattern: &str, printed: &str) -> String {
    format!("        {pattern}) echo '{printed}' ;;\n")
}

#[cfg(test)]
mod tests;
