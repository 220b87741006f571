//! Tokens: 256 bits from the kernel, base64url without padding (RFC 4648, section 5): 43 characters.

use std::io;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::secret::Secret;

const TOKEN_BYTES: usize = 32;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A token in the clear. sentinel keeps only its digest.
pub struct Token(Secret);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// The kernel gave no random bytes, or no memory.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::getrandom(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let text = base64url(&bytes);
        bytes.zeroize();
        Ok(Self(Secret::take(text)?))
    }

    /// The text that goes into a child's environment.
    pub fn expose_str(&self) -> &str {
        self.0.expose_str()
    }

    /// What sentinel keeps of it.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.0.expose())
    }
}

/// SHA-256 of a token: what is stored and looked up.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// No token's: it comes after all others.
    pub(super) const LAST: Self = Self([0xff; 32]);

    pub(super) fn of(presented: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, presented).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Its first bytes as a number, to find its place by. Two tokens with the same are not to be expected before 2^32 of them.
    pub(super) fn leading(&self) -> u64 {
        self.0.first_chunk().map_or(0, |leading| u64::from_be_bytes(*leading))
    }

    /// All of it, to make something of.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Equality in constant time.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

/// Base64url without padding.
pub(super) fn base64url(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 4 / 3 + 2);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = group >> (18 - 6 * place) & 0x3f;
            text.extend(usize::try_from(index).ok().and_then(|index| ALPHABET.get(index)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_matches_the_rfcs_vectors() {
        for (input, output) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64url(input.as_bytes()), output.as_bytes());
        }
        assert_eq!(base64url(&[0xfb, 0xff]), b"-_8");
    }

    #[test]
    fn a_token_is_43_characters_and_never_the_same() {
        let (a, b) = (Token::random().expect("random"), Token::random().expect("random"));
        assert_eq!(a.expose_str().len(), 43);
        assert!(a.expose_str().bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(a.expose_str(), b.expose_str());
    }
}
