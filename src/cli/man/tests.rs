use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::cli::commands::CommandName;
use crate::cli::flags::Id;

/// The section that begins with this heading.
fn section(title: &str) -> String {
    let page = page();
    let start = page.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no {title}")) + 1;
    let rest = &page[start..];
    let length = rest[1..].find("\n.S").map_or(rest.len(), |end| end + 2);
    rest[..length].to_owned()
}

/// What a program prints when it is given the page, and what it says on stderr; `None` if it is not installed.
fn through(words: &[&str]) -> Option<(String, String)> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        writeln!(std::io::stderr(), "skipped: the man page: {} is not installed", words[0]).expect("stderr");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    // It reads all of the page before it has printed more than a pipe holds.
    stdin.write_all(page().as_bytes()).expect("the page is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Some((text(output.stdout), text(output.stderr)))
}

#[test]
fn every_command_lists_exactly_its_flags() {
    for info in COMMANDS {
        let section = section(&format!(".SS \"{}\"", info.name));
        let line = section.lines().find_map(|line| line.strip_prefix("Options: ")).expect("options");
        let listed: Vec<&str> = line.strip_suffix('.').expect("a full stop").split(", ").collect();
        let taken: Vec<String> =
            FLAGS.iter().filter(|flag| flag.belongs_to(Some(info.command))).map(|flag| bold(&flag.dashed())).collect();
        assert_eq!(listed, taken, "{}", info.name);
    }
}

#[test]
fn every_flag_has_a_paragraph_and_every_variable_one() {
    let page = page();
    for flag in FLAGS {
        assert_eq!(page.matches(&option(flag)).count(), 1, "{}", flag.name);
    }
    let environment = section(".SH ENVIRONMENT");
    for variable in FLAGS.iter().filter_map(|flag| flag.variable) {
        assert!(environment.contains(&format!("\n\\fB{variable}\\fR\n")), "{variable}");
    }
    for example in COMMANDS.iter().flat_map(|info| info.examples) {
        assert!(section(".SH EXAMPLES").contains(&bold(example.0)), "{}", example.0);
    }
}

#[test]
fn the_files_are_named() {
    let files = section(".SH FILES");
    for (path, _) in FILES {
        assert!(files.contains(&format!(".TP\n{}\n", bold(path))), "{path}");
    }
}

#[test]
fn an_option_looks_like_this() {
    let flag = Flag { help: "how long `it` lives (1h)", more: "", ..*Flag::of(Id::Duration).expect("a flag") };
    assert_eq!(
        option(&flag),
        ".TP\n\\fB\\-d\\fR, \\fB\\-\\-duration\\fR \\fITIME\\fR\nHow long \\fBit\\fR lives (1h).\n\
         So for \\fBexec\\fR, \\fBcredentials\\fR.\n"
    );
    let strict = Flag::of(Id::Strict).expect("a flag");
    assert_eq!(option(strict), ".TP\n\\fB\\-\\-strict\\fR\nWarnings count as errors.\n");
}

#[test]
fn the_section_of_a_command_looks_like_this() {
    let version = CommandName::Version.info().expect("a line");
    assert_eq!(
        command(version),
        ".SS \"version\"\nPrint the version.\n.PP\nOptions: \\fB\\-\\-help\\fR.\n.PP\nExit status:\n\
         .TP\n\\fB0\\fR\ndone\n.TP\n\\fB1\\fR\nfailed or refused\n.TP\n\\fB2\\fR\nwrong usage\n"
    );
}

#[test]
fn the_page_has_a_version_and_no_date() {
    let title = format!(".TH SENTINEL 1 \"\" \"sentinel {}\" \"User Commands\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(page().lines().nth(1), Some(title.as_str()));
}

#[test]
fn what_means_something_to_roff_is_escaped() {
    assert_eq!(text(r#".a-b\c'd"e`f^g~h"#), r"\&.a\-b\ec\(aqd\(dqe\(gaf\(hag\(tih");
    assert_eq!(prose("run `a-b`, or not"), r"run \fBa\-b\fR, or not");
    assert_eq!(prose("`.x` begins it"), r"\fB\&.x\fR begins it");
}

#[test]
fn groff_has_nothing_to_warn_about_and_prints_what_a_shell_takes() {
    let Some((printed, warnings)) = through(&["groff", "-man", "-ww", "-Tutf8", "-P-cbou"]) else { return };
    assert_eq!(warnings, "");
    for wanted in ["--source-identity WHEN", "source <(sentinel completions bash)", "~/.aws/config", "CMD's own"] {
        assert!(printed.contains(wanted), "no {wanted} in\n{printed}");
    }
}

#[test]
fn mandoc_misses_the_date_and_nothing_else() {
    let Some((remarks, _)) = through(&["mandoc", "-T", "lint", "-W", "warning"]) else { return };
    let remarks: Vec<&str> = remarks.lines().filter(|line| !line.contains("missing date, using \"\": TH")).collect();
    assert_eq!(remarks, [""; 0]);
}
