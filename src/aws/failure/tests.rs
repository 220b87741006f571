//! Each failure's sentence, word for word.

use super::*;
use crate::aws::endpoint::{self, Variant};

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

fn said(failure: Failure) -> String {
    let endpoint = endpoint::sts("eu-west-1", None, Variant::default()).expect("a region");
    Error::from(failure.during("AssumeRole", &endpoint, Some(ROLE))).to_string()
}

#[test]
fn each_code_has_its_sentence() {
    const HOST: &str = "sts.eu-west-1.amazonaws.com";
    for (status, code, message, sentence) in [
        (400, "Throttling", "Rate exceeded", format!(
            "AWS is throttling AssumeRole at {HOST} (Throttling)\n  wait a minute: the limit is shared by the whole account")),
        (503, "", "", format!(
            "AssumeRole failed inside AWS, at {HOST} (HTTP 503)\n  try again; https://health.aws.amazon.com shows outages")),
        (403, "AccessDenied",
            "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/deploy because no identity-based policy allows the sts:AssumeRole action",
            format!("arn:aws:iam::111122223333:user/alice may not perform sts:AssumeRole on {ROLE} because no identity-based policy allows the sts:AssumeRole action\n  the role's trust policy and the caller's policies must both allow it; check the ARN, external ID and MFA")),
        (403, "AccessDenied",
            "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:SetSourceIdentity on resource: arn:aws:iam::123456789012:role/deploy",
            format!("arn:aws:iam::111122223333:user/alice may not perform sts:SetSourceIdentity on {ROLE}\n  allow sts:SetSourceIdentity in the role's trust policy, or use --source-identity off")),
        (403, "AccessDenied", "Access denied", format!(
            "AWS denied AssumeRole on {ROLE}: Access denied\n  the role's trust policy and the caller's policies must both allow it; check the ARN, external ID and MFA")),
        (403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
            "AWS refused the MFA code for AssumeRole\n  each code works once: wait for the next one, and check the device's serial number".to_owned()),
        (400, "ExpiredTokenException", "The security token included in the request is expired",
            "the source credentials have expired\n  renew them, then try again".to_owned()),
        (403, "ExpiredToken", "The security token included in the request is expired",
            "the source credentials have expired\n  renew them, then try again".to_owned()),
        (403, "InvalidClientTokenId", "The security token included in the request is invalid.",
            "AWS does not accept the source credentials (InvalidClientTokenId)\n  check that the access key is complete, active, and of this partition".to_owned()),
        (403, "SignatureDoesNotMatch", "The request signature we calculated does not match",
            "AWS refused the signature of AssumeRole (SignatureDoesNotMatch)\n  check the source's secret access key: it does not belong to its access key id".to_owned()),
        (403, "RequestTimeTooSkewed", "",
            "AWS refused the time of the request (RequestTimeTooSkewed)\n  set this host's clock, for example with NTP".to_owned()),
        (400, "PackedPolicyTooLarge", "Packed size of session tags consumes 110% of allotted space.",
            "the session policy is too large for AWS: Packed size of session tags consumes 110% of allotted space.\n  shorten it, or use fewer policy ARNs and tags".to_owned()),
        (403, "RegionDisabledException", "STS is not activated in this region for account:123456789012.",
            "STS is not enabled in eu-west-1 for this account\n  enable the region in IAM's account settings, or use another region".to_owned()),
        (400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            "AWS refused AssumeRole (ValidationError): The requested DurationSeconds exceeds the MaxSessionDuration set for this role.\n  use a shorter duration, or raise the role's maximum session duration".to_owned()),
        (400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            "AWS refused AssumeRole (ValidationError): The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.\n  a role assumed by a role lasts at most 1h".to_owned()),
        (418, "", "", "AWS refused AssumeRole (HTTP 418)\n  check the profile's settings for this call".to_owned()),
        (301, "", "", format!(
            "{HOST} answered AssumeRole with a redirect (HTTP 301), which is not followed\n  check the endpoint, and any proxy on the way")),
    ] {
        assert_eq!(said(Failure::answered(status, code, message)), sentence);
    }
}

#[test]
fn a_failure_without_an_answer_has_its_sentence() {
    for (kind, message, sentence) in [
        (
            FailureKind::Unreachable,
            "Connection refused",
            "cannot reach sts.eu-west-1.amazonaws.com: Connection refused\n  check the network, the region and HTTPS_PROXY",
        ),
        (
            FailureKind::Timeout,
            "",
            "sts.eu-west-1.amazonaws.com did not answer AssumeRole in time\n  check the network and HTTPS_PROXY, then try again",
        ),
        (
            FailureKind::Untrusted,
            "UnknownIssuer",
            "the certificate of sts.eu-west-1.amazonaws.com is not trusted: UnknownIssuer\n  if a proxy inspects TLS, name its certificates with AWS_CA_BUNDLE",
        ),
        (
            FailureKind::Malformed,
            "it is not XML",
            "cannot use the answer of sts.eu-west-1.amazonaws.com to AssumeRole: it is not XML\n  check the endpoint, and any proxy on the way",
        ),
        (
            FailureKind::TooLarge,
            "",
            "the answer of sts.eu-west-1.amazonaws.com to AssumeRole is too large\n  check the endpoint, and any proxy on the way",
        ),
    ] {
        assert_eq!(said(Failure::new(kind, message)), sentence);
    }
}

#[test]
fn a_denial_without_a_role_has_its_hint() {
    for (message, sentence) in [
        (
            "Cannot call GetSessionToken with session credentials",
            "AWS denied GetSessionToken: Cannot call GetSessionToken with session credentials\n  use an IAM user's own keys, or --no-session",
        ),
        (
            "User: arn:aws:iam::1:user/a is not authorized to perform: sts:GetSessionToken on resource: x with an explicit deny in an identity-based policy",
            "arn:aws:iam::1:user/a may not perform sts:GetSessionToken with an explicit deny in an identity-based policy\n  a Deny statement applies: ask who wrote it",
        ),
        (
            "User: arn:aws:iam::1:user/a is not authorized to perform: sts:GetSessionToken",
            "arn:aws:iam::1:user/a may not perform sts:GetSessionToken\n  check the policies of the source credentials",
        ),
    ] {
        let endpoint = endpoint::sts("eu-west-1", None, Variant::default()).expect("a region");
        let failure = Failure::answered(403, "AccessDenied", message).during("GetSessionToken", &endpoint, None);
        assert_eq!(failure.to_string(), sentence.split_once('\n').expect("a hint").0);
        assert_eq!(Error::from(failure).to_string(), sentence);
    }
}

#[test]
fn a_wrong_clock_is_told_by_how_much() {
    let expired =
        || Failure::answered(403, "SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier");
    assert_eq!(expired().kind(), FailureKind::Clock);
    assert_eq!(
        said(expired().with_clock(Some(-750))),
        "this host's clock is 12m30s behind AWS's\n  set this host's clock, for example with NTP"
    );
    assert_eq!(
        said(expired().with_clock(Some(3600))),
        "this host's clock is 1h ahead of AWS's\n  set this host's clock, for example with NTP"
    );
    let early = Failure::answered(403, "SignatureDoesNotMatch", "Signature not yet current: 20260101T000000Z is later");
    assert_eq!(early.kind(), FailureKind::Clock);
    let mismatch = || Failure::answered(403, "SignatureDoesNotMatch", "The request signature we calculated");
    assert_eq!(mismatch().with_clock(Some(299)).kind(), FailureKind::SignatureMismatch);
    assert_eq!(mismatch().with_clock(Some(-300)).kind(), FailureKind::Clock);
}

#[test]
fn what_aws_says_is_cut_and_cannot_move_the_cursor() {
    let failure = Failure::answered(400, "Bad\u{1b}[2J", &format!("\u{202e}{}\nx", "m".repeat(400)));
    let sentence = said(failure);
    let expected = format!(
        "AWS refused AssumeRole (Bad\\u{{1b}}[2J): \\u{{202e}}{}…\n  check the profile's settings for this call",
        "m".repeat(299)
    );
    assert_eq!(sentence, expected);
}

#[test]
fn only_passing_failures_are_retried() {
    for (status, code, retryable) in [
        (400, "Throttling", true),
        (429, "", true),
        (500, "InternalFailure", true),
        (503, "", true),
        (403, "AccessDenied", false),
        (400, "ExpiredTokenException", false),
        (403, "RequestTimeTooSkewed", false),
        (400, "ValidationError", false),
    ] {
        assert_eq!(Failure::answered(status, code, "").is_retryable(), retryable, "{status} {code}");
    }
    for kind in [FailureKind::Malformed, FailureKind::TooLarge, FailureKind::Untrusted, FailureKind::Redirected] {
        assert!(!Failure::new(kind, "").is_retryable());
    }
    assert!(Failure::new(FailureKind::Unreachable, "").is_retryable());
    assert!(Failure::new(FailureKind::Timeout, "").is_retryable());
}

#[test]
fn a_refused_source_identity_is_told_from_a_refused_role() {
    let denied = |action: &str| {
        Failure::answered(
            403,
            "AccessDenied",
            &format!("User: a is not authorized to perform: {action} on resource: r"),
        )
    };
    assert!(denied("sts:SetSourceIdentity").denies_source_identity());
    assert!(!denied("sts:AssumeRole").denies_source_identity());
}
