//! The other side: our own helper's request, and the answer that it gets.

use std::str;

/// The request of `sentinel credentials` for this token. One a connection, so that the answer ends where the stream ends.
pub fn request(token: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n")
}

/// An answer: its status and its body.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body, as long as Content-Length said.
    pub body: &'a [u8],
}

/// Reads a whole answer of our own server; `None` when it is cut or of another shape.
pub fn parse(bytes: &[u8]) -> Option<Answer<'_>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = str::from_utf8(bytes.get(..end)?).ok()?;
    let body = bytes.get(end.checked_add(4)?..)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?
        .1
        .trim()
        .parse()
        .ok()?;
    (body.len() == length).then_some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::Method;
    use crate::http::response::ErrorAnswer;

    #[test]
    fn our_servers_answers_are_read() {
        let bytes = ErrorAnswer::Forbidden.bytes(Method::Get, false);
        let answer = parse(&bytes).expect("an answer");
        assert_eq!(answer.status, 403);
        assert!(answer.body.starts_with(b"{\"code\":\"Forbidden\""));
    }

    #[test]
    fn a_cut_answer_is_none() {
        let bytes = ErrorAnswer::Forbidden.bytes(Method::Get, false);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length}");
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert_eq!(parse(&longer), None);
    }

    #[test]
    fn our_server_takes_our_request() {
        use crate::http::hosts::Hosts;
        use crate::http::request::{Progress, parse};
        let bytes = request("abc");
        let Ok(Progress::Complete { request, head_bytes }) = parse(bytes.as_bytes(), &Hosts::unix()) else {
            unreachable!("our own request");
        };
        assert_eq!((request.authorization, head_bytes), (Some(&b"abc"[..]), bytes.len()));
    }
}
