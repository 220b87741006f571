//! From a profile to its first credentials, and the roles on the way back.
//!
//! The order in which a profile's keys decide is botocore's (AssumeRoleProvider, then ProfileProviderBuilder): a role,
//! web identity, Identity Center, keys in the credentials file, a login session, credential_process, keys in the config
//! file. Keys come before a role in a profile that is only a source.

use std::time::Duration;

use super::keys;
use super::profiles::{Found, Profile, Profiles};
use super::{Base, Rank, Role, check, mfa, settings};
use crate::env::Env;
use crate::error::{Error, Result};

/// The longest chain of roles. AWS names no limit; real chains have two or three.
const ROLES_LIMIT: usize = 16;

/// How long a role may be asked for, in seconds (AssumeRole, DurationSeconds).
const ROLE_SECONDS: std::ops::RangeInclusive<u64> = 900..=43_200;

/// Follows source_profile from `start` to its base.
///
/// # Errors
/// When the chain does not end, ends nowhere, or has a key that is wrong or not supported.
pub(super) fn follow(start: &Profile<'_>, profiles: &Profiles<'_>, env: &Env) -> Result<(Base, Vec<Role>)> {
    let mut visited = vec![start.name.as_str()];
    let mut roles = Vec::new();
    let mut profile = start;
    let base = loop {
        let Some(role_arn) = role_of(profile).filter(|_| roles.is_empty() || !has_keys(profile)) else {
            break base_of(profile)?;
        };
        roles.push(role(profile, &role_arn)?);
        if roles.len() > ROLES_LIMIT {
            let what = format!("the chain of roles of profile `{}` is longer than {ROLES_LIMIT}", start.name);
            return Err(Error::new(what).hint("shorten the chain of source_profile keys"));
        }
        let source = match (profile.get("source_profile"), profile.get("credential_source")) {
            (Some(source), None) => source,
            (None, Some(source)) => break credential_source(&source, env)?,
            (Some(_), Some(extra)) => {
                return Err(extra.error("stands beside source_profile", "keep one of the two"));
            }
            (None, None) => return Err(without_source(profile, &role_arn)),
        };
        let name = source.text()?;
        let Some(next) = profiles.find(name) else {
            let what = format!("names `{name}`, which is not in {}", profiles.places());
            return Err(source.error(&what, &profiles.hint(name)));
        };
        // A profile may be its own source when it has keys: the role is assumed with them.
        if name == profile.name && has_keys(profile) {
            break base_of(profile)?;
        }
        if let Some(begin) = visited.iter().position(|seen| *seen == name) {
            let mut names: Vec<&str> = visited.iter().skip(begin).copied().collect();
            names.push(name);
            let what = format!("leads in a circle: {}", names.join(" -> "));
            return Err(source.error(&what, "let one of them have credentials of its own"));
        }
        visited.push(&next.name);
        profile = next;
    };
    roles.reverse();
    Ok((base, roles))
}

/// The role of a profile. With a web identity token the role is that token's, and not assumed with other credentials.
fn role_of<'a, 'p>(profile: &'p Profile<'a>) -> Option<Found<'a, 'p>> {
    profile.get("role_arn").filter(|_| profile.get("web_identity_token_file").is_none())
}

fn has_keys(profile: &Profile<'_>) -> bool {
    profile.get("aws_access_key_id").or(profile.get("aws_secret_access_key")).is_some()
}

/// The credentials of a profile without its role.
fn base_of(profile: &Profile<'_>) -> Result<Base> {
    refuse_unsupported(profile, Rank::First)?;
    if let Some(base) = keys_in(profile, true)? {
        return Ok(base);
    }
    refuse_unsupported(profile, Rank::Middle)?;
    if let Some(process) = profile.get("credential_process") {
        let command = process.text()?;
        if command.is_empty() {
            return Err(process.error("is empty", "name a program, or remove the key"));
        }
        return Ok(Base::Process { profile: profile.name.clone(), command: command.to_owned() });
    }
    if let Some(base) = keys_in(profile, false)? {
        return Ok(base);
    }
    refuse_unsupported(profile, Rank::Last)?;
    Err(Error::new(format!("profile `{}` ({}) has no credentials", profile.name, profile.place())).hint(
        "give it aws_access_key_id and aws_secret_access_key, role_arn and source_profile, or credential_process",
    ))
}

fn keys_in(profile: &Profile<'_>, credentials_file: bool) -> Result<Option<Base>> {
    let Some(placed) = (if credentials_file { profile.credentials } else { profile.config }) else { return Ok(None) };
    let keys = keys::from_section(profile, placed)?;
    Ok(keys.map(|keys| Base::Keys { profile: profile.name.clone(), file: placed.path.to_owned(), keys }))
}

/// Refuses the keys of this rank that the table of settings refuses.
fn refuse_unsupported(profile: &Profile<'_>, rank: Rank) -> Result<()> {
    match settings::refused(rank).find_map(|key| profile.get(key)) {
        None => Ok(()),
        Some(found) => Err(found.error(
            "decides its credentials, and is not supported",
            "use a profile with keys, credential_process, or role_arn and source_profile",
        )),
    }
}

fn credential_source(source: &Found<'_, '_>, env: &Env) -> Result<Base> {
    match source.text()? {
        "Environment" => keys::from_environment(env)?.map(Base::Environment).ok_or_else(|| {
            source.error(
                "is Environment, and the environment has no keys",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        }),
        name @ ("EcsContainer" | "Ec2InstanceMetadata") => Err(source.error(
            &format!("is {name}, which is not supported yet"),
            "use Environment, or source_profile instead of it",
        )),
        name => {
            Err(source.error(&format!("is `{name}`, which is not a source"), "the source supported is Environment"))
        }
    }
}

fn without_source(profile: &Profile<'_>, role_arn: &Found<'_, '_>) -> Error {
    let hint = if has_keys(profile) {
        format!("to assume the role with its own keys, add source_profile = {}", profile.name)
    } else {
        "add source_profile, or credential_source = Environment".to_owned()
    };
    role_arn.error("has neither source_profile nor credential_source beside it", &hint)
}

/// The role of a profile, each field checked.
fn role(profile: &Profile<'_>, role_arn: &Found<'_, '_>) -> Result<Role> {
    let arn = role_arn.text()?;
    if !check::is_role_arn(arn) {
        let hint = "write it as arn:aws:iam::123456789012:role/NAME";
        return Err(role_arn.error(&format!("is `{arn}`, which is not a role's ARN"), hint));
    }
    Ok(Role {
        profile: profile.name.clone(),
        role_arn: arn.to_owned(),
        external_id: match profile.get("external_id") {
            None => None,
            Some(found) => Some(external_id(&found)?),
        },
        session_name: match profile.get("role_session_name") {
            None => None,
            Some(found) => Some(session_name(&found)?),
        },
        duration: match profile.get("duration_seconds") {
            None => None,
            Some(found) => Some(duration(&found)?),
        },
        mfa: mfa::of(profile)?,
    })
}

fn external_id(found: &Found<'_, '_>) -> Result<String> {
    let text = found.text()?;
    if !check::is_external_id(text) {
        return Err(found.error("is refused by AWS", "use 2 to 1224 letters, digits and _+=,.@:/-"));
    }
    Ok(text.to_owned())
}

fn session_name(found: &Found<'_, '_>) -> Result<String> {
    let text = found.text()?;
    if !check::is_role_session_name(text) {
        return Err(found.error(&format!("is `{text}`, which AWS refuses"), "use 2 to 64 letters, digits and _+=,.@-"));
    }
    Ok(text.to_owned())
}

fn duration(found: &Found<'_, '_>) -> Result<Duration> {
    let text = found.text()?;
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(seconds) if is_number && ROLE_SECONDS.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Ok(seconds) if is_number => {
            Err(found.error(&format!("is {seconds}, and AWS accepts 900 to 43200"), "write 3600 for an hour"))
        }
        _ => Err(found.error(&format!("is `{text}`, which is not a number of seconds"), "write 3600 for an hour")),
    }
}
