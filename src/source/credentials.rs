//! Credentials as they leave for a child.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::aws::keys::Keys;
use crate::clock::Moment;
use crate::error::Result;
use crate::secret::Secret;

/// Credentials, made by a [`super::Source`] and handed out by the [`super::Vault`] only.
pub struct Credentials {
    pub(super) keys: Keys,
    pub(super) expiration: Option<Timestamp>,
    pub(super) issued_at: Moment,
    pub(super) account: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) source_identity: Option<String>,
    /// What a server answers with. It is as secret as they are, and ends with them.
    pub(super) body: OnceLock<Arc<Secret>>,
}

impl Credentials {
    /// The answer that `make` makes of these, made once: an endpoint's, always the same one of a server's.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn body(&self, make: impl FnOnce(&Self) -> Result<Secret>) -> Result<Arc<Secret>> {
        if let Some(body) = self.body.get() {
            return Ok(Arc::clone(body));
        }
        let body = Arc::new(make(self)?);
        // Of two that are made at once the first one stays.
        Ok(Arc::clone(self.body.get_or_init(|| body)))
    }

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
        let secret = || Secret::take_string("secret".to_owned()).expect("memory");
        Self {
            keys: Keys { access_key_id: "ASIA".to_owned(), secret_access_key: secret(), session_token: Some(secret()) },
            expiration: Some(wall + jiff::SignedDuration::from_secs(lifetime_s)),
            issued_at: Moment { wall, boot: std::time::Duration::from_secs(1000) },
            account: None,
            role_arn: None,
            source_identity: None,
            body: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_made_once_and_ends_with_its_credentials() {
        let credentials = Credentials::lasting(900);
        let mut made = 0;
        let mut body = || {
            credentials.body(|of| {
                made += 1;
                Ok(Secret::take_string(of.keys().access_key_id.clone()).expect("memory"))
            })
        };
        let failed = credentials.body(|_| Err(crate::error::Error::new("no memory")));
        assert_eq!(failed.err().expect("an error").to_string(), "no memory");
        let (first, again) = (body().expect("a body"), body().expect("a body"));
        assert!(Arc::ptr_eq(&first, &again) && first.expose() == b"ASIA");
        assert_eq!(made, 1);
        let held = Arc::downgrade(&first);
        drop((first, again));
        assert_eq!(held.strong_count(), 1);
        drop(credentials);
        assert_eq!(held.strong_count(), 0);
    }
}
