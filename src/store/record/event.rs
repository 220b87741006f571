//! Somebody broke glass.

use std::time::Duration;

use jiff::Timestamp;

use super::{Fields, Item, Kind, Record, status};
use crate::error::Result;

/// Its fields' names.
pub(super) const FIELDS: [&str; 15] = [
    "id",
    "invoker",
    "profile",
    "reason_code",
    "justification",
    "duration",
    "status",
    "created_at",
    "updated_at",
    "expires_at",
    "closed_by",
    "closed_reason",
    "request_id",
    "version",
    "ttl",
];

/// Somebody broke glass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 16 hex digits.
    pub id: String,
    /// Who, as policies know users.
    pub invoker: String,
    /// Whose credentials.
    pub profile: String,
    /// One of [`crate::policy::ReasonCode`]'s names.
    pub reason_code: String,
    /// Why: 20 to 1000 characters.
    pub justification: String,
    /// How long the window is.
    pub duration: Duration,
    /// Whether it is open.
    pub status: EventStatus,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// When the window ends.
    pub expires_at: Timestamp,
    /// Who closed it.
    pub closed_by: Option<String>,
    /// Why.
    pub closed_reason: Option<String>,
    /// The first request that it let through.
    pub request_id: Option<String>,
    /// Counts writes, from 1; 0 for what an older tool wrote.
    pub version: i64,
}

/// Whether an event's window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum EventStatus {
    Active,
    Closed,
    Expired,
}

impl EventStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Closed, Self::Expired];

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl Record for Event {
    const KIND: Kind = Kind::Event;

    fn to_item(&self) -> Item {
        Fields::default()
            .text("id", &self.id)
            .text("invoker", &self.invoker)
            .text("profile", &self.profile)
            .text("reason_code", &self.reason_code)
            .text("justification", &self.justification)
            .duration("duration", self.duration)
            .text("status", self.status.as_str())
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .time("expires_at", self.expires_at)
            .some("closed_by", self.closed_by.as_ref())
            .some("closed_reason", self.closed_reason.as_ref())
            .some("request_id", self.request_id.as_ref())
            .number("version", self.version)
            .ttl(self.expires_at)
            .item()
    }

    fn of_item(item: &Item) -> Result<Self> {
        Ok(Self {
            id: item.id()?.to_owned(),
            invoker: item.required("invoker")?.to_owned(),
            profile: item.required("profile")?.to_owned(),
            reason_code: item.required("reason_code")?.to_owned(),
            justification: item.required("justification")?.to_owned(),
            duration: item.duration("duration")?,
            status: status(item, EventStatus::of)?,
            created_at: item.time("created_at")?,
            updated_at: item.time("updated_at")?,
            expires_at: item.time("expires_at")?,
            closed_by: item.owned("closed_by"),
            closed_reason: item.owned("closed_reason"),
            request_id: item.owned("request_id"),
            version: item.number("version").unwrap_or(0),
        })
    }
}
