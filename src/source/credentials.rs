//! Credentials as they leave for a child.

use jiff::Timestamp;

use crate::aws::keys::Keys;
use crate::clock::Moment;

/// Credentials, made by a [`super::Source`] and handed out by the [`super::Vault`] only.
pub struct Credentials {
    pub(super) keys: Keys,
    pub(super) expiration: Option<Timestamp>,
    pub(super) issued_at: Moment,
    pub(super) account: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) source_identity: Option<String>,
}

impl Credentials {
    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// When they end; `None` for long-lived keys, which only `--no-session` hands out.
    pub fn expiration(&self) -> Option<Timestamp> {
        self.expiration
    }

    /// When AWS issued them, by our clock.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at.wall
    }

    /// The account that they act in, where known.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The role that they act as, where they are a role's.
    pub fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    /// The SourceIdentity that AWS records for them, where one was set.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// Seconds from issue to expiration.
    pub fn lifetime_s(&self) -> Option<i64> {
        self.expiration.map(|end| end.as_second().saturating_sub(self.issued_at.wall.as_second()))
    }

    /// Seconds left at `now`: below 1 they are not handed out.
    pub(super) fn left_s(&self, now: Moment) -> Option<i64> {
        self.expiration.map(|end| self.issued_at.left_s(end, now))
    }
}

#[cfg(test)]
impl Credentials {
    /// For tests: nobody's, since the beginning of 2026.
    pub(crate) fn lasting(lifetime_s: i64) -> Self {
        let wall: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let secret = || crate::secret::Secret::take_string("secret".to_owned()).expect("memory");
        Self {
            keys: Keys { access_key_id: "ASIA".to_owned(), secret_access_key: secret(), session_token: Some(secret()) },
            expiration: Some(wall + jiff::SignedDuration::from_secs(lifetime_s)),
            issued_at: Moment { wall, boot: std::time::Duration::from_secs(1000) },
            account: None,
            role_arn: None,
            source_identity: None,
        }
    }
}
