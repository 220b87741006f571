//! Differences between two texts, line by line, in the unified format of diff(1) and git.

use std::fmt::Write;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// The most pairs of lines that are compared: 16 MiB of memory. Longer texts are shown as replaced.
const MAX_PAIRS: usize = 4 << 20;

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// How to come from one text to the other; empty where they are the same. The names stand in the head.
pub(super) fn diff(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let lines = compare(&split(old), &split(new));
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for hunk in hunks(&lines) {
        write_hunk(&mut text, &lines, hunk);
    }
    text
}

/// The lines with their line feeds, so that a missing one at the end is a difference.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Every line of both, in order: what both have at either end, and between that a longest common subsequence.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let ahead = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (head, old) = old.split_at_checked(ahead).unwrap_or_default();
    let new = new.get(ahead..).unwrap_or_default();
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, tail) = old.split_at_checked(old.len().saturating_sub(behind)).unwrap_or_default();
    let new = new.get(..new.len().saturating_sub(behind)).unwrap_or_default();

    let mut lines: Vec<Line<'a>> = head.iter().map(|line| Line::Both(line)).collect();
    lines.extend(middle(old, new));
    lines.extend(tail.iter().map(|line| Line::Both(line)));
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len().saturating_add(1);
    if width.saturating_mul(old.len().saturating_add(1)) > MAX_PAIRS {
        return old.iter().map(|line| Line::Old(line)).chain(new.iter().map(|line| Line::New(line))).collect();
    }
    // The length of the longest common subsequence of what begins at each pair of lines.
    let mut table = vec![0_u32; width.saturating_mul(old.len().saturating_add(1))];
    let at = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    let of = |table: &[u32], i: usize, j: usize| table.get(at(i, j)).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let longest = match a == b {
                true => of(&table, i + 1, j + 1).saturating_add(1),
                false => of(&table, i + 1, j).max(of(&table, i, j + 1)),
            };
            if let Some(entry) = table.get_mut(at(i, j)) {
                *entry = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                lines.push(Line::Both(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || of(&table, i + 1, j) >= of(&table, i, j + 1) => {
                lines.push(Line::Old(a));
                i += 1;
            }
            (_, Some(b)) => {
                lines.push(Line::New(b));
                j += 1;
            }
            (_, None) => return lines,
        }
    }
}

/// The ranges of lines that are shown: each change with its context, joined where they touch.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Both(_))) {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        match found.last_mut() {
            Some((_, last)) if *last >= start => *last = end,
            _ => found.push((start, end)),
        }
    }
    found
}

fn write_hunk(text: &mut String, lines: &[Line<'_>], (start, end): (usize, usize)) {
    let (before, shown) = (lines.get(..start).unwrap_or_default(), lines.get(start..end).unwrap_or_default());
    let count = |lines: &[Line<'_>], other: fn(&Line<'_>) -> bool| lines.iter().filter(|line| !other(line)).count();
    let range = |other: fn(&Line<'_>) -> bool| {
        let (first, length) = (count(before, other), count(shown, other));
        // Nothing is counted from the line before, as diff(1) does.
        let first = if length == 0 { first } else { first + 1 };
        if length == 1 { first.to_string() } else { format!("{first},{length}") }
    };
    let (old, new) = (range(|line| matches!(line, Line::New(_))), range(|line| matches!(line, Line::Old(_))));
    let _infallible = writeln!(text, "@@ -{old} +{new} @@");
    for line in shown {
        let (sign, line) = match line {
            Line::Both(line) => (' ', line),
            Line::Old(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_same_text_has_no_difference() {
        for text in ["", "a", "a\nb\n"] {
            assert_eq!(diff("a", text, "b", text), "");
        }
    }

    #[test]
    fn a_change_is_shown_with_its_context() {
        let old: String = (1..=12).map(|number| format!("{number}\n")).collect();
        let new = old.replace("6\n", "six\n").replace("12\n", "12");
        let expected = "--- old\n+++ new\n@@ -3,10 +3,10 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n 10\n 11\n-12\n+12\n\\ No newline \
                        at end of file\n";
        assert_eq!(diff("old", &old, "new", &new), expected);
    }

    #[test]
    fn something_and_nothing_are_counted_as_diff_counts() {
        assert_eq!(diff("a", "", "b", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
        assert_eq!(diff("a", "x\ny\n", "b", ""), "--- a\n+++ b\n@@ -1,2 +0,0 @@\n-x\n-y\n");
    }

    #[test]
    fn texts_that_are_too_long_to_compare_are_shown_as_replaced() {
        let text = |word: &str| (0..2100).map(|number| format!("{word} {number}\n")).collect::<String>();
        let found = diff("a", &text("old"), "b", &text("new"));
        assert!(found.starts_with("--- a\n+++ b\n@@ -1,2100 +1,2100 @@\n-old 0\n"), "{}", &found[..60]);
        assert_eq!(found.lines().count(), 2 + 1 + 4200);
    }

    /// What patch(1) makes of it is the new text, whatever the texts are.
    #[test]
    fn patch_reads_it() {
        if Command::new("patch").arg("--version").output().is_err() {
            return;
        }
        let directory = std::env::temp_dir().join(format!("sentinel-unified-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("a directory");
        let mut random = 0x9e37_79b9_u32;
        for _ in 0..20 {
            let mut lines = || -> String {
                let mut draw = || {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    random >> 24
                };
                (0..draw() % 40).map(|_| format!("{}\n", draw() % 6)).collect()
            };
            let (old, new) = (lines(), lines());
            let path = directory.join("text");
            std::fs::write(&path, &old).expect("written");
            let mut patch = Command::new("patch").arg("-s").arg(&path).stdin(Stdio::piped()).spawn().expect("patch");
            let text = diff("text", &old, "text", &new);
            patch.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
            assert!(patch.wait().expect("its end").success(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), new, "{text}");
        }
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
