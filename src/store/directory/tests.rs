use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of a test, removed with it.
pub(in super::super) struct Scratch(pub(in super::super) PathBuf);

impl Scratch {
    pub(in super::super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("sentinel-store-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn written(directory: &Directory, name: &str, text: &str) {
    directory.write(name, text.as_bytes(), &directory.lock().expect("the lock")).expect("written");
}

fn text_of(directory: &Directory, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    directory.read(name, &mut bytes).expect("read").then(|| String::from_utf8(bytes).expect("UTF-8"))
}

#[test]
fn a_file_is_replaced_and_is_its_owners_alone() {
    let scratch = Scratch::new();
    let directory = Directory::open(&scratch.0).expect("a directory");
    assert_eq!(fs::metadata(&scratch.0).expect("metadata").mode() & 0o777, 0o700);
    assert_eq!(text_of(&directory, "a"), None);
    written(&directory, "a", "one, and longer");
    written(&directory, "a", "two");
    assert_eq!(text_of(&directory, "a").as_deref(), Some("two"));
    assert_eq!(fs::metadata(scratch.0.join("a")).expect("metadata").mode() & 0o777, 0o600);
    directory.remove("a").expect("removed");
    directory.remove("a").expect("it was gone");
    assert_eq!(text_of(&directory, "a"), None);
}

#[test]
fn what_an_interrupted_writer_left_is_no_file_and_does_not_stay() {
    let scratch = Scratch::new();
    let directory = Directory::open(&scratch.0).expect("a directory");
    let id = "0123456789abcdef";
    written(&directory, &format!("{id}.json"), "old");
    for left in ["", "{\"id\":\"01234", "longer than what is written next, by far"] {
        drop(directory.unfinished(left.as_bytes(), &directory.lock().expect("the lock")).expect("written in part"));
        assert_eq!(directory.ids().expect("a listing"), [id]);
        assert_eq!(text_of(&directory, &format!("{id}.json")).as_deref(), Some("old"));
    }
    written(&directory, "b", "new");
    assert_eq!(text_of(&directory, "b").as_deref(), Some("new"));
    assert!(!scratch.0.join(".unfinished").exists());
}

#[test]
fn a_lock_that_another_holds_is_waited_for_and_not_for_long() {
    let scratch = Scratch::new();
    let directory = Directory::open(&scratch.0).expect("a directory");
    let held = directory.lock().expect("the lock");
    let error = directory.lock_within(Duration::from_millis(20)).expect_err("it is held");
    let expected = format!("{} was locked by another process for 0 s", scratch.0.display());
    assert_eq!(error.summary(), expected);
    drop(held);
    // A process that another test is starting holds a copy until it executes its program.
    drop(directory.lock().expect("it is free"));
}

#[test]
fn a_directory_that_is_not_ours_alone_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).expect("a directory");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o750)).expect("a mode");
    let error = Directory::open(&scratch.0).expect_err("it is open");
    let expected = format!("the state directory {} is open to its group or others (mode 0750)", scratch.0.display());
    assert_eq!(error.summary(), expected);
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o700)).expect("a mode");
    let link = scratch.0.join("link");
    symlink(".", &link).expect("a link");
    let error = Directory::open(&link).expect_err("a link");
    assert_eq!(error.summary(), format!("the state directory {} is a symbolic link", link.display()));
}

#[test]
fn a_file_that_is_not_ours_alone_is_refused() {
    let scratch = Scratch::new();
    let directory = Directory::open(&scratch.0).expect("a directory");
    let refusal = |name: &str| directory.read(name, &mut Vec::new()).expect_err("refused").summary();
    let shown = |name: &str| scratch.0.join(name).display().to_string();
    written(&directory, "open", "text");
    fs::set_permissions(scratch.0.join("open"), fs::Permissions::from_mode(0o604)).expect("a mode");
    assert_eq!(refusal("open"), format!("{} is open to its group or others (mode 0604)", shown("open")));
    symlink("open", scratch.0.join("link")).expect("a link");
    assert_eq!(refusal("link"), format!("{} is a symbolic link", shown("link")));
    fs::create_dir(scratch.0.join("folder")).expect("a directory");
    assert_eq!(refusal("folder"), format!("{} is not a regular file", shown("folder")));
    written(&directory, "large", &"x".repeat(64 * 1024 + 1));
    assert_eq!(refusal("large"), format!("{} is larger than 64 KiB", shown("large")));
}

#[test]
fn a_path_that_leads_elsewhere_changes_nothing_for_who_holds_the_directory() {
    let scratch = Scratch::new();
    let path = scratch.0.join("held");
    let directory = Directory::open(&path).expect("a directory");
    written(&directory, "a", "ours");
    fs::rename(&path, scratch.0.join("moved")).expect("moved");
    fs::create_dir(&path).expect("another");
    fs::write(path.join("a"), "theirs").expect("written");
    assert_eq!(text_of(&directory, "a").as_deref(), Some("ours"));
    written(&directory, "a", "ours still");
    assert_eq!(fs::read_to_string(path.join("a")).expect("read"), "theirs");
}
