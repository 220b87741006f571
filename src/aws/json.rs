//! AWS's JSON protocols 1.0 and 1.1: `X-Amz-Target` names the call, its body and its answer are JSON objects, and an error
//! has its code in `__type`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::error;

use super::answer::malformed;
use super::client::{Answer, Client, Request};
use super::endpoint::{Endpoint, Service};
use super::failure::{Failure, FailureKind};
use super::keys::Keys;
use super::network::Network;
use super::retry::{self, Pause};
use super::sign;

/// A service at one endpoint.
pub struct Json {
    service: Service,
    endpoint: Endpoint,
    client: Client,
    clock: Arc<dyn Clock>,
    pause: Pause,
}

impl Json {
    /// The service at `endpoint`, reached through `network`.
    ///
    /// # Errors
    /// When the CA bundle or the proxy cannot be used.
    pub fn new(service: Service, endpoint: Endpoint, clock: Arc<dyn Clock>, network: &Network) -> error::Result<Self> {
        let client = Client::new(&endpoint, network)?;
        Ok(Self { service, endpoint, client, clock, pause: Arc::new(std::thread::sleep) })
    }

    /// Pauses between attempts in another way than by sleeping.
    #[must_use]
    pub fn with_pause(mut self, pause: Pause) -> Self {
        self.pause = pause;
        self
    }

    /// Where calls go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Calls `target` (`AmazonSSM.GetParameter`), signed with `keys`, in up to three attempts that together end by
    /// `deadline_boot` on the boot clock.
    ///
    /// # Errors
    /// When AWS refuses or cannot be reached, or its answer is no JSON object.
    pub fn call(
        &self,
        target: &'static str,
        body: &Value,
        keys: &Keys,
        deadline_boot: Duration,
    ) -> Result<Value, Failure> {
        self.call_watched(target, body, keys, deadline_boot, &mut |_| {})
    }

    /// As [`Json::call`]; `failed` is told of each attempt that failed, whether or not another one follows: what was written may be
    /// there although nobody said so.
    ///
    /// # Errors
    /// As [`Json::call`].
    pub fn call_watched(
        &self,
        target: &'static str,
        body: &Value,
        keys: &Keys,
        deadline_boot: Duration,
        failed: &mut dyn FnMut(&Failure),
    ) -> Result<Value, Failure> {
        let operation = target.rsplit('.').next().unwrap_or(target);
        let body = Zeroizing::new(body.to_string().into_bytes());
        let attempt = |timeout| self.attempt(target, &body, keys, timeout).inspect_err(&mut *failed);
        retry::retry(&*self.clock, &self.pause, deadline_boot, attempt)
            .map_err(|failure| failure.during(operation, &self.endpoint, None))
    }

    fn attempt(
        &self,
        target: &'static str,
        body: &Zeroizing<Vec<u8>>,
        keys: &Keys,
        timeout: Duration,
    ) -> Result<Value, Failure> {
        let header = |value: &str| Zeroizing::new(value.to_owned());
        let content_type = match self.service {
            Service::DynamoDb => "application/x-amz-json-1.0",
            Service::Sts | Service::Ssm => "application/x-amz-json-1.1",
        };
        let mut request = Request {
            method: "POST",
            url: self.endpoint.url().to_owned(),
            headers: vec![("content-type", header(content_type)), ("x-amz-target", header(target))],
            body: body.clone(),
        };
        sign::sign(&mut request, keys, self.endpoint.region(), self.service.name(), self.clock.wall())?;
        let mut answer = self.client.send(&request, timeout)?;
        keys.hide_in(&mut answer, None);
        read(&answer).map_err(|failure| failure.with_clock(answer.ahead_s(self.clock.wall())))
    }
}

/// Reads an answer. Total: any bytes give an object, or a failure.
///
/// # Errors
/// What AWS said, or [`FailureKind::Malformed`].
pub fn read(answer: &Answer) -> Result<Value, Failure> {
    let object = serde_json::from_slice(&answer.body).ok().filter(Value::is_object);
    match answer.status {
        200 => object.ok_or_else(|| malformed("it is no JSON object")),
        201..300 => Err(malformed(&format!("its status is {}", answer.status))),
        status => {
            let text = |names: [&str; 2]| {
                let found = |name| object.as_ref()?.get(name)?.as_str();
                names.into_iter().find_map(found).unwrap_or_default().to_owned()
            };
            // `com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException`, or without what is before the `#`.
            let code = text(["__type", "code"]);
            let code = code.rsplit('#').next().unwrap_or_default();
            Err(Failure::answered(status, code, &text(["message", "Message"])))
        }
    }
}

/// Whether a call that failed so may have been carried out nevertheless.
pub fn is_ambiguous(failure: &Failure) -> bool {
    use FailureKind::{Malformed, Server, Timeout, TooLarge, Unreachable};
    matches!(failure.kind(), Server | Unreachable | Timeout | Malformed | TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Result<Value, Failure> {
        read(&Answer { status, date: None, body: Zeroizing::new(body.to_vec()) })
    }

    #[test]
    fn an_object_is_an_answer_and_nothing_else_is() {
        assert_eq!(answer(200, br#"{"Item":{}}"#), Ok(serde_json::json!({"Item": {}})));
        for body in [&b""[..], b"[]", b"null", b"1", b"<html>", b"{", b"{}{}", b"\xff", b"{\"a\":\"\xff\"}"] {
            assert_eq!(answer(200, body), Err(malformed("it is no JSON object")), "{}", String::from_utf8_lossy(body));
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(answer(200, &deep), Err(malformed("it is no JSON object")));
        assert_eq!(answer(204, b"{}"), Err(malformed("its status is 204")));
    }

    #[test]
    fn an_error_has_its_code_in_its_type() {
        for (status, body, code, message, kind) in [
            (
                400,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m"}"#,
                "ConditionalCheckFailedException",
                "m",
                FailureKind::Other,
            ),
            (
                400,
                r#"{"__type":"com.amazon.coral.availability#ThrottlingException","Message":"slow"}"#,
                "ThrottlingException",
                "slow",
                FailureKind::Throttled,
            ),
            (400, r#"{"__type":"ParameterNotFound"}"#, "ParameterNotFound", "", FailureKind::Other),
            (500, r#"{"__type":"x#InternalServerError"}"#, "InternalServerError", "", FailureKind::Server),
            (503, "<html>", "", "", FailureKind::Server),
            (400, r#"{"__type":7,"message":{}}"#, "", "", FailureKind::Other),
            (302, "", "", "", FailureKind::Redirected),
        ] {
            let failure = answer(status, body.as_bytes()).expect_err("an error");
            assert_eq!(failure, Failure::answered(status, code, message), "{body}");
            assert_eq!(failure.kind(), kind, "{body}");
        }
        for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
            let failure = answer(400, format!(r#"{{"__type":"a#{code}"}}"#).as_bytes()).expect_err("an error");
            assert_eq!(failure.kind(), FailureKind::Throttled, "{code}");
            assert!(failure.is_retryable() && !is_ambiguous(&failure));
        }
    }
}
