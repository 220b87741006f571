//! Signed policies: a document in an envelope that says for whom, how new and until when it is.
//!
//! The signature is Ed25519 over `sentinel policy v1`, the scope, the serial and the time as the envelope writes them, each with a
//! line feed, and then the document's bytes as they are. A scope holds no line feed, so that no two envelopes sign the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::flaw::{Flaw, Path, did_you_mean, shown};
use super::json::{self, Json, MAX_BYTES};
use crate::clock::rfc3339_s;
use crate::digest::sha256;
use crate::ed25519::{PrivateKey, PublicKey};
use crate::error::{Error, Result};

/// The longest envelope: a document of [`MAX_BYTES`] in base64, and room for the rest of it.
pub(super) const MAX_TEXT_BYTES: usize = MAX_BYTES / 3 * 4 + 4096;
/// The longest scope.
const MAX_SCOPE_BYTES: usize = 128;
/// The version that envelopes carry.
const VERSION: &str = "1";
/// The field that tells an envelope from a document.
const MARK: &str = "sentinel_policy";
const FIELDS: [&str; 6] = [MARK, "scope", "serial", "not_after", "policy", "signature"];

/// What a policy is for, so that one key can sign several: `prod`. 1 to 128 of `A-Z a-z 0-9 . _ / -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(String);

/// Whose policies are obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The key that signs them.
    pub key: PublicKey,
    /// What they have to be for.
    pub scope: Scope,
}

/// What a signature covers besides the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What the policy is for.
    pub scope: Scope,
    /// Grows with every new document: an older one is not accepted after a newer one.
    pub serial: u64,
    /// When the policy ends, in whole seconds.
    pub not_after: Timestamp,
}

/// A document whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What was signed with it.
    pub terms: Terms,
    /// The document as it was signed.
    pub document: String,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// The envelope's fields, in the order in which they are written.
#[derive(Serialize)]
struct Written<'a> {
    sentinel_policy: &'a str,
    scope: &'a str,
    serial: u64,
    not_after: &'a str,
    policy: &'a str,
    signature: &'a str,
}

/// An envelope that was read and not believed yet.
struct Sealed {
    terms: Terms,
    document: Vec<u8>,
    signature: String,
}

impl Scope {
    /// Reads a scope.
    ///
    /// # Errors
    /// When it has other characters, none, or too many.
    pub fn parse(text: &str) -> Result<Self> {
        let is_fine = (1..=MAX_SCOPE_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte));
        match is_fine {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::usage(format!("{} is not a scope of policies", shown(text)))
                .hint("a scope has 1 to 128 letters, digits and ._/-")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Terms {
    /// The bytes that are signed.
    fn message(&self, document: &[u8]) -> Vec<u8> {
        let Self { scope, serial, not_after } = self;
        let head = format!("sentinel policy v1\n{scope}\n{serial}\n{}\n", rfc3339_s(*not_after));
        [head.as_bytes(), document].concat()
    }

    /// Whether the policy has not ended.
    ///
    /// # Errors
    /// When it has: says when.
    pub fn check_time(&self, name: &str, now: Timestamp) -> Result<()> {
        if now < self.not_after {
            return Ok(());
        }
        Err(Error::new(format!("the policy {name} ended at {}", rfc3339_s(self.not_after)))
            .hint("whoever keeps it has to sign it anew, with a later --not-after"))
    }
}

/// Whether the text is an envelope, or was meant to be one.
pub fn is_sealed(text: &str) -> bool {
    serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text).is_ok_and(|fields| fields.contains_key(MARK))
}

/// Why a signed policy is not read where no key says whose signature counts.
pub fn unpinned(name: &str) -> Error {
    Error::new(format!("the policy {name} is signed, and no key is given to check that with"))
        .hint("name the key of whoever signs your policies with --policy-key")
}

/// The document that `pin`'s key signed for its scope, if it has not ended. `name` is what people call it.
///
/// # Errors
/// It is not signed, or not by that key, or for another scope; it has ended; it is no envelope.
pub fn open(name: &str, text: &str, pin: &Pin, now: Timestamp) -> Result<Opened> {
    let sealed = match read(text) {
        Ok(sealed) => sealed,
        Err(_) if is_plain(text) => {
            return Err(Error::new(format!("the policy {name} is not signed"))
                .hint("where --policy-key names a key, only what `sentinel policy sign` made with it is obeyed"));
        }
        Err(flaw) => return Err(flaw.in_envelope(name)),
    };
    let Sealed { terms, document, signature } = sealed;
    // Nothing else that the envelope says is believed before this.
    if !pin.key.verifies(&terms.message(&document), &signature) {
        return Err(Error::new(format!("the policy {name} is not signed by the key {}", pin.key))
            .hint("it was changed after it was signed, or signed with another key"));
    }
    if terms.scope != pin.scope {
        return Err(Error::new(format!(
            "the policy {name} is signed for the scope `{}`, not for `{}`",
            terms.scope, pin.scope
        ))
        .hint("--policy-scope says which scope is wanted"));
    }
    terms.check_time(name, now)?;
    let digest = sha256(&document);
    let document = String::from_utf8(document).map_err(|_| Error::new(format!("the policy {name} is not UTF-8")))?;
    Ok(Opened { terms, document, digest })
}

/// The envelope of a document: one line.
///
/// # Errors
/// When the document is too large.
pub fn seal(document: &str, terms: &Terms, key: &PrivateKey) -> Result<String> {
    if document.len() > MAX_BYTES {
        return Err(Error::new("the policy is larger than 1 MiB"));
    }
    let written = Written {
        sentinel_policy: VERSION,
        scope: terms.scope.as_str(),
        serial: terms.serial,
        not_after: &rfc3339_s(terms.not_after),
        policy: &BASE64_STANDARD.encode(document),
        signature: &key.sign(&terms.message(document.as_bytes())),
    };
    serde_json::to_string(&written).map_err(|error| Error::new("cannot write the signed policy").because(error))
}

/// Reads an envelope, strictly: these fields and no others, each once, each in the one way in which it is written.
fn read(text: &str) -> std::result::Result<Sealed, Flaw> {
    /// The tree of the document keeps no numbers.
    #[derive(Deserialize)]
    struct Serial {
        serial: u64,
    }

    let json = json::parse_up_to(text, MAX_TEXT_BYTES)?;
    let Json::Object(fields) = &json else {
        return Err(Flaw::new(format!("it is {} and not an object", json.noun())));
    };
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Flaw::new(format!("unknown field {}", shown(name))).hint(did_you_mean(name, FIELDS)));
    }
    let at = |name: &'static str, what: String| Flaw::at(&Path::Field(&Path::Document, name), what);
    let field = |name: &'static str| match fields.get(name) {
        None => Err(Flaw::new(format!("the field `{name}` is missing"))),
        Some(Json::Text(text)) => Ok(text.as_str()),
        Some(other) => Err(at(name, format!("expected a string, found {}", other.noun()))),
    };
    let version = field(MARK)?;
    if version != VERSION {
        return Err(at(MARK, format!("unknown version {}", shown(version))));
    }
    let scope = field("scope")?;
    let scope = Scope::parse(scope).map_err(|_| at("scope", format!("{} is not a scope", shown(scope))))?;
    if !fields.contains_key("serial") {
        return Err(Flaw::new("the field `serial` is missing"));
    }
    let Serial { serial } =
        serde_json::from_str(text).map_err(|_| at("serial", "it is not a whole number from 0 on".to_owned()))?;
    let written = field("not_after")?;
    // One way to write a time, so that what was signed is what is compared.
    let not_after = written.parse().ok().filter(|time| rfc3339_s(*time) == written);
    let not_after = not_after
        .ok_or_else(|| at("not_after", format!("{} is not a time as 2027-01-31T09:30:00Z is", shown(written))))?;
    let document = field("policy")?;
    let document =
        BASE64_STANDARD.decode(document).map_err(|_| at("policy", "it is not the base64 of a document".to_owned()))?;
    if document.len() > MAX_BYTES {
        return Err(at("policy", "it is larger than 1 MiB".to_owned()));
    }
    let signature = field("signature")?.to_owned();
    Ok(Sealed { terms: Terms { scope, serial, not_after }, document, signature })
}

/// Whether this is JSON that does not claim to be an envelope.
fn is_plain(text: &str) -> bool {
    serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text).is_ok_and(|fields| !fields.contains_key(MARK))
}

#[cfg(test)]
mod tests;
