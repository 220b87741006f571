//! From the bytes that a source holds to a policy that may be obeyed now.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::envelope::{self, MAX_TEXT_BYTES, Opened, Pin, Terms};
use super::json::MAX_BYTES;
use super::schema::Policy;
use super::serial::Mark;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// A policy that was read and is signed as it should be.
#[derive(Debug)]
pub struct Checked {
    /// The policy.
    pub policy: Policy,
    /// Its document, as it was written or signed.
    pub document: String,
    /// What was signed with it, and the document's SHA-256, where it is signed.
    pub signed: Option<(Terms, [u8; 32])>,
}

/// Reads one source's policies.
pub(super) struct Reader {
    /// What people call the source: a path, or `ssm:/name`.
    pub(super) name: String,
    trust: Option<Trust>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Whose signature is wanted, and what was obeyed before.
struct Trust {
    pin: Pin,
    mark: Mark,
}

/// A policy, and what was signed with it.
pub(super) struct Document {
    pub(super) policy: Arc<Policy>,
    signed: Option<(Terms, [u8; 32])>,
}

/// Reads a policy, which has to be signed as `pin` says, or not at all. What was obeyed before does not matter here. `name` is what
/// people call it.
///
/// # Errors
/// It is not valid; it is signed where no key is given, or not as it should be.
pub fn check(name: &str, bytes: Vec<u8>, pin: Option<&Pin>, now: Timestamp) -> Result<Checked> {
    if bytes.len() > limit_bytes(pin) {
        return Err(Error::new(format!("the policy {name} is larger than 1 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::new(format!("the policy {name} is not UTF-8")))?;
    let (document, signed) = match pin {
        Some(pin) => {
            let Opened { terms, document, digest } = envelope::open(name, &text, pin, now)?;
            (document, Some((terms, digest)))
        }
        None => (text, None),
    };
    match Policy::parse(&document) {
        Ok(policy) => Ok(Checked { policy, document, signed }),
        Err(_) if pin.is_none() && envelope::is_sealed(&document) => Err(envelope::unpinned(name)),
        Err(flaw) => Err(flaw.in_document(name)),
    }
}

impl Checked {
    /// Whether no newer one was obeyed on this host. Nothing is remembered.
    ///
    /// # Errors
    /// One was; or what was cannot be read.
    pub fn check_newest(&self, name: &str, pin: &Pin, state_directory: &Path) -> Result<()> {
        self.signed
            .as_ref()
            .map_or(Ok(()), |(terms, digest)| Mark::new(state_directory, pin).check(name, terms.serial, *digest))
    }
}

/// What may hold a policy has at most this many bytes.
pub fn limit_bytes(pin: Option<&Pin>) -> usize {
    if pin.is_some() { MAX_TEXT_BYTES } else { MAX_BYTES }
}

impl Reader {
    /// A reader of plain policies, or of those alone that are signed as `pin` says. What was obeyed is remembered in the state
    /// directory.
    pub(super) fn new(name: String, pin: Option<(Pin, &Path)>, clock: Arc<dyn Clock>) -> Self {
        let trust = pin.map(|(pin, state_directory)| Trust { mark: Mark::new(state_directory, &pin), pin });
        Self { name, trust, clock }
    }

    /// What a source may hold at most.
    pub(super) fn limit_bytes(&self) -> usize {
        limit_bytes(self.trust.as_ref().map(|trust| &trust.pin))
    }

    /// Reads what the source holds.
    ///
    /// # Errors
    /// As [`check`]; and when it is older than what was obeyed before.
    pub(super) fn read(&self, bytes: Vec<u8>) -> Result<Document> {
        let pin = self.trust.as_ref().map(|trust| &trust.pin);
        let Checked { policy, signed, .. } = check(&self.name, bytes, pin, self.clock.wall())?;
        // Only now: a mistake that was signed can be mended under the same serial.
        if let (Some(Trust { mark, .. }), Some((terms, digest))) = (&self.trust, &signed) {
            mark.admit(&self.name, terms.serial, *digest)?;
        }
        Ok(Document { policy: Arc::new(policy), signed })
    }

    /// Whether what was read may still be obeyed: to be asked at every request.
    ///
    /// # Errors
    /// It has ended, or a newer one has been obeyed since.
    pub(super) fn confirm(&self, document: &Document) -> Result<()> {
        if let (Some(Trust { mark, .. }), Some((terms, digest))) = (&self.trust, &document.signed) {
            terms.check_time(&self.name, self.clock.wall())?;
            mark.admit(&self.name, terms.serial, *digest)?;
        }
        Ok(())
    }
}
