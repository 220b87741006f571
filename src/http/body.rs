//! The credentials as JSON, built where they can be wiped.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroize;

use crate::clock;
use crate::secret::Secret;

/// What an endpoint hands out.
pub struct CredentialFields<'a> {
    /// The access key's id.
    pub access_key_id: &'a str,
    /// The secret key.
    pub secret_access_key: &'a str,
    /// The session token. Always there: we hand out temporary credentials only.
    pub token: &'a str,
    /// When they end. Written in whole seconds, rounded down.
    pub expiration: Timestamp,
    /// The 12 digits of the account, where known.
    pub account_id: Option<&'a str>,
    /// The role that they belong to, where known.
    pub role_arn: Option<&'a str>,
}

/// The names and their order on the wire (AWS's container credentials provider).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wire<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
}

/// The same of the metadata endpoint (IAM roles for Amazon EC2).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceWire<'a> {
    code: &'a str,
    last_updated: &'a str,
    r#type: &'a str,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: &'a str,
}

/// The body of a 200 answer of the container endpoint.
///
/// # Errors
/// When a field that every SDK demands is empty (T18), or the kernel has no memory to give.
pub fn credentials_body(fields: &CredentialFields<'_>) -> io::Result<Secret> {
    check_whole(fields)?;
    let wire = Wire {
        access_key_id: fields.access_key_id,
        secret_access_key: fields.secret_access_key,
        token: fields.token,
        expiration: &clock::rfc3339_s(fields.expiration),
        account_id: fields.account_id,
        role_arn: fields.role_arn,
    };
    Secret::take(encode(&wire)?)
}

/// The body of a 200 answer of the metadata endpoint: credentials that were issued at this time.
///
/// # Errors
/// As [`credentials_body`].
pub fn instance_credentials_body(fields: &CredentialFields<'_>, issued_at: Timestamp) -> io::Result<Secret> {
    check_whole(fields)?;
    let wire = InstanceWire {
        code: "Success",
        last_updated: &clock::rfc3339_s(issued_at),
        r#type: "AWS-HMAC",
        access_key_id: fields.access_key_id,
        secret_access_key: fields.secret_access_key,
        token: fields.token,
        expiration: &clock::rfc3339_s(fields.expiration),
    };
    Secret::take(encode(&wire)?)
}

fn check_whole(fields: &CredentialFields<'_>) -> io::Result<()> {
    let needed = [fields.access_key_id, fields.secret_access_key, fields.token];
    if needed.iter().any(|field| field.is_empty()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "credentials with an empty field"));
    }
    Ok(())
}

/// Measures first, so that the bytes are written once, into a buffer that never grows and so leaves no copy behind.
fn encode(wire: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut length = Measure::default();
    serde_json::to_writer(&mut length, wire)?;
    let mut bytes = Vec::with_capacity(length.bytes);
    match serde_json::to_writer(&mut bytes, wire) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            bytes.zeroize();
            Err(error.into())
        }
    }
}

/// Counts bytes and forgets them.
#[derive(Default)]
struct Measure {
    bytes: usize,
}

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> CredentialFields<'static> {
        CredentialFields {
            access_key_id: "ASIAIOSFODNN7EXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token: "FwoGZXIvYXdzE//\"quoted\"==",
            expiration: "2026-01-31T09:30:00.999Z".parse().expect("a time"),
            account_id: None,
            role_arn: None,
        }
    }

    #[test]
    fn the_body_is_what_the_sdks_read() {
        let body = credentials_body(&fields()).expect("memory");
        assert_eq!(
            body.expose_str(),
            r#"{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","Token":"FwoGZXIvYXdzE//\"quoted\"==","Expiration":"2026-01-31T09:30:00Z"}"#
        );
    }

    #[test]
    fn the_metadata_endpoints_body_is_what_the_sdks_read() {
        let issued_at = "2026-01-31T09:00:00.5Z".parse().expect("a time");
        let body = instance_credentials_body(&CredentialFields { account_id: Some("1"), ..fields() }, issued_at);
        assert_eq!(
            body.expect("memory").expose_str(),
            r#"{"Code":"Success","LastUpdated":"2026-01-31T09:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","Token":"FwoGZXIvYXdzE//\"quoted\"==","Expiration":"2026-01-31T09:30:00Z"}"#
        );
    }

    #[test]
    fn account_and_role_are_there_where_known() {
        let role_arn = Some("arn:aws:iam::123456789012:role/deploy");
        let body = credentials_body(&CredentialFields { account_id: Some("123456789012"), role_arn, ..fields() });
        let body = body.expect("memory");
        let end = r#""Expiration":"2026-01-31T09:30:00Z","AccountId":"123456789012","RoleArn":"arn:aws:iam::123456789012:role/deploy"}"#;
        assert!(body.expose_str().ends_with(end), "{}", body.expose_str());
    }

    #[test]
    fn empty_credentials_are_an_error() {
        for empty in [
            CredentialFields { access_key_id: "", ..fields() },
            CredentialFields { secret_access_key: "", ..fields() },
            CredentialFields { token: "", ..fields() },
        ] {
            let issued_at = "2026-01-31T09:00:00Z".parse().expect("a time");
            for body in [credentials_body(&empty), instance_credentials_body(&empty, issued_at)] {
                assert_eq!(body.err().expect("a refusal").to_string(), "credentials with an empty field");
            }
        }
    }

    #[test]
    fn the_buffer_never_grows() {
        let token = "\"\\\u{1}x".repeat(500);
        let wire = Wire {
            access_key_id: "a",
            secret_access_key: "b",
            token: &token,
            expiration: "c",
            account_id: None,
            role_arn: None,
        };
        let bytes = encode(&wire).expect("json");
        assert_eq!(bytes.len(), bytes.capacity());
    }
}
