//! Answers to bytes.
//!
//! Refusals are constant: the same answer gives the same bytes, whoever asks and why ever they were refused (T6).

use std::io::{self, Write};

use super::refusal::Refusal;
use super::request::Method;

/// Room for the longest head of ours.
pub const HEAD_BYTES: usize = 256;

/// The methods of a resource, for `Allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// What can be read.
    GetHead,
    /// IMDS's token.
    Put,
}

impl Allowed {
    fn list(self) -> &'static str {
        match self {
            Self::GetHead => "GET, HEAD",
            Self::Put => "PUT",
        }
    }
}

/// Every answer that is not a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorAnswer {
    /// 400: broke a rule of [`Refusal`].
    BadRequest,
    /// 401: inside, and without a live session token of the metadata endpoint.
    Unauthorized,
    /// 403: every failure to authenticate, whatever the reason.
    Forbidden,
    /// 403: the policy said no.
    PolicyDenied,
    /// 403: the session was revoked.
    SessionRevoked,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed(Allowed),
    /// 408: the head did not arrive in time.
    RequestTimeout,
    /// 413: a body, where none is taken.
    BodyTooLarge,
    /// 431: a head over the limits.
    HeadTooLarge,
    /// 429: too many requests of this caller.
    RateLimited {
        /// When to come back, in seconds.
        retry_after_s: u32,
    },
    /// 500: the source gave no credentials.
    CredentialsFailed,
    /// 500: the policy cannot be read.
    PolicyFailed,
    /// 503: the source has not answered yet. Not 429: some SDKs give up on that at once.
    CredentialsPending,
}

impl ErrorAnswer {
    /// The status code.
    pub fn status(self) -> u16 {
        self.status_line().0
    }

    /// The stable name of what went wrong, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::PolicyDenied => "PolicyDenied",
            Self::SessionRevoked => "SessionRevoked",
            Self::NotFound => "NotFound",
            Self::MethodNotAllowed(_) => "MethodNotAllowed",
            Self::RequestTimeout => "RequestTimeout",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::HeadTooLarge => "HeadTooLarge",
            Self::RateLimited { .. } => "RateLimited",
            Self::CredentialsFailed => "CredentialsFailed",
            Self::PolicyFailed => "PolicyFailed",
            Self::CredentialsPending => "CredentialsPending",
        }
    }

    /// What went wrong, for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::Unauthorized => "No live session token",
            Self::Forbidden => "invalid Authorization token",
            Self::PolicyDenied => "Policy denied access",
            Self::SessionRevoked => "Session revoked",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed(_) => "Method not allowed",
            Self::RequestTimeout => "Request timed out",
            Self::BodyTooLarge => "Request body too large",
            Self::HeadTooLarge => "Request head too large",
            Self::RateLimited { .. } => "Rate limit exceeded",
            Self::CredentialsFailed => "Failed to retrieve credentials",
            Self::PolicyFailed => "Failed to load policy",
            Self::CredentialsPending => "Credentials are being fetched, try again",
        }
    }

    /// Whether the connection must end with this answer: the next bytes may be a body, or the client has no business
    /// here.
    pub fn closes(self) -> bool {
        match self {
            Self::BadRequest
            | Self::Forbidden
            | Self::MethodNotAllowed(_)
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::HeadTooLarge => true,
            Self::Unauthorized
            | Self::PolicyDenied
            | Self::SessionRevoked
            | Self::NotFound
            | Self::RateLimited { .. }
            | Self::CredentialsFailed
            | Self::PolicyFailed
            | Self::CredentialsPending => false,
        }
    }

    /// The whole answer. HEAD gets GET's head, and no body.
    pub fn bytes(self, method: Method, keep_alive: bool) -> Vec<u8> {
        let (code, message) = (self.code(), self.message());
        // Go reads the lower-case names, others the upper-case ones. None of the texts needs escaping.
        let body = format!(r#"{{"code":"{code}","message":"{message}","Code":"{code}","Message":"{message}"}}"#);
        let (status, reason) = self.status_line();
        let own = match self {
            Self::MethodNotAllowed(allowed) => format!("Allow: {}\r\n", allowed.list()),
            Self::RateLimited { retry_after_s } => format!("Retry-After: {retry_after_s}\r\n"),
            Self::CredentialsPending => "Retry-After: 1\r\n".to_owned(),
            _ => String::new(),
        };
        let common = headers(JSON, body.len(), keep_alive && !self.closes());
        let shown = if method == Method::Head { "" } else { body.as_str() };
        format!("HTTP/1.1 {status} {reason}\r\n{common}{own}\r\n{shown}").into_bytes()
    }

    fn status_line(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden | Self::PolicyDenied | Self::SessionRevoked => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed(_) => (405, "Method Not Allowed"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::BodyTooLarge => (413, "Content Too Large"),
            Self::RateLimited { .. } => (429, "Too Many Requests"),
            Self::HeadTooLarge => (431, "Request Header Fields Too Large"),
            Self::CredentialsFailed | Self::PolicyFailed => (500, "Internal Server Error"),
            Self::CredentialsPending => (503, "Service Unavailable"),
        }
    }
}

impl From<Refusal> for ErrorAnswer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeadTooLarge | Refusal::TooManyHeaders => Self::HeadTooLarge,
            Refusal::BodyTooLarge => Self::BodyTooLarge,
            Refusal::Method => Self::MethodNotAllowed(Allowed::GetHead),
            Refusal::Tls
            | Refusal::LeadingEmptyLine
            | Refusal::BareCarriageReturn
            | Refusal::BareLineFeed
            | Refusal::ControlByte
            | Refusal::NonAscii
            | Refusal::FoldedHeader
            | Refusal::RequestLine
            | Refusal::Version
            | Refusal::NotOriginForm
            | Refusal::Query
            | Refusal::Fragment
            | Refusal::PathCharacter
            | Refusal::PathSegment
            | Refusal::HeaderLine
            | Refusal::DuplicateHeader
            | Refusal::NoHost
            | Refusal::ForeignHost
            | Refusal::Browser
            | Refusal::Forwarded
            | Refusal::TransferEncoding
            | Refusal::Expect
            | Refusal::Upgrade
            | Refusal::ConnectionOption
            | Refusal::ContentLength => Self::BadRequest,
        }
    }
}

/// What a 200 answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// JSON: credentials, or a document of the metadata endpoint.
    Json,
    /// A value or a listing of the metadata endpoint.
    Text,
    /// A session token of the metadata endpoint, and for how many seconds it is good.
    SessionToken(u32),
}

/// The head of a 200 answer, written into `buffer`: the caller sends it and the body in one writev(2), so that a secret body
/// is never copied.
///
/// # Errors
/// Never: the longest head fits, and a test holds that.
pub fn success_head(
    buffer: &mut [u8; HEAD_BYTES],
    success: Success,
    body_bytes: usize,
    keep_alive: bool,
) -> io::Result<&[u8]> {
    let mut rest = buffer.as_mut_slice();
    let content_type = if success == Success::Json { JSON } else { "text/plain" };
    write!(rest, "HTTP/1.1 200 OK\r\n{}", headers(content_type, body_bytes, keep_alive))?;
    if let Success::SessionToken(ttl_s) = success {
        write!(rest, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: {ttl_s}\r\n")?;
    }
    rest.write_all(b"\r\n")?;
    let unused_bytes = rest.len();
    let length_bytes = HEAD_BYTES.saturating_sub(unused_bytes);
    Ok(buffer.get(..length_bytes).unwrap_or_default())
}

/// Go reads an error's code only under exactly this type, without a charset.
const JSON: &str = "application/json";

/// The headers of every answer.
fn headers(content_type: &str, body_bytes: usize, keep_alive: bool) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| {
        write!(f, "Content-Type: {content_type}\r\nContent-Length: {body_bytes}\r\nCache-Control: no-store\r\n")?;
        if keep_alive { Ok(()) } else { f.write_str("Connection: close\r\n") }
    })
}

#[cfg(test)]
mod tests;
