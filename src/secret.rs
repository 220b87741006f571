//! Secrets in memory of their own.
//!
//! A [`Secret`] is locked in memory, left out of core dumps, empty in a forked child and wiped on drop. It has no
//! `Debug`, `Clone`, `Display` or `Serialize`, so that it is not printed or copied by accident.

use std::io;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::sys::memory::LockedPages;

/// A byte string that must not leak.
pub struct Secret {
    pages: LockedPages,
    length_bytes: usize,
}

impl Secret {
    /// Copies `bytes` in, and wipes the original.
    ///
    /// # Errors
    /// When the kernel has no memory to give.
    pub fn take(mut bytes: Vec<u8>) -> io::Result<Self> {
        let mut pages = LockedPages::map(bytes.len())?;
        for (to, from) in pages.as_mut_slice().iter_mut().zip(&bytes) {
            *to = *from;
        }
        let length_bytes = bytes.len();
        bytes.zeroize();
        Ok(Self { pages, length_bytes })
    }

    /// [`Secret::take`] for text.
    ///
    /// # Errors
    /// When the kernel has no memory to give.
    pub fn take_string(text: String) -> io::Result<Self> {
        Self::take(text.into_bytes())
    }

    /// The bytes. The name is meant to stand out in a review.
    pub fn expose(&self) -> &[u8] {
        self.pages.as_slice().get(..self.length_bytes).unwrap_or_default()
    }

    /// The text; empty if the bytes are not UTF-8, which [`Secret::take_string`] rules out.
    pub fn expose_str(&self) -> &str {
        std::str::from_utf8(self.expose()).unwrap_or_default()
    }

    /// Whether the kernel keeps this out of swap.
    pub fn is_locked(&self) -> bool {
        self.pages.is_locked()
    }

    /// Equality in a time that depends on the lengths alone.
    pub fn equals(&self, other: &[u8]) -> bool {
        self.expose().ct_eq(other).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_and_compares() {
        let secret = Secret::take_string("wJalrXUtnFEMI".to_owned()).expect("memory");
        assert_eq!(secret.expose_str(), "wJalrXUtnFEMI");
        assert!(secret.equals(b"wJalrXUtnFEMI"));
        assert!(!secret.equals(b"wJalrXUtnFEMi"));
        assert!(!secret.equals(b"wJalrXUtnFEM"));
    }

    #[test]
    fn an_empty_secret_is_empty() {
        assert_eq!(Secret::take(Vec::new()).expect("memory").expose(), b"");
    }
}
