//! T12: what two HTTP parsers could read in two ways is refused. All of these have a good token and come from inside the
//! tree, or from whom a service serves; each gets exactly one answer, and the connection is closed with it.

use crate::wire::{Served, closing, get};

/// A second request, that a parser may find inside the first.
const SMUGGLED: &str = "GET / HTTP/1.1\r\nHost: @HOST@\r\nAuthorization: @TOKEN@\r\n\r\n";

/// Header lines that are refused behind a good request's others.
const LINES: [(&str, u16); 41] = [
    ("Host: localhost", 400),
    ("hOST: evil.example", 400),
    ("Host:", 400),
    ("Authorization: @TOKEN@", 400),
    ("authorization: other", 400),
    ("Authorization:", 400),
    ("Content-Length: 0\r\nContent-Length: 0", 400),
    ("Content-Length: 0\r\ncontent-length: 5", 400),
    ("Content-Length: 0, 0", 400),
    ("Content-Length: 00", 400),
    ("Content-Length: +0", 400),
    ("Content-Length: -1", 400),
    ("Content-Length: 0x0", 400),
    ("Content-Length: 1 0", 400),
    ("Content-Length:", 400),
    ("Content-Length: 5", 413),
    ("Content-Length: 99999999999999999999999999", 413),
    ("Content-Length : 0", 400),
    ("Transfer-Encoding: chunked", 400),
    ("Transfer-Encoding: identity", 400),
    ("transfer-encoding: xchunked", 400),
    ("Transfer-Encoding:", 400),
    ("Transfer-Encoding : chunked", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
    ("X-Folded: a\r\n b", 400),
    ("X-Folded: a\r\n\tTransfer-Encoding: chunked", 400),
    ("X-Bare: a\rTransfer-Encoding: chunked", 400),
    ("X-Bare: a\nTransfer-Encoding: chunked", 400),
    ("X-Bare: a\n", 400),
    ("X-Nul: a\0b", 400),
    ("X-Nul\0: a", 400),
    ("X-Control: a\x0bb", 400),
    ("X-Tab: a\tb", 400),
    ("X-Delete: a\x7f", 400),
    ("X-High: \u{e9}", 400),
    ("no colon", 400),
    (": no name", 400),
    ("X Space: a", 400),
    ("Expect: 100-continue", 400),
    ("Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 400),
];

/// Request lines that are refused in front of a good request's headers.
const REQUEST_LINES: [(&str, u16); 40] = [
    ("GET http://localhost/ HTTP/1.1", 400),
    ("GET HTTP://LOCALHOST HTTP/1.1", 400),
    ("GET //localhost/ HTTP/1.1", 400),
    ("GET localhost HTTP/1.1", 400),
    ("GET * HTTP/1.1", 400),
    ("GET ? HTTP/1.1", 400),
    ("GET /? HTTP/1.1", 400),
    ("GET /# HTTP/1.1", 400),
    ("GET /a/../ HTTP/1.1", 400),
    ("GET /. HTTP/1.1", 400),
    ("GET /%2e HTTP/1.1", 400),
    ("GET /%2f HTTP/1.1", 400),
    ("GET /%00 HTTP/1.1", 400),
    ("GET /%0d%0aHost:%20evil HTTP/1.1", 400),
    ("GET /\\ HTTP/1.1", 400),
    ("GET /;a HTTP/1.1", 400),
    ("GET / HTTP/1.0", 400),
    ("GET / HTTP/1.2", 400),
    ("GET / HTTP/2.0", 400),
    ("GET / HTTP/2", 400),
    ("GET / http/1.1", 400),
    ("GET / HTTP/1.1 ", 400),
    ("GET / HTTP/1.1\r", 400),
    ("GET / ", 400),
    ("GET /", 400),
    ("GET  / HTTP/1.1", 400),
    ("GET /  HTTP/1.1", 400),
    ("GET\t/ HTTP/1.1", 400),
    (" GET / HTTP/1.1", 400),
    ("\r\nGET / HTTP/1.1", 400),
    ("\nGET / HTTP/1.1", 400),
    ("GET /\0 HTTP/1.1", 400),
    ("G\0ET / HTTP/1.1", 400),
    ("GET / HTTP/1.1\nHost: localhost", 400),
    ("get / HTTP/1.1", 405),
    ("POST / HTTP/1.1", 405),
    ("OPTIONS / HTTP/1.1", 405),
    ("TRACE / HTTP/1.1", 405),
    ("CONNECT localhost:80 HTTP/1.1", 405),
    ("GET / HTTP/1.1\r\n \r\nX: a", 400),
];

#[test]
fn ambiguous_headers_are_refused() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        for (lines, status) in LINES {
            talker.refused(lines, get(&format!("{lines}\r\n")).as_bytes(), status);
            // What follows is neither a body nor a request.
            let followed = format!("{}{SMUGGLED}", get(&format!("{lines}\r\n")));
            talker.refused(lines, followed.as_bytes(), status);
        }
        talker.end();
    });
}

#[test]
fn ambiguous_request_lines_are_refused() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        for (line, status) in REQUEST_LINES {
            let request = format!("{line}\r\nHost: @HOST@\r\nAuthorization: @TOKEN@\r\n\r\n");
            talker.refused(line, request.as_bytes(), status);
        }
        talker.end();
    });
}

#[test]
fn no_request_is_smuggled_in_another() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        let inner = SMUGGLED;
        for (name, request, status) in [
            ("a body that is a request", format!("{}{inner}", get("Content-Length: 5\r\n")), 413),
            (
                "a body as long as it says",
                format!("{}{inner}", get(&format!("Content-Length: {}\r\n", inner.len()))),
                413,
            ),
            ("CL.TE", format!("{}0\r\n\r\n{inner}", get("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n")), 400),
            ("TE.CL", format!("{}5c\r\n{inner}", get("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")), 400),
            (
                "TE.TE",
                format!("{}0\r\n\r\n{inner}", get("Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n")),
                400,
            ),
            ("CL.0", format!("{}{inner}", get("Content-Length: 0\r\nContent-Length: 80\r\n")), 400),
            ("a POST with a body", format!("POST{}{inner}", &get("Content-Length: 5\r\n")[3..]), 405),
            ("a PUT with a body", format!("PUT{}{inner}", &get("Content-Length: 5\r\n")[3..]), 413),
            ("an upgrade", format!("{}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", get("Upgrade: h2c\r\n")), 400),
        ] {
            talker.refused(name, request.as_bytes(), status);
        }
        // Two that nobody reads differently are two requests: the second one is refused on its own account.
        let two = format!("{SMUGGLED}{}", get("Transfer-Encoding: chunked\r\n"));
        let both = talker.until_closed(&[two.as_bytes()]);
        assert!(both.starts_with("HTTP/1.1 200 OK\r\n") && both.ends_with(&closing(400)), "{both}");
        assert_eq!(both.matches("HTTP/1.1 ").count(), 2, "{both}");
        talker.end();
    });
}

#[test]
fn other_protocols_are_refused() {
    Served::over_every(|served| {
        let mut talker = served.talker();
        let hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03";
        let headers = "Host: @HOST@\r\nAuthorization: @TOKEN@\r\n\r\n";
        talker.refused("a TLS hello", hello, 400);
        talker.refused("the first byte of one", b"\x16", 400);
        talker.refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 400);
        talker.refused("HTTP/0.9", b"GET /\r\n\r\n", 400);
        talker.refused("HTTP/0.9 with headers", format!("GET /\r\n{headers}").as_bytes(), 400);
        talker.refused("a status line", format!("HTTP/1.1 200 OK\r\n{headers}").as_bytes(), 400);
        talker.refused("a PROXY line", format!("PROXY UNKNOWN\r\n{SMUGGLED}").as_bytes(), 400);
        talker.refused("a PROXY header", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400);
        talker.refused("SOCKS", b"\x05\x01\0", 400);
        talker.end();
    });
}

#[test]
fn the_verdict_does_not_depend_on_how_the_bytes_arrive() {
    let served = Served::new();
    let mut talker = served.talker();
    // What stands for the host would be cut as well.
    let get = |more: &str| get(more).replace("@HOST@", "localhost");
    for (request, status) in [
        (get("Transfer-Encoding: chunked\r\n"), 400),
        (get("Content-Length: 5\r\n"), 413),
        (get("X-Bare: a\rb\r\n"), 400),
        (get("X-Folded: a\r\n b\r\n"), 400),
        (get("Host: localhost\r\n"), 400),
        (get("").replacen(" / ", " http://localhost/ ", 1), 400),
    ] {
        for (first, rest) in splits(&request) {
            assert_eq!(talker.until_closed(&[first, rest]), closing(status), "{:?} and the rest", first);
        }
    }
    let good = get("");
    let whole = talker.kept_alive(&[good.as_bytes()]);
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"), "{whole}");
    for (first, rest) in splits(&good) {
        assert_eq!(talker.kept_alive(&[first, rest]), whole, "{:?} and the rest", first);
    }
    let bytes: Vec<&[u8]> = good.split_inclusive("@TOKEN@").flat_map(byte_by_byte).collect();
    assert_eq!(talker.kept_alive(&bytes), whole);
    talker.end();
}

/// Every way to cut a request in two, without cutting what stands for the token.
fn splits(request: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
    let token = request.find("@TOKEN@").expect("a token");
    let whole = move |at: &usize| *at <= token || *at >= token + "@TOKEN@".len();
    (1..request.len()).filter(whole).map(|at| request.as_bytes().split_at(at))
}

/// The part's single bytes, but for what stands for the token.
fn byte_by_byte(part: &str) -> impl Iterator<Item = &[u8]> {
    let (bytes, token) = match part.strip_suffix("@TOKEN@") {
        Some(before) => (before, Some(&b"@TOKEN@"[..])),
        None => (part, None),
    };
    bytes.as_bytes().chunks(1).chain(token)
}
