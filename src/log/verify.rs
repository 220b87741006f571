//! Reads a decision log for what was changed, removed, moved, repeated or put in. Pure: lines in, findings out.
//!
//! Each file is read twice, because an opening line tells of lines before it, whose digests are not all kept: first
//! [`Verifier::look_ahead`] for every line, then [`Verifier::check`] for every line in the same order. What is kept grows with
//! the number of streams and heads, not of lines.

mod known;
mod report;
mod torn;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::chain::{Digest, Head, StreamId};
use super::escape;
use super::heads::Heads;
use super::line::{Kind, Line, Link, Opening, Whole};
use crate::digest::sha256;
use known::{End, Known};
pub use report::Report;
use torn::Torn;

/// Streams, opening lines and torn pieces that are kept of each at most: some hundred MiB, whatever a file holds.
const STREAM_LIMIT: usize = 1_000_000;
/// Keys of lines that are not there, which are gone through to get at later ones: some seconds of work in all.
const SKIP_LIMIT: u64 = 10_000_000;
/// A file's name in a finding.
const NAME_LIMIT_BYTES: usize = 256;

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    file: usize,
    line: u64,
}

/// Checks lines one after the other.
pub struct Verifier {
    key: Option<Zeroizing<Vec<u8>>>,
    heads: Heads,
    names: Vec<String>,
    streams: BTreeMap<StreamId, Known>,
    /// Lines that opening lines name as the last before them: whether they were met.
    afters: BTreeMap<Digest, bool>,
    /// Pieces that opening lines name as left behind by failed writes.
    torn: Torn,
    skips_left: u64,
    stream_limit: usize,
    /// There was more than is kept.
    overflowed: bool,
    /// What is before the first line is in files that are not here.
    older_missing: bool,
    lines: u64,
    chained: u64,
    unchained: u64,
    macs_unchecked: bool,
    report: Report,
}

impl Verifier {
    /// With a key, every line of a stream has to have its MAC.
    pub fn new(key: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            key,
            heads: Heads::default(),
            names: Vec::new(),
            streams: BTreeMap::new(),
            afters: BTreeMap::new(),
            torn: Torn::default(),
            skips_left: SKIP_LIMIT,
            stream_limit: STREAM_LIMIT,
            overflowed: false,
            older_missing: false,
            lines: 0,
            chained: 0,
            unchained: 0,
            macs_unchecked: false,
            report: Report::default(),
        }
    }

    /// A line that has to be there.
    pub fn expect(&mut self, head: Head) {
        self.heads.add(head);
    }

    /// A line of syslog, with heads or lines that have to be there.
    pub fn expect_from(&mut self, line: &[u8]) {
        self.heads.add_from(line);
    }

    /// Names the next file. Its number is for [`Verifier::place`].
    pub fn file(&mut self, name: &str) -> usize {
        let mut escaped = String::new();
        escape::push(&mut escaped, name, NAME_LIMIT_BYTES);
        self.names.push(escaped);
        self.names.len().saturating_sub(1)
    }

    /// Where a line is.
    pub fn place(file: usize, line: u64) -> Place {
        Place { file, line }
    }

    /// The first reading: notes what opening lines tell of lines before them.
    pub fn look_ahead(&mut self, bytes: &[u8]) {
        if self.overflowed || !bytes.windows(OPENS.len()).any(|window| window == OPENS) {
            return;
        }
        if let Line::Whole(whole) | Line::Glued { whole, .. } = Line::read(bytes)
            && let Some(Link { kind: Kind::Open(opening), .. }) = whole.link
        {
            self.afters.extend(opening.after.map(|after| (after, false)));
            self.torn.extend(opening.torn);
            self.overflowed |= self.afters.len().max(self.torn.len()) >= self.stream_limit;
        }
    }

    /// The second reading. `None` stands for a line that is too long.
    pub fn check(&mut self, place: Place, bytes: Option<&[u8]>) {
        self.lines = self.lines.saturating_add(1);
        let Some(bytes) = bytes else {
            self.finding(place, "is longer than any line of sentinel's");
            return;
        };
        if bytes.is_empty() {
            // What a process writes to end a line that another could not finish.
            return;
        }
        self.read(place, bytes);
        self.met(&sha256(bytes));
    }

    fn read(&mut self, place: Place, bytes: &[u8]) {
        match Line::read(bytes) {
            Line::Foreign => self.foreign(place, bytes),
            Line::Whole(whole) => self.whole(place, &whole),
            // It may be whole but for its line feed, or several.
            Line::Glued { torn, whole } => {
                self.read(place, torn);
                self.whole(place, &whole);
            }
        }
    }

    fn foreign(&mut self, place: Place, bytes: &[u8]) {
        if let Some(pieces) = self.torn.find(bytes) {
            pieces.iter().for_each(|piece| self.met(piece));
            self.note(place, "was not written to its end: a later opening line says that a write failed, and names it");
        } else {
            self.finding(place, "is not a line of sentinel's: it was put in, changed, or cut");
        }
    }

    fn met(&mut self, digest: &Digest) {
        if let Some(met) = self.afters.get_mut(digest) {
            *met = true;
        }
    }

    fn whole(&mut self, place: Place, whole: &Whole<'_>) {
        let Some(link) = &whole.link else {
            // Where there is a key, what it does not prove is not taken on trust.
            if self.chained == 0 && self.key.is_none() {
                self.unchained = self.unchained.saturating_add(1);
            } else {
                self.finding(place, "is in no stream: it was put in, or a version without streams wrote it");
            }
            return;
        };
        let digest = sha256(whole.bytes);
        let head = Head { stream: link.stream, seq: link.seq, digest };
        self.met(&digest);
        if self.heads.check(head) == Some(false) {
            self.finding(place, "is not the line that a head names: it was changed, or written anew");
        }
        let is_first = self.chained == 0;
        self.chained = self.chained.saturating_add(1);
        match self.streams.remove(&link.stream) {
            None => self.first_of_stream(place, link, whole, digest, is_first),
            Some(known) => self.next_of_stream(place, link, whole, digest, known),
        }
    }

    fn first_of_stream(&mut self, place: Place, link: &Link, whole: &Whole<'_>, digest: Digest, is_first: bool) {
        let (stream, seq) = (link.stream, link.seq);
        if self.streams.len() >= self.stream_limit {
            self.overflowed = true;
            return;
        }
        match &link.kind {
            Kind::Open(opening) => self.opening(place, opening, is_first),
            Kind::Decision | Kind::Close => {
                // Only what has nothing before it can have it in another file.
                self.older_missing |= is_first && self.unchained == 0;
                if self.older_missing {
                    self.note(
                        place,
                        &format!("older files are missing: stream {stream} begins here with its line {seq}"),
                    );
                } else {
                    self.finding(
                        place,
                        &format!("is line {seq} of stream {stream}, whose lines before it are missing"),
                    );
                }
            }
        }
        let mut known = Known::new(place, link, digest);
        let key = self.key.as_ref().map(|key| key.as_slice());
        if let Some(key) = key {
            known.set_key(key, &mut self.skips_left);
        }
        self.mac(place, link, whole, &mut known);
        known.close(link);
        self.streams.insert(stream, known);
    }

    /// What an opening line says of lines before it.
    fn opening(&mut self, place: Place, opening: &Opening, is_first: bool) {
        if let Some(after) = &opening.after
            && self.afters.get(after) != Some(&true)
        {
            if is_first && self.lines == 1 {
                self.older_missing = true;
                self.note(place, "older files are missing: this line was not the first");
            } else {
                self.finding(place, "names the last line before it, which is not there: it was changed or removed");
            }
        }
        let Some(head) = opening.continues else { return };
        let Some(known) = self.streams.get_mut(&head.stream) else {
            if !self.older_missing {
                let stream = head.stream;
                self.finding(place, &format!("goes on where stream {stream} was given up, which is not there"));
            }
            return;
        };
        let (next, last, same) = (known.next, known.last, known.head == head.digest);
        known.end = End::GivenUp;
        if next.checked_sub(1) != Some(head.seq) || !same {
            let text = format!(
                "says that stream {} was given up after its line {}, and that ends otherwise, at {}",
                head.stream,
                head.seq,
                self.name(last)
            );
            self.finding(place, &text);
        }
    }

    fn next_of_stream(&mut self, place: Place, link: &Link, whole: &Whole<'_>, digest: Digest, mut known: Known) {
        let (stream, seq) = (link.stream, link.seq);
        let last = self.name(known.last);
        if seq < known.next {
            // Nothing follows from it: the stream goes on where it was.
            if seq.checked_add(1) == Some(known.next) && digest == known.head {
                self.finding(place, &format!("is there twice: it is {last} again"));
            } else if known.was_missing(seq) {
                self.finding(place, &format!("was moved: it is line {seq} of stream {stream}, and comes after {last}"));
            } else {
                let text = format!("is line {seq} of stream {stream} again, after {last}: it was repeated or put in");
                self.finding(place, &text);
            }
            self.streams.insert(stream, known);
            return;
        }
        match known.end {
            End::Open => {}
            End::Closed => self.finding(place, &format!("comes after the end of its stream, {last}: it was put in")),
            End::GivenUp => self.finding(place, &format!("comes after {last}, where its stream was given up")),
        }
        if seq > known.next {
            let (first, count) = (known.next, seq.saturating_sub(known.next));
            let which = match count {
                1 => format!("line {first} of stream {stream} is"),
                _ => format!("lines {first} to {} of stream {stream} are", seq.saturating_sub(1)),
            };
            self.finding(place, &format!("{which} missing between {last} and this: removed or moved"));
            known.skip_to(seq, &mut self.skips_left);
        } else if link.prev != Some(known.head) {
            let here = self.name(place);
            let text = format!("was changed, or the next line of its stream, {here}, was: they do not fit");
            self.finding(known.last, &text);
        }
        known.advance(place, digest);
        self.mac(place, link, whole, &mut known);
        known.close(link);
        self.streams.insert(stream, known);
    }

    fn mac(&mut self, place: Place, link: &Link, whole: &Whole<'_>, known: &mut Known) {
        if self.key.is_none() {
            self.macs_unchecked |= link.has_mac;
            return;
        }
        if let Some(text) = known.check_mac(whole.bytes, link.has_mac) {
            self.finding(place, text);
        }
    }

    /// What is left to say after the last line.
    pub fn finish(mut self) -> Report {
        for (stream, seq) in self.heads.unmet() {
            let known = self.streams.get(&stream).map(|known| (known.next, known.last));
            match known {
                Some((next, last)) if seq >= next => {
                    let end = next.saturating_sub(1);
                    let text = format!(
                        "is line {end} of stream {stream} and its last, and a head names its line {seq}: the end was cut off"
                    );
                    self.finding(last, &text);
                }
                Some(_) => self.finding_anywhere(format!(
                    "line {seq} of stream {stream}, which a head names, is not there: it was removed, or is in a file that \
                     was not given"
                )),
                None => self.finding_anywhere(format!(
                    "stream {stream}, of which a head names line {seq}, is not there: it was removed, or is in a file that \
                     was not given"
                )),
            }
        }
        if self.heads.overflowed {
            self.finding_anywhere("there are more heads than can be checked at once: give fewer".to_owned());
        }
        if self.overflowed {
            self.finding_anywhere("there are more streams than can be checked at once: give fewer files".to_owned());
        }
        let streams = std::mem::take(&mut self.streams);
        for (stream, known) in streams.iter().filter(|(_, known)| known.end == End::Open) {
            let pid = known.pid.map_or(String::new(), |pid| format!(" of pid {pid}"));
            let end = known.next.saturating_sub(1);
            let text = format!(
                "is the last of stream {stream}{pid}, line {end}, which was not closed: the process runs, was killed, or the \
                 end was cut off"
            );
            self.note(known.last, &text);
        }
        if self.unchained > 0 {
            let count = self.unchained;
            self.note_anywhere(format!(
                "{count} lines at the beginning are of a version without streams: nothing proves them"
            ));
        }
        if self.macs_unchecked {
            self.note_anywhere("there are MACs, which --log-key would check".to_owned());
        }
        self.report.heads = streams
            .iter()
            .map(|(stream, known)| Head { stream: *stream, seq: known.next.saturating_sub(1), digest: known.head })
            .collect();
        self.report.lines = self.lines;
        self.report
    }

    /// `decisions.jsonl:17`.
    fn name(&self, place: Place) -> String {
        format!("{}:{}", self.names.get(place.file).map_or("", String::as_str), place.line)
    }

    fn finding(&mut self, place: Place, text: &str) {
        let text = format!("{}: {text}", self.name(place));
        self.finding_anywhere(text);
    }

    fn finding_anywhere(&mut self, text: String) {
        self.report.finding(text);
    }

    fn note(&mut self, place: Place, text: &str) {
        let text = format!("{}: {text}", self.name(place));
        self.note_anywhere(text);
    }

    fn note_anywhere(&mut self, text: String) {
        self.report.note(text);
    }
}

/// What every opening line has.
const OPENS: &[u8] = br#""event":"open""#;

#[cfg(test)]
mod tests;
