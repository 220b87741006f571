//! A client's side of one connection, where no SDK is in between.

use std::io::{Error, ErrorKind, Read, Result};

/// Asks for the profile's credentials, without a token.
pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The next whole answer's status and body, and nothing behind it.
pub(crate) fn read_answer(stream: &mut impl Read) -> Result<(u16, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let none = || Error::from(ErrorKind::InvalidData);
    let head = String::from_utf8(head).map_err(|_| none())?;
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(none)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).ok_or_else(none)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8(body).map_err(|_| none())?))
}
