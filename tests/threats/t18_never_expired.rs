//! T18: never expired, empty or half-made credentials. An error instead.

use jiff::Timestamp;
use sentinel::clock::{Clock, SystemClock};
use serde_json::Value;

use super::asker::Asker;
use crate::fake_sts::Fault;
use crate::harness::{Running, World, eventually, sentinel};
use crate::wire::{CLIENT, FETCHED, Served};

const UNTIL_REFUSED: &str = include_str!("attackers/until_refused.py");

/// An answer of STS that is as it should be.
const WHOLE: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAQQQQQQQQQQQQQQQQ</AccessKeyId>\
     <SecretAccessKey>c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0</SecretAccessKey><SessionToken>dG9rZW4=</SessionToken>\
     <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
     <AssumedRoleUser><AssumedRoleId>AROAQQQQQQQQQQQQQQQQQ:s</AssumedRoleId>\
     <Arn>arn:aws:sts::123456789012:assumed-role/dev/s</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>";

/// Fails if any way hands out anything of this profile.
#[track_caller]
fn nothing_is_given(world: &World, what: &str, profile: &str) {
    let started = world.sandbox.path("started");
    for (arguments, status) in [(&["exec"][..], 125), (&["exec", "--unix-socket"], 125), (&["credentials"], 1)] {
        let mut run = world.sandbox.sentinel(arguments).args(["--profile", profile]);
        if status == 125 {
            run = run.args(["--", "touch"]).args([&started]);
        }
        let done = run.run();
        assert_eq!(done.code(), status, "{what}, {arguments:?}: {done}");
        assert_eq!(done.stdout, "", "{what}, {arguments:?}");
        assert!(!started.exists(), "{what}, {arguments:?}: the command ran");
        assert!(!done.stderr.contains("panicked"), "{what}, {arguments:?}: {done}");
    }
}

/// The script's account of one phase. Nothing in it had expired when it was asked for.
#[track_caller]
fn phase(running: &mut Running) -> (Vec<String>, String) {
    running.send("");
    let line = running.line();
    let phase: Value = serde_json::from_str(&line).expect("JSON");
    let given = phase["given"].as_object().expect("an object");
    for (key, times) in given {
        let expiration: Timestamp = times[0].as_str().expect("text").parse().expect("RFC 3339");
        let asked = times[1].as_f64().expect("a number");
        let left_s = expiration.as_second() as f64 - asked;
        assert!(left_s > 0.0, "{key} was given when it had expired {left_s} s ago: {line}");
    }
    (given.keys().cloned().collect(), phase["last"].as_str().expect("text").to_owned())
}

#[test]
fn half_made_answers_are_errors() {
    let without = |element: &str| {
        let (before, rest) = WHOLE.split_once(&format!("<{element}>")).expect("an element");
        let (_, after) = rest.split_once(&format!("</{element}>")).expect("its end");
        (
            format!("{before}{after}"),
            format!("{before}<{element}></{element}>{after}"),
            format!("{before}<{element}> </{element}>{after}"),
        )
    };
    let world = World::with_dev();
    world.sts.inject("AssumeRole", 1, Fault::Body(WHOLE));
    let done = world.sandbox.sentinel(["credentials", "--profile", "dev"]).run();
    assert!(done.code() == 0 && done.stdout.contains("ASIAQQQQQQQQQQQQQQQQ"), "{done}");

    let mut answers = vec![
        String::new(),
        "<AssumeRoleResponse/>".to_owned(),
        WHOLE[..WHOLE.len() / 2].to_owned(),
        WHOLE.replace("AssumeRole", "GetSessionToken"),
        WHOLE.replace("2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z"),
        WHOLE.replace("2099-01-01T00:00:00Z", "2099-01-01T00:00:00"),
        WHOLE.replace("2099-01-01T00:00:00Z", "never"),
        WHOLE.replace("dG9rZW4=", "dG9r<!-- x -->ZW4="),
        WHOLE.replace("dG9rZW4=", "dG9r\nZW4="),
        WHOLE.replace("</Credentials>", "<SessionToken>b3RoZXI=</SessionToken></Credentials>"),
    ];
    for element in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Credentials"] {
        let (absent, empty, blank) = without(element);
        answers.extend([absent, empty, blank]);
    }
    for answer in answers {
        let answer: &str = answer.leak();
        let world = World::with_dev();
        world.sts.inject("AssumeRole", 20, Fault::Body(answer));
        nothing_is_given(&world, answer, "dev");
    }
}

#[test]
fn broken_issues_are_errors() {
    for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Half] {
        let world = World::with_dev();
        world.sts.inject("AssumeRole", 20, fault.clone());
        nothing_is_given(&world, &format!("{fault:?}"), "dev");
    }
}

#[test]
fn broken_issues_are_errors_on_every_endpoint() {
    Served::over_every(|served| {
        // A service asks AWS for nothing before it is asked.
        let lazy: &[&str] = if served.transport.is_service() { &[] } else { &["--lazy"] };
        let script = "raw = once(ask())\nwhile status(raw) == 503:\n    raw = once(ask())\n\
                      say(status(raw), raw.partition(b'\\r\\n\\r\\n')[2].decode())";
        for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Half] {
            served.sts.mend();
            served.sts.inject("GetSessionToken", 20, fault.clone());
            let done = served.inside(lazy, script).run();
            assert!(done.stdout.starts_with(r#"500 {"code":"CredentialsFailed","#), "{fault:?}: {done}");
        }
    });
}

/// AWS's clock is behind: what it issues has ended by ours.
#[test]
fn what_has_ended_on_arrival_is_an_error() {
    for (shift_s, lifetime_s) in [(-20, 10), (-20, 20), (0, 0), (0, -1)] {
        let world = World::with_dev();
        world.sts.shift_clock_s(shift_s);
        world.sts.lifetime_s(lifetime_s);
        nothing_is_given(&world, &format!("{lifetime_s} s by a clock that is {shift_s} s off"), "dev");
    }
}

/// A source that is a program, and says too little or too late.
#[test]
fn broken_sources_are_errors() {
    let whole = r#"{"Version":1,"AccessKeyId":"ASIAQQQQQQQQQQQQQQQQ","SecretAccessKey":"c2VjcmV0","SessionToken":"dG9rZW4=","Expiration":"2099-01-01T00:00:00Z"}"#;
    let world = World::with_dev();
    let source = |said: &str, status: i32| {
        let file = world.sandbox.write("said", said, 0o600);
        world.sandbox.config(&format!(
            "[profile source]\nregion = us-east-1\ncredential_process = sh -c \"cat {}; exit {status}\"\n",
            file.display()
        ));
    };
    source(whole, 0);
    let done = world.sandbox.sentinel(["credentials", "--profile", "source"]).run();
    assert!(done.code() == 0 && done.stdout.contains("ASIAQQQQQQQQQQQQQQQQ"), "{done}");
    let changed = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replace(from, to)
    };
    for said in [
        String::new(),
        "{}".to_owned(),
        whole[..whole.len() - 1].to_owned(),
        format!("{whole}{whole}"),
        changed("2099", "2001"),
        changed("2099-01-01T00:00:00Z", "soon"),
        changed("2099-01-01T00:00:00Z", ""),
        changed(r#""Version":1,"#, ""),
        changed(r#""Version":1"#, r#""Version":2"#),
        changed(r#""AccessKeyId":"ASIAQQQQQQQQQQQQQQQQ","#, ""),
        changed("ASIAQQQQQQQQQQQQQQQQ", ""),
        changed(r#""SecretAccessKey":"c2VjcmV0","#, ""),
        changed("c2VjcmV0", ""),
        changed("dG9rZW4=", ""),
        changed(r#""dG9rZW4=""#, "7"),
    ] {
        source(&said, 0);
        nothing_is_given(&world, &said, "source");
    }
    source(whole, 1);
    nothing_is_given(&world, "a whole answer with status 1", "source");
}

/// Keys in files and in the environment that are half there, or have ended: nothing else takes their place.
#[test]
fn broken_keys_are_errors() {
    let world = World::with_dev();
    let session = world.sts.session(&world.sts.user("bob"));
    let (id, secret) = (session.access_key_id.as_str(), session.secret_access_key.as_str());
    let token = session.session_token.as_deref().expect("a token");
    for keys in [
        format!("aws_access_key_id = {id}\n"),
        format!("aws_secret_access_key = {secret}\n"),
        format!("aws_access_key_id = {id}\naws_secret_access_key =\naws_session_token = {token}\n"),
        format!("aws_access_key_id =\naws_secret_access_key = {secret}\naws_session_token = {token}\n"),
        format!("aws_session_token = {token}\n"),
    ] {
        world.sandbox.config("[profile temporary]\nregion = us-east-1\n");
        world.sandbox.credentials(&format!("[temporary]\n{keys}"));
        nothing_is_given(&world, &keys, "temporary");
    }
    assert_eq!(world.sts.calls().len(), 0);

    let whole = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)];
    let run = |changed: (&str, &str)| {
        let run = world.sandbox.sentinel(["credentials"]).env("AWS_CONFIG_FILE", "/dev/null");
        let run = run.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        whole.iter().fold(run, |run, (name, value)| run.env(name, value)).env(changed.0, changed.1).run()
    };
    let done = run(("UNRELATED", "1"));
    assert!(done.code() == 0 && done.stdout.contains(id), "{done}");
    for changed in [
        ("AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z"),
        ("AWS_CREDENTIAL_EXPIRATION", "tomorrow"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_SESSION_TOKEN", ""),
    ] {
        let done = run(changed);
        assert!(done.code() == 1 && done.stdout.is_empty(), "{changed:?}: {done}");
    }
    // Nobody wrote down when these end: AWS is asked.
    world.sandbox.config("[profile temporary]\nregion = us-east-1\n");
    let keys = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\naws_session_token = {token}\n");
    world.sandbox.credentials(&format!("[temporary]\n{keys}"));
    world.sts.expire(id);
    nothing_is_given(&world, "a session that has ended", "temporary");
}

/// While AWS hangs, what is there is served to its end and no longer; when AWS answers, the next is served.
#[test]
fn from_every_server_they_last_until_they_end() {
    Served::over_every(|served| {
        served.sts.lifetime_s(3);
        // Who asks all the time would be told to come back later.
        let generous =
            r#"{"version":"1","limits":{"requests_per_second":1000000},"rules":[{"name":"all","effect":"allow"}]}"#;
        let generous = served.sandbox.write("generous.json", generous, 0o600);
        let options = ["--policy", generous.to_str().expect("UTF-8")];
        let mut running = served.inside(&options, &format!("{FETCHED}{UNTIL_REFUSED}")).spawn();
        assert_eq!(running.line(), "ready");
        let gate = served.sts.hang("GetSessionToken");
        let (before, refusal) = phase(&mut running);
        assert!(refusal.starts_with(r#"{"code":"CredentialsPending","#), "{refusal}");
        // A slow machine may have seen none, or more than one; never one that was issued behind the gate.
        gate.open();
        let (after, _) = phase(&mut running);
        assert_eq!(after.len(), 1);
        assert!(!before.contains(&after[0]), "{before:?} {after:?}");
        assert_eq!(running.finish().code(), 0);
    });
}

#[test]
fn through_the_helper_they_last_until_they_end() {
    let world = World::with_dev();
    world.sts.lifetime_s(4);
    let run = world.sandbox.python(&["--profile", "dev", "--unix-socket"], &format!("{CLIENT}\n{UNTIL_REFUSED}"));
    let mut running = run.args([sentinel(), "credentials"]).spawn();
    assert_eq!(running.line(), "ready");
    world.sts.inject("AssumeRole", 1000, Fault::Refuse { status: 403, code: "AccessDenied", message: "gone" });
    let (_, refusal) = phase(&mut running);
    assert!(refusal.contains("Failed to retrieve credentials (CredentialsFailed)"), "{refusal}");
    assert!(!refusal.contains("AccessKeyId"), "{refusal}");
    let done = running.finish();
    assert!(done.stderr.contains("gone"), "the reason is not told: {done}");
}

#[test]
fn who_asks_before_aws_has_answered_asks_again() {
    let world = World::with_dev();
    let gate = world.sts.hang("AssumeRole");
    let mut asker = Asker::start(&world.sandbox, &["--lazy"]);
    assert_eq!(world.sts.calls().len(), 0);
    for _ in 0..2 {
        let answer = asker.ask();
        assert!(answer.starts_with(r#"503 {"code":"CredentialsPending","#), "{answer}");
    }
    gate.open();
    let answer = asker.ask_until_answered();
    let body: Value = serde_json::from_str(answer.strip_prefix("200 ").expect("credentials")).expect("JSON");
    let issued = world.sts.issued(body["AccessKeyId"].as_str().expect("text")).expect("a key that was issued");
    assert_eq!(body["SecretAccessKey"], issued.secret_access_key);
    assert_eq!(body["Token"], issued.session_token.expect("a token"));
    let expiration: Timestamp = body["Expiration"].as_str().expect("text").parse().expect("RFC 3339");
    assert!(expiration > SystemClock.wall());
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 1, "one fetch for all who ask");
    asker.end();
}

/// The helper waits for them: an SDK would give up at the first error.
#[test]
fn the_helper_waits_for_aws() {
    let world = World::with_dev();
    let gate = world.sts.hang("AssumeRole");
    let options = ["exec", "--profile", "dev", "--unix-socket", "--lazy", "--", sentinel(), "credentials"];
    let running = world.sandbox.sentinel(options).spawn();
    // It has been told to ask again.
    eventually("a pending answer", || world.sandbox.decision_log().contains("AWS has not answered yet").then_some(()));
    gate.open();
    let done = running.finish();
    assert!(done.code() == 0 && done.stdout.starts_with(r#"{"Version":1,"AccessKeyId":"ASIA"#), "{done}");
}
