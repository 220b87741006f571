//! The text of an AWS config or credentials file as sections of keys. Pure: no file, no environment, no panic.
//!
//! Reads what botocore reads, by the rules of Python's configparser. What AWS's tools are known to read in different
//! ways (a byte order mark, an indented section header, a key with a space, `[DEFAULT]`) is an error, because the other
//! reading could be another identity. Values borrow from the text, so that whoever owns the text can wipe it.

use std::collections::HashMap;
use std::fmt;

/// The most keys of one section: a `[services]` section with every service of AWS has about 400. Looking a key up takes
/// the section's length.
const KEYS_LIMIT: usize = 1024;

/// A file's sections, in order.
#[derive(Default)]
pub struct Ini<'a> {
    /// The sections. No two have the same name.
    pub sections: Vec<Section<'a>>,
}

/// One `[name]` and what follows it.
pub struct Section<'a> {
    /// What stands between the brackets, as written.
    pub name: &'a str,
    /// The header's line, from 1.
    pub line: usize,
    /// The keys, in order. No two are the same.
    pub entries: Vec<Entry<'a>>,
}

/// One `key = value`. No `Debug`: values may be secrets.
pub struct Entry<'a> {
    /// The key, in lower case.
    pub key: String,
    /// The key's line, from 1.
    pub line: usize,
    /// The value, or its first line; empty before a nested block.
    pub first: &'a str,
    /// The indented lines that follow, trimmed, each with its line number. Blank lines and comments are left out.
    pub rest: Vec<(usize, &'a str)>,
}

impl<'a> Section<'a> {
    /// The entry with this key (lower case).
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl<'a> Entry<'a> {
    /// The lines of a nested block: line number, key (as written), value. Nothing for a plain value.
    pub fn nested(&self) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
        self.rest
            .iter()
            .filter(|_| self.first.is_empty())
            .filter_map(|(number, line)| line.split_once('=').map(|(key, value)| (*number, key.trim(), value.trim())))
    }

    /// The value as it may follow `key = ` in a file again: further lines are indented.
    pub fn verbatim(&self) -> String {
        let mut text = self.first.to_owned();
        for (_, line) in &self.rest {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text
    }
}

/// Why a text is not a config file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a line. Prints as what follows `file:line `.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is said in words by its Display, below")]
pub enum Problem {
    ByteOrderMark,
    ControlCharacter,
    UnclosedHeader,
    EmptyHeader,
    SpacedHeader,
    TextAfterHeader,
    IndentedHeader,
    Defaults,
    DuplicateSection { first: usize },
    OutsideSection,
    NoDelimiter,
    NoKey,
    SpacedKey,
    DuplicateKey { key: String, first: usize },
    NestedWithoutEquals,
    TooManyKeys,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("begins with a byte order mark"),
            Self::ControlCharacter => f.write_str("contains a control character"),
            Self::UnclosedHeader => f.write_str("begins a section and has no `]`"),
            Self::EmptyHeader => f.write_str("is a section without a name"),
            Self::SpacedHeader => f.write_str("has a space just inside its brackets"),
            Self::TextAfterHeader => f.write_str("has text after the section's `]`"),
            Self::IndentedHeader => f.write_str("is an indented section header, which continues the value above it"),
            Self::Defaults => f.write_str("is [DEFAULT], which some tools add to every profile and others ignore"),
            Self::DuplicateSection { first } => write!(f, "repeats the section of line {first}"),
            Self::OutsideSection => f.write_str("stands before the first [section]"),
            Self::NoDelimiter => f.write_str("is neither `[section]` nor `key = value`"),
            Self::NoKey => f.write_str("has no key before its `=`"),
            Self::SpacedKey => f.write_str("has a space in the key before its first `=` or `:`"),
            // A secret on a line of its own is a "key" when it ends in `=`: only what cannot be one is repeated.
            Self::DuplicateKey { key, first } if is_harmless(key) => write!(f, "repeats {key} of line {first}"),
            Self::DuplicateKey { first, .. } => write!(f, "repeats the key of line {first}"),
            Self::NestedWithoutEquals => f.write_str("belongs to a nested block and is not `key = value`"),
            Self::TooManyKeys => write!(f, "is key {} of its section", KEYS_LIMIT + 1),
        }
    }
}

impl Problem {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ByteOrderMark => "save the file as UTF-8 without a byte order mark",
            Self::ControlCharacter => "remove it",
            Self::UnclosedHeader | Self::EmptyHeader | Self::SpacedHeader => {
                "write `[profile NAME]`, or `[NAME]` in the credentials file"
            }
            Self::TextAfterHeader => "put it on a line of its own",
            Self::IndentedHeader => "remove the spaces at its beginning",
            Self::Defaults => {
                "write `[default]` for the default profile, or move its keys to the profiles that need them"
            }
            Self::DuplicateSection { .. } => "put all keys under one of them",
            Self::OutsideSection => "put a line such as `[default]` before it",
            Self::NoDelimiter | Self::NoKey | Self::SpacedKey | Self::NestedWithoutEquals => {
                "write `key = value`, or begin the line with `#` to make it a comment"
            }
            Self::DuplicateKey { .. } => "keep one of them",
            Self::TooManyKeys => "move keys to other sections",
        }
    }
}

/// Whether a key cannot be a misplaced secret: those of AWS have 40 characters, and tokens have more.
fn is_harmless(key: &str) -> bool {
    key.len() < 40 && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Reads a file's text. Takes time and memory in proportion to its length.
///
/// # Errors
/// On the first line that is not understood.
pub fn parse(text: &str) -> Result<Ini<'_>, IniError> {
    if text.starts_with('\u{feff}') {
        return Err(IniError { line: 1, problem: Problem::ByteOrderMark });
    }
    let mut reader = Reader::default();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        reader.line(number, line).map_err(|problem| IniError { line: number, problem })?;
    }
    Ok(Ini { sections: reader.sections })
}

/// The state between two lines.
#[derive(Default)]
struct Reader<'a> {
    sections: Vec<Section<'a>>,
    section_lines: HashMap<&'a str, usize>,
    /// The lines of the current section's keys.
    key_lines: HashMap<String, usize>,
    /// How deep the last header or key was indented, in characters: what is deeper continues a value.
    indent: usize,
    /// Whether the current section has a key that a deeper line could continue.
    has_key: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: usize, line: &'a str) -> Result<(), Problem> {
        if line.chars().any(|c| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(Problem::ControlCharacter);
        }
        let value = line.trim();
        if value.is_empty() || value.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if self.has_key && indent > self.indent {
            return self.continuation(number, value);
        }
        self.indent = indent;
        match value.strip_prefix('[') {
            Some(header) => self.header(number, header),
            None => self.entry(number, value),
        }
    }

    fn continuation(&mut self, number: usize, value: &'a str) -> Result<(), Problem> {
        if value.starts_with('[') {
            return Err(Problem::IndentedHeader);
        }
        let Some(entry) = self.sections.last_mut().and_then(|section| section.entries.last_mut()) else {
            return Err(Problem::OutsideSection);
        };
        if entry.first.is_empty() && !value.contains('=') {
            return Err(Problem::NestedWithoutEquals);
        }
        entry.rest.push((number, value));
        Ok(())
    }

    fn header(&mut self, number: usize, header: &'a str) -> Result<(), Problem> {
        let (name, after) = header.split_once(']').ok_or(Problem::UnclosedHeader)?;
        let after = after.trim_start();
        // A `]` in a comment belongs to the name for botocore, which takes everything up to the last one.
        if after.contains(']') || !(after.is_empty() || after.starts_with(['#', ';'])) {
            return Err(Problem::TextAfterHeader);
        }
        match name {
            "" => return Err(Problem::EmptyHeader),
            "DEFAULT" => return Err(Problem::Defaults),
            name if name.trim() != name => return Err(Problem::SpacedHeader),
            _ => {}
        }
        if let Some(first) = self.section_lines.insert(name, number) {
            return Err(Problem::DuplicateSection { first });
        }
        self.sections.push(Section { name, line: number, entries: Vec::new() });
        self.key_lines.clear();
        self.has_key = false;
        Ok(())
    }

    fn entry(&mut self, number: usize, line: &'a str) -> Result<(), Problem> {
        let section = self.sections.last_mut().ok_or(Problem::OutsideSection)?;
        let (key, value) = line.split_once(['=', ':']).ok_or(Problem::NoDelimiter)?;
        let key = key.trim_end().to_lowercase();
        if key.is_empty() {
            return Err(Problem::NoKey);
        }
        // `role_arn arn:aws:...`, its `=` forgotten, would be an unknown key, and the role would not be assumed.
        if key.contains(char::is_whitespace) {
            return Err(Problem::SpacedKey);
        }
        if let Some(first) = self.key_lines.insert(key.clone(), number) {
            return Err(Problem::DuplicateKey { key, first });
        }
        if section.entries.len() == KEYS_LIMIT {
            return Err(Problem::TooManyKeys);
        }
        section.entries.push(Entry { key, line: number, first: value.trim(), rest: Vec::new() });
        self.has_key = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
