//! T11: requests are bounded, and slow clients keep nobody out, over either transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sentinel::auth::Binding;
use sentinel::clock::{Clock, SystemClock};
use sentinel::sys::user::effective_uid;

use crate::harness::{Invocation, Running, is_root, one_of_three, process, python, sentinel, skip};
use crate::wire::in_process::InProcess;
use crate::wire::{CLIENT, FETCHED, Served, Transport, closing, get};

/// For each number on standard input: as many requests, each on a connection of its own; says how long the slowest but one
/// took, in ms, and every status. One may meet a stall of the whole machine; who is kept out is so more often than once.
const RIGHTFUL: &str = r#"
say(PATH, TOKEN.decode())
for line in sys.stdin:
    times, statuses = [], set()
    for _ in range(int(line)):
        began = time.monotonic()
        statuses.add(status(once(ask())))
        times.append(time.monotonic() - began)
    say(round(sorted(times)[-2:][0] * 1000), *statuses)
"#;

const FLOOD: &str = include_str!("attackers/flood.py");

/// Has the rightful client ask so many times. Fails unless each request was served, all but one within a second, and sentinel is
/// no larger than it may be.
#[track_caller]
fn assert_served(inside: &mut Running, requests: u32, meanwhile: &str) {
    one_of_three(|| {
        inside.send(&requests.to_string());
        let line = inside.line();
        let (slowest_ms, statuses) = line.split_once(' ').expect("a time and statuses");
        let is_in_time = slowest_ms.parse::<u32>().expect("ms") < 1000;
        // Who is not scheduled between its connect and its request for longer than the grace has to come again.
        if is_in_time && statuses == "200" { Ok(()) } else { Err(format!("{line} {meanwhile}")) }
    });
    let number = |name: &str| -> u32 {
        let field = process::status_field(inside.pid(), name).expect("a field");
        field.split(' ').next().expect("a number").parse().expect("a number")
    };
    // 64 connections and as many that were evicted and have not ended yet; accept, refresh, and calls to AWS. And threads
    // that have given their slot back, which the kernel takes down one by one.
    assert!(number("Threads") <= 128 + 8 + 128, "{} threads {meanwhile}", number("Threads"));
    assert!(number("VmRSS") < 40 * 1024, "{} KiB {meanwhile}", number("VmRSS"));
}

/// Runs the flood while the rightful client asks: once all is open, and again once much of it was closed and opened anew,
/// however long that takes, because the flood has the machine's lowest priority.
#[track_caller]
fn assert_served_in_flood(inside: &mut Running, flood: Invocation, what: &str) {
    let mut flood = flood.spawn();
    for step in ["flooding", "reopened"] {
        assert_eq!(flood.line(), step);
        assert_served(inside, 20, what);
    }
    flood.close_stdin();
    flood.line();
    assert_eq!(flood.finish().code(), 0);
    assert_served(inside, 1, "afterwards");
}

#[test]
fn a_thousand_slow_clients_keep_nobody_out() {
    let served = Served::new();
    let mut inside = served.inside(&[], RIGHTFUL).spawn();
    let stolen = inside.line();
    let flood = |processes: &str| served.outside(&stolen, FLOOD).args([processes, "1000"]);
    assert_served_in_flood(&mut inside, flood("8"), "in a flood from 8 processes");
    assert_served_in_flood(&mut inside, flood("1"), "in a flood from one process");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn a_thousand_slow_strangers_keep_nobody_out_over_tcp() {
    for (transport, processes) in
        [(Transport::Tcp, "1"), (Transport::Tcp, "8"), (Transport::Ecs, "8"), (Transport::Imds, "8")]
    {
        let served = Served::over(transport);
        let mut inside = served.inside(&[], RIGHTFUL).spawn();
        let stolen = inside.line();
        let flood = served.outside(&stolen, FLOOD).args([processes, "1000"]);
        assert_served_in_flood(&mut inside, flood, &format!("in a flood from {processes} processes"));
        inside.close_stdin();
        assert_eq!(inside.finish().code(), 0);
    }
}

#[test]
fn a_thousand_slow_clients_of_another_uid_keep_nobody_out() {
    another_uid_keeps_nobody_out("a_thousand_slow_clients_of_another_uid_keep_nobody_out", Transport::Unix);
}

#[test]
fn a_thousand_slow_clients_of_another_uid_keep_nobody_out_over_tcp() {
    for transport in [Transport::Tcp, Transport::Ecs, Transport::Imds] {
        another_uid_keeps_nobody_out("a_thousand_slow_clients_of_another_uid_keep_nobody_out_over_tcp", transport);
    }
}

#[track_caller]
fn another_uid_keeps_nobody_out(test: &str, transport: Transport) {
    if !is_root() {
        return skip(test, "it takes root to become another user");
    }
    let served = Served::over(transport);
    let (mut inside, stolen) = served.inside_in_reach_of_all(RIGHTFUL);
    let flood = served.outside_as_nobody(&stolen, FLOOD).args(["8", "1000"]);
    assert_served_in_flood(&mut inside, flood, "in a flood of another uid");
    inside.close_stdin();
    let done = inside.finish();
    assert!(done.stderr.contains("more: foreign uid"), "{done}");
}

#[test]
fn a_thousand_slow_clients_of_one_process_of_the_tree_keep_its_others_not_out_over_tcp() {
    let served = Served::over(Transport::Tcp);
    let script = format!(
        r#"
import subprocess
flood = subprocess.Popen([sys.executable, "-u", "-c", sys.argv[1], "1", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert [flood.stdout.readline() for _ in range(2)] == [b"flooding\n", b"reopened\n"]
{RIGHTFUL}
flood.stdin.close()
assert flood.wait() == 0
"#
    );
    let mut inside = served.inside(&[], &script).args([&format!("{CLIENT}\n{FLOOD}")]).spawn();
    inside.line();
    assert_served(&mut inside, 20, "in a flood from inside the tree");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

/// A rightful client under a sentinel that may have so many descriptors.
fn with_descriptors(served: &Served, limit: u32) -> Running {
    let options = ["exec", "--profile", "base", "--unix-socket", "--", python(), "-u", "-c"];
    let limited = format!("ulimit -n {limit}; exec \"$@\"");
    let limited = served.sandbox.program("sh").args(["-c", &limited, "sh", sentinel()]).args(options);
    limited.args([&format!("{CLIENT}\n{RIGHTFUL}")]).spawn()
}

#[test]
fn slow_clients_do_not_use_up_descriptors() {
    let served = Served::new();
    let mut inside = with_descriptors(&served, 128);
    let stolen = inside.line();
    let flood = served.outside(&stolen, FLOOD).args(["3", "300"]);
    assert_served_in_flood(&mut inside, flood, "with 128 descriptors");
    inside.close_stdin();
    let done = inside.finish();
    assert!(!done.stderr.contains("Too many open files"), "{done}");
}

#[test]
fn where_descriptors_do_run_out_serving_goes_on_afterwards() {
    let served = Served::new();
    let mut inside = with_descriptors(&served, 32);
    let stolen = inside.line();
    let mut flood = served.outside(&stolen, FLOOD).args(["3", "300"]).spawn();
    assert_eq!(flood.line(), "flooding");
    inside.send("5");
    inside.line();
    flood.close_stdin();
    flood.line();
    assert_eq!(flood.finish().code(), 0);
    assert_served(&mut inside, 20, "after descriptors had run out");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn clients_that_never_read_keep_nobody_out() {
    let served = Served::new();
    // A tree that asks for so much would be told to come back later.
    let generous =
        r#"{"version":"1","limits":{"requests_per_second":1000000},"rules":[{"name":"all","effect":"allow"}]}"#;
    let generous = served.sandbox.write("generous.json", generous, 0o600);
    // From inside the tree, with the token: nobody else gets answers enough to fill a socket.
    let script = r#"
ready_in, ready_out = os.pipe()
stop_in, stop_out = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(stop_out)
        held = []
        for _ in range(16):
            s = connect()
            s.setblocking(False)
            try:
                while True:
                    s.send(ask() * 16)
            except (BlockingIOError, ConnectionError):
                held.append(s)
        os.write(ready_out, b"r")
        os.read(stop_in, 1)
        os._exit(0)
left = 8
while left:
    left -= len(os.read(ready_in, left))
"#;
    let options = ["--policy", generous.to_str().expect("UTF-8")];
    let mut inside = served.inside(&options, &format!("{script}{RIGHTFUL}os.close(stop_out)\n")).spawn();
    inside.line();
    assert_served(&mut inside, 20, "among clients that never read");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn a_head_has_five_seconds_to_arrive() {
    Served::over_every(|served| {
        let script = r#"
# A client that says nothing, one that says half a head, and one that sends a byte in every tenth of a second. The last
# one says a first request properly.
silent, half, drip, second = connect(), connect(), connect(), connect()
began = time.monotonic()
half.sendall(ask()[:-2])
second.sendall(ask())
say(status(answer(second)))
second.sendall(ask()[:-2])
left, text = {silent: b"", half: b"", drip: b"", second: b""}, iter(ask(more=b"X: " + b"x" * 5000))
names = {silent: "silent", half: "half", drip: "drip", second: "second"}
while left:
    if drip in left:
        try_send(drip, bytes([next(text)]))
    for s in select.select(list(left), [], [], 0.1)[0]:
        try:
            piece = s.recv(65536)
        except ConnectionError:
            piece = b""
        left[s] += piece
        if not piece:
            say(json.dumps([names[s], round(1000 * (time.monotonic() - began)), left.pop(s).decode()]))
"#;
        one_of_three(|| {
            let mut inside = served.inside(&[], &format!("{FETCHED}{script}")).spawn();
            assert_eq!(inside.line(), "200");
            let (mut seen, mut late) = (Vec::new(), String::new());
            for _ in 0..4 {
                let (name, after_ms, text): (String, u32, String) = serde_json::from_str(&inside.line()).expect("JSON");
                assert!(after_ms >= 4900, "{name} was cut after {after_ms} ms");
                if after_ms >= 8000 {
                    late.push_str(&format!("{name} was cut after {after_ms} ms, "));
                }
                // Who has sent nothing is not owed an answer.
                assert_eq!(text, if name == "silent" { String::new() } else { closing(408) }, "{name}");
                seen.push(name);
            }
            seen.sort();
            assert_eq!(seen, ["drip", "half", "second", "silent"]);
            assert_eq!(inside.finish().code(), 0);
            if late.is_empty() { Ok(()) } else { Err(late) }
        });
    });
}

/// A clock that the test moves.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }

    fn boot(&self) -> Duration {
        SystemClock.boot() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_connection_may_rest_for_a_minute() {
    let served = Served::new();
    let clock = Ahead::default();
    let server = InProcess::start(&served, clock.clone());
    let registered = server.authenticator.registry().register(effective_uid(), Binding::Tree);
    let (token, _registered) = registered.expect("a token");
    // The first to ask may be told that the credentials are still being fetched.
    let script = "while status(once(ask())) == 503: pass\ns = connect()\nfor _ in range(2):\n    s.sendall(ask())\n    say(status(answer(s)))\n    sys.stdin.readline()\nsay(to_end(s))";
    let stolen = format!("{} {}", server.socket, token.expose_str());
    let mut inside = served.outside(&stolen, script).spawn();
    assert_eq!(inside.line(), "200");
    clock.0.store(50, Ordering::SeqCst);
    inside.send("go");
    assert_eq!(inside.line(), "200");
    clock.0.store(50 + 61, Ordering::SeqCst);
    inside.send("go");
    assert_eq!(inside.line(), "b''");
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn heads_are_8_kib_and_64_headers_at_most() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        let of_bytes = |bytes: usize| get(&format!("X: @TO_{bytes}@\r\n"));
        let of_headers = |headers: usize| get(&"X: x\r\n".repeat(headers - 2));
        for whole in [of_bytes(8192), of_headers(64)] {
            let answer = talker.kept_alive(&[whole.as_bytes()]);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
        talker.refused("8193 bytes", of_bytes(8193).as_bytes(), 431);
        talker.refused("65 headers", of_headers(65).as_bytes(), 431);
        talker.refused("a long line without end", format!("GET /{}", "a".repeat(100_000)).as_bytes(), 431);
        talker.refused("headers without end", format!("GET / HTTP/1.1\r\n{}", "X: x\r\n".repeat(9000)).as_bytes(), 431);
        for method in ["GET", "HEAD", "PUT"] {
            let body = get("Content-Length: 1\r\n").replacen("GET", method, 1) + "x";
            talker.refused(&format!("a body of {method}"), body.as_bytes(), 413);
        }
        talker.end();
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_and_end_with_the_first_refusal() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        let other = get("").replacen(" / ", " /other ", 1);
        let requests = [get(""), other, get(""), get("Via: x\r\n"), get("")].concat();
        let answers = talker.until_closed(&[requests.as_bytes()]);
        let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["200", "404", "200", "400"], "{answers}");
        talker.end();
    });
}
