//! The settings of the commands that give credentials; the other families' are in files of their own.

mod files;
mod gate;
mod imds;
mod refusals;
mod serve;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::super::commands::CommandName;
use super::super::flags::{FLAGS, Id};
use super::super::parse::parse;
use super::*;
use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
use crate::server::Endpoint;
use crate::server::imds::Imds;
use crate::source::Code;
use crate::source::plan::SourceIdentityRule;

fn read(line: &[&str], env: &[(&str, &str)]) -> Result<Exec> {
    let line: Vec<OsString> = line.iter().map(OsString::from).collect();
    Exec::of(&Given::new(&parse(&line)?, &env.iter().copied().collect(), &Config::default())?)
}

fn group(option: &str, name: &str) -> WantedGroup {
    WantedGroup { name: name.to_owned(), said: format!("{option} {name}") }
}

fn code(digits: &str) -> Option<Code> {
    Code::parse(digits).expect("memory")
}

fn defaults() -> Exec {
    Exec {
        common: Common {
            profile: None,
            region: None,
            duration: None,
            no_session: false,
            source_identity: SourceIdentityRule::Auto,
            mfa_token: None,
            mfa_process: None,
            session_policy: None,
            policy_arns: Vec::new(),
            policy: source(),
            stores: Stores::default(),
            log: Log::default(),
            debug: false,
        },
        server: None,
        wait: false,
        nested: false,
        program: "/bin/sh".into(),
        arguments: Vec::new(),
    }
}

/// No policy.
fn source() -> PolicySource {
    PolicySource { place: None, required_by: None, key: None, scope: "default".to_owned(), access: Access::default() }
}

fn access() -> Access {
    Access { aws_profile: Some("a".into()), profile: Some("p".into()), region: Some("eu-west-1".into()) }
}

fn stores() -> Stores {
    Stores {
        state_dir: Some("/d".into()),
        session_table: Some("sss".into()),
        request_table: Some("rrr".into()),
        breakglass_table: Some("bbb".into()),
        access: access(),
    }
}

/// A log with all that can be said about it.
fn everywhere() -> Log {
    Log {
        file: Some("/l".into()),
        stderr: true,
        key: Some("/k".into()),
        fsync: true,
        anchor: true,
        syslog: true,
        syslog_socket: Some("/y".into()),
    }
}

fn token_file() -> TokenFile {
    TokenFile { path: "/t".into(), rotation: Duration::from_secs(1200), group: Some(group("--token-group", "44")) }
}

fn default_server() -> Server {
    Server {
        endpoint: Endpoint::Container,
        transport: Transport::Unix(None),
        duration: None,
        duration_misplaced: false,
        bind: Bind::Tree,
        allow_fallback: false,
        lazy: false,
        wait_tree: false,
        token_file: None,
        max_connections: 64,
    }
}

#[test]
fn nothing_said_is_the_defaults() {
    assert_eq!(read(&["exec"], &[]).expect("settings"), defaults());
    let server = Exec { server: Some(default_server()), ..defaults() };
    assert_eq!(read(&["exec", "--unix-socket"], &[]).expect("settings"), server);
    let over_tcp = Server { transport: Transport::Tcp(0), ..default_server() };
    let server = Exec { server: Some(over_tcp), ..defaults() };
    assert_eq!(read(&["exec", "--server"], &[]).expect("settings"), server);
    assert_eq!(read(&["exec", "-s"], &[]).expect("settings"), server);
}

#[test]
fn every_flag_of_exec_reaches_its_setting() {
    let line = "exec --profile p --region eu-west-1 -d 2h -n --source-identity require -t 012345 --session-policy /sp \
                --policy-arn arn:aws:iam::aws:policy/A --policy-arn arn:aws:iam::123456789012:policy/x/B,C --unix-socket \
                --unix-socket-path /s --server-duration 45m --bind uid --allow-fallback --lazy --wait-tree --token-file /t \
                --token-rotation 20m --token-group 44 --max-connections 9 --policy /p \
                --policy-key k --policy-scope s --aws-profile a --state-dir /d --session-table sss --request-table rrr \
                --breakglass-table bbb --wait --log-file /l --log-stderr --log-key /k --log-fsync --log-anchor --log-syslog \
                --syslog-socket /y --nested --debug -- aws s3 ls";
    let line: Vec<&str> = line.split_whitespace().collect();
    let expected = Exec {
        common: Common {
            profile: Some("p".into()),
            region: Some("eu-west-1".into()),
            duration: Some(Duration::from_secs(7200)),
            no_session: true,
            source_identity: SourceIdentityRule::Require,
            mfa_token: code("012345"),
            mfa_process: None,
            session_policy: Some("/sp".into()),
            policy_arns: vec!["arn:aws:iam::aws:policy/A".into(), "arn:aws:iam::123456789012:policy/x/B,C".into()],
            policy: PolicySource {
                place: Some(PolicyPlace::File("/p".into())),
                required_by: None,
                key: Some("k".into()),
                scope: "s".into(),
                access: access(),
            },
            stores: stores(),
            log: everywhere(),
            debug: true,
        },
        server: Some(Server {
            endpoint: Endpoint::Container,
            transport: Transport::Unix(Some("/s".into())),
            duration: Some(Duration::from_secs(2700)),
            duration_misplaced: false,
            bind: Bind::Uid,
            allow_fallback: true,
            lazy: true,
            wait_tree: true,
            token_file: Some(token_file()),
            max_connections: 9,
        }),
        wait: true,
        nested: true,
        program: "aws".into(),
        arguments: vec!["s3".into(), "ls".into()],
    };
    assert_eq!(read(&line, &[]).expect("settings"), expected);
    let over_tcp = ["exec", "-s", "--server-port", "4321", "--bind", "process"];
    let with_roles = ["exec", "--ecs-server", "--server-port", "4321"];
    let server = Server { transport: Transport::Tcp(4321), bind: Bind::Process, ..default_server() };
    assert_eq!(read(&over_tcp, &[]).expect("settings"), Exec { server: Some(server), ..defaults() });
    let server = Server { transport: Transport::Tcp(4321), endpoint: Endpoint::Ecs, ..default_server() };
    assert_eq!(read(&with_roles, &[]).expect("settings"), Exec { server: Some(server), ..defaults() });
    let server = Server { transport: Transport::Unix(None), endpoint: Endpoint::Ecs, ..default_server() };
    for line in [["exec", "--ecs-server", "--unix-socket"], ["exec", "--unix-socket", "--ecs-server"]] {
        assert_eq!(read(&line, &[]).expect("settings"), Exec { server: Some(server.clone()), ..defaults() });
    }
    let metadata = ["exec", "--ec2-server", "--imds-v1", "--imds-address", "127.0.0.2", "--hop-limit", "2"];
    let transport = Transport::Imds { address: "127.0.0.2:80".parse().expect("an address"), hop_limit: 2 };
    let server = Server { transport, endpoint: Endpoint::Ec2(Imds { v1: true }), ..default_server() };
    assert_eq!(read(&metadata, &[]).expect("settings"), Exec { server: Some(server), ..defaults() });
    let by_program = ["exec", "--mfa-process", "otp me"];
    let common = Common { mfa_process: Some("otp me".into()), ..defaults().common };
    assert_eq!(read(&by_program, &[]).expect("settings"), Exec { common, ..defaults() });
    for flag in FLAGS.iter().filter(|flag| flag.belongs_to(Some(CommandName::Exec))) {
        let letter = flag.short.map(|letter| format!("-{letter}"));
        let named = line
            .iter()
            .chain(&over_tcp)
            .chain(&with_roles)
            .chain(&metadata)
            .chain(&by_program)
            .any(|word| *word == flag.dashed() || Some(*word) == letter.as_deref());
        assert!(named || matches!(flag.id, Id::Help | Id::PolicyParameter), "{} is not tested here", flag.name);
    }
}

#[test]
fn every_variable_reaches_its_setting_and_a_flag_beats_it() {
    let env = [
        ("SENTINEL_PROFILE", "p"),
        ("SENTINEL_REGION", "eu-west-1"),
        ("SENTINEL_DURATION", "2h"),
        ("SENTINEL_NO_SESSION", "1"),
        ("SENTINEL_SOURCE_IDENTITY", "off"),
        ("SENTINEL_MFA_TOKEN", "012345"),
        ("SENTINEL_MFA_PROCESS", "otp me"),
        ("SENTINEL_SESSION_POLICY", "/sp"),
        ("SENTINEL_POLICY_ARN", "arn:aws:iam::aws:policy/A, arn:aws:iam::aws:policy/B"),
        ("SENTINEL_SERVER", "1"),
        ("SENTINEL_ECS_SERVER", "1"),
        ("SENTINEL_SERVER_PORT", "4321"),
        ("SENTINEL_UNIX_SOCKET_PATH", "/s"),
        ("SENTINEL_EC2_SERVER", "no"),
        ("SENTINEL_IMDS_V1", "1"),
        ("SENTINEL_IMDS_ADDRESS", "127.0.0.1"),
        ("SENTINEL_HOP_LIMIT", "1"),
        ("SENTINEL_SERVER_DURATION", "45m"),
        ("SENTINEL_BIND", "process"),
        ("SENTINEL_ALLOW_FALLBACK", "true"),
        ("SENTINEL_LAZY", "YES"),
        ("SENTINEL_WAIT_TREE", "yes"),
        ("SENTINEL_TOKEN_FILE", "/t"),
        ("SENTINEL_TOKEN_ROTATION", "20m"),
        ("SENTINEL_TOKEN_GROUP", "44"),
        ("SENTINEL_MAX_CONNECTIONS", "9"),
        ("SENTINEL_POLICY", "/p"),
        ("SENTINEL_STATE_DIR", "/d"),
        ("SENTINEL_LOG_FILE", "/l"),
        ("SENTINEL_POLICY_KEY", "k"),
        ("SENTINEL_POLICY_SCOPE", "s"),
        ("SENTINEL_AWS_PROFILE", "a"),
        ("SENTINEL_SESSION_TABLE", "sss"),
        ("SENTINEL_REQUEST_TABLE", "rrr"),
        ("SENTINEL_BREAKGLASS_TABLE", "bbb"),
        ("SENTINEL_WAIT", "1"),
        ("SENTINEL_LOG_STDERR", "1"),
        ("SENTINEL_LOG_KEY", "/k"),
        ("SENTINEL_LOG_FSYNC", "1"),
        ("SENTINEL_LOG_ANCHOR", "yes"),
        ("SENTINEL_LOG_SYSLOG", "1"),
        ("SENTINEL_SYSLOG_SOCKET", "/y"),
        ("SENTINEL_DEBUG", "True"),
        ("AWS_PROFILE", "other"),
    ];
    let common = Common {
        profile: Some("p".into()),
        region: Some("eu-west-1".into()),
        duration: Some(Duration::from_secs(7200)),
        no_session: true,
        source_identity: SourceIdentityRule::Off,
        mfa_token: code("012345"),
        mfa_process: None,
        session_policy: Some("/sp".into()),
        policy_arns: vec!["arn:aws:iam::aws:policy/A".into(), "arn:aws:iam::aws:policy/B".into()],
        policy: PolicySource {
            place: Some(PolicyPlace::File("/p".into())),
            required_by: None,
            key: Some("k".into()),
            scope: "s".into(),
            access: access(),
        },
        stores: stores(),
        log: everywhere(),
        debug: true,
    };
    let server = Server {
        endpoint: Endpoint::Ecs,
        transport: Transport::Unix(Some("/s".into())),
        duration: Some(Duration::from_secs(2700)),
        duration_misplaced: false,
        bind: Bind::Process,
        allow_fallback: true,
        lazy: true,
        wait_tree: true,
        token_file: Some(TokenFile {
            group: Some(WantedGroup { name: "44".to_owned(), said: "SENTINEL_TOKEN_GROUP=44".to_owned() }),
            ..token_file()
        }),
        max_connections: 9,
    };
    let expected = Exec { common, server: Some(server), wait: true, ..defaults() };
    assert_eq!(read(&["exec", "--unix-socket"], &env).expect("settings"), expected);
    let of_exec = FLAGS.iter().filter(|flag| flag.belongs_to(Some(CommandName::Exec)));
    for flag in of_exec.filter_map(|flag| flag.variable) {
        let elsewhere = flag == "SENTINEL_POLICY_PARAMETER";
        assert!(elsewhere || env.iter().any(|(name, _)| *name == flag), "{flag} is not tested here");
    }

    let flags = ["exec", "--profile", "q", "--region", "us-east-1", "-d", "3h", "--policy", "/q", "--", "env"];
    let beaten = read(&flags, &env).expect("settings");
    assert_eq!(beaten.common.profile.as_deref(), Some("q"));
    assert_eq!(beaten.common.region.as_deref(), Some("us-east-1"));
    assert_eq!(beaten.common.duration, Some(Duration::from_secs(3 * 3600)));
    assert_eq!(beaten.common.policy.place, Some(PolicyPlace::File("/q".into())));
    // SENTINEL_SERVER alone asks for a server.
    let over_tcp = beaten.server.expect("a server");
    assert_eq!((over_tcp.transport, over_tcp.bind), (Transport::Tcp(4321), Bind::Process));
}

#[test]
fn a_unix_socket_replaces_tcp() {
    let transport =
        |line: &[&str], env: &[(&str, &str)]| read(line, env).expect("settings").server.expect("a server").transport;
    for line in [&["exec", "--server", "--unix-socket"][..], &["exec", "--unix-socket", "-s"]] {
        assert_eq!(transport(line, &[]), Transport::Unix(None));
    }
    let said = [("SENTINEL_SERVER", "yes")];
    assert_eq!(transport(&["exec"], &said), Transport::Tcp(0));
    assert_eq!(transport(&["exec", "--unix-socket"], &said), Transport::Unix(None));
    assert_eq!(transport(&["exec", "--unix-socket"], &[("SENTINEL_SERVER_PORT", "nonsense")]), Transport::Unix(None));
    assert_eq!(read(&["exec"], &[("SENTINEL_SERVER", "no")]).expect("settings").server, None);
    // A flag beats the variable, and a variable about the other transport is for other runs.
    let port = [("SENTINEL_SERVER_PORT", "1"), ("SENTINEL_UNIX_SOCKET_PATH", "/s")];
    assert_eq!(transport(&["exec", "-s"], &port), Transport::Tcp(1));
    assert_eq!(transport(&["exec", "-s", "--server-port", "65535"], &port), Transport::Tcp(65535));
}

#[test]
fn the_profile_falls_back_to_the_variables_in_order() {
    let profile = |line: &[&str], env: &[(&str, &str)]| read(line, env).expect("settings").common.profile;
    let both = [("SENTINEL_PROFILE", "s"), ("AWS_PROFILE", "a")];
    assert_eq!(profile(&["exec", "word"], &both).as_deref(), Some("word"));
    assert_eq!(profile(&["exec", "--", "env"], &both).as_deref(), Some("s"));
    assert_eq!(profile(&["exec", "--", "env"], &[("AWS_PROFILE", "a")]).as_deref(), Some("a"));
    assert_eq!(profile(&["exec", "--", "env"], &[("AWS_PROFILE", "")]), None);
    assert_eq!(profile(&["exec", "--", "env"], &[("AWS_DEFAULT_PROFILE", "d")]).as_deref(), Some("d"));
    let same = [("AWS_DEFAULT_PROFILE", "a"), ("AWS_PROFILE", "a")];
    assert_eq!(profile(&["exec", "--", "env"], &same).as_deref(), Some("a"));
    let differ = [("AWS_DEFAULT_PROFILE", "d"), ("AWS_PROFILE", "a")];
    assert_eq!(profile(&["exec", "word"], &differ).as_deref(), Some("word"));
    let error = read(&["exec", "--", "env"], &differ).expect_err("two profiles");
    assert_eq!(
        error.to_string(),
        "AWS_PROFILE=a and AWS_DEFAULT_PROFILE=d name two profiles\n  unset AWS_DEFAULT_PROFILE, the older name, or \
         give --profile"
    );
}

#[test]
fn the_child_defaults_to_the_shell() {
    assert_eq!(read(&["exec", "p"], &[("SHELL", "/bin/zsh")]).expect("settings").program, "/bin/zsh");
    assert_eq!(read(&["exec", "p"], &[("SHELL", "")]).expect("settings").program, "/bin/sh");
    assert_eq!(read(&["exec", "p", "env"], &[("SHELL", "/bin/zsh")]).expect("settings").program, "env");
}

#[test]
fn a_code_is_said_in_one_way_and_a_flag_beats_both_variables() {
    let mfa = |line: &[&str], env: &[(&str, &str)]| {
        let common = read(&[&["exec"], line].concat(), env).expect("settings").common;
        (common.mfa_token.map(|code| code.expose().to_owned()), common.mfa_process)
    };
    let both = [("SENTINEL_MFA_TOKEN", "000001"), ("SENTINEL_MFA_PROCESS", "otp 2")];
    assert_eq!(mfa(&["-t", "000003"], &both), (Some("000003".to_owned()), None));
    assert_eq!(mfa(&["--mfa-process", "otp 4"], &both), (None, Some("otp 4".to_owned())));
    assert_eq!(mfa(&[], &both), (Some("000001".to_owned()), None));
    assert_eq!(mfa(&[], &both[1..]), (None, Some("otp 2".to_owned())));
}

#[test]
fn at_most_ten_policies_are_named() {
    let variable = |count: usize| vec!["arn:aws:iam::aws:policy/A"; count].join(" ");
    let arns = |count: usize| read(&["exec"], &[("SENTINEL_POLICY_ARN", &variable(count))]);
    assert_eq!(arns(10).expect("settings").common.policy_arns.len(), 10);
    let error = arns(11).expect_err("a refusal");
    assert_eq!(error.to_string(), "SENTINEL_POLICY_ARN names 11 policies, and AWS takes 10");
}

#[test]
fn the_limits_themselves_are_allowed() {
    let line = ["exec", "--unix-socket", "-d", "36h", "--server-duration", "12h"];
    let settings = read(&line, &[]).expect("settings");
    assert_eq!(settings.common.duration, Some(Duration::from_secs(36 * 3600)));
    assert_eq!(settings.server.and_then(|server| server.duration), Some(Duration::from_secs(12 * 3600)));
    assert_eq!(read(&["exec", "-d", "900"], &[]).expect("settings").common.duration, Some(Duration::from_secs(900)));
}

#[test]
fn a_duration_that_a_server_does_not_follow_is_noticed() {
    let misplaced = |line: &[&str], variables: &[(&str, &str)]| {
        read(line, variables).expect("settings").server.expect("a server").duration_misplaced
    };
    assert!(misplaced(&["exec", "-s", "-d", "15m"], &[]));
    assert!(misplaced(&["exec", "--unix-socket", "--duration", "15m"], &[]));
    assert!(!misplaced(&["exec", "-s", "-d", "15m", "--server-duration", "15m"], &[]));
    assert!(!misplaced(&["exec", "-s", "-d", "15m"], &[("SENTINEL_SERVER_DURATION", "15m")]));
    // A variable may be there for other runs.
    assert!(!misplaced(&["exec", "-s"], &[("SENTINEL_DURATION", "15m")]));
}

#[test]
fn paths_may_be_any_bytes_and_names_may_not() {
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    let settings = |flag: &str| {
        let line = [OsString::from("exec"), flag.into(), odd()];
        Exec::of(&Given::new(&parse(&line).expect("parsed"), &Env::default(), &Config::default())?)
    };
    assert_eq!(settings("--policy").expect("settings").common.policy.place, Some(PolicyPlace::File(odd().into())));
    for flag in ["--profile", "--region", "--duration", "--source-identity"] {
        let error = settings(flag).expect_err("a refusal");
        assert_eq!(error.to_string(), format!("the value of {flag} is not UTF-8"));
    }
    let env = Env::from_iter([("AWS_PROFILE", odd())]);
    let parsed = parse(&["exec".into()]).expect("parsed");
    let error =
        Given::new(&parsed, &env, &Config::default()).and_then(|given| Exec::of(&given)).expect_err("a refusal");
    assert_eq!(error.to_string(), "the value of AWS_PROFILE is not UTF-8");
}

#[test]
fn credentials_has_the_common_settings() {
    let read = |line: &[&str], env: &[(&str, &str)]| {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        let (parsed, env, config) = (parse(&line).expect("parsed"), env.iter().copied().collect(), Config::default());
        Credentials::of(&Given::new(&parsed, &env, &config).expect("nothing is locked")).expect("settings")
    };
    let access = Access { profile: Some("p".into()), ..Access::default() };
    let common = Common {
        profile: Some("p".into()),
        duration: Some(Duration::from_secs(7200)),
        policy: PolicySource { access: access.clone(), ..source() },
        stores: Stores { access, ..Stores::default() },
        ..defaults().common
    };
    let expected = Credentials { common, names_profile: true, role_arn: None, shaping_flag: Some("--duration".into()) };
    assert_eq!(read(&["credentials", "--profile", "p", "-d", "2h"], &[]), expected);
    let settings = read(&["credentials"], &[("AWS_PROFILE", "p")]);
    assert_eq!((settings.common.profile.as_deref(), settings.names_profile), (Some("p"), false));
    assert_eq!(settings.shaping_flag, None);
}
