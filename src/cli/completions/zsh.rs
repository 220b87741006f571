//! Completions for zsh: `_arguments` specifications, in a file for `$fpath` or for `source`.

use super::{COMMANDS, FLAGS, Flag, Value, Words, fill, flags_of, spellings};
use crate::cli::commands::CommandInfo;
use crate::cli::flags::Id;

pub(super) fn script() -> String {
    let described = |info: &CommandInfo| format!("{:12}{}\n", "", quoted(&format!("{}:{}", info.name, info.summary)));
    let with_value = FLAGS.iter().filter(|flag| flag.value.is_some() && flag.id != Id::Profile);
    fill(
        include_str!("completion.zsh"),
        &[
            ("commands", COMMANDS.iter().map(described).collect()),
            ("own_options", flags_of(None).map(specification).collect::<Vec<_>>().join(" ")),
            ("cases", COMMANDS.iter().map(case).collect()),
            ("profile", Flag::of(Id::Profile).map(Flag::dashed).unwrap_or_default()),
            ("with_value", with_value.flat_map(spellings).collect::<Vec<_>>().join(" | ")),
        ],
    )
}

/// What completes the words of one command.
fn case(info: &CommandInfo) -> String {
    let mut case = format!("        {})\n", info.name);
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
    case.push_str(match info.words {
        Words::None => "",
        Words::ProfileAndProgram => " '*:profile:_sentinel_profiles'",
        Words::Command => " \"1:command:(@command_names@)\"",
        Words::Shell => " \"1:shell:(@shell_names@)\"",
    });
    case.push_str("\n            ;;\n");
    case.replace("@command_names@", &super::command_names()).replace("@shell_names@", &super::shell_names())
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
