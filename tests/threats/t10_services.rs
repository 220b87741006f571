//! T10 for services: a session token is good for the user and the profile that it was given to, and the endpoint for those alone
//! whom an entry selects.

use super::service::{DB, OTHER, PYTHON, WEB, said};
use crate::harness::{Invocation, Running, World, is_root, one_of_three, skip};

/// What clients of the metadata endpoint speak.
const CLIENT: &str = r#"
import os, socket, sys
PORT = int(sys.argv[1])


def connect():
    s = socket.create_connection(("127.0.0.1", PORT), 20)
    return s


def on(s, line, *fields):
    try:
        s.sendall("\r\n".join([line + " HTTP/1.1", f"Host: 127.0.0.1:{PORT}", *fields, "", ""]).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            if not more: return "dropped"
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        left = [int(f.split(b":")[1]) for f in head.lower().split(b"\r\n") if f.startswith(b"content-length")][0] - len(body)
        while left > 0:
            more = s.recv(left); body += more; left -= len(more)
    except ConnectionError:
        return "dropped"
    return body.decode() if head[9:12] == b"200" else head[9:12].decode()


def once(*words):
    with connect() as s: return on(s, *words)


def session():
    return once("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60", "Content-Length: 0")


def role(token):
    return once("GET /latest/meta-data/iam/security-credentials/", "X-aws-ec2-metadata-token: " + token)


def become(uid):
    os.setresgid(uid, uid, 0); os.setresuid(uid, uid, 0)
def become_root():
    os.setresuid(0, 0, 0); os.setresgid(0, 0, 0)
"#;

struct Metadata {
    running: Running,
    port: String,
    world: World,
}

impl Metadata {
    fn start(test: &str, options: &[&str]) -> Option<Self> {
        if !is_root() {
            skip(test, "it takes root to be several users");
            return None;
        }
        let world = World::new();
        world.role("web", "base", "");
        world.role("db", "base", "");
        let serve = ["serve", "ec2", "--imds-address", "127.0.0.1:0"];
        let mut running = world.sandbox.sentinel(serve).args(options).spawn();
        let line = running.error_line("serving on imds 127.0.0.1:");
        let port: String =
            line.split("127.0.0.1:").nth(1).expect("a port").chars().take_while(char::is_ascii_digit).collect();
        Some(Self { running, port, world })
    }

    fn root(&self, script: &str) -> Invocation {
        let run = self.world.sandbox.program(PYTHON).cwd(std::path::Path::new("/"));
        run.args(["-u", "-c", &format!("{CLIENT}\n{script}"), &self.port])
    }

    fn as_user(&self, uid: u32, program: &[&str]) -> Invocation {
        let id = uid.to_string();
        let run = self.world.sandbox.program("setpriv").cwd(std::path::Path::new("/"));
        run.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).args(program)
    }

    #[track_caller]
    fn told(&self, uid: u32, script: &str) -> String {
        said(&self.as_user(uid, &[PYTHON, "-u", "-c", &format!("{CLIENT}\n{script}"), &self.port]).run())
    }

    #[track_caller]
    fn end(self) {
        self.running.signal("TERM");
        let done = self.running.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}

const BY_USER: [&str; 4] = ["--map", "uid:61001=web", "--map", "uid:61002=db"];

#[test]
fn a_session_token_is_good_for_whom_it_was_given_to_and_for_nobody_else() {
    const NAME: &str = "a_session_token_is_good_for_whom_it_was_given_to_and_for_nobody_else";
    let Some(service) = Metadata::start(NAME, &BY_USER) else { return };
    let script = r#"
tokens = {}
for uid in [61001, 61002, 61003, 0]:
    become(uid); tokens[uid] = session(); become_root()
for uid in [61001, 61002, 61003, 0]:
    become(uid); print(*[role(tokens[of]) for of in [61001, 61002]], role("x")); become_root()
"#;
    let told = said(&service.root(script).run());
    let expected = ["web 401 401", "401 db 401", "dropped dropped dropped", "dropped dropped dropped"];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    let token = service.told(WEB, "print(session())");
    for forged in [token.to_uppercase(), format!("{token}A"), token[1..].to_owned(), String::new()] {
        assert_eq!(service.told(WEB, &format!("print(role('{forged}'))")), "401", "{forged}");
    }
    service.end();
}

#[test]
fn over_tcp_too_a_group_and_a_program_are_those_of_who_holds_the_connection() {
    const NAME: &str = "over_tcp_too_a_group_and_a_program_are_those_of_who_holds_the_connection";
    let Ok(curl) = std::fs::canonicalize("/usr/bin/curl") else { return skip(NAME, "there is no curl") };
    let curl = curl.to_str().expect("UTF-8");
    let by_program = format!("uid:61001,exe:{curl}=web");
    let Some(service) = Metadata::start(NAME, &["--map", &by_program, "--map", "uid:61002,gid:61002=db"]) else {
        return;
    };
    let url = format!("http://127.0.0.1:{}/latest/api/token", service.port);
    let put = [curl, "-s", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", &url];
    let token = said(&service.as_user(WEB, &put).run());
    let roles = format!("http://127.0.0.1:{}/latest/meta-data/iam/security-credentials/", service.port);
    let header = format!("X-aws-ec2-metadata-token: {token}");
    assert_eq!(said(&service.as_user(WEB, &[curl, "-s", "-H", &header, &roles]).run()), "web");
    assert_eq!(service.told(WEB, &format!("print(role('{token}'), session())")), "403 403", "another program");
    assert_eq!(service.told(OTHER, "print(session())"), "dropped");
    let script = r#"
become(61002); print(role(session())); become_root()
os.setresgid(61001, 61001, 0); os.setresuid(61002, 61002, 0); print(session()); become_root()
become(61002); s = connect(); print(on(s, "GET /x", "X-aws-ec2-metadata-token: " + session()))
os.setresuid(0, 0, 0); os.setresgid(61001, 61001, 0); os.setresuid(61002, 61002, 0)
print(on(s, "GET /x", "X-aws-ec2-metadata-token: x"))
"#;
    assert_eq!(said(&service.root(script).run()), "db\n403\n404\n403", "another group, at once and later");
    // A program that is selected and one that is not hold one connection.
    let shared = format!(
        r#"
import subprocess
become(61001)
s = connect(); s.set_inheritable(True)
holder = subprocess.Popen(["{curl}", "-s", "-K", "-"], stdin=subprocess.PIPE, close_fds=False)
while not os.readlink(f"/proc/{{holder.pid}}/exe").endswith("curl"): pass
print(on(s, "GET /x", "X-aws-ec2-metadata-token: x"))
holder.stdin.close(); holder.wait()
"#
    );
    assert_eq!(said(&service.root(&shared).run()), "403");
    service.end();
}

#[test]
fn a_flood_of_slow_clients_keeps_no_service_out_over_tcp() {
    const NAME: &str = "a_flood_of_slow_clients_keeps_no_service_out_over_tcp";
    let Some(service) = Metadata::start(NAME, &BY_USER) else { return };
    let rightful = r#"
import time
for line in sys.stdin:
    times, came = [], set()
    for _ in range(20):
        began = time.monotonic()
        came.add(len(session()) > 20)
        times.append(time.monotonic() - began)
    # The slowest but one: one may meet a stall of the whole machine.
    print(round(sorted(times)[-2:][0] * 1000), *came)
"#;
    let mut client =
        service.as_user(WEB, &[PYTHON, "-u", "-c", &format!("{CLIENT}\n{rightful}"), &service.port]).spawn();
    let flood = format!("{}\n{}", crate::wire::CLIENT, include_str!("attackers/flood.py"));
    for uid in [WEB, DB, OTHER] {
        let run = service.as_user(uid, &[PYTHON, "-u", "-c", &flood, "8", "1000"]);
        let endpoint = format!("http://127.0.0.1:{}", service.port);
        let run = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint).env("STOLEN_SESSION_TOKEN", "x");
        let mut flood = run.spawn();
        for step in ["flooding", "reopened"] {
            assert_eq!(flood.line(), step);
            // A client that is not scheduled for some milliseconds between its connection and its request looks like a slow
            // one, and may have to make room.
            one_of_three(|| {
                client.send("go");
                let line = client.line();
                let (slowest_ms, came) = line.split_once(' ').expect("a time and what came");
                let is_in_time = slowest_ms.parse::<u32>().expect("ms") < 1000;
                if came == "True" && is_in_time { Ok(()) } else { Err(format!("{line} in a flood of uid {uid}")) }
            });
        }
        flood.close_stdin();
        flood.line();
        assert_eq!(flood.finish().code(), 0);
    }
    client.close_stdin();
    assert_eq!(client.finish().code(), 0);
    service.end();
}

#[test]
fn a_service_has_no_metadata_endpoint_where_others_could_reach_it() {
    let world = World::new();
    let serve = |address: &str| {
        let serve = ["serve", "ec2", "--profile", "base", "--allow-uid", "1", "--imds-address", address];
        world.sandbox.sentinel(serve).run()
    };
    serve("192.0.2.1").failed_with(1, &["192.0.2.1 is not an address of the loopback interface"]);
    serve("0.0.0.0").failed_with(1, &["0.0.0.0"]);
    let ecs = ["serve", "ecs", "--profile", "base", "--allow-uid", "1", "--address", "127.0.0.1:0"];
    world.sandbox.sentinel(ecs).run().failed_with(2, &["serve ecs over TCP needs a token file"]);
}
