//! `sentinel exec` without a server: what the child gets, and what its end means.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sentinel::clock::{Clock, SystemClock};

use crate::fake_sts::{ACCOUNT, Fault};
use crate::harness::{Finished, World, process, python_has, skip};

/// Every variable that is a source of credentials or settings to some SDK, and that a child must not inherit.
const SCRUBBED: [&str; 25] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_SCOPE",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    "SECRET_ACCESS_KEY",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_FILE",
    "AWS_METADATA_URL",
    "AWS_SDK_LOAD_CONFIG",
];

/// The profiles `base` (alice's keys) and `dev` (a role).
fn world() -> World {
    let world = World::new();
    world.role("dev", "base", "region = eu-central-1");
    world
}

fn exec(world: &World, options: &[&str], command: &[&str]) -> Finished {
    world.sandbox.exec(options, command).run()
}

fn environment_of(world: &World, options: &[&str]) -> BTreeMap<String, String> {
    exec(world, options, &["env", "-0"]).environment()
}

/// Fails unless the fake issued what the child got, to this user or role.
#[track_caller]
fn assert_issued(world: &World, environment: &BTreeMap<String, String>, arn: &str) {
    let issued = world.sts.issued(&environment["AWS_ACCESS_KEY_ID"]).expect("a key that the fake issued");
    assert_eq!(environment["AWS_SECRET_ACCESS_KEY"], issued.secret_access_key);
    assert_eq!(environment.get("AWS_SESSION_TOKEN"), issued.session_token.as_ref());
    let role = issued.arn.rsplit_once('/').map_or(issued.arn.as_str(), |(role, _)| role);
    assert!(issued.arn == arn || role == arn, "{} is not {arn}", issued.arn);
}

fn lifetime_s(environment: &BTreeMap<String, String>) -> i64 {
    let expiration: Timestamp = environment["AWS_CREDENTIAL_EXPIRATION"].parse().expect("RFC 3339");
    assert!(environment["AWS_CREDENTIAL_EXPIRATION"].ends_with('Z'));
    expiration.as_second() - SystemClock.wall().as_second()
}

#[track_caller]
fn assert_about(found_s: i64, expected_s: i64) {
    assert!((expected_s - 60..=expected_s).contains(&found_s), "{found_s} s instead of {expected_s} s");
}

#[test]
fn the_child_gets_the_roles_credentials() {
    let world = world();
    let environment = environment_of(&world, &["--profile", "dev"]);
    assert_issued(&world, &environment, &format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev"));
    assert_about(lifetime_s(&environment), 3600);
    assert_eq!(environment["AWS_SENTINEL"], "dev");
    let calls = world.sts.calls_of("AssumeRole");
    let last = calls.last().expect("a call");
    assert_eq!(last.parameters["RoleArn"], format!("arn:aws:iam::{ACCOUNT}:role/dev"));
    assert_eq!(last.answer.as_deref(), Some("ok"));
    let identity = &last.parameters["SourceIdentity"];
    assert!(identity.starts_with("sentinel-alice-direct-"), "{identity}");
}

#[test]
fn the_profile_may_be_the_first_argument() {
    let world = world();
    let environment = environment_of(&world, &["dev"]);
    assert_eq!(environment["AWS_SENTINEL"], "dev");
    assert_issued(&world, &environment, &format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev"));
}

#[test]
fn the_profile_may_come_from_the_environment() {
    let world = world();
    let run = world.sandbox.sentinel(["exec", "--", "env", "-0"]).env("AWS_PROFILE", "dev").run();
    let environment = run.environment();
    assert_eq!(environment["AWS_SENTINEL"], "dev");
    assert_eq!(environment.get("AWS_PROFILE"), None);
}

#[test]
fn a_user_gets_a_session() {
    let world = world();
    let environment = environment_of(&world, &["--profile", "base"]);
    assert_issued(&world, &environment, &format!("arn:aws:iam::{ACCOUNT}:user/alice"));
    assert!(environment["AWS_ACCESS_KEY_ID"].starts_with("ASIA"));
    assert_about(lifetime_s(&environment), 3600);
    assert_eq!(world.sts.calls_of("GetSessionToken").len(), 1);
}

#[test]
fn no_session_gives_the_users_own_keys() {
    let world = world();
    let environment = environment_of(&world, &["--profile", "base", "--no-session"]);
    assert!(environment["AWS_ACCESS_KEY_ID"].starts_with("AKIA"));
    assert_issued(&world, &environment, &format!("arn:aws:iam::{ACCOUNT}:user/alice"));
    assert_eq!(environment.get("AWS_SESSION_TOKEN"), None);
    assert_eq!(environment.get("AWS_CREDENTIAL_EXPIRATION"), None);
    assert_eq!(world.sts.calls_of("GetSessionToken").len(), 0);
}

#[test]
fn a_chain_is_followed_and_keeps_its_source_identity() {
    let world = world();
    let first = format!("arn:aws:iam::{ACCOUNT}:role/dev");
    let role = world.sts.role("last").trusts(&first).allows_source_identity().external_id("ext-1").arn();
    let settings = format!("role_arn = {role}\nsource_profile = dev\nexternal_id = ext-1\nrole_session_name = me@here");
    world.sandbox.settings("last", &settings);
    let environment = environment_of(&world, &["--profile", "last"]);
    let issued = world.sts.issued(&environment["AWS_ACCESS_KEY_ID"]).expect("issued");
    assert_eq!(issued.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/last/me@here"));
    let calls = world.sts.calls_of("AssumeRole");
    let roles: Vec<&str> = calls.iter().map(|call| call.parameters["RoleArn"].as_str()).collect();
    assert_eq!(roles, [first.as_str(), role.as_str()]);
    let carried = calls[1].parameters.get("SourceIdentity").unwrap_or(&calls[0].parameters["SourceIdentity"]);
    assert_eq!(*carried, calls[0].parameters["SourceIdentity"]);
    assert_eq!(calls[1].parameters["ExternalId"], "ext-1");
}

#[test]
fn a_role_may_be_assumed_with_the_environments_keys() {
    let world = world();
    let bob = world.sts.user("bob");
    let role = world.sts.role("ci").trusts(&bob.arn).allows_source_identity().arn();
    world.sandbox.settings("ci", &format!("role_arn = {role}\ncredential_source = Environment"));
    let run = world.sandbox.sentinel(["exec", "--profile", "ci", "--", "env", "-0"]);
    let run = run.env("AWS_ACCESS_KEY_ID", &bob.access_key_id).env("AWS_SECRET_ACCESS_KEY", &bob.secret_access_key);
    assert_issued(&world, &run.run().environment(), &format!("arn:aws:sts::{ACCOUNT}:assumed-role/ci"));
    assert_eq!(world.sts.calls_of("AssumeRole")[0].access_key, bob.access_key_id);
    let before = world.sts.calls().len();
    exec(&world, &["--profile", "ci"], &["true"])
        .failed_with(125, &["is Environment, and the environment has no keys"]);
    for source in ["Ec2InstanceMetadata", "EcsContainer"] {
        world.sandbox.settings(source, &format!("role_arn = {role}\ncredential_source = {source}"));
        let sentence = format!("is {source}, which is not supported yet");
        exec(&world, &["--profile", source], &["true"]).failed_with(125, &[&sentence, "use Environment"]);
    }
    assert_eq!(world.sts.calls().len(), before);
}

#[test]
fn a_role_that_refuses_source_identities_is_assumed_without_and_said_so() {
    let world = world();
    let bob = world.sts.user("bob");
    let role = world.sts.role("silent").trusts(&bob.arn).arn();
    world.sandbox.profile("bob", &bob, "region = us-east-1");
    world.sandbox.settings("silent", &format!("role_arn = {role}\nsource_profile = bob"));
    let done = exec(&world, &["--profile", "silent"], &["env", "-0"]);
    assert_issued(&world, &done.environment(), &format!("arn:aws:sts::{ACCOUNT}:assumed-role/silent"));
    assert!(done.stderr.contains("sts:SetSourceIdentity"), "{done}");

    exec(&world, &["--profile", "silent", "--source-identity", "require"], &["true"]).failed_with(125, &["silent"]);
    let before = world.sts.calls_of("AssumeRole").len();
    let done = exec(&world, &["--profile", "silent", "--source-identity", "off"], &["true"]);
    assert_eq!(done.code(), 0, "{done}");
    let calls = world.sts.calls_of("AssumeRole");
    assert_eq!(calls.len(), before + 1);
    assert_eq!(calls[before].parameters.get("SourceIdentity"), None);
}

#[test]
fn durations_are_asked_for_and_capped() {
    let world = world();
    for (text, seconds) in [("15m", 900), ("1h30m", 5400), ("7200", 7200)] {
        let environment = environment_of(&world, &["--profile", "dev", "--duration", text]);
        assert_about(lifetime_s(&environment), seconds);
        let last = world.sts.calls_of("AssumeRole").pop().expect("a call");
        assert_eq!(last.parameters["DurationSeconds"], seconds.to_string());
    }
    let environment = environment_of(&world, &["--profile", "base", "-d", "2h"]);
    assert_about(lifetime_s(&environment), 7200);

    // AWS refuses more than an hour for a role that was assumed by a role.
    let role =
        world.sts.role("last").trusts(&format!("arn:aws:iam::{ACCOUNT}:role/dev")).allows_source_identity().arn();
    world.sandbox.settings("last", &format!("role_arn = {role}\nsource_profile = dev"));
    let done = exec(&world, &["--profile", "last", "--duration", "2h"], &["env", "-0"]);
    assert_about(lifetime_s(&done.environment()), 3600);
    for call in world.sts.calls_of("AssumeRole") {
        assert_eq!(call.answer.as_deref(), Some("ok"), "{call:?}");
    }
    let bob = world.sts.user("bob");
    let role = world.sts.role("short").trusts(&bob.arn).allows_source_identity().max_duration_s(3600).arn();
    world.sandbox.profile("bob", &bob, "region = us-east-1");
    world.sandbox.settings("short", &format!("role_arn = {role}\nsource_profile = bob"));
    exec(&world, &["--profile", "short", "--duration", "2h"], &["true"]).failed_with(125, &["MaxSessionDuration"]);
}

#[test]
fn the_region_is_the_options_then_the_environments_then_the_profiles() {
    let world = world();
    let regions = |environment: &BTreeMap<String, String>| {
        (environment["AWS_REGION"].clone(), environment["AWS_DEFAULT_REGION"].clone())
    };
    let both = |region: &str| (region.to_owned(), region.to_owned());
    let environment = environment_of(&world, &["--profile", "dev"]);
    assert_eq!(regions(&environment), both("us-east-1"));
    world.sts.region("eu-central-1");
    let done = world.sandbox.sentinel(["exec", "--profile", "dev", "--", "env", "-0"]).without("AWS_REGION").run();
    assert_eq!(regions(&done.environment()), both("eu-central-1"));
    world.sts.region("ap-south-1");
    let environment = environment_of(&world, &["--profile", "dev", "--region", "ap-south-1"]);
    assert_eq!(regions(&environment), both("ap-south-1"));
}

/// T19.
#[test]
fn no_other_source_of_credentials_reaches_the_child() {
    let world = world();
    let mut run = world.sandbox.sentinel(["exec", "--profile", "dev", "--", "env", "-0"]);
    for name in SCRUBBED {
        run = run.env(name, format!("foreign-{name}"));
    }
    let environment = run.env("KEPT", "1").run().environment();
    let ours = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"];
    for name in SCRUBBED.iter().filter(|name| !ours.contains(name)) {
        assert_eq!(environment.get(*name), None, "{name}");
    }
    for (name, value) in &environment {
        assert!(!value.contains("foreign-"), "{name}={value}");
    }
    assert_eq!(environment["KEPT"], "1");
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"] {
        let path = environment.get(name).unwrap_or_else(|| panic!("{name} is not set"));
        let real = world.sandbox.path("home/.aws");
        assert!(path.starts_with('/') && !path.starts_with(real.to_str().expect("UTF-8")), "{name}={path}");
    }
    assert_issued(&world, &environment, &format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev"));
}

#[test]
fn the_childs_status_is_ours() {
    let world = world();
    for code in [0, 1, 3, 124, 255] {
        let done = exec(&world, &["--profile", "base", "--no-session"], &["sh", "-c", &format!("exit {code}")]);
        assert_eq!((done.code(), done.signal()), (code, None), "{done}");
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("INT", 2)] {
        let done = exec(&world, &["--profile", "base", "--no-session"], &["sh", "-c", &format!("kill -{name} $$")]);
        assert_eq!(done.code(), 128 + number, "{done}");
    }
}

#[test]
fn a_program_that_cannot_start_has_the_shells_status() {
    let world = world();
    let plain = world.sandbox.write("plain", "not a program", 0o600);
    let plain = plain.to_str().expect("UTF-8");
    let options = ["--profile", "base", "--no-session"];
    exec(&world, &options, &[plain]).failed_with(126, &[plain]);
    exec(&world, &options, &["no-such-program-here"]).failed_with(127, &["no-such-program-here"]);
    exec(&world, &options, &["/no/such/program"]).failed_with(127, &["/no/such/program"]);
    exec(&world, &["--no-such-option"], &["true"]).failed_with(125, &["--no-such-option"]);
}

#[test]
fn the_childs_arguments_and_streams_are_untouched() {
    let world = world();
    let script = r#"printf '[%s]' "$@"; cat; echo oops >&2"#;
    let words = ["sh", "-c", script, "sh", "a b", "", "--profile", "$HOME", "*"];
    let run = world.sandbox.sentinel(["exec", "--profile", "base", "--no-session", "--"]).args(words).stdin(b"in");
    let done = run.run();
    assert_eq!(done.stdout, "[a b][][--profile][$HOME][*]in", "{done}");
    assert!(done.stderr.ends_with("oops\n"), "{done}");
}

#[test]
fn sentinel_becomes_the_child() {
    let world = world();
    let script = "echo $$; read line; exit 7";
    let run = world.sandbox.sentinel(["exec", "--profile", "base", "--no-session", "--", "sh", "-c", script]);
    let mut running = run.spawn();
    assert_eq!(running.line(), running.pid().to_string());
    assert!(process::children(running.pid()).is_empty());
    running.signal("TERM");
    assert_eq!(running.finish().code(), 143);
}

#[test]
fn no_secret_is_in_an_argument_or_an_output() {
    let world = world();
    let done = exec(&world, &["--profile", "dev", "--debug"], &["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline"]);
    assert_eq!(done.code(), 0, "{done}");
    let key = &world.sts.calls_of("AssumeRole")[0].access_key;
    let source = world.sts.issued(key).expect("issued");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(!said.contains(&source.secret_access_key), "{said}");
    if let Some(token) = source.session_token {
        assert!(!said.contains(&token), "{said}");
    }
}

#[test]
fn an_unmodified_client_uses_the_childs_environment() {
    const NAME: &str = "an_unmodified_client_uses_the_childs_environment";
    if !python_has("botocore") {
        return skip(NAME, "python3 has no botocore");
    }
    let world = world();
    let script =
        "import botocore.session as s; print(s.get_session().create_client('sts').get_caller_identity()['Arn'])";
    let done = world.sandbox.python(&["--profile", "dev"], script).run();
    let expected = format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev/");
    assert!(done.code() == 0 && done.stdout.starts_with(&expected), "{done}");
}

#[test]
fn a_nested_exec_is_refused_unless_asked_for() {
    let world = world();
    let run = |options: &[&str]| {
        let run = world.sandbox.sentinel(["exec", "--profile", "base"]).args(options).args(["--", "true"]);
        run.env("AWS_SENTINEL", "outer").run()
    };
    run(&[]).failed_with(125, &["outer", "--nested"]);
    assert_eq!(world.sts.calls().len(), 0);
    let done = run(&["--nested"]);
    assert_eq!(done.code(), 0, "{done}");
}

#[test]
fn a_short_outage_is_bridged() {
    for fault in [Fault::Throttle, Fault::Unavailable, Fault::Reset, Fault::Html] {
        let world = world();
        world.sts.inject("AssumeRole", 1, fault);
        let done = exec(&world, &["--profile", "dev"], &["true"]);
        assert_eq!(done.code(), 0, "{done}");
        assert_eq!(world.sts.calls_of("AssumeRole").len(), 2);
    }
}

/// T18.
#[test]
fn broken_credentials_are_an_error_and_the_child_does_not_start() {
    for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Body("<AssumeRoleResponse/>"), Fault::Body("")] {
        let world = world();
        let started = world.sandbox.path("started");
        world.sts.inject("AssumeRole", 10, fault.clone());
        let done = exec(&world, &["--profile", "dev"], &["touch", started.to_str().expect("UTF-8")]);
        done.failed_with(125, &[]);
        assert!(!started.exists(), "the child ran after {fault:?}");
        let key = &world.sts.calls()[0].access_key;
        let secret = world.sts.issued(key).expect("issued").secret_access_key;
        assert!(!done.stderr.contains(&secret), "{done}");
    }
}

/// T20.
#[test]
fn a_huge_answer_and_a_redirect_are_refused() {
    for fault in [Fault::Huge(2 << 20), Fault::Half, Fault::Redirect("http://127.0.0.1:9/".to_owned())] {
        let world = world();
        world.sts.inject("AssumeRole", 10, fault.clone());
        exec(&world, &["--profile", "dev"], &["true"]).failed_with(125, &[]);
    }
}
