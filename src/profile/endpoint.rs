//! Where services are, and how it is known: the region, which of its endpoints, one that is not AWS's own, the certificates.

use std::path::PathBuf;

use super::ini::Entry;
use super::profiles::{Placed, Profile};
use super::{CaBundle, Variant, check};
use crate::env::Env;
use crate::error::{Error, Result};

/// An endpoint that somebody named for a service, looked at when it is needed: a profile may name for its child what
/// sentinel would not call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    subject: String,
    url: String,
}

impl EndpointUrl {
    /// The URL.
    ///
    /// # Errors
    /// When it is neither https nor http to this host.
    pub fn checked(&self) -> Result<&str> {
        let Self { subject, url } = self;
        let refused = |what: String| {
            Err(Error::new(what).hint("use https, or http to 127.0.0.1, localhost or [::1], without a user name"))
        };
        match check::endpoint_problem(url) {
            None => Ok(url),
            // A user part may hold a password, so that such a URL is not repeated.
            Some(problem) if url.contains('@') => refused(format!("{subject} {problem}")),
            Some(problem) => refused(format!("{subject} {problem}: {url}")),
        }
    }
}

/// The region: the command line, AWS_REGION, AWS_DEFAULT_REGION, the profile.
///
/// # Errors
/// When the first that is there could not be part of a host name.
pub(super) fn region(wanted: Option<&str>, env: &Env, profile: Option<&Profile<'_>>) -> Result<Option<String>> {
    let (subject, text) = if let Some(text) = wanted {
        ("--region".to_owned(), text)
    } else if let Some(text) = env.text("AWS_REGION")? {
        ("AWS_REGION".to_owned(), text)
    } else if let Some(text) = env.text("AWS_DEFAULT_REGION")? {
        ("AWS_DEFAULT_REGION".to_owned(), text)
    } else if let Some(found) = profile.and_then(|profile| profile.get("region")) {
        (found.subject(), found.text()?)
    } else {
        return Ok(None);
    };
    if !check::is_region(text) {
        return Err(Error::new(format!("{subject} is `{text}`, which is not a region")).hint("write it as eu-west-1"));
    }
    Ok(Some(text.to_owned()))
}

/// A service's endpoint: AWS_ENDPOINT_URL_STS and its like, AWS_ENDPOINT_URL, the services section, the profile. `service` is
/// its name in config files: `sts`.
///
/// # Errors
/// When a value is not UTF-8 or not one line.
pub(super) fn url(
    service: &str,
    env: &Env,
    profile: Option<&Profile<'_>>,
    services: Option<Placed<'_>>,
) -> Result<Option<EndpointUrl>> {
    let named = |subject: String, url: &str| Ok(Some(EndpointUrl { subject, url: url.to_owned() }));
    if is_ignored(env, profile)? {
        return Ok(None);
    }
    let own = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase());
    for name in [own.as_str(), "AWS_ENDPOINT_URL"] {
        if let Some(url) = env.text(name)? {
            return named(name.to_owned(), url);
        }
    }
    if let Some(placed) = services
        && let Some(entry) = placed.section.entry(service)
        && let Some((line, url)) = nested_url(entry)
    {
        return named(format!("{}:{line}: endpoint_url of {service}", placed.path.display()), url);
    }
    match profile.and_then(|profile| profile.get("endpoint_url")) {
        None => Ok(None),
        Some(found) => named(found.subject(), found.text()?),
    }
}

/// The last endpoint_url of a nested block, and its line: botocore keeps the last.
fn nested_url<'a>(entry: &Entry<'a>) -> Option<(usize, &'a str)> {
    let (line, _, url) = entry.nested().filter(|(_, key, _)| *key == "endpoint_url").last()?;
    (!url.is_empty()).then_some((line, url))
}

/// Whether configured endpoints are switched off.
fn is_ignored(env: &Env, profile: Option<&Profile<'_>>) -> Result<bool> {
    switch(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", profile, "ignore_configured_endpoint_urls")
}

/// Which of a region's endpoints the profile wants.
///
/// # Errors
/// When a setting is not one of its values. botocore takes whatever is not `true` for false: here nobody who wrote `yes`
/// is left without FIPS.
pub(super) fn variant(env: &Env, profile: Option<&Profile<'_>>) -> Result<Variant> {
    Ok(Variant {
        fips: switch(env, "AWS_USE_FIPS_ENDPOINT", profile, "use_fips_endpoint")?,
        dual_stack: switch(env, "AWS_USE_DUALSTACK_ENDPOINT", profile, "use_dualstack_endpoint")?,
        legacy_sts: match said(env, "AWS_STS_REGIONAL_ENDPOINTS", profile, "sts_regional_endpoints")? {
            None | Some((_, "regional")) => false,
            Some((_, "legacy")) => true,
            Some((subject, text)) => {
                return Err(Error::new(format!("{subject} is `{text}`")).hint("write regional or legacy"));
            }
        },
    })
}

/// The profile's `ca_bundle`.
///
/// # Errors
/// When the value is not one line.
pub(super) fn ca_bundle(profile: Option<&Profile<'_>>) -> Result<Option<CaBundle>> {
    let Some(found) = profile.and_then(|profile| profile.get("ca_bundle")) else { return Ok(None) };
    let text = found.text()?;
    Ok((!text.is_empty()).then(|| CaBundle { path: PathBuf::from(text), named_by: found.subject() }))
}

/// A setting that is true or false, in any case, and false where it is not set.
fn switch(env: &Env, variable: &str, profile: Option<&Profile<'_>>, key: &str) -> Result<bool> {
    let Some((subject, text)) = said(env, variable, profile, key)? else { return Ok(false) };
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::new(format!("{subject} is `{text}`")).hint("write true or false")),
    }
}

/// What the environment says, else the profile, and who says it.
fn said<'v>(
    env: &'v Env,
    variable: &str,
    profile: Option<&Profile<'v>>,
    key: &str,
) -> Result<Option<(String, &'v str)>> {
    if let Some(text) = env.text(variable)? {
        return Ok(Some((variable.to_owned(), text)));
    }
    match profile.and_then(|profile| profile.get(key)) {
        None => Ok(None),
        Some(found) => Ok(Some((found.subject(), found.text()?))),
    }
}
