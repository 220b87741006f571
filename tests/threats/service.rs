//! Services for attackers: a real `sentinel serve`, and clients of other users. All of it needs root.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{Finished, Invocation, Running, World, is_root, sentinel, skip};
use crate::wire::CLIENT;

/// A Python that every user may run.
pub(super) const PYTHON: &str = "/usr/bin/python3";
/// Two services' users, and somebody else's.
pub(super) const WEB: u32 = 61_001;
pub(super) const DB: u32 = 61_002;
pub(super) const OTHER: u32 = 61_003;

/// Says what came of one request: the role whose credentials came, else the status, else `dropped`.
pub(super) const ASKING: &str = r#"
def told(raw):
    if raw[9:12] != b"200":
        return raw[9:12].decode() or "dropped"
    return json.loads(raw.partition(b"\r\n\r\n")[2])["RoleArn"].rpartition("/")[2]


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
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// A running service, with the profiles `web` and `db`, each of the role of that name.
pub(super) struct Service {
    pub(super) running: Running,
    pub(super) open: Open,
    pub(super) world: World,
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
        let open = Open::new();
        let mut running = serve(&world, before, &open.socket(), options).spawn();
        running.error_line("serving on ");
        Self { running, open, world }
    }

    /// A script of this user's and group's, behind client.py.
    pub(super) fn client(&self, uid: u32, script: &str) -> Invocation {
        self.as_user(uid, &[PYTHON, "-u", "-c", &format!("{CLIENT}\n{ASKING}\n{script}")])
    }

    /// Any program of this user's and group's, that knows the socket.
    pub(super) fn as_user(&self, uid: u32, program: &[&str]) -> Invocation {
        let id = uid.to_string();
        let ids = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        self.knowing("setpriv").args(ids).args(program)
    }

    /// Any program of root's, that knows the socket.
    pub(super) fn knowing(&self, program: &str) -> Invocation {
        let run = self.world.sandbox.program(program).cwd(Path::new("/"));
        run.env("SENTINEL_UNIX_SOCKET", self.open.socket()).env("SENTINEL_AUTH_TOKEN", "none")
    }

    /// What this user is told who asks once.
    #[track_caller]
    pub(super) fn told(&self, uid: u32) -> String {
        said(&self.client(uid, "say(told(once(ask(None))))").run())
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
