//! Strict reading of JSON: every field is known, every list holds something, every text says something.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::duration;
use crate::policy::flaw::{Flaw, Path, did_you_mean, shown};
use crate::policy::json::Json;
use crate::policy::pattern::Pattern;

/// The longest string. A role ARN with the longest path and name has 615 characters.
const MAX_TEXT_BYTES: usize = 1024;

/// An object whose fields are all known.
pub(super) struct Object<'a> {
    path: &'a Path<'a>,
    fields: &'a BTreeMap<String, Json>,
}

/// The object, if it has no field but these.
pub(super) fn object<'a>(path: &'a Path<'a>, value: &'a Json, known: &[&str]) -> Result<Object<'a>, Flaw> {
    let Json::Object(fields) = value else {
        return Err(unexpected(path, "an object", value));
    };
    for name in fields.keys().map(String::as_str) {
        if !known.contains(&name) {
            let hint = did_you_mean(name, known.iter().copied());
            return Err(Flaw::at(path, format!("unknown field {}", shown(name))).hint(hint));
        }
    }
    Ok(Object { path, fields })
}

impl<'a> Object<'a> {
    pub(super) fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path<'_>, &'a Json) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Flaw> {
        self.fields.get(name).map(|value| read(&Path::Field(self.path, name), value)).transpose()
    }

    pub(super) fn required<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path<'_>, &'a Json) -> Result<T, Flaw>,
    ) -> Result<T, Flaw> {
        self.optional(name, read)?.ok_or_else(|| Flaw::at(self.path, format!("the field `{name}` is missing")))
    }

    /// Fails where the object has none of its fields: it would restrict nothing.
    pub(super) fn says_something(&self, names: &str) -> Result<(), Flaw> {
        match self.fields.is_empty() {
            true => Err(Flaw::at(self.path, format!("neither {names} is given, so it restricts nothing"))),
            false => Ok(()),
        }
    }
}

pub(super) fn items_of<'a>(path: &Path<'_>, value: &'a Json) -> Result<&'a [Json], Flaw> {
    match value {
        Json::List(items) => Ok(items),
        _ => Err(unexpected(path, "a list", value)),
    }
}

/// What is read of each item of a list with something in it: an empty one could mean all or none.
pub(super) fn list_of<'a, T>(
    path: &Path<'_>,
    value: &'a Json,
    read: impl Fn(&Path<'_>, &'a Json) -> Result<T, Flaw>,
) -> Result<Vec<T>, Flaw> {
    let items = items_of(path, value)?;
    if items.is_empty() {
        let hint = "leave the field out to match everything, or name what should match".to_owned();
        return Err(Flaw::at(path, "an empty list").hint(Some(hint)));
    }
    each(path, items, read)
}

pub(super) fn each<'a, T>(
    path: &Path<'_>,
    items: &'a [Json],
    read: impl Fn(&Path<'_>, &'a Json) -> Result<T, Flaw>,
) -> Result<Vec<T>, Flaw> {
    items.iter().enumerate().map(|(index, item)| read(&Path::Item(path, index), item)).collect()
}

pub(super) fn text_of<'a>(path: &Path<'_>, value: &'a Json) -> Result<&'a str, Flaw> {
    match value {
        Json::Text(text) if text.is_empty() => Err(Flaw::at(path, "an empty string")),
        Json::Text(text) if text.len() > MAX_TEXT_BYTES => {
            Err(Flaw::at(path, format!("{} bytes, and at most {MAX_TEXT_BYTES} are allowed", text.len())))
        }
        Json::Text(text) => Ok(text),
        _ => Err(unexpected(path, "a string", value)),
    }
}

/// A list of names, in which `*` is any run of characters.
pub(super) fn patterns_of(path: &Path<'_>, value: &Json) -> Result<Vec<Pattern>, Flaw> {
    list_of(path, value, |path, item| text_of(path, item).map(Pattern::new))
}

/// A whole number within these bounds.
pub(super) fn number_of(path: &Path<'_>, value: &Json, least: u32, most: u32) -> Result<u32, Flaw> {
    let Json::Number(number) = value else {
        return Err(unexpected(path, "a number", value));
    };
    let found = number.as_u64().and_then(|number| u32::try_from(number).ok());
    found.filter(|found| (least..=most).contains(found)).ok_or_else(|| {
        Flaw::at(path, format!("{} is not a whole number from {least} to {most}", shown(&number.to_string())))
    })
}

/// A duration with its unit, within these bounds.
pub(super) fn duration_of(path: &Path<'_>, value: &Json, least: Duration, most: Duration) -> Result<Duration, Flaw> {
    let text = text_of(path, value)?;
    // A bare number is seconds to some and minutes to others.
    let has_unit = text.ends_with(|last: char| last.is_ascii_lowercase());
    // Nothing at all is a duration only where it is allowed.
    let read = if text == "0s" { Some(Duration::ZERO) } else { duration::parse(text) };
    let Some(found) = read.filter(|_| has_unit) else {
        let hint = "write numbers with their units: 15m, 1h30m, 2d".to_owned();
        return Err(Flaw::at(path, format!("{} is not a duration", shown(text))).hint(Some(hint)));
    };
    if !(least..=most).contains(&found) {
        let (least, most) = (duration::text(least), duration::text(most));
        return Err(Flaw::at(path, format!("{} is not between {least} and {most}", shown(text))));
    }
    Ok(found)
}

/// The value of that name among `known`.
pub(super) fn named<T: Copy>(path: &Path<'_>, name: &str, kind: &str, known: &[(&str, T)]) -> Result<T, Flaw> {
    let found = known.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names = || known.iter().map(|(name, _)| *name);
        let all = || format!("one of {}", names().collect::<Vec<_>>().join(", "));
        let hint = did_you_mean(name, names()).unwrap_or_else(all);
        Flaw::at(path, format!("unknown {kind} {}", shown(name))).hint(Some(hint))
    })
}

pub(super) fn unexpected(path: &Path<'_>, wanted: &str, found: &Json) -> Flaw {
    Flaw::at(path, format!("expected {wanted}, found {}", found.noun()))
}
