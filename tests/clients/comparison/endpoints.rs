//! Where services are and what their calls are signed for, against the installed botocore: every region that its data lists, some
//! that it does not, and every setting. Nothing is sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use sentinel::aws::endpoint::{Service, Variant, of};

use crate::clients::moto::programs;

/// Where sentinel says something else: the service (`*`: each), the region, settings, and why.
const DIFFERENCES: [(&str, &str, &str, &str); 8] = [
    ("dynamodb", "local", "dual", "no such host, where botocore refuses"),
    ("dynamodb", "local", "fips", "no such host, where botocore refuses"),
    ("sts", "aws-global", "override", "no region that a call could be signed for: us-east-1 is meant"),
    ("*", "aws-iso-e-global", "dual", "the partition has no dual-stack endpoints"),
    ("*", "aws-iso-f-global", "dual", "the partition has no dual-stack endpoints"),
    ("sts", "eu-isoe-west-1", "dual+override", "an endpoint that was named needs no other"),
    ("sts", "us-isof-east-1", "dual+override", "an endpoint that was named needs no other"),
    ("sts", "us-isof-south-1", "dual+override", "an endpoint that was named needs no other"),
];

#[test]
fn every_region_has_botocores_host_and_signing_region() {
    let mut used = BTreeSet::new();
    let (mut compared, mut refused) = (0, 0);
    for line in botocore().lines() {
        let [service, region, settings, host, signing] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a line of five fields: {line}");
        };
        let (of_service, title) = match service {
            "sts" => (Service::Sts, "STS"),
            "dynamodb" => (Service::DynamoDb, "DynamoDB"),
            "ssm" => (Service::Ssm, "SSM"),
            other => panic!("another service: {other}"),
        };
        let has = |word: &str| settings.split('+').any(|setting| setting == word);
        let variant = Variant { fips: has("fips"), dual_stack: has("dual"), legacy: has("legacy") };
        let ours = match of(of_service, region, has("override").then_some("https://override.test"), variant) {
            Ok(endpoint) => (endpoint.authority().to_owned(), endpoint.region().to_owned()),
            Err(error) => ("error".to_owned(), error.to_string()),
        };
        let differs = |(of, name, words, _): &(&str, &str, &str, &str)| {
            ["*", service].contains(of) && *name == region && words.split('+').all(has)
        };
        if let Some(at) = DIFFERENCES.iter().position(differs).filter(|_| ours != (host.to_owned(), signing.to_owned()))
        {
            used.insert(at);
            continue;
        }
        assert_eq!(ours.0, host, "{line}, and sentinel: {}", ours.1);
        if host == "error" {
            // botocore says that it has no such variant, and sentinel says why.
            assert!(signing.contains("modeled endpoint"), "{line}");
            assert!(ours.1.starts_with(&format!("{title} has no dual-stack endpoint in {region}: ")), "{}", ours.1);
            refused += 1;
        } else {
            assert_eq!(ours.1, signing, "{line}");
        }
        compared += 1;
    }
    assert!(compared > 1_200 && refused > 0, "botocore listed {compared} endpoints, {refused} of them refused");
    assert_eq!(used.len(), DIFFERENCES.len(), "a difference that there is no more");
}

fn botocore() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/comparison/endpoints.py");
    let done = Command::new(programs().join("python")).arg(&script).output().expect("python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("UTF-8")
}
