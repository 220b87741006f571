//! The one question that this module answers: what does this profile, in this environment, mean.

use super::files::{SourceFile, Which};
use super::profiles::{Placed, Profile, Profiles};
use super::settings::leads_to_credentials;
use super::{Base, Resolved, Wanted, chain, endpoint, keys, mfa};
use crate::env::Env;
use crate::error::{Error, Result};

/// Reads both files and follows the profile to its first credentials.
///
/// Without a named profile: the environment's keys if it has them, else the profile `default`. The region and the other
/// settings are those of the profile asked for; with the environment's keys those of `default`, if there is one.
///
/// # Errors
/// With a sentence that names the file, the line, the key and what to do.
pub fn resolve(wanted: &Wanted<'_>, env: &Env) -> Result<Resolved> {
    let config = SourceFile::load(Which::Config, env)?;
    let credentials = SourceFile::load(Which::Credentials, env)?;
    let (config_ini, credentials_ini) = (config.parse()?, credentials.parse()?);
    let profiles = Profiles::merge(&config, &config_ini, &credentials, &credentials_ini)?;

    let environment = match wanted.profile {
        Some(_) => None,
        None => keys::from_environment(env)?,
    };
    let profile = profiles.find(wanted.profile.unwrap_or("default"));
    let (name, base, roles) = match (environment, profile) {
        (Some(keys), _) => ("environment".to_owned(), Base::Environment(keys), Vec::new()),
        (None, profile) => {
            if wanted.profile.is_none() {
                refuse_web_identity(env)?;
            }
            let profile = profile.ok_or_else(|| unknown(wanted.profile, &profiles, env))?;
            let (base, roles) = chain::follow(profile, &profiles, env)?;
            (profile.name.clone(), base, roles)
        }
    };
    let services = profile.map_or(Ok(None), |profile| services(profile, &profiles))?;
    let placed = services.as_ref().map(|(_, placed)| *placed);
    let endpoint_url = |service| endpoint::url(service, env, profile, placed);
    // With the environment's keys the profile `default` is read for its settings alone.
    let own_keys = roles.is_empty() && !matches!(base, Base::Environment(_));
    Ok(Resolved {
        mfa: profile.filter(|_| own_keys).map_or(Ok(None), mfa::of)?,
        name,
        base,
        roles,
        region: endpoint::region(wanted.region, env, profile)?,
        sts_endpoint_url: endpoint_url("sts")?.map(|named| named.checked().map(str::to_owned)).transpose()?,
        dynamodb_endpoint_url: endpoint_url("dynamodb")?,
        ssm_endpoint_url: endpoint_url("ssm")?,
        variant: endpoint::variant(env, profile)?,
        ca_bundle: endpoint::ca_bundle(profile)?,
        settings: profile.map(settings).unwrap_or_default(),
        services: services.map(|(name, placed)| (name, section_text(placed))),
        source_file: profile.and_then(|profile| profile.config.or(profile.credentials)).map(|p| p.path.to_owned()),
    })
}

/// SDKs put the environment's web identity before or after the profile `default`, so neither may be chosen silently.
fn refuse_web_identity(env: &Env) -> Result<()> {
    match env.os("AWS_WEB_IDENTITY_TOKEN_FILE") {
        None => Ok(()),
        Some(_) => Err(Error::new("AWS_WEB_IDENTITY_TOKEN_FILE is set, and is not supported")
            .hint("name a profile with --profile, or unset AWS_WEB_IDENTITY_TOKEN_FILE")),
    }
}

fn unknown(wanted: Option<&str>, profiles: &Profiles<'_>, env: &Env) -> Error {
    let places = profiles.places();
    match wanted {
        Some(name) if env.os("AWS_SENTINEL").is_some() => {
            Error::new(format!("there is no profile `{name}` in {places}")).hint(
                "the `sentinel exec` around this hides ~/.aws: leave --profile out for its own credentials, or set \
                 AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
            )
        }
        Some(name) => Error::new(format!("there is no profile `{name}` in {places}")).hint(profiles.hint(name)),
        None => Error::new(format!(
            "no profile was named, AWS_ACCESS_KEY_ID is not set, and there is no profile `default` in {places}"
        ))
        .hint("name a profile with --profile or AWS_PROFILE"),
    }
}

/// The services section that the profile names.
fn services<'a>(profile: &Profile<'a>, profiles: &Profiles<'a>) -> Result<Option<(String, Placed<'a>)>> {
    let Some(found) = profile.get("services") else { return Ok(None) };
    let name = found.text()?;
    match profiles.services(name) {
        Some(placed) => Ok(Some((name.to_owned(), placed))),
        None => {
            Err(found.error(&format!("names [services {name}], which does not exist"), &profiles.services_hint(name)))
        }
    }
}

fn settings(profile: &Profile<'_>) -> Vec<(String, String)> {
    profile
        .entries()
        .filter(|found| !leads_to_credentials(&found.entry.key))
        .map(|found| (found.entry.key.clone(), found.entry.verbatim()))
        .collect()
}

fn section_text(placed: Placed<'_>) -> Vec<(String, String)> {
    placed.section.entries.iter().map(|entry| (entry.key.clone(), entry.verbatim())).collect()
}
