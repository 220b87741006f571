//! T25: nothing that sentinel starts for itself, takes over from a shell or adopts counts as part of the tree.
//!
//! Every attacker reads socket and token from the environment of the child, as any process of the user can.

use std::path::PathBuf;
use std::process::Command;

use crate::fake_sts::{Keys, Sts};
use crate::harness::{Invocation, Running, Sandbox, World, eventually, is_root, process, python, sentinel, skip};

const OUTSIDE: &str = include_str!("attackers/not_in_the_tree.py");
const INSIDE: &str = include_str!("attackers/in_the_tree.py");

/// The victim: tells its pid, then the refusal that a wrong token gets, then is served, then waits for a line.
const VICTIM: &str = r#"
import os, sys
sys.path.insert(0, os.environ["ATTACKERS"])
from not_in_the_tree import ask, deliver
path, token = os.environb[b"SENTINEL_UNIX_SOCKET"], os.environb[b"SENTINEL_AUTH_TOKEN"]
deliver(os.environ["REFERENCE"], ask(path, b"x" * 43))
deliver(os.environ["PIDFILE"], str(os.getpid()).encode())
print(ask(path, token)[:15].decode())
sys.stdin.readline()
print(ask(path, token)[:15].decode())
"#;

struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    alice: Keys,
}

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, alice } = World::new();
        sandbox.write("not_in_the_tree.py", OUTSIDE, 0o600);
        sandbox.write("in_the_tree.py", INSIDE, 0o600);
        Self { sts, sandbox, alice }
    }

    fn path(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// `program`, with the variables that the victim and the shell scripts use.
    fn run(&self, program: &str) -> Invocation {
        self.sandbox
            .program(program)
            .env("ATTACKERS", self.path(""))
            .env("ATTACKER", self.path("not_in_the_tree.py"))
            .env("REFERENCE", self.path("reference"))
            .env("PIDFILE", self.path("pid"))
            .env("SENTINEL", sentinel())
            .env("PYTHON", python())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("OUT", self.path("out"))
            .env("VICTIM", VICTIM)
    }

    /// The attacker as a program of its own, started by the test.
    fn attacker(&self, out: &str) -> [String; 3] {
        [self.path("not_in_the_tree.py"), self.path("pid"), self.path(out)]
    }

    /// What the attacker was answered, once it was.
    fn answer(&self, out: &str) -> String {
        read(&format!("the answer to {out}"), self.sandbox.path(out))
    }

    /// The attacker was refused as whoever has no token is, while the victim was and is served.
    #[track_caller]
    fn assert_refused(&self, victim: &mut Running, out: &str) {
        assert_eq!(victim.line(), "HTTP/1.1 200 OK");
        self.assert_alike(out);
    }

    #[track_caller]
    fn assert_alike(&self, out: &str) {
        let reference = self.answer("reference");
        assert!(reference.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{reference}");
        assert_eq!(self.answer(out), reference, "{out}");
    }

    #[track_caller]
    fn assert_still_served(&self, mut victim: Running) {
        victim.send("");
        assert_eq!(victim.line(), "HTTP/1.1 200 OK");
        let done = victim.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}

fn read(what: &str, path: PathBuf) -> String {
    eventually(what, || std::fs::read_to_string(&path).ok())
}

/// A namespace's helper program, if this host has it and allows it.
fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).arg("true").output().is_ok_and(|output| output.status.success())
}

const EXEC: &str = r#"exec "$SENTINEL" exec --profile base --unix-socket -- "$PYTHON" -u -c "$VICTIM""#;

#[test]
fn what_a_shell_left_across_exec_is_outside() {
    let setup = Setup::new();
    let background = r#""$PYTHON" "$ATTACKER" "$PIDFILE" "$OUT" >/dev/null </dev/null & "#;
    let mut victim = setup.run("sh").args(["-c", &format!("{background}{EXEC}")]).spawn();
    setup.assert_refused(&mut victim, "out");
    setup.assert_still_served(victim);
}

#[test]
fn an_orphan_that_came_to_a_shell_across_exec_is_outside() {
    let setup = Setup::new();
    let background = r#"("$PYTHON" "$ATTACKER" "$PIDFILE" "$OUT" double-fork >/dev/null </dev/null) & "#;
    let mut victim = setup.run("sh").args(["-c", &format!("{background}{EXEC}")]).spawn();
    setup.assert_refused(&mut victim, "out");
    setup.assert_still_served(victim);
}

/// A profile whose credential_process prints alice's keys and leaves an attacker behind.
fn with_helper(setup: &Setup, how: &str) {
    let json = setup.alice.printed();
    let script = format!(
        "#!/bin/sh\n\"$PYTHON\" \"$ATTACKER\" \"$PIDFILE\" \"$OUT\" {how} >/dev/null 2>&1 </dev/null {}\necho '{json}'\n",
        if how.is_empty() { "&" } else { "" }
    );
    let helper = setup.sandbox.write("helper", &script, 0o700);
    setup.sandbox.settings("helped", &format!("credential_process = {}\nregion = us-east-1", helper.display()));
}

#[test]
fn what_a_credential_process_leaves_behind_is_outside() {
    for how in ["", "double-fork"] {
        let setup = Setup::new();
        with_helper(&setup, how);
        let mut victim = setup
            .run(sentinel())
            .args(["exec", "--profile", "helped", "--unix-socket", "--", python(), "-u", "-c", VICTIM])
            .spawn();
        setup.assert_refused(&mut victim, "out");
        setup.assert_still_served(victim);
    }
}

#[test]
fn what_a_program_that_prints_a_code_leaves_behind_is_outside() {
    for how in ["", "double-fork"] {
        let setup = Setup::new();
        let serial = setup.sts.mfa_device(&setup.alice, "090807");
        let script = format!(
            "#!/bin/sh\n\"$PYTHON\" \"$ATTACKER\" \"$PIDFILE\" \"$OUT\" {how} >/dev/null 2>&1 </dev/null {}\necho 090807\n",
            if how.is_empty() { "&" } else { "" }
        );
        let helper = setup.sandbox.write("helper", &script, 0o700);
        let settings = format!("region = us-east-1\nmfa_serial = {serial}\nmfa_process = {}", helper.display());
        setup.sandbox.profile("helped", &setup.alice, &settings);
        let arguments = ["exec", "--profile", "helped", "--unix-socket", "--", python(), "-u", "-c", VICTIM];
        let mut victim = setup.run(sentinel()).args(arguments).spawn();
        setup.assert_refused(&mut victim, "out");
        setup.assert_still_served(victim);
    }
}

/// clone(CLONE_PARENT): the helper's child is sentinel's own child.
#[test]
fn a_sibling_that_a_helper_makes_is_outside() {
    const CLONE: &str = r#"
import ctypes, os, platform, sys
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
CLONE_PARENT, SIGCHLD = 0x8000, 17
sentinel = os.getppid()
pid = ctypes.CDLL(None).syscall(number, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    sys.path.insert(0, os.environ["ATTACKERS"])
    from not_in_the_tree import attack, deliver
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    deliver(os.environ["OUT"] + ".sibling", str(os.getppid() == sentinel).encode())
    attack(os.environ["PIDFILE"], os.environ["OUT"])
    os._exit(0)
print(os.environ["JSON"])
"#;
    let setup = Setup::new();
    let json = setup.alice.printed();
    let helper = setup.sandbox.write("clone.py", CLONE, 0o600);
    let command = format!("{} {}", python(), helper.display());
    setup.sandbox.settings("helped", &format!("credential_process = {command}\nregion = us-east-1"));
    let arguments = ["exec", "--profile", "helped", "--unix-socket", "--", python(), "-u", "-c", VICTIM];
    let mut victim = setup.run(sentinel()).args(arguments).env("JSON", json).spawn();
    setup.assert_refused(&mut victim, "out");
    assert_eq!(setup.answer("out.sibling"), "True");
    setup.assert_still_served(victim);
}

#[test]
fn the_shell_that_started_sentinel_and_its_other_children_are_outside() {
    let setup = Setup::new();
    // The parent is Python: it starts sentinel, then asks itself, and has a second child ask.
    let parent = r#"
import os, subprocess, sys
sys.path.insert(0, os.environ["ATTACKERS"])
from not_in_the_tree import attack
command = [os.environ["SENTINEL"], "exec", "--profile", "base", "--unix-socket", "--"]
victim = subprocess.Popen([*command, sys.executable, "-u", "-c", os.environ["VICTIM"]])
attack(os.environ["PIDFILE"], os.environ["OUT"])
subprocess.run([sys.executable, os.environ["ATTACKER"], os.environ["PIDFILE"], os.environ["OUT"] + ".sibling"], check=True)
sys.exit(victim.wait())
"#;
    let mut victim = setup.run(python()).args(["-u", "-c", parent]).spawn();
    setup.assert_refused(&mut victim, "out");
    setup.assert_alike("out.sibling");
    let stranger = setup.run(python()).args(setup.attacker("stranger")).run();
    assert_eq!(stranger.code(), 0, "{stranger}");
    setup.assert_alike("stranger");
    setup.assert_still_served(victim);
}

#[test]
fn what_sentinel_adopts_or_meets_in_its_own_pid_namespace_is_outside() {
    const NAME: &str = "what_sentinel_adopts_or_meets_in_its_own_pid_namespace_is_outside";
    let unshare: &[&str] = if is_root() { &["-pf", "--mount-proc"] } else { &["-Urpf", "--mount-proc"] };
    if !works("unshare", unshare) {
        return skip(NAME, "no pid namespace may be made here");
    }
    let setup = Setup::new();
    // Its orphan comes to pid 1, which is sentinel.
    with_helper(&setup, "double-fork");
    let arguments = ["exec", "--profile", "helped", "--unix-socket", "--", python(), "-u", "-c", VICTIM];
    let mut victim = setup.run("unshare").args(unshare).args([sentinel()]).args(arguments).spawn();
    setup.assert_refused(&mut victim, "out");

    // Whoever joins has a parent that cannot be seen, pid 0.
    let sentinel = eventually("sentinel in its namespace", || process::children(victim.pid()).first().copied());
    let target = sentinel.to_string();
    let join: &[&str] = if is_root() { &["-t", &target, "-p", "-m"] } else { &["-t", &target, "-U", "-p", "-m"] };
    let joined = setup.run("nsenter").args(join).args([python()]).args(setup.attacker("joined")).run();
    assert_eq!(joined.code(), 0, "{joined}");
    setup.assert_alike("joined");
    setup.assert_still_served(victim);
}

#[test]
fn what_the_child_starts_is_inside_wherever_it_goes() {
    let setup = Setup::new();
    let unshare: &[&str] = if is_root() { &["unshare", "-pf"] } else { &["unshare", "-Urpf"] };
    let namespaces = works(unshare[0], &unshare[1..]);
    let script = setup.path("in_the_tree.py");
    let mut command = vec!["exec", "--profile", "base", "--unix-socket", "--", python(), "-u", &script];
    let directory = setup.path("");
    if namespaces {
        command.push(&directory);
        command.extend(unshare);
    } else {
        skip("what_the_child_starts_is_inside_wherever_it_goes", "(in part) no pid namespace may be made here");
    }
    let done = setup.run(sentinel()).args(command).run();
    let mut expected = "self 200\ngrandchild 200\ndaemon 200\nnested subreaper 200\n".to_owned();
    if namespaces {
        expected.push_str("pid namespace True 200\n");
    }
    assert_eq!((done.code(), done.stdout.as_str()), (0, expected.as_str()), "{done}");
}

/// A child that ends and leaves a daemon behind, which asks when it is told to.
const LEAVES_A_DAEMON: &str = r#"
import os, sys
sys.path.insert(0, os.environ["ATTACKERS"])
from in_the_tree import status
if os.fork() == 0:
    os.setsid()
    sys.stdin.readline()
    try:
        print(status())
    except OSError as error:
        print(error.strerror)
    sys.stdin.readline()
    os._exit(0)
print(os.getpid())
os._exit(5)
"#;

#[test]
fn a_daemon_is_not_served_after_the_child_has_ended() {
    let setup = Setup::new();
    let arguments = ["exec", "--profile", "base", "--unix-socket", "--", python(), "-u", "-c", LEAVES_A_DAEMON];
    let mut run = setup.run(sentinel()).args(arguments).spawn();
    run.line();
    process::wait_until_gone(run.pid());
    run.send("ask");
    assert_eq!(run.line(), "No such file or directory");
    run.send("end");
    assert_eq!(run.finish().code(), 5);
}

#[test]
fn with_wait_tree_a_daemon_is_served_after_the_child_has_ended() {
    let setup = Setup::new();
    let arguments =
        ["exec", "--profile", "base", "--unix-socket", "--wait-tree", "--", python(), "-u", "-c", LEAVES_A_DAEMON];
    let mut run = setup.run(sentinel()).args(arguments).spawn();
    let child = run.line().parse().expect("a pid");
    process::wait_until_gone(child);
    run.send("ask");
    assert_eq!(run.line(), "200");
    // The token is in the daemon's environment as well, and opens nothing for others.
    let warden = *process::children(run.pid()).first().expect("the warden");
    // The child may not have been waited for yet.
    let daemon = eventually("the daemon alone", || match process::children(warden)[..] {
        [one] if one != child => Some(one),
        _ => None,
    });
    setup.sandbox.write("pid", &daemon.to_string(), 0o600);
    let stranger = setup.run(python()).args(setup.attacker("stranger")).run();
    assert_eq!(stranger.code(), 0, "{stranger}");
    assert!(setup.answer("stranger").starts_with("HTTP/1.1 403 Forbidden\r\n"));
    run.send("end");
    let done = run.finish();
    assert_eq!((done.code(), done.stderr.contains("refused pid")), (5, true), "{done}");
}
