//! Ed25519 keys (RFC 8032) as people keep them: PEM as OpenSSL writes it (RFC 8410), or the 32 bytes of a public key in base64.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
/// What stands before the key in its ASN.1 (RFC 8410, sections 4 and 7): both forms have no other field.
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "PRIVATE KEY";

/// A key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

/// A key that signs. Wiped when it is dropped, as far as it is ours.
pub struct PrivateKey {
    seed: Zeroizing<[u8; KEY_BYTES]>,
    pair: Ed25519KeyPair,
}

impl PublicKey {
    /// Reads 44 characters of base64, or PEM.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let bytes = match text.starts_with("-----") {
            true => {
                unwrap_pem(text, PUBLIC_LABEL).and_then(|der| der.strip_prefix(&PUBLIC_PREFIX[..]).map(<[u8]>::to_vec))
            }
            false => BASE64_STANDARD.decode(text).ok(),
        };
        let key = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
        key.map(Self).ok_or_else(|| {
            Error::new("this is not an Ed25519 public key")
                .hint("it is 32 bytes in base64, or PEM as `openssl pkey -pubout` writes it")
        })
    }

    /// Whether the owner of this key signed `message`. `signature` is base64.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, &signature).is_ok()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    /// Base64.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// The kernel gave no random bytes.
    pub fn random() -> Result<Self> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        getrandom::getrandom(seed.as_mut_slice())
            .map_err(|error| Error::new("the kernel gave no random bytes").because(error.to_string()))?;
        Self::of(seed)
    }

    /// Reads PKCS#8 in PEM, version 1, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When it is anything else. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = || {
            Error::new("this is not an Ed25519 private key")
                .hint("it is PEM as `openssl genpkey -algorithm ed25519` writes it, without a passphrase")
        };
        let der = Zeroizing::new(unwrap_pem(text.trim(), PRIVATE_LABEL).ok_or_else(refused)?);
        let seed = der.strip_prefix(&PRIVATE_PREFIX[..]).and_then(|seed| <[u8; KEY_BYTES]>::try_from(seed).ok());
        Self::of(Zeroizing::new(seed.ok_or_else(refused)?))
    }

    fn of(seed: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice())
            .map_err(|error| Error::new("this is not an Ed25519 private key").because(error.to_string()))?;
        Ok(Self { seed, pair })
    }

    /// PEM, as [`PrivateKey::parse`] and OpenSSL read it.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = Zeroizing::new([&PRIVATE_PREFIX[..], self.seed.as_slice()].concat());
        let body = Zeroizing::new(BASE64_STANDARD.encode(der.as_slice()));
        Zeroizing::new(format!("-----BEGIN {PRIVATE_LABEL}-----\n{}\n-----END {PRIVATE_LABEL}-----\n", body.as_str()))
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// A signature, base64.
    pub fn sign(&self, message: &[u8]) -> String {
        let signature = self.pair.sign(message);
        debug_assert_eq!(signature.as_ref().len(), SIGNATURE_BYTES);
        BASE64_STANDARD.encode(signature.as_ref())
    }
}

/// The bytes between the lines of a PEM block with this label (RFC 7468), which is the whole text.
fn unwrap_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let body = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
    BASE64_STANDARD.decode(body.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, section 7.1, test 2; RFC 8410, section 10.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    fn known() -> PrivateKey {
        let seed = crate::digest::from_hex(SEED).expect("hex");
        PrivateKey::of(Zeroizing::new(seed.try_into().expect("32 bytes"))).expect("a key")
    }

    #[test]
    fn the_standards_example_is_reproduced() {
        let key = known();
        assert_eq!(
            crate::digest::hex(key.public().as_bytes()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let signature = BASE64_STANDARD.decode(key.sign(&[0x72])).expect("base64");
        assert_eq!(
            crate::digest::hex(&signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    #[test]
    fn keys_of_openssl_are_read_and_written() {
        let key = PrivateKey::parse(PRIVATE_PEM).expect("a key");
        assert_eq!(*key.to_pem(), PRIVATE_PEM);
        let public = PublicKey::parse(PUBLIC_PEM).expect("a key");
        assert_eq!(key.public(), public);
        assert_eq!(PublicKey::parse(&public.to_string()).expect("a key"), public);
    }

    #[test]
    fn a_signature_is_of_one_message_and_one_key() {
        let (key, other) = (PrivateKey::random().expect("a key"), PrivateKey::random().expect("a key"));
        let signature = key.sign(b"message");
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"messagE", &signature));
        assert!(!other.public().verifies(b"message", &signature));
        for wrong in ["", "x", "AAAA", &signature[1..]] {
            assert!(!key.public().verifies(b"message", wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "AAAA", PRIVATE_PEM, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            let error = PublicKey::parse(text).expect_err("no key").to_string();
            assert!(error.starts_with("this is not an Ed25519 public key"), "{error}");
        }
        for text in ["", PUBLIC_PEM, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(PrivateKey::parse(text).is_err());
        }
    }
}
