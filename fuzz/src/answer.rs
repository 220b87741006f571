//! An answer as our own helper reads it: whole or nothing, whatever the server sends.

use sentinel::http::client::parse;

/// See the module.
pub fn check(bytes: &[u8]) {
    let Some(answer) = parse(bytes) else { return };
    assert!((100..1000).contains(&answer.status));
    assert!(bytes.ends_with(answer.body));
    let head = &bytes[..bytes.len() - answer.body.len()];
    assert!(head.ends_with(b"\r\n\r\n") && head.starts_with(format!("HTTP/1.1 {}", answer.status).as_bytes()));
    for cut in [bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(parse(&bytes[..cut]), None);
    }
    assert_eq!(parse(&[bytes, b"x"].concat()), None);
}
