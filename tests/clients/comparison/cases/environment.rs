//! Variables, options, and which file is read.

use super::Case;
use super::Expected::{BothRefuse, Differs, Refused, Same};

/// Two profiles in two regions.
const TWO: &str = "[default]\nregion = eu-west-1\n{alice}\n[profile b]\nregion = us-east-2\n{bob}\n";

/// Keys of the environment.
const ALICE: (&str, &str) = ("AWS_ACCESS_KEY_ID", "{alice.id}");
/// Their other half.
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "{alice.secret}");

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new("AWS_PROFILE", TWO, Same).env(&[("AWS_PROFILE", "b")]),
    Case::new("AWS_DEFAULT_PROFILE", TWO, Same).env(&[("AWS_DEFAULT_PROFILE", "b")]),
    Case::new(
        "AWS_PROFILE and AWS_DEFAULT_PROFILE",
        TWO,
        Refused("name two profiles", "AWS's tools differ in which of the two they take"),
    )
    .env(&[("AWS_PROFILE", "default"), ("AWS_DEFAULT_PROFILE", "b")]),
    Case::new("--profile and AWS_PROFILE", TWO, Same).env(&[("AWS_PROFILE", "default")]).options(&["--profile", "b"]),
    Case::new("keys of the environment and no files", "", Same).env(&[
        ALICE,
        SECRET,
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ]),
    Case::new("keys of the environment and the default profile", "[default]\nregion = eu-west-1\n{bob}\n", Same)
        .env(&[ALICE, SECRET]),
    Case::new("keys of the environment and --profile", TWO, Same).env(&[ALICE, SECRET]).options(&["--profile", "b"]),
    Case::new(
        "keys of the environment and AWS_PROFILE",
        TWO,
        Differs("user/bob", "AWS's tools differ; a profile that was named is not answered with somebody else's keys"),
    )
    .env(&[ALICE, SECRET, ("AWS_PROFILE", "b")]),
    Case::new("AWS_DEFAULT_REGION", TWO, Same).env(&[("AWS_DEFAULT_REGION", "ap-south-1")]),
    Case::new(
        "AWS_REGION",
        TWO,
        Differs("ap-south-1 at", "version 1 of the AWS CLI alone ignores it; version 2 and the SDKs read it first"),
    )
    .env(&[("AWS_REGION", "ap-south-1")]),
    Case::new("AWS_REGION and AWS_DEFAULT_REGION", TWO, Differs("ap-south-1 at", "as for AWS_REGION alone"))
        .env(&[("AWS_REGION", "ap-south-1"), ("AWS_DEFAULT_REGION", "ap-east-1")]),
    Case::new("--region", TWO, Same).env(&[("AWS_DEFAULT_REGION", "ap-south-1")]).options(&["--region", "sa-east-1"]),
    Case::new(
        "no region",
        "[default]\n{alice}\n",
        Refused(
            "no region is known for profile `default`",
            "AWS's tools differ: some take us-east-1, where keys of another partition are only said to be invalid",
        ),
    ),
    Case::new("no files and no keys", "", BothRefuse("there is no profile `default`")),
    Case::new("a profile that does not exist", TWO, BothRefuse("there is no profile `c`")).options(&["--profile", "c"]),
    Case::new("AWS_CONFIG_FILE with ~", "[default]\nregion = eu-west-1\n", Same)
        .credentials("[default]\nregion = us-east-2\n{alice}\n")
        .env(&[("AWS_CONFIG_FILE", "~/.aws/credentials")]),
    Case::new("AWS_SHARED_CREDENTIALS_FILE", "[default]\nregion = eu-west-1\n{bob}\n", Same)
        .credentials("[default]\n{alice}\n")
        .env(&[("AWS_SHARED_CREDENTIALS_FILE", "{home}/.aws/config")]),
    Case::new(
        "AWS_CONFIG_FILE that does not exist",
        "",
        Refused("which does not exist", "a name that is misspelt would be another identity, or none"),
    )
    .credentials("[default]\nregion = eu-west-1\n{alice}\n")
    .env(&[("AWS_CONFIG_FILE", "/nonexistent"), ("AWS_DEFAULT_REGION", "eu-west-1")]),
    Case::new("ca_bundle in the profile", "[default]\nregion = eu-west-1\nca_bundle = {ca}\n{alice}\n", Same)
        .env(&[("AWS_CA_BUNDLE", ""), ("REQUESTS_CA_BUNDLE", "/nonexistent")]),
    Case::new("REQUESTS_CA_BUNDLE", TWO, Same).env(&[("AWS_CA_BUNDLE", ""), ("REQUESTS_CA_BUNDLE", "{ca}")]),
    Case::new("no CA bundle", TWO, BothRefuse("is not trusted")).env(&[("AWS_CA_BUNDLE", "")]),
    Case::new("a CA bundle that does not exist", TWO, BothRefuse("cannot read the CA bundle"))
        .env(&[("AWS_CA_BUNDLE", "/nonexistent")]),
    Case::new("https_proxy that is not there", TWO, BothRefuse("cannot reach sts.eu-west-1.amazonaws.com"))
        .env(&[("https_proxy", "http://127.0.0.1:1")]),
];
