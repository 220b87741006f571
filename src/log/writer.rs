//! Makes what was decided into lines of a stream, and brings them to every place.
//!
//! The first sink holds the chain: a stream goes on only after each of its lines was written there whole. When one was not,
//! the stream is given up, and the next line begins a new one, whose opening line says where the old one ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::chain::{Digest, Head, Stream, StreamId};
use super::decision::Object;
use super::operator::Operator;
use super::ratchet::{Ratchet, read_key};
use super::sink::{Failed, Sink};
use super::syslog::Syslog;
use crate::clock::Clock;
use crate::digest::{hex, sha256};
use crate::error::{Error, Result};

/// How many lines, or how much time, may pass between two anchors.
const ANCHOR_LINES: u64 = 100;
const ANCHOR_PERIOD: Duration = Duration::from_secs(60);
/// Torn pieces that an opening line tells of at most: it has to fit.
const TORN_LIMIT: usize = 16;
/// Device and deployment are short; what is not is cut.
const TEXT_LIMIT_BYTES: usize = 128;

/// Everything that is written to, and the stream that is written.
pub(super) struct Writer {
    places: Places,
    about: About,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
    stream: Option<Stream>,
    /// The last line of the stream that was given up, if one was.
    given_up: Option<Head>,
    /// Pieces of lines that were left behind since the last opening line.
    torn: Vec<Digest>,
    anchored: Anchored,
    closed: bool,
    /// Kept, so that it is not allocated for each batch.
    text: String,
}

/// Where lines go.
pub(super) struct Places {
    /// The first holds the chain.
    pub(super) sinks: Vec<Sink>,
    /// Where heads and lines go.
    pub(super) syslog: Option<Syslog>,
    /// Heads do.
    pub(super) anchor: bool,
    /// Lines do.
    pub(super) lines: bool,
}

/// What an opening line says, and what it is made with.
#[derive(Default)]
pub(super) struct About {
    /// The file with the key of the MACs. It is read whenever a stream begins, and not kept.
    pub(super) key: Option<PathBuf>,
    pub(super) device_id: Option<String>,
    pub(super) deployment: Option<String>,
}

/// What has been anchored.
#[derive(Default)]
struct Anchored {
    at_boot: Duration,
    /// The number of the stream's line.
    seq: u64,
}

impl Writer {
    pub(super) fn new(places: Places, about: About, clock: Arc<dyn Clock>, operator: Arc<Operator>) -> Self {
        Self {
            places,
            about,
            clock,
            operator,
            stream: None,
            given_up: None,
            torn: Vec::new(),
            anchored: Anchored::default(),
            closed: false,
            text: String::new(),
        }
    }

    /// Writes objects, one a line, as the next lines of the stream.
    ///
    /// # Errors
    /// When one place did not take all of them.
    pub(super) fn write(&mut self, objects: &str) -> Result<()> {
        if self.closed {
            return Err(Error::new("the decision log is closed: this sentinel is ending"));
        }
        self.append(objects, false)
    }

    fn append(&mut self, objects: &str, ends: bool) -> Result<()> {
        let now_boot = self.clock.boot();
        if let Some(first) = self.places.sinks.first_mut() {
            first.renew(now_boot)?;
        }
        self.text.clear();
        let before = self.stream.as_ref().and_then(Stream::head);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin()?,
        };
        for object in objects.lines() {
            stream.seal(object, &mut self.text);
        }
        self.put(stream, before)?;
        self.anchor(now_boot, ends || before.is_none());
        Ok(())
    }

    /// Ends the stream with a closing line. Nothing is written after it.
    ///
    /// # Errors
    /// When the line was not written.
    pub(super) fn close(&mut self) -> Result<()> {
        let untold = self.given_up.is_some() || !self.torn.is_empty();
        if std::mem::replace(&mut self.closed, true) || self.stream.is_none() && !untold {
            return Ok(());
        }
        let closing = event("close", self.clock.wall()).finish();
        self.append(&closing, true)
    }

    /// A new stream, its opening line already in the text.
    fn begin(&mut self) -> Result<Stream> {
        let id = StreamId::random()?;
        let ratchet = match &self.about.key {
            Some(path) => Some(Ratchet::of(&read_key(path)?, id)?),
            None => None,
        };
        let tail = self.places.sinks.first().map_or(Ok(None), Sink::tail)?;
        let mut torn = self.torn.clone();
        let mut opening = event("open", self.clock.wall());
        opening.number("pid", Some(std::process::id().into()));
        opening.text("version", Some(env!("CARGO_PKG_VERSION")));
        opening.text("device_id", self.about.device_id.as_deref());
        opening.text("deployment", self.about.deployment.as_deref());
        if let Some(tail) = tail {
            opening.text("after", Some(&hex(&tail.digest)));
            if tail.torn && !torn.contains(&tail.digest) {
                torn.push(tail.digest);
            }
        }
        if !torn.is_empty() {
            let texts: Vec<String> = torn.iter().map(|piece| format!("\"{}\"", hex(piece))).collect();
            opening.json("torn", &format!("[{}]", texts.join(",")));
        }
        if let Some(head) = self.given_up {
            opening.object("continues", |object| {
                object.text("stream", Some(&head.stream.to_string()));
                object.number("seq", Some(head.seq));
                object.text("head", Some(&hex(&head.digest)));
            });
        }
        let mut stream = Stream::new(id, ratchet);
        stream.seal(&opening.finish(), &mut self.text);
        Ok(stream)
    }

    /// Brings the text everywhere. The stream goes on if the first sink took all of it; `before` is its last line before.
    fn put(&mut self, stream: Stream, before: Option<Head>) -> Result<()> {
        let mut sinks = self.places.sinks.iter_mut();
        if let Some(Err(failed)) = sinks.next().map(|first| first.append(&self.text)) {
            return Err(self.give_up(stream.id(), before, failed));
        }
        self.stream = Some(stream);
        self.given_up = None;
        self.torn.clear();
        for sink in sinks {
            sink.append(&self.text).map_err(|failed| failed.error)?;
        }
        if let Some(syslog) = self.places.syslog.as_ref().filter(|_| self.places.lines) {
            let now = self.clock.wall();
            self.text.lines().try_for_each(|line| syslog.line(now, line))?;
        }
        Ok(())
    }

    /// Notes how far a stream came.
    fn give_up(&mut self, stream: StreamId, before: Option<Head>, failed: Failed) -> Error {
        let text = self.text.as_bytes();
        // A line that lacks its line feed alone is whole.
        let lacks_end = text.get(failed.written_bytes) == Some(&b'\n');
        let written_bytes = failed.written_bytes.saturating_add(usize::from(lacks_end));
        let written = text.get(..written_bytes).unwrap_or_default();
        let whole_bytes = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
        let (whole, piece) = written.split_at_checked(whole_bytes).unwrap_or_default();
        let mut seq = before.map(|head| head.seq);
        let mut last = None;
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            seq = Some(seq.map_or(0, |seq| seq.saturating_add(1)));
            last = Some(line);
        }
        if let (Some(seq), Some(last)) = (seq, last) {
            self.given_up = Some(Head { stream, seq, digest: sha256(last) });
            // The opening line was among them, if there was one to write, and has told of these.
            self.torn.clear();
        } else if before.is_some() {
            self.given_up = before;
        }
        if !piece.is_empty() {
            if self.torn.len() >= TORN_LIMIT {
                self.torn.remove(0);
            }
            self.torn.push(sha256(piece));
        }
        failed.error
    }

    /// Sends the stream's head to syslog: at its beginning and end, and now and then between.
    fn anchor(&mut self, now_boot: Duration, due: bool) {
        let Some(syslog) = self.places.syslog.as_ref().filter(|_| self.places.anchor) else { return };
        let Some(head) = self.stream.as_ref().and_then(Stream::head) else { return };
        let passed = now_boot.saturating_sub(self.anchored.at_boot) >= ANCHOR_PERIOD;
        if due || passed || head.seq.saturating_sub(self.anchored.seq) >= ANCHOR_LINES {
            self.anchored = Anchored { at_boot: now_boot, seq: head.seq };
            if let Err(error) = syslog.head(self.clock.wall(), &head) {
                self.operator.log("anchors", &format!("the decision log is not anchored: {}", error.line()));
            }
        }
    }
}

/// The beginning of a line that is no decision.
fn event(name: &str, now: Timestamp) -> Object {
    let mut object = Object::new(TEXT_LIMIT_BYTES, 512);
    object.time("timestamp", now);
    object.text("event", Some(name));
    object
}

#[cfg(test)]
mod tests;
