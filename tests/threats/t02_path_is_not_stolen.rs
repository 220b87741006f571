//! T2: what is at the socket's path already is left alone, unless it is a socket of ours that nobody serves.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::fake_sts::Sts;
use crate::harness::{Invocation, Running, Sandbox, World, eventually, is_root, process, python, sentinel, skip};

const CLIENT: &str = include_str!("attackers/client.py");
const STEP: &str = include_str!("attackers/step.py");
const STEAL: &str = include_str!("attackers/steal_path.py");
const HINT: &str = "  give another path with --unix-socket-path (exec) or --socket (serve)\n";

/// Who wants the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Exec,
    Service,
}

struct Setup {
    _sts: Sts,
    sandbox: Sandbox,
    path: PathBuf,
}

impl Setup {
    const BOTH: [Server; 2] = [Server::Exec, Server::Service];

    fn new() -> Self {
        let World { sts, sandbox, .. } = World::new();
        let path = sandbox.directory("own", 0o700).join("s.sock");
        Self { _sts: sts, sandbox, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    fn arguments(&self) -> [&str; 7] {
        ["exec", "--unix-socket", "--lazy", "--profile", "base", "--unix-socket-path", self.path()]
    }

    fn sentinel(&self) -> Invocation {
        self.sandbox.sentinel(self.arguments()).args(["--"])
    }

    /// Starts one that serves.
    #[track_caller]
    fn serves(&self, server: Server) -> Running {
        let mut running = if server == Server::Exec { self.serving() } else { self.service().spawn() };
        Self::wait_for(&mut running, server);
        running
    }

    #[track_caller]
    fn wait_for(running: &mut Running, server: Server) {
        match server {
            Server::Exec => assert_eq!(running.line(), "200"),
            Server::Service => drop(running.error_line("serving on ")),
        }
    }

    /// The status with which one ends that is told to.
    fn end(running: Running, server: Server) -> i32 {
        if server == Server::Service {
            running.signal("TERM");
        }
        running.finish().code()
    }

    /// Starts a child that asks the socket, says what it got, and stays until its input ends.
    fn serving(&self) -> Running {
        // Who asks first may be told that the credentials are still being fetched.
        let ask = "stream = connect()\nwhile (found := status(ask(stream))) == '503': pass\nprint(found)";
        let script = format!("{CLIENT}\n{ask}\nsys.stdin.read()");
        self.sentinel().args([python(), "-u", "-c", &script]).spawn()
    }

    fn service(&self) -> Invocation {
        let uid = process::uid(std::process::id()).expect("a uid").to_string();
        self.sandbox.sentinel(["serve", "ecs", "--profile", "base", "--allow-uid", &uid, "--socket", self.path()])
    }

    /// Fails unless nobody can serve there, for this reason.
    #[track_caller]
    fn assert_refused(&self, why: &str) {
        for server in Self::BOTH {
            let (run, status) = match server {
                Server::Exec => (self.sentinel().args(["touch", "ran"]), 125),
                Server::Service => (self.service(), 1),
            };
            let done = run.run();
            assert!(!self.sandbox.path("home/ran").exists(), "the child ran: {done}");
            assert_eq!(done.code(), status, "{done}");
            let expected = format!("sentinel: the socket path {} is taken: {why}\n{HINT}", self.path());
            // A service may have said more before that.
            assert!(done.stderr == expected || server == Server::Service && done.stderr.ends_with(&expected), "{done}");
        }
    }

    /// The names beside the socket's path.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.parent().expect("a directory")).expect("a listing");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

/// What shows a replacement or a change.
fn facts(path: &Path) -> (u64, u32, u32, i64, i64) {
    let found = fs::symlink_metadata(path).expect("it is there");
    (found.ino(), found.mode(), found.uid(), found.mtime(), found.mtime_nsec())
}

#[test]
fn what_is_no_dead_socket_is_left_alone() {
    let setup = Setup::new();
    let target = setup.sandbox.write("target", "precious", 0o600);
    type Make<'a> = Box<dyn Fn(&Path) + 'a>;
    let makes: [(&str, Make<'_>); 5] = [
        ("a file", Box::new(|path| fs::write(path, "precious").expect("a file"))),
        ("a symbolic link", Box::new(|path| symlink(&target, path).expect("a link"))),
        ("a symbolic link", Box::new(|path| symlink("/nonexistent/x", path).expect("a link"))),
        ("a symbolic link", Box::new(|path| symlink(setup.sandbox.path("dead"), path).expect("a link"))),
        ("a directory", Box::new(|path| fs::create_dir(path).expect("a directory"))),
    ];
    drop(UnixListener::bind(setup.sandbox.path("dead")).expect("a socket"));
    for (what, make) in makes {
        make(&setup.path);
        let before = facts(&setup.path);
        setup.assert_refused(&format!("it is {what}"));
        assert_eq!(facts(&setup.path), before, "{what}");
        assert_eq!(setup.names(), ["s.sock"]);
        match what {
            "a file" => assert_eq!(fs::read_to_string(&setup.path).expect("text"), "precious"),
            "a directory" => fs::remove_dir(&setup.path).expect("removed"),
            _ => {}
        }
        drop(fs::remove_file(&setup.path));
    }
    assert_eq!(fs::read_to_string(&target).expect("text"), "precious");
    assert!(setup.sandbox.path("dead").exists());
}

#[test]
fn a_live_server_keeps_its_socket() {
    let setup = Setup::new();
    let listener = UnixListener::bind(&setup.path).expect("a socket");
    let before = facts(&setup.path);
    setup.assert_refused(&format!("a server (pid {}) listens on it", std::process::id()));
    assert_eq!(facts(&setup.path), before);
    // The first are their looks.
    for _ in Setup::BOTH {
        drop(listener.accept().expect("a connection"));
    }
    let client = UnixStream::connect(&setup.path).expect("the server is still there");
    let (_, served) = listener.accept().map(|(stream, _)| (client, stream)).expect("a connection");
    assert!(served.peer_addr().is_ok());
}

#[test]
fn a_dead_socket_of_ours_is_replaced() {
    let setup = Setup::new();
    for server in Setup::BOTH {
        drop(UnixListener::bind(&setup.path).expect("a socket"));
        let running = setup.serves(server);
        drop(UnixStream::connect(&setup.path).expect("it listens"));
        assert_eq!(Setup::end(running, server), 0);
        assert_eq!(setup.names(), [""; 0]);
    }
}

#[test]
fn a_dead_socket_of_another_user_is_left_alone() {
    const NAME: &str = "a_dead_socket_of_another_user_is_left_alone";
    if !is_root() {
        return skip(NAME, "needs root to make another user's socket");
    }
    let setup = Setup::new();
    drop(UnixListener::bind(&setup.path).expect("a socket"));
    chown(&setup.path, Some(65534), Some(65534)).expect("chown");
    let before = facts(&setup.path);
    setup.assert_refused("it is a socket of uid 65534");
    assert_eq!(facts(&setup.path), before);
}

#[test]
fn of_many_that_race_for_a_path_one_wins() {
    for server in [Server::Exec, Server::Service].repeat(3) {
        let setup = Setup::new();
        drop(UnixListener::bind(&setup.path).expect("a socket"));
        let start = || if server == Server::Exec { setup.serving() } else { setup.service().spawn() };
        let mut racers: Vec<Running> = (0..4).map(|_| start()).collect();
        let ended = |racer: &Running| process::state(racer.pid()) == Some('Z');
        eventually("three of four to lose", || (racers.iter().filter(|racer| ended(racer)).count() >= 3).then_some(()));
        let winner = racers.iter().position(|racer| !ended(racer)).expect("a winner");
        let mut winner = racers.remove(winner);
        for loser in racers {
            let done = loser.finish();
            done.failed_with(if server == Server::Exec { 125 } else { 1 }, &["is taken: "]);
            // Services say more before they listen.
            assert!(
                done.stdout.is_empty() && (server == Server::Service || done.stderr.lines().count() == 2),
                "{done}"
            );
        }
        Setup::wait_for(&mut winner, server);
        UnixStream::connect(&setup.path).expect("the winner's socket");
        assert_eq!(Setup::end(winner, server), 0);
        assert_eq!(setup.names(), [""; 0]);
    }
}

/// The one who has found a dead socket must not remove the live one that another has put there meanwhile.
#[test]
fn who_is_about_to_remove_a_dead_socket_has_it_alone() {
    let setup = Setup::new();
    drop(UnixListener::bind(&setup.path).expect("a socket"));
    let script = format!("{STEP}{STEAL}");
    let slow = setup.sandbox.program(python()).args(["-u", "-c", &script, sentinel()]);
    let mut slow = slow.args(setup.arguments()).args(["--", "echo", "served"]).spawn();
    assert_eq!(slow.line(), "paused");
    assert_eq!(setup.names(), ["s.sock", "s.sock.lock"]);
    setup.assert_refused("another sentinel serves on it");
    slow.send("go on");
    assert_eq!(slow.line(), "served");
    assert_eq!(slow.line(), "status 0");
}
