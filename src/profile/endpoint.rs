//! Where STS is: the region, and an endpoint that is not AWS's own.

use super::check;
use super::ini::Entry;
use super::profiles::{Found, Placed, Profile};
use crate::env::Env;
use crate::error::{Error, Result};

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

/// The endpoint: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the services section, the profile.
///
/// # Errors
/// When the first that is there is neither https nor http to this host.
pub(super) fn sts(env: &Env, profile: Option<&Profile<'_>>, services: Option<Placed<'_>>) -> Result<Option<String>> {
    if is_ignored(env, profile)? {
        return Ok(None);
    }
    for name in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"] {
        if let Some(url) = env.text(name)? {
            return checked(name, url).map(Some);
        }
    }
    if let Some(placed) = services
        && let Some(entry) = placed.section.entry("sts")
        && let Some((line, url)) = nested_url(entry)
    {
        let subject = format!("{}:{line}: endpoint_url of sts", placed.path.display());
        return checked(&subject, url).map(Some);
    }
    match profile.and_then(|profile| profile.get("endpoint_url")) {
        None => Ok(None),
        Some(found) => checked(&found.subject(), found.text()?).map(Some),
    }
}

/// The last endpoint_url of a nested block, and its line: botocore keeps the last.
fn nested_url<'a>(entry: &Entry<'a>) -> Option<(usize, &'a str)> {
    let (line, _, url) = entry.nested().filter(|(_, key, _)| *key == "endpoint_url").last()?;
    (!url.is_empty()).then_some((line, url))
}

fn checked(subject: &str, url: &str) -> Result<String> {
    match check::endpoint_problem(url) {
        None => Ok(url.to_owned()),
        // A user part may hold a password, so that such a URL is not repeated.
        Some(problem) if url.contains('@') => Err(Error::new(format!("{subject} {problem}"))
            .hint("use https, or http to 127.0.0.1, localhost or [::1], without a user name")),
        Some(problem) => Err(Error::new(format!("{subject} {problem}: {url}"))
            .hint("use https, or http to 127.0.0.1, localhost or [::1], without a user name")),
    }
}

/// Whether configured endpoints are switched off. The environment comes first.
fn is_ignored(env: &Env, profile: Option<&Profile<'_>>) -> Result<bool> {
    const KEY: &str = "ignore_configured_endpoint_urls";
    const VARIABLE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    let (subject, text) = match env.text(VARIABLE)? {
        Some(text) => (VARIABLE.to_owned(), text),
        None => match profile.and_then(|profile| profile.get(KEY)) {
            Some(found) => (Found::subject(&found), found.text()?),
            None => return Ok(false),
        },
    };
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::new(format!("{subject} is `{text}`")).hint("write true or false")),
    }
}
