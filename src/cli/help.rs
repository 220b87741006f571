//! Help, generated from the tables of commands and flags.

use super::commands::{COMMANDS, CommandInfo, CommandName, Family, Topic, first_words};
use super::flags::{FLAGS, Flag, Group};
use super::parse::HelpLength;

/// The text about a command or a family, or the overview.
pub fn text(topic: Option<Topic>, length: HelpLength) -> String {
    match topic {
        Some(Topic::Command(command)) => command.info().map_or_else(overview, |info| of_command(info, length)),
        Some(Topic::Family(family)) => of_family(family, length),
        None => overview(),
    }
}

fn overview() -> String {
    let mut text = String::from(
        "sentinel gives short-lived AWS credentials to one process tree.\n\nUsage: sentinel COMMAND [options]\n\nCommands:\n",
    );
    for word in first_words() {
        match (Family::of(word), CommandName::of(word).and_then(CommandName::info)) {
            (Some(family), _) => line(&mut text, &format!("{word} ..."), family.summary),
            (None, Some(info)) => line(&mut text, word, info.summary),
            (None, None) => {}
        }
    }
    options(&mut text, None, HelpLength::Short);
    text.push_str("\nExamples:\n");
    for (command, meaning) in COMMANDS.iter().filter(|info| info.parts().1.is_none()).flat_map(|info| info.examples) {
        example(&mut text, command, meaning);
    }
    text.push_str("\n`sentinel help COMMAND` says more about a command.\n");
    text
}

fn of_family(family: &Family, length: HelpLength) -> String {
    let name = family.name;
    let mut text =
        format!("sentinel {name}: {}\n\nUsage: sentinel {name} COMMAND [options]\n\nCommands:\n", family.summary);
    for (_, info) in family.members() {
        line(&mut text, info.name, info.summary);
    }
    let mut examples = family.members().flat_map(|(_, info)| info.examples).peekable();
    if length == HelpLength::Long && examples.peek().is_some() {
        text.push_str("\nExamples:\n");
        for (command, meaning) in examples {
            example(&mut text, command, meaning);
        }
    }
    text.push_str(&format!("\n`sentinel help {name} COMMAND` says more about a command.\n"));
    text
}

fn of_command(info: &CommandInfo, length: HelpLength) -> String {
    let mut text = format!("sentinel {}: {}\n\nUsage:\n", info.name, info.summary);
    for synopsis in info.synopsis {
        text.push_str(&format!("  {synopsis}\n"));
    }
    if length == HelpLength::Long {
        for paragraph in info.description {
            text.push('\n');
            wrap(&mut text, "", paragraph);
        }
    }
    options(&mut text, Some(info.command), length);
    if length == HelpLength::Short {
        text.push_str(&format!("\n`sentinel help {}` says more.\n", info.name));
        return text;
    }
    if !info.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for (command, meaning) in info.examples {
            example(&mut text, command, meaning);
        }
    }
    text.push_str("\nExit status:\n");
    for (status, meaning) in info.statuses {
        line(&mut text, status, meaning);
    }
    text
}

/// The flags that `command` takes, group by group. One group alone is called "Options".
fn options(text: &mut String, command: Option<CommandName>, length: HelpLength) {
    let taken = |group: Group| {
        FLAGS.iter().filter(move |flag| flag.group == group && flag.belongs_to(command)).collect::<Vec<&Flag>>()
    };
    let groups: Vec<(Group, Vec<&Flag>)> =
        Group::ALL.into_iter().map(|group| (group, taken(group))).filter(|(_, flags)| !flags.is_empty()).collect();
    let alone = groups.len() == 1;
    for (group, flags) in groups {
        text.push_str(&format!("\n{}:\n", if alone { "Options" } else { group.title() }));
        for flag in flags {
            line(text, &spelling(flag), flag.help);
            if length == HelpLength::Long {
                if !flag.more.is_empty() {
                    wrap(text, MARGIN, flag.more);
                }
                if let Some(variable) = flag.variable {
                    wrap(text, MARGIN, &format!("Environment: {variable}"));
                }
            }
        }
    }
}

/// `-d, --duration TIME`.
fn spelling(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}{}{value}", flag.dashed())
}

fn line(text: &mut String, left: &str, right: &str) {
    text.push_str(&format!("  {left:<28}  {right}\n"));
}

fn example(text: &mut String, command: &str, meaning: &str) {
    text.push_str(&format!("  {command}\n      {meaning}\n"));
}

/// Adds a paragraph, broken at spaces so that lines stay within [`WIDTH`].
fn wrap(text: &mut String, margin: &str, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(margin);
            column = margin.len();
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// Columns that help uses at most, where a word or an example does not need more.
const WIDTH: usize = 100;

/// What stands before a flag's further lines: as wide as what stands before its help.
const MARGIN: &str = "                                ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::FAMILIES;
    use crate::cli::flags::EVERY;

    fn about(command: CommandName, length: HelpLength) -> String {
        text(Some(Topic::Command(command)), length)
    }

    #[test]
    fn help_shows_each_flag_of_the_command_and_no_other() {
        for command in EVERY.iter().copied() {
            for length in [HelpLength::Short, HelpLength::Long] {
                let text = about(command, length);
                for flag in FLAGS {
                    let line = format!("  {:<28}  {}\n", spelling(flag), flag.help);
                    assert_eq!(
                        text.contains(&line),
                        flag.belongs_to(Some(command)),
                        "{} {}",
                        command.name(),
                        flag.name
                    );
                }
            }
        }
    }

    #[test]
    fn long_help_names_every_variable() {
        for command in EVERY.iter().copied() {
            let text = about(command, HelpLength::Long);
            for flag in FLAGS.iter().filter(|flag| flag.belongs_to(Some(command))) {
                let Some(variable) = flag.variable else { continue };
                assert!(text.contains(&format!("Environment: {variable}\n")), "{variable}");
            }
        }
    }

    #[test]
    fn the_overview_names_every_command_or_its_family_and_the_flags_of_its_own() {
        let text = text(None, HelpLength::Long);
        for info in COMMANDS.iter().filter(|info| info.parts().1.is_none()) {
            assert!(text.contains(&format!("  {:<28}  {}\n", info.name, info.summary)), "{}", info.name);
        }
        for family in FAMILIES {
            let name = format!("{} ...", family.name);
            assert!(text.contains(&format!("  {name:<28}  {}\n", family.summary)), "{name}");
        }
        assert!(text.contains("-V, --version"));
        assert!(!text.contains("--duration"));
    }

    #[test]
    fn help_of_a_family_names_its_commands() {
        let of = |length| text(Family::of("log").map(Topic::Family), length);
        let short = "sentinel log: verify and read the decision log\n\
             \n\
             Usage: sentinel log COMMAND [options]\n\
             \n\
             Commands:\n  log verify                    find lines that were cut, changed, moved or removed\n  \
             log show                      print decisions for people\n\
             \n\
             `sentinel help log COMMAND` says more about a command.\n";
        assert_eq!(of(HelpLength::Short), short);
        assert!(of(HelpLength::Long).contains("\nExamples:\n  sentinel log verify\n"));
    }

    #[test]
    fn lines_are_not_wider_than_a_window_and_have_no_space_at_the_end() {
        let commands = EVERY.iter().copied().map(Topic::Command);
        for topic in commands.chain(FAMILIES.iter().map(Topic::Family)).map(Some).chain([None]) {
            for length in [HelpLength::Short, HelpLength::Long] {
                for line in text(topic, length).lines() {
                    let is_example = line.starts_with("  sentinel ");
                    assert!(is_example || line.chars().count() <= WIDTH, "{line}");
                    assert_eq!(line.trim_end(), line);
                }
            }
        }
    }

    #[test]
    fn help_of_version_is_this() {
        let expected = "sentinel version: print the version\n\
             \n\
             Usage:\n  sentinel version\n\
             \n\
             Options:\n  -h, --help                    print help: -h short, --help long\n\
             \n\
             Exit status:\n  0                             done\n  1                             failed or refused\n  \
             2                             wrong usage\n";
        assert_eq!(about(CommandName::Version, HelpLength::Long), expected);
    }
}
