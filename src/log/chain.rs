//! What makes a line of the decision log one of a stream: the stream's name, its number there, the digest of the line
//! before it, and, with a key, a MAC.

use std::fmt::{self, Write};

use super::ratchet::Ratchet;
use crate::digest::sha256;
use crate::error::{Error, Result};

/// A SHA-256.
pub type Digest = [u8; 32];

/// The most that [`Stream::seal`] adds to a line: `,"stream":"<16>"`, `,"seq":<20>`, `,"prev":"<64>"`, `,"mac":"<64>"` and
/// the line feed.
pub(super) const CHAIN_BYTES: usize = 28 + 27 + 74 + 73 + 1;

/// A stream's name: random, written as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u64);

/// A line of a stream, by its digest: whoever knows it knows all lines before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Whose line.
    pub stream: StreamId,
    /// Its number there, from 0.
    pub seq: u64,
    /// The SHA-256 of its bytes, without the line feed.
    pub digest: Digest,
}

/// A stream that is being written.
pub(super) struct Stream {
    id: StreamId,
    next_seq: u64,
    /// Of the last line; nothing yet where that is none.
    last: Digest,
    ratchet: Option<Ratchet>,
    /// `,"stream":"...","seq":`, which every line has.
    name: String,
}

impl StreamId {
    /// A new name.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; 8];
        getrandom::getrandom(&mut bytes)
            .map_err(|error| Error::new("the kernel gave no random bytes").because(error.to_string()))?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }

    /// Reads 16 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u64::from_str_radix(text, 16).ok().filter(|_| digits).map(Self)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Head {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (stream, seq, digest) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || seq.is_empty() || !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { stream: StreamId::parse(stream)?, seq: seq.parse().ok()?, digest: parse_digest(digest)? })
    }
}

impl fmt::Display for Head {
    /// `STREAM:SEQ:SHA256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digest = String::with_capacity(64);
        push_hex(&mut digest, &self.digest);
        write!(f, "{}:{}:{digest}", self.stream, self.seq)
    }
}

impl Stream {
    pub(super) fn new(id: StreamId, ratchet: Option<Ratchet>) -> Self {
        Self { id, next_seq: 0, last: [0; 32], ratchet, name: format!(",\"stream\":\"{id}\",\"seq\":") }
    }

    /// Its name.
    pub(super) fn id(&self) -> StreamId {
        self.id
    }

    /// The last line; `None` where there is none.
    pub(super) fn head(&self) -> Option<Head> {
        Some(Head { stream: self.id, seq: self.next_seq.checked_sub(1)?, digest: self.last })
    }

    /// Appends a JSON object as the stream's next line, line feed included.
    pub(super) fn seal(&mut self, object: &str, out: &mut String) {
        let start = out.len();
        out.push_str(object.strip_suffix('}').unwrap_or(object));
        out.push_str(&self.name);
        // Writing to a string does not fail.
        let _written = write!(out, "{}", self.next_seq);
        if self.next_seq > 0 {
            out.push_str(",\"prev\":\"");
            push_hex(out, &self.last);
            out.push('"');
        }
        out.push('}');
        if let Some(ratchet) = &mut self.ratchet {
            let mac = ratchet.mac(out.as_bytes().get(start..).unwrap_or_default());
            ratchet.step();
            out.pop();
            out.push_str(MAC_FIELD);
            push_hex(out, &mac);
            out.push_str("\"}");
        }
        self.last = sha256(out.as_bytes().get(start..).unwrap_or_default());
        self.next_seq = self.next_seq.saturating_add(1);
        out.push('\n');
    }
}

/// The bytes that a line's MAC is of, and the MAC, which is the line's last field. `None` where there is none.
pub(super) fn split_mac(line: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_suffix("\"}")?;
    let (rest, mac) = text.split_at_checked(text.len().checked_sub(64)?)?;
    let mut rest = rest.strip_suffix(MAC_FIELD)?.as_bytes().to_vec();
    rest.push(b'}');
    Some((rest, parse_digest(mac)?))
}

const MAC_FIELD: &str = ",\"mac\":\"";

/// Reads 64 lower-case hex digits.
pub(super) fn parse_digest(text: &str) -> Option<Digest> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    crate::digest::from_hex(text)?.as_slice().try_into().ok()
}

/// Appends two lower-case hex digits a byte.
pub(super) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0xf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    const ID: &str = "00000000deadbeef";

    fn id() -> StreamId {
        StreamId::parse(ID).expect("an id")
    }

    #[test]
    fn each_line_names_the_one_before() {
        let mut stream = Stream::new(id(), None);
        let mut text = String::new();
        assert_eq!(stream.head(), None);
        stream.seal(r#"{"event":"open"}"#, &mut text);
        stream.seal(r#"{"profile":"dev"}"#, &mut text);
        let first = format!(r#"{{"event":"open","stream":"{ID}","seq":0}}"#);
        let second =
            format!(r#"{{"profile":"dev","stream":"{ID}","seq":1,"prev":"{}"}}"#, hex(&sha256(first.as_bytes())));
        assert_eq!(text, format!("{first}\n{second}\n"));
        let head = stream.head().expect("two lines");
        assert_eq!(head, Head { stream: id(), seq: 1, digest: sha256(second.as_bytes()) });
        assert_eq!(head.to_string(), format!("{ID}:1:{}", hex(&sha256(second.as_bytes()))));
        assert_eq!(Head::parse(&head.to_string()), Some(head));
    }

    #[test]
    fn a_mac_is_the_last_field_and_of_all_before_it() {
        let mut stream = Stream::new(id(), Some(Ratchet::of(b"key", id()).expect("memory")));
        let mut text = String::new();
        stream.seal(r#"{"event":"open"}"#, &mut text);
        stream.seal(r#"{"profile":"dev"}"#, &mut text);
        let mut ratchet = Ratchet::of(b"key", id()).expect("memory");
        for (line, start) in text.lines().zip([r#"{"event":"open","#, r#"{"profile":"dev","#]) {
            let (bytes, mac) = split_mac(line.as_bytes()).expect("a mac");
            assert!(bytes.starts_with(start.as_bytes()) && bytes.ends_with(b"}"));
            assert_eq!(ratchet.mac(&bytes), mac);
            ratchet.step();
        }
    }

    #[test]
    fn what_is_added_has_a_bound() {
        let mut stream = Stream::new(id(), Some(Ratchet::of(b"key", id()).expect("memory")));
        stream.next_seq = u64::MAX;
        let mut text = String::new();
        stream.seal("{\"a\":1}", &mut text);
        assert_eq!(text.len(), "{\"a\":1}".len() + CHAIN_BYTES);
    }

    #[test]
    fn a_head_is_read_strictly() {
        let digest = "0".repeat(64);
        for text in [
            String::new(),
            format!("{ID}:1"),
            format!("{ID}:+1:{digest}"),
            format!("{ID}::{digest}"),
            format!("{ID}:1:{digest}:"),
            format!("{ID}:1:{}", "0".repeat(62)),
            format!("{ID}:1:{}", "A".repeat(64)),
            format!("+0000000deadbeef:1:{digest}"),
            format!("{ID}:99999999999999999999:{digest}"),
        ] {
            assert_eq!(Head::parse(&text), None, "{text}");
        }
    }
}
