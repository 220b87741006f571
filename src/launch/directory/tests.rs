use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::env::Env;
use crate::sys::user::effective_uid;

/// A directory of the test alone, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let mut bytes = [0; 8];
        getrandom::getrandom(&mut bytes).expect("random");
        let path = PathBuf::from(format!("/tmp/sentinel-test-{:016x}", u64::from_ne_bytes(bytes)));
        DirBuilder::new().mode(0o700).create(&path).expect("scratch");
        Self(path)
    }

    fn env(&self, variable: &str) -> Env {
        Env::from_iter([(variable, self.0.as_os_str())])
    }

    fn base(&self) -> Base {
        Base::choose(&self.env("XDG_RUNTIME_DIR"), effective_uid()).expect("a base")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn program() -> &'static Path {
    Path::new("/usr/bin/sentinel")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("metadata").mode() & 0o777
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What a killed sentinel leaves: everything, with the lock let go.
fn abandon(base: &Base) -> PathBuf {
    let mut directory = PrivateDirectory::create(base, program()).expect("a directory");
    directory.write_config("x").expect("a config");
    drop(UnixListener::bind(directory.socket()).expect("a socket"));
    fs::write(directory.path().join("s.sock.lock"), "").expect("the lock that binding makes");
    // A process id that is not ours stands for a process that never got to its destructors.
    directory.process_id = 0;
    directory.path.clone()
}

#[test]
fn the_directory_and_its_files_are_closed_to_others() {
    let scratch = Scratch::new();
    let directory = PrivateDirectory::create(&scratch.base(), program()).expect("a directory");
    directory.write_config("[default]\n").expect("a config");
    assert_eq!(directory.path().parent(), Some(scratch.0.join("sentinel").as_path()));
    assert_eq!(mode(&scratch.0.join("sentinel")), 0o700);
    assert_eq!(mode(directory.path()), 0o700);
    assert_eq!(names(directory.path()), ["config", "lock", "sentinel"]);
    assert_eq!(mode(&directory.config()), 0o400);
    assert_eq!(mode(&directory.path().join("lock")), 0o600);
    assert_eq!(fs::read_to_string(directory.config()).expect("text"), "[default]\n");
    assert_eq!(fs::read_link(directory.helper()).expect("a link"), program());
    assert_eq!(directory.socket(), directory.path().join("s.sock"));
}

#[test]
fn the_config_is_not_written_over_anything() {
    let scratch = Scratch::new();
    let directory = PrivateDirectory::create(&scratch.base(), program()).expect("a directory");
    let target = scratch.0.join("target");
    symlink(&target, directory.config()).expect("a link");
    let error = directory.write_config("x").expect_err("a refusal");
    assert_eq!(error.to_string(), format!("cannot write {}: File exists (os error 17)", directory.config().display()));
    assert!(!target.exists());
}

#[test]
fn closing_and_dropping_remove_everything() {
    let scratch = Scratch::new();
    let base = scratch.base();
    for close in [true, false] {
        let directory = PrivateDirectory::create(&base, program()).expect("a directory");
        directory.write_config("x").expect("a config");
        let _socket = UnixListener::bind(directory.socket()).expect("a socket");
        assert_eq!(names(base.path()).len(), 1);
        if close {
            directory.close().expect("closed");
        } else {
            drop(directory);
        }
        assert_eq!(names(base.path()), [""; 0]);
    }
}

#[test]
fn what_is_not_ours_is_not_removed() {
    let scratch = Scratch::new();
    let directory = PrivateDirectory::create(&scratch.base(), program()).expect("a directory");
    let path = directory.path().to_owned();
    fs::write(path.join("notes"), "x").expect("a file");
    let error = directory.close().expect_err("a refusal");
    assert_eq!(error.summary(), format!("cannot remove {}: Directory not empty (os error 39)", path.display()));
    assert_eq!(names(&path), ["notes"]);
}

#[test]
fn a_forked_child_removes_nothing() {
    let scratch = Scratch::new();
    let path = abandon(&scratch.base());
    assert_eq!(names(&path), ["config", "lock", "s.sock", "s.sock.lock", "sentinel"]);
}

#[test]
fn dead_directories_are_cleaned_and_live_ones_are_not() {
    let scratch = Scratch::new();
    let base = scratch.base();
    let live = PrivateDirectory::create(&base, program()).expect("a directory");
    let dead = [abandon(&base), abandon(&base)];
    let empty = base.fresh_path().expect("a path");
    DirBuilder::new().mode(0o700).create(&empty).expect("a directory");
    assert_eq!(base.clean_stale(), 3);
    assert!(!dead[0].exists() && !dead[1].exists() && !empty.exists());
    assert_eq!(names(live.path()), ["lock", "sentinel"]);
    assert_eq!(base.clean_stale(), 0);
}

#[test]
fn the_unexpected_is_left_alone() {
    let scratch = Scratch::new();
    let base = scratch.base();
    let untouched = |path: &Path, expected: &[&str]| {
        assert_eq!(base.clean_stale(), 0, "{}", path.display());
        assert_eq!(names(path), expected);
        fs::remove_dir_all(path).expect("removed");
    };

    let extra = abandon(&base);
    fs::write(extra.join("notes"), "x").expect("a file");
    untouched(&extra, &["config", "lock", "notes", "s.sock", "s.sock.lock", "sentinel"]);

    let open = abandon(&base);
    fs::set_permissions(&open, Permissions::from_mode(0o755)).expect("a mode");
    untouched(&open, &["config", "lock", "s.sock", "s.sock.lock", "sentinel"]);

    let kind = abandon(&base);
    fs::remove_file(kind.join("config")).expect("removed");
    fs::create_dir(kind.join("config")).expect("a directory");
    untouched(&kind, &["config", "lock", "s.sock", "s.sock.lock", "sentinel"]);

    let unlocked = abandon(&base);
    fs::remove_file(unlocked.join("lock")).expect("removed");
    untouched(&unlocked, &["config", "s.sock", "s.sock.lock", "sentinel"]);

    let renamed = base.path().join("notes");
    fs::rename(abandon(&base), &renamed).expect("renamed");
    untouched(&renamed, &["config", "lock", "s.sock", "s.sock.lock", "sentinel"]);

    let elsewhere = scratch.0.join("elsewhere");
    fs::rename(abandon(&base), &elsewhere).expect("renamed");
    symlink(&elsewhere, base.fresh_path().expect("a path")).expect("a link");
    untouched(&elsewhere, &["config", "lock", "s.sock", "s.sock.lock", "sentinel"]);
}

#[test]
fn a_cleaner_never_takes_a_directory_from_its_maker() {
    let scratch = Scratch::new();
    let base = scratch.base();
    let (makers, rounds) = (3, 200);
    let start = Barrier::new(makers + 2);
    let (done, cleaned) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                while !done.load(Ordering::Relaxed) {
                    cleaned.fetch_add(base.clean_stale(), Ordering::Relaxed);
                }
            });
        }
        let threads: Vec<_> = (0..makers)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let mut lost = 0;
                    for _ in 0..rounds {
                        let directory = PrivateDirectory::create(&base, program()).expect("a directory");
                        let wrote = directory.write_config("x").is_ok();
                        lost += usize::from(!wrote || names(directory.path()) != ["config", "lock", "sentinel"]);
                    }
                    lost
                })
            })
            .collect();
        let lost: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::Relaxed);
        let lost: usize = lost.into_iter().map(|lost| lost.expect("a maker")).sum();
        assert_eq!(lost, 0);
    });
    base.clean_stale();
    assert_eq!(names(base.path()), [""; 0]);
}

#[test]
fn a_maker_whose_lock_was_taken_or_removed_gives_up_the_name() {
    let scratch = Scratch::new();
    // The directory is gone before the lock is made.
    assert!(lock_fresh(&scratch.0.join("gone").join(LOCK)).expect("no error").is_none());
    let path = scratch.0.join(LOCK);
    let held = lock_fresh(&path).expect("no error").expect("a lock");
    // A cleaner has locked it first.
    let made = File::open(&path).expect("the file");
    assert!(claim(&path, made.try_clone().expect("a copy")).expect("no error").is_none());
    drop(held);
    assert!(claim(&path, made.try_clone().expect("a copy")).expect("no error").is_some());
    // A cleaner has locked and removed it, and another file may have its name.
    fs::remove_file(&path).expect("removed");
    assert!(claim(&path, made.try_clone().expect("a copy")).expect("no error").is_none());
    fs::write(&path, "").expect("a file");
    assert!(claim(&path, made).expect("no error").is_none());
}

#[test]
fn a_runtime_directory_that_is_not_private_is_passed_over() {
    let scratch = Scratch::new();
    let temporary = scratch.0.join("tmp");
    DirBuilder::new().mode(0o700).create(&temporary).expect("a directory");
    let shared = scratch.0.join("shared");
    DirBuilder::new().mode(0o700).create(&shared).expect("a directory");
    fs::set_permissions(&shared, Permissions::from_mode(0o755)).expect("a mode");
    let link = scratch.0.join("link");
    symlink(&temporary, &link).expect("a link");
    for runtime in [&shared, &link, &scratch.0.join("missing"), &PathBuf::from("relative")] {
        let mut env = Env::from_iter([("TMPDIR", temporary.as_os_str())]);
        env.set("XDG_RUNTIME_DIR", runtime.as_os_str());
        let base = Base::choose(&env, effective_uid()).expect("a base");
        assert_eq!(base.path(), temporary);
        let directory = PrivateDirectory::create(&base, program()).expect("a directory");
        let name = directory.path().file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with(&format!("sentinel-{}-", effective_uid())), "{name}");
        assert!(base.is_name(&name));
    }
}

#[test]
fn a_link_or_an_open_directory_at_the_predictable_name_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.0.join("sentinel");
    let refusal = || Base::choose(&scratch.env("XDG_RUNTIME_DIR"), effective_uid()).expect_err("a refusal").to_string();

    symlink("/tmp", &path).expect("a link");
    assert_eq!(refusal(), format!("{} is not a directory\n  remove it, and start again", path.display()));
    fs::remove_file(&path).expect("removed");

    fs::create_dir(&path).expect("a directory");
    fs::set_permissions(&path, Permissions::from_mode(0o750)).expect("a mode");
    let uid = effective_uid();
    let text = format!("{} has owner {uid} and mode 750, not {uid} and 700", path.display());
    assert_eq!(refusal(), format!("{text}\n  remove it, and start again"));
}

#[test]
fn a_temporary_directory_in_which_others_may_rename_is_refused() {
    let scratch = Scratch::new();
    let refusal = |env: &Env| Base::choose(env, effective_uid()).expect_err("a refusal").summary();
    let path = scratch.0.display();
    fs::set_permissions(&scratch.0, Permissions::from_mode(0o777)).expect("a mode");
    let text = format!("the temporary directory {path} lets other users rename what is in it");
    assert_eq!(refusal(&scratch.env("TMPDIR")), text);
    fs::set_permissions(&scratch.0, Permissions::from_mode(0o1777)).expect("a mode");
    assert_eq!(Base::choose(&scratch.env("TMPDIR"), effective_uid()).expect("a base").path(), scratch.0);
    let relative = Env::from_iter([("TMPDIR", "tmp")]);
    assert_eq!(refusal(&relative), "the temporary directory tmp is not an absolute path");
}

#[test]
fn a_directory_of_another_owner_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.0.join("x");
    let (uid, other) = (effective_uid(), Uid(effective_uid().0 + 1));
    let error = make(&path, other).expect_err("a refusal");
    assert_eq!(error.to_string(), format!("it has owner {uid} and mode 700, not {other} and 700"));
}

#[test]
fn a_socket_path_that_does_not_fit_is_refused_with_its_length() {
    let path = |length: usize| PathBuf::from(format!("/{}", "a".repeat(length - 1)));
    check_socket_path(&path(107)).expect("it fits");
    let error = check_socket_path(&path(108)).expect_err("a refusal");
    assert_eq!(
        error.summary(),
        format!("the socket path {} is 108 bytes long, and the kernel takes 107", path(108).display())
    );
    let scratch = Scratch::new();
    let long = scratch.0.join("a".repeat(80));
    DirBuilder::new().mode(0o700).create(&long).expect("a directory");
    let base = Base::choose(&Env::from_iter([("TMPDIR", long.as_os_str())]), effective_uid()).expect("a base");
    assert!(PrivateDirectory::create(&base, program()).is_err());
    assert_eq!(names(&long), [""; 0]);
}
