//! T21: files of sentinel's are 0600 in 0700 directories, whatever the umask, and what others own or can open is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::harness::{Sandbox, World, is_root, process, sentinel, skip};

/// Everything below `directory`, by its path there: kind and mode. A random name, of a private directory or a record, is `*`.
fn tree(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a listing").map(|entry| entry.expect("an entry")) {
        let metadata = entry.metadata().expect("metadata");
        let mut name = entry.file_name().into_string().expect("UTF-8");
        let (stem, extension) = name.split_once('.').map_or((&*name, ""), |(stem, _)| (stem, &name[stem.len()..]));
        if stem.len() == 16 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            name = format!("*{extension}");
        }
        let mode = metadata.mode() & 0o7777;
        let kind = metadata.file_type();
        if kind.is_dir() {
            found.extend(tree(&entry.path()).into_iter().map(|(inner, facts)| (format!("{name}/{inner}"), facts)));
        }
        let kind = match kind {
            _ if kind.is_dir() => "directory",
            _ if kind.is_socket() => "socket",
            _ if kind.is_symlink() => "link",
            _ => "file",
        };
        // A link's own mode means nothing.
        found.insert(name, if kind == "link" { kind.to_owned() } else { format!("{kind} {mode:o}") });
    }
    found
}

#[track_caller]
fn assert_tree(directory: &Path, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, facts)| ((*name).to_owned(), (*facts).to_owned())).collect();
    assert_eq!(tree(directory), expected);
}

/// What a state directory holds while a session is served.
const STATE: [(&str, &str); 9] = [
    ("decisions.jsonl", "file 600"),
    ("sessions", "directory 700"),
    ("sessions/.lock", "file 600"),
    ("sessions/*.json", "file 600"),
    ("instances", "directory 700"),
    ("instances/.lock", "file 600"),
    ("instances/*.json", "file 600"),
    ("requests", "directory 700"),
    ("breakglass", "directory 700"),
];

#[test]
fn every_file_is_closed_to_others_whatever_the_umask() {
    // 0 takes nothing from the modes that are asked for.
    for umask in ["0", "022", "077"] {
        let world = World::new();
        let sandbox = &world.sandbox;
        let own = sandbox.directory("own", 0o700);
        let script = format!(r#"umask {umask}; exec "$@""#);
        let start = |more: &[&str]| {
            let run = sandbox.program("sh").args(["-c", &script, "sh", sentinel(), "exec", "--unix-socket"]);
            let run = run.args(["--profile", "base"]).args(more);
            let mut running = run.args(["--", "sh", "-c", "echo up; cat"]).spawn();
            assert_eq!(running.line(), "up");
            running
        };
        let running = start(&[]);
        let private = [
            ("sentinel", "directory 700"),
            ("sentinel/*", "directory 700"),
            ("sentinel/*/config", "file 400"),
            ("sentinel/*/lock", "file 600"),
            ("sentinel/*/s.sock", "socket 600"),
            ("sentinel/*/s.sock.lock", "file 600"),
            ("sentinel/*/sentinel", "link"),
        ];
        assert_tree(&sandbox.path("run"), &private);
        let of_state = |below: &str| {
            let facts = STATE.iter().map(|(name, facts)| (format!("{below}{name}"), *facts));
            facts.chain([(below.trim_end_matches('/').to_owned(), "directory 700")]).collect::<Vec<_>>()
        };
        let assert_state = |directory: &str, expected: &[(String, &str)]| {
            let expected: Vec<(&str, &str)> = expected.iter().map(|(name, facts)| (name.as_str(), *facts)).collect();
            assert_tree(&sandbox.path(directory), &expected);
        };
        assert_state("state", &of_state("sentinel/"));
        assert_eq!(running.finish().code(), 0);

        let state = sandbox.path("tmp/a/b/state");
        let socket = own.join("my.sock");
        let (state, socket) = (state.to_str().expect("UTF-8"), socket.to_str().expect("UTF-8"));
        let running = start(&["--state-dir", state, "--unix-socket-path", socket]);
        assert_tree(&own, &[("my.sock", "socket 600"), ("my.sock.lock", "file 600")]);
        let mut state = of_state("a/b/state/");
        state.extend([("a".to_owned(), "directory 700"), ("a/b".to_owned(), "directory 700")]);
        assert_state("tmp", &state);
        assert_eq!(running.finish().code(), 0);

        let log = sandbox.path("tmp/c/log");
        let running = start(&["--log-file", log.to_str().expect("UTF-8")]);
        assert_tree(&sandbox.path("tmp/c"), &[("log", "file 600")]);
        assert_eq!(fs::metadata(sandbox.path("tmp/c")).expect("metadata").mode() & 0o7777, 0o700);
        assert_eq!(running.finish().code(), 0);
    }
}

/// Runs `sentinel exec` and wants a refusal of exactly this sentence and hint; the child must not run.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, options: &[&str], expected: &str) {
    let run = sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--lazy"]).args(options);
    let done = run.args(["--", "touch", "ran"]).run();
    assert!(!sandbox.path("home/ran").exists(), "the child ran: {done}");
    assert_eq!((done.code(), done.stderr.as_str()), (125, format!("sentinel: {expected}\n").as_str()), "{done}");
}

#[test]
fn a_decision_log_that_is_not_ours_alone_is_refused() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let refused = |options: &[&str], expected: &str| assert_refused(sandbox, options, expected);
    let directory = sandbox.directory("state/sentinel", 0o700);
    let log = directory.join("decisions.jsonl");
    let name = log.display();
    for mode in [0o640, 0o602, 0o666] {
        sandbox.write("state/sentinel/decisions.jsonl", "", mode);
        let open = format!("the decision log {name} is open to its group or others (mode {mode:04o})");
        refused(&[], &format!("{open}\n  chmod 600 {name}"));
        assert_eq!(fs::metadata(&log).expect("metadata").mode() & 0o7777, mode);
    }
    fs::remove_file(&log).expect("removed");
    for target in [sandbox.write("target", "", 0o600), sandbox.path("nowhere")] {
        symlink(&target, &log).expect("a link");
        refused(&[], &format!("the decision log {name} is a symbolic link\n  name the file that it points to"));
        fs::remove_file(&log).expect("removed");
    }
    assert!(!sandbox.path("nowhere").exists());
    assert_eq!(fs::read(sandbox.path("target")).expect("the target"), b"");
    let given = sandbox.write("given", "", 0o644);
    let open = format!("the decision log {} is open to its group or others (mode 0644)", given.display());
    refused(&["--log-file", given.to_str().expect("UTF-8")], &format!("{open}\n  chmod 600 {}", given.display()));
}

/// Where no policy asks for sessions a command runs without one; a record is written nowhere.
#[test]
fn a_directory_of_records_that_is_not_ours_alone_is_refused() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let elsewhere = sandbox.directory("elsewhere", 0o700);
    let refused = |expected: &str| {
        let run = sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--", "true"]).run();
        let unrecorded = "sentinel: this run's session is not recorded, and cannot be revoked\n";
        assert_eq!(run.stderr, format!("sentinel: {expected}\n{unrecorded}"));
    };
    for name in ["sessions", "requests", "breakglass"] {
        let state = sandbox.directory("state/sentinel", 0o700);
        let directory = sandbox.directory(&format!("state/sentinel/{name}"), 0o750);
        let shown = directory.display();
        refused(&format!(
            "the state directory {shown} is open to its group or others (mode 0750); name another one with --state-dir, or \
             chmod 700 {shown} if sentinel alone uses it"
        ));
        assert_eq!(fs::read_dir(&directory).expect("a listing").count(), 0);
        fs::remove_dir(&directory).expect("removed");
        symlink(&elsewhere, &directory).expect("a link");
        refused(&format!("the state directory {shown} is a symbolic link; name another one with --state-dir"));
        assert_eq!(fs::read_dir(&elsewhere).expect("a listing").count(), 0);
        fs::remove_dir_all(state).expect("removed");
    }
}

#[test]
fn a_state_directory_that_is_not_ours_alone_is_refused() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let directory = sandbox.path("state/sentinel");
    let name = directory.display();
    // A directory such as /tmp belongs to others as well: `chmod` alone would be bad advice.
    let hint = format!("name another one with --state-dir, or chmod 700 {name} if sentinel alone uses it");
    for mode in [0o770, 0o755, 0o1777] {
        sandbox.directory("state/sentinel", mode);
        let open = format!("the state directory {name} is open to its group or others (mode {mode:04o})");
        assert_refused(sandbox, &[], &format!("{open}\n  {hint}"));
        assert_eq!(fs::read_dir(&directory).expect("a listing").count(), 0);
        fs::remove_dir(&directory).expect("removed");
    }
    symlink(sandbox.directory("elsewhere", 0o700), &directory).expect("a link");
    let hint = "name another one with --state-dir";
    assert_refused(sandbox, &[], &format!("the state directory {name} is a symbolic link\n  {hint}"));
    assert_eq!(fs::read_dir(sandbox.path("elsewhere")).expect("a listing").count(), 0);
}

#[test]
fn a_runtime_directory_that_is_not_ours_alone_is_refused() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let directory = sandbox.path("run/sentinel");
    let (name, us) = (directory.display(), fs::metadata(sandbox.path("run")).expect("metadata").uid());
    for mode in [0o755, 0o770, 0o777] {
        sandbox.directory("run/sentinel", mode);
        let facts = format!("{name} has owner {us} and mode {mode:o}, not {us} and 700");
        assert_refused(sandbox, &[], &format!("{facts}\n  remove it, and start again"));
        fs::remove_dir(&directory).expect("removed");
    }
    symlink(sandbox.directory("elsewhere", 0o700), &directory).expect("a link");
    assert_refused(sandbox, &[], &format!("{name} is not a directory\n  remove it, and start again"));
    assert_eq!(fs::read_dir(sandbox.path("elsewhere")).expect("a listing").count(), 0);
    fs::remove_file(&directory).expect("removed");

    // Where XDG_RUNTIME_DIR itself is open to others, the temporary directory is used; and refused if it is no better.
    fs::set_permissions(sandbox.path("run"), fs::Permissions::from_mode(0o755)).expect("chmod");
    let run = sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--lazy", "--"]);
    let done = run.args(["sh", "-c", r#"echo "$SENTINEL_UNIX_SOCKET""#]).run();
    let private = sandbox.path("tmp").join(format!("sentinel-{us}-"));
    assert!(done.stdout.starts_with(private.to_str().expect("UTF-8")), "{done}");
    assert_eq!(fs::read_dir(sandbox.path("run")).expect("a listing").count(), 0);
    fs::set_permissions(sandbox.path("tmp"), fs::Permissions::from_mode(0o777)).expect("chmod");
    let unfit =
        format!("the temporary directory {} lets other users rename what is in it", sandbox.path("tmp").display());
    let hint = "set XDG_RUNTIME_DIR or TMPDIR to a directory of your own with mode 0700";
    assert_refused(sandbox, &[], &format!("{unfit}\n  {hint}"));
}

#[test]
fn a_sockets_directory_or_a_policy_that_others_may_write_is_refused() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let directory = sandbox.directory("own", 0o750);
    let socket = directory.join("s.sock");
    let open = format!("the directory {} is open to others (mode 0750)", directory.display());
    let options = ["--unix-socket-path", socket.to_str().expect("UTF-8")];
    let hint = "put the socket into a directory of your own (mkdir -m 700 DIR); exec makes one where --unix-socket-path is left out";
    assert_refused(sandbox, &options, &format!("{open}\n  {hint}"));

    let policy = sandbox.write("policy.json", "{}", 0o660);
    let name = policy.display();
    let open = format!("the policy {name} may be written by its group or others (mode 0660)");
    assert_refused(sandbox, &["--policy", policy.to_str().expect("UTF-8")], &format!("{open}\n  chmod go-w {name}"));
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    const NAME: &str = "what_belongs_to_another_user_is_refused";
    if !is_root() {
        return skip(NAME, "needs root to make another user's files");
    }
    assert_eq!(process::uid(std::process::id()), Some(0));
    let world = World::new();
    let sandbox = &world.sandbox;
    let refused = |options: &[&str], expected: String| assert_refused(sandbox, options, &expected);
    let give = |path: &Path| chown(path, Some(65534), Some(65534)).expect("chown");

    let log = sandbox.write("log", "", 0o600);
    give(&log);
    let whose = "belongs to uid 65534, not to uid 0";
    let text = log.to_str().expect("UTF-8");
    let hint = "name another file with --log-file";
    refused(&["--log-file", text], format!("the decision log {text} {whose}\n  {hint}"));

    let state = sandbox.directory("state/sentinel", 0o700);
    give(&state);
    let hint = "name another one with --state-dir";
    refused(&[], format!("the state directory {} {whose}\n  {hint}", state.display()));
    fs::remove_dir(&state).expect("removed");

    let policy = sandbox.write("policy.json", "{}", 0o600);
    give(&policy);
    let text = policy.to_str().expect("UTF-8");
    let hint = "chown it to root, or to the user that runs sentinel";
    refused(&["--policy", text], format!("the policy {text} {whose} or root\n  {hint}"));

    let own = sandbox.directory("own", 0o700);
    give(&own);
    let socket = own.join("s.sock");
    let hint = "put the socket into a directory of your own";
    let options = ["--unix-socket-path", socket.to_str().expect("UTF-8")];
    refused(&options, format!("the directory {} belongs to uid 65534\n  {hint}", own.display()));

    let runtime = sandbox.directory("run/sentinel", 0o700);
    give(&runtime);
    let facts = format!("{} has owner 65534 and mode 700, not 0 and 700", runtime.display());
    refused(&[], format!("{facts}\n  remove it, and start again"));
    fs::remove_dir(&runtime).expect("removed");
    give(&sandbox.path("run"));
    give(&sandbox.path("tmp"));
    let unfit =
        format!("the temporary directory {} lets other users rename what is in it", sandbox.path("tmp").display());
    let hint = "set XDG_RUNTIME_DIR or TMPDIR to a directory of your own with mode 0700";
    refused(&[], format!("{unfit}\n  {hint}"));
}
