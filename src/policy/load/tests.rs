use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::policy::json::MAX_BYTES;
use crate::policy::{Effect, Mode, PeerFacts, Question};

const ALLOW: &str = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
/// As long as the other, so that only the times tell them apart.
const DENY: &str = r#"{"version":"1","rules":[{"name":"r","effect":"deny" }]}"#;

/// A directory that goes away with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sentinel-policy-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An hour after the files of the test were written, so that they count as settled.
struct AnHourLater;

impl Clock for AnHourLater {
    fn wall(&self) -> Timestamp {
        SystemClock.wall() + Duration::from_secs(3600)
    }

    fn boot(&self) -> Duration {
        SystemClock.boot()
    }
}

fn open(path: impl Into<PathBuf>, clock: impl Clock + 'static) -> Result<PolicyFile> {
    let path = path.into();
    let reader = Reader::new(path.display().to_string(), None, Arc::new(clock));
    let file = PolicyFile::new(path, reader);
    file.current()?;
    Ok(file)
}

fn effect(policy: &Policy) -> Effect {
    let now = Timestamp::UNIX_EPOCH;
    let peer = PeerFacts { uid: 0, program: Err("nobody asked") };
    let question = Question {
        profile: "p",
        user: None,
        account: None,
        role_arn: None,
        by_arn: false,
        mode: Mode::Cli,
        peer,
        os: "linux",
        now,
    };
    policy.evaluate(&question).effect
}

/// The error of opening the file, with its path as `FILE`.
#[track_caller]
fn refused(path: &Path) -> String {
    let error = open(path, SystemClock).err().expect("an error").to_string();
    error.replace(&path.display().to_string(), "FILE")
}

#[test]
fn an_unchanged_file_is_read_once() {
    let directory = Directory::new();
    let file = open(directory.file("p", ALLOW), AnHourLater).expect("a policy");
    let first = file.current().expect("a policy");
    assert!(Arc::ptr_eq(&first, &file.current().expect("a policy")));
}

#[test]
fn a_file_written_just_now_is_read_again() {
    // A second write within one tick of the file system's clock could leave every time as it is.
    let directory = Directory::new();
    let path = directory.file("p", ALLOW);
    let file = open(&path, SystemClock).expect("a policy");
    assert_eq!(effect(&file.current().expect("a policy")), Effect::Allow);
    std::fs::write(&path, DENY).expect("a write");
    assert_eq!(effect(&file.current().expect("a policy")), Effect::Deny);
}

#[test]
fn a_replaced_file_is_read() {
    let directory = Directory::new();
    let path = directory.file("p", ALLOW);
    let file = open(&path, AnHourLater).expect("a policy");
    std::fs::rename(directory.file("new", DENY), &path).expect("rename");
    assert_eq!(effect(&file.current().expect("a policy")), Effect::Deny);
}

#[test]
fn a_file_that_vanished_or_broke_is_an_error_until_it_is_mended() {
    let directory = Directory::new();
    let path = directory.file("p", ALLOW);
    let file = open(&path, AnHourLater).expect("a policy");
    let error = || file.current().expect_err("an error").to_string().replace(&path.display().to_string(), "FILE");

    std::fs::remove_file(&path).expect("remove");
    assert_eq!(error(), "cannot read the policy FILE: No such file or directory (os error 2)");
    directory.file("p", "{");
    let invalid = "the policy FILE is not valid: EOF while parsing an object at line 1 column 1";
    assert_eq!(error(), invalid);
    assert_eq!(error(), invalid);
    directory.file("p", DENY);
    assert_eq!(effect(&file.current().expect("a policy")), Effect::Deny);
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("chmod");
    assert_eq!(error(), "the policy FILE may be written by its group or others (mode 0666)\n  chmod go-w FILE");
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    assert_eq!(refused(Path::new("/dev/null")), "the policy FILE is not a regular file");
    let directory = Directory::new();
    assert_eq!(refused(&directory.0), "the policy FILE is not a regular file");
    // A FIFO without a writer must not make anyone wait.
    let fifo = directory.0.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    assert_eq!(refused(&fifo), "the policy FILE is not a regular file");
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let directory = Directory::new();
    let path = directory.file("p", ALLOW);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).expect("chmod");
    let message = "the policy FILE may be written by its group or others (mode 0620)\n  chmod go-w FILE";
    assert_eq!(refused(&path), message);
}

#[test]
fn text_that_cannot_be_a_policy_is_refused() {
    let directory = Directory::new();
    let path = directory.file("p", "");
    std::fs::write(&path, b"\xff").expect("a write");
    assert_eq!(refused(&path), "the policy FILE is not UTF-8");
    std::fs::write(&path, "ä".repeat(MAX_BYTES)).expect("a write");
    assert_eq!(refused(&path), "the policy FILE is larger than 1 MiB");
}

#[test]
fn many_threads_see_one_policy() {
    let directory = Directory::new();
    let path = directory.file("p", ALLOW);
    let file = open(&path, AnHourLater).expect("a policy");
    std::fs::rename(directory.file("new", DENY), &path).expect("rename");
    let policies: Vec<Arc<Policy>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| file.current().expect("a policy"))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    assert_eq!(effect(&policies[0]), Effect::Deny);
    assert!(policies.iter().all(|policy| Arc::ptr_eq(policy, &policies[0])));
}
