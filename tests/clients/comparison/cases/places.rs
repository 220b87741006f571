//! Where AWS is: endpoints and regions.

use super::Case;
use super::Expected::{BothRefuse, Differs, Refused, Same};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new("endpoint_url", "[default]\nregion = eu-west-1\nendpoint_url = {url}\n{alice}\n", Same),
    Case::new(
        "an endpoint_url over https",
        "[default]\nregion = eu-west-1\nendpoint_url = https://sts.test:8443\n{alice}\n",
        Same,
    ),
    Case::new("a services section", SERVICES, Same),
    Case::new(
        "a services section of another service",
        "[default]\nregion = eu-west-1\nservices = s\n{alice}\n[services s]\ns3 =\n  endpoint_url = {url}\n",
        Same,
    ),
    Case::new(
        "a services section that does not exist",
        "[default]\nregion = eu-west-1\nservices = s\n{alice}\n",
        BothRefuse("names [services s], which does not exist"),
    ),
    Case::new("AWS_ENDPOINT_URL", SERVICES, Same).env(&[("AWS_ENDPOINT_URL", "https://all.test")]),
    Case::new("AWS_ENDPOINT_URL_STS", SERVICES, Same)
        .env(&[("AWS_ENDPOINT_URL", "https://all.test"), ("AWS_ENDPOINT_URL_STS", "{url}")]),
    Case::new(
        "ignore_configured_endpoint_urls",
        "[default]\nregion = eu-west-1\nendpoint_url = {url}\nignore_configured_endpoint_urls = true\n{alice}\n",
        Same,
    )
    .env(&[("AWS_ENDPOINT_URL_STS", "https://sts.test")]),
    Case::new("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", SERVICES, Same)
        .env(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"), ("AWS_ENDPOINT_URL", "https://all.test")]),
    Case::new(
        "an endpoint over http that is not this host",
        "[default]\nregion = eu-west-1\nendpoint_url = http://sts.test\n{alice}\n",
        BothRefuse("is http to a host that is not this one"),
    ),
    in_region("the legacy endpoint", "eu-west-1\nsts_regional_endpoints = legacy"),
    in_region("the legacy endpoint of a region that has none", "eu-south-1\nsts_regional_endpoints = legacy"),
    in_region("AWS_STS_REGIONAL_ENDPOINTS=legacy", "us-east-2").env(&[("AWS_STS_REGIONAL_ENDPOINTS", "legacy")]),
    in_region("AWS_STS_REGIONAL_ENDPOINTS=regional", "us-east-2\nsts_regional_endpoints = legacy")
        .env(&[("AWS_STS_REGIONAL_ENDPOINTS", "regional")]),
    Case::new(
        "sts_regional_endpoints that is neither",
        "[default]\nregion = eu-west-1\nsts_regional_endpoints = global\n{alice}\n",
        BothRefuse("is `global`"),
    ),
    in_region("FIPS", "us-east-2\nuse_fips_endpoint = true"),
    in_region("AWS_USE_FIPS_ENDPOINT", "us-east-2\nuse_fips_endpoint = false")
        .env(&[("AWS_USE_FIPS_ENDPOINT", "TRUE")]),
    in_region("FIPS and an endpoint", "us-east-2\nuse_fips_endpoint = true\nendpoint_url = {url}"),
    Case::new(
        "FIPS that is neither true nor false",
        "[default]\nregion = us-east-2\nuse_fips_endpoint = yes\n{alice}\n",
        Refused("is `yes`", "nobody who asks for FIPS is left without it for a word"),
    ),
    in_region("dual-stack", "eu-west-1\nuse_dualstack_endpoint = true"),
    in_region("FIPS and dual-stack", "eu-west-1\nuse_dualstack_endpoint = true\nuse_fips_endpoint = true"),
    Case::new(
        "dual-stack where there is none",
        "[default]\nregion = us-isof-south-1\nuse_dualstack_endpoint = true\n{alice}\n",
        BothRefuse("STS has no dual-stack endpoint in us-isof-south-1"),
    ),
    in_region("China", "cn-north-1"),
    in_region("GovCloud with FIPS", "us-gov-west-1\nuse_fips_endpoint = true"),
    in_region("an isolated region", "us-iso-east-1"),
    in_region("the European Sovereign Cloud", "eusc-de-east-1"),
    in_region("aws-global", "aws-global"),
    in_region("a region with fips in its name", "us-west-2-fips"),
    in_region("a region that nobody knows", "eu-west-9"),
    Case::new(
        "aws-global with an endpoint",
        "[default]\nregion = aws-global\nendpoint_url = {url}\n{alice}\n",
        Differs("us-east-1 at", "no call can be signed for aws-global: us-east-1 is meant"),
    ),
    Case::new(
        "a region that is no name",
        "[default]\nregion = EU West\n{alice}\n",
        BothRefuse("which is not a region"),
    ),
];

/// A profile whose services section names STS, and whose endpoint_url names another place.
const SERVICES: &str = "[default]\nregion = eu-west-1\nservices = s\nendpoint_url = https://other.test\n{alice}\n\
                        [services s]\ns3 =\n  endpoint_url = https://s3.test\nsts =\n  endpoint_url = {url}\n";

/// A user's profile in this region, with further lines.
const fn in_region(name: &'static str, region: &'static str) -> Case {
    Case::new(name, "", Same).region(region)
}
