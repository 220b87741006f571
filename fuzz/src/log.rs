//! A decision log: in a log of which nothing is said, no line can be left out or repeated without a word, and nothing that is
//! said or shown of any log moves a terminal's cursor.

use sentinel::log::reader::Lines;
use sentinel::log::show::{Filter, Shown, show};
use sentinel::log::verify::{Report, Verifier};
use zeroize::Zeroizing;

/// See the module.
pub fn check(bytes: &[u8]) {
    let lines = lines(bytes);
    let report = verified(&lines, None, &[]);
    let text = [report.findings.as_slice(), &report.notes].concat();
    assert!(text.iter().all(|line| line.len() < 1024 && !line.chars().any(char::is_control)), "{text:?}");
    for line in &lines {
        for raw in [false, true] {
            if let Shown::Line(text) | Shown::Foreign(text) = show(line.as_deref(), &Filter::default(), raw) {
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
    // The same lines, as syslog may have kept them, are in the log, however broken it is.
    let again = verified(&lines, None, &lines);
    assert_eq!(again.lines, report.lines);
    drop(verified(&lines, Some(b"a key of thirty-two bytes, or so"), &[]));
    if report.findings.is_empty() && report.notes.is_empty() {
        assert_eq!(again, report);
        for (at, line) in
            lines.iter().enumerate().filter(|(_, line)| line.as_ref().is_some_and(|line| !line.is_empty()))
        {
            let (mut fewer, mut more) = (lines.clone(), lines.clone());
            fewer.remove(at);
            more.insert(at, line.clone());
            for changed in [fewer, more] {
                let report = verified(&changed, None, &[]);
                assert!(!report.findings.is_empty() || !report.notes.is_empty(), "line {at}");
            }
        }
    }
}

type Line = Option<Vec<u8>>;

fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Lines::of(bytes);
    let mut found = Vec::new();
    while let Some(raw) = lines.read().expect("memory can be read") {
        found.push(raw.bytes.map(<[u8]>::to_vec));
    }
    found
}

fn verified(lines: &[Line], key: Option<&[u8]>, syslog: &[Line]) -> Report {
    let mut verifier = Verifier::new(key.map(|key| Zeroizing::new(key.to_vec())));
    syslog.iter().flatten().for_each(|line| verifier.expect_from(line));
    lines.iter().flatten().for_each(|line| verifier.look_ahead(line));
    let file = verifier.file("log");
    for (number, line) in (1..).zip(lines) {
        verifier.check(Verifier::place(file, number), line.as_deref());
    }
    verifier.finish()
}
