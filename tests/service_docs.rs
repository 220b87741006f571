//! docs/serve.md does what it says: its units are hardened, and its set-ups are run as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Invocation, Running, World, eventually, is_root, process, sentinel, skip};

/// A client of the socket that its variable names; prints the role, or the status.
const BY_HELPER: &str = "exec $0 credentials";

/// A client as every SDK is one: the URI, and the token that is in the file now.
const BY_TOKEN_FILE: &str = r#"
import os, sys, urllib.error, urllib.request
token = open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read() if len(sys.argv) < 2 else "x" * 43
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    print(opener.open(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
"#;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/serve.md")).expect("the page")
}

/// The block that the page calls this file, without its indentation.
fn file(name: &str) -> String {
    let page = page();
    let (_, behind) = page.split_once(&format!("<!-- file: {name} -->\n")).expect("the page has it");
    let mut lines = behind.lines();
    let fence = lines.next().expect("a block");
    let indentation = fence.find("```").expect("a fence");
    let block = lines.take_while(|line| line.trim() != "```");
    block.map(|line| format!("{}\n", line.get(indentation..).unwrap_or_default())).collect()
}

/// The words of the page's command that begins like this, its program aside.
fn command(begin: &str) -> Vec<String> {
    let page = page();
    let line = page.lines().map(str::trim).find(|line| line.starts_with(begin)).expect("the page has it");
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

fn started(mut run: Running) -> Running {
    run.error_line("serving on");
    run
}

/// A program as this user, who can reach what the sandbox lets others reach.
fn as_user(world: &World, uid: &str, program: &[&str]) -> Invocation {
    let ids = ["--reuid", uid, "--regid", uid, "--clear-groups", "--"];
    world.sandbox.program("setpriv").args(ids).args(program).cwd(Path::new("/"))
}

fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { crate::harness::python() }
}

fn open_to_others(world: &World, relative: &str) {
    fs::set_permissions(world.sandbox.path(relative), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("chmod");
}

#[test]
fn the_service_unit_is_hardened() {
    let analyze = |path: &str| Command::new("systemd-analyze").args(["security", "--offline=true", path]).output();
    if !Command::new("systemd-analyze").arg("--version").output().is_ok_and(|done| done.status.success()) {
        return skip("the_service_unit_is_hardened", "systemd-analyze is not installed");
    }
    let world = World::new();
    let unit = world.sandbox.write("sentinel.service", &file("sentinel.service"), 0o644);
    world.sandbox.write("sentinel.socket", &file("sentinel.socket"), 0o644);
    let done = analyze(unit.to_str().expect("UTF-8")).expect("it runs");
    let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let level = said.lines().find_map(|line| line.split_once("sentinel.service: ")).expect("a level").1;
    let level: f64 = level.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    assert!(level <= 2.0, "{level}: {said}");
    assert!(!wrong.contains("sentinel.service:"), "{wrong}");
}

/// systemd's own program hands the socket over, with the mode of the unit, and runs what the unit runs.
#[test]
fn what_systemd_hands_over_is_served() {
    const NAME: &str = "what_systemd_hands_over_is_served";
    if !Command::new("systemd-socket-activate").arg("--version").output().is_ok_and(|done| done.status.success()) {
        return skip(NAME, "systemd-socket-activate is not installed");
    }
    let (service, socket) = (file("sentinel.service"), file("sentinel.socket"));
    let of = |unit: &str, name: &str| unit.lines().find_map(|line| line.strip_prefix(name)).expect("a line").to_owned();
    assert_eq!(
        (of(&socket, "SocketMode="), of(&socket, "ListenStream=")),
        ("0666".to_owned(), "/run/sentinel/s.sock".to_owned())
    );
    let options = of(&service, "ExecStart=/usr/local/bin/sentinel ");
    let world = World::new();
    let uid = process::uid(std::process::id()).expect("a uid").to_string();
    for directory in ["home/.config", "home/.config/sentinel"] {
        world.sandbox.directory(directory, 0o700);
    }
    // The page's settings, for a user and a policy of this machine's.
    let settings = file("config.json").replace("uid:web=web", &format!("uid:{uid}=base"));
    let policy = world.sandbox.write(
        "policy.json",
        r#"{"version": "1", "rules": [{"name": "all", "effect": "allow", "conditions": {}}]}"#,
        0o600,
    );
    let settings = settings.replace("/etc/sentinel/policy.json", policy.to_str().expect("UTF-8"));
    let mut settings: serde_json::Value = serde_json::from_str(&settings).expect("JSON");
    // Only the administrator's file may lock.
    assert!(settings.as_object_mut().expect("an object").remove("locked").is_some());
    world.sandbox.write("home/.config/sentinel/config.json", &settings.to_string(), 0o600);
    let at = world.sandbox.directory("own", 0o755).join("s.sock");
    let at = at.to_str().expect("UTF-8");
    let endpoint = world.sts.url();
    let script = format!(
        r#"umask 0111; exec systemd-socket-activate -l {at} -E AWS_ENDPOINT_URL_STS -E AWS_REGION -E AWS_EC2_METADATA_DISABLED -E XDG_STATE_HOME -E XDG_RUNTIME_DIR "$0" {options}"#
    );
    let run = world.sandbox.program("sh").args(["-c", &script, sentinel()]).env("AWS_ENDPOINT_URL_STS", endpoint);
    let mut manager = run.spawn();
    manager.error_line("Listening on");
    let client =
        || world.sandbox.program("sh").args(["-c", BY_HELPER, sentinel()]).env("SENTINEL_UNIX_SOCKET", at).run();
    // This program of systemd's cannot do what PassCredentials= does, so that who wakes the service is not named.
    let first = client();
    manager.error_line("serving on");
    let client = if first.code() == 0 { first } else { client() };
    assert!(client.code() == 0 && client.stdout.contains("AccessKeyId"), "{client}");
    manager.signal("TERM");
    let done = manager.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(Path::new(at).exists());
}

#[test]
fn each_user_of_a_host_gets_their_own_profile() {
    const NAME: &str = "each_user_of_a_host_gets_their_own_profile";
    if !is_root() {
        return skip(NAME, "it takes root to be several users");
    }
    let world = World::new();
    for person in ["alice", "bob"] {
        world.role(person, "base", "");
    }
    let at = world.sandbox.directory("own", 0o755).join("s.sock");
    let at = at.to_str().expect("UTF-8").to_owned();
    open_to_others(&world, "");
    let words = command("sentinel serve ecs --socket").into_iter().map(|word| match word.as_str() {
        "/run/sentinel/s.sock" => at.clone(),
        "uid:alice=alice" => "uid:65533=alice".to_owned(),
        "uid:bob=bob" => "uid:65532=bob".to_owned(),
        _ => word,
    });
    let service = started(world.sandbox.sentinel(words.collect::<Vec<_>>()).spawn());
    // As nobody may run what cargo built, the request is written by hand.
    let ask = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
               s.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')\n\
               print(b''.join(iter(lambda: s.recv(4096), b'')).decode())";
    let asks = |uid: &str| as_user(&world, uid, &[python(), "-c", ask, &at]).run().stdout;
    for (uid, person) in [("65533", "alice"), ("65532", "bob")] {
        let answer = eventually("credentials", || Some(asks(uid)).filter(|answer| answer.contains(" 200 OK")));
        assert!(answer.contains(&format!(":role/{person}\"")), "{answer}");
    }
    assert_eq!(asks("65531").trim(), "", "whom no entry names is not even answered");
    service.signal("TERM");
    assert_eq!(service.finish().code(), 0);
}

#[test]
fn a_sidecar_serves_another_pid_namespace() {
    const NAME: &str = "a_sidecar_serves_another_pid_namespace";
    if !is_root() {
        return skip(NAME, "it takes root and unshare to make a pid namespace, and other users");
    }
    let world = World::new();
    let token = world.sandbox.directory("own", 0o755).join("token");
    let token = token.to_str().expect("UTF-8").to_owned();
    open_to_others(&world, "");
    let words = command("sentinel serve ecs --address").into_iter().map(|word| match word.as_str() {
        "127.0.0.1:9911" => "127.0.0.1:0".to_owned(),
        "1001" => "65533".to_owned(),
        "/run/sentinel/token" => token.clone(),
        _ => word,
    });
    let words: Vec<String> = words.chain(["--profile".to_owned(), "base".to_owned()]).collect();
    let mut service = world.sandbox.sentinel(&words).spawn();
    let line = service.error_line("serving on 127.0.0.1:");
    let (_, port) = line.split_once("127.0.0.1:").expect("a port");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let client = |uid: &str, more: &[&str]| {
        let program = ["unshare", "-pf", "--mount-proc", "--kill-child", "setpriv", "--reuid", uid, "--regid", uid];
        let run = world.sandbox.program(program[0]).args(&program[1..]).args(["--clear-groups", "--"]);
        let run = run.args([python(), "-c", BY_TOKEN_FILE]).args(more).cwd(Path::new("/"));
        let run = run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{port}/"));
        run.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token).run()
    };
    let served = eventually("credentials", || Some(client("65533", &[])).filter(|done| done.stdout != "503\n"));
    assert_eq!(served.stdout, "200\n", "{served}");
    assert_eq!(client("65533", &["with a token that it made up"]).stdout, "403\n");
    let other = client("65532", &[]);
    assert!(other.code() != 0 && other.stderr.contains("PermissionError"), "{other}");
    service.signal("TERM");
    assert_eq!(service.finish().code(), 0);
    assert!(!Path::new(&token).exists());
}
