//! A signed policy: what is opened is what the key signed, for the scope that is wanted, and has not ended; a change of one byte
//! of it says the same or nothing. What is refused is refused in short words without control characters.
//!
//! The input is an envelope's text; where it is none, a document that is sealed and then changed: the first two bytes say where.

use jiff::Timestamp;
use sentinel::ed25519::PrivateKey;
use sentinel::policy::envelope::{Opened, Pin, Scope, Terms, is_sealed, open, seal};

const NOW_S: i64 = 1_800_000_000;
/// RFC 8032, section 7.1, test 2: envelopes in the corpus are signed with it.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";

/// See the module.
pub fn check(bytes: &[u8]) {
    let key = PrivateKey::parse(KEY).expect("a key");
    let pin = Pin { key: key.public(), scope: Scope::default() };
    let now = Timestamp::from_second(NOW_S).expect("a time");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match open("p", text, &pin, now) {
        Ok(Opened { terms, document, digest }) => {
            assert!(is_sealed(text) && terms.scope == pin.scope && now < terms.not_after);
            assert_eq!(digest, sentinel::digest::sha256(document.as_bytes()));
            // The signature is deterministic: nothing else could have been opened.
            let again = seal(&document, &terms, &key).expect("an envelope");
            assert_eq!(open("p", &again, &pin, now).expect("opened"), Opened { terms, document, digest });
        }
        Err(error) => said(&error.to_string()),
    }
    changed(text, &key, &pin, now);
}

/// Seals a document and changes one byte of the envelope.
fn changed(text: &str, key: &PrivateKey, pin: &Pin, now: Timestamp) {
    let Some((start, document)) = text.as_bytes().split_first_chunk::<3>() else { return };
    let document = String::from_utf8_lossy(document);
    let not_after = Timestamp::from_second(NOW_S + 60).expect("a time");
    let terms = Terms { scope: pin.scope.clone(), serial: u64::from(start[2]), not_after };
    let whole = seal(&document, &terms, key).expect("an envelope");
    let opened = open("p", &whole, pin, now).expect("what was sealed");
    assert!(opened.document == document && opened.terms == terms);
    assert!(open("p", &whole, pin, not_after).is_err());
    let mut bytes = whole.into_bytes();
    let at = usize::from(u16::from_be_bytes([start[0], start[1]])) % bytes.len();
    bytes[at] = start[2] & 0x7f;
    let Ok(text) = String::from_utf8(bytes) else { return };
    match open("p", &text, pin, now) {
        Ok(found) => assert_eq!(found, opened, "{text}"),
        Err(error) => said(&error.to_string()),
    }
}

fn said(said: &str) {
    assert!(said.len() < 1024 && !said.replacen('\n', "", 1).chars().any(char::is_control), "{said:?}");
}
