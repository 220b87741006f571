//! What is wrong with a policy document, and where in it.

use std::fmt;

use crate::error::Error;

/// A reason to refuse a policy document, without the document's name, which parsing does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    what: String,
    hint: Option<String>,
}

impl Flaw {
    /// A flaw of the document as a whole, or one whose text says where it is.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// A flaw of the value at `path`.
    pub(super) fn at(path: &Path<'_>, what: impl fmt::Display) -> Self {
        match path {
            Path::Document => Self::new(what.to_string()),
            _ => Self::new(format!("{path}: {what}")),
        }
    }

    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The error for people: `name` is the document's path or parameter name.
    pub fn in_document(self, name: &str) -> Error {
        self.within(format!("the policy {name} is not valid"))
    }

    /// The same for a signed document's envelope.
    pub(super) fn in_envelope(self, name: &str) -> Error {
        self.within(format!("the envelope of the policy {name} is not valid"))
    }

    fn within(self, what: String) -> Error {
        let hint = self.hint.clone();
        let error = Error::new(what).because(self);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Flaw {}

/// Where a value stands in the document: `rules[2].conditions.time.hours.start`.
pub(super) enum Path<'a> {
    /// The document itself.
    Document,
    /// A field of an object.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Document => Ok(()),
            Path::Field(Path::Document, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The longest part of a document's own text that a message repeats.
const SHOWN_CHARS: usize = 64;

/// Text from the document, as messages repeat it: in backquotes, cut, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    let cut = if text.chars().nth(SHOWN_CHARS).is_some() { "..." } else { "" };
    let start: String = text.chars().take(SHOWN_CHARS).flat_map(escaped).collect();
    format!("`{start}{cut}`")
}

/// Text from the document as a whole, with its control characters escaped.
pub(super) fn in_one_line(text: &str) -> String {
    text.chars().flat_map(escaped).collect()
}

/// `char::escape_debug` without its backslashes before quotes, which need none here.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (plain, special) = if matches!(c, '\'' | '"') { (Some(c), None) } else { (None, Some(c.escape_debug())) };
    plain.into_iter().chain(special.into_iter().flatten())
}

/// `did you mean ...?` for names of a length that is worth comparing: the comparison's cost grows with the length.
pub(super) fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if wanted.len() > SHOWN_CHARS {
        return None;
    }
    crate::nearest::did_you_mean(wanted, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let rules = Path::Field(&Path::Document, "rules");
        let rule = Path::Item(&rules, 2);
        let conditions = Path::Field(&rule, "conditions");
        assert_eq!(Flaw::at(&conditions, "no").to_string(), "rules[2].conditions: no");
        assert_eq!(Flaw::at(&Path::Document, "no").to_string(), "no");
    }

    #[test]
    fn repeated_text_is_cut_and_escaped() {
        assert_eq!(shown("a\n\u{1b}\"b'"), "`a\\n\\u{1b}\"b'`");
        assert_eq!(shown(&"x".repeat(64)), format!("`{}`", "x".repeat(64)));
        assert_eq!(shown(&"x".repeat(65)), format!("`{}...`", "x".repeat(64)));
    }

    #[test]
    fn names_too_long_to_compare_get_no_suggestion() {
        assert_eq!(did_you_mean("profile", ["profiles"]).as_deref(), Some("did you mean `profiles`?"));
        assert_eq!(did_you_mean(&"profiles".repeat(9), ["profiles"]), None);
    }
}
