//! A config file: sections and keys are unique, every text is found on its line, and what was read, written down, is read
//! as the same again. What is refused is refused for one of its lines, in words that hold no control character.

use std::collections::HashSet;
use std::fmt::Write;

use sentinel::profile::ini::{Ini, parse};

/// See the module.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    match parse(text) {
        Ok(ini) => {
            placed(&ini, &lines);
            let written = written(&ini);
            let again = parse(&written).unwrap_or_else(|error| panic!("{:?}: {written:?}", error.problem));
            assert_eq!(texts(&again), texts(&ini));
        }
        Err(error) => {
            assert!((1..=lines.len()).contains(&error.line));
            let said = error.problem.to_string();
            assert!(!said.is_empty() && !said.chars().any(char::is_control));
            assert!(!error.problem.hint().is_empty());
        }
    }
}

fn placed(ini: &Ini<'_>, lines: &[&str]) {
    let on = |number: usize, text: &str| {
        assert!(lines[number - 1].contains(text));
        assert_eq!(text.trim(), text);
    };
    let mut last = 0;
    let mut names = HashSet::new();
    for section in &ini.sections {
        assert!(section.line > last && names.insert(section.name));
        last = section.line;
        on(section.line, section.name);
        let mut keys = HashSet::new();
        for entry in &section.entries {
            assert!(entry.line > last && keys.insert(&entry.key));
            last = entry.line;
            // Cut first: the small form of a capital sigma depends on what follows it.
            let key = lines[entry.line - 1].split(['=', ':']).next().expect("a key");
            assert_eq!(entry.key, key.trim().to_lowercase());
            assert!(!entry.key.is_empty() && !entry.key.contains(char::is_whitespace));
            assert!(std::ptr::eq(section.entry(&entry.key).expect("itself"), entry));
            on(entry.line, entry.first);
            for (number, text) in &entry.rest {
                assert!(*number > last && !text.is_empty());
                last = *number;
                on(*number, text);
            }
        }
    }
}

fn written(ini: &Ini<'_>) -> String {
    let mut text = String::new();
    for section in &ini.sections {
        writeln!(text, "[{}]", section.name).expect("memory");
        for entry in &section.entries {
            writeln!(text, "{} = {}", entry.key, entry.verbatim()).expect("memory");
        }
    }
    text
}

type Texts<'a> = Vec<(&'a str, Vec<(&'a str, &'a str, Vec<&'a str>)>)>;

fn texts<'a>(ini: &'a Ini<'a>) -> Texts<'a> {
    let rest = |rest: &'a [(usize, &'a str)]| rest.iter().map(|(_, text)| *text).collect();
    ini.sections
        .iter()
        .map(|section| {
            let entries = section.entries.iter().map(|e| (e.key.as_str(), e.first, rest(&e.rest)));
            (section.name, entries.collect())
        })
        .collect()
}
