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
fn dynamodb_and_ssm_are_where_their_region_is() {
    let none = Variant::default();
    let (fips, dual_stack, legacy) = (true, true, true);
    for (service, region, variant, url, signing) in [
        (Service::DynamoDb, "eu-west-1", none, "https://dynamodb.eu-west-1.amazonaws.com/", "eu-west-1"),
        (
            Service::DynamoDb,
            "eu-west-1",
            Variant { legacy, ..none },
            "https://dynamodb.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
        (
            Service::DynamoDb,
            "eu-west-1",
            Variant { fips, ..none },
            "https://dynamodb-fips.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
        (
            Service::DynamoDb,
            "eu-west-1",
            Variant { dual_stack, ..none },
            "https://dynamodb.eu-west-1.api.aws/",
            "eu-west-1",
        ),
        (
            Service::DynamoDb,
            "us-gov-west-1",
            Variant { fips, ..none },
            "https://dynamodb.us-gov-west-1.amazonaws.com/",
            "us-gov-west-1",
        ),
        (Service::DynamoDb, "cn-north-1", none, "https://dynamodb.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        (Service::DynamoDb, "local", none, "http://localhost:8000/", "us-east-1"),
        (Service::Ssm, "eu-west-1", none, "https://ssm.eu-west-1.amazonaws.com/", "eu-west-1"),
        (
            Service::Ssm,
            "us-gov-west-1",
            Variant { fips, ..none },
            "https://ssm.us-gov-west-1.amazonaws.com/",
            "us-gov-west-1",
        ),
        (
            Service::Ssm,
            "eu-west-1",
            Variant { fips, dual_stack, ..none },
            "https://ssm-fips.eu-west-1.api.aws/",
            "eu-west-1",
        ),
    ] {
        let endpoint = of(service, region, None, variant).expect("a region");
        assert_eq!((endpoint.url(), endpoint.region()), (url, signing));
    }
    let error = of(Service::DynamoDb, "us-isof-south-1", None, Variant { dual_stack, ..none }).expect_err("none");
    assert_eq!(
        error.summary(),
        "DynamoDB has no dual-stack endpoint in us-isof-south-1: the partition aws-iso-f has none"
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
