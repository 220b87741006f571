//! Signature Version 4 (AWS General Reference, "Signing AWS API requests"). The only user of `aws-sigv4`.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::client::Request;
use super::failure::{Failure, FailureKind};
use super::keys::Keys;

/// Adds the headers that sign `request`, as it is now, for `service` in `region`.
///
/// # Errors
/// [`FailureKind::InvalidToken`] when the keys hold what no header can, [`FailureKind::Other`] when the request cannot
/// be signed.
pub fn sign(request: &mut Request, keys: &Keys, region: &str, service: &str, now: Timestamp) -> Result<(), Failure> {
    if !keys.is_sendable() {
        return Err(Failure::new(FailureKind::InvalidToken, "they are empty or hold spaces or control characters"));
    }
    let unsignable = |error: &dyn std::fmt::Display| Failure::new(FailureKind::Other, &format!("cannot sign: {error}"));
    let identity = Credentials::new(
        keys.access_key_id.as_str(),
        keys.secret_access_key.expose_str(),
        keys.session_token.as_ref().map(|token| token.expose_str().to_owned()),
        None,
        "sentinel",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now.into())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| unsignable(&error))?
        .into();
    let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable =
        SignableRequest::new(request.method, request.url.as_str(), headers, SignableBody::Bytes(&request.body))
            .map_err(|error| unsignable(&error))?;
    let (instructions, _signature) =
        http_request::sign(signable, &params).map_err(|error| unsignable(&error))?.into_parts();
    let (added, _no_query) = instructions.into_parts();
    for header in added {
        request.headers.push((header.name(), Zeroizing::new(header.value().to_owned())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn keys(token: Option<&str>) -> Keys {
        let secret = |text: &str| Secret::take_string(text.to_owned()).expect("memory");
        Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(secret),
        }
    }

    fn request(method: &'static str, url: &str, content_type: Option<&str>, body: &str) -> Request {
        let mut headers = Vec::new();
        headers.extend(content_type.map(|value| ("content-type", Zeroizing::new(value.to_owned()))));
        Request { method, url: url.to_owned(), headers, body: Zeroizing::new(body.as_bytes().to_vec()) }
    }

    fn signed(mut request: Request, keys: &Keys, service: &str) -> Vec<(&'static str, String)> {
        let now = "2015-08-30T12:36:00Z".parse().expect("a time");
        sign(&mut request, keys, "us-east-1", service, now).expect("a signature");
        request.headers.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    fn authorization(service: &str, headers: &str, signature: &str) -> (&'static str, String) {
        (
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
                 SignedHeaders={headers}, Signature={signature}"
            ),
        )
    }

    // AWS General Reference, "Examples of the complete Signature Version 4 signing process".
    #[test]
    fn the_documented_example_is_reproduced() {
        let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
        let request = request("GET", url, Some("application/x-www-form-urlencoded; charset=utf-8"), "");
        assert!(signed(request, &keys(None), "iam").contains(&authorization(
            "iam",
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        )));
    }

    // AWS Signature Version 4 test suite: post-x-www-form-urlencoded, post-sts-token/post-sts-header-before.
    #[test]
    fn the_test_suite_is_reproduced() {
        let url = "https://example.amazonaws.com/";
        let form = request("POST", url, Some("application/x-www-form-urlencoded"), "Param1=value1");
        assert!(signed(form, &keys(None), "service").contains(&authorization(
            "service",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        )));
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let headers = signed(request("POST", url, None, ""), &keys(Some(token)), "service");
        assert!(headers.contains(&("x-amz-security-token", token.to_owned())));
        assert!(headers.contains(&authorization(
            "service",
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        )));
    }

    #[test]
    fn keys_that_would_break_a_header_are_refused() {
        for token in ["", "a\nb", "a b", "é"] {
            let mut request = request("POST", "https://example.amazonaws.com/", None, "");
            let result = sign(&mut request, &keys(Some(token)), "us-east-1", "sts", Timestamp::UNIX_EPOCH);
            assert_eq!(result.map_err(|failure| failure.kind()), Err(FailureKind::InvalidToken));
        }
    }
}
