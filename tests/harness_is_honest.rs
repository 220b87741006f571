//! The harness does what the tests take for granted.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::fake_sts::Sts;
use crate::harness::{
    Running, Sandbox, UNDER_TEST, copy_program, is_root, one_of_three, process, python, sentinel, skip,
};

fn sandbox() -> Sandbox {
    Sandbox::with_endpoint("http://127.0.0.1:9")
}

#[test]
fn a_program_gets_a_clean_environment() {
    let sandbox = sandbox();
    let done = sandbox.program("env").args(["-0"]).env("EXTRA", "1").without("USER").run();
    let names: Vec<String> = done.environment().into_keys().collect();
    let expected = [
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL_STS",
        "AWS_REGION",
        "EXTRA",
        "HOME",
        "PATH",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];
    assert_eq!(names, expected);
    assert_eq!(done.environment()["HOME"], sandbox.path("home").to_str().expect("UTF-8"));
}

#[test]
fn statuses_signals_and_outputs_are_reported() {
    let sandbox = sandbox();
    let done = sandbox.program("sh").args(["-c", "cat; echo oh >&2; exit 3"]).stdin(b"text").run();
    assert_eq!((done.code(), done.signal()), (3, None));
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("text", "oh\n"));
    let done = sandbox.program("sh").args(["-c", "kill -TERM $$"]).run();
    assert_eq!((done.code(), done.signal()), (143, Some(15)));
    sandbox.program("sh").args(["-c", "echo No Such Thing >&2; exit 1"]).run().failed_with(1, &["no such", "thing"]);
}

#[test]
fn a_test_can_talk_with_a_running_program() {
    let sandbox = sandbox();
    let script = "echo ready; while read line; do echo got $line; done; echo end >&2";
    let mut running = sandbox.program("sh").args(["-c", script]).spawn();
    assert_eq!(running.line(), "ready");
    running.send("one");
    assert_eq!(running.line(), "got one");
    running.signal("STOP");
    process::wait_for_state(running.pid(), 'T');
    running.signal("CONT");
    running.send("two");
    running.close_stdin();
    assert_eq!(running.error_line("end"), "end");
    let done = running.finish();
    assert_eq!(done.stdout, "ready\ngot one\ngot two\n");
}

#[test]
fn a_program_that_is_written_has_its_mode_and_can_be_copied() {
    let sandbox = sandbox();
    let script = sandbox.write("script", "#!/bin/sh\necho ran\n", 0o750);
    let copy = sandbox.path("copy");
    copy_program(&script, &copy);
    for path in [script, copy] {
        assert_eq!(std::fs::metadata(&path).expect("it is there").mode() & 0o7777, 0o750);
        assert_eq!(sandbox.program(path.to_str().expect("UTF-8")).run().stdout, "ran\n");
    }
}

#[test]
fn what_has_three_runs_may_fail_twice() {
    let mut runs = 0;
    let said = one_of_three(|| {
        runs += 1;
        if runs == 3 { Ok("in time") } else { Err("late".to_owned()) }
    });
    assert_eq!((said, runs), ("in time", 3));
}

#[test]
#[should_panic(expected = "three times: late; late; late")]
fn what_fails_three_times_fails() {
    one_of_three(|| Err::<(), _>("late".to_owned()));
}

#[test]
fn nothing_outlives_its_test() {
    let sandbox = sandbox();
    let spawn = || sandbox.program("sh").args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!; wait"]).spawn();
    let mut running: Running = spawn();
    let left: u32 = running.line().parse().expect("a pid");
    assert_eq!(process::parent(left), Some(running.pid()));
    assert_eq!(process::children(running.pid()), [left]);
    drop(running);
    process::wait_until_gone(left);

    let mut running = spawn();
    let left: u32 = running.line().parse().expect("a pid");
    running.signal("KILL");
    assert_eq!(running.finish().code(), 137);
    process::wait_until_gone(left);
}

#[test]
fn the_sandbox_is_private_and_goes_away() {
    let sandbox = sandbox();
    let root = sandbox.path("");
    let mode = |path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(root.clone()), 0o700);
    assert_eq!(mode(sandbox.credentials("")), 0o600);
    assert_eq!(mode(sandbox.config("")), 0o600);
    assert_eq!(mode(sandbox.directory("open", 0o777)), 0o777);
    drop(sandbox);
    assert!(!root.exists());
}

#[test]
fn profiles_are_written_to_both_files() {
    let sts = Sts::start();
    let sandbox = Sandbox::new(&sts);
    let alice = sts.user("alice");
    sandbox.profile("dev", &alice, "region = eu-west-1");
    sandbox.settings("role", "source_profile = dev");
    let read = |path| std::fs::read_to_string(sandbox.path(path)).expect("a file");
    assert_eq!(read("home/.aws/config"), "[profile dev]\nregion = eu-west-1\n[profile role]\nsource_profile = dev\n");
    let (id, secret) = (alice.access_key_id, alice.secret_access_key);
    assert_eq!(
        read("home/.aws/credentials"),
        format!("[dev]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    );
}

#[test]
fn another_user_is_another_user() {
    let sandbox = sandbox();
    let Some(nobody) = sandbox.as_nobody("id") else {
        return skip("another_user_is_another_user", "needs root to become nobody");
    };
    assert!(is_root());
    assert_eq!(nobody.args(["-u"]).run().stdout, "65534\n");
}

#[test]
fn the_program_and_python_are_there() {
    assert!(std::fs::metadata(sentinel()).expect("the program under test").mode() & 0o111 != 0);
    assert!(std::fs::metadata(python()).is_ok(), "{}", python());
    assert_eq!(process::status_field(std::process::id(), "Pid"), Some(std::process::id().to_string()));
}

/// Whether an ELF file for 64 bits has a program header of type PT_INTERP (elf(5)), as dynamic programs do.
fn asks_for_an_interpreter(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    assert_eq!(program[..5], *b"\x7fELF\x02");
    let half = |at: usize| usize::from(u16::from_ne_bytes(program[at..at + 2].try_into().expect("two bytes")));
    let start = u64::from_ne_bytes(program[32..40].try_into().expect("eight bytes"));
    let (start, size, count) = (usize::try_from(start).expect("an offset"), half(54), half(56));
    assert!(count > 0);
    (0..count).any(|index| program[start + index * size..].starts_with(&PT_INTERP.to_ne_bytes()))
}

/// A variable of another name would leave the debug build under test, and nobody would see it.
#[test]
#[ignore = "`make test-static` asks for it"]
fn the_program_under_test_is_static() {
    assert_eq!(std::env::var(UNDER_TEST).as_deref(), Ok(sentinel()));
    let read = |path: &std::path::Path| std::fs::read(path).expect("a program");
    assert!(!asks_for_an_interpreter(&read(sentinel().as_ref())), "{} is not static", sentinel());
    let dynamic = std::env::current_exe().expect("this program");
    assert!(asks_for_an_interpreter(&read(&dynamic)), "the check cannot tell");
}

#[test]
fn no_test_goes_past_the_variable_that_names_the_program() {
    let mut pending = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(concat!("CARGO_BIN", "_EXE"))) {
            found.push(path);
        }
    }
    assert_eq!(found, [std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/mod.rs")]);
}
