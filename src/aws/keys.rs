//! Credentials as AWS issues them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error;
use crate::secret::Secret;

use super::client::Answer;

/// What a request is signed with.
pub struct Keys {
    /// `AKIA...` or `ASIA...`: not a secret.
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
    /// Present in temporary credentials.
    pub session_token: Option<Secret>,
}

impl Keys {
    /// Whether each part can be sent in a header and signed with: not empty, visible ASCII alone.
    pub fn is_sendable(&self) -> bool {
        is_visible(self.access_key_id.as_bytes())
            && is_visible(self.secret_access_key.expose())
            && self.session_token.as_ref().is_none_or(|token| is_visible(token.expose()))
    }

    /// Blackens the secrets, and another one, in an answer that is an error: AWS's SignatureDoesNotMatch repeats the request,
    /// session token included, and messages are shown and logged.
    pub(super) fn hide_in(&self, answer: &mut Answer, other: Option<&str>) {
        if answer.status == 200 {
            return;
        }
        for secret in [Some(&self.secret_access_key), self.session_token.as_ref()].into_iter().flatten() {
            blacken(&mut answer.body, secret.expose());
        }
        blacken(&mut answer.body, other.unwrap_or_default().as_bytes());
    }
}

/// Gives keys that are good now: a profile's, renewed where they end.
pub trait KeySource: Send + Sync {
    /// The keys. Waits for AWS where it has to, at most until `deadline_boot` on the boot clock.
    ///
    /// # Errors
    /// When there are none by then.
    fn keys(&self, deadline_boot: Duration) -> error::Result<Arc<Keys>>;
}

/// Temporary credentials that STS issued: complete, and not expired when they came.
pub struct Issued {
    /// The keys; the session token is there.
    pub keys: Keys,
    /// When they end.
    pub expiration: Timestamp,
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`, from AssumeRole.
    pub assumed_role_arn: Option<String>,
    /// The SourceIdentity that AWS recorded, from AssumeRole.
    pub source_identity: Option<String>,
}

/// Whether there are bytes, and all of them are visible ASCII.
pub(super) fn is_visible(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

fn blacken(mut text: &mut [u8], secret: &[u8]) {
    if secret.is_empty() {
        return;
    }
    while let Some(at) = text.windows(secret.len()).position(|window| window == secret) {
        let halves = text.split_at_mut_checked(at).and_then(|(_, found)| found.split_at_mut_checked(secret.len()));
        let Some((found, rest)) = halves else { return };
        found.fill(b'*');
        text = rest;
    }
}
