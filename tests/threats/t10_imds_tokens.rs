//! T10: the metadata endpoint wants a session token of its own tree, which it gives to that tree alone.

use crate::wire::{FORBIDDEN, Served, Transport};

/// What is refused to whoever is inside and shows no live session token, byte for byte.
const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 113\r\n\
    Cache-Control: no-store\r\n\
    \r\n\
    {\"code\":\"Unauthorized\",\"message\":\"No live session token\",\
    \"Code\":\"Unauthorized\",\"Message\":\"No live session token\"}";

/// Every kind of path there is, and one that is none.
const PATHS: &str = r#"
ROOT = "/latest/meta-data/"
PATHS = ["/", "/latest/", ROOT, ROOT + "iam/security-credentials/", ROOT + "iam/security-credentials/base", ROOT + "iam/info",
         ROOT + "instance-id", ROOT + "placement/region", "/latest/dynamic/instance-identity/document", "/no/such/path"]
def line(path, method="GET"):
    return f"{method} {path} HTTP/1.1".encode()
def answers(tokens, methods=("GET", "HEAD", "PUT")):
    """Every distinct answer to these tokens, on every path. HEAD has its body put back."""
    found = set()
    for token in tokens:
        for path in PATHS:
            for method in methods:
                raw = once(ask(token, line(path, method)), method != "HEAD").decode()
                found.add(raw if method != "HEAD" else raw.partition("\r\n\r\n")[0])
    return sorted(found)
"#;

fn head(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").0
}

#[track_caller]
fn assert_all(line: &str, answer: &str) {
    let found: Vec<String> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(found, [head(answer), answer]);
}

fn served() -> Served {
    Served::over(Transport::Imds)
}

#[test]
fn without_a_live_token_whoever_is_inside_gets_one_answer_to_everything() {
    // What is forged here: an end that is far away with the MAC of another, MACs under keys that anybody can think of, and
    // version 1, which has none.
    let script = format!(
        r#"{PATHS}
import base64, hashlib, hmac
def forged(end, key, what):
    mac = hmac.digest(key, end.to_bytes(8, "big") + what, "sha256")
    return f"{{end:016x}}".encode() + base64.urlsafe_b64encode(mac).rstrip(b"=")
far = 2**63
tokens = [None, b"", b" ", b"x", b"A" * 56, TOKEN[:-1], TOKEN[1:], TOKEN + b"=", TOKEN + b"A", TOKEN.swapcase(), TOKEN[::-1],
          b"f" * 16 + TOKEN[16:], TOKEN[:16] + session_token(b"1").rpartition(b"\n")[2][16:], TOKEN + b", " + TOKEN, b"A" * 7000,
          forged(far, b"", b""), forged(far, bytes(32), b""), forged(far, bytes(32), bytes(32)), forged(far, TOKEN, b"")]
say(json.dumps(answers(tokens)))
say(status(once(ask())))
"#
    );
    let done = served().inside(&[], &script).run();
    let (refusals, rest) = done.stdout.split_once('\n').expect("lines");
    assert_all(refusals, UNAUTHORIZED);
    assert_eq!((rest, done.code()), ("200\n", 0), "{done}");
}

#[test]
fn every_bit_of_a_token_counts() {
    // Bytes that no header may hold are refused as such.
    let script = r#"
found = {}
for place in range(len(TOKEN)):
    for bit in range(8):
        flipped = bytearray(TOKEN)
        flipped[place] ^= 1 << bit
        plain = 0x20 <= flipped[place] < 0x7f
        found.setdefault((plain, status(once(ask(bytes(flipped))))), []).append(place)
say(*sorted(found))
say(status(once(ask())))
"#;
    let done = served().inside(&[], script).run();
    assert_eq!(done.stdout, "(False, 400) (True, 401)\n200\n", "{done}");
}

#[test]
fn a_stolen_token_opens_nothing_outside_of_its_tree() {
    let served = served();
    let inside = format!("{PATHS}\nsay(PATH, TOKEN.decode())\nsys.stdin.readline()\nsay(status(once(ask())))");
    let mut tree = served.inside(&[], &inside).spawn();
    let stolen = tree.line();
    // Nor is there another to be had.
    let script = format!(
        "{PATHS}\nPATHS.append('/latest/api/token')\nsay(json.dumps(answers([TOKEN, None, b'x'])))\n\
         say(session_token().decode(), end='')"
    );
    let done = served.outside(&stolen, &script.replace(", end='')", ")")).run();
    let (refusals, token) = done.stdout.split_once('\n').expect("lines");
    assert_all(refusals, FORBIDDEN);
    assert_eq!((token, done.code()), (format!("{FORBIDDEN}\n").as_str(), 0), "{done}");
    tree.send("");
    assert_eq!(tree.line(), "200", "where it is not stolen, it is good");
    assert_eq!(tree.finish().code(), 0);
}

#[test]
fn a_token_of_another_tree_is_none() {
    let served = served();
    let mut other = served.inside(&[], "say(TOKEN.decode())\nsys.stdin.read()").spawn();
    let theirs = other.line();
    let script = format!("{PATHS}\nsay(json.dumps(answers([sys.argv[1].encode()])))\nsay(status(once(ask())))");
    let done = served.inside(&[], &script).args([&theirs]).run();
    let (refusals, rest) = done.stdout.split_once('\n').expect("lines");
    assert_all(refusals, UNAUTHORIZED);
    assert_eq!((rest, done.code()), ("200\n", 0), "{done}");
    other.close_stdin();
    assert_eq!(other.finish().code(), 0);
}

#[test]
fn a_token_ends_when_it_was_to_end() {
    let script = r#"
began = time.monotonic()
short = session_token(b"1").rpartition(b"\n")[2]
where = b"GET /latest/meta-data/instance-id HTTP/1.1"
s = connect()
last = 200
while last == 200:
    alive_at = time.monotonic()
    assert alive_at - began < LIMIT_S, "it does not end"
    s.sendall(ask(short, where))
    last = status(answer(s))
say(last, time.monotonic() - began > 0.99)
s.sendall(ask(short, where))
say(status(answer(s)), status(once(ask(short))), status(once(ask(TOKEN))))
"#;
    let done = served().inside(&[], script).run();
    assert_eq!(done.stdout, "401 True\n401 401 200\n", "{done}");
}

#[test]
fn a_token_is_for_1_to_21600_seconds_and_says_for_how_many() {
    let script = r#"
put = b"PUT /latest/api/token HTTP/1.1"
name = b"X-aws-ec2-metadata-token-ttl-seconds: "
for ttl in [b"1", b"60", b"21600"]:
    s = connect()
    s.sendall(ask(None, put, name + ttl + b"\r\n"))
    head, _, token = answer(s).partition(b"\r\n\r\n")
    say(head.decode().split("\r\n")[1:], len(token))
    # The same connection goes on.
    s.sendall(ask(token))
    say(status(answer(s)))
wrong = [b"0", b"00", b"-1", b"+60", b"abc", b"", b" ", b"1.0", b"60s", b"6 0", b"0x3c", b"21601", b"99999999999999999999"]
lines = [name + ttl + b"\r\n" for ttl in wrong] + [b"", name + b"60\r\n" + name + b"60\r\n"]
say({once(ask(TOKEN, put, line)) for line in lines})
for line in [b"X-Forwarded-For: 10.0.0.1\r\n", b"x-forwarded-for:\r\n", b"Forwarded: for=10.0.0.1\r\n", b"Origin: http://a.example\r\n",
             b"Content-Length: 1\r\n"]:
    say(status(once(ask(None, put, name + b"60\r\n" + line))))
say(status(once(ask(None, put, name + b"60\r\n").replace(HOST, b"rebind.evil.example"))))
say(status(once(ask(None, b"PUT /latest/api/token/ HTTP/1.1", name + b"60\r\n"))))
for method in [b"GET", b"HEAD"]:
    say(once(ask(TOKEN, method + b" /latest/api/token HTTP/1.1"), method == b"GET").partition(b"Allow: ")[2][:3])
"#;
    let done = served().inside(&[], script).run();
    let mut expected = String::new();
    for ttl in ["1", "60", "21600"] {
        expected += &format!(
            "['Content-Type: text/plain', 'Content-Length: 59', 'Cache-Control: no-store', \
             'X-Aws-Ec2-Metadata-Token-Ttl-Seconds: {ttl}'] 59\n200\n"
        );
    }
    let bad = crate::wire::closing(400).replace("\r\n", "\\r\\n");
    expected += &format!("{{b'{bad}'}}\n400\n400\n400\n400\n413\n400\n401\nb'PUT'\nb'PUT'\n");
    assert_eq!(done.stdout, expected, "{done}");
}

/// Version 1 is for those who ask for it, and is the tree's alone even then.
#[test]
fn version_1_is_served_to_the_tree_alone_and_only_when_asked_for() {
    for (options, status) in [(&[][..], "401"), (&["--imds-v1"], "200")] {
        let served = served();
        let script = format!(
            "{PATHS}\nsay(PATH, TOKEN.decode())\nsay(status(once(ask(None))), status(once(ask(b'x'))), status(once(ask())))\n\
             sys.stdin.read()"
        );
        let mut tree = served.inside(options, &script).spawn();
        let stolen = tree.line();
        assert_eq!(tree.line(), format!("{status} 401 200"), "{options:?}");
        let outside = served.outside(&stolen, &format!("{PATHS}\nsay(json.dumps(answers([None, TOKEN])))")).run();
        assert_all(outside.stdout.trim_end(), FORBIDDEN);
        tree.close_stdin();
        assert_eq!(tree.finish().code(), 0);
    }
}

#[test]
fn a_token_is_worthless_once_the_child_has_ended_and_is_in_no_log() {
    let served = served();
    let log = served.sandbox.path("log");
    let script = "say(TOKEN.decode())\nsay(status(once(ask())))\nsay(status(once(ask(b'x' * 59))))";
    let done = served.inside(&["--debug", "--log-file", log.to_str().expect("UTF-8")], script).run();
    let (token, rest) = done.stdout.split_once('\n').expect("lines");
    assert_eq!((token.len(), rest), (59, "200\n401\n"), "{done}");
    assert!(done.stderr.contains("no live session token"), "{done}");
    let decisions = std::fs::read_to_string(&log).expect("the decision log");
    for text in [&done.stderr, &decisions] {
        assert!(!text.contains(&token[16..]) && !text.contains(&token[..16]), "{text}");
    }
    assert!(decisions.contains(r#""endpoint":"imds 127.0.0.1:"#), "{decisions}");
    // Another run of the same person, with another key.
    let again = "say(status(once(ask(sys.argv[1].encode()))))";
    assert_eq!(served.inside(&[], again).args([token]).run().stdout, "401\n");
}

/// With `--bind process` the first that asks is the only one: also for session tokens.
#[test]
fn where_one_process_is_bound_no_other_has_tokens() {
    let script = format!(
        "{PATHS}\nif os.fork() == 0:\n    PATHS.append('/latest/api/token')\n    say(json.dumps(answers([TOKEN, None])))\n    \
         os._exit(0)\nos.wait()\nsay(status(once(ask())))"
    );
    let done = served().inside(&["--bind", "process"], &script).run();
    let (refusals, rest) = done.stdout.split_once('\n').expect("lines");
    assert_all(refusals, FORBIDDEN);
    assert_eq!(rest, "200\n", "{done}");
}
