//! Bytes to request: total, without input or output, and fuzzed.
//!
//! Our own scan (`head`) finds the end of the head and refuses the bytes that parsers disagree about. Only then
//! does `httparse` take the lines apart: on its own it would take a bare LF, leading empty lines and obs-text.

use std::borrow::Cow;

use super::head::HeadScan;
use super::hosts::Hosts;
use super::path;
use super::refusal::Refusal;

/// The longest head, its empty line included. The largest SDK requests seen are under 1 KiB.
pub const HEAD_LIMIT_BYTES: usize = 8192;

/// The most headers. The SDKs send fewer than 12.
pub const HEADER_LIMIT: usize = 64;

/// What we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: answered like GET, without the body.
    Head,
    /// PUT: IMDS's token request.
    Put,
}

/// A request without a body, all of whose bytes have one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path as it was sent: absolute, without query, without empty or dot segments. Escapes are still escapes.
    pub path: &'a str,
    /// The Host, which names the listener.
    pub host: &'a str,
    /// Authorization's value, verbatim but for the spaces around it. It may be empty: boto and the Rust SDK send an
    /// empty header for an empty token.
    pub authorization: Option<&'a [u8]>,
    /// X-aws-ec2-metadata-token's value: IMDS's session token.
    pub session_token: Option<&'a [u8]>,
    /// X-aws-ec2-metadata-token-ttl-seconds' value: how long such a token is to live.
    pub session_ttl: Option<&'a [u8]>,
    /// Whether the client means to send another request.
    pub keep_alive: bool,
}

impl<'a> Request<'a> {
    /// The path with its escapes resolved: what to route by.
    pub fn decoded_path(&self) -> Cow<'a, str> {
        path::decode(self.path).unwrap_or(Cow::Borrowed(self.path))
    }
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Nothing wrong yet; more bytes are needed.
    Incomplete,
    /// A whole head.
    Complete {
        /// What it asks.
        request: Request<'a>,
        /// Its length. Later bytes belong to the next request.
        head_bytes: usize,
    },
}

/// Reads one request that arrives in pieces, looking at each byte once.
#[derive(Debug, Default)]
pub struct Parser {
    scan: HeadScan,
}

impl Parser {
    /// Judges `bytes`: what was passed before, and what has come since. Once the answer is complete, or a refusal, the
    /// next request needs a new parser.
    ///
    /// # Errors
    /// The first rule that is broken, as soon as it is known.
    pub fn parse<'a>(&mut self, bytes: &'a [u8], hosts: &Hosts) -> Result<Progress<'a>, Refusal> {
        let Some(head_bytes) = self.scan.advance(bytes)? else {
            return Ok(Progress::Incomplete);
        };
        let head = bytes.get(..head_bytes).unwrap_or_default();
        Ok(Progress::Complete { request: interpret(head, hosts)?, head_bytes })
    }
}

/// Judges `bytes`, which start where a request starts.
///
/// # Errors
/// The first rule that is broken.
pub fn parse<'a>(bytes: &'a [u8], hosts: &Hosts) -> Result<Progress<'a>, Refusal> {
    Parser::default().parse(bytes, hosts)
}

/// A whole head to a request.
fn interpret<'a>(head: &'a [u8], hosts: &Hosts) -> Result<Request<'a>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) | Err(httparse::Error::Token | httparse::Error::NewLine | httparse::Error::Status) => {
            return Err(Refusal::RequestLine);
        }
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(Refusal::HeaderLine),
    }
    if parsed.version != Some(1) {
        return Err(Refusal::Version);
    }
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("PUT") => Method::Put,
        _ => return Err(Refusal::Method),
    };
    let path = parsed.path.ok_or(Refusal::RequestLine)?;
    path::check(path)?;
    let fields = Fields::of(parsed.headers)?;
    let host = fields.host.ok_or(Refusal::NoHost)?;
    if !hosts.contains(host) {
        return Err(Refusal::ForeignHost);
    }
    if let Some(length) = fields.content_length {
        check_content_length(length)?;
    }
    let Fields { authorization, session_token, session_ttl, close, .. } = fields;
    Ok(Request { method, path, host, authorization, session_token, session_ttl, keep_alive: !close })
}

/// The headers that mean something to us.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    authorization: Option<&'a [u8]>,
    session_token: Option<&'a [u8]>,
    session_ttl: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    close: bool,
}

impl<'a> Fields<'a> {
    fn of(headers: &[httparse::Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for header in headers {
            fields.add(header.name, header.value)?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let starts = |known: &str| name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known));
        if is("host") {
            let host = std::str::from_utf8(value).map_err(|_| Refusal::NonAscii)?;
            once(&mut self.host, host)
        } else if is("authorization") {
            once(&mut self.authorization, value)
        } else if is("x-aws-ec2-metadata-token") {
            once(&mut self.session_token, value)
        } else if is("x-aws-ec2-metadata-token-ttl-seconds") {
            once(&mut self.session_ttl, value)
        } else if is("content-length") {
            once(&mut self.content_length, value)
        } else if is("connection") {
            self.connection(value)
        } else if is("transfer-encoding") {
            Err(Refusal::TransferEncoding)
        } else if is("expect") {
            Err(Refusal::Expect)
        } else if is("upgrade") {
            Err(Refusal::Upgrade)
        } else if is("origin") || is("referer") || starts("sec-fetch-") {
            Err(Refusal::Browser)
        } else if starts("x-forwarded-") || is("forwarded") || is("x-real-ip") || is("via") {
            Err(Refusal::Forwarded)
        } else {
            Ok(())
        }
    }

    /// Other options than these two name headers to be dropped on the way; there is no way to drop them on here.
    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                return Err(Refusal::ConnectionOption);
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::DuplicateHeader),
    }
}

/// `0` alone is taken. `00` is a number to some readers and nonsense to others, so it is refused with the nonsense.
fn check_content_length(value: &[u8]) -> Result<(), Refusal> {
    match value {
        b"0" => Ok(()),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => Err(Refusal::BodyTooLarge),
        _ => Err(Refusal::ContentLength),
    }
}

#[cfg(test)]
mod tests;
