//! `sentinel exec --unix-socket` as a launcher: a command that runs under it runs as it would without.

mod signals;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::fake_sts::{Fault, Keys, Sts};
use crate::harness::{Finished, Invocation, Sandbox, World, eventually, process, python, skip};

/// A user with keys, as profile `base`.
struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    alice: Keys,
}

/// What a run has to say to be one of each mode.
const MODES: [&[&str]; 2] = [&["--profile", "base"], &["--profile", "base", "--unix-socket"]];

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, alice } = World::new();
        Self { sts, sandbox, alice }
    }

    /// `sentinel exec --profile base --unix-socket OPTIONS -- COMMAND`.
    fn invoke<A: AsRef<OsStr>>(&self, options: &[&str], command: impl IntoIterator<Item = A>) -> Invocation {
        let run = self.sandbox.sentinel(["exec", "--profile", "base", "--unix-socket"]);
        run.args(options).args(["--"]).args(command)
    }

    fn exec(&self, options: &[&str], command: &[&str]) -> Finished {
        self.invoke(options, command).run()
    }

    fn python(&self, script: &str) -> Invocation {
        self.invoke(&[], [python(), "-u", "-c", script])
    }

    /// Nothing of a run is left: no socket, no generated file.
    #[track_caller]
    fn assert_clean(&self) {
        let left = std::fs::read_dir(self.sandbox.path("run/sentinel")).into_iter().flatten();
        let left: Vec<_> = left.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn the_childs_status_is_ours() {
    let setup = Setup::new();
    for code in [0, 1, 3, 124, 255] {
        let done = setup.exec(&[], &["sh", "-c", &format!("exit {code}")]);
        assert_eq!((done.code(), done.signal(), done.stderr.as_str()), (code, None, ""), "{done}");
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        let done = setup.exec(&[], &["sh", "-c", &format!("ulimit -c 0; kill -{name} $$")]);
        assert_eq!((done.code(), done.signal(), done.stderr.as_str()), (128 + number, None, ""), "{done}");
    }
    setup.assert_clean();
}

#[test]
fn a_program_that_cannot_start_has_the_shells_status() {
    let setup = Setup::new();
    let plain = setup.sandbox.write("plain", "not a program", 0o600);
    let plain = plain.to_str().expect("UTF-8");
    setup.exec(&[], &[plain]).failed_with(126, &[plain]);
    setup.exec(&[], &["/"]).failed_with(126, &["cannot execute `/`"]);
    setup
        .exec(&[], &["no-such-program-here"])
        .failed_with(127, &["there is no program `no-such-program-here`", "PATH"]);
    setup.exec(&[], &["/no/such/program"]).failed_with(127, &["/no/such/program"]);
    setup.exec(&["--no-such-option"], &["true"]).failed_with(125, &["--no-such-option"]);
    setup.assert_clean();
}

#[test]
fn arguments_and_streams_and_the_directory_are_untouched() {
    let setup = Setup::new();
    let script = "import os, sys; print([os.fsencode(a).hex() for a in sys.argv[1:]], sys.stdin.buffer.read().hex(), \
                  os.getcwd()); print('oops', file=sys.stderr)";
    let words: [&[u8]; 7] = [b"a b", b"", b"--profile", b"$HOME", b"\xff\xfe/\x01\n", "ü".as_bytes(), b"--"];
    let run = setup.invoke(&[], [python(), "-c", script]).args(words.map(OsStr::from_bytes));
    let directory = setup.sandbox.directory("here", 0o700);
    let done = run.stdin(b"\x00\xff\n").cwd(&directory).run();
    let hex = "['612062', '', '2d2d70726f66696c65', '24484f4d45', 'fffe2f010a', 'c3bc', '2d2d']";
    assert_eq!(done.stdout, format!("{hex} 00ff0a {}\n", directory.display()), "{done}");
    assert_eq!((done.code(), done.stderr.as_str()), (0, "oops\n"), "{done}");
}

#[test]
fn the_environment_names_the_socket_and_holds_no_key() {
    let setup = Setup::new();
    let environment = setup.exec(&[], &["env", "-0"]).environment();
    assert_eq!(environment["AWS_SENTINEL"], "base");
    let socket = &environment["SENTINEL_UNIX_SOCKET"];
    let directory = socket.strip_suffix("/s.sock").expect("the default name");
    let base = setup.sandbox.path("run/sentinel");
    assert!(directory.starts_with(base.to_str().expect("UTF-8")), "{directory}");
    let token = &environment["SENTINEL_AUTH_TOKEN"];
    let is_base64url = token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    assert!(token.len() == 43 && is_base64url, "{token}");
    assert!(environment["AWS_CONFIG_FILE"].starts_with(directory), "{}", environment["AWS_CONFIG_FILE"]);
    assert_eq!(environment["AWS_SHARED_CREDENTIALS_FILE"], "/dev/null");
    assert_eq!(environment["AWS_EC2_METADATA_DISABLED"], "true");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"] {
        assert_eq!(environment.get(name), None, "{name}");
    }
    let text = format!("{environment:?}");
    assert!(!text.contains(&setup.alice.secret_access_key));
    setup.assert_clean();
}

/// The signal sets of /proc/self/status. Signals 32 and 33 are the C library's own; whether it has set them depends on how a
/// process was started.
fn signal_sets(done: &Finished) -> BTreeMap<String, u64> {
    assert_eq!(done.code(), 0, "{done}");
    let lines = done.stdout.lines().filter_map(|line| line.split_once(":\t"));
    let sets = lines.filter(|(name, _)| ["SigBlk", "SigIgn", "SigCgt"].contains(name));
    sets.map(|(name, set)| (name.to_owned(), u64::from_str_radix(set, 16).expect("a set") & !(0b11 << 31))).collect()
}

#[test]
fn signal_dispositions_and_mask_are_those_without_us() {
    let setup = Setup::new();
    let without = signal_sets(&setup.sandbox.program("cat").args(["/proc/self/status"]).run());
    assert_eq!((without["SigBlk"], without["SigCgt"]), (0, 0));
    for mode in MODES {
        let run = setup.sandbox.sentinel(["exec"]).args(mode).args(["--", "cat", "/proc/self/status"]);
        assert_eq!(signal_sets(&run.run()), without, "{mode:?}");
    }
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let setup = Setup::new();
    for mode in MODES {
        let script = r#"trap "" HUP QUIT; exec "$@""#;
        let run = setup.sandbox.program("sh").args(["-c", script, "sh", crate::harness::sentinel(), "exec"]).args(mode);
        let mut run = run.args(["--", "sh", "-c", "grep SigIgn /proc/self/status; read line"]).spawn();
        let ignored = run.line();
        let set = u64::from_str_radix(ignored.trim_start_matches("SigIgn:\t"), 16).expect("a set");
        assert_eq!(set & 0b111, 0b101, "{mode:?}: {ignored}");
        run.signal("HUP");
        run.send("go on");
        let done = run.finish();
        assert_eq!(done.code(), 0, "{mode:?}: {done}");
    }
}

#[test]
fn a_parent_that_ignored_or_blocked_signals_does_no_harm() {
    let setup = Setup::new();
    let helper = format!("#!/bin/sh\necho '{}'\n", setup.alice.printed());
    let helper = setup.sandbox.write("helper", &helper, 0o700);
    setup.sandbox.settings("helped", &format!("credential_process = {}", helper.display()));
    for what in
        ["signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))"]
    {
        for mode in [&["--profile", "helped"][..], &["--profile", "helped", "--unix-socket"]] {
            let script = format!("import os, signal, sys; {what}; os.execv(sys.argv[1], sys.argv[1:])");
            let run =
                setup.sandbox.program(python()).args(["-c", &script, crate::harness::sentinel(), "exec"]).args(mode);
            let done = run.args(["--", "sh", "-c", "exit 3"]).run();
            assert_eq!((done.code(), done.stderr.as_str()), (3, ""), "{what}: {done}");
        }
    }
}

#[test]
fn no_descriptor_but_the_callers_own_reaches_the_child() {
    let setup = Setup::new();
    let file = setup.sandbox.write("file", "seven\n", 0o600);
    let list = ["sh", "-c", "ls /proc/self/fd; cat <&7"];
    let script = format!("exec 7<'{}'; exec \"$@\"", file.display());
    let through = |command: &[&str]| {
        let done = setup.sandbox.program("sh").args(["-c", &script, "sh"]).args(command).run();
        assert_eq!(done.code(), 0, "{done}");
        done.stdout
    };
    let without = through(&list);
    assert!(without.ends_with("7\nseven\n"), "{without}");
    for mode in MODES {
        let command = [&[crate::harness::sentinel(), "exec"][..], mode, &["--"], &list].concat();
        assert_eq!(through(&command), without, "{mode:?}");
    }
}

#[test]
fn an_exec_in_an_exec_needs_nested_and_gets_the_outer_ones_credentials() {
    let setup = Setup::new();
    let inner = |options: &str, command: &str| {
        let script = format!("exec {} exec {options} -- {command}", crate::harness::sentinel());
        setup.exec(&[], &["sh", "-c", &script])
    };
    inner("", "true").failed_with(125, &["already inside `sentinel exec` for profile `base`", "--nested"]);
    let outer: serde_json::Value = json(&setup.exec(&[], &[crate::harness::sentinel(), "credentials"]));
    for options in ["--nested", "--nested --profile base"] {
        let environment = inner(options, "env -0").environment();
        let issued = setup.sts.issued(&environment["AWS_ACCESS_KEY_ID"]).expect("a key that the fake issued");
        assert_eq!(environment["AWS_SECRET_ACCESS_KEY"], issued.secret_access_key);
        assert_eq!(environment.get("SENTINEL_UNIX_SOCKET"), None);
        let served =
            json(&inner(&format!("{options} --unix-socket"), &format!("{} credentials", crate::harness::sentinel())));
        let issued = setup.sts.issued(served["AccessKeyId"].as_str().expect("text")).expect("issued");
        assert_eq!(served["SecretAccessKey"], issued.secret_access_key.as_str());
        assert_eq!(issued.arn, setup.alice.arn);
    }
    assert_eq!(outer["Version"], 1);
    for call in setup.sts.calls() {
        assert_eq!(call.access_key, setup.alice.access_key_id, "a session was used to get another: {call:?}");
    }
}

fn json(done: &Finished) -> serde_json::Value {
    assert_eq!(done.code(), 0, "{done}");
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"))
}

#[test]
fn lazy_asks_aws_at_the_first_use() {
    let setup = Setup::new();
    let script = r#"echo started; read line; "$0" credentials; read line"#;
    let mut run = setup.invoke(&["--lazy"], ["sh", "-c", script, crate::harness::sentinel()]).spawn();
    assert_eq!(run.line(), "started");
    assert_eq!(setup.sts.calls().len(), 0);
    run.send("now");
    let served: serde_json::Value = serde_json::from_str(&run.line()).expect("JSON");
    assert_eq!(setup.sts.calls_of("GetSessionToken").len(), 1);
    assert!(setup.sts.issued(served["AccessKeyId"].as_str().expect("text")).is_some());
    run.send("end");
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn without_lazy_a_failure_keeps_the_child_from_starting() {
    let setup = Setup::new();
    let started = setup.sandbox.path("started");
    let touch = ["touch", started.to_str().expect("UTF-8")];
    setup.sts.inject("*", 20, Fault::Refuse { status: 403, code: "AccessDenied", message: "not you" });
    setup.exec(&[], &touch).failed_with(125, &["not you"]);
    assert!(!started.exists());
    setup.assert_clean();
}

#[test]
fn a_signal_ends_the_wait_for_aws() {
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let setup = Setup::new();
        let started = setup.sandbox.path("started");
        let gate = setup.sts.hang("GetSessionToken");
        let run = setup.invoke(&[], ["touch", started.to_str().expect("UTF-8")]).spawn();
        setup.sts.wait_for_calls("GetSessionToken", 1);
        let warden = *process::children(run.pid()).first().expect("the warden");
        run.signal(name);
        let done = run.finish();
        assert_eq!(done.code(), 128 + number, "{done}");
        process::wait_until_gone(warden);
        drop(gate);
        assert!(!started.exists());
        setup.assert_clean();
    }
}

#[test]
fn with_wait_tree_sentinel_ends_with_the_last_descendant() {
    let setup = Setup::new();
    // A subshell of a subshell, so that it is adopted.
    let script = "exec 3<&0; (cat <&3 >/dev/null &) ; echo $$; exit 3";
    let mut run = setup.invoke(&["--wait-tree"], ["sh", "-c", script]).spawn();
    let child = run.line().parse().expect("a pid");
    process::wait_until_gone(child);
    let warden = *process::children(run.pid()).first().expect("the warden");
    // The child is there until it has been waited for.
    let adopted =
        eventually("the child's end", || Some(process::children(warden)).filter(|left| !left.contains(&child)));
    assert_eq!(adopted.len(), 1);
    process::wait_for_state(run.pid(), 'S');
    run.close_stdin();
    process::wait_until_gone(adopted[0]);
    assert_eq!(run.finish().code(), 3);
    setup.assert_clean();
}

#[test]
fn without_a_command_the_shell_runs() {
    let setup = Setup::new();
    let shell = setup.sandbox.write("my shell", "#!/bin/sh\necho \"mine $#\"\nexit 4\n", 0o700);
    let run = || setup.sandbox.sentinel(["exec", "--profile", "base", "--unix-socket"]);
    let done = run().env("SHELL", &shell).run();
    assert_eq!((done.code(), done.stdout.as_str()), (4, "mine 0\n"), "{done}");
    let done = run().stdin(b"echo $0; exit 9\n").run();
    assert_eq!((done.code(), done.stdout.as_str()), (9, "/bin/sh\n"), "{done}");
}

#[test]
fn the_socket_may_have_a_path_of_ones_own() {
    let setup = Setup::new();
    let home = setup.sandbox.path("home");
    let script = r#"echo "$SENTINEL_UNIX_SOCKET"; test -S mine.sock && "$0" credentials"#;
    for given in ["mine.sock", home.join("mine.sock").to_str().expect("UTF-8")] {
        let done = setup.exec(&["--unix-socket-path", given], &["sh", "-c", script, crate::harness::sentinel()]);
        let (path, served) = done.stdout.split_once('\n').expect("two lines");
        assert_eq!((done.code(), path), (0, home.join("mine.sock").to_str().expect("UTF-8")), "{done}");
        let served: serde_json::Value = serde_json::from_str(served).expect("JSON");
        assert_eq!(served["Version"], 1);
        assert!(!home.join("mine.sock").exists());
    }
    let file = setup.sandbox.write("home/file", "precious", 0o600);
    let before = setup.sts.calls().len();
    setup.exec(&["--unix-socket-path", "file"], &["true"]).failed_with(125, &[file.to_str().expect("UTF-8")]);
    assert_eq!(std::fs::read_to_string(file).expect("the file"), "precious");
    assert_eq!(setup.sts.calls().len(), before);
}

#[test]
fn a_duration_that_no_server_follows_is_told() {
    let setup = Setup::new();
    let done = setup.exec(&["-d", "15m"], &["true"]);
    let told = "sentinel: --duration has no effect on a server: give --server-duration\n";
    assert_eq!((done.code(), done.stderr.as_str()), (0, told), "{done}");
    assert_eq!(setup.sts.calls_of("GetSessionToken")[0].parameters["DurationSeconds"], "1800");
}

/// From its second request on, so that each costs one look at what is held, and none on the way there. Root alone sees it.
#[test]
fn how_a_kept_connection_is_held_is_seen_on_without_a_way_through_proc() {
    let setup = Setup::new();
    let script = r#"
import os, socket, sys
host = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].split("/")[2]
address, port = host.split(":")
connection = socket.create_connection((address, int(port)))
for _ in range(2):
    token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n".encode())
    print(connection.recv(65536).split(b"\r\n")[0].decode())
print(f"/proc/{os.getpid()}/fd/{connection.fileno()}")
sys.stdin.read()
"#;
    let run = setup.sandbox.sentinel(["exec", "--profile", "base", "--server", "--", python(), "-u", "-c", script]);
    let mut run = run.spawn();
    assert_eq!([run.line(), run.line()], ["HTTP/1.1 200 OK"; 2]);
    let link = std::path::PathBuf::from(run.line());
    match std::fs::read_dir(format!("/proc/{}/fd", run.pid())) {
        Ok(held) => assert!(held.flatten().any(|held| std::fs::read_link(held.path()).is_ok_and(|held| held == link))),
        Err(error) => skip("how_a_kept_connection_is_held_is_seen_on_without_a_way_through_proc", &error.to_string()),
    }
    run.close_stdin();
    assert_eq!(run.finish().code(), 0);
}
