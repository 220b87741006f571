//! Static keys: in the environment, or in one section of a file.

use jiff::Timestamp;

use super::StaticKeys;
use super::profiles::{Found, Placed, Profile};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// The longest access key id (IAM API reference, AccessKey).
const ACCESS_KEY_ID_LIMIT_BYTES: usize = 128;

/// The environment's keys, if it has any.
///
/// # Errors
/// When there is a part of them, or a part is not what it should be.
pub(super) fn from_environment(env: &Env) -> Result<Option<StaticKeys>> {
    const UNSET: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY both, or unset both and AWS_SESSION_TOKEN";
    let id = variable(env, "AWS_ACCESS_KEY_ID")?;
    let secret = variable(env, "AWS_SECRET_ACCESS_KEY")?;
    let session = variable(env, "AWS_SESSION_TOKEN")?;
    let security = variable(env, "AWS_SECURITY_TOKEN")?;
    if let (Some(session), Some(security)) = (session, security)
        && session != security
    {
        return Err(Error::new("AWS_SESSION_TOKEN and AWS_SECURITY_TOKEN are set and differ")
            .hint("unset AWS_SECURITY_TOKEN, the older name"));
    }
    let (id, secret) = match (id, secret) {
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => {
            return Err(Error::new("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not").hint(UNSET));
        }
        (None, Some(_)) => {
            return Err(Error::new("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not").hint(UNSET));
        }
        (None, None) if session.is_some() => {
            return Err(Error::new("AWS_SESSION_TOKEN is set and AWS_ACCESS_KEY_ID is not").hint(UNSET));
        }
        (None, None) => return Ok(None),
    };
    if !is_access_key_id(id) {
        return Err(
            Error::new("AWS_ACCESS_KEY_ID is not an access key id").hint("copy it again: it has only A-Z and 0-9")
        );
    }
    let expiration = match env.text("AWS_CREDENTIAL_EXPIRATION")? {
        None => None,
        Some(text) => Some(text.parse::<Timestamp>().map_err(|_| {
            Error::new(format!("AWS_CREDENTIAL_EXPIRATION is `{text}`, which is not a time"))
                .hint("write it as 2026-01-31T09:30:00Z, or unset it")
        })?),
    };
    Ok(Some(StaticKeys {
        access_key_id: id.to_owned(),
        secret_access_key: secret_of(secret)?,
        session_token: session.or(security).map(secret_of).transpose()?,
        expiration,
    }))
}

/// The keys of one section, if it has any. A key and its secret are always of one file.
///
/// # Errors
/// When there is half a pair, or a part is not what it should be.
pub(super) fn from_section(profile: &Profile<'_>, placed: Placed<'_>) -> Result<Option<StaticKeys>> {
    let get = |key| profile.get_from(placed, key);
    let (id, secret) = match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (Some(half), None) => return Err(half_pair(half, "aws_secret_access_key")),
        (None, Some(half)) => return Err(half_pair(half, "aws_access_key_id")),
    };
    let id_text = id.text()?;
    if !is_access_key_id(id_text) {
        return Err(id.error("is not an access key id", "copy it again: it has only A-Z and 0-9"));
    }
    let secret_text = checked(&secret)?;
    if secret_text.is_empty() {
        return Err(secret.error("is empty", "copy it again, or remove it and aws_access_key_id"));
    }
    Ok(Some(StaticKeys {
        access_key_id: id_text.to_owned(),
        secret_access_key: secret_of(secret_text)?,
        session_token: token(get("aws_session_token"), get("aws_security_token"))?,
        expiration: match get("aws_credential_expiration").or(get("x_security_token_expires")) {
            None => None,
            Some(found) => Some(expiration(&found)?),
        },
    }))
}

/// The session token by its name or its older one. An empty one is none, as for botocore.
fn token(session: Option<Found<'_, '_>>, security: Option<Found<'_, '_>>) -> Result<Option<Secret>> {
    let (session_text, security_text) = (checked_or_empty(session)?, checked_or_empty(security)?);
    if let Some(found) = security
        && !session_text.is_empty()
        && !security_text.is_empty()
        && session_text != security_text
    {
        return Err(found.error("differs from its aws_session_token", "remove it: it is the older name"));
    }
    let text = if session_text.is_empty() { security_text } else { session_text };
    if text.is_empty() { Ok(None) } else { secret_of(text).map(Some) }
}

fn expiration(found: &Found<'_, '_>) -> Result<Timestamp> {
    let text = found.text()?;
    text.parse().map_err(|_| {
        found.error(&format!("is `{text}`, which is not a time"), "write it as 2026-01-31T09:30:00Z, or remove it")
    })
}

fn half_pair(half: Found<'_, '_>, missing: &str) -> Error {
    half.error(&format!("has no {missing} beside it"), &format!("add {missing} to the same section, or remove this"))
}

/// The value of a key whose value is printable ASCII without spaces.
fn checked<'a>(found: &Found<'a, '_>) -> Result<&'a str> {
    let text = found.text()?;
    if is_one_word(text) {
        Ok(text)
    } else {
        Err(found.error("has a space or a foreign character in it", "copy it again"))
    }
}

fn checked_or_empty<'a>(found: Option<Found<'a, '_>>) -> Result<&'a str> {
    found.map_or(Ok(""), |found| checked(&found))
}

/// The value of a variable that holds one word.
fn variable<'e>(env: &'e Env, name: &str) -> Result<Option<&'e str>> {
    let text = env.text(name)?;
    if text.is_some_and(|text| !is_one_word(text)) {
        return Err(Error::new(format!("{name} has a space or a foreign character in it")).hint("copy it again"));
    }
    Ok(text)
}

fn is_one_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Shorter ones than AWS's are accepted, because emulators use them.
fn is_access_key_id(text: &str) -> bool {
    (1..=ACCESS_KEY_ID_LIMIT_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn secret_of(text: &str) -> Result<Secret> {
    Secret::take_string(text.to_owned()).map_err(|error| Error::new("no memory for a secret").because(error))
}
