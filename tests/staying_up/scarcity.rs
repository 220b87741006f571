//! Descriptors and threads that run out: the server lives through it, says so in a few lines, and serves when they are there again.

use std::fs;

use super::shape::{Shape, User};
use crate::harness::{Invocation, World, is_root, skip};

/// Sets a soft limit of a running process, with a `prlimit` of its own user.
#[track_caller]
fn limit(prlimit: Invocation, pid: u32, what: &str, soft: usize) {
    let done = prlimit.args(["--pid", &pid.to_string(), &format!("--{what}={soft}:")]).run();
    assert_eq!(done.code(), 0, "{done}");
}

/// How many lines about this there are: five in ten seconds at most.
#[track_caller]
fn assert_few(said: &str, part: &str) {
    let lines = said.lines().filter(|line| line.contains(part)).count();
    assert!((1..=40).contains(&lines), "{lines} lines: {said}");
}

#[test]
fn when_descriptors_are_there_again_it_serves_again() {
    Shape::each(&Shape::ALL, |shape| {
        let world = World::with_dev();
        let mut watcher = shape.watch(&world.sandbox, &["--profile", "dev"], "0.05");
        let pid = watcher.sentinel().pid();
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").count();
        let limit = |soft| limit(world.sandbox.program("prlimit"), pid, "nofile", soft);
        for _ in 0..2 {
            // Less than there are already.
            limit(open / 2);
            watcher.sentinel().error_line("cannot accept a connection");
            limit(256);
            watcher.wait_until_served();
        }
        assert_few(&watcher.end(), "cannot accept a connection");
    });
}

#[test]
fn when_threads_are_there_again_it_serves_again() {
    let name = "when_threads_are_there_again_it_serves_again";
    if !is_root() {
        return skip(name, "root has as many threads as it likes, and it takes root to become another user");
    }
    Shape::each(&[Shape::Exec, Shape::Unix, Shape::Ec2], |shape| {
        let world = World::with_dev();
        world.sandbox.give_to_nobody();
        let options = ["--profile", "dev"];
        let mut watcher = shape.watch_as(User::Nobody, &world.sandbox, &options, "0.05", |sentinel| sentinel);
        let pid = watcher.sentinel().pid();
        let limit = |soft| limit(world.sandbox.as_nobody("prlimit").expect("root"), pid, "nproc", soft);
        for _ in 0..2 {
            limit(1);
            // Threads that are there already are used.
            watcher.wait_until_served();
            watcher.client.send("crowd 20");
            watcher.sentinel().error_line("cannot start a thread for a connection");
            assert_eq!(watcher.client.line(), "gone");
            limit(4096);
            watcher.wait_until_served();
        }
        assert_few(&watcher.end(), "cannot start a thread for a connection");
    });
}
