//! What tests run sentinel in: a private home, a clean environment, children that end with the test, and waits that
//! end with a sentence.
//!
//! ```ignore
//! let world = World::with_dev();
//! let done = world.sandbox.exec(&["--profile", "dev"], &["true"]).run();
//! assert_eq!(done.code(), 0, "{done}");
//! assert_eq!(world.sts.calls_of("AssumeRole").len(), 1);
//! ```

mod http;
mod invocation;
pub(crate) mod process;
mod running;
mod world;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use serde_json::Value;

pub(crate) use http::{REQUEST, read_answer};
pub(crate) use invocation::{Finished, Invocation};
pub(crate) use running::Running;
pub(crate) use world::World;

pub(crate) use crate::fake_sts::DEADLINE;
use crate::fake_sts::{Keys, Sts};

/// The program under test: what SENTINEL_UNDER_TEST names, else what cargo has just built.
pub(crate) fn sentinel() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os(UNDER_TEST) {
        Some(path) => path.into_string().expect("SENTINEL_UNDER_TEST is a path in UTF-8"),
        None => env!("CARGO_BIN_EXE_sentinel").to_owned(),
    })
}

/// Names another build of the program, by its absolute path.
pub(crate) const UNDER_TEST: &str = "SENTINEL_UNDER_TEST";

/// A private directory with a home, removed on drop.
pub(crate) struct Sandbox {
    root: PathBuf,
    endpoint: String,
}

impl Sandbox {
    /// A sandbox whose AWS is `sts`.
    pub(crate) fn new(sts: &Sts) -> Self {
        Self::with_endpoint(&sts.url())
    }

    /// A sandbox whose AWS is at this URL, where something may or may not listen.
    pub(crate) fn with_endpoint(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short: a Unix socket's path has 108 bytes.
        let root = std::env::temp_dir().join(format!("sn-{}-{number}", std::process::id()));
        let sandbox = Self { root, endpoint: url.to_owned() };
        fs::DirBuilder::new().mode(0o700).create(&sandbox.root).expect("create the sandbox");
        for directory in ["home", "home/.aws", "run", "state", "tmp"] {
            sandbox.directory(directory, 0o700);
        }
        sandbox
    }

    /// A path in the sandbox. `home`, `run` (XDG_RUNTIME_DIR), `state` (XDG_STATE_HOME) and `tmp` (TMPDIR) exist.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Creates a directory with exactly this mode.
    pub(crate) fn directory(&self, relative: &str, mode: u32) -> PathBuf {
        let path = self.path(relative);
        fs::DirBuilder::new().mode(0o700).create(&path).expect("create a directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    /// Writes a file with exactly this mode; what may be run with it, as a program.
    pub(crate) fn write(&self, relative: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(relative);
        match mode & 0o111 {
            0 => fs::write(&path, content).expect("write a file"),
            _ => write_program(&path, content),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    /// Replaces `~/.aws/config`.
    pub(crate) fn config(&self, content: &str) -> PathBuf {
        self.write("home/.aws/config", content, 0o600)
    }

    /// Replaces `~/.aws/credentials`, mode 0600.
    pub(crate) fn credentials(&self, content: &str) -> PathBuf {
        self.write("home/.aws/credentials", content, 0o600)
    }

    /// Adds a profile to both files: its keys to the one, `settings` (lines of `name = value`) to the other.
    pub(crate) fn profile(&self, name: &str, keys: &Keys, settings: &str) {
        let mut section = format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            keys.access_key_id, keys.secret_access_key
        );
        if let Some(token) = &keys.session_token {
            section.push_str(&format!("aws_session_token = {token}\n"));
        }
        self.append("home/.aws/credentials", &section);
        self.settings(name, settings);
    }

    /// Adds a profile without keys to `~/.aws/config`: a role, a chain, a process.
    pub(crate) fn settings(&self, name: &str, settings: &str) {
        self.append("home/.aws/config", &format!("[profile {name}]\n{settings}\n"));
    }

    /// The program under test, in this sandbox.
    pub(crate) fn sentinel<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Invocation {
        self.program(sentinel()).args(arguments)
    }

    /// `sentinel exec OPTIONS -- COMMAND`.
    pub(crate) fn exec(&self, options: &[&str], command: &[&str]) -> Invocation {
        self.sentinel(["exec"]).args(options).args(["--"]).args(command)
    }

    /// `sentinel exec --unix-socket OPTIONS -- sh -c SCRIPT`, where `$0` is sentinel.
    pub(crate) fn shell(&self, options: &[&str], script: &str) -> Invocation {
        self.exec(&[&["--unix-socket"], options].concat(), &["sh", "-c", script, sentinel()])
    }

    /// `sentinel exec OPTIONS -- python3 -u -c SCRIPT`: an attacker, or a client, inside the tree.
    pub(crate) fn python(&self, options: &[&str], script: &str) -> Invocation {
        self.exec(options, &[python(), "-u", "-c", script])
    }

    /// Any other program, with the same clean environment: an attacker outside the tree.
    pub(crate) fn program(&self, program: &str) -> Invocation {
        let home = self.path("home");
        Invocation::new(program, &home)
            .env("HOME", &home)
            .env("USER", "tester")
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_STS", &self.endpoint)
    }

    /// The decision log as it is written; empty where there is none.
    pub(crate) fn decision_log(&self) -> String {
        fs::read_to_string(self.path("state/sentinel/decisions.jsonl")).unwrap_or_default()
    }

    /// The decisions in it: its lines without those that open and close streams.
    pub(crate) fn decisions(&self) -> Vec<Value> {
        let log = self.decision_log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        lines.filter(|line| line.get("event").is_none()).collect()
    }

    /// The program as `nobody`: another user of the host. None where the tests do not run as root; then say so with
    /// [`skip`].
    pub(crate) fn as_nobody(&self, program: &str) -> Option<Invocation> {
        let ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
        is_root().then(|| self.program("setpriv").args(ids).args([program]).cwd(Path::new("/")))
    }

    /// Makes everything in the sandbox nobody's: for a sentinel that runs as another user than root.
    pub(crate) fn give_to_nobody(&self) {
        let status = Command::new("chown").args(["-R", "-h", "65534:65534"]).arg(&self.root).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot chown {}", self.root.display());
    }

    fn append(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).expect("open a file");
        file.write_all(text.as_bytes()).expect("append to a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root)
            && !std::thread::panicking()
        {
            panic!("cannot remove {}: {error}", self.root.display());
        }
    }
}

/// Copies a program and its mode. By a process of its own: what this one has open to write, every child that another test is
/// starting has open too for a moment, and the kernel runs nothing that somebody may be writing (ETXTBSY).
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-p").args([from, to]).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy {} to {}", from.display(), to.display());
}

/// The same for a script.
fn write_program(path: &Path, content: &str) {
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", r#"cat >"$1""#, "sh"]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().expect("a shell");
    shell.stdin.take().expect("piped").write_all(content.as_bytes()).expect("write a program");
    assert!(shell.wait().is_ok_and(|status| status.success()), "cannot write {}", path.display());
}

/// Says, past the test runner's capture, that a test did not run. Call it, then return.
pub(crate) fn skip(test: &str, why: &str) {
    writeln!(std::io::stderr(), "skipped: {test}: {why}").expect("stderr");
}

/// Whether the tests run as root and so may become somebody else.
pub(crate) fn is_root() -> bool {
    process::uid(std::process::id()) == Some(0)
}

/// The Python interpreter itself, not a version manager's script.
pub(crate) fn python() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let output = output.expect("python3 is needed by the tests");
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    })
}

/// Whether Python can import `module`.
pub(crate) fn python_has(module: &str) -> bool {
    let script = format!("import importlib.util, sys; sys.exit(importlib.util.find_spec({module:?}) is None)");
    Command::new(python()).args(["-c", &script]).status().is_ok_and(|status| status.success())
}

/// Asks until there is an answer, or fails with `what`: for states that cannot be waited for, such as /proc's.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = SystemClock.boot() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(SystemClock.boot() < end, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs it until it says Ok, three times at most: for what has to come within some seconds, which a stall of the whole machine may
/// take once. What is broken fails every time.
#[track_caller]
pub(crate) fn one_of_three<T>(mut run: impl FnMut() -> Result<T, String>) -> T {
    let mut failures = Vec::new();
    while failures.len() < 3 {
        match run() {
            Ok(result) => return result,
            Err(why) => failures.push(why),
        }
    }
    panic!("three times: {}", failures.join("; "));
}
