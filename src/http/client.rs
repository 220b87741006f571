//! The other side: our own helper's request, and the answer that it gets.

use std::str;

use super::path;

/// The request of `sentinel credentials`, with this token where there is one, and for this role where one is named. One a connection, so that the
/// answer ends where the stream ends.
pub fn request(token: Option<&str>, role_arn: Option<&str>) -> String {
    let path = std::fmt::from_fn(|f| match role_arn {
        None => f.write_str("/"),
        Some(arn) => {
            f.write_str("/role-arn/")?;
            // The path of a role may have characters that a request has as escapes alone.
            arn.bytes().try_for_each(|byte| match char::from(byte) {
                plain if path::is_plain(byte) => write!(f, "{plain}"),
                _ => write!(f, "%{byte:02X}"),
            })
        }
    });
    let (name, token, end) = token.map_or(("", "", ""), |token| ("Authorization: ", token, "\r\n"));
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{name}{token}{end}Connection: close\r\n\r\n")
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
    let status = number(lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?).filter(|status| *status >= 100)?;
    let mut lengths =
        lines.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = number(lengths.next()?.1.trim())?;
    if lengths.next().is_some() {
        return None;
    }
    (body.len() == length).then_some(Answer { status, body })
}

/// Digits alone: `parse` would take a sign as well.
fn number<T: str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
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
    fn numbers_that_are_read_in_two_ways_are_refused() {
        for head in [
            "HTTP/1.1 +40 X\r\nContent-Length: 1",
            "HTTP/1.1 040 X\r\nContent-Length: 1",
            "HTTP/1.1 200 X\r\nContent-Length: +1",
            "HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 1",
        ] {
            assert_eq!(parse(format!("{head}\r\n\r\nx").as_bytes()), None, "{head}");
        }
    }

    #[test]
    fn our_server_takes_our_request() {
        use crate::http::hosts::Hosts;
        use crate::http::request::{Progress, parse};
        let arn = "arn:aws:iam::123456789012:role/te'am;x/deploy+a=b,c.@_-";
        for (role, path) in [(None, "/".to_owned()), (Some(arn), format!("/role-arn/{arn}"))] {
            let bytes = request(Some("abc"), role);
            let Ok(Progress::Complete { request, head_bytes }) = parse(bytes.as_bytes(), &Hosts::unix()) else {
                unreachable!("our own request");
            };
            assert_eq!((request.authorization, head_bytes), (Some(&b"abc"[..]), bytes.len()));
            assert_eq!(request.decoded_path(), path);
        }
    }
}
