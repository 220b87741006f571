use std::os::unix::ffi::OsStringExt;

use super::super::settings::Services;
use super::*;

fn secret(text: &str) -> Secret {
    Secret::take_string(text.to_owned()).expect("memory")
}

fn listed(env: &Env) -> Vec<String> {
    env.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn keys(parent: &Env, facts: &Facts<'_>) -> Env {
    let (secret, token) = (secret("SECRET"), secret("TOKEN"));
    let expiration = Some("2026-01-31T09:30:00.5Z".parse().expect("a time"));
    let mode = ChildMode::Keys { access_key_id: "ASIAX", secret: &secret, token: Some(&token), expiration };
    child_environment(parent, &mode, facts)
}

fn socket(parent: &Env, facts: &Facts<'_>) -> Env {
    let mode =
        ChildMode::UnixSocket { socket: Path::new("/d/s.sock"), token: "abc", config_file: Path::new("/d/config") };
    child_environment(parent, &mode, facts)
}

fn tcp(parent: &Env, facts: &Facts<'_>) -> Env {
    let mode = ChildMode::Tcp { port: 4321, token: "abc", config_file: Path::new("/d/config") };
    child_environment(parent, &mode, facts)
}

fn imds(parent: &Env, address: &str, v1: bool) -> Env {
    let facts = Facts { profile_name: "prod", region: Some("eu-west-1"), ..Facts::default() };
    let address = address.parse().expect("an address");
    child_environment(parent, &ChildMode::Imds { address, v1, config_file: Path::new("/d/config") }, &facts)
}

#[test]
fn keys_mode_sets_exactly_these() {
    let facts = Facts { profile_name: "prod", region: Some("eu-west-1"), ..Facts::default() };
    assert_eq!(
        listed(&keys(&Env::from_iter([("PATH", "/bin")]), &facts)),
        [
            "AWS_ACCESS_KEY_ID=ASIAX",
            "AWS_CONFIG_FILE=/dev/null",
            "AWS_CREDENTIAL_EXPIRATION=2026-01-31T09:30:00Z",
            "AWS_DEFAULT_REGION=eu-west-1",
            "AWS_EC2_METADATA_DISABLED=true",
            "AWS_REGION=eu-west-1",
            "AWS_SECRET_ACCESS_KEY=SECRET",
            "AWS_SENTINEL=prod",
            "AWS_SESSION_TOKEN=TOKEN",
            "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
            "BOTO_CONFIG=/dev/null",
            "PATH=/bin",
        ]
    );
}

#[test]
fn a_token_is_in_the_environment_or_in_a_file_that_it_names() {
    let facts = Facts { profile_name: "prod", ..Facts::default() };
    let parent =
        Env::from_iter([("SENTINEL_AUTH_TOKEN_FILE", "/outer"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/o")]);
    for (mut child, name) in
        [(socket(&parent, &facts), "SENTINEL_AUTH_TOKEN"), (tcp(&parent, &facts), "AWS_CONTAINER_AUTHORIZATION_TOKEN")]
    {
        let about =
            |child: &Env| -> Vec<String> { listed(child).into_iter().filter(|line| line.contains("_TOKEN")).collect() };
        assert_eq!(about(&child), [format!("{name}=abc")]);
        name_token_file(&mut child, Path::new("/d/token"));
        assert_eq!(about(&child), [format!("{name}_FILE=/d/token")]);
    }
}

#[test]
fn long_term_keys_leave_no_token_of_the_parent() {
    let parent = Env::from_iter([("AWS_SESSION_TOKEN", "old"), ("AWS_CREDENTIAL_EXPIRATION", "old")]);
    let secret = secret("SECRET");
    let mode = ChildMode::Keys { access_key_id: "AKIAX", secret: &secret, token: None, expiration: None };
    let child = child_environment(&parent, &mode, &Facts { profile_name: "p", ..Facts::default() });
    assert_eq!(
        listed(&child),
        [
            "AWS_ACCESS_KEY_ID=AKIAX",
            "AWS_CONFIG_FILE=/dev/null",
            "AWS_EC2_METADATA_DISABLED=true",
            "AWS_SECRET_ACCESS_KEY=SECRET",
            "AWS_SENTINEL=p",
            "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
            "BOTO_CONFIG=/dev/null",
        ]
    );
}

#[test]
fn socket_mode_sets_exactly_these() {
    let facts = Facts { profile_name: "prod", region: None, ..Facts::default() };
    let parent = Env::from_iter([("AWS_REGION", "us-east-1")]);
    assert_eq!(
        listed(&socket(&parent, &facts)),
        [
            "AWS_CONFIG_FILE=/d/config",
            "AWS_EC2_METADATA_DISABLED=true",
            "AWS_REGION=us-east-1",
            "AWS_SDK_LOAD_CONFIG=1",
            "AWS_SENTINEL=prod",
            "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
            "BOTO_CONFIG=/dev/null",
            "NO_PROXY=127.0.0.1,localhost",
            "SENTINEL_AUTH_TOKEN=abc",
            "SENTINEL_UNIX_SOCKET=/d/s.sock",
            "no_proxy=127.0.0.1,localhost",
        ]
    );
}

#[test]
fn tcp_mode_sets_exactly_these() {
    let facts = Facts { profile_name: "prod", region: Some("eu-west-1"), ..Facts::default() };
    let parent = Env::from_iter([("AWS_REGION", "us-east-1"), ("PATH", "/bin")]);
    assert_eq!(
        listed(&tcp(&parent, &facts)),
        [
            "AWS_CONFIG_FILE=/d/config",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN=abc",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:4321/",
            "AWS_DEFAULT_REGION=eu-west-1",
            "AWS_EC2_METADATA_DISABLED=true",
            "AWS_REGION=eu-west-1",
            "AWS_SDK_LOAD_CONFIG=1",
            "AWS_SENTINEL=prod",
            "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
            "BOTO_CONFIG=/dev/null",
            "NO_PROXY=127.0.0.1,localhost",
            "PATH=/bin",
            "no_proxy=127.0.0.1,localhost",
        ]
    );
}

#[test]
fn metadata_mode_sets_exactly_these() {
    let parent =
        Env::from_iter([("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")]);
    assert_eq!(
        listed(&imds(&parent, "127.0.0.1:4321", false)),
        [
            "AWS_CONFIG_FILE=/d/config",
            "AWS_DEFAULT_REGION=eu-west-1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:4321",
            "AWS_EC2_METADATA_V1_DISABLED=true",
            "AWS_REGION=eu-west-1",
            "AWS_SDK_LOAD_CONFIG=1",
            "AWS_SENTINEL=prod",
            "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
            "BOTO_CONFIG=/dev/null",
            "NO_PROXY=127.0.0.1,localhost",
            "no_proxy=127.0.0.1,localhost",
        ]
    );
    let parent = Env::from_iter([("AWS_EC2_METADATA_V1_DISABLED", "true")]);
    let child = imds(&parent, "169.254.169.254:80", true);
    assert_eq!(child.os("AWS_EC2_METADATA_V1_DISABLED"), None);
    assert_eq!(child.os("AWS_EC2_METADATA_SERVICE_ENDPOINT"), Some(OsStr::new("http://169.254.169.254")));
    assert_eq!(child.os("NO_PROXY"), Some(OsStr::new("127.0.0.1,localhost,169.254.169.254")));
}

#[test]
fn no_other_source_of_credentials_reaches_the_child() {
    // Written out again, so that a line that falls out of the table is missed here.
    let sources = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN \
        AWS_CREDENTIAL_EXPIRATION AWS_ACCOUNT_ID AWS_CREDENTIAL_SCOPE AWS_ACCESS_KEY AWS_SECRET_KEY \
        AMAZON_ACCESS_KEY_ID AMAZON_SECRET_ACCESS_KEY AMAZON_SESSION_TOKEN SECRET_ACCESS_KEY AWS_PROFILE \
        AWS_DEFAULT_PROFILE AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME \
        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN \
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE AWS_CREDENTIAL_FILE BOTO_CONFIG AWS_METADATA_URL AWS_SDK_LOAD_CONFIG \
        AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_BEARER_TOKEN_BEDROCK AWS_EC2_METADATA_SERVICE_ENDPOINT \
        SENTINEL_UNIX_SOCKET SENTINEL_AUTH_TOKEN AWS_SENTINEL";
    let parent: Env = sources.split_whitespace().map(|name| (name, "parent")).collect();
    let facts = Facts { profile_name: "prod", ..Facts::default() };
    let imds = imds(&parent, "127.0.0.1:4321", false);
    for child in [keys(&parent, &facts), socket(&parent, &facts), tcp(&parent, &facts), imds] {
        let left: Vec<String> = listed(&child).into_iter().filter(|line| line.ends_with("=parent")).collect();
        assert_eq!(left, [""; 0]);
    }
}

#[test]
fn what_is_not_a_source_of_credentials_is_inherited() {
    let mut parent = Env::from_iter([("AWS_ENDPOINT_URL", "http://localhost:4566"), ("SENTINEL_POLICY", "/p")]);
    parent.set("ODD", OsString::from_vec(vec![0xff]));
    let child = keys(&parent, &Facts::default());
    assert_eq!(child.os("AWS_ENDPOINT_URL"), Some(OsStr::new("http://localhost:4566")));
    assert_eq!(child.os("SENTINEL_POLICY"), Some(OsStr::new("/p")));
    assert_eq!(child.os("ODD").map(OsStr::as_encoded_bytes), Some(&[0xff][..]));
}

#[test]
fn settings_become_variables_where_the_user_has_not_set_them() {
    let settings = pairs(&[
        ("output", "json"),
        ("retry_mode", "adaptive"),
        ("max_attempts", "7"),
        ("role_arn", "arn:aws:iam::1:role/x"),
        ("s3", "\n  max_concurrent_requests = 20"),
    ]);
    let services = pairs(&[
        ("dynamodb", "\n  endpoint_url = http://localhost:8000"),
        ("elastic_beanstalk", "\n  endpoint_url=http://localhost:8001\n"),
        ("s3", "\n  other = 1"),
    ]);
    let facts = Facts {
        profile_name: "prod",
        region: None,
        settings: &settings,
        services: Some(Services { name: "local", settings: &services }),
    };
    let parent = Env::from_iter([("AWS_MAX_ATTEMPTS", "2"), ("AWS_RETRY_MODE", "")]);
    let child = keys(&parent, &facts);
    let plain = keys(&Env::default(), &Facts { profile_name: "prod", ..Facts::default() });
    let added: Vec<String> = listed(&child).into_iter().filter(|line| !listed(&plain).contains(line)).collect();
    assert_eq!(
        added,
        [
            "AWS_DEFAULT_OUTPUT=json",
            "AWS_ENDPOINT_URL_DYNAMODB=http://localhost:8000",
            "AWS_ENDPOINT_URL_ELASTIC_BEANSTALK=http://localhost:8001",
            "AWS_MAX_ATTEMPTS=2",
            "AWS_RETRY_MODE=adaptive",
        ]
    );
    assert!(!listed(&socket(&parent, &facts)).iter().any(|line| line.starts_with("AWS_DEFAULT_OUTPUT")));
}

#[test]
fn the_persons_endpoint_for_all_services_comes_before_the_profiles_for_one() {
    let settings = pairs(&[("endpoint_url", "https://profile.test")]);
    let services = pairs(&[("sts", "\n  endpoint_url = https://first.test\n  endpoint_url = https://last.test")]);
    let facts = Facts {
        profile_name: "prod",
        settings: &settings,
        services: Some(Services { name: "local", settings: &services }),
        ..Facts::default()
    };
    let urls = |parent: &[(&str, &str)]| {
        let child = keys(&parent.iter().copied().collect(), &facts);
        listed(&child).into_iter().filter(|line| line.starts_with("AWS_ENDPOINT_URL")).collect::<Vec<_>>()
    };
    // botocore takes the last of a block.
    assert_eq!(urls(&[]), ["AWS_ENDPOINT_URL=https://profile.test", "AWS_ENDPOINT_URL_STS=https://last.test"]);
    assert_eq!(urls(&[("AWS_ENDPOINT_URL", "https://mine.test")]), ["AWS_ENDPOINT_URL=https://mine.test"]);
    assert_eq!(
        urls(&[("AWS_ENDPOINT_URL_STS", "https://mine.test")]),
        ["AWS_ENDPOINT_URL=https://profile.test", "AWS_ENDPOINT_URL_STS=https://mine.test"]
    );
}

#[test]
fn proxies_are_bypassed_for_loopback_and_the_users_list_is_kept() {
    let cases = [
        (None, None, "127.0.0.1,localhost", "127.0.0.1,localhost"),
        (Some("corp"), None, "corp,127.0.0.1,localhost", "corp,127.0.0.1,localhost"),
        (None, Some("corp"), "corp,127.0.0.1,localhost", "corp,127.0.0.1,localhost"),
        (Some("a"), Some("b"), "a,127.0.0.1,localhost", "b,127.0.0.1,localhost"),
        (Some("localhost, 127.0.0.1"), Some("x"), "localhost, 127.0.0.1", "x,127.0.0.1,localhost"),
        (Some("notlocalhost"), Some("*"), "notlocalhost,127.0.0.1,localhost", "*"),
    ];
    for (upper, lower, expected_upper, expected_lower) in cases {
        let mut parent = Env::default();
        for (name, value) in [("NO_PROXY", upper), ("no_proxy", lower)] {
            if let Some(value) = value {
                parent.set(name, value);
            }
        }
        let child = socket(&parent, &Facts::default());
        assert_eq!(child.os("NO_PROXY"), Some(OsStr::new(expected_upper)), "{upper:?} {lower:?}");
        assert_eq!(child.os("no_proxy"), Some(OsStr::new(expected_lower)), "{upper:?} {lower:?}");
    }
}

#[test]
fn nesting_is_refused_and_names_the_outer_profile() {
    refuse_nesting(&Env::default()).expect("not nested");
    let error = refuse_nesting(&Env::from_iter([("AWS_SENTINEL", "prod")])).expect_err("nested");
    assert_eq!(
        error.to_string(),
        "this is already inside `sentinel exec` for profile `prod`\n  leave that shell first, or give --nested"
    );
}
