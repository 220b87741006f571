//! A server run.

use jiff::Timestamp;

use super::{Fields, Item, Kind, Record, status};
use crate::error::Result;

/// Its fields' names.
pub(super) const FIELDS: [&str; 17] = [
    "id",
    "user",
    "profile",
    "server_instance_id",
    "status",
    "started_at",
    "last_access_at",
    "expires_at",
    "request_count",
    "source_identity",
    "device_id",
    "created_at",
    "updated_at",
    "revoked_by",
    "revoked_reason",
    "version",
    "ttl",
];

/// A server run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// 16 hex digits.
    pub id: String,
    /// The user as AWS knows them.
    pub user: String,
    /// Whose credentials are served.
    pub profile: String,
    /// The process that serves: device, pid and start, of no meaning beyond being unlike all others.
    pub server_instance_id: String,
    /// Whether it may still be served.
    pub status: SessionStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When credentials were last given.
    pub last_access_at: Timestamp,
    /// When it counts as ended, unless it is heard of before.
    pub expires_at: Timestamp,
    /// How many requests were answered.
    pub request_count: i64,
    /// The SourceIdentity of its credentials.
    pub source_identity: Option<String>,
    /// The device, hashed.
    pub device_id: Option<String>,
    /// When it was written first.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Who revoked it.
    pub revoked_by: Option<String>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// Counts writes, from 1; 0 for what an older tool wrote.
    pub version: i64,
}

/// Whether a session may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum SessionStatus {
    Active,
    Revoked,
    Expired,
}

impl SessionStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Revoked, Self::Expired];

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl Record for Session {
    const KIND: Kind = Kind::Session;

    fn to_item(&self) -> Item {
        Fields::default()
            .text("id", &self.id)
            .text("user", &self.user)
            .text("profile", &self.profile)
            .text("server_instance_id", &self.server_instance_id)
            .text("status", self.status.as_str())
            .time("started_at", self.started_at)
            .time("last_access_at", self.last_access_at)
            .time("expires_at", self.expires_at)
            .number("request_count", self.request_count)
            .some("source_identity", self.source_identity.as_ref())
            .some("device_id", self.device_id.as_ref())
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .some("revoked_by", self.revoked_by.as_ref())
            .some("revoked_reason", self.revoked_reason.as_ref())
            .number("version", self.version)
            .ttl(self.expires_at)
            .item()
    }

    fn of_item(item: &Item) -> Result<Self> {
        Ok(Self {
            id: item.id()?.to_owned(),
            user: item.required("user")?.to_owned(),
            profile: item.required("profile")?.to_owned(),
            server_instance_id: item.required("server_instance_id")?.to_owned(),
            status: status(item, SessionStatus::of)?,
            started_at: item.time("started_at")?,
            last_access_at: item.time("last_access_at")?,
            expires_at: item.time("expires_at")?,
            request_count: item.number("request_count").unwrap_or(0),
            source_identity: item.owned("source_identity"),
            device_id: item.owned("device_id"),
            created_at: item.time("created_at")?,
            updated_at: item.time("updated_at")?,
            revoked_by: item.owned("revoked_by"),
            revoked_reason: item.owned("revoked_reason"),
            version: item.number("version").unwrap_or(0),
        })
    }
}
