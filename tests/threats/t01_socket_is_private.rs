//! T1: no other user can connect to the socket, at no instant and whatever the umask.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{Finished, Sandbox, World, is_root, process, python, sentinel, skip};

const STEP: &str = include_str!("attackers/step.py");
const WATCH: &str = include_str!("attackers/watch_socket.py");
const HAMMER: &str = include_str!("attackers/hammer_connect.py");
/// A Python that every user may run.
const PYTHON: &str = "/usr/bin/python3";

/// A directory that every user may enter, list and write to, as /tmp is. A sandbox would itself keep others out.
struct Public(PathBuf);

impl Public {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sn-public-{}-{number}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).expect("chmod");
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Public {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// What others see of a sentinel that runs with umask 0, looked at between any two of its system calls.
fn watch(sandbox: &Sandbox, public: &Path, options: &[&str]) -> Finished {
    let script = format!("{STEP}{WATCH}");
    let stepped = sandbox.program(python()).args(["-c", &script]).args([public]).args([sentinel(), "exec"]);
    let stepped = stepped.args(["--unix-socket", "--profile", "base"]).args(options).args(["--", "true"]);
    stepped.env("TMPDIR", public).without("XDG_RUNTIME_DIR").run()
}

#[test]
fn between_any_two_system_calls_the_socket_is_closed_to_others() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let refused = if is_root() { "another uid EACCES\n" } else { "" };
    let public = Public::new();
    let done = watch(sandbox, &public.0, &[]);
    assert_eq!(done.code(), 0, "{done}");
    assert_eq!(done.stdout, format!("{refused}directory 700\nfile 400\nfile 600\nsocket 600\nenough\n"), "{done}");

    let own = public.0.join("own");
    fs::DirBuilder::new().mode(0o700).create(&own).expect("a directory");
    let socket = own.join("my.sock");
    let done = watch(sandbox, &own, &["--unix-socket-path", socket.to_str().expect("UTF-8"), "--lazy"]);
    assert_eq!(done.code(), 0, "{done}");
    let expected = format!("{refused}directory 700\nfile 400\nfile 600\nsocket 600\nenough\n");
    assert_eq!(done.stdout, expected, "{done}");
}

#[test]
fn another_user_who_keeps_trying_never_connects() {
    const NAME: &str = "another_user_who_keeps_trying_never_connects";
    let world = World::new();
    let sandbox = &world.sandbox;
    let Some(attacker) = sandbox.as_nobody(PYTHON) else { return skip(NAME, "needs root to become nobody") };
    let public = Public::new();
    let mut attacker = attacker.args(["-c", HAMMER, public.text()]).spawn();
    for round in 0..8 {
        // umask 0 leaves every bit as sentinel sets it.
        let script = r#"umask 0; exec "$0" exec --unix-socket --lazy --profile base -- sh -c 'echo up; read line'"#;
        let run = sandbox.program("sh").args(["-c", script, sentinel()]);
        let mut run = run.env("TMPDIR", &public.0).without("XDG_RUNTIME_DIR").spawn();
        assert_eq!(run.line(), "up");
        assert_eq!(process::uid(attacker.pid()), Some(65534));
        let names: Vec<_> = fs::read_dir(&public.0).expect("a listing").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(attacker.line(), format!("tried {}", names[0].display()), "round {round}");
        run.close_stdin();
        let done = run.finish();
        assert!(!done.stderr.contains("foreign uid"), "{done}");
    }
    attacker.close_stdin();
    assert_eq!(attacker.line(), "end");
}
