//! T7 and T21 for tokens in files: nobody else can read one or put another in its place, an old one opens nothing, and none is
//! left.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{Running, is_root, process, sentinel, skip};
use crate::wire::{FORBIDDEN, Served, Transport};

/// What attackers begin with: `token()` is what the file holds now, `changed(old)` waits for another.
const FILES: &str = r#"
variables = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "SENTINEL_AUTH_TOKEN_FILE"
FILE = next(os.environ[name] for name in variables if name in os.environ)
def token():
    return open(FILE, "rb").read()
def changed(old):
    end = time.monotonic() + LIMIT_S
    while token() == old:
        assert time.monotonic() < end, "the token stays"
        select.select([], [], [], 0.01)
    return token()
"#;

/// A served tree whose token is in `own/token`.
struct WithFile {
    served: Served,
    path: PathBuf,
}

impl WithFile {
    fn over(transport: Transport) -> Self {
        let served = Served::over(transport);
        let path = served.sandbox.directory("own", 0o700).join("token");
        Self { served, path }
    }

    fn over_both(attack: impl Fn(Self) + Sync) {
        std::thread::scope(|scope| {
            for transport in [Transport::Unix, Transport::Tcp] {
                let attack = &attack;
                scope.spawn(move || attack(Self::over(transport)));
            }
        });
    }

    fn options<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let path = self.path.to_str().expect("UTF-8");
        let always = ["--profile", "base", self.served.transport.option(), "--token-file", path];
        [&always, more].concat()
    }

    /// A script inside the tree, whose client has the token of its start.
    fn inside(&self, more: &[&str], script: &str) -> crate::harness::Invocation {
        let read = "for name in ('SENTINEL_AUTH_TOKEN', 'AWS_CONTAINER_AUTHORIZATION_TOKEN'):\n    assert name not in os.environ\n\
                    \x20   if name + '_FILE' in os.environ: os.environ[name] = open(os.environ[name + '_FILE']).read()\n";
        let script = format!("import os\n{read}{}\n{FILES}\n{script}", crate::wire::CLIENT);
        self.served.sandbox.python(&self.options(more), &script)
    }

    fn idle(&self, more: &[&str]) -> Running {
        let mut idle = self.inside(more, "say('up')\nsys.stdin.read()").spawn();
        assert_eq!(idle.line(), "up");
        idle
    }
}

#[test]
fn a_token_is_in_its_file_alone_and_gone_with_it() {
    WithFile::over_both(|with| {
        let script = "say(token().decode())\nsay(status(once(ask(token()))))\nsys.stdin.read()";
        let mut inside = with.inside(&["--log-stderr", "--debug"], script).spawn();
        let token = inside.line();
        assert_eq!((token.len(), inside.line().as_str()), (43, "200"));
        let found = fs::symlink_metadata(&with.path).expect("the file");
        assert_eq!((found.mode() & 0o7777, found.len()), (0o600, 43));
        let environment = fs::read(format!("/proc/{}/cmdline", inside.pid())).expect("arguments");
        assert!(!String::from_utf8_lossy(&environment).contains(&token));
        inside.close_stdin();
        let done = inside.finish();
        assert_eq!(done.code(), 0, "{done}");
        assert!(!done.stderr.contains(&token) && !with.served.sandbox.decision_log().contains(&token), "{done}");
        let left: Vec<_> = fs::read_dir(with.path.parent().expect("a directory")).expect("a listing").collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn an_old_token_is_refused_once_the_overlap_is_over() {
    WithFile::over_both(|with| {
        let script = r#"
first = token()
second = changed(first)
say(status(once(ask(first))), status(once(ask(second))))
end = time.monotonic() + LIMIT_S
while status(refusal := once(ask(first))) == 200:
    assert time.monotonic() < end, "the old token stays"
    select.select([], [], [], 0.01)
say(refusal.hex())
say(status(once(ask(token()))), len({first, second, token()}))
"#;
        let done = with.inside(&["--token-rotation", "4s"], script).run();
        let lines: Vec<&str> = done.stdout.lines().collect();
        let forbidden: String = FORBIDDEN.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((lines[0], lines[1]), ("200 200", forbidden.as_str()), "{done}");
        assert!(["200 2", "200 3"].contains(&lines[2]), "{done}");
    });
}

#[test]
fn a_token_read_from_the_file_opens_nothing_outside_the_tree() {
    WithFile::over_both(|with| {
        let script = "say(PATH)\nsys.stdin.read()\nsay(status(once(ask(token()))))";
        let mut inside = with.inside(&["--token-rotation", "1s"], script).spawn();
        let stolen = inside.line();
        // Another process of the same user reads it whenever it likes.
        let attack = format!(
            "FILE = {:?}\nanswers = [once(ask(open(FILE, 'rb').read())) for _ in range(20)]\n\
                              say(*sorted({{one.hex() for one in answers}}))",
            with.path
        );
        let done = with.served.outside(&format!("{stolen} -"), &attack).run();
        let forbidden: String = FORBIDDEN.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(done.stdout.trim(), forbidden, "{done}");
        inside.close_stdin();
        assert_eq!(inside.line(), "200");
    });
}

/// A token that belongs to the first process which uses it stays that process's when it is replaced.
#[test]
fn a_replaced_token_is_still_the_winners() {
    let with = WithFile::over(Transport::Tcp);
    let script = r#"
first = token()
say(status(once(ask(first))))
second = changed(first)
child = os.fork()
if child == 0:
    # Of the tree, and the first that uses this token.
    say(status(once(ask(second))))
    os._exit(0)
os.waitpid(child, 0)
say(status(once(ask(second))))
"#;
    let done = with.inside(&["--bind", "process", "--token-rotation", "3s"], script).run();
    assert_eq!(done.stdout, "200\n403\n200\n", "{done}");
}

/// Runs `exec` and wants a refusal of exactly this sentence; the child must not run, and what is there must stay.
#[track_caller]
fn refused(with: &WithFile, path: &str, expected: &str) {
    let run = with.served.sandbox.sentinel(["exec", "--profile", "base", "--server", "--lazy", "--token-file", path]);
    let done = run.args(["--", "touch", "ran"]).run();
    assert!(!with.served.sandbox.path("home/ran").exists(), "the child ran: {done}");
    let said = done.stderr.lines().next().unwrap_or_default();
    assert_eq!((done.code(), said), (125, format!("sentinel: {expected}").as_str()), "{done}");
}

#[test]
fn a_place_where_others_could_put_theirs_is_refused() {
    let with = WithFile::over(Transport::Tcp);
    let sandbox = &with.served.sandbox;
    let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
    for mode in [0o1777, 0o770, 0o703] {
        let name = format!("open-{mode:o}");
        let directory = text(sandbox.directory(&name, mode));
        let expected = format!("others may write to the directory {directory} (mode {mode:04o})");
        refused(&with, &format!("{directory}/token"), &expected);
    }
    let token = text(with.path.clone());
    let taken = |why: &str| format!("the token file {token} is taken: {why}");
    let precious = sandbox.write("precious", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0o600);
    symlink(&precious, &with.path).expect("a link");
    refused(&with, &token, &taken("it is a symbolic link"));
    fs::remove_file(&with.path).expect("removed");
    fs::copy(sandbox.path("home/.aws/credentials"), &with.path).expect("copied");
    refused(&with, &token, &taken("it holds something else than a token"));
    assert!(fs::read_to_string(&with.path).expect("it stays").contains("aws_access_key_id"));
    fs::remove_file(&with.path).expect("removed");
    assert_eq!(fs::read_to_string(&precious).expect("it stays").len(), 43);
    let first = with.idle(&[]);
    refused(&with, &token, &taken("another sentinel writes it"));
    assert_eq!(first.finish().code(), 0);
    if !is_root() {
        return skip(
            "a_place_where_others_could_put_theirs_is_refused",
            "it takes root to give files away; the rest runs",
        );
    }
    fs::write(&with.path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a file");
    chown(&with.path, Some(65534), Some(65534)).expect("chown");
    refused(&with, &token, &taken("it belongs to uid 65534"));
    let directory = sandbox.directory("foreign", 0o755);
    chown(&directory, Some(65534), Some(65534)).expect("chown");
    let directory = text(directory);
    refused(&with, &format!("{directory}/token"), &format!("the directory {directory} belongs to uid 65534"));
}

/// A link that is put there later is replaced, and what it leads to is left alone.
#[test]
fn a_link_in_the_files_place_is_replaced_and_not_followed() {
    let with = WithFile::over(Transport::Tcp);
    let precious = with.served.sandbox.write("precious", "precious", 0o644);
    let script = r#"
say("up")
sys.stdin.readline()
first = token()
second = changed(first)
say(status(once(ask(second))))
"#;
    let mut inside = with.inside(&["--token-rotation", "1s"], script).spawn();
    assert_eq!(inside.line(), "up");
    for name in ["token", "token.sentinel-new"] {
        let path = with.path.with_file_name(name);
        fs::remove_file(&path).ok();
        // What is in its way may also be the next token.
        let _raced = symlink(&precious, &path);
    }
    inside.send("go");
    assert_eq!(inside.line(), "200");
    assert_eq!(fs::read_to_string(&precious).expect("it stays"), "precious");
    assert_eq!(fs::metadata(&precious).expect("it stays").permissions().mode() & 0o777, 0o644);
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn it_is_gone_after_a_signal_and_taken_over_after_a_kill() {
    let with = WithFile::over(Transport::Tcp);
    for signal in ["TERM", "HUP", "INT"] {
        let idle = with.idle(&[]);
        idle.signal(signal);
        let _any = idle.finish();
        assert!(!with.path.exists(), "{signal}");
    }
    let idle = with.idle(&[]);
    let pid = idle.pid();
    idle.signal("KILL");
    drop(idle);
    process::wait_until_gone(pid);
    let left = fs::read(&with.path).expect("SIGKILL leaves it");
    let done = with.inside(&[], "say(status(once(ask(token()))))").run();
    assert_eq!(done.stdout, "200\n", "{done}");
    assert_eq!(left.len(), 43);
    assert!(!with.path.exists());
}

/// From its first instant: what creates it says so, whatever the umask is. The kernel's own list of calls is the witness.
#[test]
fn no_moment_exists_in_which_others_could_read_it() {
    const NAME: &str = "no_moment_exists_in_which_others_could_read_it";
    let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !traced.is_ok_and(|status| status.success()) {
        return skip(NAME, "strace is not installed, or may not trace");
    }
    let with = WithFile::over(Transport::Tcp);
    let trace = with.served.sandbox.path("trace");
    let script = r#"umask 0; exec strace -f -qq -y -e trace=openat,fchmod,fchown,fchownat,renameat,renameat2,unlinkat -o "$0" "$@""#;
    let run = with.served.sandbox.program("sh").args(["-c", script]).args([&trace]).args([sentinel(), "exec"]);
    let first = "FILE=$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; T=$(cat $FILE); until [ \"$(cat $FILE)\" != \"$T\" ]; do :; done";
    let done = run.args(with.options(&["--token-rotation", "1s", "--lazy"])).args(["--", "sh", "-c", first]).run();
    assert_eq!(done.code(), 0, "{done}");
    let trace = fs::read_to_string(&trace).expect("a trace");
    // Where another thread's call comes between, strace breaks a line off after the arguments.
    let is_private = |line: &str| line.contains(", 0600)") || line.contains(", 0600 <unfinished");
    let creates: Vec<&str> = trace.lines().filter(|line| line.contains("\"token.sentinel-new\", O_")).collect();
    assert!(creates.len() >= 2, "{trace}");
    for line in creates {
        assert!(line.contains("O_CREAT|O_EXCL") && line.contains("O_NOFOLLOW") && is_private(line), "{line}");
    }
    let named: Vec<&str> =
        trace.lines().filter(|line| line.contains("O_CREAT") && line.contains("\"token\"")).collect();
    assert_eq!(named, Vec::<&str>::new(), "it gets its name when it is whole");
    let modes: Vec<&str> =
        trace.lines().filter(|line| line.contains("fchmod(") && line.contains("token.sentinel-new")).collect();
    assert!(modes.len() >= 2 && modes.iter().all(|line| is_private(line)), "{modes:?}");
}

/// With a group: to read, and for that group alone.
#[test]
fn a_group_may_read_it_where_it_is_named() {
    if !is_root() {
        return skip("a_group_may_read_it_where_it_is_named", "it takes root to give a file to a group");
    }
    let with = WithFile::over(Transport::Tcp);
    let idle = with.idle(&["--token-group", "65534"]);
    let found = fs::metadata(&with.path).expect("the file");
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (0, 65534, 0o640));
    assert_eq!(idle.finish().code(), 0);
}
