//! What settings files say, between the environment and the defaults.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cli::flags::{FLAGS, settings};
use crate::cli::parse::parse;
use crate::cli::settings::{Exec, Given, PolicyPlace};
use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Result};

/// A home whose settings file says this. There is no admin file on a host where these tests run.
struct Home(PathBuf);

impl Home {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sn-settings-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(home.0.join("sentinel")).expect("a directory");
        fs::write(home.0.join("sentinel/config.json"), text).expect("a file");
        home
    }

    fn exec(&self, line: &[&str], variables: &[(&str, &str)]) -> Result<Exec> {
        let mut env: Env = variables.iter().copied().collect();
        env.set("XDG_CONFIG_HOME", self.0.as_os_str());
        let config = Config::load(&settings(), &env)?;
        let line: Vec<OsString> = ["exec"].iter().chain(line).map(OsString::from).collect();
        Exec::of(&Given::new(&parse(&line)?, &env, &config)?)
    }

    fn refusal(&self, line: &[&str]) -> String {
        let error: Error = self.exec(line, &[]).expect_err("a refusal");
        error.to_string().replace(self.0.to_str().expect("UTF-8"), "HOME")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the directory goes");
    }
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let home = Home::new(
        r#"{"duration": "1h", "policy": "/file", "server": true, "policy-arn": ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"]}"#,
    );
    let variables = [("SENTINEL_DURATION", "2h"), ("SENTINEL_SERVER", "no")];
    let by_file = home.exec(&[], &[]).expect("settings");
    assert_eq!(by_file.common.duration, Some(Duration::from_secs(3600)));
    assert_eq!(by_file.common.policy.place, Some(PolicyPlace::File("/file".into())));
    assert_eq!(by_file.common.policy_arns, ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"]);
    assert!(by_file.server.is_some());
    let by_variable = home.exec(&[], &variables).expect("settings");
    assert_eq!(by_variable.common.duration, Some(Duration::from_secs(7200)));
    assert!(by_variable.server.is_none());
    let by_flag = home.exec(&["-d", "3h", "-s", "--policy-parameter", "/x"], &variables).expect("settings");
    assert_eq!(by_flag.common.duration, Some(Duration::from_secs(3 * 3600)));
    assert_eq!(by_flag.common.policy.place, Some(PolicyPlace::Parameter("/x".into())));
    assert!(by_flag.server.is_some());
}

#[test]
fn aws_profile_is_a_variable_and_beats_the_file() {
    let home = Home::new(r#"{"profile": "file"}"#);
    let profile =
        |line: &[&str], variables: &[(&str, &str)]| home.exec(line, variables).expect("settings").common.profile;
    assert_eq!(profile(&[], &[]).as_deref(), Some("file"));
    assert_eq!(profile(&[], &[("AWS_PROFILE", "aws")]).as_deref(), Some("aws"));
    assert_eq!(profile(&["word"], &[("AWS_PROFILE", "aws")]).as_deref(), Some("word"));
}

#[test]
fn aws_profile_does_not_pass_a_lock() {
    let profile = |admin: &str| {
        let config = Config::of_text("/admin".as_ref(), admin, &settings(), true).expect("a file");
        let env: Env = [("AWS_PROFILE", "aws"), ("AWS_DEFAULT_PROFILE", "aws")].into_iter().collect();
        let given = parse(&["exec".into()]).expect("a line");
        Exec::of(&Given::new(&given, &env, &config).expect("no word about it")).expect("settings").common.profile
    };
    assert_eq!(profile(r#"{"profile": "admins"}"#).as_deref(), Some("aws"));
    assert_eq!(profile(r#"{"profile": "admins", "locked": ["profile"]}"#).as_deref(), Some("admins"));
    assert_eq!(profile(r#"{"locked": ["profile"]}"#), None);
}

#[test]
fn a_wrong_value_is_refused_with_its_file() {
    let file = "HOME/sentinel/config.json";
    let refusal = |text: &str, line: &[&str]| Home::new(text).refusal(line);
    assert_eq!(
        refusal(r#"{"duration": "10m"}"#, &[]),
        format!("duration in {file}: 10m is below 15m, the shortest session that AWS issues")
    );
    assert_eq!(
        refusal(r#"{"server-port": "http"}"#, &["-s"]),
        format!("server-port in {file}: http is not a port\n  write 0 to 65535; 0 is any that is free")
    );
    assert_eq!(
        refusal(r#"{"bind": "tre"}"#, &["-s"]),
        format!("bind in {file}: tre is not one of tree, process, uid\n  did you mean `tree`?")
    );
    assert_eq!(
        refusal(r#"{"policy": "/a", "policy-parameter": "/b"}"#, &[]),
        format!("policy in {file} and policy-parameter in {file} both name a policy\n  leave one out")
    );
    assert_eq!(
        refusal(r#"{"policy-arn": ["x"]}"#, &[]),
        format!(
            "policy-arn in {file}: x is not a managed policy's ARN\n  write it as arn:aws:iam::123456789012:policy/NAME"
        )
    );
}

#[test]
fn files_may_hold_what_has_a_variable_but_no_code() {
    let names: Vec<&str> = settings().iter().map(|setting| setting.name).collect();
    let expected: Vec<&str> = FLAGS
        .iter()
        .filter(|flag| flag.variable.is_some())
        .map(|flag| flag.name)
        .filter(|name| *name != "mfa-token")
        .collect();
    assert_eq!(names, expected);
    for name in ["mfa-token", "unix-socket", "nested", "key", "help", "justification"] {
        assert!(!names.contains(&name), "{name}");
        let text = format!("{{\"{name}\": true}}");
        assert!(Home::new(&text).refusal(&[]).contains(&format!("`{name}` is no setting")), "{name}");
    }
}
