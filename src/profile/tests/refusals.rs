//! Each sentence, byte for byte.

use super::{A_KEYS, ENVIRONMENT, Home, arn};

/// The refusal of profile `a` of a config file.
fn config(text: &str) -> String {
    Home::with(text, "").refusal(Some("a"))
}

/// The refusal of profile `a`, which has a role, its source and these further keys, from line 4.
fn role(keys: &str) -> String {
    Home::with(&format!("[profile a]\n{}source_profile = b\n{keys}\n", arn("ra")), &format!("[b]\n{A_KEYS}"))
        .refusal(Some("a"))
}

#[test]
fn a_profile_that_does_not_exist() {
    let home = Home::with("[profile prod]\n[profile dev]\n[stage]\n", "[profile test]\n");
    assert_eq!(
        home.refusal(Some("prdo")),
        "there is no profile `prdo` in ~/.aws/config and ~/.aws/credentials\n  did you mean `prod`?"
    );
    assert_eq!(
        home.refusal(Some("stage")),
        "there is no profile `stage` in ~/.aws/config and ~/.aws/credentials\n  \
         in a config file, ~/.aws/config:3 has to be [profile stage]"
    );
    assert_eq!(
        home.refusal(Some("test")),
        "there is no profile `test` in ~/.aws/config and ~/.aws/credentials\n  \
         in a credentials file, ~/.aws/credentials:1 has to be [test]"
    );
    assert_eq!(
        home.refusal(Some("zzzzzzz")),
        "there is no profile `zzzzzzz` in ~/.aws/config and ~/.aws/credentials\n  \
         check the name, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"
    );
    assert_eq!(
        Home::new().refusal(Some("a")),
        "there is no profile `a` in ~/.aws/config (missing) and ~/.aws/credentials (missing)\n  \
         there are no profiles in them"
    );
    assert_eq!(
        Home::new().refusal(None),
        "no profile was named, AWS_ACCESS_KEY_ID is not set, and there is no profile `default` in \
         ~/.aws/config (missing) and ~/.aws/credentials (missing)\n  name a profile with --profile or AWS_PROFILE"
    );
}

#[test]
fn half_a_pair_of_keys() {
    assert_eq!(
        Home::with("", "[a]\naws_access_key_id = AKIA\n").refusal(Some("a")),
        "~/.aws/credentials:2: aws_access_key_id of profile `a` has no aws_secret_access_key beside it\n  \
         add aws_secret_access_key to the same section, or remove this"
    );
    // A pair split between the files is not a pair.
    assert_eq!(
        Home::with("[profile a]\naws_access_key_id = AKIA\n", "[a]\naws_secret_access_key = s\n").refusal(Some("a")),
        "~/.aws/credentials:2: aws_secret_access_key of profile `a` has no aws_access_key_id beside it\n  \
         add aws_access_key_id to the same section, or remove this"
    );
    let unset = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY both, or unset both and AWS_SESSION_TOKEN";
    for (name, other) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"),
    ] {
        let home = Home::new().env(&[(name, "x")]);
        assert_eq!(home.refusal(None), format!("{name} is set and {other} is not\n  {unset}"));
    }
}

#[test]
fn keys_that_are_not_keys() {
    let pair = |id: &str, secret: &str| {
        config(&format!("[profile a]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))
    };
    let id = "~/.aws/config:2: aws_access_key_id of profile `a`";
    let secret = "~/.aws/config:3: aws_secret_access_key of profile `a`";
    assert_eq!(pair("A/B", "s"), format!("{id} is not an access key id\n  copy it again: it has only A-Z and 0-9"));
    assert_eq!(pair("AKIA", ""), format!("{secret} is empty\n  copy it again, or remove it and aws_access_key_id"));
    assert_eq!(pair("AKIA", "a b"), format!("{secret} has a space or a foreign character in it\n  copy it again"));
    assert_eq!(
        pair("AKIA", "ab # mine"),
        format!("{secret} has a comment behind it\n  put the comment on a line of its own")
    );
    assert_eq!(
        config("[profile a]\naws_access_key_id = AKIA\n  aws_secret_access_key = s\naws_secret_access_key = t\n"),
        format!("{id} goes on in line 3, which is indented\n  remove the spaces before it")
    );
    assert_eq!(
        config(&format!("[profile a]\n{A_KEYS}aws_session_token = s\naws_security_token = t\n")),
        "~/.aws/config:5: aws_security_token of profile `a` differs from its aws_session_token\n  \
         remove it: it is the older name"
    );
    assert_eq!(
        config(&format!("[profile a]\n{A_KEYS}x_security_token_expires = soon\n")),
        "~/.aws/config:4: x_security_token_expires of profile `a` is `soon`, which is not a time\n  \
         write it as 2026-01-31T09:30:00Z, or remove it"
    );
    assert_eq!(
        Home::new().env(&ENVIRONMENT).env(&[("AWS_CREDENTIAL_EXPIRATION", "soon")]).refusal(None),
        "AWS_CREDENTIAL_EXPIRATION is `soon`, which is not a time\n  write it as 2026-01-31T09:30:00Z, or unset it"
    );
    assert_eq!(
        Home::new().env(&[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "a b")]).refusal(None),
        "AWS_SECRET_ACCESS_KEY has a space or a foreign character in it\n  copy it again"
    );
    assert_eq!(
        Home::new().env(&[("AWS_SESSION_TOKEN", "a"), ("AWS_SECURITY_TOKEN", "b")]).refusal(None),
        "AWS_SESSION_TOKEN and AWS_SECURITY_TOKEN are set and differ\n  unset AWS_SECURITY_TOKEN, the older name"
    );
}

#[test]
fn a_chain_that_does_not_end() {
    let text = |a: &str, b: &str, c: &str| {
        format!(
            "[profile a]\n{0}source_profile = {a}\n[profile b]\n{0}source_profile = {b}\n\
             [profile c]\n{0}source_profile = {c}\n",
            arn("r")
        )
    };
    let hint = "let one of them have credentials of its own";
    assert_eq!(
        config(&text("b", "a", "c")),
        format!("~/.aws/config:6: source_profile of profile `b` leads in a circle: a -> b -> a\n  {hint}")
    );
    assert_eq!(
        config(&text("b", "c", "b")),
        format!("~/.aws/config:9: source_profile of profile `c` leads in a circle: b -> c -> b\n  {hint}")
    );
    assert_eq!(
        config(&text("a", "c", "b")),
        format!("~/.aws/config:3: source_profile of profile `a` leads in a circle: a -> a\n  {hint}")
    );
    // Keys at the start of a longer circle do not end it: botocore refuses it too.
    assert_eq!(
        Home::with(&text("b", "a", "c"), &format!("[a]\n{A_KEYS}")).refusal(Some("a")),
        format!("~/.aws/config:6: source_profile of profile `b` leads in a circle: a -> b -> a\n  {hint}")
    );
    let long: String = (0..20).map(|n| format!("[profile p{n}]\n{}source_profile = p{}\n", arn("r"), n + 1)).collect();
    assert_eq!(
        Home::with(&long, "").refusal(Some("p0")),
        "the chain of roles of profile `p0` is longer than 16\n  shorten the chain of source_profile keys"
    );
}

#[test]
fn a_chain_that_ends_nowhere() {
    assert_eq!(
        config(&format!("[profile a]\n{}source_profile = bsae\n[profile base]\n", arn("r"))),
        "~/.aws/config:3: source_profile of profile `a` names `bsae`, which is not in ~/.aws/config and \
         ~/.aws/credentials\n  did you mean `base`?"
    );
    assert_eq!(
        config(&format!("[profile a]\n{}", arn("r"))),
        "~/.aws/config:2: role_arn of profile `a` has neither source_profile nor credential_source beside it\n  \
         add source_profile, or credential_source = Environment"
    );
    assert_eq!(
        config(&format!("[profile a]\n{}{A_KEYS}", arn("r"))),
        "~/.aws/config:2: role_arn of profile `a` has neither source_profile nor credential_source beside it\n  \
         to assume the role with its own keys, add source_profile = a"
    );
    assert_eq!(
        config("[profile a]\nregion = eu-west-1\n"),
        "profile `a` (~/.aws/config:1) has no credentials\n  give it aws_access_key_id and aws_secret_access_key, \
         role_arn and source_profile, or credential_process"
    );
    assert_eq!(
        config("[profile a]\ncredential_process =\n"),
        "~/.aws/config:2: credential_process of profile `a` is empty\n  name a program, or remove the key"
    );
}

#[test]
fn sources_that_cannot_be_used() {
    let source = |value: &str| config(&format!("[profile a]\n{}credential_source = {value}\n", arn("r")));
    let subject = "~/.aws/config:3: credential_source of profile `a`";
    let hint = "use Environment, or source_profile instead of it";
    for name in ["EcsContainer", "Ec2InstanceMetadata"] {
        assert_eq!(source(name), format!("{subject} is {name}, which is not supported yet\n  {hint}"));
    }
    assert_eq!(
        source("environment"),
        format!("{subject} is `environment`, which is not a source\n  the source supported is Environment")
    );
    assert_eq!(
        source("Environment"),
        format!(
            "{subject} is Environment, and the environment has no keys\n  set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    );
    assert_eq!(
        role("credential_source = Environment"),
        "~/.aws/config:4: credential_source of profile `a` stands beside source_profile\n  keep one of the two"
    );
}

#[test]
fn keys_that_decide_and_are_not_supported_are_never_passed_over() {
    let hint = "use a profile with keys, credential_process, or role_arn and source_profile";
    for key in ["web_identity_token_file", "sso_account_id", "sso_role_name"] {
        assert_eq!(
            Home::with(&format!("[profile a]\n{key} = x\ncredential_process = p\n"), &format!("[a]\n{A_KEYS}"))
                .refusal(Some("a")),
            format!("~/.aws/config:2: {key} of profile `a` decides its credentials, and is not supported\n  {hint}")
        );
    }
    for key in ["login_session", "sso_session", "sso_start_url"] {
        assert_eq!(
            config(&format!("[profile a]\n{key} = x\n")),
            format!("~/.aws/config:2: {key} of profile `a` decides its credentials, and is not supported\n  {hint}")
        );
    }
    assert_eq!(
        role("web_identity_token_file = x"),
        format!(
            "~/.aws/config:4: web_identity_token_file of profile `a` decides its credentials, and is not supported\n  \
             {hint}"
        )
    );
    assert_eq!(
        role("mfa_serial = me"),
        "~/.aws/config:4: mfa_serial of profile `a` is `me`, which is not a device\n  \
         write it as arn:aws:iam::123456789012:mfa/NAME, or as the hardware device's serial number"
    );
    assert_eq!(
        role("mfa_serial = GAHT12345678\nmfa_process ="),
        "~/.aws/config:5: mfa_process of profile `a` is empty\n  name a program that prints the code, or remove the key"
    );
    assert_eq!(
        Home::with("", &format!("[default]\n{A_KEYS}")).env(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")]).refusal(None),
        "AWS_WEB_IDENTITY_TOKEN_FILE is set, and is not supported\n  \
         name a profile with --profile, or unset AWS_WEB_IDENTITY_TOKEN_FILE"
    );
}

#[test]
fn role_fields_that_aws_would_refuse() {
    for (value, problem) in [
        ("600", "is 600, and AWS accepts 900 to 43200"),
        ("43201", "is 43201, and AWS accepts 900 to 43200"),
        ("1h", "is `1h`, which is not a number of seconds"),
        ("3600.5", "is `3600.5`, which is not a number of seconds"),
        ("+3600", "is `+3600`, which is not a number of seconds"),
        ("", "is ``, which is not a number of seconds"),
    ] {
        assert_eq!(
            role(&format!("duration_seconds = {value}")),
            format!("~/.aws/config:4: duration_seconds of profile `a` {problem}\n  write 3600 for an hour")
        );
    }
    assert_eq!(
        role("role_session_name = a:b"),
        "~/.aws/config:4: role_session_name of profile `a` is `a:b`, which AWS refuses\n  \
         use 2 to 64 letters, digits and _+=,.@-"
    );
    assert_eq!(
        role("external_id = a b"),
        "~/.aws/config:4: external_id of profile `a` is refused by AWS\n  \
         use 2 to 1224 letters, digits and _+=,.@:/-"
    );
    assert_eq!(
        config("[profile a]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = b\n"),
        "~/.aws/config:2: role_arn of profile `a` is `arn:aws:iam::1:role/x`, which is not a role's ARN\n  \
         write it as arn:aws:iam::123456789012:role/NAME"
    );
}

#[test]
fn regions_and_endpoints_that_could_lead_elsewhere() {
    let base = format!("[profile a]\n{A_KEYS}");
    assert_eq!(
        config(&format!("{base}region = x.evil.test/\n")),
        "~/.aws/config:4: region of profile `a` is `x.evil.test/`, which is not a region\n  write it as eu-west-1"
    );
    let hint = "use https, or http to 127.0.0.1, localhost or [::1], without a user name";
    assert_eq!(
        config(&format!("{base}endpoint_url = http://sts.test\n")),
        format!(
            "~/.aws/config:4: endpoint_url of profile `a` is http to a host that is not this one: http://sts.test\n  {hint}"
        )
    );
    assert_eq!(
        config(&format!("{base}services = s\n[services s]\nsts =\n  endpoint_url = https://u:p@sts.test\n")),
        format!("~/.aws/config:7: endpoint_url of sts has a user name or password\n  {hint}")
    );
    assert_eq!(
        config(&format!("{base}services = locl\n[services local]\n")),
        "~/.aws/config:4: services of profile `a` names [services locl], which does not exist\n  \
         did you mean `local`?"
    );
    for (key, hint) in [
        ("ignore_configured_endpoint_urls", "write true or false"),
        ("use_fips_endpoint", "write true or false"),
        ("use_dualstack_endpoint", "write true or false"),
        ("sts_regional_endpoints", "write regional or legacy"),
    ] {
        assert_eq!(
            config(&format!("{base}{key} = yes\n")),
            format!("~/.aws/config:4: {key} of profile `a` is `yes`\n  {hint}")
        );
    }
    for (name, value, problem) in [
        ("AWS_USE_FIPS_ENDPOINT", "1", "AWS_USE_FIPS_ENDPOINT is `1`\n  write true or false".to_owned()),
        (
            "AWS_STS_REGIONAL_ENDPOINTS",
            "Legacy",
            "AWS_STS_REGIONAL_ENDPOINTS is `Legacy`\n  write regional or legacy".to_owned(),
        ),
        ("AWS_REGION", "EU", "AWS_REGION is `EU`, which is not a region\n  write it as eu-west-1".to_owned()),
        (
            "AWS_DEFAULT_REGION",
            "a/b",
            "AWS_DEFAULT_REGION is `a/b`, which is not a region\n  write it as eu-west-1".into(),
        ),
        (
            "AWS_ENDPOINT_URL",
            "x",
            format!("AWS_ENDPOINT_URL is not a URL of the form https://HOST[:PORT][/PATH]: x\n  {hint}"),
        ),
    ] {
        assert_eq!(Home::with(&base, "").env(&[(name, value)]).refusal(Some("a")), problem);
    }
}

#[test]
fn sections_that_are_almost_profiles() {
    assert_eq!(
        config("[profile a b]\n"),
        "~/.aws/config:1 is not `[profile NAME]`\n  put a name with spaces in double quotes"
    );
    assert_eq!(
        config("[default]\n[profile default]\n"),
        "~/.aws/config:2 repeats the section of line 1\n  put all keys under one of them"
    );
}
