//! A settings file: one JSON object whose fields are all known, each once, each of its type.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Kind, Known, Setting};
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;

/// The fields of the admin file that are no settings.
const LOCKED: &str = "locked";
const REQUIRE_POLICY: &str = "require_policy";

/// What a file says.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) path: PathBuf,
    is_admins: bool,
    pub(super) values: BTreeMap<String, OsString>,
    pub(super) locked: BTreeSet<String>,
    pub(super) require_policy: bool,
}

impl Document {
    /// Reads a file's text. `is_admin`: it may lock settings, and demand a policy.
    pub(super) fn parse(path: &Path, text: &str, known: &[Known], is_admin: bool) -> Result<Self> {
        let place = path.display();
        let Fields(fields) =
            serde_json::from_str(text).map_err(|error| Error::new(format!("{place} is not right")).because(error))?;
        let mut document = Self {
            path: path.to_owned(),
            is_admins: is_admin,
            values: BTreeMap::new(),
            locked: BTreeSet::new(),
            require_policy: false,
        };
        let own: &[&str] = if is_admin { &[LOCKED, REQUIRE_POLICY] } else { &[] };
        for (name, value) in fields {
            match (name.as_str(), value) {
                (LOCKED, Json::List(names)) if is_admin => {
                    for name in &names {
                        find(path, name, known, &[], "cannot be locked, because it is no setting")?;
                    }
                    document.locked = names.into_iter().collect();
                }
                (LOCKED, value) if is_admin => return Err(mistyped(path, LOCKED, &value, "a list of strings")),
                (REQUIRE_POLICY, Json::Bool(required)) if is_admin => document.require_policy = required,
                (REQUIRE_POLICY, value) if is_admin => {
                    return Err(mistyped(path, REQUIRE_POLICY, &value, "true or false"));
                }
                (LOCKED | REQUIRE_POLICY, _) => {
                    return Err(Error::new(format!("{place}: `{name}` is for the admin file alone")));
                }
                (_, value) => {
                    let setting = find(path, &name, known, own, "is no setting")?;
                    document.values.insert(name, value_of(path, setting, value)?);
                }
            }
        }
        Ok(document)
    }

    pub(super) fn value(&self, name: &str) -> Option<Setting<'_>> {
        let value = self.values.get(name)?;
        Some(Setting { value, file: &self.path, is_admins: self.is_admins })
    }
}

/// The setting of this name. `others` are names that are no settings and may have been meant.
fn find<'a>(path: &Path, name: &str, known: &'a [Known], others: &[&str], what: &str) -> Result<&'a Known> {
    known.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let near = did_you_mean(name, known.iter().map(|setting| setting.name).chain(others.iter().copied()));
        Error::new(format!("{}: `{}` {what}", path.display(), name.escape_debug())).hint(near.unwrap_or_else(|| {
            "settings have the names of options without dashes: those that have an environment variable".to_owned()
        }))
    })
}

/// The value as a variable would hold it.
fn value_of(path: &Path, setting: &Known, value: Json) -> Result<OsString> {
    let wanted = match setting.kind {
        Kind::Switch => "true or false",
        Kind::List | Kind::Words => "a list of strings",
        Kind::Text | Kind::Path | Kind::TextOrPath => "a string",
    };
    let refused = |why: &str| Error::new(format!("{}: `{}` {why}", path.display(), setting.name));
    let check = |text: &str| match text {
        "" => Err(refused("is empty")),
        text if text.contains(|c: char| c.is_control()) => Err(refused("has a control character in it")),
        _ => Ok(()),
    };
    match (setting.kind, value) {
        (Kind::Switch, Json::Bool(value)) => Ok(value.to_string().into()),
        (Kind::List | Kind::Words, Json::List(items)) if items.is_empty() => Err(refused("is an empty list")),
        (Kind::List | Kind::Words, Json::List(items)) => {
            items.iter().try_for_each(|item| check(item))?;
            let (apart, what): (&[char], _) =
                if setting.kind == Kind::List { (&[' ', ','], "a blank or a comma") } else { (&[' '], "a blank") };
            if items.iter().any(|item| item.contains(apart)) {
                return Err(refused(&format!("has an item with {what} in it")));
            }
            Ok(items.join(" ").into())
        }
        (Kind::Text, Json::Text(text)) => check(&text).map(|()| text.into()),
        (Kind::Path, Json::Text(text)) if !text.is_empty() && !text.starts_with('/') => {
            Err(refused(&format!("is `{}`, and has to be a path that begins with /", text.escape_debug())))
        }
        (Kind::TextOrPath, Json::Text(text)) if !text.starts_with('/') && text.contains(['.', '~']) => {
            Err(refused(&format!("is `{}`, and a path has to begin with /", text.escape_debug())))
        }
        (Kind::Path | Kind::TextOrPath, Json::Text(text)) => check(&text).map(|()| text.into()),
        (_, value) => Err(mistyped(path, setting.name, &value, wanted)),
    }
}

fn mistyped(path: &Path, name: &str, value: &Json, wanted: &str) -> Error {
    let found = match value {
        Json::Text(_) => "a string",
        Json::Bool(_) => "a boolean",
        Json::List(_) => "a list",
        Json::Other(noun) => noun,
    };
    let error = Error::new(format!("{}: `{name}` is {found}, and has to be {wanted}", path.display()));
    if found == "a number" && wanted == "a string" { error.hint("write it in quotes") } else { error }
}

/// The fields in their order, none twice.
struct Fields(Vec<(String, Json)>);

/// A value, as far as settings know it.
enum Json {
    Text(String),
    Bool(bool),
    List(Vec<String>),
    /// What it is instead.
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Fields, A::Error> {
                let mut fields: Vec<(String, Json)> = Vec::new();
                let mut seen = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{}` is there twice", name.escape_debug())));
                    }
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> std::result::Result<Json, E> {
                Ok(Json::Other("null"))
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_u64<E>(self, _: u64) -> std::result::Result<Json, E> {
                Ok(Json::Other("a number"))
            }

            fn visit_i64<E>(self, _: i64) -> std::result::Result<Json, E> {
                Ok(Json::Other("a number"))
            }

            fn visit_f64<E>(self, _: f64) -> std::result::Result<Json, E> {
                Ok(Json::Other("a number"))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Json, A::Error> {
                let (mut texts, mut others) = (Vec::new(), false);
                while let Some(item) = items.next_element::<Json>()? {
                    match item {
                        Json::Text(text) => texts.push(text),
                        _ => others = true,
                    }
                }
                Ok(if others { Json::Other("a list of other things than strings") } else { Json::List(texts) })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Json, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Json::Other("an object"))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
