//! Why a call to AWS failed, and the sentence that tells a person.

use std::fmt;

use crate::duration;
use crate::error::Error;

use super::endpoint::Endpoint;

/// The longest part of AWS's own message that is shown, in characters: its longest known ones are about 250.
const MESSAGE_MAX_CHARS: usize = 300;

/// A clock this far from AWS's is called wrong, in seconds: AWS itself allows five minutes.
pub const SKEW_LIMIT_S: u64 = 300;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// AWS asks for fewer calls.
    Throttled,
    /// AWS failed.
    Server,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The server's certificate was refused.
    Untrusted,
    /// AWS said no.
    Denied,
    /// The MFA code was refused.
    Mfa,
    /// The source credentials have expired.
    ExpiredToken,
    /// AWS does not know the source credentials.
    InvalidToken,
    /// Our clock is wrong.
    Clock,
    /// The secret does not belong to the access key id.
    SignatureMismatch,
    /// The session policy is too large.
    PackedPolicy,
    /// The account has not enabled the region.
    RegionDisabled,
    /// The answer has not the promised form, or lacks a field.
    Malformed,
    /// The answer exceeds its cap.
    TooLarge,
    /// The answer sends us elsewhere.
    Redirected,
    /// Another error code.
    Other,
}

/// A failed call to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<Facts>);

/// What is known of a failure; boxed, because results carry it everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    kind: FailureKind,
    status: u16,
    code: String,
    message: String,
    /// Seconds by which our clock is ahead of AWS's, where the answer had a date.
    ahead_s: Option<i64>,
    operation: &'static str,
    host: String,
    region: String,
    role: Option<String>,
    /// A proxy is on the way.
    proxied: bool,
}

impl Failure {
    /// A failure without an answer; `message` says why.
    pub fn new(kind: FailureKind, message: &str) -> Self {
        Self(Box::new(Facts {
            kind,
            status: 0,
            code: String::new(),
            message: printable(message),
            ahead_s: None,
            operation: "the call",
            host: String::new(),
            region: String::new(),
            role: None,
            proxied: false,
        }))
    }

    /// The failure that an HTTP status and AWS's error code and message stand for. The code may be empty.
    pub fn answered(status: u16, code: &str, message: &str) -> Self {
        let kind = kind_of(status, code, message);
        let mut failure = Self::new(kind, message);
        failure.0.status = status;
        failure.0.code = printable(code);
        failure
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// The HTTP status; 0 when there was no answer.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// AWS's error code; empty when there was none.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// AWS's own words, printable; empty when there were none.
    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed in a moment.
    pub fn is_retryable(&self) -> bool {
        use FailureKind::{Server, Throttled, Timeout, Unreachable};
        matches!(self.0.kind, Throttled | Server | Unreachable | Timeout)
    }

    /// Whether AWS refused the SourceIdentity, and would perhaps allow the call without one.
    pub fn denies_source_identity(&self) -> bool {
        self.0.kind == FailureKind::Denied && self.0.message.contains("sts:SetSourceIdentity")
    }

    /// Adds by how much our clock is ahead of AWS's; far enough off, a time-dependent failure is the clock's.
    #[must_use]
    pub(super) fn with_clock(mut self, ahead_s: Option<i64>) -> Self {
        self.0.ahead_s = ahead_s;
        let wrong = ahead_s.is_some_and(|s| s.unsigned_abs() >= SKEW_LIMIT_S);
        if wrong && self.0.kind == FailureKind::SignatureMismatch {
            self.0.kind = FailureKind::Clock;
        }
        self
    }

    /// Adds whether a proxy was on the way.
    #[must_use]
    pub(super) fn through_proxy(mut self, proxied: bool) -> Self {
        self.0.proxied = proxied;
        self
    }

    /// Adds which call it was.
    #[must_use]
    pub(super) fn during(mut self, operation: &'static str, endpoint: &Endpoint, role: Option<&str>) -> Self {
        self.0.operation = operation;
        self.0.host = endpoint.authority().to_owned();
        self.0.region = endpoint.region().to_owned();
        self.0.role = role.map(printable);
        self
    }

    /// ` (code)`, or ` (HTTP status)`, or nothing.
    fn code_note(&self) -> String {
        match (self.0.code.is_empty(), self.0.status) {
            (false, _) => format!(" ({})", self.0.code),
            (true, 0) => String::new(),
            (true, status) => format!(" (HTTP {status})"),
        }
    }

    /// `: message`, or nothing.
    fn message_note(&self) -> String {
        if self.0.message.is_empty() { String::new() } else { format!(": {}", self.0.message) }
    }

    /// What happened, and what to do next.
    fn sentence(&self) -> (String, String) {
        use FailureKind as K;
        let Facts { host, operation, message, region, .. } = &*self.0;
        let (what, hint) = match self.0.kind {
            K::Throttled => (
                format!("AWS is throttling {operation} at {host}{}", self.code_note()),
                "wait a minute: the limit is shared by the whole account",
            ),
            K::Server => (
                format!("{operation} failed inside AWS, at {host}{}", self.code_note()),
                "try again; https://health.aws.amazon.com shows outages",
            ),
            // Whose name was not found, and who refused the connection, is the proxy then. Its URL may hold a password.
            K::Unreachable if self.0.proxied => (
                format!("cannot reach {host} through the proxy{}", self.message_note()),
                "check the network and HTTPS_PROXY",
            ),
            K::Unreachable => {
                (format!("cannot reach {host}{}", self.message_note()), "check the network, the region and HTTPS_PROXY")
            }
            K::Timeout => (
                format!("{host} did not answer {operation} in time"),
                "check the network and HTTPS_PROXY, then try again",
            ),
            K::Untrusted => (
                format!("the certificate of {host} is not trusted{}", self.message_note()),
                "if a proxy inspects TLS, name its certificates with AWS_CA_BUNDLE",
            ),
            K::Denied => return self.denial(),
            K::Mfa => (
                format!("AWS refused the MFA code for {operation}"),
                "each code works once: wait for the next one, and check the device's serial number",
            ),
            K::ExpiredToken => ("the source credentials have expired".to_owned(), "renew them, then try again"),
            K::InvalidToken if self.0.status == 0 => (
                format!("the source credentials cannot be used{}", self.message_note()),
                "check that the access key is complete",
            ),
            K::InvalidToken => (
                format!("AWS does not accept the source credentials{}", self.code_note()),
                "check that the access key is complete, active, and of this partition",
            ),
            K::Clock => (self.clock(), "set this host's clock, for example with NTP"),
            K::SignatureMismatch => (
                format!("AWS refused the signature of {operation}{}", self.code_note()),
                "check the source's secret access key: it does not belong to its access key id",
            ),
            K::PackedPolicy => (
                format!("the session policy is too large for AWS{}", self.message_note()),
                "shorten it, or use fewer policy ARNs and tags",
            ),
            K::RegionDisabled => (
                format!("STS is not enabled in {region} for this account"),
                "enable the region in IAM's account settings, or use another region",
            ),
            K::Malformed => (
                format!("cannot use the answer of {host} to {operation}{}", self.message_note()),
                "check the endpoint, and any proxy on the way",
            ),
            K::TooLarge => (
                format!("the answer of {host} to {operation} is too large{}", self.message_note()),
                "check the endpoint, and any proxy on the way",
            ),
            K::Redirected => (
                format!("{host} answered {operation} with a redirect{}, which is not followed", self.code_note()),
                "check the endpoint, and any proxy on the way",
            ),
            K::Other => (
                format!("AWS refused {operation}{}{}", self.code_note(), self.message_note()),
                if message.contains("MaxSessionDuration") {
                    "use a shorter duration, or raise the role's maximum session duration"
                } else if message.contains("role chaining") {
                    "a role assumed by a role lasts at most 1h"
                } else {
                    "check the profile's settings for this call"
                },
            ),
        };
        (what, hint.to_owned())
    }

    /// Who may not do what, as far as AWS's message tells.
    fn denial(&self) -> (String, String) {
        // `User: <arn> is not authorized to perform: <action> on resource: <arn>[ because <why> | with an explicit deny ...]`
        let after = |start: &str| self.0.message.split_once(start).map(|(_, rest)| rest);
        let word = |rest: &str| rest.split([' ', ',']).next().unwrap_or_default().to_owned();
        let caller = after("User: ").map(word);
        let action = after("to perform: ").map(word);
        let because = [" because ", " with an explicit deny"]
            .iter()
            .find_map(|start| after(start).map(|rest| format!("{start}{rest}")))
            .unwrap_or_default();
        let target = self.0.role.as_ref().map(|role| format!(" on {role}")).unwrap_or_default();
        let what = match (&caller, &action) {
            (Some(caller), Some(action)) => format!("{caller} may not perform {action}{target}{because}"),
            _ => format!("AWS denied {}{target}{}", self.0.operation, self.message_note()),
        };
        let hint = match action.as_deref() {
            Some("sts:SetSourceIdentity") => {
                "allow sts:SetSourceIdentity in the role's trust policy, or use --source-identity off"
            }
            Some("sts:TagSession") => "allow sts:TagSession in the role's trust policy",
            _ if self.0.message.contains("with session credentials") => "use an IAM user's own keys, or --no-session",
            _ if because.contains("explicit deny") => "a Deny statement applies: ask who wrote it",
            _ if self.0.role.is_some() => {
                "the role's trust policy and the caller's policies must both allow it; check the ARN, external ID and MFA"
            }
            _ => "check the policies of the source credentials",
        };
        (what, hint.to_owned())
    }

    /// By how much the clock is wrong.
    fn clock(&self) -> String {
        let off = self.0.ahead_s.filter(|s| *s != 0).map(|s| {
            let by = duration::text(std::time::Duration::from_secs(s.unsigned_abs()));
            format!("{by} {} AWS's", if s > 0 { "ahead of" } else { "behind" })
        });
        match off {
            Some(off) => format!("this host's clock is {off}"),
            None => format!("AWS refused the time of the request{}", self.code_note()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (what, hint) = failure.sentence();
        Error::new(what).hint(hint)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence().0)
    }
}

impl std::error::Error for Failure {}

/// Which kind an answer's status, code and message mean. The code counts before the status.
fn kind_of(status: u16, code: &str, message: &str) -> FailureKind {
    use FailureKind as K;
    let bad_time = message.contains("Signature expired") || message.contains("Signature not yet current");
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "PriorRequestNotComplete" => K::Throttled,
        "InternalFailure" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" | "RequestTimeoutException" => {
            K::Server
        }
        "AccessDenied" | "AccessDeniedException" if message.contains("MultiFactorAuthentication failed") => K::Mfa,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => K::Denied,
        "ExpiredToken" | "ExpiredTokenException" => K::ExpiredToken,
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" | "InvalidToken" => {
            K::InvalidToken
        }
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => K::Clock,
        "SignatureDoesNotMatch" | "InvalidSignatureException" if bad_time => K::Clock,
        "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" => K::SignatureMismatch,
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => K::PackedPolicy,
        "RegionDisabledException" => K::RegionDisabled,
        _ => match status {
            429 => K::Throttled,
            500.. => K::Server,
            300..=399 => K::Redirected,
            _ => K::Other,
        },
    }
}

/// Text from outside, cut, with control and direction characters escaped.
fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut shown = String::new();
    for c in text.trim().chars().take(MESSAGE_MAX_CHARS) {
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    if text.trim().chars().nth(MESSAGE_MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
