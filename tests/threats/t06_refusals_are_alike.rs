//! T6: a refusal does not say what was wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{is_root, python, skip};
use crate::wire::{FORBIDDEN, Served, stolen_into};

/// Sends every request of a stranger, and says each distinct answer with the number of requests that got it.
pub(super) const STRANGER: &str = r#"
from collections import Counter
answers = Counter()
unknown = (b"B" if TOKEN[:1] == b"A" else b"A") + TOKEN[1:]
tokens = [None, b"", b" ", b"x", TOKEN[:-1], TOKEN + b"=", TOKEN.swapcase(), unknown, b"A" * 43, b"Bearer " + TOKEN,
          b"Basic " + TOKEN, TOKEN + b"," + TOKEN, b"\"" + TOKEN + b"\"", b"A" * 7000] + MORE
for token in tokens:
    for path in [b"/", b"/other", b"/latest/meta-data/", b"/role-arn/arn:aws:iam::123456789012:role/x"]:
        for method in [b"GET", b"PUT"]:
            answers[once(ask(token, method + b" " + path + b" HTTP/1.1"))] += 1
            answers[once(ask(token, method + b" " + path + b" HTTP/1.1", b"Connection: keep-alive\r\n"))] += 1
say(json.dumps([[raw.decode(), times] for raw, times in answers.items()]))
"#;

/// With these, a stranger sends 14 tokens to 4 paths by 2 methods in 2 ways.
pub(super) const REQUESTS: u64 = 14 * 4 * 2 * 2;

#[track_caller]
pub(super) fn assert_all_forbidden(line: &str, requests: u64) {
    let answers: Vec<(String, u64)> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(answers, [(FORBIDDEN.to_owned(), requests)]);
}

#[test]
fn missing_malformed_and_unknown_tokens_are_refused_alike_inside_the_tree() {
    let served = Served::new();
    let script = format!("MORE = []\n{STRANGER}\nsay(status(once(ask())))");
    let mut inside = served.inside(&[], &script).spawn();
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
        served.inside(&[], "say(PATH, TOKEN.decode())\nsys.stdin.read()\nsay(status(once(ask())))").spawn();
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
}

/// What is judged before the token is, is judged alike for those whose token is good.
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
    let mut inside = served.inside(&[], &script).spawn();
    let stolen = inside.line();
    let done = served.outside(&stolen, requests).run();
    assert_eq!(done.stdout.lines().count(), 5, "{done}");
    for theirs in done.stdout.lines() {
        assert_eq!(theirs, inside.line());
    }
    // HEAD gets what GET gets, without the body.
    let done = served.outside(&stolen, r#"say(once(ask(TOKEN, b"HEAD /x HTTP/1.1"), has_body=False).decode())"#).run();
    let head = FORBIDDEN.split_inclusive("\r\n\r\n").next().expect("a head");
    assert_eq!(done.stdout, format!("{head}\n"), "{done}");
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

#[test]
fn another_uid_gets_not_a_byte() {
    const NAME: &str = "another_uid_gets_not_a_byte";
    if !is_root() {
        return skip(NAME, "it takes root to become another user");
    }
    let served = Served::new();
    let directory = served.sandbox.directory("shared", 0o700);
    let path = directory.join("s");
    let options = ["--unix-socket-path", path.to_str().expect("UTF-8")];
    let mut inside = served.inside(&options, "say(PATH, TOKEN.decode())\nsys.stdin.read()").spawn();
    let stolen = inside.line();
    // Whoever runs sentinel opens every door but the last.
    for (open, mode) in [(served.sandbox.path(""), 0o711), (directory, 0o711), (path, 0o666)] {
        fs::set_permissions(open, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let script = format!(
        "{}\nfor token in [TOKEN, None, b\"x\"]:\n    s = connect()\n    try_send(s, ask(token))\n    say(os.getuid(), to_end(s))\n",
        crate::wire::CLIENT
    );
    let nobody = served.sandbox.as_nobody(python()).expect("root");
    let done = stolen_into(nobody, &stolen).args(["-u", "-c", &script]).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "65534 b''\n65534 b''\n65534 b''\n"), "{done}");
    assert!(inside.error_line("dropped a connection of uid 65534").contains("(pid "));
    inside.close_stdin();
    assert_eq!(inside.finish().code(), 0);
}

/// Timing is not tested; that nothing returns before both questions were asked can be read.
#[test]
fn the_peer_is_attested_before_the_token_is_looked_up_and_neither_is_skipped() {
    let source = include_str!("../../src/auth/authenticator.rs");
    let (_, rest) = source.split_once("pub fn authenticate(").expect("authenticate");
    let (_, body) = rest.split_once("{\n").expect("a body");
    let (body, _) = body.split_once("\n    }\n").expect("an end");
    let place = |text: &str| body.find(text).unwrap_or_else(|| panic!("no `{text}` in {body}"));
    let (peer, token) = (place("self.recheck(visitor, writers_agree);"), place("self.registry.find("));
    assert!(peer < token, "{body}");
    for leaves in ["?", "return", "if ", "match ", "&&", "||"] {
        let early = body.find(leaves).is_some_and(|at| at < token);
        assert!(!early, "`{leaves}` may leave before the token was looked up: {body}");
    }
}
