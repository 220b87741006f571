//! The CI jobs of docs/ci.md, run as the page has them: one step gets credentials, and nothing else does.
//!
//! `runner.py` plays GitHub's and GitLab's runners; `steps/` has the step, and attackers before, beside and after it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::clients::moto::programs;
use crate::fake_sts::{ACCOUNT, Keys, Sts};
use crate::harness::{Invocation, Sandbox, copy_program, is_root, sentinel, skip};

const SYSTEMS: [&str; 2] = ["github", "gitlab"];
const MODES: [&str; 2] = ["--server", "--unix-socket"];

/// A machine for jobs: a checkout of a repository, a home, and STS.
struct Machine {
    sandbox: Sandbox,
    sts: Sts,
    user: Keys,
}

/// A step's name, status and output.
type Step = (String, i64, String);

impl Machine {
    fn new() -> Self {
        let sts = Sts::start();
        let sandbox = Sandbox::new(&sts);
        let user = sts.user("ci");
        let role = sts.role("deploy").trusts(&user.arn).allows_source_identity().arn();
        for directory in ["job", "job/workspace", "job/workspace/ci", "job/workspace/left", "steps"] {
            sandbox.directory(directory, 0o700);
        }
        for fifo in ["during", "looked", "served", "ended"] {
            let made = std::process::Command::new("mkfifo").arg(sandbox.path("job/workspace/left").join(fifo)).status();
            assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        }
        let config = example_config().replace("arn:aws:iam::123456789012:role/deploy", &role);
        // As a checkout is: readable by others, or, in GitLab's containers, writable too.
        sandbox.write("job/workspace/ci/aws-config", &config, 0o666);
        for name in ["ask.py", "leftover.py", "earlier.py", "next.py"] {
            sandbox.write(&format!("steps/{name}"), &read(&format!("tests/ci/steps/{name}")), 0o600);
        }
        sandbox.write("runner.py", &read("tests/ci/runner.py"), 0o600);
        sandbox.write("job/workspace/deploy.sh", &read("tests/ci/steps/deploy.sh"), 0o755);
        copy_program(Path::new(sentinel()), &sandbox.path("program"));
        Self { sandbox, sts, user }
    }

    /// Runs the page's job, as nobody where the tests run as root: what the user may not do, root may.
    fn play(&self, system: &str, document: &str, after: &[&str], wrong_digest: bool) -> (i32, Vec<Step>) {
        let names = match system {
            "github" => ["DEPLOY_ACCESS_KEY_ID", "DEPLOY_SECRET_ACCESS_KEY"],
            _ => ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
        };
        let situation = json!({
            "document": document,
            "secrets": { names[0]: self.user.access_key_id, names[1]: self.user.secret_access_key },
            "program": self.sandbox.path("program"),
            "before": ["python3 \"$STEPS/earlier.py\" > /dev/null 2>&1 < /dev/null &"],
            "after": after,
            "wrong_digest": wrong_digest,
        });
        let path = std::env::join_paths(
            std::iter::once(programs()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )
        .expect("no colon in a directory's name");
        let python = self.python();
        let run = python.args([self.sandbox.path("runner.py").as_os_str(), system.as_ref()]);
        let run = run.args([self.sandbox.path("job")]).env("PATH", path);
        let run = run.env("STEPS", self.sandbox.path("steps")).env("KNOWN_KEY", &self.user.access_key_id);
        // Runners have none, and the region is the profile's.
        let mut run = run.without("XDG_RUNTIME_DIR").without("AWS_REGION").spawn();
        run.send(&situation.to_string());
        run.close_stdin();
        // Read as they come: the deadline is then each step's.
        let lines: Vec<String> = std::iter::from_fn(|| Some(run.line()).filter(|line| line != "end")).collect();
        let done = run.finish();
        assert!(done.stderr.is_empty(), "{done}");
        let step = |line: &str| -> Step {
            let step: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| step[name].as_str().expect("text").to_owned();
            (text("name"), step["status"].as_i64().expect("a number"), text("output"))
        };
        (done.code(), lines.iter().map(|line| step(line)).collect())
    }

    /// Python as the user whom the runner runs as.
    fn python(&self) -> Invocation {
        let python = programs().join("python");
        let python = python.to_str().expect("UTF-8");
        if self.can_be_nobody() {
            self.sandbox.give_to_nobody();
            return self.sandbox.as_nobody(python).expect("root");
        }
        self.sandbox.program(python)
    }

    /// Whether somebody else may run the clients at all: their directory may be root's alone.
    fn can_be_nobody(&self) -> bool {
        let aws = programs().join("aws");
        let test = self.sandbox.as_nobody("test").map(|test| test.args(["-x".as_ref(), aws.as_os_str()]).run());
        test.is_some_and(|done| done.code() == 0)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The page's config file, without its indentation.
fn example_config() -> String {
    let page = read("docs/ci.md");
    let lines = page.lines().skip_while(|line| *line != "    [profile deploy]").map_while(|l| l.strip_prefix("    "));
    let config = lines.collect::<Vec<_>>().join("\n");
    assert!(config.contains("credential_source = Environment"), "{config}");
    // STS here is of one region.
    config.replace("eu-central-1", "us-east-1")
}

/// Every regular file below `path`.
fn files(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| match fs::symlink_metadata(&path).expect("there").file_type() {
        kind if kind.is_dir() => files(&path),
        kind if kind.is_file() => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(of).collect()
}

fn has_curl(test: &str) -> bool {
    let found = std::process::Command::new("curl").arg("--version").output().is_ok();
    if !found {
        skip(test, "the jobs get the program with curl");
    }
    found
}

#[test]
fn one_step_gets_credentials_and_nothing_else_does() {
    if !has_curl("one_step_gets_credentials_and_nothing_else_does") {
        return;
    }
    for (system, mode) in SYSTEMS.into_iter().flat_map(|system| MODES.map(|mode| (system, mode))) {
        let machine = Machine::new();
        let page = read("docs/ci.md").replace("deploy --server --", &format!("deploy {mode} --"));
        let (code, steps) = machine.play(system, &page, &["python3 \"$STEPS/next.py\""], false);
        let case = format!("{system} {mode}: {steps:#?}");
        assert_eq!(code, 0, "{case}");
        let deploy = steps.iter().find(|(name, ..)| name.eq_ignore_ascii_case("deploy")).expect("the step");
        assert!(deploy.2.contains(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/deploy/")), "{case}");
        // The attacker beside it had the token in its hands. Of a GitLab job's own lines it is one, and has the job's variables;
        // where it is root, it reads every process.
        let unread = machine.can_be_nobody() || !is_root();
        let count = if system == "gitlab" { 1 } else { 0 };
        let beside = if unread { format!("beside it: {count} times the key, ") } else { String::new() };
        assert!(deploy.2.contains(&format!("{beside}a token: True, 403\n")), "{case}");
        let (_, _, next) = steps.last().expect("a step");
        let lines: Vec<&str> = next.lines().collect();
        let [left, given, token, processes] = lines[..] else { panic!("{case}") };
        let gone = |line: &str, start: &str| {
            let end = line.strip_prefix(start).unwrap_or_else(|| panic!("{case}"));
            assert!(["403", "nobody there", "cut off"].contains(&end), "{case}");
        };
        gone(left, "left behind: 200, then ");
        gone(token, "with the token that was left: ");
        // deploy.sh wrote all of its own environment into GITHUB_ENV: what is of use in that has ended with the step.
        let passed_on = match (system, mode) {
            ("github", "--server") => "AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_CREDENTIALS_FULL_URI",
            ("github", _) => "SENTINEL_AUTH_TOKEN SENTINEL_UNIX_SOCKET",
            _ => "nothing",
        };
        assert_eq!(given, format!("given: {passed_on}"), "{case}");
        assert_eq!(processes, "processes with the key: 0", "{case}");
        machine.assert_no_secret_is_left(&case);
    }
}

impl Machine {
    /// Nothing that was left behind, anywhere, holds the user's secret or a session's; no socket is there.
    #[track_caller]
    fn assert_no_secret_is_left(&self, case: &str) {
        let sessions = self.sts.calls().into_iter().map(|call| call.access_key).filter(|key| key.starts_with("ASIA"));
        let mut secrets = vec![self.user.secret_access_key.clone()];
        for keys in sessions.filter_map(|key| self.sts.issued(&key)) {
            secrets.push(keys.secret_access_key);
            secrets.extend(keys.session_token);
        }
        assert!(secrets.len() >= 3, "{case}");
        let left = files(&self.sandbox.path(""));
        assert!(left.iter().any(|path| path.ends_with("left/environment")), "{left:?}");
        for path in left {
            let bytes = fs::read(&path).expect("readable");
            let found = secrets.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
            assert!(!found, "a secret in {}: {case}", path.display());
        }
        let sockets = fs::read_dir(self.sandbox.path("tmp")).expect("tmp").flatten().map(|entry| entry.path());
        let sockets: Vec<_> =
            sockets.filter(|path| path.is_dir() && fs::read_dir(path).is_ok_and(|d| d.count() > 0)).collect();
        assert_eq!(sockets, Vec::<PathBuf>::new(), "{case}");
    }
}

#[test]
fn a_program_that_is_not_the_pinned_one_never_sees_the_keys() {
    if !has_curl("a_program_that_is_not_the_pinned_one_never_sees_the_keys") {
        return;
    }
    for system in SYSTEMS {
        let machine = Machine::new();
        let script = "#!/bin/sh\nenv > stolen\n";
        machine.sandbox.write("program", script, 0o600);
        let (code, steps) = machine.play(system, &read("docs/ci.md"), &["true"], true);
        assert_ne!(code, 0, "{system}: {steps:#?}");
        let (name, _, output) = steps.last().expect("a step");
        assert!(output.contains("sha256sum: WARNING: 1 computed checksum did NOT match"), "{system}: {steps:#?}");
        assert_eq!(name, if system == "github" { "Get sentinel" } else { "deploy" });
        assert!(!machine.sandbox.path("job/workspace/stolen").exists(), "{system}");
        assert_eq!(machine.sts.calls().len(), 0, "{system}");
    }
}

/// What the page says of GitLab: the job's variables are the job's, before and after the command.
#[test]
fn gitlab_gives_an_after_script_the_keys_again() {
    if !has_curl("gitlab_gives_an_after_script_the_keys_again") {
        return;
    }
    let machine = Machine::new();
    let page = read("docs/ci.md").replace(
        "./deploy.sh\nreport:",
        "./deploy.sh\n  after_script:\n    - echo \"$AWS_ACCESS_KEY_ID ${AWS_SESSION_TOKEN-none}\"\nreport:",
    );
    let (code, steps) = machine.play("gitlab", &page, &["true"], false);
    assert_eq!(code, 0, "{steps:#?}");
    let after = steps.iter().find(|(name, ..)| name == "deploy, after_script").expect("the script");
    // The user's key, which may assume the role, but no session of it.
    assert_eq!(after.2, format!("{} none\n", machine.user.access_key_id), "{steps:#?}");
}

/// What the attackers would get, and the page's reason to serve: keys in the environment are passed on and stay good.
#[test]
fn without_a_server_a_later_step_may_be_the_role() {
    if !has_curl("without_a_server_a_later_step_may_be_the_role") {
        return;
    }
    let machine = Machine::new();
    machine.sandbox.write("job/workspace/deploy.sh", "#!/bin/sh\nenv | grep ^AWS_ >> \"$GITHUB_ENV\"\n", 0o755);
    let page = read("docs/ci.md").replace("deploy --server --", "deploy --");
    let whoami = "aws sts get-caller-identity --query Arn --output text";
    let (code, steps) = machine.play("github", &page, &[whoami], false);
    assert_eq!(code, 0, "{steps:#?}");
    let (_, _, said) = steps.last().expect("a step");
    assert!(said.starts_with(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/deploy/")), "{steps:#?}");
}
