//! SSM Parameter Store (API version 2014-11-06): GetParameter and PutParameter.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::malformed;
use super::endpoint::{Endpoint, Service};
use super::failure::{Failure, FailureKind};
use super::json::Json;
use super::keys::KeySource;
use super::network::Network;
use super::retry::Pause;
use crate::clock::Clock;
use crate::error::{self, Error};

const GET_PARAMETER: &str = "AmazonSSM.GetParameter";
const PUT_PARAMETER: &str = "AmazonSSM.PutParameter";

/// What a parameter of the standard tier holds at most, in bytes of UTF-8 (PutParameter, Value).
pub const STANDARD_MAX_BYTES: usize = 4 << 10;
/// What one of the advanced tier holds, which AWS charges for.
pub const ADVANCED_MAX_BYTES: usize = 8 << 10;

/// SSM at one endpoint.
pub struct Ssm {
    json: Json,
    keys: Arc<dyn KeySource>,
}

/// A parameter as SSM holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its text, decrypted.
    pub value: String,
    /// Counts from 1.
    pub version: u64,
    /// `String` or `SecureString`.
    pub kind: String,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub struct Refused {
    /// Who said no.
    pub by: By,
    /// What happened, and what to do next.
    pub error: Error,
}

/// Who said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// AWS: there is no such parameter.
    Absence,
    /// AWS: not with these keys, or not so.
    Aws,
    /// Nobody: there was no answer, or none that is AWS's for sure.
    Nobody,
}

impl Ssm {
    /// SSM at `endpoint`, asked with the keys of `keys`.
    ///
    /// # Errors
    /// When the CA bundle or the proxy cannot be used.
    pub fn new(
        endpoint: Endpoint,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> error::Result<Self> {
        Ok(Self { json: Json::new(Service::Ssm, endpoint, clock, network)?, keys })
    }

    /// Pauses between attempts in another way than by sleeping.
    #[must_use]
    pub fn with_pause(mut self, pause: Pause) -> Self {
        self.json = self.json.with_pause(pause);
        self
    }

    /// The parameter of this name or ARN. `deadline_boot` is on the boot clock, for all attempts together.
    ///
    /// # Errors
    /// When AWS refuses or cannot be reached, or its answer is not a whole parameter.
    pub fn get_parameter(&self, name: &str, deadline_boot: Duration) -> Result<Parameter, Refused> {
        let body = json!({ "Name": name, "WithDecryption": true });
        self.call(GET_PARAMETER, &body, name, deadline_boot, parameter)
    }

    /// Writes the parameter of this name, in place of what it holds. Returns the new version.
    ///
    /// # Errors
    /// As [`Ssm::get_parameter`].
    pub fn put_parameter(&self, name: &str, value: &str, kind: &str, deadline_boot: Duration) -> Result<u64, Refused> {
        let mut body = json!({ "Name": name, "Value": value, "Type": kind, "Overwrite": true });
        if let Some(body) = body.as_object_mut().filter(|_| value.len() > STANDARD_MAX_BYTES) {
            body.insert("Tier".to_owned(), "Advanced".into());
        }
        let version = |answer: &Value| answer.get("Version").and_then(Value::as_u64);
        self.call(PUT_PARAMETER, &body, name, deadline_boot, |answer| {
            version(answer).ok_or_else(|| malformed("it has no Version"))
        })
    }

    fn call<T>(
        &self,
        target: &'static str,
        body: &Value,
        name: &str,
        deadline_boot: Duration,
        read: impl FnOnce(&Value) -> Result<T, Failure>,
    ) -> Result<T, Refused> {
        let keys = self.keys.keys(deadline_boot).map_err(|error| Refused { by: By::Nobody, error })?;
        let answer = self.json.call(target, body, &keys, deadline_boot);
        answer.and_then(|answer| read(&answer)).map_err(|failure| {
            let region = self.json.endpoint().region();
            Refused { by: who(&failure), error: explain(failure, name, region, target) }
        })
    }
}

/// Reads the answer to GetParameter. Total: any object gives a whole parameter, or a failure.
///
/// # Errors
/// When it is not one.
pub fn parameter(answer: &Value) -> Result<Parameter, Failure> {
    let found = answer.get("Parameter").ok_or_else(|| malformed("it has no Parameter"))?;
    let text = |name: &str| {
        let text = found.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| malformed(&format!("its Parameter has no {name}")))
    };
    let version = found.get("Version").and_then(Value::as_u64);
    let version = version.ok_or_else(|| malformed("its Parameter has no Version"))?;
    Ok(Parameter { value: text("Value")?, version, kind: text("Type")? })
}

/// What a network, a clock or a session's end can do is nobody's word.
fn who(failure: &Failure) -> By {
    use FailureKind::{Denied, InvalidToken, Other, SignatureMismatch};
    match failure.kind() {
        _ if is_absence(failure) => By::Absence,
        Denied | InvalidToken | Other | SignatureMismatch if failure.status() != 0 => By::Aws,
        _ => By::Nobody,
    }
}

fn is_absence(failure: &Failure) -> bool {
    matches!(failure.code(), "ParameterNotFound" | "ParameterVersionNotFound")
}

/// What happened to a call about this parameter, and what to do next.
fn explain(failure: Failure, name: &str, region: &str, target: &str) -> Error {
    if is_absence(&failure) {
        return Error::new(format!("there is no parameter {name} in {region}")).hint(
            "`sentinel policy push` makes it; --region and --aws-profile say where it is looked for, and for whom",
        );
    }
    let writes = target == PUT_PARAMETER;
    let is_about_the_key = failure.message().contains("kms:")
        || failure.message().contains("ciphertext")
        || ["InvalidKeyId", "KMSInvalidStateException"].contains(&failure.code());
    let doing = format!("the parameter {name}");
    match failure.kind() {
        FailureKind::Denied | FailureKind::Other if is_about_the_key => {
            let call = if writes { "kms:Encrypt" } else { "kms:Decrypt" };
            Error::new(format!("AWS refuses to use the key that {doing} is encrypted with"))
                .because(failure.message().to_owned())
                .hint(format!("allow {call} on that key: its own policy has to allow it, too"))
        }
        FailureKind::Denied => {
            let call = if writes { "ssm:PutParameter" } else { "ssm:GetParameter" };
            Error::from(failure)
                .within(&doing)
                .hint(format!("allow {call} on it, or name a profile that may with --aws-profile"))
        }
        _ => Error::from(failure).within(&doing),
    }
}

#[cfg(test)]
mod tests;
