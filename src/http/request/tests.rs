use super::*;

mod mutation;

fn hosts() -> Hosts {
    Hosts::tcp("127.0.0.1:4321".parse().expect("an address"))
}

/// What `parse` says of a whole head: the request, or the rule.
fn verdict(raw: &[u8]) -> Result<Request<'_>, Refusal> {
    match parse(raw, &hosts())? {
        Progress::Complete { request, head_bytes } => {
            assert_eq!(head_bytes, raw.len(), "{}", raw.escape_ascii());
            Ok(request)
        }
        Progress::Incomplete => panic!("incomplete: {}", raw.escape_ascii()),
    }
}

const TOKEN: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k";

/// The requests of real clients, header by header as they send them.
const CLIENTS: [(&str, &str); 11] = [
    (
        "boto",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nAccept-Encoding: identity\r\nAccept: application/json\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nUser-Agent: python-urllib3/2.5.0\r\n\r\n",
    ),
    (
        "Go",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\nAmz-Sdk-Invocation-Id: 1b671a64-40d5-491e-99b0-da01ff1f3341\r\nAmz-Sdk-Request: attempt=1; max=3\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nAccept-Encoding: gzip\r\n\r\n",
    ),
    (
        "Rust",
        "GET / HTTP/1.1\r\naccept: application/json\r\nauthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nhost: 127.0.0.1:4321\r\n\r\n",
    ),
    (
        "JS v3",
        "GET / HTTP/1.1\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nHost: 127.0.0.1:4321\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "JS v2",
        "GET / HTTP/1.1\r\nUser-Agent: aws-sdk-nodejs/2.1693.0 linux/v22.11.0\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nhost: localhost:4321\r\nConnection: close\r\n\r\n",
    ),
    (
        "Java v2",
        "GET / HTTP/1.1\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nAccept: */*\r\nUser-Agent: aws-sdk-java/2.29.0 Linux/6.8 OpenJDK_64-Bit_Server_VM/21\r\nHost: 127.0.0.1:4321\r\nConnection: keep-alive\r\n\r\n",
    ),
    (
        "Ruby",
        "GET / HTTP/1.1\r\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\nUser-Agent: aws-sdk-ruby3/3.211.0\r\nAuthorization: q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k\r\nHost: 127.0.0.1:4321\r\n\r\n",
    ),
    ("JS v3, fallback", "GET / HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nConnection: keep-alive\r\n\r\n"),
    (
        "curl, HEAD",
        "HEAD /role-arn/arn:aws:iam::123456789012:role/deploy HTTP/1.1\r\nHost: LOCALHOST:4321\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
    ),
    (
        "Go, IMDS token",
        "PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 300\r\nAccept-Encoding: gzip\r\n\r\n",
    ),
    ("boto, empty token", "GET / HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nAuthorization: \r\n\r\n"),
];

#[test]
fn the_clients_requests_are_understood() {
    let get = |authorization: Option<&'static str>, keep_alive| Request {
        method: Method::Get,
        path: "/",
        host: "127.0.0.1:4321",
        authorization: authorization.map(str::as_bytes),
        session_token: None,
        session_ttl: None,
        keep_alive,
    };
    let expected = [
        get(Some(TOKEN), true),
        get(Some(TOKEN), true),
        get(Some(TOKEN), true),
        get(Some(TOKEN), true),
        Request { host: "localhost:4321", ..get(Some(TOKEN), false) },
        get(Some(TOKEN), true),
        get(Some(TOKEN), true),
        get(None, true),
        Request {
            method: Method::Head,
            path: "/role-arn/arn:aws:iam::123456789012:role/deploy",
            host: "LOCALHOST:4321",
            ..get(None, true)
        },
        Request { method: Method::Put, path: "/latest/api/token", session_ttl: Some(b"300"), ..get(None, true) },
        get(Some(""), true),
    ];
    for ((client, raw), expected) in CLIENTS.into_iter().zip(expected) {
        assert_eq!(verdict(raw.as_bytes()), Ok(expected), "{client}");
    }
}

/// Whole heads, and the rule that each breaks.
const REFUSED: &[(&str, Refusal)] = &[
    // Line ends and bytes.
    ("\x16\x03\x01\x02\x00\x01\x00", Refusal::Tls),
    ("\r\nGET / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::LeadingEmptyLine),
    ("\nGET / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::BareLineFeed),
    (" GET / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::RequestLine),
    ("GET / HTTP/1.1\nHost: localhost:4321\n\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\n\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\rHost: localhost:4321\r\n\r\n", Refusal::BareCarriageReturn),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\r\n\r\n", Refusal::BareCarriageReturn),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: a\rTransfer-Encoding: b\r\n\r\n", Refusal::BareCarriageReturn),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: a\0b\r\n\r\n", Refusal::ControlByte),
    ("GET /\0 HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: a\x7fb\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX:\ta\r\n\r\n", Refusal::ControlByte),
    ("GET\t/ HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: a\x16\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: \u{e9}\r\n\r\n", Refusal::NonAscii),
    ("GET /\u{e9} HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::NonAscii),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\n folded\r\n\r\n", Refusal::FoldedHeader),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\n\tfolded\r\n\r\n", Refusal::FoldedHeader),
    ("GET / HTTP/1.1\r\n Host: localhost:4321\r\n\r\n", Refusal::FoldedHeader),
    // The request line.
    ("GET / HTTP/1.0\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("GET / HTTP/2.0\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("GET / HTTP/1.2\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("GET / HTTP/1.10\r\nHost: localhost:4321\r\n\r\n", Refusal::RequestLine),
    ("GET / http/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("PRI * HTTP/2.0\r\n\r\n", Refusal::Version),
    ("GET /\r\n\r\n", Refusal::RequestLine),
    ("GET / \r\n\r\n", Refusal::Version),
    ("GET\r\n\r\n", Refusal::RequestLine),
    ("GET  / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::RequestLine),
    ("GET /  HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("GET / HTTP/1.1 \r\nHost: localhost:4321\r\n\r\n", Refusal::RequestLine),
    ("GET / a HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Version),
    ("G(T / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::RequestLine),
    ("get / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Method),
    ("Get / HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Method),
    ("POST / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 5\r\n\r\n", Refusal::Method),
    ("OPTIONS * HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Method),
    ("CONNECT localhost:4321 HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Method),
    // The target.
    ("GET http://localhost:4321/ HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::NotOriginForm),
    ("GET localhost:4321 HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::NotOriginForm),
    ("GET * HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::NotOriginForm),
    ("GET /? HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Query),
    ("GET /#a HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::Fragment),
    ("GET /%00 HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::PathCharacter),
    ("GET /a\\b HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::PathCharacter),
    ("GET /%2e%2e/ HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::PathCharacter),
    ("GET /a/../b HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::PathSegment),
    ("GET //latest HTTP/1.1\r\nHost: localhost:4321\r\n\r\n", Refusal::PathSegment),
    // Header lines.
    ("GET / HTTP/1.1\r\nHost : localhost:4321\r\n\r\n", Refusal::HeaderLine),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\n: a\r\n\r\n", Refusal::HeaderLine),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX\r\n\r\n", Refusal::HeaderLine),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX Y: a\r\n\r\n", Refusal::HeaderLine),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\n(X): a\r\n\r\n", Refusal::HeaderLine),
    // Host.
    ("GET / HTTP/1.1\r\n\r\n", Refusal::NoHost),
    ("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", Refusal::NoHost),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: rebound.example:4321\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: localhost:4321.rebound.example\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: user@localhost:4321\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: localhost:4321, localhost:4321\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: localhost:04321\r\n\r\n", Refusal::ForeignHost),
    ("GET / HTTP/1.1\r\nHost: 0.0.0.0:4321\r\n\r\n", Refusal::ForeignHost),
    // Duplicates.
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nhOST: localhost:4321\r\n\r\n", Refusal::DuplicateHeader),
    (
        "GET / HTTP/1.1\r\nHost: localhost:4321\r\nAuthorization: a\r\nauthorization: a\r\n\r\n",
        Refusal::DuplicateHeader,
    ),
    (
        "PUT / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 0\r\nContent-length: 0\r\n\r\n",
        Refusal::DuplicateHeader,
    ),
    // Bodies.
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 1\r\n\r\n", Refusal::BodyTooLarge),
    (
        "GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        Refusal::BodyTooLarge,
    ),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 00\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 01\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: +0\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: -1\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 0, 0\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 0 0\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 1 0\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: 0x0\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length:\r\n\r\n", Refusal::ContentLength),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length: \t0\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nContent-Length : 0\r\n\r\n", Refusal::HeaderLine),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::TransferEncoding),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nTRANSFER-ENCODING: identity\r\n\r\n", Refusal::TransferEncoding),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nTransfer-Encoding:\r\n\r\n", Refusal::TransferEncoding),
    ("PUT / HTTP/1.1\r\nHost: localhost:4321\r\nExpect: 100-continue\r\n\r\n", Refusal::Expect),
    // Other protocols, browsers, proxies.
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nUpgrade: h2c\r\n\r\n", Refusal::Upgrade),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nConnection: Upgrade\r\n\r\n", Refusal::ConnectionOption),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nConnection: close, Authorization\r\n\r\n", Refusal::ConnectionOption),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nConnection:\r\n\r\n", Refusal::ConnectionOption),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nOrigin: null\r\n\r\n", Refusal::Browser),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nReferer: http://localhost:4321/\r\n\r\n", Refusal::Browser),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nsec-fetch-mode: navigate\r\n\r\n", Refusal::Browser),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nSec-Fetch-Anything: a\r\n\r\n", Refusal::Browser),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n", Refusal::Forwarded),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nx-forwarded-host: a\r\n\r\n", Refusal::Forwarded),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nForwarded: for=127.0.0.1\r\n\r\n", Refusal::Forwarded),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX-Real-IP: 127.0.0.1\r\n\r\n", Refusal::Forwarded),
    ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nVia: 1.1 proxy\r\n\r\n", Refusal::Forwarded),
];

#[test]
fn ambiguous_and_foreign_requests_are_refused() {
    for (raw, refusal) in REFUSED {
        assert_eq!(verdict(raw.as_bytes()), Err(*refusal), "{}", raw.escape_debug());
    }
}

#[test]
fn spaces_around_a_value_are_not_part_of_it() {
    let raw = b"GET / HTTP/1.1\r\nHost:localhost:4321  \r\nAuthorization:   a b  \r\nContent-Length:  0 \r\n\r\n";
    let request = verdict(raw).expect("a request");
    assert_eq!(request.host, "localhost:4321");
    assert_eq!(request.authorization, Some(b"a b".as_slice()));
}

#[test]
fn close_wins_over_keep_alive() {
    for (connection, keep_alive) in
        [("close", false), ("Keep-Alive", true), ("keep-alive, CLOSE", false), ("close,keep-alive", false)]
    {
        let raw = format!("GET / HTTP/1.1\r\nHost: localhost:4321\r\nConnection: {connection}\r\n\r\n");
        assert_eq!(verdict(raw.as_bytes()).map(|request| request.keep_alive), Ok(keep_alive), "{connection}");
    }
}

#[test]
fn bytes_after_the_head_are_left_for_the_next_request() {
    let first = CLIENTS[0].1;
    let both = format!("{first}{}", CLIENTS[4].1);
    let Ok(Progress::Complete { head_bytes, .. }) = parse(both.as_bytes(), &hosts()) else { panic!("no request") };
    assert_eq!(head_bytes, first.len());
    assert_eq!(verdict(&both.as_bytes()[head_bytes..]).map(|request| request.keep_alive), Ok(false));
    // Not even bytes that no head may hold.
    let then_garbage = [first.as_bytes(), b"\0\xff\n"].concat();
    assert!(matches!(parse(&then_garbage, &hosts()), Ok(Progress::Complete { head_bytes: n, .. }) if n == first.len()));
}

#[test]
fn a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let head = |bytes: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: localhost:4321\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "a".repeat(bytes - start.len() - end.len()))
    };
    let fits = head(HEAD_LIMIT_BYTES);
    assert!(verdict(fits.as_bytes()).is_ok());
    let over = head(HEAD_LIMIT_BYTES + 1);
    assert_eq!(parse(over.as_bytes(), &hosts()), Err(Refusal::HeadTooLarge));
    // Known as soon as the limit has arrived, and not before.
    assert_eq!(parse(&over.as_bytes()[..HEAD_LIMIT_BYTES], &hosts()), Err(Refusal::HeadTooLarge));
    assert_eq!(parse(&over.as_bytes()[..HEAD_LIMIT_BYTES - 1], &hosts()), Ok(Progress::Incomplete));
    assert_eq!(parse(&vec![b'a'; 1 << 20], &hosts()), Err(Refusal::HeadTooLarge));
}

#[test]
fn the_last_header_allowed_is_taken_and_one_more_is_not() {
    let head = |headers: usize| {
        let others: String = (1..headers).map(|n| format!("X-{n}: a\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: localhost:4321\r\n{others}\r\n")
    };
    assert!(verdict(head(HEADER_LIMIT).as_bytes()).is_ok());
    assert_eq!(verdict(head(HEADER_LIMIT + 1).as_bytes()), Err(Refusal::TooManyHeaders));
    // At its first byte.
    let start = head(HEADER_LIMIT + 1);
    let last_line = start.find("X-64").expect("the last header");
    assert_eq!(parse(&start.as_bytes()[..last_line], &hosts()), Ok(Progress::Incomplete));
    assert_eq!(parse(&start.as_bytes()[..=last_line], &hosts()), Err(Refusal::TooManyHeaders));
}

#[test]
fn the_decoded_path_is_what_was_checked() {
    let raw = b"GET /role-arn/arn%3Aaws%3Aiam::1:role%2Fa HTTP/1.1\r\nHost: localhost:4321\r\n\r\n";
    let request = verdict(raw).expect("a request");
    assert_eq!(request.path, "/role-arn/arn%3Aaws%3Aiam::1:role%2Fa");
    assert_eq!(request.decoded_path(), "/role-arn/arn:aws:iam::1:role/a");
}

#[test]
fn nothing_and_every_part_of_a_request_are_incomplete() {
    for (client, raw) in CLIENTS {
        for length in 0..raw.len() {
            assert_eq!(
                parse(&raw.as_bytes()[..length], &hosts()),
                Ok(Progress::Incomplete),
                "{client}, {length} bytes"
            );
        }
    }
}
