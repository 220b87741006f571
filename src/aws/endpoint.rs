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

/// STS in `region`, or at `override_url`, signed for `region`.
///
/// An override is taken as it is, whatever the variant, as botocore takes it.
///
/// # Errors
/// When the region is not a region's name, it has no such endpoint, or the URL is neither https nor http to loopback.
pub fn sts(region: &str, override_url: Option<&str>, variant: Variant) -> Result<Endpoint> {
    if !is_region(region) {
        return Err(Error::new(format!("`{}` is not an AWS region", region.escape_debug()))
            .hint("a region looks like eu-west-1"));
    }
    // Names such as us-east-1-fips and fips-us-gov-west-1 are older than the setting.
    let named = region.replace("fips-", "").replace("-fips", "");
    let variant = Variant { fips: variant.fips || named != region, ..variant };
    let (global_url, global_region) = GLOBAL_STS;
    let signing = if named == GLOBAL { global_region } else { &named };
    match override_url {
        Some(url) => parse(url, signing),
        None if is_global(&named, variant) => parse(global_url, global_region),
        None => parse(&regional(&named, variant)?, signing),
    }
}

/// Whether the region's STS is the global one.
fn is_global(region: &str, variant: Variant) -> bool {
    !variant.fips && !variant.dual_stack && (region == GLOBAL || variant.legacy && LEGACY_REGIONS.contains(&region))
}

/// The URL of the region's own STS.
fn regional(region: &str, variant: Variant) -> Result<String> {
    let partition = partition::of(region);
    // GovCloud's plain endpoint is the validated one.
    let is_plain_fips = partition.name == "aws-us-gov" && !variant.dual_stack;
    let service = if variant.fips && !is_plain_fips { "sts-fips" } else { "sts" };
    let suffix = match (variant.dual_stack, partition.dual_stack_suffix) {
        (false, _) => partition.suffix,
        (true, Some(suffix)) => suffix,
        (true, None) => {
            let what = format!("STS has no dual-stack endpoint in {region}: the partition {} has none", partition.name);
            return Err(Error::new(what).hint("set use_dualstack_endpoint or AWS_USE_DUALSTACK_ENDPOINT to false"));
        }
    };
    Ok(format!("https://{service}.{region}.{suffix}"))
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
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_suffix() {
        for (region, url) in [
            ("eu-west-1", "https://sts.eu-west-1.amazonaws.com/"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com/"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/"),
            ("eusc-de-east-1", "https://sts.eusc-de-east-1.amazonaws.eu/"),
            ("us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov/"),
            ("us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov/"),
            ("us-isof-south-1", "https://sts.us-isof-south-1.csp.hci.ic.gov/"),
            ("eu-isoe-west-1", "https://sts.eu-isoe-west-1.cloud.adc-e.uk/"),
        ] {
            let endpoint = sts(region, None, Variant::default()).expect("a region");
            assert_eq!((endpoint.url(), endpoint.region()), (url, region));
            assert!(!endpoint.is_local() && !endpoint.is_plain());
        }
        let global = sts("aws-global", None, Variant::default()).expect("a region");
        assert_eq!((global.url(), global.region()), ("https://sts.amazonaws.com/", "us-east-1"));
    }

    #[test]
    fn each_variant_has_its_host() {
        let (fips, dual_stack, legacy) = (true, true, true);
        let none = Variant::default();
        for (region, variant, url, signing) in [
            ("eu-west-1", Variant { fips, ..none }, "sts-fips.eu-west-1.amazonaws.com", "eu-west-1"),
            ("eu-west-1", Variant { dual_stack, ..none }, "sts.eu-west-1.api.aws", "eu-west-1"),
            ("eu-west-1", Variant { fips, dual_stack, ..none }, "sts-fips.eu-west-1.api.aws", "eu-west-1"),
            ("eu-west-1", Variant { legacy, ..none }, "sts.amazonaws.com", "us-east-1"),
            ("eu-west-1", Variant { legacy, fips, ..none }, "sts-fips.eu-west-1.amazonaws.com", "eu-west-1"),
            ("eu-south-1", Variant { legacy, ..none }, "sts.eu-south-1.amazonaws.com", "eu-south-1"),
            ("us-gov-west-1", Variant { fips, ..none }, "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("us-east-1-fips", none, "sts-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("fips-us-gov-west-1", Variant { dual_stack, ..none }, "sts-fips.us-gov-west-1.api.aws", "us-gov-west-1"),
            ("aws-global", Variant { dual_stack, ..none }, "sts.aws-global.api.aws", "us-east-1"),
        ] {
            let endpoint = sts(region, None, variant).expect("a region");
            assert_eq!((endpoint.url(), endpoint.region()), (format!("https://{url}/").as_str(), signing));
        }
        let error = sts("us-isof-south-1", None, Variant { dual_stack, ..none }).expect_err("no such endpoint");
        assert_eq!(
            error.to_string(),
            "STS has no dual-stack endpoint in us-isof-south-1: the partition aws-iso-f has none\n  \
             set use_dualstack_endpoint or AWS_USE_DUALSTACK_ENDPOINT to false"
        );
    }

    #[test]
    fn an_override_is_taken_whatever_the_variant() {
        let all = Variant { fips: true, dual_stack: true, legacy: true };
        let endpoint = sts("us-isof-south-1", Some("https://sts.example.com"), all).expect("an endpoint");
        assert_eq!((endpoint.url(), endpoint.region()), ("https://sts.example.com/", "us-isof-south-1"));
    }

    #[test]
    fn a_region_cannot_name_another_host() {
        for region in ["", "eu-west-1.evil.example", "x/../", "x@evil", "EU-WEST-1", "-a", "a-", "a b", "a\n", "é"] {
            assert!(sts(region, None, Variant::default()).is_err(), "{region}");
        }
        let error = sts("a\n", None, Variant::default()).expect_err("no region");
        assert_eq!(error.to_string(), "`a\\n` is not an AWS region\n  a region looks like eu-west-1");
    }

    #[test]
    fn https_goes_anywhere_and_http_to_loopback_literals() {
        for (url, shown, host, local) in [
            ("https://sts.example.com", "https://sts.example.com/", "sts.example.com", false),
            ("https://STS.example.com:443/", "https://sts.example.com/", "sts.example.com", false),
            ("https://sts.example.com:8443/aws/sts", "https://sts.example.com:8443/aws/sts/", "sts.example.com", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/", "127.0.0.1", true),
            ("http://127.9.9.9", "http://127.9.9.9/", "127.9.9.9", true),
            ("http://[::1]:5000/", "http://[::1]:5000/", "::1", true),
            ("http://localhost:4566", "http://localhost:4566/", "localhost", true),
            ("https://127.0.0.1", "https://127.0.0.1/", "127.0.0.1", true),
            ("https://169.254.0.9", "https://169.254.0.9/", "169.254.0.9", true),
        ] {
            let endpoint = sts("eu-west-1", Some(url), Variant::default()).expect(url);
            assert_eq!((endpoint.url(), endpoint.host(), endpoint.is_local()), (shown, host, local));
            assert_eq!(endpoint.region(), "eu-west-1");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "http://sts.example.com",
            "http://localhost.example.com",
            "http://127.1",
            "http://0x7f.0.0.1",
            "http://2130706433",
            "http://0.0.0.0",
            "http://[::ffff:127.0.0.1]",
            "https://[::ffff:169.254.0.9]",
            "http://127.0.0.1@evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1\\.evil.example",
            "ftp://x",
            "https://",
            "https://:443",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://a:",
            "https://a?b",
            "https://a/#b",
            "https://a/../b",
            "https://a//b",
            "https://a/%2e",
            "https://a b",
            "https://[::1",
            "https://a..b",
            "HTTPS://a",
            "",
        ] {
            assert!(sts("eu-west-1", Some(url), Variant::default()).is_err(), "{url}");
        }
        let error = sts("eu-west-1", Some("http://sts.example.com"), Variant::default()).expect_err("plain");
        assert_eq!(
            error.to_string(),
            "the endpoint `http://sts.example.com` is http to another host, which anyone on the way can read\n  \
             use https; http is for loopback alone"
        );
        let error = sts("eu-west-1", Some("https://me:hunter2@x"), Variant::default()).expect_err("a password");
        assert!(!error.to_string().contains("hunter2"));
    }
}
