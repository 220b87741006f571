//! Where a service is: from a region, or from an override that the user named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::partition;
use crate::error::{Error, Result};

/// The longest region name taken: a DNS label.
const REGION_MAX_BYTES: usize = 63;

/// The regions whose calls went to the one global STS before STS was regional, and do again with
/// `sts_regional_endpoints = legacy` (AWS SDKs and Tools Reference Guide, "AWS STS regional endpoints").
const LEGACY_REGIONS: [&str; 16] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The name that stands for no region in particular.
const GLOBAL: &str = "aws-global";

/// Where the global STS is, and what its calls are signed for.
const GLOBAL_STS: (&str, &str) = ("https://sts.amazonaws.com", "us-east-1");

/// Where DynamoDB's own emulator listens: the region `local` is one to botocore.
const LOCAL_DYNAMODB: (&str, &str) = ("http://localhost:8000", "us-east-1");

/// A service that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The Security Token Service.
    Sts,
    /// DynamoDB.
    DynamoDb,
    /// Systems Manager, for its Parameter Store.
    Ssm,
}

impl Service {
    /// The name that hosts begin with and that requests are signed for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::DynamoDb => "dynamodb",
            Self::Ssm => "ssm",
        }
    }

    /// What people call it.
    fn title(self) -> &'static str {
        match self {
            Self::Sts => "STS",
            Self::DynamoDb => "DynamoDB",
            Self::Ssm => "SSM",
        }
    }
}

/// Which of a region's endpoints is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// With validated cryptography: `use_fips_endpoint`.
    pub fips: bool,
    /// With IPv4 and IPv6: `use_dualstack_endpoint`.
    pub dual_stack: bool,
    /// The global STS where that was the default once: `sts_regional_endpoints = legacy`.
    pub legacy: bool,
}

/// A service's address, safe to send signed requests to: https, or http to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    region: String,
    host: String,
    is_local: bool,
    is_plain: bool,
}

impl Endpoint {
    /// Scheme, host, port and path.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The host without its port; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host and port as the URL has them: to be shown.
    pub fn authority(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(authority, _)| authority)
    }

    /// Whether the host is loopback or link-local: no proxy is used then.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether this is http, which only loopback may be.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// STS in `region`, or at `override_url`: see [`of`].
///
/// # Errors
/// As [`of`].
pub fn sts(region: &str, override_url: Option<&str>, variant: Variant) -> Result<Endpoint> {
    of(Service::Sts, region, override_url, variant)
}

/// A service in `region`, or at `override_url`, signed for `region`.
///
/// An override is taken as it is, whatever the variant, as botocore takes it.
///
/// # Errors
/// When the region is not a region's name, it has no such endpoint, or the URL is neither https nor http to loopback.
pub fn of(service: Service, region: &str, override_url: Option<&str>, variant: Variant) -> Result<Endpoint> {
    if !is_region(region) {
        return Err(Error::new(format!("`{}` is not an AWS region", region.escape_debug()))
            .hint("a region looks like eu-west-1"));
    }
    // Names such as us-east-1-fips and fips-us-gov-west-1 are older than the setting.
    let named = region.replace("fips-", "").replace("-fips", "");
    let variant = Variant { fips: variant.fips || named != region, ..variant };
    let elsewhere = elsewhere(service, &named, variant);
    let signing = if service == Service::Sts && named == GLOBAL { GLOBAL_STS.1 } else { &named };
    match (override_url, elsewhere) {
        (Some(url), _) => parse(url, signing),
        (None, Some((url, signing))) => parse(url, signing),
        (None, None) => parse(&regional(service, &named, variant)?, signing),
    }
}

/// Where the service is, and what it is signed for, if not in the region's own endpoint.
fn elsewhere(service: Service, region: &str, variant: Variant) -> Option<(&'static str, &'static str)> {
    let is_plain = !variant.fips && !variant.dual_stack;
    match service {
        Service::Sts if region == GLOBAL || variant.legacy && LEGACY_REGIONS.contains(&region) => Some(GLOBAL_STS),
        Service::DynamoDb if region == "local" => Some(LOCAL_DYNAMODB),
        _ => None,
    }
    .filter(|_| is_plain)
}

/// The URL of the region's own endpoint.
fn regional(service: Service, region: &str, variant: Variant) -> Result<String> {
    let partition = partition::of(region);
    // GovCloud's plain endpoint is the validated one.
    let is_plain_fips = partition.name == "aws-us-gov" && !variant.dual_stack;
    let fips = if variant.fips && !is_plain_fips { "-fips" } else { "" };
    let suffix = match (variant.dual_stack, partition.dual_stack_suffix) {
        (false, _) => partition.suffix,
        (true, Some(suffix)) => suffix,
        (true, None) => {
            let (title, name) = (service.title(), partition.name);
            let what = format!("{title} has no dual-stack endpoint in {region}: the partition {name} has none");
            return Err(Error::new(what).hint("set use_dualstack_endpoint or AWS_USE_DUALSTACK_ENDPOINT to false"));
        }
    };
    Ok(format!("https://{}{fips}.{region}.{suffix}", service.name()))
}

/// Whether this is one DNS label in lower case: nothing that could change the host's suffix.
fn is_region(region: &str) -> bool {
    region.len() <= REGION_MAX_BYTES
        && region.starts_with(|c: char| c.is_ascii_lowercase())
        && region.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Reads `scheme://host[:port][/path]`. No user, query, fragment, escape or dot segment: they would be signed, sent
/// and shown in different ways.
fn parse(url: &str, region: &str) -> Result<Endpoint> {
    let refuse = |why: &str, hint: &str| {
        Err(Error::new(format!("the endpoint `{}` {why}", url.escape_debug())).hint(hint.to_owned()))
    };
    const SHAPE: &str = "an endpoint looks like https://sts.eu-west-1.amazonaws.com";
    if url.contains('@') {
        return Err(Error::new("the endpoint holds a user name or password").hint(SHAPE));
    }
    let (is_plain, rest) = if let Some(rest) = url.strip_prefix("https://") {
        (false, rest)
    } else if let Some(rest) = url.strip_prefix("http://") {
        (true, rest)
    } else {
        return refuse("begins with neither https:// nor http://", SHAPE);
    };
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let path = path.strip_suffix('/').unwrap_or(path);
    let path_ok = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._~-".contains(&b))
        && !path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
    let Some((host, port)) = split_port(authority) else {
        return refuse("has no valid host and port", SHAPE);
    };
    if !path_ok {
        return refuse("has a query, a fragment or an unusual path", SHAPE);
    }
    let Some(place) = place(host) else {
        return refuse("has no valid host and port", SHAPE);
    };
    if is_plain && !matches!(place, Place::Loopback) {
        return refuse(
            "is http to another host, which anyone on the way can read",
            "use https; http is for loopback alone",
        );
    }
    // The default port is left out, so that the Host header is the one that was signed.
    let default_port = if is_plain { 80 } else { 443 };
    let scheme = if is_plain { "http" } else { "https" };
    let host_lower = host.to_ascii_lowercase();
    let authority = match port {
        Some(port) if port != default_port => format!("{host_lower}:{port}"),
        _ => host_lower.clone(),
    };
    Ok(Endpoint {
        url: format!("{scheme}://{authority}{path}/"),
        region: region.to_owned(),
        host: host_lower.trim_start_matches('[').trim_end_matches(']').to_owned(),
        is_local: !matches!(place, Place::Elsewhere),
        is_plain,
    })
}

/// Splits `host[:port]`; an IPv6 host keeps its brackets.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']')?.checked_add(1)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(host_end)?;
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port)))
}

/// How near a host is.
enum Place {
    Loopback,
    LinkLocal,
    Elsewhere,
}

/// Where a host is, by its literal form alone; `None` when it is no host.
fn place(host: &str) -> Option<Place> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        // An IPv4 address in disguise would pass for a distant one.
        if address.to_ipv4_mapped().is_some() {
            return None;
        }
        return Some(place_of(IpAddr::V6(address)));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(place_of(IpAddr::V4(address)));
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Place::Loopback);
    }
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= REGION_MAX_BYTES
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // A last label of digits would be an address in a form (127.1, 0x7f.1) that programs read differently.
    let last_ok = host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    (host.len() <= 253 && last_ok && host.split('.').all(label_ok)).then_some(Place::Elsewhere)
}

/// Where an address is.
fn place_of(address: IpAddr) -> Place {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Place::Loopback
    } else if link_local {
        Place::LinkLocal
    } else {
        Place::Elsewhere
    }
}

#[cfg(test)]
mod tests;
