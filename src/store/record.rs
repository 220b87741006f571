//! What each record says. Field names and states are those of older tools, so that their tables can be read and written.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item(pub BTreeMap<String, Value>);

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
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

/// Somebody asks for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// 16 hex digits.
    pub id: String,
    /// Who asks, as policies know users.
    pub requester: String,
    /// Whose credentials.
    pub profile: String,
    /// Why: 10 to 500 characters.
    pub justification: String,
    /// How long the window is that an approval opens.
    pub duration: Duration,
    /// What became of it.
    pub status: RequestStatus,
    /// When it was written first.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Pending: when it lapses. Approved: when the window ends.
    pub expires_at: Timestamp,
    /// Who approved or denied.
    pub approver: Option<String>,
    /// What they said.
    pub approver_comment: Option<String>,
    /// The requester's account.
    pub account: Option<String>,
    /// The requester's unique id.
    pub principal_id: Option<String>,
    /// The SHA-256 of the policy that the approval was given under, hex.
    pub policy_digest: Option<String>,
    /// The approver's signature, base64.
    pub signature: Option<String>,
    /// Counts writes, from 1; 0 for what an older tool wrote.
    pub version: i64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum RequestStatus {
    Pending,
    Approved,
    Denied,
    Expired,
    Cancelled,
}

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

impl Kind {
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

    /// What one is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Request => "request",
            Self::Event => "break-glass event",
        }
    }
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

impl RequestStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Denied, Self::Expired, Self::Cancelled];

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
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

impl Record for Request {
    const KIND: Kind = Kind::Request;

    fn to_item(&self) -> Item {
        Fields::default()
            .text("id", &self.id)
            .text("requester", &self.requester)
            .text("profile", &self.profile)
            .text("justification", &self.justification)
            .duration("duration", self.duration)
            .text("status", self.status.as_str())
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .time("expires_at", self.expires_at)
            .some("approver", self.approver.as_ref())
            .some("approver_comment", self.approver_comment.as_ref())
            .some("account", self.account.as_ref())
            .some("principal_id", self.principal_id.as_ref())
            .some("policy_digest", self.policy_digest.as_ref())
            .some("signature", self.signature.as_ref())
            .number("version", self.version)
            .ttl(self.expires_at)
            .item()
    }

    fn of_item(item: &Item) -> Result<Self> {
        Ok(Self {
            id: item.id()?.to_owned(),
            requester: item.required("requester")?.to_owned(),
            profile: item.required("profile")?.to_owned(),
            justification: item.required("justification")?.to_owned(),
            duration: item.duration("duration")?,
            status: status(item, RequestStatus::of)?,
            created_at: item.time("created_at")?,
            updated_at: item.time("updated_at")?,
            expires_at: item.time("expires_at")?,
            approver: item.owned("approver"),
            approver_comment: item.owned("approver_comment"),
            account: item.owned("account"),
            principal_id: item.owned("principal_id"),
            policy_digest: item.owned("policy_digest"),
            signature: item.owned("signature"),
            version: item.number("version").unwrap_or(0),
        })
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

    /// Seconds.
    fn duration(self, name: &str, duration: Duration) -> Self {
        self.number(name, i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
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

    /// How often it was written.
    pub fn version(&self) -> i64 {
        self.number("version").unwrap_or(0)
    }

    fn required(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| Error::new(format!("the record has no `{name}`")))
    }

    fn time(&self, name: &str) -> Result<Timestamp> {
        let text = self.required(name)?;
        text.parse().map_err(|_| Error::new(format!("the record's `{name}` is `{}`, not a time", text.escape_debug())))
    }

    fn duration(&self, name: &str) -> Result<Duration> {
        let seconds = self.number(name).and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map(Duration::from_secs).ok_or_else(|| Error::new(format!("the record has no `{name}` in seconds")))
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
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
