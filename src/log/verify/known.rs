//! What is known of a stream that is being checked.

use zeroize::Zeroizing;

use super::Place;
use crate::log::chain::{Digest, StreamId, split_mac};
use crate::log::line::{Kind, Link};
use crate::log::ratchet::{first_key, mac, next_key};

/// Gaps that are kept of a stream, to tell what was moved from what was put in.
const GAPS: usize = 16;

/// A stream.
pub(super) struct Known {
    stream: StreamId,
    pub(super) pid: Option<u64>,
    /// The number of the line that is next.
    pub(super) next: u64,
    /// The last line.
    pub(super) head: Digest,
    pub(super) last: Place,
    pub(super) end: End,
    /// The key of the last line; nothing without a key, or where too many lines are missing.
    key: Option<Zeroizing<Digest>>,
    /// Numbers of lines that were not where they should be: first and last.
    gaps: Vec<(u64, u64)>,
    says_no_mac: bool,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Closed,
    GivenUp,
}

impl Known {
    /// A stream of which this line is the first that is there.
    pub(super) fn new(place: Place, link: &Link, digest: Digest) -> Self {
        let pid = match &link.kind {
            Kind::Open(opening) => opening.pid,
            Kind::Decision | Kind::Close => None,
        };
        Self {
            stream: link.stream,
            pid,
            next: link.seq.saturating_add(1),
            head: digest,
            last: place,
            end: End::Open,
            key: None,
            gaps: Vec::new(),
            says_no_mac: false,
        }
    }

    /// From the verifier's key to that of the last line.
    pub(super) fn set_key(&mut self, key: &[u8], skips_left: &mut u64) {
        self.key = Some(first_key(key, self.stream));
        self.turn(self.next.saturating_sub(1), skips_left);
    }

    /// Leaves out the lines up to this one.
    pub(super) fn skip_to(&mut self, seq: u64, skips_left: &mut u64) {
        if self.gaps.len() < GAPS {
            self.gaps.push((self.next, seq.saturating_sub(1)));
        }
        self.turn(seq.saturating_sub(self.next), skips_left);
        self.next = seq;
    }

    /// Goes on to the next line, which is here.
    pub(super) fn advance(&mut self, place: Place, digest: Digest) {
        self.turn(1, &mut 1);
        self.next = self.next.saturating_add(1);
        (self.head, self.last) = (digest, place);
    }

    /// Ends the stream, if this is its closing line.
    pub(super) fn close(&mut self, link: &Link) {
        if link.kind == Kind::Close {
            self.end = End::Closed;
        }
    }

    /// Whether this line was missing until now.
    pub(super) fn was_missing(&self, seq: u64) -> bool {
        self.gaps.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// What is wrong with the MAC of the last line.
    pub(super) fn check_mac(&mut self, line: &[u8], has_mac: bool) -> Option<&'static str> {
        let Some(key) = &self.key else {
            return Some("cannot be checked against the key: too many lines before it are missing");
        };
        if !has_mac {
            // Once a stream: all of it may be without.
            let said = std::mem::replace(&mut self.says_no_mac, true);
            return (!said).then_some("has no MAC, so that nothing shows that the key's owner wrote it");
        }
        let fits = split_mac(line).is_some_and(|(bytes, found)| mac(key.as_slice(), &bytes) == found);
        (!fits).then_some("has a MAC that the key does not give: it was changed, or another key's owner wrote it")
    }

    fn turn(&mut self, times: u64, skips_left: &mut u64) {
        let Some(key) = &mut self.key else { return };
        if times > *skips_left {
            self.key = None;
            return;
        }
        *skips_left = skips_left.saturating_sub(times);
        for _ in 0..times {
            *key = next_key(key.as_slice());
        }
    }
}
