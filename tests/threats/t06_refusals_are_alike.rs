//! T6: a refusal does not say what was wrong, over either transport, and on the metadata endpoint to whoever is outside.

use crate::harness::{is_root, skip};
use crate::wire::{FORBIDDEN, Served, Transport};

/// Sends every request of a stranger, and says each distinct answer with the number of requests that got it.
const STRANGER: &str = r#"
from collections import Counter
answers = Counter()
unknown = (b"B" if TOKEN[:1] == b"A" else b"A") + TOKEN[1:]
tokens = [None, b"", b" ", b"x", TOKEN[:-1], TOKEN + b"=", TOKEN.swapcase(), unknown, b"A" * 43, b"Bearer " + TOKEN,
          b"Basic " + TOKEN, TOKEN + b"," + TOKEN, b"\"" + TOKEN + b"\"", b"A" * 7000] + MORE
for token in tokens:
    for path in [b"/", b"/other", b"/latest/meta-data/", b"/role-arn/arn:aws:iam::123456789012:role/dev",
                 b"/role-arn/arn:aws:iam::123456789012:role/nobody-s", b"/role-arn/x", b"/role-arn/"]:
        for method in [b"GET", b"PUT"]:
            answers[once(ask(token, method + b" " + path + b" HTTP/1.1"))] += 1
            answers[once(ask(token, method + b" " + path + b" HTTP/1.1", b"Connection: keep-alive\r\n"))] += 1
say(json.dumps([[raw.decode(), times] for raw, times in answers.items()]))
"#;

/// With these, a stranger sends 14 tokens to 7 paths by 2 methods in 2 ways.
const REQUESTS: u64 = 14 * 7 * 2 * 2;

/// Whether a role may be had, is nobody's or is none is told to nobody outside either.
fn with_roles(served: &Served) -> &'static [&'static str] {
    if served.transport == Transport::Unix { &["--ecs-server"] } else { &[] }
}

#[track_caller]
fn assert_all_forbidden(line: &str, requests: u64) {
    let answers: Vec<(String, u64)> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(answers, [(FORBIDDEN.to_owned(), requests)]);
}

#[test]
fn missing_malformed_and_unknown_tokens_are_refused_alike_inside_the_tree() {
    // A service wants its file's token on a port, and on no other endpoint.
    Served::over_each(&[Transport::Unix, Transport::Ecs, Transport::TcpService], |served| {
        let script = format!("MORE = []\n{STRANGER}\nsay(status(once(ask())))");
        let mut inside = served.inside(with_roles(&served), &script).spawn();
        assert_all_forbidden(&inside.line(), REQUESTS);
        // The token itself is good here.
        assert_eq!(inside.line(), "200");
        let done = inside.finish();
        assert_eq!(done.code(), 0, "{done}");
    });
}

#[test]
fn a_good_token_outside_the_tree_is_refused_like_a_bad_one() {
    Served::over_all(|served| {
        let mut inside = served
            .inside(with_roles(&served), "say(PATH, TOKEN.decode())\nsys.stdin.read()\nsay(status(once(ask())))")
            .spawn();
        let stolen = inside.line();
        let done = served.outside(&stolen, &format!("MORE = [TOKEN]\n{STRANGER}")).run();
        assert_eq!(done.code(), 0, "{done}");
        assert_all_forbidden(&done.stdout, REQUESTS / 14 * 15);
        inside.close_stdin();
        assert_eq!(inside.line(), "200");
        let done = inside.finish();
        assert_eq!(done.code(), 0, "{done}");
    });
}

#[test]
fn the_wrong_process_is_refused_like_a_bad_token() {
    Served::over_all(|served| {
        // The first that uses the token owns it; its child is inside the tree, and is not the first.
        let script = format!(
            "say(status(once(ask())))\nsys.stdout.flush()\nchild = os.fork()\nMORE = [TOKEN]\nif child == 0:\n{}\n    os._exit(0)\n\
         os.waitpid(child, 0)\nsay(status(once(ask())))",
            STRANGER.replace('\n', "\n    ")
        );
        let mut inside = served.inside(&["--bind", "process"], &script).spawn();
        assert_eq!(inside.line(), "200");
        assert_all_forbidden(&inside.line(), REQUESTS / 14 * 15);
        assert_eq!(inside.line(), "200");
        let done = inside.finish();
        assert_eq!(done.code(), 0, "{done}");
    });
}

/// Over TCP who made the connection and who holds it now are two questions: a connection that has left the tree is refused
/// like all.
#[test]
fn a_connection_that_was_passed_out_of_the_tree_is_refused_like_a_bad_token() {
    let served = Served::over(Transport::Tcp);
    // The tree connects and gives its only descriptor away before a byte is sent, or after one request was answered.
    let script = r#"
say(PATH, TOKEN.decode())
for line in sys.stdin:
    s = connect()
    if line.startswith("used"):
        s.sendall(ask())
        say(status(answer(s)))
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(line.split()[1])
        socket.send_fds(out, [b"x"], [s.fileno()])
        s.close()
"#;
    let mut inside = served.inside(&[], script).spawn();
    let stolen = inside.line();
    let receive = r#"
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    say("listening")
    with listener.accept()[0] as m:
        _, [fd], _, _ = socket.recv_fds(m, 1, 1)
        # Its end means that the descriptor inside is closed.
        assert m.recv(1) == b""
s = socket.socket(fileno=fd)
s.settimeout(LIMIT_S)
try_send(s, ask())
say(answer(s).hex())
"#;
    let reference = served.outside(&stolen, "say(once(ask(b'x' * 43)).hex())").run();
    for (number, kind) in ["new", "used"].into_iter().enumerate() {
        let path = served.sandbox.path(&format!("out{number}"));
        let path = path.to_str().expect("UTF-8");
        let mut thief = served.outside(&stolen, receive).args([path]).spawn();
        assert_eq!(thief.line(), "listening");
        inside.send(&format!("{kind} {path}"));
        if kind == "used" {
            assert_eq!(inside.line(), "200");
        }
        assert_eq!(thief.line(), reference.stdout.trim(), "{kind}");
        assert_eq!(thief.finish().code(), 0);
    }
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

/// What is judged before the token is, is judged alike for those whose token is good.
#[test]
fn what_is_refused_before_the_token_is_refused_alike_for_all() {
    Served::over_all(|served| {
        let requests = r#"
for method in [b"POST", b"DELETE", b"get"]:
    say(once(ask(TOKEN, method + b" / HTTP/1.1")).hex())
say(once(ask(TOKEN, b"HEAD / HTTP/1.0")).hex())
say(once(ask(TOKEN, more=b"Content-Length: 1\r\n")).hex())
"#;
        let script = format!("say(PATH, TOKEN.decode()){requests}sys.stdin.read()");
        let mut inside = served.inside(&[], &script).spawn();
        let stolen = inside.line();
        let done = served.outside(&stolen, requests).run();
        assert_eq!(done.stdout.lines().count(), 5, "{done}");
        for theirs in done.stdout.lines() {
            assert_eq!(theirs, inside.line());
        }
        // HEAD gets what GET gets, without the body.
        let done =
            served.outside(&stolen, r#"say(once(ask(TOKEN, b"HEAD /x HTTP/1.1"), has_body=False).decode())"#).run();
        let head = FORBIDDEN.split_inclusive("\r\n\r\n").next().expect("a head");
        assert_eq!(done.stdout, format!("{head}\n"), "{done}");
        inside.close_stdin();
        assert_eq!(inside.finish().code(), 0);
    });
}

#[test]
fn another_uid_gets_not_a_byte() {
    const NAME: &str = "another_uid_gets_not_a_byte";
    if !is_root() {
        return skip(NAME, "it takes root to become another user");
    }
    Served::over_all(|served| {
        let (mut inside, stolen) = served.inside_in_reach_of_all("say(PATH, TOKEN.decode())\nsys.stdin.read()");
        let script = r#"
for token in [TOKEN, None, b"x"]:
    s = connect()
    try_send(s, ask(token))
    say(os.getuid(), to_end(s))
"#;
        let done = served.outside_as_nobody(&stolen, script).run();
        assert_eq!((done.code(), done.stdout.as_str()), (0, "65534 b''\n65534 b''\n65534 b''\n"), "{done}");
        let dropped = inside.error_line("dropped a connection of uid 65534");
        // Only a socket's peer has a pid.
        assert_eq!(dropped.contains("(pid "), served.transport == Transport::Unix, "{dropped}");
        inside.close_stdin();
        assert_eq!(inside.finish().code(), 0);
    });
}

/// Timing is not tested; that nothing returns before both questions were asked can be read.
#[test]
fn the_peer_is_attested_before_the_token_is_looked_up_and_neither_is_skipped() {
    let source = include_str!("../../src/auth/authenticator.rs");
    let (_, rest) = source.split_once("pub fn authenticate(").expect("authenticate");
    let (_, body) = rest.split_once("{\n").expect("a body");
    let (body, _) = body.split_once("\n    }\n").expect("an end");
    let place = |text: &str| body.find(text).unwrap_or_else(|| panic!("no `{text}` in {body}"));
    let (peer, token) = (place("self.recheck(visitor, writers_agree);"), place("self.look_up(shown);"));
    assert!(peer < token, "{body}");
    for leaves in ["?", "return", "if ", "match ", "&&", "||"] {
        let early = body.find(leaves).is_some_and(|at| at < token);
        assert!(!early, "`{leaves}` may leave before the token was looked up: {body}");
    }
}
