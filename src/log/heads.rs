//! Heads that were kept elsewhere: lines that have to be in the log.

use std::collections::BTreeMap;

use super::chain::{Digest, Head, StreamId};
use super::line::{Line, Whole};
use super::syslog::HEAD_WORD;
use crate::digest::sha256;

/// More than a year of anchors of a busy server; about 100 MiB.
const LIMIT: usize = 1_000_000;

/// Heads, and which of them have been met.
#[derive(Default)]
pub(super) struct Heads {
    expected: BTreeMap<(StreamId, u64), Expected>,
    /// The last whole line of each stream that was given.
    last: BTreeMap<StreamId, Head>,
    /// There were more than are kept.
    pub(super) overflowed: bool,
}

struct Expected {
    /// More than one, where what was given contradicts itself.
    digests: Vec<Digest>,
    met: bool,
}

impl Heads {
    pub(super) fn add(&mut self, head: Head) {
        if self.expected.len() >= LIMIT {
            self.overflowed = true;
            return;
        }
        let expected = self.expected.entry((head.stream, head.seq));
        let digests = &mut expected.or_insert(Expected { digests: Vec::new(), met: false }).digests;
        if !digests.contains(&head.digest) {
            digests.push(head.digest);
        }
    }

    /// Adds what a line of syslog has: a head, or a line of the log.
    pub(super) fn add_from(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        for (_, rest) in
            text.match_indices(HEAD_WORD).filter_map(|(at, word)| text.split_at_checked(at.saturating_add(word.len())))
        {
            let word = rest.split_ascii_whitespace().next().unwrap_or_default();
            if let Some(head) = Head::parse(word) {
                self.add(head);
            }
        }
        // What stands before the line is as good as torn.
        if let Line::Glued { whole, .. } | Line::Whole(whole) = Line::read(line.trim_ascii_end()) {
            self.add_line(&whole);
        }
    }

    /// A line stands for the one before it, whose digest it has: only the last of a row is kept.
    fn add_line(&mut self, whole: &Whole<'_>) {
        let Some(link) = &whole.link else { return };
        if self.overflowed {
            return;
        }
        let head = Head { stream: link.stream, seq: link.seq, digest: sha256(whole.bytes) };
        let before = self
            .last
            .get(&link.stream)
            .filter(|last| last.seq.checked_add(1) == Some(link.seq) && link.prev == Some(last.digest));
        if let Some(before) = before {
            let key = (before.stream, before.seq);
            if self.expected.get(&key).is_some_and(|expected| expected.digests == [before.digest]) {
                self.expected.remove(&key);
            }
        }
        self.last.insert(link.stream, head);
        self.add(head);
    }

    /// Whether this line is the one that a head names; `None` where no head does.
    pub(super) fn check(&mut self, line: Head) -> Option<bool> {
        let expected = self.expected.get_mut(&(line.stream, line.seq))?;
        expected.met = true;
        Some(expected.digests == [line.digest])
    }

    /// The last head of each stream, where its line was not there.
    pub(super) fn unmet(&self) -> BTreeMap<StreamId, u64> {
        let unmet = self.expected.iter().filter(|(_, expected)| !expected.met);
        unmet.map(|(place, _)| *place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::chain::Stream;

    fn id() -> StreamId {
        StreamId::parse("0123456789abcdef").expect("an id")
    }

    fn lines(count: usize) -> Vec<String> {
        let mut stream = Stream::new(id(), None);
        let mut text = String::new();
        stream.seal(r#"{"timestamp":"t","event":"open"}"#, &mut text);
        (1..count).for_each(|_| stream.seal(r#"{"timestamp":"t"}"#, &mut text));
        text.lines().map(str::to_owned).collect()
    }

    fn head(seq: u64, line: &str) -> Head {
        Head { stream: id(), seq, digest: sha256(line.as_bytes()) }
    }

    #[test]
    fn a_row_of_lines_is_one_head() {
        let mut heads = Heads::default();
        let lines = lines(4);
        for line in &lines {
            heads.add_from(format!("Jan 31 12:00:00 host sentinel[7]: {line}\r").as_bytes());
        }
        assert_eq!(heads.expected.len(), 1);
        assert_eq!(heads.unmet(), BTreeMap::from([(id(), 3)]));
        assert_eq!(heads.check(head(2, &lines[2])), None);
        assert_eq!(heads.check(head(3, &lines[3])), Some(true));
        assert_eq!(heads.unmet(), BTreeMap::new());
    }

    #[test]
    fn a_line_that_syslog_lost_leaves_two_heads() {
        let mut heads = Heads::default();
        let lines = lines(4);
        for line in [&lines[0], &lines[1], &lines[3]] {
            heads.add_from(line.as_bytes());
        }
        assert_eq!(heads.expected.keys().map(|(_, seq)| *seq).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn heads_are_found_in_any_line_and_a_contradiction_is_no_match() {
        let mut heads = Heads::default();
        let lines = lines(2);
        heads.add_from(format!("<86>1 x - sentinel 7 head - sentinel-head {} more", head(1, &lines[1])).as_bytes());
        heads.add_from(b"sentinel-head x sentinel-head");
        assert_eq!(heads.check(head(1, &lines[1])), Some(true));
        assert_eq!(heads.check(head(1, "other")), Some(false));
        heads.add(head(1, "other"));
        assert_eq!(heads.check(head(1, &lines[1])), Some(false));
    }
}
