//! The account behind the fake: users, roles, and the credentials that were issued.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use super::answers::Refusal;

/// The account that everything here belongs to.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Credentials as a client holds them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// None for a user's own keys.
    pub(crate) session_token: Option<String>,
    /// Whose they are, as GetCallerIdentity says it.
    pub(crate) arn: String,
}

impl Keys {
    /// As a `credential_process` prints a user's own.
    pub(crate) fn printed(&self) -> String {
        let (id, secret) = (&self.access_key_id, &self.secret_access_key);
        format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#)
    }
}

/// Who holds an access key.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// As GetCallerIdentity answers it.
    pub(crate) arn: String,
    /// `AIDA...`, or `AROA...:session`.
    pub(crate) user_id: String,
    /// As trust policies name it: the user, or the role without the session.
    pub(crate) trust_arn: String,
    pub(crate) mfa: bool,
    pub(crate) source_identity: Option<String>,
}

/// An access key on the server's side.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) principal: Principal,
}

/// A role, with what its trust policy says.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) name: String,
    /// `AROA...`.
    pub(crate) id: String,
    pub(crate) trusts: Vec<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) allows_source_identity: bool,
    pub(crate) requires_mfa: bool,
    /// Seconds.
    pub(crate) max_duration_s: i64,
}

/// An MFA device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) serial: String,
    /// The code that it shows, until that is used.
    pub(crate) code: Option<String>,
}

/// Everything that STS knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) keys: BTreeMap<String, Issued>,
    pub(crate) roles: BTreeMap<String, Role>,
    /// User's ARN to the device.
    pub(crate) mfa: BTreeMap<String, Device>,
}

impl World {
    /// Whether the key exists, has the right token, and has not expired.
    pub(crate) fn lookup(&self, access_key: &str, token: Option<&str>, now: Timestamp) -> Result<&Issued, Refusal> {
        let invalid =
            || Refusal::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
        let issued = self.keys.get(access_key).ok_or_else(invalid)?;
        if issued.token.as_deref() != token {
            return Err(invalid());
        }
        if issued.expires.is_some_and(|expires| expires <= now) {
            return Err(Refusal::new(403, "ExpiredToken", "The security token included in the request is expired"));
        }
        Ok(issued)
    }

    /// Makes a new key for `principal`: a temporary one when it expires.
    pub(crate) fn issue(&mut self, principal: Principal, expires: Option<Timestamp>) -> Keys {
        let prefix = if expires.is_some() { "ASIA" } else { "AKIA" };
        let keys = Keys {
            access_key_id: unique_id(prefix),
            secret_access_key: random(40, BASE64),
            session_token: expires.map(|_| format!("IQoJb3JpZ2luX2Vj{}", random(340, BASE64))),
            arn: principal.arn.clone(),
        };
        let issued =
            Issued { secret: keys.secret_access_key.clone(), token: keys.session_token.clone(), expires, principal };
        self.keys.insert(keys.access_key_id.clone(), issued);
        keys
    }
}

/// An IAM unique id: the prefix and 17 characters, or an access key's 16.
pub(crate) fn unique_id(prefix: &str) -> String {
    let length = if matches!(prefix, "AKIA" | "ASIA") { 16 } else { 17 };
    format!("{prefix}{}", random(length, BASE32))
}

/// A request id in AWS's form.
pub(crate) fn request_id() -> String {
    let hex = random(32, b"0123456789abcdef");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Alphabets have a power of two of letters, so the remainder is unbiased.
fn random(length: usize, alphabet: &[u8]) -> String {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).expect("randomness");
    bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
}
