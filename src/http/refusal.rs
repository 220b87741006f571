//! Why a request was refused before it became one.
//!
//! The client learns the status alone; the operator's log says which rule it was.

/// A rule that a request broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The first byte of a TLS handshake.
    Tls,
    /// An empty line before the request line. RFC 9112 allows one; no SDK sends it.
    LeadingEmptyLine,
    /// A CR that is not followed by LF.
    BareCarriageReturn,
    /// A LF that does not follow CR.
    BareLineFeed,
    /// NUL, a tab, or another control byte.
    ControlByte,
    /// A byte above 0x7f.
    NonAscii,
    /// A header line that starts with white space (obs-fold).
    FoldedHeader,
    /// No complete head within [`HEAD_LIMIT_BYTES`](super::request::HEAD_LIMIT_BYTES).
    HeadTooLarge,
    /// More than [`HEADER_LIMIT`](super::request::HEADER_LIMIT) headers.
    TooManyHeaders,
    /// The request line is not `METHOD SP TARGET SP VERSION`.
    RequestLine,
    /// Not HTTP/1.1. HTTP/1.0 is refused because it needs no Host and keeps connections by other rules.
    Version,
    /// Neither GET, HEAD nor PUT, in capitals.
    Method,
    /// The target is not an absolute path: absolute-form, authority-form or `*`.
    NotOriginForm,
    /// The target has a query, which no interface of ours uses.
    Query,
    /// The target has a fragment.
    Fragment,
    /// The path has a character or an escape that we do not take.
    PathCharacter,
    /// The path has an empty, `.` or `..` segment, also after unescaping.
    PathSegment,
    /// A header line is not `NAME: VALUE`.
    HeaderLine,
    /// More than one Host, Authorization or Content-Length.
    DuplicateHeader,
    /// No Host.
    NoHost,
    /// A Host that does not name the listener: DNS rebinding, or a proxy.
    ForeignHost,
    /// Origin, Referer or Sec-Fetch-*: a web page asked.
    Browser,
    /// X-Forwarded-*, Forwarded, X-Real-IP or Via: a proxy asked for someone else.
    Forwarded,
    /// Transfer-Encoding.
    TransferEncoding,
    /// Expect.
    Expect,
    /// Upgrade.
    Upgrade,
    /// Connection with another option than `close` and `keep-alive`.
    ConnectionOption,
    /// A Content-Length that is not a plain number.
    ContentLength,
    /// A Content-Length above 0.
    BodyTooLarge,
}

impl Refusal {
    /// What the operator's log says. Never holds a byte of the request.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Tls => "TLS on a plain HTTP listener",
            Self::LeadingEmptyLine => "empty line before the request line",
            Self::BareCarriageReturn => "CR without LF",
            Self::BareLineFeed => "LF without CR",
            Self::ControlByte => "control byte in the head",
            Self::NonAscii => "non-ASCII byte in the head",
            Self::FoldedHeader => "header line starts with white space",
            Self::HeadTooLarge => "head over 8192 bytes",
            Self::TooManyHeaders => "more than 64 headers",
            Self::RequestLine => "malformed request line",
            Self::Version => "not HTTP/1.1",
            Self::Method => "method is not GET, HEAD or PUT",
            Self::NotOriginForm => "target is not an absolute path",
            Self::Query => "query in the target",
            Self::Fragment => "fragment in the target",
            Self::PathCharacter => "character or escape in the path that is not taken",
            Self::PathSegment => "empty, . or .. segment in the path",
            Self::HeaderLine => "malformed header line",
            Self::DuplicateHeader => "more than one Host, Authorization or Content-Length",
            Self::NoHost => "no Host",
            Self::ForeignHost => "Host does not name this listener",
            Self::Browser => "header of a browser: Origin, Referer or Sec-Fetch-*",
            Self::Forwarded => "header of a proxy: X-Forwarded-*, Forwarded, X-Real-IP or Via",
            Self::TransferEncoding => "Transfer-Encoding",
            Self::Expect => "Expect",
            Self::Upgrade => "Upgrade",
            Self::ConnectionOption => "Connection option other than close and keep-alive",
            Self::ContentLength => "malformed Content-Length",
            Self::BodyTooLarge => "a body",
        }
    }
}
