//! T11 over TCP: requests are bounded, and slow clients keep nobody out.

use super::t11_bounds::{FLOOD, RIGHTFUL, assert_served_in_flood};
use crate::harness::{is_root, python, skip};
use crate::wire::{CLIENT, Served, closing, get, stolen_into};

#[test]
fn a_thousand_slow_clients_keep_nobody_out() {
    let served = Served::new();
    let mut inside = served.inside_tcp(&[], RIGHTFUL).spawn();
    let stolen = inside.line();
    let flood = |processes: &str| served.outside(&stolen, FLOOD).args([processes, "1000"]);
    assert_served_in_flood(&mut inside, flood("8"), 1000, "in a flood from 8 processes");
    assert_served_in_flood(&mut inside, flood("1"), 1000, "in a flood from one process");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn a_thousand_slow_clients_of_another_uid_keep_nobody_out() {
    const NAME: &str = "a_thousand_slow_clients_of_another_uid_keep_nobody_out (TCP)";
    if !is_root() {
        return skip(NAME, "it takes root to become another user");
    }
    let served = Served::new();
    let mut inside = served.inside_tcp(&[], RIGHTFUL).spawn();
    let stolen = inside.line();
    let nobody = stolen_into(served.sandbox.as_nobody(python()).expect("root"), &stolen);
    let flood = nobody.args(["-u", "-c", &format!("{CLIENT}\n{FLOOD}"), "8", "1000"]);
    assert_served_in_flood(&mut inside, flood, 1000, "in a flood of another uid");
    inside.close_stdin();
    let done = inside.finish();
    assert!(done.stderr.contains("dropped a connection of uid 65534"), "{done}");
}

/// What connections cost must not grow with what strangers hold open: each attacker has a thousand descriptors.
#[test]
fn strangers_with_many_descriptors_keep_nobody_out() {
    let served = Served::new();
    let mut inside = served.inside_tcp(&[], RIGHTFUL).spawn();
    let stolen = inside.line();
    let hoard = "held = [os.dup(0) for _ in range(900)]\n";
    let flood = served.outside(&stolen, &format!("{hoard}{FLOOD}")).args(["8", "320"]);
    assert_served_in_flood(&mut inside, flood, 320, "in a flood of processes with many descriptors");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn heads_are_8_kib_and_64_headers_at_most() {
    let served = Served::new();
    let mut talker = served.talker_tcp();
    let of_headers = |headers: usize| get(&"X: x\r\n".repeat(headers - 2));
    let answer = talker.kept_alive(&[of_headers(64).as_bytes()]);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    talker.refused("65 headers", of_headers(65).as_bytes(), 431);
    talker.refused("8 KiB", get(&format!("X: {}\r\n", "x".repeat(8192))).as_bytes(), 431);
    talker.refused("a long line without end", format!("GET /{}", "a".repeat(100_000)).as_bytes(), 431);
    for method in ["GET", "HEAD", "PUT"] {
        let body = get("Content-Length: 1\r\n").replacen("GET", method, 1) + "x";
        talker.refused(&format!("a body of {method}"), body.as_bytes(), 413);
    }
    talker.end();
}

#[test]
fn a_head_has_five_seconds_to_arrive() {
    let served = Served::new();
    let script = r#"
silent, half = connect(), connect()
began = time.monotonic()
half.sendall(ask()[:-2])
left = {half: "half", silent: "silent"}
while left:
    for s in select.select(list(left), [], [])[0]:
        name, text = left.pop(s), to_end(s)
        say(json.dumps([name, round(1000 * (time.monotonic() - began)), text.decode()]))
"#;
    let mut inside = served.inside_tcp(&[], script).spawn();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (name, after_ms, text): (String, u32, String) = serde_json::from_str(&inside.line()).expect("JSON");
        assert!((4900..8000).contains(&after_ms), "{name} was cut after {after_ms} ms");
        assert_eq!(text, if name == "silent" { String::new() } else { closing(408) }, "{name}");
        seen.push(name);
    }
    seen.sort();
    assert_eq!(seen, ["half", "silent"]);
    assert_eq!(inside.finish().code(), 0);
}
