//! T1, and T2 and T3, for the sockets of services: who may connect is said, never more at any instant, and nothing is left.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use super::service::{Open, Service, WEB, serve};
use crate::harness::{World, eventually, is_root, one_of_three, python, sentinel, skip};

const STEP: &str = include_str!("attackers/step.py");
const WATCH: &str = include_str!("attackers/watch_service.py");

#[test]
fn between_any_two_system_calls_nobody_may_connect_but_those_who_are_to() {
    const NAME: &str = "between_any_two_system_calls_nobody_may_connect_but_those_who_are_to";
    if !is_root() {
        return skip(NAME, "it takes root to be several users");
    }
    let world = World::new();
    let open = Open::new();
    let watched = world.sandbox.program(python()).args(["-c", &format!("{STEP}{WATCH}")]).args([&open.0]);
    let options = ["--socket-mode", "0660", "--socket-group", "61004", "--profile", "base", "--allow-uid", "61001"];
    let done = watched.args([sentinel(), "serve", "ecs", "--socket"]).args([open.socket()]).args(options).run();
    assert_eq!(done.code(), 0, "{done}");
    let expected = [
        "a member EACCES",
        "a member ECONNREFUSED",
        "a member connected",
        "another EACCES",
        "socket 600 of group 0",
        "socket 600 of group 61004",
        "socket 660 of group 61004",
    ];
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), expected, "{done}");
}

#[test]
fn a_place_that_others_could_change_is_refused() {
    let world = World::new();
    let directory = world.sandbox.directory("own", 0o755);
    let socket = directory.join("s.sock");
    let refused = |mode: &str, directory_mode: u32, parts: &[&str]| {
        fs::set_permissions(&directory, fs::Permissions::from_mode(directory_mode)).expect("chmod");
        let options = ["--socket-mode", mode, "--profile", "base", "--allow-uid", "1"];
        serve(&world, &[], &socket, &options).run().failed_with(1, parts);
        assert_eq!(fs::read_dir(&directory).expect("a listing").count(), 0);
    };
    refused("0666", 0o775, &["may be written by others (mode 0775)", "chmod go-w"]);
    refused("0660", 0o1777, &["may be written by others (mode 1777)"]);
    refused("0600", 0o755, &["is open to others (mode 0755)"]);
    if is_root() {
        std::os::unix::fs::chown(&directory, Some(WEB), None).expect("chown");
        refused("0666", 0o755, &["belongs to uid 61001"]);
    }
}

#[test]
fn a_group_that_the_socket_cannot_be_given_to_leaves_nothing_behind() {
    const NAME: &str = "a_group_that_the_socket_cannot_be_given_to_leaves_nothing_behind";
    if !is_root() {
        return skip(NAME, "it takes root to be another user");
    }
    let world = World::new();
    let directory = world.sandbox.directory("own", 0o755);
    world.sandbox.give_to_nobody();
    let before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
    let options = ["--socket-mode", "0660", "--socket-group", "0", "--profile", "base", "--allow-uid", "1"];
    let done = serve(&world, &before, &directory.join("s.sock"), &options).run();
    done.failed_with(1, &["it cannot be given to the group 0"]);
    assert_eq!(fs::read_dir(&directory).expect("a listing").count(), 0);
}

#[test]
fn what_is_there_already_is_left_alone() {
    let options = ["--profile", "web", "--allow-uid", "61001"];
    let Some(service) = Service::start("what_is_there_already_is_left_alone", &options) else { return };
    let socket = service.open.socket();
    let before = fs::symlink_metadata(&socket).expect("a socket").ino();
    serve(&service.world, &[], &socket, &options).run().failed_with(1, &["is taken"]);
    assert_eq!(fs::symlink_metadata(&socket).expect("a socket").ino(), before);
    assert_eq!(service.told(WEB), "web");
    let file = service.open.0.join("file");
    fs::write(&file, "precious").expect("a file");
    serve(&service.world, &[], &file, &options).run().failed_with(1, &["is taken: it is a file"]);
    assert_eq!(fs::read(&file).expect("the file"), b"precious");
    fs::remove_file(&file).expect("removed");
    service.end();
}

#[test]
fn a_signal_ends_the_service_and_its_session_and_what_a_kill_leaves_is_replaced() {
    const NAME: &str = "a_signal_ends_the_service_and_its_session_and_what_a_kill_leaves_is_replaced";
    let options = ["--profile", "web", "--allow-uid", "61001"];
    if !is_root() {
        return skip(NAME, "it takes root to be several users");
    }
    let start = || Service::start(NAME, &options).expect("root");
    for signal in ["TERM", "INT", "QUIT"] {
        // The end waits a second for its record, which the disk may take once: the next start would write it then.
        one_of_three(|| {
            let service = start();
            assert_eq!(service.told(WEB), "web");
            service.running.signal(signal);
            let done = service.running.finish();
            assert_eq!(done.code(), 0, "{done}");
            assert_eq!(fs::read_dir(&service.open.0).expect("a listing").count(), 0, "{signal}");
            let listed = service.world.sandbox.sentinel(["session", "list", "--json"]).run();
            let session: serde_json::Value = serde_json::from_str(listed.stdout.trim()).expect("a session");
            if session["status"] == "expired" { Ok(()) } else { Err(listed.to_string()) }
        });
    }
    let service = start();
    service.running.signal("KILL");
    // Its first thread may be gone before the others.
    eventually("the end of all of its threads", || {
        let refused = UnixStream::connect(service.open.socket()).err();
        (refused?.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    let Service { open, world, found, .. } = service;
    let mut again = serve(&world, &[], &open.socket(), &options).spawn();
    again.error_line("serving on ");
    let service = Service { running: again, open, world, found };
    assert_eq!(service.told(WEB), "web");
    service.end();
}
