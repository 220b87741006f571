//! T6 over TCP: a refusal does not say what was wrong.

use super::t06_refusals_are_alike::{REQUESTS, STRANGER, assert_all_forbidden};
use crate::harness::{is_root, python, skip};
use crate::wire::{CLIENT, Served, stolen_into};

#[test]
fn missing_malformed_and_unknown_tokens_are_refused_alike_inside_the_tree() {
    let served = Served::new();
    let script = format!("MORE = []\n{STRANGER}\nsay(status(once(ask())))");
    let mut inside = served.inside_tcp(&[], &script).spawn();
    assert_all_forbidden(&inside.line(), REQUESTS);
    // The token itself is good here.
    assert_eq!(inside.line(), "200");
    let done = inside.finish();
    assert_eq!(done.code(), 0, "{done}");
}

#[test]
fn a_good_token_outside_the_tree_is_refused_like_a_bad_one() {
    let served = Served::new();
    let mut inside =
        served.inside_tcp(&[], "say(PATH, TOKEN.decode())\nsys.stdin.read()\nsay(status(once(ask())))").spawn();
    let stolen = inside.line();
    let done = served.outside(&stolen, &format!("MORE = [TOKEN]\n{STRANGER}")).run();
    assert_eq!(done.code(), 0, "{done}");
    assert_all_forbidden(&done.stdout, REQUESTS / 14 * 15);
    inside.close_stdin();
    assert_eq!(inside.line(), "200");
    let done = inside.finish();
    assert_eq!(done.code(), 0, "{done}");
}

#[test]
fn the_wrong_process_is_refused_like_a_bad_token() {
    let served = Served::new();
    let script = format!(
        "say(status(once(ask())))\nsys.stdout.flush()\nchild = os.fork()\nMORE = [TOKEN]\nif child == 0:\n{}\n    os._exit(0)\n\
         os.waitpid(child, 0)\nsay(status(once(ask())))",
        STRANGER.replace('\n', "\n    ")
    );
    let mut inside = served.inside_tcp(&["--bind", "process"], &script).spawn();
    assert_eq!(inside.line(), "200");
    assert_all_forbidden(&inside.line(), REQUESTS / 14 * 15);
    assert_eq!(inside.line(), "200");
    let done = inside.finish();
    assert_eq!(done.code(), 0, "{done}");
}

/// Who made the connection and who holds it now are two questions: a connection that has left the tree is refused like all.
#[test]
fn a_connection_that_was_passed_out_of_the_tree_is_refused_like_a_bad_token() {
    let served = Served::new();
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
    let mut inside = served.inside_tcp(&[], script).spawn();
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

#[test]
fn what_is_refused_before_the_token_is_refused_alike_for_all() {
    let served = Served::new();
    let requests = r#"
for method in [b"POST", b"DELETE", b"get"]:
    say(once(ask(TOKEN, method + b" / HTTP/1.1")).hex())
say(once(ask(TOKEN, b"HEAD / HTTP/1.0")).hex())
say(once(ask(TOKEN, more=b"Content-Length: 1\r\n")).hex())
"#;
    let script = format!("say(PATH, TOKEN.decode()){requests}sys.stdin.read()");
    let mut inside = served.inside_tcp(&[], &script).spawn();
    let stolen = inside.line();
    let done = served.outside(&stolen, requests).run();
    assert_eq!(done.stdout.lines().count(), 5, "{done}");
    for theirs in done.stdout.lines() {
        assert_eq!(theirs, inside.line());
    }
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn another_uid_gets_not_a_byte() {
    const NAME: &str = "another_uid_gets_not_a_byte (TCP)";
    if !is_root() {
        return skip(NAME, "it takes root to become another user");
    }
    let served = Served::new();
    let mut inside = served.inside_tcp(&[], "say(PATH, TOKEN.decode())\nsys.stdin.read()").spawn();
    let stolen = inside.line();
    let script = format!(
        "{CLIENT}\nfor token in [TOKEN, None, b\"x\"]:\n    s = connect()\n    try_send(s, ask(token))\n    say(os.getuid(), to_end(s))\n"
    );
    let nobody = served.sandbox.as_nobody(python()).expect("root");
    let done = stolen_into(nobody, &stolen).args(["-u", "-c", &script]).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "65534 b''\n65534 b''\n65534 b''\n"), "{done}");
    inside.error_line("dropped a connection of uid 65534");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}
