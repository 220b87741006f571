//! T14: no credential without an allow at the time of the request.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use serde_json::Value;

use super::asker::Asker;
use crate::fake_sts::{Fault, Sts};
use crate::harness::{Finished, Sandbox, World, is_root, sentinel, skip};

const ALLOW: &str = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
/// As long as the other.
const DENY: &str = r#"{"version":"1","rules":[{"name":"r","effect":"deny" }]}"#;

const UNREADABLE: &str = "the policy cannot be read";
const UNKNOWN: &str = "the caller's identity is not known";
const NO_MATCH: &str = "no matching rule";

/// The ways to credentials, as policies name them, with the arguments and the status of a refusal.
const MODES: [(&str, &[&str], i32); 3] =
    [("cli", &["exec"], 125), ("server", &["exec", "--unix-socket"], 125), ("credential_process", &["credentials"], 1)];

/// The role `dev`, and a policy that allows everything.
struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    policy: PathBuf,
}

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, .. } = World::with_dev();
        let policy = sandbox.write("policy.json", ALLOW, 0o644);
        Self { sts, sandbox, policy }
    }

    /// The decisions after the first `seen`, as effect, reason and mode.
    fn decided_after(&self, seen: usize) -> Vec<[String; 3]> {
        let text = |decision: &Value, name| decision[name].as_str().unwrap_or("(none)").to_owned();
        let decisions = self.sandbox.decisions();
        decisions[seen..].iter().map(|one| ["effect", "reason", "mode"].map(|name| text(one, name))).collect()
    }

    /// Runs one way to credentials, whose command would leave the file `started` behind.
    fn run(&self, arguments: &[&str], with_flag: bool) -> Finished {
        let mut run = self.sandbox.sentinel(arguments).args(["--profile", "dev"]);
        run = if with_flag {
            run.args([Path::new("--policy"), &self.policy])
        } else {
            run.env("SENTINEL_POLICY", &self.policy)
        };
        if arguments.contains(&"exec") {
            run = run.args(["--", "touch"]).args([self.started()]);
        }
        run.run()
    }

    fn started(&self) -> PathBuf {
        self.sandbox.path("started")
    }

    /// Fails if this way gave anything, or if that is not on record as a denial for this reason.
    #[track_caller]
    fn refuses(&self, what: &str, (mode, arguments, status): (&str, &[&str], i32), with_flag: bool, reason: &str) {
        let seen = self.sandbox.decisions().len();
        let done = self.run(arguments, with_flag);
        assert_eq!(done.code(), status, "{what}: {done}");
        assert_eq!(done.stdout, "", "{what}");
        assert!(!self.started().exists(), "{what}: the command ran: {done}");
        assert!(!done.stderr.contains("panicked"), "{what}: {done}");
        assert_eq!(self.decided_after(seen), [["deny", reason, mode].map(str::to_owned)], "{what}");
        assert_eq!(self.sts.calls_of("AssumeRole").len(), 0, "{what}");
    }

    /// A client in a tree that this policy rules.
    fn asker(&self, options: &[&str]) -> Asker {
        Asker::start(&self.sandbox, &[&["--policy", self.policy.to_str().expect("UTF-8")], options].concat())
    }
}

fn rule(members: &str) -> String {
    format!(r#"{{"version":"1","rules":[{{"name":"r","effect":"allow",{members}}}]}}"#)
}

fn when(time: &str) -> String {
    rule(&format!(r#""conditions":{{"time":{time}}}"#))
}

/// A time of day in UTC, some minutes from now.
fn clock(minutes: i64) -> String {
    (SystemClock.wall() + jiff::SignedDuration::from_mins(minutes)).strftime("%H:%M").to_string()
}

/// Something at the policy's path that is not a consent.
enum Found {
    Text(String),
    Bytes(Vec<u8>),
    /// A policy that allows, with this mode.
    Mode(u32),
    Nothing,
    Directory,
    Fifo,
    Socket,
    Link(PathBuf),
    /// A policy that allows, of another user.
    OfNobody,
}

impl Found {
    fn put(&self, path: &Path) {
        match fs::symlink_metadata(path) {
            Ok(old) if old.is_dir() => fs::remove_dir(path).expect("remove a directory"),
            Ok(_) => fs::remove_file(path).expect("remove a file"),
            Err(_) => {}
        }
        let write = |bytes: &[u8], mode| {
            fs::write(path, bytes).expect("write a file");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
        };
        match self {
            Self::Text(text) => write(text.as_bytes(), 0o644),
            Self::Bytes(bytes) => write(bytes, 0o644),
            Self::Mode(mode) => write(ALLOW.as_bytes(), *mode),
            Self::Nothing => {}
            Self::Directory => fs::create_dir(path).expect("create a directory"),
            Self::Fifo => {
                let made = std::process::Command::new("mkfifo").arg(path).status();
                assert!(made.expect("mkfifo").success());
            }
            Self::Socket => drop(UnixListener::bind(path).expect("bind a socket")),
            Self::Link(target) => symlink(target, path).expect("a link"),
            Self::OfNobody => {
                write(ALLOW.as_bytes(), 0o644);
                chown(path, Some(65534), Some(65534)).expect("chown");
            }
        }
    }
}

/// Everything that must not give credentials, with the reason that goes on record.
fn refused(setup: &Setup) -> Vec<(&'static str, Found, &'static str)> {
    let day = (SystemClock.wall() + Duration::from_secs(3 * 86_400)).strftime("%A").to_string().to_lowercase();
    let hours = |from, to, zone| {
        when(&format!(r#"{{"hours":{{"start":"{}","end":"{}"}},"timezone":"{zone}"}}"#, clock(from), clock(to)))
    };
    // Cut at any length it would still be a policy.
    let huge = format!("{ALLOW}{}", " ".repeat(1 << 20));
    let text = |text: &str| Found::Text(text.to_owned());
    let mut refused = vec![
        ("a denial", text(DENY), "denied by the rule r"),
        ("another profile's", Found::Text(rule(r#""conditions":{"profiles":["de","dev?","Dev"]}"#)), NO_MATCH),
        ("another day", Found::Text(when(&format!(r#"{{"days":["{day}"],"timezone":"UTC"}}"#))), NO_MATCH),
        ("another hour", Found::Text(hours(120, 180, "UTC")), NO_MATCH),
        ("now, in another zone", Found::Text(hours(-60, 60, "Asia/Tokyo")), NO_MATCH),
        ("an unknown zone", Found::Text(hours(-60, 60, "Europe/Atlantis")), UNREADABLE),
        ("an unknown field of a rule", Found::Text(rule(r#""condition":{}"#)), UNREADABLE),
        ("an unknown condition", Found::Text(rule(r#""conditions":{"profile":["dev"]}"#)), UNREADABLE),
        ("an unknown field of time", Found::Text(when(r#"{"timezone":"UTC","until":"09:00"}"#)), UNREADABLE),
        ("an unknown field", text(&ALLOW.replacen('{', r#"{"deny":true,"#, 1)), UNREADABLE),
        ("a field twice", Found::Text(rule(r#""effect":"allow""#)), UNREADABLE),
        ("a demand that nobody can meet", text(&ALLOW.replace("allow", "require_approval")), UNREADABLE),
        ("another system", Found::Text(rule(r#""conditions":{"device":{"allowed_os_types":["macos"]}}"#)), NO_MATCH),
        ("another uid", Found::Text(rule(r#""conditions":{"peer":{"uids":[4294967294]}}"#)), NO_MATCH),
        (
            "an interpreter's name",
            Found::Text(rule(r#""conditions":{"peer":{"executables":["/bin/sh"]}}"#)),
            UNREADABLE,
        ),
        ("a cap that STS cannot give", Found::Text(rule(r#""max_server_duration":"1m""#)), UNREADABLE),
        ("a session policy of nothing", Found::Text(rule(r#""session_policy":{}"#)), UNREADABLE),
        ("another version", text(&ALLOW.replace(r#""1""#, r#""2""#)), UNREADABLE),
        ("an empty list", Found::Text(rule(r#""conditions":{"profiles":[]}"#)), UNREADABLE),
        ("no rules", text(r#"{"version":"1","rules":[]}"#), UNREADABLE),
        ("an empty file", text(""), UNREADABLE),
        ("half a file", text(&ALLOW[..ALLOW.len() - 1]), UNREADABLE),
        ("two documents", Found::Text(format!("{ALLOW}\n{ALLOW}")), UNREADABLE),
        ("not UTF-8", Found::Bytes([ALLOW.as_bytes(), b" \xff"].concat()), UNREADABLE),
        ("a huge file", Found::Text(huge), UNREADABLE),
        ("nothing", Found::Nothing, UNREADABLE),
        ("a directory", Found::Directory, UNREADABLE),
        ("a FIFO", Found::Fifo, UNREADABLE),
        ("a socket", Found::Socket, UNREADABLE),
        ("a device", Found::Link("/dev/zero".into()), UNREADABLE),
        ("a dangling link", Found::Link(setup.sandbox.path("nowhere")), UNREADABLE),
        ("a link to itself", Found::Link(setup.policy.clone()), UNREADABLE),
        // A regular file that opens, or not, and gives an error when it is read.
        ("an unreadable file", Found::Link("/proc/self/mem".into()), UNREADABLE),
        ("a file for the world to write", Found::Mode(0o646), UNREADABLE),
        ("a file for its group to write", Found::Mode(0o664), UNREADABLE),
    ];
    if is_root() {
        let other = setup.sandbox.path("nobodys.json");
        Found::OfNobody.put(&other);
        refused.push(("another user's file", Found::OfNobody, UNREADABLE));
        refused.push(("a link to another user's file", Found::Link(other), UNREADABLE));
    } else {
        refused.push(("a file without read permission", Found::Mode(0), UNREADABLE));
        skip("t14_policy: another user's file", "needs root");
    }
    refused
}

/// One way to credentials: it works, then meets everything that must not give any.
fn nothing_starts_without_consent(way: (&str, &[&str], i32)) {
    let setup = Setup::new();
    for (what, found, reason) in refused(&setup) {
        found.put(&setup.policy);
        setup.refuses(what, way, true, reason);
    }
    assert_eq!(setup.sts.calls().len(), 0, "AWS was asked for something");
    Found::Text(ALLOW.to_owned()).put(&setup.policy);
    let done = setup.run(way.1, true);
    assert_eq!(done.code(), 0, "{done}");
    assert_eq!(setup.sts.calls_of("AssumeRole").len(), 1);
}

#[test]
fn the_environment_mode_needs_consent() {
    nothing_starts_without_consent(MODES[0]);
}

#[test]
fn a_server_does_not_start_without_consent() {
    nothing_starts_without_consent(MODES[1]);
}

#[test]
fn the_helper_outside_a_tree_needs_consent() {
    nothing_starts_without_consent(MODES[2]);
}

#[test]
fn every_request_on_an_open_connection_needs_consent_anew() {
    let setup = Setup::new();
    let mut asker = setup.asker(&[]);
    for (what, found, reason) in refused(&setup) {
        Found::Text(ALLOW.to_owned()).put(&setup.policy);
        let answer = asker.ask();
        assert!(answer.starts_with("200 "), "before {what}: {answer}");
        found.put(&setup.policy);
        let seen = setup.sandbox.decisions().len();
        let expected = match reason {
            UNREADABLE => refusal(500, "PolicyFailed", "Failed to load policy"),
            _ => refusal(403, "PolicyDenied", "Policy denied access"),
        };
        assert_eq!(asker.ask(), expected, "{what}");
        assert_eq!(setup.decided_after(seen), [["deny", reason, "server"].map(str::to_owned)], "{what}");
    }
    asker.end();
}

fn refusal(status: u16, code: &str, message: &str) -> String {
    format!(r#"{status} {{"code":"{code}","message":"{message}","Code":"{code}","Message":"{message}"}}"#)
}

/// The file keeps its inode, size and modification time, and all of it happens within a second or two.
#[test]
fn a_change_shows_at_the_very_next_request() {
    let setup = Setup::new();
    let mut asker = setup.asker(&[]);
    let times = fs::FileTimes::new().set_modified(fs::metadata(&setup.policy).unwrap().modified().unwrap());
    for (text, status) in [(DENY, "403 "), (ALLOW, "200 ")].iter().cycle().take(40) {
        fs::write(&setup.policy, text).unwrap();
        fs::File::options().write(true).open(&setup.policy).unwrap().set_times(times).unwrap();
        let answer = asker.ask();
        assert!(answer.starts_with(status), "{text}: {answer}");
    }
    asker.end();
}

#[test]
fn a_lazy_server_asks_nothing_of_aws_for_who_is_denied() {
    let setup = Setup::new();
    fs::write(&setup.policy, DENY).unwrap();
    let mut asker = setup.asker(&["--lazy"]);
    assert_eq!(asker.ask(), refusal(403, "PolicyDenied", "Policy denied access"));
    asker.end();
    assert_eq!(setup.sts.calls().len(), 0);
    assert_eq!(setup.decided_after(0), [["deny", "denied by the rule r", "server"].map(str::to_owned)]);
}

#[test]
fn a_policy_from_the_environment_binds_as_well() {
    let setup = Setup::new();
    for way in MODES {
        fs::write(&setup.policy, DENY).unwrap();
        setup.refuses("a denial", way, false, "denied by the rule r");
        fs::write(&setup.policy, "").unwrap();
        setup.refuses("an empty file", way, false, UNREADABLE);
    }
}

#[test]
fn an_empty_path_is_not_no_policy() {
    let setup = Setup { policy: PathBuf::new(), ..Setup::new() };
    for ((_, arguments, _), status) in MODES.into_iter().zip([125, 125, 2]) {
        let done = setup.run(arguments, true);
        done.failed_with(status, &["--policy"]);
        assert!(done.stdout.is_empty() && !setup.started().exists(), "{done}");
    }
    assert_eq!(setup.sts.calls().len(), 0);
}

#[test]
fn each_way_counts_as_its_own_mode() {
    for way in MODES {
        let setup = Setup::new();
        for (other, ..) in MODES.iter().filter(|(mode, ..)| *mode != way.0) {
            fs::write(&setup.policy, rule(&format!(r#""conditions":{{"mode":["{other}"]}}"#))).unwrap();
            setup.refuses(other, way, true, NO_MATCH);
        }
        fs::write(&setup.policy, rule(&format!(r#""conditions":{{"mode":["{}"]}}"#, way.0))).unwrap();
        let seen = setup.sandbox.decisions().len();
        let done = setup.run(way.1, true);
        assert_eq!(done.code(), 0, "{}: {done}", way.0);
        assert_eq!(setup.decided_after(seen), [["allow", "allowed by the rule r", way.0].map(str::to_owned)]);
    }
}

/// In a tree the helper asks the server, whose mode and policy hold, whatever the helper is told.
#[test]
fn the_helper_inside_a_tree_is_a_request_to_the_server() {
    let setup = Setup::new();
    let open = setup.sandbox.write("open.json", ALLOW, 0o644);
    let script = r#"for _ in 1 2; do read line; "$@"; echo "status $?"; done"#;
    let told = format!("SENTINEL_POLICY={}", open.display());
    let helper = ["env", &told, sentinel(), "credentials"];
    fs::write(&setup.policy, rule(r#""conditions":{"mode":["server"]}"#)).unwrap();
    let run = setup.sandbox.sentinel(["exec", "--unix-socket", "--profile", "dev", "--policy"]);
    let run = run.args([&setup.policy]).args(["--", "sh", "-c", script, "sh"]).args(helper);
    let mut running = run.spawn();
    running.send("");
    assert!(running.line().starts_with(r#"{"Version":1,"#));
    assert_eq!(running.line(), "status 0");
    fs::write(&setup.policy, rule(r#""conditions":{"mode":["credential_process","cli"]}"#)).unwrap();
    running.send("");
    assert_eq!(running.line(), "status 1");
    let done = running.finish();
    assert!(done.stderr.contains("the policy denies these credentials now"), "{done}");
    let last = setup.sandbox.decisions().pop().expect("a line");
    assert_eq!((&last["effect"], &last["mode"]), (&"deny".into(), &"server".into()), "{last}");
}

#[test]
fn who_cannot_be_named_gets_nothing_that_depends_on_a_name() {
    let users = |names: &str| rule(&format!(r#""conditions":{{"users":[{names}]}}"#));
    let down = || Fault::Refuse { status: 403, code: "AccessDenied", message: "not today" };
    for way in MODES {
        let setup = Setup::new();
        fs::write(&setup.policy, users(r#""*""#)).unwrap();
        setup.sts.inject("GetCallerIdentity", 1, down());
        setup.refuses("an unknown user", way, true, UNKNOWN);
        fs::write(&setup.policy, users(r#""bob","Alice","alic""#)).unwrap();
        setup.refuses("another user", way, true, NO_MATCH);
        fs::write(&setup.policy, users(r#""bob","alice""#)).unwrap();
        let done = setup.run(way.1, true);
        assert_eq!(done.code(), 0, "{done}");
        assert_eq!(setup.sandbox.decisions().pop().expect("a line")["user"], "alice");
    }
}

#[test]
fn a_request_of_who_cannot_be_named_yet_is_denied() {
    let setup = Setup::new();
    fs::write(&setup.policy, rule(r#""conditions":{"users":["alice"]}"#)).unwrap();
    let gate = setup.sts.hang("GetCallerIdentity");
    let mut asker = setup.asker(&["--lazy"]);
    let answer = asker.ask();
    assert!(answer.starts_with("503 "), "{answer}");
    assert_eq!(setup.decided_after(0), [["deny", UNKNOWN, "server"].map(str::to_owned)]);
    assert_eq!(setup.sts.calls_of("AssumeRole").len(), 0);
    gate.open();
    let answer = asker.ask_until_answered();
    assert!(answer.starts_with("200 "), "{answer}");
    asker.end();
}

/// In a mount namespace of its own a host can be without time zones.
#[test]
fn time_zones_do_not_come_from_the_host() {
    let test = "time_zones_do_not_come_from_the_host";
    let setup = Setup::new();
    // Tokyo is nine hours ahead in every season.
    let hours = |from: i64, to: i64| {
        let (start, end) = (clock(9 * 60 + from), clock(9 * 60 + to));
        when(&format!(r#"{{"hours":{{"start":"{start}","end":"{end}"}},"timezone":"Asia/Tokyo"}}"#))
    };
    let script = r#"{ [ ! -e /usr/share/zoneinfo ] || mount -t tmpfs none /usr/share/zoneinfo; } && exec "$@""#;
    for (text, status) in [(hours(-60, 60), 0), (hours(60, 120), 125)] {
        fs::write(&setup.policy, text).unwrap();
        let hidden = setup.sandbox.program("unshare").args(["-Urm", "sh", "-c", script, "sh"]);
        if hidden.args(["true"]).run().code() != 0 {
            return skip(test, "no mounts in a user namespace here");
        }
        let run =
            setup.sandbox.program("unshare").args(["-Urm", "sh", "-c", script, "sh"]).env("TZDIR", "/nonexistent");
        let run = run.args([sentinel(), "exec", "--profile", "dev", "--policy"]).args([&setup.policy]);
        let done = run.args(["--", "true"]).run();
        assert_eq!(done.code(), status, "{done}");
    }
}
