//! The man page, generated from the tables of commands and flags: roff with the macros of man(7).

use super::commands::{COMMANDS, CommandInfo};
use super::flags::{FLAGS, Flag, Group};

/// sentinel(1). The same for every build of a version: it has no date.
pub fn page() -> String {
    let mut roff = format!(
        ".\\\" Written by `sentinel man`.\n.TH SENTINEL 1 \"\" \"sentinel {}\" \"User Commands\"\n\
         .\\\" No hyphenation, and ragged lines: names of options stay whole.\n.nh\n.ad l\n",
        text(env!("CARGO_PKG_VERSION"))
    );
    roff.push_str(".SH NAME\nsentinel \\- give short\\-lived AWS credentials to one process tree\n.SH SYNOPSIS\n");
    let synopses: Vec<String> = COMMANDS.iter().flat_map(|info| info.synopsis).map(|line| text(line)).collect();
    roff.push_str(&synopses.join("\n.br\n"));
    roff.push_str("\n.SH COMMANDS\n");
    roff.extend(COMMANDS.iter().map(command));
    roff.push_str(".SH OPTIONS\n");
    for group in Group::ALL {
        roff.push_str(&format!(".SS {}\n", heading(group.title())));
        roff.extend(FLAGS.iter().filter(|flag| flag.group == group).map(option));
    }
    roff.push_str(".SH ENVIRONMENT\nAn option on the command line goes before its variable.\n");
    for (flag, variable) in FLAGS.iter().filter_map(|flag| Some((flag, flag.variable?))) {
        roff.push_str(&tagged(&bold(variable), &format!("stands in for {}", bold(&flag.dashed()))));
    }
    roff.push_str(".SH FILES\n");
    for (path, meaning) in FILES {
        roff.push_str(&tagged(&bold(path), &prose(meaning)));
    }
    roff.push_str(".SH EXAMPLES\n");
    for (line, meaning) in COMMANDS.iter().flat_map(|info| info.examples) {
        roff.push_str(&tagged(&bold(line), &text(meaning)));
    }
    roff
}

/// Files that every run reads or writes, and what they are for.
const FILES: [(&str, &str); 3] = [
    (
        "~/.config/sentinel/config.json",
        "Settings of the user's, or in $XDG_CONFIG_HOME: a JSON object whose names are those of the options above that have a \
         variable, without dashes. Variables go before it.",
    ),
    (
        "/etc/sentinel/config.json",
        "Settings of the administrator's, which come after the user's. A list `locked` names those that nobody else may change, and \
         `require_policy` demands a policy. It counts only if root alone may write it and the directories above it; otherwise \
         sentinel does not run.",
    ),
    (
        "~/.local/state/sentinel",
        "The state directory, or in $XDG_STATE_HOME, and /var/lib/sentinel as root: the decision log and records, where no option names \
         another place.",
    ),
];

/// A command's section: how it is written, what it does, how it ends.
fn command(info: &CommandInfo) -> String {
    let mut roff = format!(".SS {}\n{}.\n", heading(info.name), capitalised(&prose(info.summary)));
    for paragraph in info.description {
        roff.push_str(&format!(".PP\n{}\n", prose(paragraph)));
    }
    let taken: Vec<String> =
        FLAGS.iter().filter(|flag| flag.belongs_to(Some(info.command))).map(|flag| bold(&flag.dashed())).collect();
    if !taken.is_empty() {
        roff.push_str(&format!(".PP\nOptions: {}.\n", taken.join(", ")));
    }
    roff.push_str(".PP\nExit status:\n");
    for (status, meaning) in info.statuses {
        roff.push_str(&tagged(&bold(status), &prose(meaning)));
    }
    roff
}

/// An option's paragraph.
fn option(flag: &Flag) -> String {
    let mut tag = bold(&flag.dashed());
    if let Some(letter) = flag.short {
        tag = format!("{}, {tag}", bold(&format!("-{letter}")));
    }
    if let Some(value) = flag.value {
        tag.push_str(&format!(" \\fI{}\\fR", text(value)));
    }
    let mut body = format!("{}.", capitalised(&prose(flag.help)));
    if !flag.more.is_empty() {
        body.push_str(&format!("\n{}", prose(flag.more)));
    }
    // Another of that name means something else to other commands.
    if FLAGS.iter().any(|other| other.name == flag.name && other.id != flag.id) {
        let owners: Vec<String> = flag.commands.iter().map(|command| bold(command.name())).collect();
        body.push_str(&format!("\nSo for {}.", owners.join(", ")));
    }
    tagged(&tag, &body)
}

/// A paragraph that begins with a tag.
fn tagged(tag: &str, body: &str) -> String {
    format!(".TP\n{tag}\n{body}\n")
}

/// Text in which `code` is bold.
fn prose(words: &str) -> String {
    let piece = |(index, part): (usize, &str)| if index % 2 == 1 { bold(part) } else { text(part) };
    guarded(words.split('`').enumerate().map(piece).collect())
}

fn bold(words: &str) -> String {
    format!("\\fB{}\\fR", text(words))
}

/// An argument of a macro.
fn heading(words: &str) -> String {
    format!("\"{}\"", text(words))
}

/// Characters that mean something to roff, or that it would print as another: `-` as a hyphen, `'` as a curly quote.
fn text(words: &str) -> String {
    let mut roff = String::with_capacity(words.len());
    for character in words.chars() {
        match character {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '"' => roff.push_str("\\(dq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            other => roff.push(other),
        }
    }
    guarded(roff)
}

/// A line that begins with a dot would be a request.
fn guarded(line: String) -> String {
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

/// The first letter in upper case, unless markup is what comes first.
fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), characters.as_str()))
}

#[cfg(test)]
mod tests;
