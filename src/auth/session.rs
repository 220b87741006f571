//! Session tokens of the EC2 metadata endpoint (version 2): made on request, and not kept (T10).
//!
//! A token is its end on the boot clock and a MAC over that and what it is for, under a key that lives as long as the server. So
//! nothing grows however many are asked for, a token of another server is none here, and at the key's end all of them end.

use std::io;
use std::sync::Arc;

use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::token::base64url;
use crate::clock::Clock;
use crate::digest::from_hex;
use crate::secret::Secret;

/// As long as the MAC (RFC 2104, section 3).
const KEY_BYTES: usize = 32;
/// The end comes first: milliseconds since boot, as so many hex digits.
const END_DIGITS: usize = 16;
/// No token may be asked for that lives longer: AWS's own limit, six hours.
const LONGEST_S: u32 = 21_600;

/// Makes tokens and knows them again.
pub struct Sessions {
    key: Secret,
    clock: Arc<dyn Clock>,
}

/// How long a token is to live: 1 to 21600 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(u32);

impl Ttl {
    /// What a request says.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_number = matches!(text, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
        let seconds = std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()?;
        (seconds <= LONGEST_S).then_some(Self(seconds))
    }

    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl Sessions {
    /// With a new key, by this clock.
    ///
    /// # Errors
    /// The kernel gave no random bytes, or no memory.
    pub fn new(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut key = vec![0; KEY_BYTES];
        getrandom::getrandom(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { key: Secret::take(key)?, clock })
    }

    /// A token for this subject.
    ///
    /// # Errors
    /// The kernel gave no memory.
    pub fn token(&self, subject: &[u8], ttl: Ttl) -> io::Result<Secret> {
        let mut text = self.text(subject, self.now_ms().saturating_add(u64::from(ttl.0).saturating_mul(1000)));
        Secret::take(std::mem::take(&mut *text))
    }

    /// Whether this is a token for this subject that has not ended. As much is done for any bytes: a token is compared, as a
    /// whole and in constant time, with the one that has the same end.
    pub fn is_live(&self, subject: &[u8], presented: &[u8]) -> bool {
        let end = presented.get(..END_DIGITS).and_then(|end| from_hex(std::str::from_utf8(end).ok()?));
        let end_ms = end.and_then(|end| end.first_chunk().copied()).map_or(0, u64::from_be_bytes);
        let equal: bool = self.text(subject, end_ms).as_slice().ct_eq(presented).into();
        equal & (self.now_ms() < end_ms)
    }

    /// The token for this subject that ends then.
    fn text(&self, subject: &[u8], end_ms: u64) -> Zeroizing<Vec<u8>> {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.key.expose()));
        // Of a fixed length, so that what follows cannot be read in two ways.
        mac.update(&end_ms.to_be_bytes());
        mac.update(subject);
        let mut encoded = base64url(mac.sign().as_ref());
        // Never grown, so that no copy is left behind.
        let mut text = Zeroizing::new(Vec::with_capacity(END_DIGITS.saturating_add(encoded.len())));
        text.extend_from_slice(format!("{end_ms:016x}").as_bytes());
        text.extend_from_slice(&encoded);
        encoded.zeroize();
        text
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.boot().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    /// Stands still until it is moved. The wall clock, which anybody may set, says nothing.
    #[derive(Default)]
    struct Still(AtomicU64);

    impl Clock for Still {
        fn wall(&self) -> Timestamp {
            Timestamp::MAX
        }

        fn boot(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    fn sessions() -> (Sessions, Arc<Still>) {
        let clock = Arc::new(Still(AtomicU64::new(5_000)));
        (Sessions::new(Arc::clone(&clock) as Arc<dyn Clock>).expect("a key"), clock)
    }

    fn ttl(seconds: u32) -> Ttl {
        Ttl::parse(seconds.to_string().as_bytes()).expect("a time")
    }

    #[test]
    fn a_time_is_1_to_21600_seconds_in_plain_digits() {
        for (text, seconds) in [("1", 1), ("60", 60), ("21600", 21_600)] {
            assert_eq!(Ttl::parse(text.as_bytes()).map(Ttl::seconds), Some(seconds));
        }
        for text in ["", "0", "00", "01", "-1", "+1", "1.0", "1s", "abc", " 1", "1 ", "0x10", "21601", "99999999999999"]
        {
            assert_eq!(Ttl::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Ttl::parse(b"1\xff"), None);
    }

    #[test]
    fn a_token_lives_exactly_as_long_as_was_asked_for() {
        let (sessions, clock) = sessions();
        let token = sessions.token(b"tree", ttl(60)).expect("memory");
        assert!(sessions.is_live(b"tree", token.expose()));
        clock.0.store(64_999, Ordering::SeqCst);
        assert!(sessions.is_live(b"tree", token.expose()));
        clock.0.store(65_000, Ordering::SeqCst);
        assert!(!sessions.is_live(b"tree", token.expose()));
    }

    #[test]
    fn a_token_is_for_one_subject_of_one_server() {
        let ((one, _clock), (other, _other_clock)) = (sessions(), sessions());
        let token = one.token(b"tree", ttl(60)).expect("memory");
        for subject in [&b"other"[..], b"tre", b"treee", b""] {
            assert!(!one.is_live(subject, token.expose()));
        }
        assert!(!other.is_live(b"tree", token.expose()));
    }

    #[test]
    fn every_bit_of_a_token_counts_and_so_does_its_length() {
        let (sessions, _clock) = sessions();
        let token = sessions.token(b"tree", ttl(21_600)).expect("memory").expose().to_vec();
        assert_eq!(token.len(), END_DIGITS + 43);
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut flipped = token.clone();
                flipped[place] ^= 1 << bit;
                assert!(!sessions.is_live(b"tree", &flipped), "bit {bit} of {place}");
            }
            assert!(!sessions.is_live(b"tree", &token[..place]));
        }
        for longer in [[&token[..], b"A"].concat(), [&token[..], b"="].concat(), [b"0", &token[..]].concat()] {
            assert!(!sessions.is_live(b"tree", &longer));
        }
        assert!(!sessions.is_live(b"tree", &token.to_ascii_uppercase()));
        // The same end, and a later one, with the MAC of this one.
        let later = [b"ffffffffffffffff", &token[END_DIGITS..]].concat();
        assert!(!sessions.is_live(b"tree", &later));
    }
}
