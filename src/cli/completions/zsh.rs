//! Completions for zsh: `_arguments` specifications, in a file for `$fpath` or for `source`.

use super::{
    COMMANDS, FAMILIES, Flag, Value, Words, before_a_program, fill, flags_of, second_words, shell_names, spellings,
    top_words,
};
use crate::cli::commands::{CommandInfo, CommandName, Family, first_words};
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let commands = first_words().map(|word| {
        let info = CommandName::of(word).and_then(CommandName::info);
        let summary = info.map(|info| info.summary).or_else(|| Family::of(word).map(|family| family.summary));
        described(word, summary.unwrap_or_default())
    });
    let seconds = |family: &Family| format!("{:8}{}) topics=({}) ;;\n", "", family.name, second_words(family));
    fill(
        include_str!("completion.zsh"),
        &[
            ("commands", commands.collect()),
            ("own_options", flags_of(None).map(specification).collect::<Vec<_>>().join(" ")),
            ("families", FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>().join(" | ")),
            ("cases", FAMILIES.iter().map(family).chain(COMMANDS.iter().map(case)).collect()),
            ("top", top_words()),
            ("seconds", FAMILIES.iter().map(seconds).collect()),
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
            ("with_value", before_a_program().flat_map(spellings).collect::<Vec<_>>().join(" | ")),
        ],
    )
}

/// A line of an array for `_describe`.
fn described(word: &str, summary: &str) -> String {
    // A colon ends the word; those after the first are the summary's.
    format!("{:12}{}\n", "", quoted(&format!("{word}:{summary}")))
}

/// What completes the second word.
fn family(family: &Family) -> String {
    let members: String = family.members().map(|(word, info)| described(word, info.summary)).collect();
    let help = Flag::of(Id::Help).map(specification).unwrap_or_default();
    format!(
        "        {})\n            commands=(\n{members}            )\n            \
         _describe -t commands command commands\n            shift words\n            ((CURRENT--))\n            \
         _arguments : {help}\n            ;;\n",
        family.name
    )
}

/// What completes the words of one command.
fn case(info: &CommandInfo) -> String {
    let mut case = format!("        {})\n", pattern(info.name));
    if info.words == Words::ProfileAndProgram {
        case.push_str(
            "            if _sentinel_program; then\n                \
             words=(\"${(@)words[REPLY,-1]}\")\n                \
             ((CURRENT -= REPLY - 1))\n                \
             _normal\n                \
             return\n            fi\n",
        );
    }
    case.push_str("            options=(\n");
    for flag in flags_of(Some(info.command)) {
        case.push_str(&format!("                {}\n", specification(flag)));
    }
    case.push_str("            )\n            shift words\n            ((CURRENT--))\n            ");
    case.push_str("_arguments -s -S : \"${options[@]}\"");
    case.push_str(&match info.words {
        Words::None | Words::Id => String::new(),
        Words::ProfileAndProgram => " '*:profile:_sentinel_profiles'".to_owned(),
        Words::Command => " '*:command:_sentinel_topics'".to_owned(),
        Words::Shell => format!(" \"1:shell:({})\"", shell_names()),
        Words::Files(..) => " '*:file:_files'".to_owned(),
    });
    case.push_str("\n            ;;\n");
    case
}

/// A command's name as a pattern of `case`.
fn pattern(name: &str) -> String {
    if name.contains(' ') { quoted(name) } else { name.to_owned() }
}

/// The option as `_arguments` wants it: `'(-d --duration)'{-d,--duration=}'[help]:TIME:'`.
fn specification(flag: &Flag) -> String {
    let value = Value::of(flag);
    let sign = if value.is_some() { "=" } else { "" };
    let help = flag.help.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
    let mut rest = format!("[{help}]");
    if let Some(value) = value {
        let action = match value {
            Value::Profiles => "_sentinel_profiles".to_owned(),
            Value::Files => "_files".to_owned(),
            Value::Directories => "_files -/".to_owned(),
            Value::Choice => format!("({})", flag.choices.join(" ")),
            // Something is wanted, and nothing is known about it.
            Value::Free => " ".to_owned(),
        };
        rest.push_str(&format!(":{}:{action}", flag.value.unwrap_or_default()));
    }
    match flag.short {
        // `-d15m`, `-d 15m`; `--duration=15m`, `--duration 15m`.
        Some(letter) => {
            let plus = if sign.is_empty() { "" } else { "+" };
            format!("'(-{letter} --{0})'{{-{letter}{plus},--{0}{sign}}}{1}", flag.name, quoted(&rest))
        }
        None => quoted(&format!("--{}{sign}{rest}", flag.name)),
    }
}

/// In single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
