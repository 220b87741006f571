use super::*;

fn refused(status: u16, code: &str, message: &str, target: &'static str) -> (By, String) {
    let failure = Failure::answered(status, code, message);
    (who(&failure), explain(failure, "/p", "eu-west-1", target).to_string())
}

#[test]
fn a_whole_parameter_is_read_and_nothing_else() {
    let whole = json!({"Parameter": {"Name": "/p", "Value": "{}", "Type": "String", "Version": 3, "DataType": "text"}});
    let expected = Parameter { value: "{}".to_owned(), version: 3, kind: "String".to_owned() };
    assert_eq!(parameter(&whole), Ok(expected));
    for (answer, why) in [
        (json!({}), "it has no Parameter"),
        (json!({"Parameter": {}}), "its Parameter has no Version"),
        (json!({"Parameter": {"Value": "x", "Type": "String", "Version": "3"}}), "its Parameter has no Version"),
        (json!({"Parameter": {"Value": "", "Type": "String", "Version": 3}}), "its Parameter has no Value"),
        (json!({"Parameter": {"Value": 7, "Type": "String", "Version": 3}}), "its Parameter has no Value"),
        (json!({"Parameter": {"Value": "x", "Version": 3}}), "its Parameter has no Type"),
    ] {
        assert_eq!(parameter(&answer), Err(malformed(why)), "{answer}");
    }
}

#[test]
fn each_refusal_says_what_to_do() {
    const NO_SUCH: &str = "there is no parameter /p in eu-west-1\n  `sentinel policy push` makes it; --region and --aws-profile \
                           say where it is looked for, and for whom";
    const USER: &str = "arn:aws:iam::123456789012:user/alice";
    assert_eq!(refused(400, "ParameterNotFound", "", GET_PARAMETER), (By::Absence, NO_SUCH.to_owned()));
    assert_eq!(refused(400, "ParameterVersionNotFound", "", GET_PARAMETER), (By::Absence, NO_SUCH.to_owned()));

    for (target, action) in [(GET_PARAMETER, "ssm:GetParameter"), (PUT_PARAMETER, "ssm:PutParameter")] {
        let message =
            format!("User: {USER} is not authorized to perform: {action} on resource: x because no policy allows it");
        let expected = format!(
            "the parameter /p: {USER} may not perform {action} because no policy allows it\n  allow {action} on it, or name a \
             profile that may with --aws-profile"
        );
        assert_eq!(refused(400, "AccessDeniedException", &message, target), (By::Aws, expected));
    }

    let message = format!("User: {USER} is not authorized to perform: kms:Decrypt on resource: k");
    let expected = format!(
        "AWS refuses to use the key that the parameter /p is encrypted with: {message}\n  allow kms:Decrypt on that key: its own \
         policy has to allow it, too"
    );
    assert_eq!(refused(400, "AccessDeniedException", &message, GET_PARAMETER), (By::Aws, expected));
    let (by, said) = refused(400, "InvalidKeyId", "The key is disabled", PUT_PARAMETER);
    assert_eq!(by, By::Aws);
    assert!(
        said.ends_with(": The key is disabled\n  allow kms:Encrypt on that key: its own policy has to allow it, too"),
        "{said}"
    );
}

#[test]
fn what_a_network_can_do_is_not_awss_word() {
    for (status, code) in [
        (503, "ServiceUnavailable"),
        (400, "ThrottlingException"),
        (302, ""),
        (400, "ExpiredTokenException"),
        (500, ""),
    ] {
        assert_eq!(refused(status, code, "", GET_PARAMETER).0, By::Nobody, "{status} {code}");
    }
    for kind in [FailureKind::Timeout, FailureKind::Unreachable, FailureKind::Untrusted, FailureKind::Other] {
        assert_eq!(who(&Failure::new(kind, "")), By::Nobody);
    }
    for code in ["UnrecognizedClientException", "InvalidSignatureException", "ValidationException"] {
        assert_eq!(refused(400, code, "", GET_PARAMETER).0, By::Aws, "{code}");
    }
}
