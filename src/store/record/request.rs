//! Somebody asks for an approval.

use std::time::Duration;

use jiff::Timestamp;

use super::{Fields, Item, Kind, Record, status};
use crate::error::Result;

/// Its fields' names.
pub(super) const FIELDS: [&str; 17] = [
    "id",
    "requester",
    "profile",
    "justification",
    "duration",
    "status",
    "created_at",
    "updated_at",
    "expires_at",
    "approver",
    "approver_comment",
    "account",
    "principal_id",
    "policy_digest",
    "signature",
    "version",
    "ttl",
];

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
