//! Pieces of lines that writes left behind which were cut short, as opening lines name them.

use std::collections::BTreeSet;

use ring::digest::{Context, SHA256};

use crate::log::chain::Digest;

/// Bytes that are compared with them in all: more than a hundred of the longest lines, and less than a second.
const WORK_LIMIT_BYTES: usize = 500_000;

/// The pieces that are known of.
pub(super) struct Torn {
    digests: BTreeSet<Digest>,
    work_left: usize,
}

impl Default for Torn {
    fn default() -> Self {
        Self { digests: BTreeSet::new(), work_left: WORK_LIMIT_BYTES }
    }
}

impl Extend<Digest> for Torn {
    fn extend<T: IntoIterator<Item = Digest>>(&mut self, digests: T) {
        self.digests.extend(digests);
    }
}

impl Torn {
    /// How many are known of.
    pub(super) fn len(&self) -> usize {
        self.digests.len()
    }

    /// The pieces that these bytes are, one behind the other; `None` if there is anything else in them. A piece may be the
    /// beginning of another, and several processes may have left theirs in one place.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<Vec<Digest>> {
        let mut starts = BTreeSet::from([0]);
        let mut pieces: Vec<(usize, Digest)> = Vec::new();
        while let Some(start) = starts.pop_first() {
            let rest = bytes.get(start..).unwrap_or_default();
            if self.digests.is_empty() {
                return None;
            }
            self.work_left = self.work_left.checked_sub(rest.len())?;
            let mut context = Context::new(&SHA256);
            for (byte, end) in rest.iter().zip(start.saturating_add(1)..) {
                context.update(std::slice::from_ref(byte));
                let digest: Option<Digest> = context.clone().finish().as_ref().first_chunk().copied();
                pieces.extend(digest.filter(|digest| self.digests.contains(digest)).map(|digest| (end, digest)));
            }
            if pieces.iter().any(|(end, _)| *end == bytes.len()) {
                return Some(pieces.into_iter().map(|(_, digest)| digest).collect());
            }
            // Every line begins alike.
            let ends = pieces.iter().map(|(end, _)| *end);
            starts.extend(ends.filter(|end| *end > start && bytes.get(*end) == Some(&b'{')));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn pieces_are_found_one_behind_the_other() {
        let mut torn = Torn::default();
        assert_eq!(torn.find(b"{ab"), None);
        let (short, long) = (sha256(b"{a"), sha256(b"{ab"));
        torn.extend([short, long]);
        assert_eq!(torn.find(b"{ab"), Some(vec![short, long]));
        assert_eq!(torn.find(b"{ab{a"), Some(vec![short, long, short]));
        assert_eq!(torn.find(b"{a{ab{a"), Some(vec![short, short, long, short]));
        for other in [&b"{"[..], b"{abc", b"x{ab", b"{ab{", b"{a{x"] {
            assert_eq!(torn.find(other), None);
        }
    }

    #[test]
    fn the_search_ends() {
        let mut torn = Torn::default();
        torn.extend([sha256(b"{")]);
        // Each of them may be a beginning.
        assert_eq!(torn.find(&[&[b'{'; 16_000][..], b"x"].concat()), None);
        let as_long = vec![b'{'; 16_000];
        assert_eq!(torn.find(&as_long), None, "the work is used up");
    }
}
