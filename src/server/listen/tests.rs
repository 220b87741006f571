use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

use std::os::unix::net::UnixStream;

use super::*;

/// A private directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sentinel-listen-{name}-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("removed");
    }
}

#[test]
fn the_socket_is_private_and_gone_afterwards() {
    let directory = Directory::new("private");
    let path = directory.0.join("s.sock");
    let listening = Listening::bind(&path, &SocketAccess::PRIVATE).expect("bound");
    assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o7777, 0o600);
    drop(listening);
    assert_eq!(fs::read_dir(&directory.0).expect("a listing").count(), 0);
}

#[test]
fn a_dead_socket_of_ours_is_replaced() {
    let directory = Directory::new("dead");
    let path = directory.0.join("s.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    let listening = Listening::bind(&path, &SocketAccess::PRIVATE).expect("bound");
    UnixStream::connect(listening.path()).expect("a live socket");
}

#[test]
fn what_is_not_a_dead_socket_is_left_alone() {
    let directory = Directory::new("taken");
    let path = directory.0.join("s.sock");
    fs::write(&path, "precious").expect("written");
    let error = Listening::bind(&path, &SocketAccess::PRIVATE).expect_err("a file");
    assert!(error.to_string().contains("is taken: it is a file"), "{error}");
    assert_eq!(fs::read(&path).expect("read"), b"precious");
    fs::remove_file(&path).expect("removed");
    symlink("/nonexistent", &path).expect("linked");
    assert!(
        Listening::bind(&path, &SocketAccess::PRIVATE)
            .expect_err("a link")
            .to_string()
            .contains("it is a symbolic link")
    );
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    assert!(
        Listening::bind(&path, &SocketAccess::PRIVATE)
            .expect_err("a directory")
            .to_string()
            .contains("it is a directory")
    );
    assert_eq!(fs::read_dir(&directory.0).expect("a listing").count(), 1, "a lock is left");
}

#[test]
fn a_live_server_is_left_alone() {
    let directory = Directory::new("live");
    let path = directory.0.join("s.sock");
    let other = UnixListener::bind(&path).expect("bound");
    let error = Listening::bind(&path, &SocketAccess::PRIVATE).expect_err("a live server");
    let expected = format!("is taken: a server (pid {}) listens on it", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    drop(other);
    let first = Listening::bind(&path, &SocketAccess::PRIVATE).expect("bound");
    let error = Listening::check(&path, &SocketAccess::PRIVATE).expect_err("a live server");
    assert!(error.to_string().contains(&expected), "{error}");
    let error = Listening::bind(&path, &SocketAccess::PRIVATE).expect_err("a second sentinel");
    assert!(error.to_string().contains("another sentinel serves on it"), "{error}");
    UnixStream::connect(first.path()).expect("the first still listens");
}

#[test]
fn a_directory_that_is_open_to_others_is_refused() {
    let directory = Directory::new("open");
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o711)).expect("chmod");
    let error = Listening::bind(&directory.0.join("s.sock"), &SocketAccess::PRIVATE).expect_err("an open directory");
    assert!(error.to_string().contains("is open to others (mode 0711)"), "{error}");
}

#[test]
fn a_path_that_is_too_long_is_named_with_its_length() {
    let path = format!("/tmp/{}", "x".repeat(103));
    let error = Listening::bind(Path::new(&path), &SocketAccess::PRIVATE).expect_err("too long");
    assert!(error.to_string().contains("is 108 bytes long; the kernel takes 107"), "{error}");
}

#[test]
fn of_many_that_bind_at_once_one_wins() {
    let directory = Directory::new("race");
    let path = directory.0.join("s.sock");
    drop(UnixListener::bind(&path).expect("a dead socket to fight for"));
    let barrier = std::sync::Barrier::new(8);
    let bound: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    Listening::bind(&path, &SocketAccess::PRIVATE)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic").ok()).collect()
    });
    assert_eq!(bound.len(), 1);
    UnixStream::connect(&path).expect("the winner listens");
}
