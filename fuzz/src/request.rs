//! Bytes to request: one verdict however the bytes are cut and whatever follows them, no ambiguous head is taken (T11, T12),
//! and what is taken says what a plain reading of its lines says.

use std::sync::LazyLock;

use sentinel::http::hosts::Hosts;
use sentinel::http::refusal::Refusal;
use sentinel::http::request::{self, HEAD_LIMIT_BYTES, HEADER_LIMIT, Method, Parser, Progress, Request};

/// The listener of the corpus.
static HOSTS: LazyLock<Hosts> = LazyLock::new(|| Hosts::tcp(([127, 0, 0, 1], 4321).into()));

/// See the module.
pub fn check(bytes: &[u8]) {
    let at_once = request::parse(bytes, &HOSTS);
    assert_eq!(one_by_one(bytes), at_once);
    if at_once != Ok(Progress::Incomplete) {
        assert_eq!(request::parse(&[bytes, b"GET / HTTP/1.1\r\n\r\n\0"].concat(), &HOSTS), at_once, "what follows");
    }
    match at_once {
        Ok(Progress::Complete { request, head_bytes }) => taken(bytes, &request, head_bytes),
        Ok(Progress::Incomplete) => assert!(bytes.len() < HEAD_LIMIT_BYTES),
        Err(_) => {}
    }
}

fn one_by_one(bytes: &[u8]) -> Result<Progress<'_>, Refusal> {
    let mut parser = Parser::default();
    for length in 0..bytes.len() {
        let progress = parser.parse(&bytes[..length], &HOSTS);
        if progress != Ok(Progress::Incomplete) {
            return progress;
        }
    }
    parser.parse(bytes, &HOSTS)
}

fn taken(bytes: &[u8], request: &Request<'_>, head_bytes: usize) {
    let head = &bytes[..head_bytes];
    assert!(head_bytes <= HEAD_LIMIT_BYTES);
    assert_eq!(head.windows(4).position(|window| window == b"\r\n\r\n"), Some(head_bytes - 4));
    let head = std::str::from_utf8(head).expect("ASCII");
    let lines: Vec<&str> = head.trim_end_matches("\r\n").split("\r\n").collect();
    assert!(lines.len() <= HEADER_LIMIT + 1);
    assert!(lines.iter().all(|line| line.bytes().all(|byte| (0x20..0x7f).contains(&byte))));

    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Put => "PUT",
    };
    assert_eq!(lines[0], format!("{method} {} HTTP/1.1", request.path));
    let path = request.decoded_path();
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['?', '#', '%', '\\']));
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));

    let headers: Vec<(String, &str)> = lines[1..]
        .iter()
        .map(|line| line.split_once(':').expect("a name"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches(' ')))
        .collect();
    let values = |wanted: &str| -> Vec<&str> {
        headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    };
    assert_eq!(values("host"), [request.host]);
    assert!(HOSTS.contains(request.host));
    let authorization: Vec<&[u8]> = values("authorization").into_iter().map(str::as_bytes).collect();
    assert_eq!(authorization, request.authorization.into_iter().collect::<Vec<_>>());
    assert!(values("content-length").is_empty() || values("content-length") == ["0"]);
    let options = values("connection").join(",").to_ascii_lowercase();
    assert_eq!(request.keep_alive, !options.split(',').any(|option| option.trim() == "close"));
    for name in ["transfer-encoding", "expect", "upgrade", "origin", "referer", "forwarded", "x-real-ip", "via"] {
        assert!(values(name).is_empty());
    }
    assert!(!headers.iter().any(|(name, _)| name.starts_with("sec-fetch-") || name.starts_with("x-forwarded-")));
}
