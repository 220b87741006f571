//! T13: secrets stay in locked pages of the broker, and nobody of the same user looks into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::fake_sts::Fault;
use crate::harness::{Invocation, Running, Sandbox, World, copy_program, is_root, process, python, sentinel, skip};

const CLIENT: &str = include_str!("attackers/client.py");
const INSPECT: &str = include_str!("attackers/inspect_process.py");
const SCAN: &str = include_str!("attackers/scan_memory.py");

/// A Python that every user may run.
const PYTHON: &str = "/usr/bin/python3";

/// Asks on two connections, names the key, and stays until its input ends.
const ASKS: &str = r#"
stream = connect()
answers = [ask(stream), ask(stream), ask(connect())]
print(*map(status, answers), key_of(answers[0]))
print(os.getppid())
sys.stdin.read()
"#;

/// A sentinel that has served its child.
struct Serving {
    broker: Running,
    warden: u32,
    /// The secrets that it holds, by name.
    secrets: Vec<(&'static str, String)>,
}

fn serving(world: &World, profile: &str) -> Serving {
    served(world, world.sandbox.python(&["--unix-socket", "--debug", "--profile", profile], &script()))
}

fn served(world: &World, invocation: Invocation) -> Serving {
    let mut broker = invocation.spawn();
    let line = broker.line();
    let key = line.strip_prefix("200 200 200 ").unwrap_or_else(|| panic!("not served: {line}"));
    let session = world.sts.issued(key).expect("a key of the fake's");
    let warden = broker.line().parse().expect("a pid");
    assert_eq!(process::parent(warden), Some(broker.pid()));
    let secrets = vec![
        ("source-key", world.alice.secret_access_key.clone()),
        ("session-key", session.secret_access_key),
        ("session-token", session.session_token.expect("a session's token")),
    ];
    Serving { broker, warden, secrets }
}

fn script() -> String {
    format!("{CLIENT}{ASKS}")
}

/// Where secrets, or their halves, are in the memory of a process, as `NAME FLAGS WHERE`.
fn scan(sandbox: &Sandbox, pid: u32, secrets: &[(&str, String)]) -> Vec<String> {
    let mut needles = String::new();
    for (name, secret) in secrets {
        // What is left on a stack is often cut.
        let (left, right) = secret.split_at(secret.len() / 2);
        needles.push_str(&format!("{name} {secret}\n{name}-left {left}\n{name}-right {right}\n"));
    }
    let done = sandbox.program(python()).args(["-c", SCAN, &pid.to_string()]).stdin(needles.as_bytes()).run();
    assert_eq!(done.code(), 0, "{done}");
    let mut lines: Vec<String> = done.stdout.lines().map(str::to_owned).collect();
    let total = lines.pop().expect("a last line");
    let total: u64 = total.strip_prefix("bytes ").and_then(|bytes| bytes.parse().ok()).expect("a number of bytes");
    assert!(total > 1 << 20, "only {total} bytes were read");
    lines
}

/// Whether the kernel keeps this mapping out of swap, core dumps and forked children.
fn is_sealed(hit: &str) -> bool {
    let flags: Vec<&str> = hit.split(' ').nth(1).expect("flags").split(',').collect();
    ["lo", "dd", "wf"].iter().all(|flag| flags.contains(flag))
}

#[track_caller]
fn assert_tells_no(said: &str, secrets: &[(&str, String)]) {
    for (name, secret) in secrets {
        // A part is as bad: 20 characters, however it was cut.
        for window in (0..=secret.len() - 20).step_by(5) {
            assert!(!said.contains(&secret[window..window + 20]), "{name} is told: {said}");
        }
    }
}

#[test]
fn served_secrets_are_in_locked_pages_alone() {
    const NAME: &str = "served_secrets_are_in_locked_pages_alone";
    if !is_root() {
        return skip(NAME, "needs root to read the broker's memory");
    }
    for profile in ["base", "dev"] {
        let world = World::with_dev();
        let Serving { broker, warden, secrets } = serving(&world, profile);
        let hits = scan(&world.sandbox, broker.pid(), &secrets);
        for (name, _) in &secrets {
            assert!(hits.iter().any(|hit| hit.starts_with(&format!("{name} "))), "{name} is nowhere: {hits:#?}");
        }
        let leaked: Vec<&String> = hits.iter().filter(|hit| !is_sealed(hit)).collect();
        assert!(leaked.is_empty(), "profile {profile}: {leaked:#?}");
        assert_eq!(scan(&world.sandbox, warden, &secrets), [""; 0], "in the warden's memory");
        let done = broker.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}

#[test]
fn no_secret_is_in_an_output_an_argument_or_the_log() {
    let world = World::with_dev();
    let Serving { broker, warden, secrets } = serving(&world, "dev");
    for pid in [broker.pid(), warden] {
        assert_tells_no(&fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("arguments"), &secrets);
    }
    let done = broker.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stderr.contains("peers are named by"), "--debug said nothing: {done}");
    assert_tells_no(&done.to_string(), &secrets);
    let log = world.sandbox.decision_log();
    assert_eq!(world.sandbox.decisions().len(), 4, "{log}");
    assert_tells_no(&log, &secrets);
}

/// AWS's own SignatureDoesNotMatch repeats the request's headers, the session token among them.
#[test]
fn an_answer_that_repeats_secrets_is_not_repeated() {
    for padding in ["", &"x".repeat(285)] {
        let world = World::with_dev();
        let session = world.sts.session(&world.alice);
        world.sandbox.credentials("");
        world.sandbox.profile("temporary", &session, "");
        let role = world.sts.role("other").trusts("*").arn();
        world.sandbox.settings("role", &format!("role_arn = {role}\nsource_profile = temporary"));
        let token = session.session_token.expect("a session's token");
        let secrets = [("source-key", session.secret_access_key), ("source-token", token)];
        for (code, name) in [("ValidationError", 0), ("AccessDenied", 1), ("PackedPolicyTooLarge", 0), ("Odd", 1)] {
            let message = String::leak(format!("{padding} you sent {} {}", secrets[name].1, secrets[1 - name].1));
            world.sts.inject("*", 1, Fault::Refuse { status: 400, code, message });
            let options = ["exec", "--profile", "role", "--debug", "--log-stderr", "--source-identity", "off", "--"];
            let done = world.sandbox.sentinel(options).args(["true"]).run();
            done.failed_with(125, &["role"]);
            assert_tells_no(&done.to_string(), &secrets);
        }
        let log = world.sandbox.decision_log();
        assert_eq!(world.sandbox.decisions().len(), 4, "{log}");
        assert_tells_no(&log, &secrets);
    }
}

/// Root may look anywhere, so where the tests run as root, all of this runs as nobody.
#[test]
fn a_process_of_the_same_user_cannot_look_into_broker_or_warden() {
    let world = World::with_dev();
    let sandbox = &world.sandbox;
    let (sentinel, attacker, control) = if is_root() {
        let program = sandbox.path("tmp/sentinel-program");
        copy_program(Path::new(sentinel()), &program);
        sandbox.give_to_nobody();
        let as_nobody = |program: &str| sandbox.as_nobody(program).expect("root");
        (as_nobody(program.to_str().expect("UTF-8")), as_nobody(PYTHON), as_nobody("cat"))
    } else {
        (sandbox.program(sentinel()), sandbox.program(PYTHON), sandbox.program("cat"))
    };
    let options = ["exec", "--unix-socket", "--profile", "dev", "--", PYTHON, "-u", "-c", &script()];
    let Serving { broker, warden, .. } = served(&world, sentinel.args(options));
    let uid = process::uid(broker.pid()).expect("a uid");
    assert_eq!(process::uid(warden), Some(uid));
    assert!(uid != 0, "the attack would be root's");
    let mut control = control.spawn();
    control.send("ready");
    assert_eq!(control.line(), "ready");
    let pids = [broker.pid(), warden, control.pid()].map(|pid| pid.to_string());
    let done = attacker.args(["-c", INSPECT]).args(&pids).run();
    assert_eq!(done.code(), 0, "{done}");
    let results = |pid: &String| -> BTreeMap<String, String> {
        let lines = done.stdout.lines().filter_map(|line| line.strip_prefix(pid.as_str())?.trim().split_once(' '));
        lines.map(|(what, result)| (what.to_owned(), result.to_owned())).collect()
    };
    for (what, result) in results(&pids[2]) {
        // Where Yama is set, ptrace is refused for every process.
        let expected = if what == "process_vm_readv" { "EFAULT" } else { "open" };
        assert!(result == expected || has_yama(), "the attack {what} fails anyway: {result}");
    }
    for (pid, who) in [(&pids[0], "broker"), (&pids[1], "warden")] {
        let results = results(pid);
        assert_eq!(results.len(), 10, "{done}");
        for (what, result) in results {
            assert!(["EACCES", "EPERM"].contains(&result.as_str()), "{what} of the {who}: {result}");
        }
    }
    assert_eq!(broker.finish().code(), 0);
}

fn has_yama() -> bool {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0")
}
