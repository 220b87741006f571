//! Profiles with `mfa_serial`: where the code comes from, what it is spent on, and what happens once it is spent.

use serde_json::Value;

use crate::fake_sts::{ACCOUNT, Call, Fault, Keys, Sts};
use crate::harness::{Finished, Sandbox, World, python, sentinel};

/// In no account number, so that it may be looked for in everything that is said.
const CODE: &str = "090807";
const TERMINAL: &str = include_str!("exec_server/terminal.py");

/// Alice with keys (`base`), a device, and a role that wants it (`dev`).
struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    alice: Keys,
    serial: String,
    role: String,
}

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, alice } = World::new();
        let serial = sts.mfa_device(&alice, CODE);
        let role =
            sts.role("dev").trusts(&alice.arn).requires_mfa().allows_source_identity().max_duration_s(43_200).arn();
        let setup = Self { sts, sandbox, alice, serial, role };
        setup.role_profile("dev", &setup.role, "base", "");
        setup
    }

    /// A profile with a role and the device.
    fn role_profile(&self, name: &str, role: &str, source: &str, more: &str) {
        let serial = &self.serial;
        let settings = format!("role_arn = {role}\nsource_profile = {source}\nmfa_serial = {serial}\n{more}");
        self.sandbox.settings(name, &settings);
    }

    fn exec(&self, options: &[&str], command: &[&str]) -> Finished {
        self.sandbox.exec(options, command).run()
    }

    /// Runs a script whose names are those of terminal.py.
    fn at_terminal(&self, script: &str) -> Finished {
        let run = self.sandbox.program(python()).args(["-u", "-c", &format!("{TERMINAL}\n{script}")]);
        let prompt = format!("MFA code of {} for profile `dev`: ", self.serial);
        run.env("SENTINEL", sentinel()).env("PYTHON", python()).env("CHILD", "").env("ASKS", prompt).run()
    }

    /// How many decisions are on record. The code is not.
    fn decisions(&self) -> usize {
        let text = self.sandbox.decision_log();
        assert!(!text.contains(CODE), "{text}");
        self.sandbox.decisions().len()
    }

    /// The one call that showed a code; it showed this one.
    #[track_caller]
    fn shown(&self) -> Call {
        let calls: Vec<Call> =
            self.sts.calls().into_iter().filter(|call| call.parameters.contains_key("TokenCode")).collect();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(
            (&calls[0].parameters["TokenCode"], &calls[0].parameters["SerialNumber"]),
            (&CODE.into(), &self.serial)
        );
        calls[0].clone()
    }

    #[track_caller]
    fn assert_role(&self, done: &Finished) {
        let environment = done.environment();
        let issued = self.sts.issued(&environment["AWS_ACCESS_KEY_ID"]).expect("a key that the fake issued");
        assert!(issued.arn.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev/")), "{}", issued.arn);
    }
}

#[track_caller]
fn assert_seen(done: &Finished) {
    assert_eq!((done.code(), done.stdout.as_str()), (0, "as expected\n"), "{done}");
}

#[test]
fn a_code_opens_a_session_and_the_role_is_assumed_with_that() {
    let setup = Setup::new();
    let done = setup.exec(&["--profile", "dev", "-t", CODE, "--debug"], &["env", "-0"]);
    setup.assert_role(&done);
    assert!(!done.stderr.contains(CODE), "{done}");
    let shown = setup.shown();
    assert_eq!((shown.action.as_str(), shown.parameters["DurationSeconds"].as_str()), ("GetSessionToken", "900"));
    assert_eq!(shown.access_key, setup.alice.access_key_id);
    let assumed = setup.sts.calls_of("AssumeRole");
    assert_eq!(assumed.len(), 1);
    assert!(assumed[0].access_key.starts_with("ASIA"), "{assumed:?}");
    assert!(assumed[0].parameters["SourceIdentity"].starts_with("sentinel-alice-direct-"));
    assert_eq!(setup.decisions(), 1);
}

#[test]
fn the_code_is_in_no_environment_and_no_output() {
    for options in [&[][..], &["--server"], &["--unix-socket"]] {
        let setup = Setup::new();
        let run =
            setup.sandbox.sentinel(["exec", "--profile", "dev", "--debug"]).args(options).args(["--", "env", "-0"]);
        let done = run.env("SENTINEL_MFA_TOKEN", CODE).env("SENTINEL_MFA_PROCESS", "echo 000000").run();
        let environment = done.environment();
        assert_eq!(environment.get("SENTINEL_MFA_TOKEN"), None);
        assert_eq!(environment.get("SENTINEL_MFA_PROCESS"), None);
        assert!(!done.stdout.contains(CODE) && !done.stderr.contains(CODE), "{done}");
        setup.shown();
        setup.decisions();
    }
    // Nor in that of a helper, which may be sentinel again.
    let setup = Setup::new();
    let json = setup.alice.printed();
    let helper = setup.sandbox.write("helper", &format!("#!/bin/sh\nenv > \"$OUT\"\necho '{json}'\n"), 0o700);
    setup.sandbox.settings("helped", &format!("credential_process = {}", helper.display()));
    setup.role_profile("via-helper", &setup.role, "helped", "");
    let run = setup.sandbox.sentinel(["exec", "--profile", "via-helper", "--", "env", "-0"]);
    let done = run.env("SENTINEL_MFA_TOKEN", CODE).env("OUT", setup.sandbox.path("out")).run();
    setup.assert_role(&done);
    let seen = std::fs::read_to_string(setup.sandbox.path("out")).expect("the helper's environment");
    assert!(seen.contains("SENTINEL_ASKING=") && !seen.contains(CODE), "{seen}");
}

#[test]
fn a_program_prints_the_code() {
    for (options, profile) in [
        (&["--mfa-process", "sh -c 'echo 090807'"][..], ""),
        (&[], "mfa_process = sh -c 'echo 090807'"),
        (&["--mfa-process", "echo 090807"], "mfa_process = echo 000000"),
    ] {
        let setup = Setup::new();
        setup.role_profile("printed", &setup.role, "base", profile);
        setup.assert_role(&setup.exec(&[&["--profile", "printed"], options].concat(), &["env", "-0"]));
        setup.shown();
    }
    let setup = Setup::new();
    let done = setup.exec(&["--profile", "dev", "--mfa-process", "echo seed-of-all"], &["true"]);
    done.failed_with(125, &["the MFA process of profile `dev` did not print a code of six digits"]);
    assert!(!done.stderr.contains("seed-of-all"), "{done}");
    assert_eq!(setup.sts.calls().len(), 0);
}

#[test]
fn a_code_is_never_shown_twice() {
    for (fault, said) in [
        (Fault::Throttle, "AWS is throttling GetSessionToken"),
        (Fault::Unavailable, "GetSessionToken failed inside AWS"),
        (Fault::Reset, "cannot reach"),
    ] {
        let setup = Setup::new();
        setup.sts.inject("GetSessionToken", 1, fault);
        setup.exec(&["--profile", "dev", "-t", CODE], &["true"]).failed_with(125, &[said]);
        setup.shown();
    }
    // What has no code in it is tried again.
    let setup = Setup::new();
    setup.sts.inject("AssumeRole", 1, Fault::Unavailable);
    setup.assert_role(&setup.exec(&["--profile", "dev", "-t", CODE], &["env", "-0"]));
    setup.shown();

    let wrong = setup.exec(&["--profile", "dev", "-t", CODE], &["true"]);
    wrong.failed_with(125, &["AWS refused the MFA code for GetSessionToken", "each code works once"]);
    assert!(!wrong.stderr.contains(CODE), "{wrong}");
}

#[test]
fn a_role_for_longer_than_an_hour_gets_the_code_itself() {
    let setup = Setup::new();
    let done = setup.exec(&["--profile", "dev", "-t", CODE, "-d", "2h"], &["env", "-0"]);
    setup.assert_role(&done);
    let shown = setup.shown();
    assert_eq!((shown.action.as_str(), shown.parameters["DurationSeconds"].as_str()), ("AssumeRole", "7200"));
    assert_eq!(shown.parameters.get("SourceIdentity"), None);
    assert!(done.stderr.contains("its MFA code allows no second try without it"), "{done}");
    setup.sts.mfa_device(&setup.alice, "111111");
    let required = ["--profile", "dev", "-t", "111111", "-d", "2h", "--source-identity", "require"];
    setup.assert_role(&setup.exec(&required, &["env", "-0"]));
    let last = setup.sts.calls_of("AssumeRole").pop().expect("a call");
    assert!(last.parameters["SourceIdentity"].starts_with("sentinel-alice-direct-"));
}

#[test]
fn temporary_keys_get_the_code_to_the_role() {
    let setup = Setup::new();
    setup.sandbox.profile("session", &setup.sts.session(&setup.alice), "region = us-east-1");
    setup.role_profile("from-session", &setup.role, "session", "");
    setup.assert_role(&setup.exec(&["--profile", "from-session", "-t", CODE], &["env", "-0"]));
    assert_eq!(setup.shown().action, "AssumeRole");
    assert_eq!(setup.sts.calls_of("GetSessionToken").len(), 0);

    // What is served cannot be renewed: so it lasts as long as AWS allows.
    setup.sts.mfa_device(&setup.alice, "111111");
    let done = setup.sandbox.shell(&["--profile", "from-session", "-t", "111111"], "exit 0").run();
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stderr.contains("profile `from-session` is served until its MFA session ends at 2"), "{done}");
    assert_eq!(setup.sts.calls_of("AssumeRole").pop().expect("a call").parameters["DurationSeconds"], "3600");
}

#[test]
fn a_server_assumes_the_role_again_without_a_code() {
    let setup = Setup::new();
    // The session lasts; the role's credentials are over in two seconds.
    let gate = setup.sts.hang("AssumeRole");
    let script = r#"first=$("$0" credentials) || exit 1
while [ "$("$0" credentials)" = "$first" ]; do :; done; echo renewed"#;
    let mut running = setup.sandbox.shell(&["--profile", "dev", "-t", CODE], script).spawn();
    setup.sts.wait_for_calls("AssumeRole", 1);
    setup.sts.lifetime_s(2);
    gate.open();
    assert_eq!(running.line(), "renewed");
    let done = running.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert_eq!(setup.shown().parameters["DurationSeconds"], "129600");
    let calls = setup.sts.calls_of("AssumeRole");
    assert!(calls.len() > 1 && calls.iter().all(|call| call.access_key == calls[0].access_key), "{calls:?}");
    assert!(done.stderr.contains("sentinel: profile `dev` is served until its MFA session ends at 2"), "{done}");
}

#[test]
fn after_the_mfa_session_nothing_is_served_and_the_person_is_told() {
    for profile in ["dev", "own"] {
        let setup = Setup::new();
        setup.sandbox.profile("own", &setup.alice, &format!("region = us-east-1\nmfa_serial = {}", setup.serial));
        // Long enough for a busy machine to start the command.
        setup.sts.lifetime_s(8);
        let script = r#"echo began; while "$0" credentials >/dev/null 2>&1; do :; done; "$0" credentials"#;
        let done = setup.sandbox.shell(&["--profile", profile, "-t", CODE], script).run();
        assert_eq!((done.code(), done.stdout.as_str()), (1, "began\n"), "{done}");
        assert!(done.stderr.contains("is served until its MFA session ends at"), "{done}");
        let what = match profile {
            "dev" => "the MFA session of profile `dev` ended at 2",
            _ => "profile `own` needs a new MFA code",
        };
        assert!(done.stderr.contains(&format!("sentinel: {what}")), "{done}");
        assert!(done.stderr.contains("; start the command again: a code is asked for at its start alone"), "{done}");
        setup.shown();
    }
}

#[test]
fn what_is_refused_to_the_mfa_session_is_not_blamed_on_the_keys() {
    let setup = Setup::new();
    let bob = setup.sts.user("bob");
    let other = setup.sts.role("other").trusts(&bob.arn).arn();
    setup.role_profile("other", &other, "base", "");
    let done = setup.exec(&["--profile", "other", "-t", CODE], &["true"]);
    done.failed_with(
        125,
        &["profile `other`, with the keys of the MFA session of profile `other`: ", "sts:AssumeRole"],
    );
}

#[test]
fn a_lazy_server_shows_the_code_at_start() {
    let setup = Setup::new();
    let done = setup.sandbox.shell(&["--profile", "dev", "--lazy", "-t", CODE], "exit 7").run();
    assert_eq!(done.code(), 7, "{done}");
    assert_eq!(setup.shown().action, "GetSessionToken");
    assert_eq!(setup.sts.calls_of("AssumeRole").len(), 0, "the role is for the first request");
}

#[test]
fn a_policy_that_gives_roles_alone_lets_a_lazy_server_start_with_a_code() {
    let setup = Setup::new();
    let chained = setup.sts.role("chained").trusts(&setup.role).allows_source_identity().arn();
    let policy = format!(r#"{{"version":"1","rules":[{{"name":"r","effect":"allow","role_arns":["{chained}"]}}]}}"#);
    let policy = setup.sandbox.write("policy.json", &policy, 0o600);
    let policy = policy.to_str().expect("UTF-8");
    let options = ["--ecs-server", "--lazy", "--policy", policy, "--profile", "dev", "-t", CODE];
    let done = setup.sandbox.shell(&options, &format!(r#""$0" credentials --role-arn {chained}"#)).run();
    let printed: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done}"));
    let issued = setup.sts.issued(printed["AccessKeyId"].as_str().expect("text")).expect("issued");
    assert!(issued.arn.contains(":assumed-role/chained/"), "{}", issued.arn);
    setup.shown();
}

#[test]
fn a_profile_without_a_role_gets_a_session_with_the_code() {
    let setup = Setup::new();
    setup.sandbox.profile("own", &setup.alice, &format!("region = us-east-1\nmfa_serial = {}", setup.serial));
    let done = setup.exec(&["--profile", "own", "-t", CODE], &["env", "-0"]);
    let issued = setup.sts.issued(&done.environment()["AWS_ACCESS_KEY_ID"]).expect("issued");
    assert!(issued.access_key_id.starts_with("ASIA") && issued.arn == setup.alice.arn);
    assert_eq!(setup.shown().parameters["DurationSeconds"], "3600");

    // Its own keys are nobody's session, and need no code.
    let done = setup.exec(&["--profile", "own", "--no-session"], &["env", "-0"]);
    assert_eq!(done.environment()["AWS_ACCESS_KEY_ID"], setup.alice.access_key_id);
    let expected = "sentinel: mfa_serial of profile `own` is not used: --no-session hands out its keys as they are\n";
    assert_eq!(done.stderr, expected);
    let done = setup.exec(&["--profile", "base", "-t", "111111"], &["true"]);
    assert_eq!(done.stderr, "sentinel: the MFA code is not used: nothing asks profile `base` for one\n");
    setup.sandbox.profile("temporary", &setup.sts.session(&setup.alice), &format!("mfa_serial = {}", setup.serial));
    let done = setup.exec(&["--profile", "temporary"], &["true"]);
    let expected = "sentinel: mfa_serial of profile `temporary` is not used: its keys are a session's already\n";
    assert_eq!((done.code(), done.stderr.as_str()), (0, expected));
    setup.shown();
}

/// A code opens one session: it is what a profile without a role serves, and what further roles are assumed with.
#[test]
fn roles_that_are_asked_for_take_no_second_code() {
    let setup = Setup::new();
    let settings = format!("region = us-east-1\nmfa_serial = {}", setup.serial);
    setup.sandbox.profile("own", &setup.alice, &settings);
    let chained = setup.sts.role("chained").trusts(&setup.role).allows_source_identity().arn();
    let script = |role: &str| format!(r#""$0" credentials >/dev/null && "$0" credentials --role-arn {role}"#);
    let served = |profile: &str, role: &str, name: &str, code: &[&str]| {
        let options = [&["--ecs-server", "--profile", profile], code].concat();
        let done = setup.sandbox.shell(&options, &script(role)).run();
        assert_eq!(done.code(), 0, "{done}");
        let printed: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let issued = setup.sts.issued(printed["AccessKeyId"].as_str().expect("text")).expect("issued");
        assert!(issued.arn.contains(&format!(":assumed-role/{name}/")), "{}", issued.arn);
    };
    served("own", &setup.role, "dev", &["-t", CODE]);
    setup.shown();
    // The code is the profile's first role's: those behind it want none.
    setup.sts.mfa_device(&setup.alice, "111111");
    served("dev", &chained, "chained", &["-t", "111111"]);
    // Keys that are a session's already are asked for no code, be it one with MFA or not.
    let free = setup.sts.role("free").trusts(&setup.alice.arn).allows_source_identity().arn();
    setup.sandbox.profile("temporary", &setup.sts.session(&setup.alice), &settings);
    served("temporary", &free, "free", &[]);
    let shown = setup.sts.calls().into_iter().filter(|call| call.parameters.contains_key("TokenCode")).count();
    assert_eq!(shown, 2);
}

#[test]
fn a_chains_device_is_that_of_its_first_role() {
    let setup = Setup::new();
    let last = setup.sts.role("last").trusts(&setup.role).allows_source_identity().arn();
    setup.role_profile("last", &last, "dev", "");
    let done = setup.exec(&["--profile", "last", "-t", CODE], &["env", "-0"]);
    let issued = setup.sts.issued(&done.environment()["AWS_ACCESS_KEY_ID"]).expect("issued");
    assert!(issued.arn.contains(":assumed-role/last/"), "{}", issued.arn);
    assert_eq!(setup.shown().action, "GetSessionToken");

    setup.sandbox.settings("plain", &format!("role_arn = {}\nsource_profile = base", setup.role));
    setup.role_profile("late", &last, "plain", "");
    let before = setup.sts.calls().len();
    let done = setup.exec(&["--profile", "late", "-t", CODE], &["true"]);
    done.failed_with(
        125,
        &["profile `late` asks for MFA", "which has no device", "move mfa_serial to profile `plain`"],
    );
    assert_eq!(setup.sts.calls().len(), before);
}

#[test]
fn the_person_is_asked_at_the_terminal_and_the_childs_input_is_its_own() {
    let setup = Setup::new();
    // More than a pipe holds, and a code in the first line, which is not for us.
    let data = format!("000000\n{}", "0123456789abcdef\n".repeat(20_000));
    setup.sandbox.write("data", &data, 0o600);
    let script = r#"
for mode, code in (("", b"090807"), ("--server", b"111111"), ("--unix-socket", b"222222")):
    command = f'cat ../data | "$SENTINEL" exec --profile dev {mode} -- sh -c "cmp - ../data && echo whole"'
    if mode:
        open("../next", "w").write(code.decode())
        input()
    terminal = Terminal(["sh", "-c", command])
    terminal.expect(os.environ["ASKS"])
    terminal.type(b"1234\n")
    terminal.expect("a code has six digits")
    terminal.expect(os.environ["ASKS"])
    terminal.type(code + b"\n")
    terminal.expect("whole")
    terminal.ends_with(0)
"#;
    let prompt = format!("MFA code of {} for profile `dev`: ", setup.serial);
    let run = setup.sandbox.program(python()).args(["-u", "-c", &format!("{TERMINAL}\n{script}")]);
    let run = run.env("SENTINEL", sentinel()).env("PYTHON", python()).env("CHILD", "").env("ASKS", prompt);
    let mut running = run.spawn();
    for next in ["111111", "222222", ""] {
        assert_eq!(running.line(), "as expected");
        if !next.is_empty() {
            setup.sts.mfa_device(&setup.alice, next);
            running.send("");
        }
    }
    let done = running.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert_eq!(setup.sts.calls_of("GetSessionToken").len(), 3);
}

#[test]
fn ctrl_c_at_the_question_ends_everything() {
    for mode in ["", "--unix-socket"] {
        let setup = Setup::new();
        let script = format!(
            r#"
terminal = Terminal([w for w in (SENTINEL, "exec", "--profile", "dev", "{mode}", "--", "touch", "../started") if w])
terminal.expect(os.environ["ASKS"])
terminal.type(b"\x03")
terminal.ends_with(-signal.SIGINT)
"#
        );
        assert_seen(&setup.at_terminal(&script));
        assert!(!setup.sandbox.path("started").exists());
        assert!(!setup.sandbox.path("run/sentinel").exists());
        assert_eq!(setup.sts.calls().len(), 0);
    }
}

#[test]
fn the_end_of_the_terminals_input_is_no_code() {
    let setup = Setup::new();
    let script = r#"
terminal = Terminal([SENTINEL, "exec", "--profile", "dev", "--", "true"])
terminal.expect(os.environ["ASKS"])
terminal.type(b"\x04")
terminal.expect("and none was typed")
terminal.ends_with(125)
"#;
    assert_seen(&setup.at_terminal(script));
    assert_eq!(setup.sts.calls().len(), 0);
}

#[test]
fn an_sdk_that_runs_sentinel_lets_it_ask_at_the_terminal() {
    let setup = Setup::new();
    // Its output is the SDK's, and its input nobody's.
    let script = r#"
command = '"$SENTINEL" credentials --profile dev </dev/null >../printed 2>../errors'
terminal = Terminal(["sh", "-c", command])
terminal.expect(os.environ["ASKS"])
terminal.type(b"090807\n")
terminal.ends_with(0)
"#;
    assert_seen(&setup.at_terminal(script));
    let printed = std::fs::read_to_string(setup.sandbox.path("printed")).expect("what was printed");
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let issued = setup.sts.issued(printed["AccessKeyId"].as_str().expect("text")).expect("issued");
    assert!(issued.arn.contains(":assumed-role/dev/"), "{}", issued.arn);
}

#[test]
fn a_service_does_not_start_with_a_profile_that_asks_for_a_code() {
    let setup = Setup::new();
    setup.role_profile("helped", &setup.role, "base", &format!("mfa_process = echo {CODE}"));
    let socket = setup.sandbox.directory("own", 0o700).join("s");
    for profile in ["dev", "helped"] {
        let serve = setup.sandbox.sentinel(["serve", "ecs", "--allow-uid", "0", "--profile", profile, "--socket"]);
        // Left from other runs.
        let done = serve.args([&socket]).env("SENTINEL_MFA_PROCESS", format!("echo {CODE}")).run();
        let why = format!("profile `{profile}` asks for MFA, and nobody is there to ask while a service runs");
        done.failed_with(1, &[&why, "give the service's own keys a role without mfa_serial"]);
        assert!(!socket.exists() && setup.sts.calls().is_empty());
    }
}

#[test]
fn without_a_terminal_there_is_nobody_to_ask() {
    let setup = Setup::new();
    let script = "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])";
    for command in [&["exec", "--profile", "dev", "--", "cat"][..], &["credentials", "--profile", "dev"]] {
        let run = setup.sandbox.program("sh").args(["-c", "\"$@\"; exit $?", "sh", python(), "-c", script, sentinel()]);
        let done = run.args(command).stdin(format!("{CODE}\n").as_bytes()).run();
        let code = if command[0] == "exec" { 125 } else { 1 };
        let needs = format!("profile `dev` needs a code of the MFA device {}", setup.serial);
        done.failed_with(
            code,
            &[
                &format!("{needs}, and there is no terminal to ask at"),
                "give --mfa-token CODE or --mfa-process COMMAND, or add mfa_process to the profile",
            ],
        );
        assert_eq!((done.stdout.as_str(), setup.sts.calls().len()), ("", 0));
    }
}
