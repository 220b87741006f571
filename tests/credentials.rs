//! `sentinel credentials`: what AWS's tools read from it, inside the tree of a server and on its own.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use sentinel::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::fake_sts::{ACCOUNT, Fault, Keys};
use crate::harness::{Finished, Running, World, eventually, process, python, sentinel};

/// `sentinel credentials OPTIONS`, on its own.
fn outside(world: &World, options: &[&str]) -> Finished {
    world.sandbox.sentinel(["credentials"]).args(options).run()
}

/// Checks the JSON and returns what the fake knows of the key in it.
#[track_caller]
fn issued(world: &World, printed: &BTreeMap<String, Value>) -> Keys {
    let text = |name: &str| printed[name].as_str().expect("text");
    let issued = world.sts.issued(text("AccessKeyId")).expect("a key that the fake issued");
    assert_eq!(text("SecretAccessKey"), issued.secret_access_key);
    assert_eq!(printed.get("SessionToken").and_then(Value::as_str), issued.session_token.as_deref());
    issued
}

/// The one line of JSON that is all of the output.
#[track_caller]
fn printed(done: &Finished) -> BTreeMap<String, Value> {
    assert_eq!(done.code(), 0, "{done}");
    let line = done.stdout.strip_suffix('\n').filter(|line| !line.contains('\n'));
    let object: BTreeMap<String, Value> =
        serde_json::from_str(line.unwrap_or_else(|| panic!("not one line: {done}"))).expect("an object");
    assert!(done.stdout.starts_with(r#"{"Version":1,"AccessKeyId":"#), "{done}");
    object
}

fn names(printed: &BTreeMap<String, Value>) -> Vec<&str> {
    printed.keys().map(String::as_str).collect()
}

#[track_caller]
fn lifetime_s(printed: &BTreeMap<String, Value>) -> i64 {
    let text = printed["Expiration"].as_str().expect("text");
    assert!(text.ends_with('Z') && text.len() == "2030-01-01T00:00:00Z".len(), "{text}");
    text.parse::<Timestamp>().expect("RFC 3339").as_second() - SystemClock.wall().as_second()
}

const WITH_ACCOUNT: [&str; 6] =
    ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"];

#[test]
fn inside_it_prints_what_the_socket_serves() {
    let world = World::with_dev();
    let done = world.sandbox.shell(&["dev"], r#""$0" credentials"#).run();
    let printed = printed(&done);
    assert_eq!(names(&printed), WITH_ACCOUNT);
    assert_eq!(printed["AccountId"], ACCOUNT);
    assert!(issued(&world, &printed).arn.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev/")));
    assert!((1740..=1800).contains(&lifetime_s(&printed)));
    assert_eq!(done.stderr, "");
    let decisions = world.sandbox.decisions();
    let modes: Vec<&str> = decisions.iter().filter_map(|line| line["mode"].as_str()).collect();
    assert_eq!(modes, ["server", "server"], "the start and the helper: {decisions:?}");
    assert_eq!(decisions[1]["peer"]["executable"], sentinel());
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 1);
}

#[test]
fn inside_naming_the_outer_profile_changes_nothing() {
    let world = World::with_dev();
    let done = world.sandbox.shell(&["dev"], r#""$0" credentials --profile dev"#).run();
    assert_eq!(names(&printed(&done)), WITH_ACCOUNT);
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 1);
}

#[test]
fn inside_another_profile_is_vended_directly() {
    let world = World::with_dev();
    let missing = world.sandbox.shell(&["dev"], r#""$0" credentials --profile base"#).run();
    missing.failed_with(1, &["base"]);
    assert_eq!(missing.stdout, "");
    let files = "AWS_CONFIG_FILE=~/.aws/config AWS_SHARED_CREDENTIALS_FILE=~/.aws/credentials";
    let done = world.sandbox.shell(&["dev"], &format!(r#"{files} "$0" credentials --profile base"#)).run();
    assert_eq!(issued(&world, &printed(&done)).arn, format!("arn:aws:iam::{ACCOUNT}:user/alice"));
}

#[test]
fn inside_flags_that_the_server_would_not_obey_are_refused() {
    let world = World::with_dev();
    world.sandbox.write("narrow.json", r#"{"Version":"2012-10-17","Statement":[]}"#, 0o600);
    for option in ["--session-policy ../narrow.json", "-d 15m", "--policy ../none.json", "--profile dev --log-stderr"] {
        let done = world.sandbox.shell(&["dev"], &format!(r#""$0" credentials {option}"#)).run();
        let flag = match option {
            "-d 15m" => "--duration",
            other => other.split(' ').find(|word| word.starts_with("--") && *word != "--profile").expect("a flag"),
        };
        let said = format!("{flag} has no effect here: the `sentinel exec` around this gives its own credentials");
        done.failed_with(2, &[&said, &format!("leave {flag} out, or give it to that `sentinel exec`")]);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn it_waits_for_a_slow_login() {
    let world = World::with_dev();
    let gate = world.sts.hang("AssumeRole");
    let run = world.sandbox.shell(&["dev", "--lazy"], r#""$0" credentials"#).spawn();
    world.sts.wait_for_calls("AssumeRole", 1);
    // The server has answered "not yet" twice, so the helper asks on.
    let waits = || world.sandbox.decisions().iter().filter(|line| line["error"] == "AWS has not answered yet").count();
    eventually("two answers that it is not there yet", || (waits() >= 2).then_some(()));
    assert_eq!(process::state(run.pid()), Some('S'));
    gate.open();
    let done = run.finish();
    issued(&world, &printed(&done));
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 1);
}

/// A child that prints its socket and token and waits.
const WAITS: &str = r#"printf '%s\n' "$SENTINEL_UNIX_SOCKET" "$SENTINEL_AUTH_TOKEN"; read line"#;

fn stolen(run: &mut Running) -> (String, String) {
    (run.line(), run.line())
}

#[test]
fn outside_the_tree_it_is_refused_and_says_where_it_is() {
    let world = World::with_dev();
    let mut victim = world.sandbox.shell(&["dev"], WAITS).spawn();
    let (socket, token) = stolen(&mut victim);
    let thief = world.sandbox.program("sh").args(["-c", r#""$0" credentials; exit $?"#, sentinel()]);
    let thief =
        thief.env("AWS_SENTINEL", "dev").env("SENTINEL_UNIX_SOCKET", &socket).env("SENTINEL_AUTH_TOKEN", &token);
    let running = thief.spawn();
    let shell = running.pid();
    let done = running.finish();
    let own = std::process::id();
    let pid = victim.pid();
    done.failed_with(
        1,
        &[
            &format!("sentinel: the sentinel (pid {pid}) on {socket} refused this process\n"),
            "this process does not descend from the command that it started, but from: sh",
            &format!("from: sh (pid {shell}) <- "),
            &format!(" (pid {own})"),
            "start that server inside `sentinel exec`",
        ],
    );
    assert_eq!((done.stdout.as_str(), done.stderr.contains(&token)), ("", false), "{done}");
    victim.send("end");
    let done = victim.finish();
    assert!(done.code() == 0 && done.stderr.contains("refused pid"), "{done}");
}

#[test]
fn inside_with_another_token_it_is_refused_and_says_why_that_may_be() {
    let world = World::with_dev();
    let script = r#"SENTINEL_AUTH_TOKEN=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "$0" credentials"#;
    let done = world.sandbox.shell(&["dev"], script).run();
    done.failed_with(1, &["refused this process", "does descend from it", "it is another run's, it was revoked"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_token_of_the_first_user_is_refused_to_the_second() {
    let world = World::with_dev();
    // Two shells each run the helper: the first shell is the token's process, the second is not.
    let script = r#"sh -c '"$0" credentials >/dev/null; echo first $?; "$0" credentials >/dev/null; echo again $?' "$0"
                    "$0" credentials; echo second $?"#;
    let done = world.sandbox.shell(&["dev", "--bind", "process"], script).run();
    assert_eq!(done.stdout, "first 0\nagain 0\nsecond 1\n", "{done}");
    assert!(done.stderr.contains("--bind process gave it to the first process that used it"), "{done}");
}

#[test]
fn after_sentinels_end_it_says_so() {
    let world = World::with_dev();
    for end in ["end", "kill"] {
        let mut victim = world.sandbox.shell(&["dev"], WAITS).spawn();
        let (socket, token) = stolen(&mut victim);
        if end == "kill" {
            victim.signal("KILL");
        }
        victim.close_stdin();
        process::wait_until_gone(victim.pid());
        let late = || {
            let late = world.sandbox.sentinel(["credentials"]).env("SENTINEL_UNIX_SOCKET", &socket);
            late.env("SENTINEL_AUTH_TOKEN", &token)
        };
        let done = late().env("AWS_SENTINEL", "dev").run();
        done.failed_with(1, &[&format!("no sentinel answers on {socket}"), "has ended: start a new one"]);
        // What a client of a service has around it.
        let of_service = late().run();
        of_service
            .failed_with(1, &[&format!("no sentinel answers on {socket}"), "it has to run, and this user be let"]);
        assert_eq!(done.stdout, "");
        victim.finish();
    }
}

const DENIES: &str = r#"{"version": "1", "rules": [{"name": "never", "effect": "deny", "reason": "not on my watch"}]}"#;

#[test]
fn inside_a_denial_and_a_failure_are_told_apart() {
    let world = World::with_dev();
    let policy = world.sandbox.write("policy.json", DENIES, 0o600);
    let options = ["dev", "--lazy", "--policy", policy.to_str().expect("UTF-8")];
    let denied = world.sandbox.shell(&options, r#""$0" credentials"#).run();
    denied.failed_with(1, &["the policy denies these credentials now", "policy denied dev: "]);
    assert_eq!((denied.stdout.as_str(), world.sts.calls().len()), ("", 0), "{denied}");

    world.sts.inject("AssumeRole", 20, Fault::Refuse { status: 403, code: "AccessDenied", message: "not you" });
    let failed = world.sandbox.shell(&["dev", "--lazy"], r#""$0" credentials"#).run();
    failed.failed_with(1, &["Failed to retrieve credentials (CredentialsFailed)", "not you"]);
    assert_eq!(failed.stdout, "");
}

#[test]
fn on_its_own_it_vends_directly_and_records_it() {
    let world = World::with_dev();
    let done = outside(&world, &["--profile", "dev"]);
    let printed = printed(&done);
    assert_eq!(names(&printed), WITH_ACCOUNT);
    assert!((3540..=3600).contains(&lifetime_s(&printed)));
    assert!(issued(&world, &printed).arn.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/dev/")));
    assert_eq!(done.stderr, "");
    let decisions = world.sandbox.decisions();
    let [decision] = decisions.as_slice() else { panic!("not one line: {decisions:?}") };
    assert_eq!(decision["mode"], "credential_process");
    assert_eq!((&decision["profile"], &decision["effect"]), (&Value::from("dev"), &Value::from("allow")));
    assert_eq!(decision.get("peer"), None);
}

#[test]
fn a_token_file_that_is_gone_matters_only_where_a_socket_is_asked() {
    let world = World::with_dev();
    let run = |options: &[&str]| {
        let run = world.sandbox.sentinel(["credentials"]).args(options);
        run.env("SENTINEL_AUTH_TOKEN_FILE", "/nonexistent/token").env("SENTINEL_UNIX_SOCKET", "/nonexistent/s").run()
    };
    issued(&world, &printed(&run(&["--profile", "dev"])));
    let done = run(&[]);
    done.failed_with(1, &["cannot read the token file /nonexistent/token"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_users_own_keys_have_neither_token_nor_expiration() {
    let world = World::with_dev();
    let printed = printed(&outside(&world, &["--profile", "base", "--no-session"]));
    assert_eq!(printed.get("SessionToken"), None);
    assert_eq!(printed.get("Expiration"), None);
    assert!(issued(&world, &printed).access_key_id.starts_with("AKIA"));
}

#[test]
fn on_its_own_the_policy_decides_and_the_denial_is_recorded() {
    let world = World::with_dev();
    let policy = world.sandbox.write("policy.json", DENIES, 0o600);
    let done = outside(&world, &["--profile", "dev", "--policy", policy.to_str().expect("UTF-8")]);
    done.failed_with(1, &["policy denied profile `dev`", "not on my watch", "rule `never` decided"]);
    assert_eq!(done.stdout, "");
    let decisions = world.sandbox.decisions();
    assert_eq!(decisions.len(), 1);
    assert_eq!((&decisions[0]["effect"], &decisions[0]["rule"]), (&Value::from("deny"), &Value::from("never")));
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 0);
}

#[test]
fn broken_credentials_are_an_error_and_nothing_is_printed() {
    for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Body("")] {
        for inside in [false, true] {
            let world = World::with_dev();
            world.sts.inject("AssumeRole", 20, fault.clone());
            let done = match inside {
                true => world.sandbox.shell(&["dev", "--lazy"], r#""$0" credentials"#).run(),
                false => outside(&world, &["--profile", "dev"]),
            };
            done.failed_with(1, &[]);
            assert_eq!(done.stdout, "", "after {fault:?}: {done}");
        }
    }
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let world = World::with_dev();
    outside(&world, &["--no-such-option"]).failed_with(2, &["--no-such-option"]);
    outside(&world, &["--profile", "nobody"]).failed_with(1, &["nobody"]);
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let world = World::with_dev();
    let done = world.sandbox.shell(&["dev"], r#""$0" credentials >/dev/full"#).run();
    done.failed_with(1, &["cannot write to stdout", "No space left on device"]);
}

#[test]
fn a_server_that_is_no_sentinel_is_not_believed() {
    const SERVER: &str = r#"
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening")
for line in sys.stdin:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(bytes.fromhex(line))
    connection.close()
"#;
    let world = World::with_dev();
    let socket = world.sandbox.path("other.sock");
    let mut server = world.sandbox.program(python()).args(["-u", "-c", SERVER]).args([&socket]).spawn();
    server.line();
    let mut ask = |answer: &str| {
        // Who is dropped without a word asks three times more.
        for _ in 0..if answer.is_empty() { 4 } else { 1 } {
            server.send(&answer.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        let run =
            world.sandbox.sentinel(["credentials"]).env("SENTINEL_UNIX_SOCKET", &socket).env("AWS_SENTINEL", "dev");
        let done = run.env("SENTINEL_AUTH_TOKEN", "x").run();
        assert_eq!(done.stdout, "", "{done}");
        done
    };
    let whole = |status: &str, body: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    ask("").failed_with(1, &["gave no whole answer", "it may just have ended"]);
    ask("SSH-2.0-x\r\n").failed_with(1, &["gave no whole answer"]);
    ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}").failed_with(1, &["gave no whole answer"]);
    ask(&whole("200 OK", "{}")).failed_with(1, &["gave an answer without credentials"]);
    ask(&whole("200 OK", "\u{0}")).failed_with(1, &["gave an answer without credentials"]);
    ask(&whole("418 I'm a teapot", "tea")).failed_with(1, &["answered with status 418"]);
    let missing = Path::new("/nonexistent/s.sock");
    let done = world.sandbox.sentinel(["credentials"]).env("SENTINEL_UNIX_SOCKET", missing);
    let done = done.env("SENTINEL_AUTH_TOKEN", "x").run();
    done.failed_with(1, &["no sentinel answers on /nonexistent/s.sock"]);
}

/// A role in the tree of an ECS server, and of a server that has none.
#[test]
fn inside_a_role_is_asked_for_by_its_arn() {
    let world = World::with_dev();
    let one = world.sts.role("one").trusts(&format!("arn:aws:iam::{ACCOUNT}:role/dev")).allows_source_identity().arn();
    let ask = format!(r#""$0" credentials --role-arn {one}"#);
    let done = world.sandbox.shell(&["--ecs-server", "dev"], &ask).run();
    let found = printed(&done);
    assert_eq!(names(&found), WITH_ACCOUNT);
    assert!(issued(&world, &found).arn.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/one/")), "{done}");

    let policy = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
    let policy = world.sandbox.write("policy.json", policy, 0o600);
    let denied = ["--ecs-server", "--policy", policy.to_str().expect("UTF-8"), "dev"];
    let nobodys = format!("arn:aws:iam::{ACCOUNT}:role/nobody-s");
    for (options, role, parts) in [
        (&["dev"][..], &one, ["gives no roles", "give its `sentinel exec` --ecs-server as well"]),
        (&denied, &one, ["the policy denies the role arn:aws:iam::", "a rule's role_arns has to name it"]),
        (&["--ecs-server", "dev"], &nobodys, ["role/nobody-s could not be assumed", "say why"]),
    ] {
        let done = world.sandbox.shell(options, &format!(r#""$0" credentials --role-arn {role}"#)).run();
        done.failed_with(1, &parts);
        assert_eq!(done.stdout, "", "{done}");
    }
    let calls = world.sts.calls_of("AssumeRole");
    assert_eq!(calls.iter().filter(|call| call.parameters["RoleArn"] == one).count(), 1);
}

#[test]
fn a_role_is_asked_for_at_a_services_socket() {
    let world = World::with_dev();
    let one = world.sts.role("one").trusts(&format!("arn:aws:iam::{ACCOUNT}:role/dev")).allows_source_identity().arn();
    let socket = world.sandbox.directory("own", 0o700).join("s");
    let own = process::uid(std::process::id()).expect("a uid").to_string();
    let serve = world.sandbox.sentinel(["serve", "ecs", "--profile", "dev", "--allow-uid", &own, "--socket"]);
    let mut service = serve.args([&socket]).spawn();
    service.error_line("serving on");
    let done = world.sandbox.sentinel(["credentials", "--role-arn", &one]).env("SENTINEL_UNIX_SOCKET", &socket).run();
    let found = issued(&world, &printed(&done));
    assert!(found.arn.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/one/")), "{done}");
    service.signal("TERM");
    assert_eq!(service.finish().code(), 0);
}

#[test]
fn a_role_is_asked_for_where_there_is_a_socket_alone() {
    let world = World::with_dev();
    let one = "arn:aws:iam::123456789012:role/one";
    let asks = "--role-arn asks the socket of an `exec --ecs-server --unix-socket` or a `serve ecs`";
    outside(&world, &["--profile", "dev", "--role-arn", one]).failed_with(2, &[asks, "there is none: start one"]);
    let with_a_service = world.sandbox.sentinel(["credentials", "--profile", "dev", "--role-arn", one]);
    let with_a_service = with_a_service.env("SENTINEL_UNIX_SOCKET", "/nonexistent/s").run();
    with_a_service.failed_with(2, &[asks, "SENTINEL_UNIX_SOCKET names one: leave --profile out"]);
    outside(&world, &["--role-arn", "one"]).failed_with(2, &["--role-arn one is not a role's arn"]);
    let run = |options: &[&str], more: &str| {
        let script = format!(r#""$0" credentials --role-arn {one}{more}"#);
        world.sandbox.exec(options, &["sh", "-c", &script, sentinel()]).run()
    };
    run(&["--profile", "dev", "--ecs-server"], "").failed_with(2, &[asks, "serves over TCP", "role-arn/ARN behind it"]);
    run(&["--profile", "dev", "--ecs-server", "--unix-socket"], " --profile base")
        .failed_with(2, &[asks, "its profile is `dev`: leave --profile out"]);
    assert_eq!(world.sts.calls_of("AssumeRole").len(), 2);
}
