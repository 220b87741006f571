//! T19: the child's environment offers an SDK no source of credentials but sentinel's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::clients::moto::programs;
use crate::fake_sts::wire::{Answer, Response, Server};
use crate::fake_sts::{Keys, Sts};
use crate::harness::{Invocation, Sandbox};

/// What SDKs and older tools read, and what an outer sentinel sets, with a value that works where that matters.
const FOREIGN: [&str; 41] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
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
    "AWS_CREDENTIAL_PROFILES_FILE",
    "BOTO_CONFIG",
    "AWS_METADATA_URL",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_BEARER_TOKEN_OTHER",
    "AWS_SENTINEL",
    "SENTINEL_SESSION_ID",
    "SENTINEL_UNIX_SOCKET",
    "SENTINEL_AUTH_TOKEN",
    "SENTINEL_MFA_TOKEN",
    "SENTINEL_MFA_PROCESS",
];

/// What each mode sets among them, and nothing else.
const ENVIRONMENT: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SENTINEL",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "BOTO_CONFIG",
];
const SOCKET: [&str; 9] = [
    "AWS_CONFIG_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SENTINEL",
    "AWS_SHARED_CREDENTIALS_FILE",
    "BOTO_CONFIG",
    "SENTINEL_AUTH_TOKEN",
    "SENTINEL_SESSION_ID",
    "SENTINEL_UNIX_SOCKET",
];

/// Which provider of an SDK the credentials come from, and who they make of the caller.
const WHO: &str = "
import json, botocore.session, boto3
credentials = botocore.session.get_session().get_credentials()
providers = botocore.session.get_session().get_component('credential_provider').providers
found = [p.METHOD for p in providers if p.METHOD != 'iam-role' and p.load() is not None]
arn = boto3.client('sts').get_caller_identity()['Arn']
print(json.dumps({'method': credentials.method, 'providers': found, 'arn': arn}))
";

/// A profile `dev`, in a world full of other credentials, all of which belong to `mallory`.
struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    config: PathBuf,
    mallory: Keys,
    /// Plays the ECS agent, the EKS agent and the instance metadata.
    agent: Server,
    /// How often that one was asked.
    asked: Arc<AtomicUsize>,
}

impl Setup {
    fn new() -> Self {
        let sts = Sts::start();
        let sandbox = Sandbox::new(&sts);
        let (alice, mallory) = (sts.user("alice"), sts.user("mallory"));
        let role = sts.role("dev").trusts(&alice.arn).allows_source_identity().arn();
        let config = sandbox.write(
            "home/ours",
            &format!(
                "[profile base]\nregion = us-east-1\naws_access_key_id = {}\naws_secret_access_key = {}\n\
                 [profile dev]\nregion = us-east-1\nrole_arn = {role}\nsource_profile = base\n",
                alice.access_key_id, alice.secret_access_key
            ),
            0o600,
        );
        let keys = format!(
            "aws_access_key_id = {}\naws_secret_access_key = {}\n",
            mallory.access_key_id, mallory.secret_access_key
        );
        sandbox.credentials(&format!("[default]\n{keys}[dev]\n{keys}[mallory]\n{keys}"));
        sandbox.config(&format!("[default]\n{keys}[profile dev]\n{keys}[profile mallory]\n{keys}"));
        sandbox.write("home/.boto", &format!("[Credentials]\n{keys}"), 0o600);
        sandbox.write(
            "home/old",
            &format!("AWSAccessKeyId={}\nAWSSecretKey={}\n", mallory.access_key_id, mallory.secret_access_key),
            0o600,
        );
        sandbox.write("home/token", "foreign-token", 0o600);
        let asked = Arc::new(AtomicUsize::new(0));
        let agent = Server::start({
            let asked = Arc::clone(&asked);
            let body = format!(
                r#"{{"AccessKeyId":"{}","SecretAccessKey":"{}","Token":"t","Expiration":"2099-01-01T00:00:00Z"}}"#,
                mallory.access_key_id, mallory.secret_access_key
            );
            move |_| {
                asked.fetch_add(1, Ordering::SeqCst);
                let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
                Answer::Whole(Response { status: 200, headers, body: body.clone().into_bytes() })
            }
        });
        Self { sts, sandbox, config, mallory, agent, asked }
    }

    /// The value that a variable has in the parent.
    fn foreign(&self, name: &str) -> String {
        let path = |name: &str| self.sandbox.path(name).display().to_string();
        match name {
            "AWS_ACCESS_KEY_ID" | "AWS_ACCESS_KEY" | "AMAZON_ACCESS_KEY_ID" => self.mallory.access_key_id.clone(),
            "AWS_SECRET_ACCESS_KEY" | "AWS_SECRET_KEY" | "AMAZON_SECRET_ACCESS_KEY" | "SECRET_ACCESS_KEY" => {
                self.mallory.secret_access_key.clone()
            }
            "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" => "mallory".to_owned(),
            "AWS_ROLE_ARN" => "arn:aws:iam::123456789012:role/foreign-role".to_owned(),
            "AWS_WEB_IDENTITY_TOKEN_FILE" | "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => path("home/token"),
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => "/foreign".to_owned(),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI" => format!("{}/foreign", self.agent.url()),
            "AWS_METADATA_URL" | "AWS_EC2_METADATA_SERVICE_ENDPOINT" => self.agent.url(),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE" => "IPv4".to_owned(),
            "AWS_EC2_METADATA_DISABLED" => "false".to_owned(),
            "AWS_CREDENTIAL_FILE" => path("home/old"),
            "BOTO_CONFIG" => path("home/.boto"),
            "AWS_SHARED_CREDENTIALS_FILE" | "AWS_CREDENTIAL_PROFILES_FILE" => path("home/.aws/credentials"),
            // The one that sentinel itself reads.
            "AWS_CONFIG_FILE" => self.config.display().to_string(),
            "AWS_SENTINEL" => "dev".to_owned(),
            // Read, and not used: the profile asks for none.
            "SENTINEL_MFA_TOKEN" => "090807".to_owned(),
            "SENTINEL_UNIX_SOCKET" => path("run/foreign"),
            _ => format!("foreign-{name}"),
        }
    }

    /// A command under sentinel, started with every one of these variables.
    fn exec(&self, options: &[&str]) -> Invocation {
        let run = self.sandbox.sentinel(["exec", "--profile", "dev", "--nested"]).args(options);
        FOREIGN.iter().fold(run, |run, name| run.env(name, self.foreign(name)))
    }
}

#[track_caller]
fn only_ours_is_left(options: &[&str], ours: &[&str]) -> (Setup, BTreeMap<String, String>) {
    let setup = Setup::new();
    let found = setup.exec(options).args(["--", "env", "-0"]).run().environment();
    let left: Vec<&str> = FOREIGN.into_iter().filter(|name| found.contains_key(*name)).collect();
    let mut expected = ours.to_vec();
    expected.sort_by_key(|name| FOREIGN.iter().position(|other| other == name));
    assert_eq!(left, expected);
    let home = setup.sandbox.path("home");
    for (name, value) in found.iter().filter(|(name, _)| !["HOME", "PWD"].contains(&name.as_str())) {
        for foreign in ["foreign", "mallory", &setup.agent.url(), &setup.mallory.access_key_id, home.to_str().unwrap()]
        {
            assert!(!value.contains(foreign), "{name}={value}");
        }
        assert!(!value.contains(&setup.mallory.secret_access_key), "{name}={value}");
    }
    assert_eq!(found["AWS_EC2_METADATA_DISABLED"], "true");
    assert_eq!(found["AWS_SHARED_CREDENTIALS_FILE"], "/dev/null");
    assert_eq!(found["BOTO_CONFIG"], "/dev/null");
    assert_eq!(found["AWS_SENTINEL"], "dev");
    (setup, found)
}

#[test]
fn the_environment_mode_leaves_only_its_own_keys() {
    let (setup, found) = only_ours_is_left(&[], &ENVIRONMENT);
    let issued = setup.sts.issued(&found["AWS_ACCESS_KEY_ID"]).expect("issued by this STS");
    assert_eq!(issued.secret_access_key, found["AWS_SECRET_ACCESS_KEY"]);
    assert!(issued.arn.contains(":assumed-role/dev/"), "{}", issued.arn);
    assert_eq!(found["AWS_CONFIG_FILE"], "/dev/null");
}

#[test]
fn the_socket_mode_leaves_only_its_own_file() {
    let (setup, found) = only_ours_is_left(&["--unix-socket"], &SOCKET);
    let runtime = setup.sandbox.path("run/sentinel");
    for name in ["AWS_CONFIG_FILE", "SENTINEL_UNIX_SOCKET"] {
        assert!(Path::new(&found[name]).starts_with(&runtime), "{name}={}", found[name]);
    }
    assert_eq!(found["SENTINEL_AUTH_TOKEN"].len(), 43);
    assert!(!found["SENTINEL_AUTH_TOKEN"].contains("foreign"));
}

/// A parent may pass a variable twice, of which one program sees the first and another the last.
#[test]
fn a_variable_that_is_there_twice_is_gone_twice() {
    let twice = "
import ctypes, sys
words = [word.encode() for word in sys.argv[1:]]
arguments = (ctypes.c_char_p * (len(words) + 1))(*words, None)
import os
pairs = [f'{n}={v}'.encode() for n, v in os.environ.items()]
foreign = [b'AWS_PROFILE=foreign', b'AWS_ROLE_ARN=foreign', b'AWS_ACCESS_KEY_ID=foreign']
pairs = foreign + pairs + foreign
environment = (ctypes.c_char_p * (len(pairs) + 1))(*pairs, None)
ctypes.CDLL(None).execve(words[0], arguments, environment)
";
    let setup = Setup::new();
    for options in [&[][..], &["--unix-socket"]] {
        let command = [&["exec", "--profile", "dev"], options, &["--", "cat", "/proc/self/environ"]].concat();
        let run = setup.sandbox.program(crate::harness::python()).args(["-c", twice, crate::harness::sentinel()]);
        let done = run.args(command).env("AWS_CONFIG_FILE", &setup.config).run();
        assert_eq!(done.code(), 0, "{done}");
        assert!(done.stdout.contains("AWS_SENTINEL=dev\0"), "{done}");
        assert!(!done.stdout.contains("foreign"), "{done}");
    }
}

/// botocore, with every source around it that it knows.
#[test]
fn boto3_finds_only_ours() {
    let python = programs().join("python");
    for (options, method) in [(&[][..], "env"), (&["--unix-socket"], "custom-process")] {
        let setup = Setup::new();
        let done = setup.exec(options).args(["--"]).args([&python]).args(["-c", WHO]).run();
        assert_eq!(done.code(), 0, "{done}");
        let who: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(who["method"], method);
        assert_eq!(who["providers"], serde_json::json!([method]), "the providers that have credentials");
        let arn = who["arn"].as_str().expect("text");
        assert!(arn.contains(":assumed-role/dev/"), "{arn}");
        assert_eq!(setup.asked.load(Ordering::SeqCst), 0, "an agent was asked");
    }
}

/// And where ours fails there is no other: an error, and nobody else's credentials.
#[test]
fn where_ours_fails_there_is_no_other() {
    let python = programs().join("python");
    let script = "
import os, botocore.session, botocore.exceptions
for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'):
    os.environ.pop(name, None)
os.environ['SENTINEL_AUTH_TOKEN'] = 'wrong'
try:
    credentials = botocore.session.get_session().get_credentials()
    print(credentials and credentials.method)
except botocore.exceptions.CredentialRetrievalError as error:
    print('CredentialRetrievalError')
";
    for (options, expected) in [(&[][..], "None\n"), (&["--unix-socket"], "CredentialRetrievalError\n")] {
        let setup = Setup::new();
        let done = setup.exec(options).args(["--"]).args([&python]).args(["-c", script]).run();
        assert_eq!(done.stdout, expected, "{done}");
        assert_eq!(setup.asked.load(Ordering::SeqCst), 0, "an agent was asked");
    }
}

#[test]
fn the_aws_cli_finds_only_ours() {
    for (options, source) in [(&[][..], "env"), (&["--unix-socket"], "custom-process")] {
        let setup = Setup::new();
        let aws = programs().join("aws");
        let done = setup.exec(options).args(["--"]).args([&aws]).args(["configure", "list"]).run();
        assert_eq!(done.code(), 0, "{done}");
        for name in ["access_key", "secret_key"] {
            let line = done.stdout.lines().find(|line| line.trim_start().starts_with(name)).expect("a line");
            assert!(line.contains(source), "{line}");
        }
        let profile = done.stdout.lines().find(|line| line.trim_start().starts_with("profile")).expect("a line");
        assert!(profile.contains("<not set>") && !profile.contains("mallory"), "{profile}");
        assert_eq!(setup.asked.load(Ordering::SeqCst), 0, "an agent was asked");
    }
}
