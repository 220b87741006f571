//! Signature Version 4, checked from the specification ("Create a signed AWS API request", AWS General Reference)
//! with nothing but SHA-256 and HMAC: a signer's mistake cannot be mirrored here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::{digest, hmac};

use super::answers::Refusal;
use super::wire::Request;

const CLOCK_SKEW_S: i64 = 300;

/// The parts of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) access_key: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl Authorization {
    /// Reads the header, as strictly as AWS does.
    pub(crate) fn read(request: &Request) -> Result<Self, Refusal> {
        let header = request.header("authorization").ok_or_else(|| {
            Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        })?;
        let incomplete = |what: &str| {
            Refusal::new(
                400,
                "IncompleteSignature",
                format!("Authorization header requires {what}. Authorization={header}"),
            )
        };
        let parameters =
            header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| incomplete("the algorithm 'AWS4-HMAC-SHA256'"))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for parameter in parameters.split(',') {
            match parameter.trim().split_once('=') {
                Some(("Credential", value)) if credential.is_none() => credential = Some(value),
                Some(("SignedHeaders", value)) if signed_headers.is_none() => signed_headers = Some(value),
                Some(("Signature", value)) if signature.is_none() => signature = Some(value),
                _ => return Err(incomplete("exactly 'Credential', 'SignedHeaders' and 'Signature' parameters")),
            }
        }
        let credential = credential.ok_or_else(|| incomplete("'Credential' parameter"))?;
        let [access_key, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
            return Err(incomplete("a 'Credential' of KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        Ok(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers
                .ok_or_else(|| incomplete("'SignedHeaders' parameter"))?
                .split(';')
                .map(str::to_owned)
                .collect(),
            signature: signature.ok_or_else(|| incomplete("'Signature' parameter"))?.to_owned(),
        })
    }

    /// Checks scope, age, which headers are signed, and the signature itself.
    pub(crate) fn verify(&self, request: &Request, secret: &str, region: &str, now: Timestamp) -> Result<(), Refusal> {
        let mismatch = |message: String| Refusal::new(403, "SignatureDoesNotMatch", message);
        if self.region != region {
            return Err(mismatch(format!("Credential should be scoped to a valid region, not '{}'. ", self.region)));
        }
        if self.service != "sts" {
            return Err(mismatch("Credential should be scoped to correct service: 'sts'. ".to_owned()));
        }
        let amz_date = request.header("x-amz-date").unwrap_or_default();
        let sent = read_date(amz_date).ok_or_else(|| {
            Refusal::new(
                400,
                "IncompleteSignature",
                format!("Date must be in ISO-8601 'basic format'. Got '{amz_date}'. See http://en.wikipedia.org/wiki/ISO_8601"),
            )
        })?;
        if !amz_date.starts_with(&self.date) || self.date.len() != 8 {
            return Err(mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{amz_date}'.",
                self.date,
                amz_date.get(..8).unwrap_or(amz_date),
            )));
        }
        check_age(sent, now).map_err(mismatch)?;
        self.check_signed_headers(request).map_err(mismatch)?;

        let key = ["aws4_request", "sts", region, &self.date]
            .iter()
            .rfold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
        let scope = format!("{}/{region}/sts/aws4_request", self.date);
        let canonical = self.canonical_request(request);
        let text = format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        if hex(&mac(&key, text.as_bytes())) != self.signature {
            return Err(mismatch(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn check_signed_headers(&self, request: &Request) -> Result<(), String> {
        let mut sorted = self.signed_headers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted != self.signed_headers {
            return Err("'SignedHeaders' must be sorted and without repetition.".to_owned());
        }
        let mut required = vec!["host", "x-amz-date"];
        for (name, _) in &request.headers {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-amz-") && !self.signed_headers.contains(&name) {
                return Err(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."));
            }
        }
        required.retain(|name| !self.signed_headers.iter().any(|signed| signed == name));
        match required.first() {
            Some(&"host") => {
                Err("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned())
            }
            Some(name) => Err(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")),
            None => Ok(()),
        }
    }

    fn canonical_request(&self, request: &Request) -> String {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut query: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        query.sort_unstable();
        let mut headers = String::new();
        for name in &self.signed_headers {
            let values: Vec<String> = request
                .headers
                .iter()
                .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            headers.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        format!(
            "{}\n{path}\n{}\n{headers}\n{}\n{}",
            request.method,
            query.join("&"),
            self.signed_headers.join(";"),
            sha256_hex(&request.body),
        )
    }
}

/// `20150830T123600Z`.
pub(crate) fn write_date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn read_date(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// AWS's Query services allow five minutes either way.
fn check_age(sent: Timestamp, now: Timestamp) -> Result<(), String> {
    let at = |offset_s: i64| Timestamp::from_second(now.as_second() + offset_s).expect("a time near now");
    let (sent_text, now_text) = (write_date(sent), write_date(now));
    if sent.as_second() < now.as_second() - CLOCK_SKEW_S {
        return Err(format!(
            "Signature expired: {sent_text} is now earlier than {} ({now_text} - 5 min.)",
            write_date(at(-CLOCK_SKEW_S)),
        ));
    }
    if sent.as_second() > now.as_second() + CLOCK_SKEW_S {
        return Err(format!(
            "Signature not yet current: {sent_text} is still later than {} ({now_text} + 5 min.)",
            write_date(at(CLOCK_SKEW_S)),
        ));
    }
    Ok(())
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn sha256_hex(data: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, data).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The example of "Signature Version 4 signing process" in the AWS General Reference: an answer that AWS published.
#[test]
fn the_published_signing_key_is_reproduced() {
    let key = ["aws4_request", "iam", "us-east-1", "20150830"]
        .iter()
        .rfold(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec(), |key, part| mac(&key, part.as_bytes()));
    assert_eq!(hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}
