//! A local AWS for the client tests: moto's server, which verifies every signature and permission. One server is shared by
//! all of them; `moto_server.py` says what is in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{OnceLock, mpsc};

use crate::harness::DEADLINE;

/// A running moto. Its input is closed when the test process ends, however it ends, and then it ends too.
#[derive(Debug)]
pub(crate) struct Moto {
    /// `http://127.0.0.1:PORT`, the value for `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: String,
    /// Where everything is.
    pub(crate) region: String,
    /// The account of the user and the roles.
    pub(crate) account: String,
    /// The user's access key id.
    pub(crate) access_key: String,
    /// The user's secret access key.
    pub(crate) secret: String,
    /// The role that the user may assume.
    pub(crate) role_arn: String,
    /// The role that only `role_arn` may assume: a chain's second link.
    pub(crate) second_role_arn: String,
    _input: ChildStdin,
}

/// The server that all tests of this process share.
pub(crate) fn server() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(start)
}

/// The virtual environment's directory of programs: `python`, `aws`.
pub(crate) fn programs() -> PathBuf {
    let venv = std::env::var_os("SENTINEL_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv"), PathBuf::from);
    let programs = venv.join("bin");
    assert!(
        programs.join("python").exists(),
        "{} is missing: run `make venv`, or `make test`, which does it",
        programs.join("python").display()
    );
    programs
}

#[expect(clippy::zombie_processes, reason = "the server outlives every test: it ends when its input is closed")]
fn start() -> Moto {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/moto_server.py");
    let mut child = Command::new(programs().join("python"))
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", script.display()));
    let input = child.stdin.take().expect("the input is piped");
    let output = child.stdout.take().expect("the output is piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("moto".to_owned())
        .spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            // The receiver is gone when the deadline has passed; then nobody wants the line.
            drop(sender.send(read.map(|_| line)));
        })
        .expect("a thread starts");
    let line = receiver
        .recv_timeout(DEADLINE)
        .unwrap_or_else(|_| panic!("moto said nothing for {} s", DEADLINE.as_secs()))
        .expect("moto's output is text");
    assert!(!line.is_empty(), "moto ended before it was ready; its error is above");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("moto_server.py prints JSON");
    let text = |name: &str| ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
    Moto {
        endpoint: text("endpoint"),
        region: text("region"),
        account: text("account"),
        access_key: text("access_key"),
        secret: text("secret_key"),
        role_arn: text("role_arn"),
        second_role_arn: text("second_role_arn"),
        _input: input,
    }
}

/// The AWS CLI's answer under these environment variables and no others, or the error that it printed.
pub(crate) fn aws_cli(environment: &[(&str, &str)], arguments: &[&str]) -> Result<serde_json::Value, String> {
    let moto = server();
    let output = Command::new(programs().join("aws"))
        .args(arguments)
        .env_clear()
        .envs([
            ("AWS_ENDPOINT_URL", moto.endpoint.as_str()),
            ("AWS_DEFAULT_REGION", moto.region.as_str()),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .envs(environment.iter().copied())
        .output()
        .expect("the AWS CLI starts");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("the AWS CLI prints JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[test]
fn moto_knows_the_users_key() {
    let moto = server();
    let identity = aws_cli(
        &[("AWS_ACCESS_KEY_ID", &moto.access_key), ("AWS_SECRET_ACCESS_KEY", &moto.secret)],
        &["sts", "get-caller-identity"],
    )
    .unwrap();
    assert_eq!(identity["Arn"], format!("arn:aws:iam::{}:user/demo-user", moto.account));
}

#[test]
fn moto_refuses_a_wrong_secret() {
    let moto = server();
    let error = aws_cli(
        &[("AWS_ACCESS_KEY_ID", &moto.access_key), ("AWS_SECRET_ACCESS_KEY", "not the secret")],
        &["sts", "get-caller-identity"],
    )
    .unwrap_err();
    assert!(error.contains("(SignatureDoesNotMatch)"), "{error}");
}

#[test]
fn moto_lets_the_second_role_be_reached_through_the_first_alone() {
    let moto = server();
    let session = |environment: &[(&str, &str)], role: &str| {
        aws_cli(environment, &["sts", "assume-role", "--role-session-name", "test", "--role-arn", role])
    };
    let user = [("AWS_ACCESS_KEY_ID", moto.access_key.as_str()), ("AWS_SECRET_ACCESS_KEY", moto.secret.as_str())];
    let error = session(&user, &moto.second_role_arn).unwrap_err();
    assert!(error.contains("(AccessDenied)"), "{error}");

    let first = session(&user, &moto.role_arn).unwrap();
    let key = |name: &str| first["Credentials"][name].as_str().unwrap();
    let role = [
        ("AWS_ACCESS_KEY_ID", key("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", key("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", key("SessionToken")),
    ];
    let second = session(&role, &moto.second_role_arn).unwrap();
    assert_eq!(
        second["AssumedRoleUser"]["Arn"],
        format!("arn:aws:sts::{}:assumed-role/demo-second-role/test", moto.account)
    );
}
