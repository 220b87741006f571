//! The settings of the commands about policies, records and the log.

use std::ffi::OsString;
use std::time::Duration;

use super::source;
use crate::cli::settings::NotAfter;
use crate::cli::settings::{
    Access, Asked, BreakglassCommand, CloseEvent, CreateRequest, DecideRequest, Diff, EndRecord, Judge, Keygen,
    ListRecords, Log, LogCommand, OpenEvent, Os, PolicyCommand, PolicyPlace, PolicySource, Pull, Push, RequestCommand,
    SessionCommand, ShowLog, ShowRecord, Sign, Stores, Validate, VerifyLog, When, Whoami,
};
use crate::cli::{Command, read};
use crate::error::Kind;
use crate::log::chain::Head;
use crate::policy::{Effect, Mode, ReasonCode};
use crate::store::record::{EventStatus, RequestStatus, SessionStatus};

const ID: &str = "0123456789abcdef";

fn command(line: &str, env: &[(&str, &str)]) -> Command {
    let line: Vec<OsString> = line.split(' ').map(|word| word.replace('_', " ").into()).collect();
    read(&line, &env.iter().copied().collect()).expect("a right command line")
}

fn refusal(line: &str, env: &[(&str, &str)]) -> String {
    let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let error = read(&line, &env.iter().copied().collect()).expect_err("a refusal");
    assert_eq!(error.kind(), Kind::Usage);
    error.to_string()
}

fn file(path: &str) -> PolicySource {
    PolicySource { place: Some(PolicyPlace::File(path.into())), ..source() }
}

fn parameter(name: &str) -> PolicySource {
    PolicySource { place: Some(PolicyPlace::Parameter(name.into())), ..source() }
}

fn policy(command: PolicyCommand) -> Command {
    Command::Policy(Box::new(command))
}

#[test]
fn policies_are_checked_tried_and_explained() {
    let validate = |files: &[&str], source, strict| {
        let files = files.iter().map(Into::into).collect();
        policy(PolicyCommand::Validate(Validate { files, source, state_dir: None, strict }))
    };
    assert_eq!(command("policy validate a b --strict", &[]), validate(&["a", "b"], source(), true));
    assert_eq!(command("policy validate", &[("SENTINEL_POLICY", "/p")]), validate(&[], file("/p"), false));

    let asked = Asked {
        profile: "prod".into(),
        user: None,
        account: None,
        mode: Mode::Server,
        time: None,
        uid: None,
        executable: None,
        sha256: None,
        role_arn: None,
        by_arn: false,
        os: None,
    };
    let judge = Judge { source: file("f"), state_dir: None, asked, expect: None, json: false };
    assert_eq!(command("policy explain f --profile prod", &[]), policy(PolicyCommand::Explain(judge)));
    let line = format!(
        "policy test --policy f --profile prod --user role:ci --account 123456789012 --mode credential_process --time \
         2026-01-31T23:30:00Z --uid 1001 --executable /usr/bin/terraform --sha256 {} --role-arn \
         arn:aws:iam::123456789012:role/deploy --os macos --expect require_approval --state-dir /d --json",
        "Ab".repeat(32)
    );
    let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let asked = Asked {
        profile: "prod".into(),
        user: Some("role:ci".into()),
        account: Some("123456789012".into()),
        mode: Mode::CredentialProcess,
        time: Some("2026-01-31T23:30:00Z".parse().expect("a time")),
        uid: Some(1001),
        executable: Some("/usr/bin/terraform".into()),
        sha256: Some("ab".repeat(32)),
        role_arn: Some("arn:aws:iam::123456789012:role/deploy".into()),
        by_arn: false,
        os: Some(Os::Macos),
    };
    let judge = Judge {
        source: file("f"),
        state_dir: Some("/d".into()),
        asked,
        expect: Some(Effect::RequireApproval),
        json: true,
    };
    assert_eq!(read(&line, &crate::env::Env::default()).expect("settings"), policy(PolicyCommand::Test(judge)));
}

#[test]
fn policies_are_signed_pulled_pushed_and_compared() {
    let sign = Sign {
        file: "p".into(),
        key: "k".into(),
        scope: "team/a".into(),
        serial: 7,
        not_after: NotAfter::At("2027-01-01T00:00:00Z".parse().expect("a time")),
        out: Some("o".into()),
    };
    let line = "policy sign p --key k --scope team/a --serial 7 --not-after 2027-01-01T00:00:00Z --out o";
    assert_eq!(command(line, &[]), policy(PolicyCommand::Sign(sign)));
    assert_eq!(command("policy keygen --out k", &[]), policy(PolicyCommand::Keygen(Keygen { out: "k".into() })));
    let pull = Pull { source: parameter("/x"), state_dir: None, out: Some("o".into()) };
    assert_eq!(command("policy pull --policy-parameter /x --out o", &[]), policy(PolicyCommand::Pull(pull)));
    let push = Push { file: "p".into(), source: parameter("/x"), state_dir: None, expect_version: Some(3) };
    let line = "policy push p --policy-parameter /x --expect-version 3";
    assert_eq!(command(line, &[]), policy(PolicyCommand::Push(push)));
    let diff = |files: &[&str], source| {
        policy(PolicyCommand::Diff(Diff { files: files.iter().map(Into::into).collect(), source, state_dir: None }))
    };
    assert_eq!(command("policy diff a b", &[]), diff(&["a", "b"], source()));
    assert_eq!(command("policy diff a", &[("SENTINEL_POLICY_PARAMETER", "/x")]), diff(&["a"], parameter("/x")));
}

#[test]
fn a_policy_comes_from_one_place_and_a_flag_beats_the_others_variable() {
    let place = |line: &str, env: &[(&str, &str)]| match command(line, env) {
        Command::Whoami(settings) => settings.policy,
        other => panic!("{other:?}"),
    };
    let both = [("SENTINEL_POLICY", "/v"), ("SENTINEL_POLICY_PARAMETER", "/w")];
    assert_eq!(place("whoami --policy /p", &both), file("/p"));
    assert_eq!(place("whoami --policy-parameter /p", &both), parameter("/p"));
    assert_eq!(
        refusal("whoami --policy /p --policy-parameter /q", &[]),
        "--policy and --policy-parameter both name a policy\n  leave one out"
    );
    assert_eq!(
        refusal("whoami", &both),
        "SENTINEL_POLICY and SENTINEL_POLICY_PARAMETER both name a policy\n  leave one out"
    );
    let access = Access { aws_profile: Some("b".into()), profile: Some("a".into()), region: None };
    let named = [("SENTINEL_AWS_PROFILE", "b"), ("AWS_PROFILE", "a")];
    assert_eq!(place("whoami", &named), PolicySource { access, ..source() });
}

#[test]
fn records_are_listed_shown_and_ended() {
    let stores = |sessions: &str| Stores { session_table: Some(sessions.into()), ..Stores::default() };
    let list = ListRecords {
        stores: stores("tab"),
        user: Some("alice".into()),
        profile: Some("prod".into()),
        status: Some(SessionStatus::Revoked),
        limit: 5,
        json: true,
    };
    let line = "session list --session-table tab --user alice --profile prod --status revoked --limit 5 --json";
    assert_eq!(command(line, &[]), Command::Session(Box::new(SessionCommand::List(list))));
    let list =
        |status| ListRecords { stores: Stores::default(), user: None, profile: None, status, limit: 100, json: false };
    assert_eq!(
        command("request list --status cancelled", &[]),
        Command::Request(Box::new(RequestCommand::List(list(Some(RequestStatus::Cancelled)))))
    );
    assert_eq!(
        command("breakglass list --status closed", &[]),
        Command::Breakglass(Box::new(BreakglassCommand::List(ListRecords {
            stores: Stores::default(),
            user: None,
            profile: None,
            status: Some(EventStatus::Closed),
            limit: 100,
            json: false,
        })))
    );
    let show = ShowRecord { stores: Stores::default(), policy: source(), id: ID.into(), json: true };
    assert_eq!(
        command(&format!("session show {ID} --json"), &[]),
        Command::Session(Box::new(SessionCommand::Show(show)))
    );
    let end = |reason: &str| EndRecord {
        stores: Stores::default(),
        id: ID.into(),
        reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
    };
    assert_eq!(
        command(&format!("session revoke {ID} --reason it_was_lost"), &[]),
        Command::Session(Box::new(SessionCommand::Revoke(end("it was lost"))))
    );
    assert_eq!(
        command(&format!("request cancel {ID}"), &[]),
        Command::Request(Box::new(RequestCommand::Cancel(end(""))))
    );
    assert_eq!(
        command(&format!("breakglass close {ID} --reason done"), &[]),
        Command::Breakglass(Box::new(BreakglassCommand::Close(CloseEvent { end: end("done"), log: Log::default() })))
    );
}

#[test]
fn approvals_are_asked_for_and_given_and_glass_is_broken() {
    let access = Access { profile: Some("prod".into()), ..Access::default() };
    let stores = Stores { access: access.clone(), ..Stores::default() };
    let create = CreateRequest {
        stores: stores.clone(),
        policy: PolicySource { access: access.clone(), ..source() },
        profile: "prod".into(),
        justification: "ticket 4711".into(),
        duration: Duration::from_secs(7200),
        json: false,
    };
    assert_eq!(
        command("request create --profile prod --justification ticket_4711 --duration 2h", &[]),
        Command::Request(Box::new(RequestCommand::Create(create)))
    );
    let open = OpenEvent {
        stores,
        log: Log::default(),
        policy: PolicySource { access, ..source() },
        profile: "prod".into(),
        reason_code: ReasonCode::Incident,
        justification: "the database is down".into(),
        duration: Duration::from_secs(3600),
        json: true,
    };
    assert_eq!(
        command(
            "breakglass open --reason-code incident --justification the_database_is_down --json",
            &[("AWS_PROFILE", "prod")]
        ),
        Command::Breakglass(Box::new(BreakglassCommand::Open(open)))
    );
    let decide = DecideRequest {
        stores: Stores { request_table: Some("tab".into()), ..Stores::default() },
        policy: file("/p"),
        id: ID.into(),
        key: Some("bob.key".into()),
        comment: Some("go ahead".into()),
    };
    let line = format!("request approve {ID} --key bob.key --comment go_ahead --policy /p --request-table tab");
    assert_eq!(command(&line, &[]), Command::Request(Box::new(RequestCommand::Approve(decide))));
    assert_eq!(
        command("request keygen --out k", &[]),
        Command::Request(Box::new(RequestCommand::Keygen(Keygen { out: "k".into() })))
    );
}

#[test]
fn the_log_is_verified_and_shown() {
    let (head, other) = (format!("{ID}:7:{}", "ab".repeat(32)), format!("{ID}:9:{}", "cd".repeat(32)));
    let verify = VerifyLog {
        files: vec!["a".into(), "b".into()],
        log_file: None,
        state_dir: None,
        key: Some("k".into()),
        heads: vec![Head::parse(&head).expect("a head"), Head::parse(&other).expect("a head")],
        syslog: Some("s".into()),
        json: true,
    };
    let line = format!("log verify a b --log-key k --head {head} --syslog s --json --head {other}");
    assert_eq!(command(&line, &[]), Command::Log(Box::new(LogCommand::Verify(verify))));
    let show = ShowLog {
        files: Vec::new(),
        log_file: Some("/l".into()),
        state_dir: Some("/d".into()),
        user: Some("alice".into()),
        profile: Some("prod".into()),
        effect: Some(Effect::Deny),
        since: Some(When::At("2026-01-31T00:00:00Z".parse().expect("a time"))),
        until: Some(When::Ago(Duration::from_secs(3600))),
        json: false,
    };
    let line = "log show --user alice --profile prod --effect deny --since 2026-01-31T00:00:00Z --until 1h";
    let places = [("SENTINEL_LOG_FILE", "/l"), ("SENTINEL_STATE_DIR", "/d")];
    assert_eq!(command(line, &places), Command::Log(Box::new(LogCommand::Show(show))));
}

#[test]
fn whoami_is_about_a_profile() {
    let access = Access { aws_profile: None, profile: Some("prod".into()), region: Some("eu-west-1".into()) };
    let expected = Whoami {
        profile: Some("prod".into()),
        region: Some("eu-west-1".into()),
        policy: PolicySource { access: access.clone(), ..file("/p") },
        stores: Stores { access, ..Stores::default() },
        json: true,
    };
    let line = "whoami --profile prod --region eu-west-1 --policy /p --json";
    assert_eq!(command(line, &[]), Command::Whoami(Box::new(expected)));
}

#[test]
fn wrong_values_are_refused_in_these_words() {
    let cases = [
        ("policy validate", "policy validate needs a policy\n  name its file, or --policy-parameter NAME"),
        ("policy test --profile p", "policy test needs a policy\n  name its file, or --policy-parameter NAME"),
        ("policy test f", "policy test needs --profile\n  `--profile P`"),
        ("policy test f --policy g --profile p", "policy test is given two policies\n  leave one out"),
        ("policy test f --profile p --account 1", "--account 1 is not an account: 12 digits"),
        (
            "policy test f --profile p --mode serve",
            "--mode serve is not one of server, cli, credential_process\n  did you mean `server`?",
        ),
        ("policy test f --profile p --time noon", "--time noon is not a time\n  write it as 2026-01-31T23:30:00Z"),
        ("policy test f --profile p --uid x", "--uid x is not a whole number of 0 or more"),
        ("policy test f --profile p --uid 4294967296", "--uid is above 4294967295, the highest uid"),
        ("policy test f --profile p --sha256 ab", "--sha256 ab is not a SHA-256: 64 hex digits"),
        ("policy test f --profile p --role-arn deploy", "--role-arn deploy is not a role's ARN"),
        ("policy sign f --serial 1 --not-after 2027-01-01T00:00:00Z", "policy sign needs --key\n  `--key FILE`"),
        ("policy sign f --key k --serial 0", "--serial 0 is not a whole number of 1 or more"),
        ("policy sign f --key k --serial 1", "policy sign needs --not-after\n  `--not-after TIME`"),
        ("policy sign f --key k --scope a:b", "--scope a:b is not a scope: up to 128 letters, digits and ._/-"),
        ("policy keygen", "policy keygen needs --out\n  `--out FILE`"),
        ("policy pull", "policy pull needs --policy-parameter\n  `--policy-parameter NAME`"),
        ("policy diff a", "policy diff needs --policy-parameter\n  `--policy-parameter NAME`"),
        ("session show ../../etc", "`../../etc` is not an id\n  ids have 16 hex digits: 0123456789abcdef"),
        ("session list --limit 0", "--limit 0 is not a whole number of 1 or more"),
        ("session list --status pending", "--status pending is not one of active, revoked, expired"),
        ("session list --session-table x", "--session-table x is not a table's name: 3 to 255 letters, digits and ._-"),
        ("request create --justification because", "request create needs --profile\n  `--profile P`"),
        (
            "request create --profile p --justification because",
            "--justification has 7 characters, and 10 to 500 are wanted",
        ),
        (
            "request create --profile p --justification 0123456789 --duration 9h",
            "--duration 9h is not between 15m and 8h",
        ),
        (
            "breakglass open --profile p --reason-code incident --justification 01234567890123456789 --duration 14m",
            "--duration 14m is not between 15m and 4h",
        ),
        (
            "breakglass open --profile p --reason-code boredom",
            "--reason-code boredom is not one of incident, maintenance, security, recovery, other",
        ),
        (
            "log verify --head 12",
            "--head 12 is not a head\n  write it as STREAM:SEQ:SHA256, as `sentinel log verify` prints it",
        ),
        (
            "log show --since yesterday",
            "--since yesterday is not a time\n  write it as 2026-01-31T23:30:00Z, or as 1h for an hour ago",
        ),
    ];
    for (line, text) in cases {
        assert_eq!(refusal(line, &[]), text, "{line}");
    }
}

#[test]
fn the_choices_of_flags_are_the_names_in_policies_and_records() {
    use crate::cli::flags::{Flag, Id};
    let choices = |id| Flag::of(id).expect("a flag").choices.to_vec();
    assert_eq!(choices(Id::AskedMode), Mode::ALL.map(Mode::as_str));
    assert_eq!(choices(Id::SessionStatus), SessionStatus::ALL.map(SessionStatus::as_str));
    assert_eq!(choices(Id::RequestStatus), RequestStatus::ALL.map(RequestStatus::as_str));
    assert_eq!(choices(Id::EventStatus), EventStatus::ALL.map(EventStatus::as_str));
    assert_eq!(choices(Id::ReasonCode), ReasonCode::ALL.map(ReasonCode::as_str));
    let effects =
        [Effect::Allow, Effect::Deny, Effect::RequireApproval, Effect::RequireServer, Effect::RequireServerSession];
    assert_eq!(choices(Id::Expect), effects.map(Effect::as_str));
    assert_eq!(choices(Id::OfEffect), [Effect::Allow, Effect::Deny].map(Effect::as_str));
}
