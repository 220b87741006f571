//! Services for attackers: a real `sentinel serve`, and clients of other users. All of it needs root.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::harness::{Finished, Invocation, Running, World, is_root, sentinel, skip};
use crate::wire::{CLIENT, Transport};

/// A Python that every user may run.
pub(super) const PYTHON: &str = "/usr/bin/python3";
/// Two services' users, and somebody else's.
pub(super) const WEB: u32 = 61_001;
pub(super) const DB: u32 = 61_002;
pub(super) const OTHER: u32 = 61_003;

/// Says what came of one request: the role whose credentials came, else the status, else `dropped`. `once` asks again while it
/// is told that the credentials are still being fetched, which a service does at the first request: that is no refusal.
pub(super) const ASKING: &str = r#"
at_once = once


def once(*words):
    while (raw := at_once(*words))[9:12] == b"503":
        pass
    return raw


def told(raw):
    if raw[9:12] != b"200":
        return raw[9:12].decode() or "dropped"
    body = json.loads(raw.partition(b"\r\n\r\n")[2])
    # The metadata endpoint says it in the path.
    return body["RoleArn"].rpartition("/")[2] if "RoleArn" in body else ROLE.decode()


def key(raw):
    return json.loads(raw.partition(b"\r\n\r\n")[2])["AccessKeyId"]
"#;

/// A directory that every user may enter, and only root write to.
pub(super) struct Open(pub(super) PathBuf);

impl Open {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sn-open-{}-{number}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        Self(path)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("s.sock")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || thread::panicking(), "{removed:?}");
    }
}

/// A running service, with the profiles `web` and `db`, each of the role of that name.
pub(super) struct Service {
    pub(super) running: Running,
    pub(super) open: Open,
    pub(super) world: World,
    /// Where clients find it, and what they show, as variables.
    pub(super) found: Vec<(&'static str, String)>,
}

impl Service {
    /// Runs `sentinel serve ecs` with these options; nothing, said by name, where the tests are not root's.
    pub(super) fn start(test: &str, options: &[&str]) -> Option<Self> {
        Self::start_in(test, &[], options)
    }

    /// The same behind these words.
    pub(super) fn start_in(test: &str, before: &[&str], options: &[&str]) -> Option<Self> {
        if !is_root() {
            skip(test, "it takes root to be several users");
            return None;
        }
        let world = World::new();
        world.role("web", "base", "");
        world.role("db", "base", "");
        Some(Self::start_with(world, before, options))
    }

    pub(super) fn start_with(world: World, before: &[&str], options: &[&str]) -> Self {
        Self::start_over(Transport::UnixService, world, before, options)
    }

    /// The same attack on services over each of these, all started in this way; nothing where the tests are not root's.
    pub(super) fn over_each(
        test: &str,
        transports: &[Transport],
        (before, options): (&[&str], &[&str]),
        attack: impl Fn(Self, Transport) + Sync,
    ) {
        if !is_root() {
            return skip(test, "it takes root to be several users");
        }
        let attack = &attack;
        thread::scope(|scope| {
            for &transport in transports {
                let start = move || {
                    let world = World::new();
                    world.role("web", "base", "");
                    world.role("db", "base", "");
                    attack(Self::start_over(transport, world, before, options), transport);
                };
                let named = thread::Builder::new().name(format!("over {transport:?}"));
                named.spawn_scoped(scope, start).expect("a thread");
            }
        });
    }

    fn start_over(transport: Transport, world: World, before: &[&str], options: &[&str]) -> Self {
        let open = Open::new();
        let (socket, token) = (open.socket(), open.0.join("token"));
        let mut running = if transport == Transport::UnixService {
            serve(&world, before, &socket, options).spawn()
        } else {
            let words = [before, &[sentinel(), "serve"]].concat();
            let run = world.sandbox.program(words[0]).args(&words[1..]);
            let run = if transport.is_metadata() {
                run.args(["ec2", "--imds-address", "127.0.0.1:0"])
            } else {
                run.args(["ecs", "--address", "127.0.0.1:0", "--token-file"]).args([&token])
            };
            run.args(options).spawn()
        };
        let line = running.error_line("serving on ");
        let at = line.split_once("serving on ").expect("a place").1.trim_start_matches("imds ");
        let at = at.split_once(',').expect("a deployment").0;
        let found = match transport {
            Transport::UnixService => {
                vec![("SENTINEL_UNIX_SOCKET", at.to_owned()), ("SENTINEL_AUTH_TOKEN", "none".to_owned())]
            }
            Transport::ImdsService => vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{at}"))],
            _ => vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{at}/")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", fs::read_to_string(token).expect("a token")),
            ],
        };
        Self { running, open, world, found }
    }

    /// A script of this user's and group's, behind client.py.
    pub(super) fn client(&self, uid: u32, script: &str) -> Invocation {
        self.as_user(uid, &[PYTHON, "-u", "-c", &format!("{CLIENT}\n{ASKING}\n{script}")])
    }

    /// Any program of this user's and group's, that knows where the service is.
    pub(super) fn as_user(&self, uid: u32, program: &[&str]) -> Invocation {
        let id = uid.to_string();
        let ids = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        let run = self.knowing("setpriv").args(ids).args(program);
        if uid == DB { run.env("METADATA_ROLE", "db") } else { run }
    }

    /// Any program of root's, that knows where the service is.
    pub(super) fn knowing(&self, program: &str) -> Invocation {
        // Nobody but root may enter the sandbox's home.
        let run = self.world.sandbox.program(program).cwd(Path::new("/")).env("HOME", "/nonexistent");
        self.found.iter().fold(run.env("METADATA_ROLE", "web"), |run, (name, value)| run.env(name, value))
    }

    /// A script of root's, behind client.py, that may become whoever it likes.
    pub(super) fn told_to_root(&self, script: &str) -> String {
        said(&self.knowing(PYTHON).args(["-u", "-c", &format!("{CLIENT}\n{ASKING}\n{script}")]).run())
    }

    /// What this user is told who asks once.
    #[track_caller]
    pub(super) fn told(&self, uid: u32) -> String {
        said(&self.client(uid, "say(told(once(ask())))").run())
    }

    /// Ends it, and gives what it said.
    #[track_caller]
    pub(super) fn end(self) -> String {
        self.running.signal("TERM");
        let done = self.running.finish();
        assert_eq!(done.code(), 0, "{done}");
        assert_eq!(fs::read_dir(&self.open.0).expect("a listing").count(), 0, "something is left");
        done.stderr
    }
}

/// `sentinel serve ecs` on this socket, which everybody may connect to.
pub(super) fn serve(world: &World, before: &[&str], socket: &Path, options: &[&str]) -> Invocation {
    let words = [before, &[sentinel()]].concat();
    let run = world.sandbox.program(words[0]).args(&words[1..]).args(["serve", "ecs", "--socket"]).args([socket]);
    if options.contains(&"--socket-mode") {
        run.args(options)
    } else {
        run.args(["--socket-mode", "0666"]).args(options)
    }
}

/// The one line that was said.
#[track_caller]
pub(super) fn said(done: &Finished) -> String {
    assert_eq!(done.code(), 0, "{done}");
    done.stdout.trim_end().to_owned()
}
