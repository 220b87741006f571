//! T31: a socket that a service manager hands over is served only if it is as sentinel would have made it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::harness::{Invocation, REQUEST, Sandbox, World, eventually, is_root, process, read_answer, skip};

/// Plays the service manager: runs the code that makes `s`, and hands it over as descriptor 3.
const MANAGER: &str = r#"
import fcntl, os, socket, stat, sys
variables = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "sentinel.socket"}
def unix(path, mode=0o600, kind=socket.SOCK_STREAM, listening=True):
    s = socket.socket(socket.AF_UNIX, kind)
    os.umask(0)
    # PassCredentials=yes: bytes that are written before sentinel has the socket have a writer, too.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    s.bind(path)
    if path[0] != "\0":
        os.chmod(path, mode)
    if listening:
        s.listen()
    return s
def tcp(address, family=socket.AF_INET, listening=True, options=()):
    s = socket.socket(family)
    for option in options:
        s.setsockopt(socket.SOL_SOCKET, option, 1)
    s.bind((address, 0))
    if listening:
        s.listen()
    return s
"#;

const HAND_OVER: &str = r#"
# What is handed over is the 3rd, and nothing else is open; a socket without a file lives as long as its descriptor.
os.dup2(fcntl.fcntl(s, fcntl.F_DUPFD_CLOEXEC, 10), 3) if s else os.close(3) if os.path.exists("/proc/self/fd/3") else None
os.environ.update(variables)
os.execv(sys.argv[1], sys.argv[1:])
"#;

fn own_uid() -> u32 {
    process::uid(std::process::id()).expect("a uid")
}

/// `sentinel serve ecs` for this uid, after the manager's code.
fn handed(sandbox: &Sandbox, make: &str, options: &[&str]) -> Invocation {
    let script = format!("{MANAGER}\n{make}\n{HAND_OVER}");
    let uid = own_uid().to_string();
    let run = sandbox.program(crate::harness::python()).args(["-c", &script, crate::harness::sentinel()]);
    run.args(["serve", "ecs", "--profile", "base", "--allow-uid", &uid]).args(options)
}

/// What it says first: that it serves a profile, or why not, without the hint.
fn outcome(sandbox: &Sandbox, make: &str, options: &[&str]) -> String {
    let mut running = handed(sandbox, make, options).spawn();
    let line = running.error_line("sentinel: ");
    let said = line.trim_start_matches("sentinel: ");
    if said.starts_with("profile `base`") {
        return "SERVED".to_owned();
    }
    // What the command line lacks is wrong usage.
    let is_usage = said.starts_with("the service manager hands over a socket (") || said.starts_with("serve ");
    assert_eq!(running.finish().code(), if is_usage { 2 } else { 1 }, "{said}");
    said.to_owned()
}

const THE_SOCKET: &str = "the socket that the service manager hands over";

#[test]
fn what_sentinel_would_not_have_made_is_not_served() {
    let World { sandbox, .. } = World::new();
    let own = sandbox.directory("own", 0o755);
    sandbox.directory("open", 0o777);
    sandbox.directory("sticky", 0o1777);
    let file = sandbox.path("own/s");
    let path = |relative: &str| sandbox.path(relative).to_str().expect("UTF-8").to_owned();
    let (own, at, open, sticky) = (own.display().to_string(), path("own/s"), path("open"), path("sticky"));
    let not_listening = format!("{THE_SOCKET} is not a stream socket that listens");
    // What is made, with which options, and what comes of it.
    let attacks: Vec<(String, &[&str], String)> = vec![
        (format!("s = unix('{at}', listening=False)"), &[], not_listening.clone()),
        (format!("s = unix('{at}', kind=socket.SOCK_DGRAM, listening=False)"), &[], not_listening.clone()),
        (format!("s = unix('{at}', kind=socket.SOCK_SEQPACKET)"), &[], not_listening.clone()),
        ("s, other = socket.socketpair()".to_owned(), &[], not_listening.clone()),
        ("s = tcp('127.0.0.1', listening=False)".to_owned(), &[], not_listening.clone()),
        ("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))".to_owned(), &[], not_listening.clone()),
        ("s = open('/dev/null')".to_owned(), &[], not_listening),
        (
            format!("s = unix('{at}', mode=0o666)"),
            &[],
            format!("{THE_SOCKET} is open to others: {at} has mode 0666, and 0600 is the widest"),
        ),
        (
            format!("s = unix('{at}', mode=0o660)"),
            &[],
            format!("{THE_SOCKET} is open to others: {at} has mode 0660, and 0600 is the widest"),
        ),
        (
            format!("s = unix('{at}', mode=0o666)"),
            &["--socket-mode", "0660"],
            format!("{THE_SOCKET} is open to others: {at} has mode 0666, and 0660 is the widest"),
        ),
        (format!("s = unix('{open}/s')"), &[], format!("{THE_SOCKET} is in {open}, where others may write (mode 0777)")),
        (
            format!("s = unix('{sticky}/s')"),
            &[],
            format!("{THE_SOCKET} is in {sticky}, where others may write (mode 1777)"),
        ),
        (
            format!("os.symlink('{own}', '{own}/link'); s = unix('{own}/link/s')"),
            &[],
            format!("{THE_SOCKET} is in {own}/link, which is a symbolic link"),
        ),
        (
            format!("s = unix('{at}'); os.rename('{at}', '{at}.away'); open('{at}', 'w')"),
            &[],
            format!("{THE_SOCKET} was at {at}, where something else is now"),
        ),
        (
            format!("s = unix('{at}'); os.unlink('{at}')"),
            &[],
            format!("{THE_SOCKET} is at {at}, and {at} is not there: No such file or directory (os error 2)"),
        ),
        (
            format!("os.chdir('{own}'); s = unix('s')"),
            &[],
            format!("{THE_SOCKET} has the path s, which does not begin with /"),
        ),
        (
            "s = unix('\\0sentinel-' + str(os.getpid()))".to_owned(),
            &[],
            format!("{THE_SOCKET} has no path, so that no file says who may connect"),
        ),
        (
            "s = tcp('127.0.0.1', options=[socket.SO_REUSEPORT])".to_owned(),
            &["--token-file", "TOKEN"],
            format!("{THE_SOCKET} lets other processes listen on 127.0.0.1:PORT beside it"),
        ),
        (
            "s = tcp('0.0.0.0')".to_owned(),
            &["--token-file", "TOKEN"],
            format!("{THE_SOCKET} listens on 0.0.0.0:PORT, which is not loopback"),
        ),
        (
            "s = tcp('::', socket.AF_INET6)".to_owned(),
            &["--token-file", "TOKEN"],
            format!("{THE_SOCKET} listens on [::]:PORT, which is not loopback"),
        ),
        ("s = tcp('127.0.0.1')".to_owned(), &[], "serve ecs over TCP needs a token file".to_owned()),
        (
            format!("s = unix('{at}'); variables['LISTEN_PID'] = '1'"),
            &[],
            "the service manager hands a socket to process 1, and this is PID".to_owned(),
        ),
        (
            format!("s = unix('{at}'); del variables['LISTEN_PID']"),
            &[],
            "the service manager hands a socket to process , and this is PID".to_owned(),
        ),
        (
            format!("s = unix('{at}'); variables['LISTEN_FDS'] = '2'"),
            &[],
            "the service manager hands over 2 sockets (LISTEN_FDS), and one is served".to_owned(),
        ),
        (
            format!("s = unix('{at}'); variables['LISTEN_FDS'] = '0'"),
            &[],
            "the service manager hands over 0 sockets (LISTEN_FDS), and one is served".to_owned(),
        ),
        (
            "s = None".to_owned(),
            &[],
            "the service manager says that it hands over a socket, and descriptor 3 is none that was handed over: Bad file \
             descriptor (os error 9)"
                .to_owned(),
        ),
        (
            format!("s = unix('{at}')"),
            &["--socket", "/nonexistent/s"],
            "the service manager hands over a socket (LISTEN_FDS), and another is asked for".to_owned(),
        ),
        // And these are as sentinel would have made them.
        (format!("s = unix('{at}')"), &[], "SERVED".to_owned()),
        (format!("s = unix('{at}', mode=0o666)"), &["--socket-mode", "0666"], "SERVED".to_owned()),
        ("s = tcp('127.0.0.1')".to_owned(), &["--token-file", "TOKEN"], "SERVED".to_owned()),
        (
            format!("s = unix('{at}'); variables['LISTEN_PID'] = '1'"),
            &["--socket", "OWN"],
            "SERVED".to_owned(),
        ),
    ];
    let private = sandbox.directory("private", 0o700);
    let (token, other) = (private.join("token"), private.join("s"));
    let mut found = Vec::new();
    let mut expected = Vec::new();
    for (make, options, outcome_wanted) in attacks {
        for left in [
            file.clone(),
            file.with_file_name("s.away"),
            file.with_file_name("link"),
            sandbox.path("open/s"),
            sandbox.path("sticky/s"),
        ] {
            let _none = fs::remove_file(left);
        }
        let named = |option: &&str| match *option {
            "TOKEN" => token.to_str().expect("UTF-8").to_owned(),
            "OWN" => other.to_str().expect("UTF-8").to_owned(),
            option => option.to_owned(),
        };
        let options: Vec<String> = options.iter().map(named).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        found.push((make.clone(), without_numbers(&outcome(&sandbox, &make, &options))));
        expected.push((make, outcome_wanted));
        let _none = (fs::remove_file(&token), fs::remove_file(&other), fs::remove_file(other.with_file_name("s.lock")));
    }
    assert_eq!(found, expected);
}

/// A port behind a loopback or any address, and a pid at the end of a line.
fn without_numbers(line: &str) -> String {
    let mut line = line.to_owned();
    for address in ["127.0.0.1:", "0.0.0.0:", "[::]:"] {
        if let Some(at) = line.find(address).map(|at| at + address.len()) {
            let digits = line[at..].bytes().take_while(u8::is_ascii_digit).count();
            line.replace_range(at..at + digits, "PORT");
        }
    }
    match line.split_once("and this is ") {
        Some((before, pid)) if pid.parse::<u32>().is_ok() => format!("{before}and this is PID"),
        _ => line,
    }
}

/// The metadata endpoint is on the port that it was asked for.
#[test]
fn what_sentinel_would_not_have_made_is_no_metadata_endpoint() {
    let World { sandbox, .. } = World::new();
    let at = sandbox.directory("own", 0o755).join("s");
    let own = "'127.0.0.1:%d' % s.getsockname()[1]";
    let not_listening = format!("{THE_SOCKET} is not a stream socket that listens");
    for (make, address, wanted) in [
        ("s = tcp('127.0.0.1')".to_owned(), own, "SERVED".to_owned()),
        ("s = tcp('127.0.0.1', listening=False)".to_owned(), own, not_listening),
        (
            format!("s = unix('{}')", at.display()),
            "'127.0.0.1:9'",
            format!("{THE_SOCKET} is a Unix socket, and the metadata endpoint is on a port"),
        ),
        (
            "s = tcp('127.0.0.1')".to_owned(),
            "'127.0.0.1:9'",
            format!("{THE_SOCKET} listens on 127.0.0.1:PORT, and --imds-address is 127.0.0.1:9"),
        ),
        (
            "s = tcp('0.0.0.0')".to_owned(),
            own,
            format!("{THE_SOCKET} listens on 0.0.0.0:PORT, and --imds-address is 127.0.0.1:PORT"),
        ),
        (
            "s = tcp('0.0.0.0')".to_owned(),
            "'0.0.0.0:%d' % s.getsockname()[1]",
            "0.0.0.0 is not an address of the loopback interface, and no other is served".to_owned(),
        ),
        (
            "s = tcp('127.0.0.1', options=[socket.SO_REUSEPORT])".to_owned(),
            own,
            format!("{THE_SOCKET} lets other processes listen on 127.0.0.1:PORT beside it"),
        ),
    ] {
        let asked = format!("{make}\nsys.argv[3:4] = ['ec2', '--imds-address', {address}]");
        assert_eq!(without_numbers(&outcome(&sandbox, &asked, &[])), wanted, "{make}");
    }
}

#[test]
fn a_socket_or_directory_of_somebody_elses_is_not_served() {
    const NAME: &str = "a_socket_or_directory_of_somebody_elses_is_not_served";
    if !is_root() {
        return skip(NAME, "it takes root to make what others own");
    }
    let World { sandbox, .. } = World::new();
    let path = |relative: &str| sandbox.path(relative).to_str().expect("UTF-8").to_owned();
    sandbox.directory("own", 0o755);
    let (at, foreign) = (path("own/s"), sandbox.directory("foreign", 0o755).display().to_string());
    let made = format!("s = unix('{at}'); os.chown('{at}', 65534, 65534)");
    assert_eq!(
        outcome(&sandbox, &made, &[]),
        format!("{THE_SOCKET} is not ours: {at} belongs to uid 65534, not to uid 0 or root")
    );
    let made = format!("s = unix('{foreign}/s'); os.chown('{foreign}', 65534, 65534)");
    assert_eq!(
        outcome(&sandbox, &made, &[]),
        format!("{THE_SOCKET} is not ours: {foreign} belongs to uid 65534, not to uid 0 or root")
    );
    fs::remove_file(&at).expect("removed");
    let made = format!("s = unix('{at}', mode=0o660); os.chown('{at}', 0, 65534)");
    let refusal = format!("{THE_SOCKET} is open to gid 65534: {at} has mode 0660");
    assert_eq!(outcome(&sandbox, &made, &["--socket-mode", "0660"]), refusal);
    fs::remove_file(&at).expect("removed");
    assert_eq!(outcome(&sandbox, &made, &["--socket-mode", "0660", "--socket-group", "65533"]), refusal);
    fs::remove_file(&at).expect("removed");
    assert_eq!(outcome(&sandbox, &made, &["--socket-mode", "0660", "--socket-group", "65534"]), "SERVED");
}

/// The status of the request that was written to this connection; as often as it is put off, it is written again.
fn status_on(stream: &mut UnixStream) -> u16 {
    eventually("an answer", || match read_answer(stream).expect("an answer") {
        (503, _) => {
            stream.write_all(REQUEST).expect("the connection is open");
            None
        }
        (status, _) => Some(status),
    })
}

/// Who comes first is why the service starts: its bytes were written before sentinel had the socket.
#[test]
fn who_waited_for_the_start_is_named_and_served_and_the_socket_stays() {
    let World { sandbox, sts: _aws, .. } = World::new();
    let at = sandbox.directory("own", 0o755).join("s");
    let path = at.to_str().expect("UTF-8");
    let made = format!("s = unix('{path}')\nprint('made', flush=True)\nsys.stdin.readline()");
    let mut service = handed(&sandbox, &made, &[]).spawn();
    assert_eq!(service.line(), "made");
    let mut first = UnixStream::connect(&at).expect("it listens");
    first.write_all(REQUEST).expect("it waits");
    service.send("go");
    service.error_line("serving on");
    assert_eq!(status_on(&mut first), 200);
    let of_nobody = sandbox.as_nobody("/usr/bin/python3").filter(|_| Path::new("/usr/bin/python3").exists());
    if let Some(nobody) = of_nobody {
        let script = "import socket, sys; s = socket.socket(socket.AF_UNIX); print(s.connect_ex(sys.argv[1]))";
        assert_eq!(nobody.args(["-c", script, path]).run().stdout, "13\n", "the mode is the manager's");
    }
    service.signal("TERM");
    let done = service.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(fs::symlink_metadata(&at).expect("it stays").file_type().is_socket(), "the socket is the manager's");
}

/// What is said to this process is not for the programs that it runs.
#[test]
fn helpers_do_not_inherit_what_was_handed_over() {
    let World { sandbox, .. } = World::new();
    let at = sandbox.directory("own", 0o755).join("s");
    let seen = sandbox.path("seen");
    let helper = sandbox.write(
        "helper.sh",
        &format!("#!/bin/sh\n{{ env; ls -l /proc/self/fd; }} > {}\nexit 1\n", seen.display()),
        0o700,
    );
    sandbox.settings("helped", &format!("region = us-east-1\ncredential_process = {}", helper.display()));
    let made = format!(
        "s = unix('{}')\nvariables['NOTIFY_SOCKET'] = '/nonexistent/notify'\nvariables['WATCHDOG_USEC'] = '1000000'",
        at.display()
    );
    let uid = own_uid().to_string();
    let script = format!("{MANAGER}\n{made}\n{HAND_OVER}");
    let run = sandbox.program(crate::harness::python()).args(["-c", &script, crate::harness::sentinel()]);
    let mut service = run.args(["serve", "ecs", "--profile", "helped", "--allow-uid", &uid]).spawn();
    service.error_line("serving on");
    let mut client = UnixStream::connect(&at).expect("it listens");
    client.write_all(REQUEST).expect("it reads");
    assert_eq!(status_on(&mut client), 500);
    let seen = fs::read_to_string(seen).expect("the helper ran");
    for word in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG", "socket:"] {
        assert!(!seen.contains(word), "{word}: {seen}");
    }
    service.signal("TERM");
    assert_eq!(service.finish().code(), 0);
}
