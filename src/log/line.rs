//! One line of a decision log, as far as its place in a stream is concerned.

use std::borrow::Cow;

use serde::Deserialize;

use super::chain::{Digest, Head, StreamId, parse_digest};

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A whole one.
    Whole(Whole<'a>),
    /// The beginning of one that was not written to its end, and a whole one that another process appended to it.
    Glued {
        /// The beginning.
        torn: &'a [u8],
        /// The other.
        whole: Whole<'a>,
    },
    /// Nothing that sentinel writes.
    Foreign,
}

/// A line that sentinel may have written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole<'a> {
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// Its place in a stream; `None` for lines of versions that had none.
    pub(super) link: Option<Link>,
}

/// A line's place in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) stream: StreamId,
    pub(super) seq: u64,
    /// The line before; `None` for the first.
    pub(super) prev: Option<Digest>,
    pub(super) kind: Kind,
    pub(super) has_mac: bool,
}

/// What a line of a stream is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open(Opening),
    Decision,
    Close,
}

/// What an opening line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) pid: Option<u64>,
    /// The file's last line at that time.
    pub(super) after: Option<Digest>,
    /// Pieces of lines that failed writes left behind.
    pub(super) torn: Vec<Digest>,
    /// The last line of a stream that was given up.
    pub(super) continues: Option<Head>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "timestamp")]
    _timestamp: Cow<'a, str>,
    event: Option<Cow<'a, str>>,
    stream: Option<Cow<'a, str>>,
    seq: Option<u64>,
    prev: Option<Cow<'a, str>>,
    mac: Option<Cow<'a, str>>,
    pid: Option<u64>,
    after: Option<Cow<'a, str>>,
    torn: Option<Vec<Cow<'a, str>>>,
    continues: Option<Continues<'a>>,
}

#[derive(Deserialize)]
struct Continues<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    seq: u64,
    head: Cow<'a, str>,
}

/// How every line begins. Inside of a text its quotes would be escaped.
const START: &[u8] = br#"{"timestamp":""#;

impl<'a> Line<'a> {
    /// Reads a line without its line feed.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        if let Some(whole) = Whole::read(bytes) {
            return Self::Whole(whole);
        }
        let start = bytes.windows(START.len()).rposition(|window| window == START).filter(|start| *start > 0);
        let parts = start.and_then(|start| bytes.split_at_checked(start));
        match parts.and_then(|(torn, rest)| Some((torn, Whole::read(rest)?))) {
            Some((torn, whole)) => Self::Glued { torn, whole },
            None => Self::Foreign,
        }
    }
}

impl<'a> Whole<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let fields: Fields<'_> = serde_json::from_slice(bytes).ok()?;
        let Some(stream) = &fields.stream else {
            let unchained = fields.seq.is_none() && fields.prev.is_none() && fields.mac.is_none();
            return (unchained && fields.event.is_none()).then_some(Self { bytes, link: None });
        };
        let prev = match &fields.prev {
            Some(prev) => Some(parse_digest(prev)?),
            None => None,
        };
        let (stream, seq) = (StreamId::parse(stream)?, fields.seq?);
        let kind = match fields.event.as_deref() {
            None => Kind::Decision,
            Some("close") => Kind::Close,
            Some("open") => Kind::Open(Opening::read(&fields)?),
            Some(_) => return None,
        };
        let is_first = matches!(kind, Kind::Open(_));
        if is_first != (seq == 0) || is_first == prev.is_some() {
            return None;
        }
        Some(Self { bytes, link: Some(Link { stream, seq, prev, kind, has_mac: fields.mac.is_some() }) })
    }
}

impl Opening {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let after = match &fields.after {
            Some(after) => Some(parse_digest(after)?),
            None => None,
        };
        let torn: Option<Vec<Digest>> = fields.torn.iter().flatten().map(|piece| parse_digest(piece)).collect();
        let continues = match &fields.continues {
            Some(said) => {
                Some(Head { stream: StreamId::parse(&said.stream)?, seq: said.seq, digest: parse_digest(&said.head)? })
            }
            None => None,
        };
        Some(Self { pid: fields.pid, after, torn: torn?, continues })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef";
    const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

    fn link(text: &str) -> Option<Link> {
        match Line::read(text.as_bytes()) {
            Line::Whole(whole) => whole.link,
            _ => None,
        }
    }

    #[test]
    fn a_line_of_a_stream_names_its_place() {
        let text = format!(
            r#"{{"timestamp":"t","event":"open","pid":7,"after":"{DIGEST}","torn":["{DIGEST}"],"continues":{{"stream":"{ID}","seq":3,"head":"{DIGEST}"}},"stream":"{ID}","seq":0}}"#
        );
        let stream = StreamId::parse(ID).expect("an id");
        let opening = Opening {
            pid: Some(7),
            after: Some([0xab; 32]),
            torn: vec![[0xab; 32]],
            continues: Some(Head { stream, seq: 3, digest: [0xab; 32] }),
        };
        let expected = Link { stream, seq: 0, prev: None, kind: Kind::Open(opening), has_mac: false };
        assert_eq!(link(&text), Some(expected));
        let text =
            format!(r#"{{"timestamp":"t","user":"x","stream":"{ID}","seq":1,"prev":"{DIGEST}","mac":"{DIGEST}"}}"#);
        let expected = Link { stream, seq: 1, prev: Some([0xab; 32]), kind: Kind::Decision, has_mac: true };
        assert_eq!(link(&text), Some(expected));
    }

    #[test]
    fn lines_of_versions_without_streams_are_known() {
        let text = br#"{"timestamp":"t","profile":"dev","effect":"allow","reason":"no policy"}"#;
        assert_eq!(Line::read(text), Line::Whole(Whole { bytes: text, link: None }));
    }

    #[test]
    fn what_sentinel_does_not_write_is_foreign() {
        for text in [
            "x".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"timestamp":"t"#.to_owned(),
            r#"{"timestamp":"t","seq":1}"#.to_owned(),
            r#"{"timestamp":"t","event":"open"}"#.to_owned(),
            format!(r#"{{"timestamp":"t","stream":"{ID}"}}"#),
            format!(r#"{{"timestamp":"t","stream":"{ID}","seq":1}}"#),
            format!(r#"{{"timestamp":"t","stream":"{ID}","seq":0,"prev":"{DIGEST}"}}"#),
            format!(r#"{{"timestamp":"t","stream":"{ID}","seq":0}}"#),
            format!(r#"{{"timestamp":"t","event":"open","stream":"{ID}","seq":1,"prev":"{DIGEST}"}}"#),
            format!(r#"{{"timestamp":"t","event":"else","stream":"{ID}","seq":1,"prev":"{DIGEST}"}}"#),
            format!(r#"{{"timestamp":"t","stream":"{ID}","stream":"{ID}","seq":1,"prev":"{DIGEST}"}}"#),
        ] {
            assert_eq!(Line::read(text.as_bytes()), Line::Foreign, "{text}");
        }
    }

    #[test]
    fn a_line_behind_a_torn_one_is_found() {
        let whole = format!(r#"{{"timestamp":"t","stream":"{ID}","seq":1,"prev":"{DIGEST}"}}"#);
        let text = format!(r#"{{"timestamp":"t","user":"a{whole}"#);
        let Line::Glued { torn, whole: found } = Line::read(text.as_bytes()) else { panic!("not glued") };
        assert_eq!((torn, found.bytes), (&br#"{"timestamp":"t","user":"a"#[..], whole.as_bytes()));
        assert_eq!(found.link.map(|link| link.seq), Some(1));
    }
}
