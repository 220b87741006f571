//! The Security Token Service (API version 2011-06-15, Query protocol): AssumeRole, GetSessionToken,
//! GetCallerIdentity.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::clock::{self, Clock};
use crate::error;
use crate::secret::Secret;

use super::answer::{self, Element, malformed};
use super::client::{Answer, Client, Request};
use super::endpoint::Endpoint;
use super::failure::{Failure, FailureKind, SKEW_LIMIT_S};
use super::identity::Identity;
use super::keys::{Issued, Keys};
use super::network::Network;
use super::retry::{self, Pause};
use super::sign;

/// The service that requests are signed for.
const SERVICE: &str = "sts";
/// The API that forms speak.
const VERSION: &str = "2011-06-15";

const ASSUME_ROLE: &str = "AssumeRole";
const GET_SESSION_TOKEN: &str = "GetSessionToken";
const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";

/// STS at one endpoint.
pub struct Sts {
    endpoint: Endpoint,
    client: Client,
    clock: Arc<dyn Clock>,
    pause: Pause,
}

/// One AssumeRole. AWS checks the values; limits are in its API reference.
pub struct AssumeRole<'a> {
    /// The role to assume.
    pub role_arn: &'a str,
    /// 2 to 64 characters of `[\w+=,.@-]`.
    pub session_name: &'a str,
    /// What the role's trust policy asks of third parties.
    pub external_id: Option<&'a str>,
    /// 15 minutes to 12 hours, and at most the role's own maximum; whole seconds count.
    pub duration: Duration,
    /// The name that AWS records; see [`super::source_identity`].
    pub source_identity: Option<&'a str>,
    /// A session policy, JSON.
    pub policy: Option<&'a str>,
    /// Managed policies that narrow the session, too.
    pub policy_arns: &'a [String],
    /// The second factor, where the role asks for one.
    pub mfa: Option<Mfa<'a>>,
}

/// A second factor.
#[derive(Clone, Copy)]
pub struct Mfa<'a> {
    /// The device's ARN or serial number.
    pub serial: &'a str,
    /// Six digits, good for one use.
    pub code: &'a str,
}

impl Sts {
    /// STS at `endpoint`, reached through `network`.
    ///
    /// # Errors
    /// When the CA bundle or the proxy cannot be used.
    pub fn new(endpoint: Endpoint, clock: Arc<dyn Clock>, network: &Network) -> error::Result<Self> {
        let client = Client::new(&endpoint, network)?;
        Ok(Self { endpoint, client, clock, pause: Arc::new(std::thread::sleep) })
    }

    /// Pauses between attempts in another way than by sleeping.
    #[must_use]
    pub fn with_pause(mut self, pause: Pause) -> Self {
        self.pause = pause;
        self
    }

    /// Assumes a role. `deadline_boot` is on the boot clock, for all attempts together; with a second factor there is
    /// one attempt, because its code is good for one use.
    ///
    /// # Errors
    /// When AWS refuses or cannot be reached, or its answer is not whole, unexpired credentials.
    pub fn assume_role(&self, keys: &Keys, ask: &AssumeRole<'_>, deadline_boot: Duration) -> Result<Issued, Failure> {
        let mut form = Form::new(ASSUME_ROLE);
        form.add("RoleArn", ask.role_arn);
        form.add("RoleSessionName", ask.session_name);
        form.add("DurationSeconds", &ask.duration.as_secs().to_string());
        form.add_some("ExternalId", ask.external_id);
        form.add_some("SourceIdentity", ask.source_identity);
        form.add_some("Policy", ask.policy);
        for (number, arn) in (1_u32..).zip(ask.policy_arns) {
            form.add(&format!("PolicyArns.member.{number}.arn"), arn);
        }
        form.add_mfa(ask.mfa);
        self.call(keys, form, deadline_boot, assumed_role)
            .map_err(|failure| failure.during(ASSUME_ROLE, &self.endpoint, Some(ask.role_arn)))
    }

    /// Temporary credentials for an IAM user's own, which may be proven by a second factor.
    ///
    /// # Errors
    /// As [`Sts::assume_role`].
    pub fn get_session_token(
        &self,
        keys: &Keys,
        duration: Duration,
        mfa: Option<Mfa<'_>>,
        deadline_boot: Duration,
    ) -> Result<Issued, Failure> {
        let mut form = Form::new(GET_SESSION_TOKEN);
        form.add("DurationSeconds", &duration.as_secs().to_string());
        form.add_mfa(mfa);
        self.call(keys, form, deadline_boot, session_token)
            .map_err(|failure| failure.during(GET_SESSION_TOKEN, &self.endpoint, None))
    }

    /// Whose keys these are. AWS answers this whatever the caller's policies say.
    ///
    /// # Errors
    /// When AWS refuses or cannot be reached, or its answer names no kind of caller that is known.
    pub fn get_caller_identity(&self, keys: &Keys, deadline_boot: Duration) -> Result<Identity, Failure> {
        self.call(keys, Form::new(GET_CALLER_IDENTITY), deadline_boot, |answer, _| caller_identity(answer))
            .map_err(|failure| failure.during(GET_CALLER_IDENTITY, &self.endpoint, None))
    }

    /// Signs and sends `form`, anew for every attempt, and reads the answer.
    fn call<T>(
        &self,
        keys: &Keys,
        form: Form<'_>,
        deadline_boot: Duration,
        read: impl Fn(&Answer, Timestamp) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let attempt = |timeout| {
            let content_type = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
            let mut request = Request {
                method: "POST",
                url: self.endpoint.url().to_owned(),
                headers: vec![("content-type", Zeroizing::new(content_type))],
                body: form.body.clone(),
            };
            sign::sign(&mut request, keys, self.endpoint.region(), SERVICE, self.clock.wall())?;
            let mut answer = self.client.send(&request, timeout)?;
            keys.hide_in(&mut answer, form.code);
            let now = self.clock.wall();
            read(&answer, now).map_err(|failure| failure.with_clock(answer.ahead_s(now)))
        };
        match form.code {
            // AWS may have seen the code, whatever became of its answer, and takes none twice.
            Some(_) => retry::once(&*self.clock, deadline_boot, attempt),
            None => retry::retry(&*self.clock, &self.pause, deadline_boot, attempt),
        }
    }
}

/// Reads the answer to AssumeRole that came at `now`. Total: any bytes give credentials that are whole, or a failure.
///
/// # Errors
/// What AWS said, or what keeps the answer from being whole, unexpired credentials.
pub fn assumed_role(answer: &Answer, now: Timestamp) -> Result<Issued, Failure> {
    answer::read(answer, ASSUME_ROLE, |result| {
        let assumed_role_arn = result.child("AssumedRoleUser")?.text("Arn")?.to_owned();
        let source_identity = match result.optional("SourceIdentity")? {
            Some(_) => Some(result.text("SourceIdentity")?.to_owned()),
            None => None,
        };
        let (keys, expiration) = credentials(result, answer, now)?;
        Ok(Issued { keys, expiration, assumed_role_arn: Some(assumed_role_arn), source_identity })
    })
}

/// Reads the answer to GetSessionToken that came at `now`.
///
/// # Errors
/// As [`assumed_role`].
pub fn session_token(answer: &Answer, now: Timestamp) -> Result<Issued, Failure> {
    answer::read(answer, GET_SESSION_TOKEN, |result| {
        let (keys, expiration) = credentials(result, answer, now)?;
        Ok(Issued { keys, expiration, assumed_role_arn: None, source_identity: None })
    })
}

/// Reads the answer to GetCallerIdentity.
///
/// # Errors
/// What AWS said, or an answer that names no kind of caller that is known.
pub fn caller_identity(answer: &Answer) -> Result<Identity, Failure> {
    let identity = answer::read(answer, GET_CALLER_IDENTITY, |result| {
        Ok(Identity {
            account: result.text("Account")?.to_owned(),
            arn: result.text("Arn")?.to_owned(),
            user_id: result.text("UserId")?.to_owned(),
        })
    })?;
    if identity.is_consistent() { Ok(identity) } else { Err(malformed("its Arn names no caller of its Account")) }
}

/// The element `Credentials`, whole and not expired.
fn credentials(result: Element<'_, '_>, answer: &Answer, now: Timestamp) -> Result<(Keys, Timestamp), Failure> {
    let credentials = result.child("Credentials")?;
    let secret = |name: &str| -> Result<Secret, Failure> {
        Secret::take_string(credentials.text(name)?.to_owned())
            .map_err(|error| Failure::new(FailureKind::Other, &format!("no memory for a secret: {error}")))
    };
    let keys = Keys {
        access_key_id: credentials.text("AccessKeyId")?.to_owned(),
        secret_access_key: secret("SecretAccessKey")?,
        session_token: Some(secret("SessionToken")?),
    };
    let expiration: Timestamp =
        credentials.text("Expiration")?.parse().map_err(|_| malformed("its Expiration is not a time"))?;
    if expiration > now {
        return Ok((keys, expiration));
    }
    // Credentials that are over when they come are a wrong clock, if the answer's date says so as well.
    let clock_is_wrong = answer.ahead_s(now).is_some_and(|ahead_s| ahead_s.unsigned_abs() >= SKEW_LIMIT_S);
    if clock_is_wrong {
        return Err(Failure::new(FailureKind::Clock, ""));
    }
    Err(malformed(&format!(
        "its credentials expired at {}, and it is {}",
        clock::rfc3339_s(expiration),
        clock::rfc3339_s(now)
    )))
}

/// A form body, wiped on drop: it may hold an external ID and an MFA code.
struct Form<'a> {
    body: Zeroizing<Vec<u8>>,
    /// The MFA code in it.
    code: Option<&'a str>,
}

impl<'a> Form<'a> {
    fn new(action: &str) -> Self {
        let mut form = Self { body: Zeroizing::new(Vec::new()), code: None };
        form.add("Action", action);
        form.add("Version", VERSION);
        form
    }

    fn add(&mut self, name: &str, value: &str) {
        if !self.body.is_empty() {
            self.body.push(b'&');
        }
        self.encode(name);
        self.body.push(b'=');
        self.encode(value);
    }

    fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn add_mfa(&mut self, mfa: Option<Mfa<'a>>) {
        if let Some(mfa) = mfa {
            self.add("SerialNumber", mfa.serial);
            self.add("TokenCode", mfa.code);
            self.code = Some(mfa.code);
        }
    }

    /// Percent-encodes all but RFC 3986's unreserved characters.
    fn encode(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.body.push(byte);
            } else {
                self.body.extend(format!("%{byte:02X}").bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
