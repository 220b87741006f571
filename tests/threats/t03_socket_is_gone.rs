//! T3: socket, lock, config, helper link and directory are gone when sentinel is, and what SIGKILL leaves is removed by the
//! next start.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::fake_sts::Sts;
use crate::harness::{Invocation, Running, Sandbox, World, process};

/// What a private directory holds while sentinel serves.
const HELD: [&str; 5] = ["config", "lock", "s.sock", "s.sock.lock", "sentinel"];

struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    /// The socket's directory, where the socket is given a path.
    own: PathBuf,
}

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, .. } = World::new();
        let own = sandbox.directory("own", 0o700);
        Self { sts, sandbox, own }
    }

    /// In a private directory.
    fn exec(&self, command: &[&str]) -> Invocation {
        self.sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--lazy", "--"]).args(command)
    }

    /// At a path.
    fn exec_at(&self, command: &[&str]) -> Invocation {
        let options = ["exec", "--profile", "base", "--unix-socket", "--lazy", "--unix-socket-path"];
        self.sandbox.sentinel(options).args([self.own.join("my.sock")]).args(["--"]).args(command)
    }

    /// The private directories that there are.
    fn directories(&self) -> Vec<PathBuf> {
        entries(&self.sandbox.path("run/sentinel"))
    }

    #[track_caller]
    fn assert_nothing_is_left(&self) {
        assert_eq!(self.directories(), [""; 0].map(PathBuf::from));
        assert_eq!(entries(&self.own), [""; 0].map(PathBuf::from));
        assert_eq!(entries(&self.sandbox.path("tmp")), [""; 0].map(PathBuf::from));
    }

    /// Starts a child that stays; there is something to remove then.
    fn up(&self, invocation: Invocation) -> Running {
        let mut running = invocation.spawn();
        running.send("up");
        assert_eq!(running.line(), "up");
        assert_eq!(self.directories().len(), 1);
        running
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn names(directory: &Path) -> Vec<String> {
    entries(directory).iter().map(|path| path.file_name().expect("a name").display().to_string()).collect()
}

/// A child that stays until its input ends. Not a shell: those have ways of their own with SIGINT.
const STAYS: [&str; 1] = ["cat"];

#[test]
fn nothing_is_left_however_the_child_ends() {
    let setup = Setup::new();
    let plain = setup.sandbox.write("plain", "not a program", 0o600);
    let plain = plain.to_str().expect("UTF-8");
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-program-here"], 127),
        (&[plain], 126),
    ] {
        for run in [setup.exec(command), setup.exec_at(command)] {
            let done = run.run();
            assert_eq!(done.code(), code, "{done}");
            setup.assert_nothing_is_left();
        }
    }
    // There was something to remove.
    for (run, held) in [(setup.exec(&STAYS), &HELD[..]), (setup.exec_at(&STAYS), &["config", "lock", "sentinel"])] {
        let running = setup.up(run);
        assert_eq!(names(&setup.directories()[0]), held);
        let beside: &[&str] = if held.len() == 5 { &[] } else { &["my.sock", "my.sock.lock"] };
        assert_eq!(names(&setup.own), beside);
        assert_eq!(running.finish().code(), 0);
        setup.assert_nothing_is_left();
    }
}

#[test]
fn nothing_is_left_after_a_signal() {
    let setup = Setup::new();
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        for run in [setup.exec(&STAYS), setup.exec_at(&STAYS)] {
            let running = setup.up(run);
            running.signal(signal);
            // finish() ends the child's input, which would end it as well.
            process::wait_until_gone(running.pid());
            let done = running.finish();
            assert_eq!((done.code(), done.signal()), (code, None), "SIG{signal}: {done}");
            setup.assert_nothing_is_left();
        }
    }
}

#[test]
fn nothing_is_left_after_a_signal_while_aws_does_not_answer() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let setup = Setup::new();
        let gate = setup.sts.hang("GetSessionToken");
        let socket = setup.own.join("my.sock");
        let options = ["exec", "--profile", "base", "--unix-socket", "--unix-socket-path"];
        let running = setup.sandbox.sentinel(options).args([socket]).args(["--", "touch", "ran"]).spawn();
        setup.sts.wait_for_calls("GetSessionToken", 1);
        let warden = process::children(running.pid());
        assert_eq!(warden.len(), 1);
        running.signal(signal);
        process::wait_until_gone(running.pid());
        // By itself: what is left in the group is killed only by finish().
        process::wait_until_gone(warden[0]);
        let done = running.finish();
        assert_eq!(done.code(), code, "{done}");
        setup.assert_nothing_is_left();
        assert!(!setup.sandbox.path("home/ran").exists());
        drop(gate);
    }
}

#[test]
fn what_sigkill_leaves_is_removed_by_the_next_start() {
    let setup = Setup::new();
    for number in 1..=2 {
        let running = setup.sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--lazy", "--"]);
        let running = setup.up(if number == 1 { running.args(STAYS) } else { setup.exec_at(&STAYS) });
        let left = setup.directories();
        running.signal("KILL");
        assert_eq!(running.finish().code(), 137);
        assert_eq!(setup.directories(), left, "SIGKILL leaves nothing?");
        let next = if number == 1 { setup.exec(&["true"]) } else { setup.exec_at(&["true"]) };
        let done = next.run();
        assert_eq!(done.code(), 0, "{done}");
        setup.assert_nothing_is_left();
    }
}

#[test]
fn a_start_removes_nothing_of_a_sentinel_that_runs() {
    let setup = Setup::new();
    let running = setup.up(setup.exec(&STAYS));
    let [directory] = &setup.directories()[..] else { panic!("one directory") };
    // A stopped one serves nobody, and lives.
    running.signal("STOP");
    process::wait_for_state(running.pid(), 'T');
    for _ in 0..3 {
        assert_eq!(setup.exec(&["true"]).run().code(), 0);
        assert_eq!(names(directory), HELD);
    }
    running.signal("CONT");
    UnixStream::connect(directory.join("s.sock")).expect("it still serves");
    assert_eq!(running.finish().code(), 0);
    setup.assert_nothing_is_left();
}
