//! Bytes to request: no panic, one verdict however the bytes are cut, and no ambiguous head is taken (T11, T12, T24).

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sentinel::http::hosts::Hosts;
use sentinel::http::refusal::Refusal;
use sentinel::http::request::{self, HEAD_LIMIT_BYTES, HEADER_LIMIT, Parser, Progress, Request};

/// The listener of the corpus.
static HOSTS: LazyLock<Hosts> = LazyLock::new(|| Hosts::tcp(([127, 0, 0, 1], 4321).into()));

fuzz_target!(|bytes: &[u8]| {
    let at_once = request::parse(bytes, &HOSTS);
    assert_eq!(one_by_one(bytes), at_once);
    if let Ok(Progress::Complete { request, head_bytes }) = at_once {
        check(bytes, &request, head_bytes);
    }
});

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

fn check(bytes: &[u8], request: &Request<'_>, head_bytes: usize) {
    let head = &bytes[..head_bytes];
    assert!(head_bytes <= HEAD_LIMIT_BYTES);
    assert_eq!(head.windows(4).position(|window| window == b"\r\n\r\n"), Some(head_bytes - 4));
    let head = std::str::from_utf8(head).expect("ASCII");
    let lines: Vec<&str> = head.trim_end_matches("\r\n").split("\r\n").collect();
    assert!(lines.len() <= HEADER_LIMIT + 1);
    assert!(lines.iter().all(|line| line.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
    assert!(HOSTS.contains(request.host));
    let path = request.decoded_path();
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['?', '#', '%', '\\']));
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
    for name in ["host:", "authorization:", "content-length:"] {
        assert!(lines.iter().filter(|line| line.to_ascii_lowercase().starts_with(name)).count() <= 1);
    }
    for name in ["transfer-encoding:", "expect:", "upgrade:", "origin:", "referer:", "sec-fetch-", "x-forwarded-"] {
        assert!(!lines.iter().any(|line| line.to_ascii_lowercase().starts_with(name)));
    }
}
