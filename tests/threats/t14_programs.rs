//! T14: a rule that names programs gives nothing to others, and nothing where the program cannot be told.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sentinel::digest::{hex, sha256};

use crate::fake_sts::Sts;
use crate::harness::{Sandbox, World, copy_program, python, sentinel, skip};

/// Asks once with each program that is named, and prints the status of its answer.
const OVER_TCP: &str = r#"for program; do
  "$program" -s -o /dev/null --retry 10 -w '%{http_code}\n' \
    -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
done"#;
const OVER_UNIX: &str = r#"for program; do
  "$program" -s -o /dev/null --retry 10 -w '%{http_code}\n' \
    -H "Authorization: $SENTINEL_AUTH_TOKEN" --unix-socket "$SENTINEL_UNIX_SOCKET" http://localhost/
done
"$0" credentials >/dev/null 2>&1; echo "helper $?""#;

struct Setup {
    _sts: Sts,
    sandbox: Sandbox,
    curl: PathBuf,
    policy: PathBuf,
}

impl Setup {
    /// A policy that allows curl alone; nothing, said by name, where that is not root's.
    fn new(test: &str) -> Option<Self> {
        let curl = fs::canonicalize("/usr/bin/curl").ok();
        let of_root =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0);
        let maps = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let Some(curl) = curl.filter(of_root).filter(|_| maps.contains("4294967295")) else {
            skip(test, "there is no curl of root's, or no root");
            return None;
        };
        let World { sts, sandbox, .. } = World::with_dev();
        let digest = hex(&sha256(&fs::read(&curl).expect("curl")));
        let policy = policy(&format!(r#""executables":["{}"],"sha256":["{digest}"]"#, curl.display()));
        let policy = sandbox.write("policy.json", &policy, 0o644);
        Some(Self { _sts: sts, sandbox, curl, policy })
    }

    /// What the script says of these programs.
    fn ask(&self, mode: &str, script: &str, programs: &[&Path]) -> Vec<String> {
        let run = self.sandbox.sentinel(["exec", mode, "--lazy", "--profile", "dev", "--policy"]).args([&self.policy]);
        let done = run.args(["--", "sh", "-c", script, sentinel()]).args(programs).run();
        assert_eq!(done.code(), 0, "{done}");
        done.stdout.lines().map(str::to_owned).collect()
    }

    /// The reason of the last decision, which is a denial.
    #[track_caller]
    fn denied_because(&self) -> String {
        let last = self.sandbox.decisions().pop().expect("a decision");
        assert_eq!(last["effect"], "deny", "{last}");
        last["reason"].as_str().expect("a reason").to_owned()
    }

    fn copy(&self) -> PathBuf {
        let copy = self.sandbox.path("curl");
        copy_program(&self.curl, &copy);
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("chmod");
        copy
    }
}

fn policy(peer: &str) -> String {
    format!(r#"{{"version":"1","rules":[{{"name":"r","effect":"allow","conditions":{{"peer":{{{peer}}}}}}}]}}"#)
}

#[test]
fn the_program_that_is_named_is_served_and_its_copy_is_not() {
    let Some(setup) = Setup::new("the_program_that_is_named_is_served_and_its_copy_is_not") else { return };
    let curl = setup.curl.clone();
    assert_eq!(setup.ask("--server", OVER_TCP, &[&curl, &setup.copy(), &curl]), ["200", "403", "200"]);
    assert_eq!(setup.ask("--server", OVER_TCP, &[&setup.copy()]), ["403"]);
    let reason = setup.denied_because();
    assert!(reason.starts_with("the caller's program is not known: /"), "{reason}");
}

#[test]
fn another_digest_than_the_one_named_is_another_program() {
    let Some(setup) = Setup::new("another_digest_than_the_one_named_is_another_program") else { return };
    let text = fs::read_to_string(&setup.policy).expect("the policy");
    let digest = text.split('"').find(|part| part.len() == 64).expect("a digest");
    let other = hex(&sha256(digest.as_bytes()));
    fs::write(&setup.policy, text.replace(digest, &other)).expect("written");
    assert_eq!(setup.ask("--server", OVER_TCP, &[&setup.curl]), ["403"]);
    assert_eq!(setup.denied_because(), "no matching rule");
}

#[test]
fn over_a_unix_socket_a_program_is_told_and_a_helpers_is_not() {
    let Some(setup) = Setup::new("over_a_unix_socket_a_program_is_told_and_a_helpers_is_not") else { return };
    assert_eq!(setup.ask("--unix-socket", OVER_UNIX, &[&setup.curl, &setup.copy()]), ["200", "403", "helper 1"]);
    assert_eq!(
        setup.denied_because(),
        "the caller's program is not known: over a Unix socket `sentinel credentials` asks, and the program that it asks \
         for cannot be told: use --server"
    );
}

#[test]
fn an_interpreter_is_no_program_of_its_own() {
    let Some(setup) = Setup::new("an_interpreter_is_no_program_of_its_own") else { return };
    let script = "import os, urllib.request as r\n\
                  request = r.Request(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'])\n\
                  request.add_header('Authorization', os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN'])\n\
                  try: print(r.urlopen(request).status)\n\
                  except r.HTTPError as error: print(error.code)\n";
    let run = setup.sandbox.sentinel(["exec", "--server", "--lazy", "--profile", "dev", "--policy"]);
    let done = run.args([&setup.policy]).args(["--", python(), "-c", script]).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "403\n"), "{done}");
    let reason = setup.denied_because();
    assert!(reason.starts_with("the caller's program is not known: ") && reason.contains("python"), "{reason}");
    assert!(reason.ends_with(" runs what it is given, so it attests nothing"), "{reason}");
}

#[test]
fn without_a_caller_there_is_no_program() {
    let Some(setup) = Setup::new("without_a_caller_there_is_no_program") else { return };
    let no_caller = "the caller's program is not known: no process of a tree asked; a server that is started with --lazy \
                     waits for one";
    for (way, status) in [(&["exec"][..], 125), (&["exec", "--server"], 125), (&["credentials"], 1)] {
        let mut run = setup.sandbox.sentinel(way).args(["--profile", "dev", "--policy"]).args([&setup.policy]);
        if way.contains(&"exec") {
            run = run.args(["--", "true"]);
        }
        run.run().failed_with(status, &[no_caller]);
        assert_eq!(setup.denied_because(), no_caller);
    }
}

#[test]
fn a_uid_that_is_not_named_is_denied_in_every_mode() {
    let Some(setup) = Setup::new("a_uid_that_is_not_named_is_denied_in_every_mode") else { return };
    let us = sentinel::sys::user::effective_uid().0;
    for (uid, status) in [(us, 0), (us + 1, 125)] {
        fs::write(&setup.policy, policy(&format!(r#""uids":[{uid}]"#))).expect("written");
        for mode in [&[][..], &["--server"], &["--unix-socket"]] {
            let run = setup.sandbox.sentinel(["exec"]).args(mode).args(["--profile", "dev", "--policy"]);
            let done = run.args([&setup.policy]).args(["--", "true"]).run();
            assert_eq!(done.code(), status, "{uid} {mode:?}: {done}");
        }
    }
}
