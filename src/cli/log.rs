//! `sentinel log ...`: verifies and shows the decision log.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::prepare::log_path;
use super::settings::{LogCommand, ShowLog, VerifyLog, When};
use crate::clock::{Clock, SystemClock};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::chain::Head;
use crate::log::ratchet::read_key;
use crate::log::reader::{self, Lines};
use crate::log::show::{Filter, Shown, show as shown};
use crate::log::syslog::HEAD_WORD;
use crate::log::verify::{Report, Verifier};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When a file cannot be read, or the output not be written.
pub(super) fn run(settings: &LogCommand, env: &Env) -> Result<u8> {
    match settings {
        LogCommand::Verify(settings) => verify(settings, env),
        LogCommand::Show(settings) => show(settings, env),
    }
}

/// Says what is wrong with the log: 0 if nothing is, 1 if something is.
fn verify(settings: &VerifyLog, env: &Env) -> Result<u8> {
    let key = settings.key.as_deref().map(read_key).transpose()?;
    let mut verifier = Verifier::new(key);
    settings.heads.iter().for_each(|head| verifier.expect(*head));
    if let Some(path) = &settings.syslog {
        let (file, _) = reader::open("what syslog kept,", path)?;
        let mut lines = Lines::of(file);
        while let Some(raw) = lines.read().map_err(|error| unreadable(path, error))? {
            raw.bytes.into_iter().for_each(|line| verifier.expect_from(line));
        }
    }
    let paths = files(&settings.files, settings.log_file.as_deref(), settings.state_dir.as_deref(), env)?;
    let mut opened = Vec::new();
    for path in &paths {
        opened.push((path, reader::open("the decision log", path)?));
    }
    // What is written meanwhile is for the next time: both readings are of the same lines.
    for (path, (file, length)) in &mut opened {
        let mut lines = Lines::of(again(path, file)?.take(*length));
        while let Some(raw) = lines.read().map_err(|error| unreadable(path, error))? {
            raw.bytes.into_iter().for_each(|line| verifier.look_ahead(line));
        }
    }
    for (path, (file, length)) in &mut opened {
        let number = verifier.file(&path.display().to_string());
        let mut lines = Lines::of(again(path, file)?.take(*length));
        while let Some(raw) = lines.read().map_err(|error| unreadable(path, error))? {
            verifier.check(Verifier::place(number, raw.number), raw.bytes);
        }
    }
    let report = verifier.finish();
    output(|out| print_report(&report, settings.json, out))?;
    Ok(u8::from(!report.findings.is_empty()))
}

fn print_report(report: &Report, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let heads: Vec<String> = report.heads.iter().map(Head::to_string).collect();
    if json {
        let value = serde_json::json!({
            "whole": report.findings.is_empty(),
            "findings": report.findings,
            "more_findings": report.more_findings,
            "notes": report.notes,
            "more_notes": report.more_notes,
            "heads": heads,
            "lines": report.lines,
        });
        return writeln!(out, "{value}");
    }
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for (more, what) in [(report.more_findings, "findings"), (report.more_notes, "notes")] {
        if more > 0 {
            writeln!(out, "and {more} more {what}")?;
        }
    }
    for head in &heads {
        writeln!(out, "{HEAD_WORD} {head}")?;
    }
    let findings = u64::try_from(report.findings.len()).unwrap_or(u64::MAX).saturating_add(report.more_findings);
    let (lines, streams) = (count(report.lines, "line"), count(u64::try_from(heads.len()).unwrap_or(0), "stream"));
    match findings {
        0 => writeln!(out, "whole: {lines}, {streams}"),
        found => writeln!(out, "NOT whole: {} in {lines}, {streams}", count(found, "finding")),
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Prints the decisions that are wanted.
fn show(settings: &ShowLog, env: &Env) -> Result<u8> {
    let filter = Filter {
        user: settings.user.clone(),
        profile: settings.profile.clone(),
        effect: settings.effect.map(|effect| effect.as_str().to_owned()),
        since: settings.since.map(time),
        until: settings.until.map(time),
    };
    let paths = files(&settings.files, settings.log_file.as_deref(), settings.state_dir.as_deref(), env)?;
    for path in &paths {
        let (file, length) = reader::open("the decision log", path)?;
        let mut lines = Lines::of(file.take(length));
        let mut failed = None;
        output(|out| {
            loop {
                match lines.read() {
                    Ok(None) => return Ok(()),
                    Err(error) => {
                        failed = Some(unreadable(path, error));
                        return Ok(());
                    }
                    Ok(Some(raw)) => match shown(raw.bytes, &filter, settings.json) {
                        Shown::Line(line) => writeln!(out, "{line}")?,
                        // Whoever reads JSON cannot use it.
                        Shown::Foreign(text) if !settings.json => writeln!(out, "{text}")?,
                        Shown::Foreign(_) | Shown::Not => {}
                    },
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(0)
}

/// As early as can be, where it is longer ago than there are times.
fn time(when: When) -> Timestamp {
    match when {
        When::At(time) => time,
        When::Ago(ago) => SystemClock.wall().checked_sub(ago).unwrap_or(Timestamp::MIN),
    }
}

/// Those that were named, else the log of this user.
fn files(named: &[PathBuf], log_file: Option<&Path>, state_dir: Option<&Path>, env: &Env) -> Result<Vec<PathBuf>> {
    if named.is_empty() { Ok(vec![log_path(log_file, state_dir, env)?]) } else { Ok(named.to_vec()) }
}

fn again<'a>(path: &Path, file: &'a mut File) -> Result<&'a mut File> {
    file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(path, error))?;
    Ok(file)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(format!("cannot read {}", path.display())).because(error)
}

/// Writes to stdout. A reader that has gone (`sentinel log show | head -1`) has what it wanted.
fn output(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to stdout").because(error))
        }
        _ => Ok(()),
    }
}
