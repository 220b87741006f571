//! What `exec` refuses, and in which words.

use super::{defaults, read};
use crate::cli::flags::{FLAGS, Id};
use crate::error::Kind;

fn refusal(line: &[&str], env: &[(&str, &str)]) -> String {
    let error = read(line, env).expect_err("a refusal");
    assert_eq!(error.kind(), Kind::Usage, "{line:?}");
    error.to_string()
}

#[test]
fn flags_about_a_server_need_one_and_variables_do_not() {
    for flag in FLAGS.iter().filter(|flag| flag.needs_server()) {
        let name = flag.dashed();
        let mut line = vec!["exec", &name];
        line.extend(flag.value);
        let needs = match flag.id {
            Id::ServerPort => "--server, --ecs-server or --ec2-server",
            Id::UnixSocketPath => "--unix-socket",
            Id::ImdsV1 | Id::ImdsAddress | Id::HopLimit => "--ec2-server",
            _ => "--server, --ecs-server, --ec2-server or --unix-socket",
        };
        let expected = format!("{name} needs {needs}\n  add {needs}, or leave {name} out");
        assert_eq!(refusal(&line, &[]), expected);
        let variable = flag.variable.expect("a variable");
        assert_eq!(read(&["exec"], &[(variable, "nonsense")]).expect("settings"), defaults());
    }
}

#[test]
fn wrong_values_are_refused_in_these_words() {
    // The line, the environment, the refusal.
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);
    let cases: &[Case] = &[
        (&["exec", "-d", "10m"], &[], "--duration 10m is below 15m, the shortest session that AWS issues"),
        (&["exec", "-d", "899"], &[], "--duration 899 is below 15m, the shortest session that AWS issues"),
        (&["exec", "-d", "37h"], &[], "--duration 37h is above 36h, the longest session that AWS issues"),
        (
            &["exec", "--unix-socket", "--server-duration", "13h"],
            &[],
            "--server-duration 13h is above 12h, the longest session that AWS issues for a role",
        ),
        (&["exec", "-d", "soon"], &[], "--duration soon is not a duration\n  write 15m, 1h30m, 900s or seconds"),
        (
            &["exec"],
            &[("SENTINEL_DURATION", "1m")],
            "SENTINEL_DURATION=1m is below 15m, the shortest session that AWS issues",
        ),
        (&["exec", "-s", "--token-file", "/t", "--token-rotation", "8d"], &[], "--token-rotation 8d is above 7d"),
        (&["exec", "-s", "--token-rotation", "1h"], &[], "--token-rotation needs --token-file"),
        (&["exec", "-s", "--token-group", "4"], &[], "--token-group needs --token-file"),
        // The duration is looked at before anything else.
        (
            &["exec", "-d", "1m", "--region", "?"],
            &[],
            "--duration 1m is below 15m, the shortest session that AWS issues",
        ),
        (
            &["exec", "--server", "--server-port", "http"],
            &[],
            "--server-port http is not a port\n  write 0 to 65535; 0 is any that is free",
        ),
        (
            &["exec", "-s"],
            &[("SENTINEL_SERVER_PORT", "65536")],
            "SENTINEL_SERVER_PORT=65536 is not a port\n  write 0 to 65535; 0 is any that is free",
        ),
        (
            &["exec"],
            &[("SENTINEL_SERVER", "tcp")],
            "SENTINEL_SERVER=tcp is neither yes nor no\n  write 1, true or yes, or 0, false or no",
        ),
        (&["exec", "--server", "--unix-socket-path", "/s"], &[], "--unix-socket-path needs --unix-socket"),
        (
            &["exec", "--server", "--unix-socket", "--server-port", "1"],
            &[],
            "--server-port needs --server or --ecs-server without --unix-socket",
        ),
        (&["exec", "--unix-socket", "--bind", "fork"], &[], "--bind fork is not one of tree, process, uid"),
        (
            &["exec", "--unix-socket"],
            &[("SENTINEL_BIND", "proces")],
            "SENTINEL_BIND=proces is not one of tree, process, uid\n  did you mean `process`?",
        ),
        (
            &["exec"],
            &[("SENTINEL_DEBUG", "maybe")],
            "SENTINEL_DEBUG=maybe is neither yes nor no\n  write 1, true or yes, or 0, false or no",
        ),
        (
            &["exec", "--region", "x.example/"],
            &[],
            "--region x.example/ is not a region\n  a region looks like eu-west-1",
        ),
        (&["exec", ""], &[], "the profile is empty"),
        (&["exec", "-t", "12345"], &[], "--mfa-token is not a code of six digits\n  type what the device shows"),
        (
            &["exec"],
            &[("SENTINEL_MFA_TOKEN", "hunter2")],
            "SENTINEL_MFA_TOKEN is not a code of six digits\n  type what the device shows",
        ),
        (
            &["exec", "-t", "123456", "--mfa-process", "otp"],
            &[],
            "--mfa-token and --mfa-process both say what the code is\n  leave one out",
        ),
        (
            &["exec", "--policy-arn", "arn:aws:iam::aws:policy/A", "--policy-arn", "arn:aws:iam::aws:role/A"],
            &[],
            "--policy-arn arn:aws:iam::aws:role/A is not a managed policy's ARN\n  \
             write it as arn:aws:iam::123456789012:policy/NAME",
        ),
        (
            &["exec"],
            &[("SENTINEL_POLICY_ARN", "arn:aws:iam::12345:policy/A")],
            "SENTINEL_POLICY_ARN=arn:aws:iam::12345:policy/A is not a managed policy's ARN\n  \
             write it as arn:aws:iam::123456789012:policy/NAME",
        ),
    ];
    for (line, env, text) in cases {
        assert_eq!(refusal(line, env), *text, "{line:?} {env:?}");
    }
}
