//! The EC2 metadata endpoint (IMDS): where tools look that know of nothing else.
//!
//! No instance stands behind it. It answers what SDKs ask on their way to credentials, and says `sentinel` where a person
//! looks. The order is fixed: who it is, a session token of theirs, then what they ask.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::container;
use super::desk::Desk;
use super::route::{Answer, Exchange};
use crate::auth::{Caller, Shown, Ttl};
use crate::clock::rfc3339_s;
use crate::error::Result;
use crate::http::body::instance_credentials_body;
use crate::http::request::Method;
use crate::http::response::{Allowed, ErrorAnswer, Success};
use crate::secret::Secret;
use crate::source::Credentials;
use crate::vending::Which;

/// No instance has this id, which has the form of one.
const INSTANCE_ID: &str = "i-00000000000000000";
/// Nor any instance profile this one.
const INSTANCE_PROFILE_ID: &str = "AIPASENTINEL00000000";
/// The version of the identity document's form.
const DOCUMENT_VERSION: &str = "2017-09-30";
/// Where session tokens are asked for.
const TOKEN_PATH: &str = "/latest/api/token";
/// An IAM role's name is no longer.
const ROLE_NAME_LIMIT: usize = 64;

/// How the endpoint is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imds {
    /// Also without a session token, to whoever is inside.
    pub v1: bool,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A session token, for the asking.
    Token,
    /// The names below a directory.
    Listing(Directory),
    /// The one role.
    RoleName,
    /// The credentials of the role that has this name, if it is that one.
    Credentials(&'a str),
    /// What the instance may do: its instance profile.
    Info,
    /// The instance's id.
    InstanceId,
    /// The region's name.
    Region,
    /// The zone's.
    Zone,
    /// All of it, as JSON.
    Document,
}

/// A path with others below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// `/`
    Root,
    /// `/latest/`
    Latest,
    /// `/latest/meta-data/`
    MetaData,
    /// `/latest/meta-data/iam/`
    Iam,
    /// `/latest/meta-data/placement/`
    Placement,
    /// `/latest/dynamic/`
    Dynamic,
    /// `/latest/dynamic/instance-identity/`
    InstanceIdentity,
}

impl<'a> Resource<'a> {
    /// What a decoded path names. AWS takes a slash behind most; what is written to is named exactly.
    pub fn of(path: &'a str) -> Option<Self> {
        if path == TOKEN_PATH {
            return Some(Self::Token);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        Some(match path {
            "" => Self::Listing(Directory::Root),
            "/latest" => Self::Listing(Directory::Latest),
            "/latest/meta-data" => Self::Listing(Directory::MetaData),
            "/latest/meta-data/iam" => Self::Listing(Directory::Iam),
            "/latest/meta-data/iam/info" => Self::Info,
            "/latest/meta-data/iam/security-credentials" => Self::RoleName,
            "/latest/meta-data/instance-id" => Self::InstanceId,
            "/latest/meta-data/placement" => Self::Listing(Directory::Placement),
            "/latest/meta-data/placement/availability-zone" => Self::Zone,
            "/latest/meta-data/placement/region" => Self::Region,
            "/latest/dynamic" => Self::Listing(Directory::Dynamic),
            "/latest/dynamic/instance-identity" => Self::Listing(Directory::InstanceIdentity),
            "/latest/dynamic/instance-identity/document" => Self::Document,
            _ => {
                let role = path.strip_prefix("/latest/meta-data/iam/security-credentials/")?;
                (!role.is_empty() && !role.contains('/')).then_some(Self::Credentials(role))?
            }
        })
    }
}

/// The methods of what this head asks for, with a method that there is not.
pub(super) fn allowed(head: &[u8]) -> Allowed {
    let target = head.split(|byte| *byte == b' ').nth(1);
    if target == Some(TOKEN_PATH.as_bytes()) { Allowed::Put } else { Allowed::GetHead }
}

/// Answers one request.
pub(super) fn answer(exchange: &Exchange<'_>, imds: Imds) -> Answer {
    let request = exchange.request;
    let path = request.decoded_path();
    let resource = Resource::of(&path);
    let shown = match request.session_token {
        _ if resource == Some(Resource::Token) => Shown::Nothing,
        // One that is shown has to be good, also where none has to be.
        None if imds.v1 => Shown::Nothing,
        token => Shown::Session(token),
    };
    let caller = match exchange.authenticate(shown) {
        Ok(caller) => caller,
        Err(refused) => return Answer::Error(refused),
    };
    let Some(resource) = resource else { return Answer::Error(ErrorAnswer::NotFound) };
    match (resource, request.method) {
        (Resource::Token, Method::Put) => session_token(exchange, &caller),
        (Resource::Token, _) => Answer::Error(ErrorAnswer::MethodNotAllowed(Allowed::Put)),
        (_, Method::Put) => Answer::Error(ErrorAnswer::MethodNotAllowed(Allowed::GetHead)),
        (resource, Method::Get | Method::Head) => read(exchange, caller, resource),
    }
}

/// A new token: as long as was asked for, and no shorter without a word.
fn session_token(exchange: &Exchange<'_>, caller: &Caller) -> Answer {
    let Some(ttl) = exchange.request.session_ttl.and_then(Ttl::parse) else {
        return Answer::Error(ErrorAnswer::BadRequest);
    };
    match exchange.service.authenticator.session_token(caller, ttl) {
        Ok(token) => Answer::SessionToken(token, ttl),
        Err(error) => {
            exchange.service.operator.log("session", &format!("cannot make a session token: {error}"));
            Answer::Error(ErrorAnswer::CredentialsFailed)
        }
    }
}

fn read(exchange: &Exchange<'_>, caller: Caller, resource: Resource<'_>) -> Answer {
    let desk = match exchange.desk(&caller) {
        Ok(desk) => desk,
        Err(refused) => return Answer::Error(refused),
    };
    let role = role_name(&desk);
    match resource {
        Resource::Credentials(asked) if asked == role => exchange.vend(&desk, caller, &Which::Own, make),
        resource => match describe(&desk, &resource, &rfc3339_s(exchange.service.clock.wall())) {
            Some((success, text)) => Answer::Metadata(success, text),
            None => Answer::Error(ErrorAnswer::NotFound),
        },
    }
}

/// What is no secret. `None`: there is none here.
fn describe(desk: &Desk, resource: &Resource<'_>, now: &str) -> Option<(Success, String)> {
    let region = desk.region.as_deref();
    let text = match resource {
        Resource::Token | Resource::Credentials(_) => return None,
        Resource::Listing(directory) => directory.names(region.is_some())?,
        Resource::RoleName => role_name(desk).into_owned(),
        Resource::InstanceId => INSTANCE_ID.to_owned(),
        Resource::Region => region?.to_owned(),
        Resource::Zone => format!("{}a", region?),
        Resource::Info => return Some((Success::Json, info(desk, now)?.to_string())),
        Resource::Document => return Some((Success::Json, document(desk, region?).to_string())),
    };
    Some((Success::Text, text))
}

impl Directory {
    /// As IMDS lists them: a slash behind those with others below, below `latest` itself excepted; no newline at the end.
    fn names(self, has_region: bool) -> Option<String> {
        let names = match (self, has_region) {
            (Self::Root, _) => "latest",
            (Self::Latest, true) => "dynamic\nmeta-data",
            (Self::Latest, false) => "meta-data",
            (Self::MetaData, true) => "iam/\ninstance-id\nplacement/",
            (Self::MetaData, false) => "iam/\ninstance-id",
            (Self::Iam, _) => "info\nsecurity-credentials/",
            (Self::Placement, true) => "availability-zone\nregion",
            (Self::Dynamic, true) => "instance-identity/",
            (Self::InstanceIdentity, true) => "document",
            (Self::Placement | Self::Dynamic | Self::InstanceIdentity, false) => return None,
        };
        Some(names.to_owned())
    }
}

/// The name of the profile's role; without one, the profile's name in a role's letters.
fn role_name(desk: &Desk) -> Cow<'_, str> {
    if let Some((_, name)) = desk.vendor.role_arn().and_then(|arn| arn.rsplit_once('/')) {
        return Cow::Borrowed(name);
    }
    safe(desk.vendor.profile())
}

/// A name that can be part of a path, and of a listing with one line.
fn safe(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    // Dots alone mean a directory.
    if name.chars().all(|c| c == '.') {
        Cow::Borrowed("sentinel")
    } else if name.len() <= ROLE_NAME_LIMIT && name.chars().all(is_plain) {
        Cow::Borrowed(name)
    } else {
        name.chars().take(ROLE_NAME_LIMIT).map(|c| if is_plain(c) { c } else { '-' }).collect()
    }
}

/// Some tools take the account from here, so it is a true one or none.
fn info(desk: &Desk, now: &str) -> Option<Value> {
    let partition = desk.vendor.role_arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
    let (account, role) = (desk.vendor.known_account()?, role_name(desk));
    Some(json!({
        "Code": "Success",
        "LastUpdated": now,
        "InstanceProfileArn": format!("arn:{partition}:iam::{account}:instance-profile/{role}"),
        "InstanceProfileId": INSTANCE_PROFILE_ID,
    }))
}

fn document(desk: &Desk, region: &str) -> Value {
    json!({
        "accountId": desk.vendor.known_account(),
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" },
        "availabilityZone": format!("{region}a"),
        "imageId": "sentinel",
        "instanceId": INSTANCE_ID,
        "instanceType": "sentinel",
        "privateIp": "127.0.0.1",
        "region": region,
        "version": DOCUMENT_VERSION,
    })
}

fn make(credentials: &Credentials) -> Result<Secret> {
    let fields = container::fields(credentials)?;
    instance_credentials_body(&fields, credentials.issued_at()).map_err(container::unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_put_and_all_else_is_read() {
        assert_eq!(allowed(b"POST /latest/api/token HTTP/1.1\r\n\r\n"), Allowed::Put);
        for head in ["POST /latest/api/token/ HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "POST\r\n\r\n", ""] {
            assert_eq!(allowed(head.as_bytes()), Allowed::GetHead, "{head}");
        }
    }

    #[test]
    fn paths_lead_where_imds_has_them_with_and_without_a_slash() {
        for (path, resource) in [
            ("/latest", Resource::Listing(Directory::Latest)),
            ("/latest/meta-data", Resource::Listing(Directory::MetaData)),
            ("/latest/meta-data/iam", Resource::Listing(Directory::Iam)),
            ("/latest/meta-data/iam/info", Resource::Info),
            ("/latest/meta-data/iam/security-credentials", Resource::RoleName),
            ("/latest/meta-data/iam/security-credentials/dev+x=y,z.@_-", Resource::Credentials("dev+x=y,z.@_-")),
            ("/latest/meta-data/instance-id", Resource::InstanceId),
            ("/latest/meta-data/placement", Resource::Listing(Directory::Placement)),
            ("/latest/meta-data/placement/region", Resource::Region),
            ("/latest/meta-data/placement/availability-zone", Resource::Zone),
            ("/latest/dynamic", Resource::Listing(Directory::Dynamic)),
            ("/latest/dynamic/instance-identity", Resource::Listing(Directory::InstanceIdentity)),
            ("/latest/dynamic/instance-identity/document", Resource::Document),
        ] {
            assert_eq!(Resource::of(path), Some(resource.clone()), "{path}");
            assert_eq!(Resource::of(&format!("{path}/")), Some(resource), "{path}/");
        }
        assert_eq!(Resource::of("/"), Some(Resource::Listing(Directory::Root)));
        assert_eq!(Resource::of("/latest/api/token"), Some(Resource::Token));
    }

    #[test]
    fn nothing_else_is_there() {
        for path in [
            "/1.0/",
            "/latest/api",
            "/latest/api/token/",
            "/latest/api/token2",
            "/LATEST/meta-data",
            "/latest/meta-data/ami-id",
            "/latest/meta-data/iam/security-credentials-extended",
            "/latest/meta-data/iam/security-credentials-extended/",
            "/latest/meta-data/iam/security-credentials-extended/dev",
            "/latest/meta-data/iam/security-credentials/dev/more",
            "/latest/meta-data/iam/security-credential",
            "/latest/meta-data/iam/security-credentials//",
            "/latest/meta-data/placement/availability-zone-id",
            "/latest/user-data",
            "/latest/dynamic/instance-identity/pkcs7",
            "/role-arn/arn:aws:iam::123456789012:role/dev",
        ] {
            assert_eq!(Resource::of(path), None, "{path}");
        }
    }

    #[test]
    fn a_profiles_name_becomes_one_plain_word() {
        for (name, expected) in [
            ("dev", "dev"),
            ("team/dev", "team-dev"),
            ("two words\nand a line", "two-words-and-a-line"),
            ("größe", "gr--e"),
            ("..", "sentinel"),
            ("", "sentinel"),
        ] {
            assert_eq!(safe(name), expected, "{name}");
        }
        assert_eq!(safe(&"x".repeat(65)), "x".repeat(64));
    }

    #[test]
    fn without_a_region_there_is_no_place() {
        assert_eq!(Directory::MetaData.names(true).as_deref(), Some("iam/\ninstance-id\nplacement/"));
        assert_eq!(Directory::MetaData.names(false).as_deref(), Some("iam/\ninstance-id"));
        assert_eq!(Directory::Placement.names(false), None);
        assert_eq!(Directory::Dynamic.names(false), None);
    }
}
