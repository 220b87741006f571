//! Credentials as AWS issues them.

use jiff::Timestamp;

use crate::secret::Secret;

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
