//! What each record says. Field names and states are those of older tools, so that their tables can be read and written.

mod event;
mod request;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use event::{Event, EventStatus};
pub use request::{Request, RequestStatus};
pub use session::{Session, SessionStatus};

use crate::clock::rfc3339_ms;
use crate::error::{Error, Result};

/// How long a record outlives its end.
const KEPT_S: i64 = 30 * 86_400;

/// A kind of record, which has a directory or a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A server run.
    Session,
    /// Somebody asks for an approval.
    Request,
    /// Somebody broke glass.
    Event,
}

/// A record as stores keep it: fields that are texts or whole numbers. Empty ones are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Item(pub BTreeMap<String, Value>);

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> std::result::Result<Value, E> {
                Ok(Value::Text(text))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<Value, E> {
                i64::try_from(number).map(Value::Number).map_err(|_| E::custom("a number is too large"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A record of some kind.
pub trait Record: Sized {
    /// Its kind.
    const KIND: Kind;

    /// Its fields, and `ttl`.
    fn to_item(&self) -> Item;

    /// Reads it back.
    ///
    /// # Errors
    /// When a field is missing or is not what it should be.
    fn of_item(item: &Item) -> Result<Self>;
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Session, Self::Request, Self::Event];

    /// The fields that records of this kind are found by, each with its index's name in DynamoDB.
    pub fn indexes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Session => &[
                ("user", "gsi-user"),
                ("status", "gsi-status"),
                ("profile", "gsi-profile"),
                ("server_instance_id", "gsi-server-instance"),
                ("device_id", "gsi-device-id"),
            ],
            Self::Request => &[("requester", "gsi-requester"), ("status", "gsi-status"), ("profile", "gsi-profile")],
            Self::Event => &[("invoker", "gsi-invoker"), ("status", "gsi-status"), ("profile", "gsi-profile")],
        }
    }

    /// The fields that sentinel writes. Others are an older or a newer tool's, and are kept.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Session => &session::FIELDS,
            Self::Request => &request::FIELDS,
            Self::Event => &event::FIELDS,
        }
    }

    /// What a record's status may have been before it is written with this one. Older tools write without a version, so that it
    /// is the status alone that keeps their word: a heartbeat does not revive a session that one of them has revoked.
    pub(super) fn statuses_before(self, status: &str) -> &'static [&'static str] {
        match (self, status) {
            (Self::Request, "denied" | "cancelled") => &["pending", "approved"],
            (Self::Request, _) => &["pending"],
            (Self::Event, "closed") => &["active", "closed"],
            (Self::Session | Self::Event, _) => &["active"],
        }
    }

    /// The index's name in DynamoDB that leads to records by this field.
    ///
    /// # Errors
    /// When records of this kind are not found by it.
    pub fn index_of(self, field: &str) -> Result<&'static str> {
        let found = self.indexes().iter().find(|(name, _)| *name == field);
        found.map(|(_, index)| *index).ok_or_else(|| Error::new(format!("a {} is not found by `{field}`", self.noun())))
    }

    /// What one is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Request => "request",
            Self::Event => "break-glass event",
        }
    }
}

/// Fields for a new item, by name.
#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn text(mut self, name: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.insert(name.to_owned(), Value::Text(text));
        }
        self
    }

    fn some(self, name: &str, text: Option<&String>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    fn number(mut self, name: &str, number: i64) -> Self {
        self.0.insert(name.to_owned(), Value::Number(number));
        self
    }

    fn time(self, name: &str, time: Timestamp) -> Self {
        self.text(name, rfc3339_ms(time).to_string())
    }

    /// Nanoseconds, as older tools write them.
    fn duration(self, name: &str, duration: Duration) -> Self {
        self.number(name, i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// When DynamoDB may forget the record: seconds since 1970. Sessions and events are kept for a month, to be looked at.
    fn ttl(self, ends: Timestamp) -> Self {
        self.number("ttl", ends.as_second().saturating_add(KEPT_S))
    }

    fn item(self) -> Item {
        Item(self.0)
    }
}

fn status<T>(item: &Item, of: impl Fn(&str) -> Option<T>) -> Result<T> {
    let name = item.required("status")?;
    of(name).ok_or_else(|| Error::new(format!("the record's `status` is `{}`, which is none", name.escape_debug())))
}

impl Item {
    /// A text, if there is one of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number, if there is one of that name.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The record's id.
    ///
    /// # Errors
    /// When there is none, or it is not 16 hex digits: it may become a file's name.
    pub fn id(&self) -> Result<&str> {
        let id = self.required("id")?;
        if is_id(id) {
            Ok(id)
        } else {
            Err(Error::new(format!("`{}` is not an id of 16 hex digits", id.escape_debug())))
        }
    }

    /// The id of an item that is to be written as this kind.
    pub(super) fn checked_id(&self, kind: Kind) -> Result<&str> {
        self.id().map_err(|error| error.within(&format!("cannot write a {}", kind.noun())))
    }

    /// How often it was written.
    pub fn version(&self) -> i64 {
        self.number("version").unwrap_or(0)
    }

    fn required(&self, name: &str) -> Result<&str> {
        // Where there is nothing to say older tools write an empty text.
        let text = self.text(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| Error::new(format!("the record has no `{name}`")))
    }

    fn time(&self, name: &str) -> Result<Timestamp> {
        let text = self.required(name)?;
        text.parse().map_err(|_| Error::new(format!("the record's `{name}` is `{}`, not a time", text.escape_debug())))
    }

    fn duration(&self, name: &str) -> Result<Duration> {
        let nanoseconds = self.number(name).and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
        let missing = || Error::new(format!("the record has no `{name}` in nanoseconds"));
        nanoseconds.map(Duration::from_nanos).ok_or_else(missing)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

/// Whether this is an id: 16 lower-case hex digits.
pub fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A new id.
///
/// # Errors
/// The kernel gave no random bytes.
pub fn new_id() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::getrandom(&mut bytes)
        .map_err(|error| Error::new("the kernel gave no random bytes").because(error.to_string()))?;
    Ok(crate::digest::hex(&bytes))
}
