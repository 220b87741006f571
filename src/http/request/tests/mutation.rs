//! Requests, damaged at random with a fixed seed, against what must hold for every byte string.

use super::*;

/// Marsaglia's xorshift64: the same bytes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("a limit")).expect("a number")
    }
}

/// What attackers put between the bytes of a request.
const SPICE: &[&str] = &[
    "\r\n",
    "\r",
    "\n",
    "\r\n\r\n",
    "\r\n ",
    "\0",
    "\t",
    " ",
    ":",
    "/",
    "//",
    "/..",
    "%2e",
    "%",
    "%2F",
    "?",
    "#",
    "\\",
    "HTTP/1.1",
    "HTTP/1.0",
    "GET ",
    "PUT ",
    "HEAD ",
    "POST ",
    "http://localhost:4321/",
    "\x7f",
    "\u{e9}",
    ",",
    "0",
    "1",
    "Host: localhost:4321\r\n",
    "\r\nHost: evil\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Authorization: a\r\n",
    "Connection: close\r\n",
    "Origin: null\r\n",
    "X: y\r\n",
    "Content-Length",
    "Expect: 100-continue\r\n",
];

fn damaged(random: &mut Random) -> Vec<u8> {
    let refused = random.below(REFUSED.len());
    let client = random.below(CLIENTS.len());
    let start = if random.below(3) == 0 { REFUSED[refused].0 } else { CLIENTS[client].1 };
    let mut bytes = start.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            1 if at < bytes.len() => bytes[at] ^= 0x20,
            2 => drop(bytes.drain(at..to)),
            3 => {
                let copy = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => drop(bytes.splice(at..at, SPICE[random.below(SPICE.len())].bytes())),
        }
    }
    bytes
}

/// What a request that was taken must look like, said a second time without the parser.
fn assert_unambiguous(raw: &[u8], request: &Request<'_>, head_bytes: usize) {
    let context = raw.escape_ascii().to_string();
    let all = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("an end") + 4;
    assert_eq!(head_bytes, all, "{context}");
    assert!(head_bytes <= HEAD_LIMIT_BYTES, "{context}");
    let head = std::str::from_utf8(&raw[..head_bytes - 4]).expect("ASCII");
    let lines: Vec<&str> = head.split("\r\n").collect();
    assert!(lines.iter().all(|line| line.bytes().all(|byte| (0x20..0x7f).contains(&byte))), "{context}");
    assert!(lines.len() <= HEADER_LIMIT + 1, "{context}");
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Put => "PUT",
    };
    assert_eq!(lines[0], format!("{method} {} HTTP/1.1", request.path), "{context}");
    assert!(request.path.starts_with('/') && !request.path.contains(['?', '#', '\\']), "{context}");
    assert!(!request.path.contains("//") && !request.decoded_path().contains("//"), "{context}");
    assert!(!request.decoded_path().split('/').any(|segment| segment == ".." || segment == "."), "{context}");
    let headers: Vec<(String, &str)> = lines[1..]
        .iter()
        .map(|line| line.split_once(':').expect("a colon"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches(' ')))
        .collect();
    let values = |wanted: &str| -> Vec<&str> {
        headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value).collect()
    };
    assert_eq!(values("host"), [request.host], "{context}");
    assert!(hosts().contains(request.host), "{context}");
    let authorization: Vec<&[u8]> = values("authorization").into_iter().map(str::as_bytes).collect();
    assert_eq!(authorization.as_slice(), request.authorization.as_slice(), "{context}");
    assert!(matches!(values("content-length")[..], [] | ["0"]), "{context}");
    for (name, _) in &headers {
        assert!(!name.is_empty() && !name.contains(' '), "{context}");
        for refused in ["transfer-encoding", "expect", "upgrade", "origin", "referer", "forwarded", "via", "x-real-ip"]
        {
            assert_ne!(name, refused, "{context}");
        }
        assert!(!name.starts_with("sec-fetch-") && !name.starts_with("x-forwarded-"), "{context}");
    }
    let closes = values("connection").iter().any(|value| value.to_ascii_lowercase().contains("close"));
    assert_eq!(request.keep_alive, !closes, "{context}");
}

#[test]
fn a_request_that_is_taken_has_one_meaning() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut refused, mut incomplete) = (0, 0, 0);
    for _ in 0..20_000 {
        let raw = damaged(&mut random);
        match parse(&raw, &hosts()) {
            Ok(Progress::Complete { request, head_bytes }) => {
                assert_unambiguous(&raw, &request, head_bytes);
                taken += 1;
            }
            Ok(Progress::Incomplete) => incomplete += 1,
            Err(_) => refused += 1,
        }
    }
    // The mutations are worth something only if each verdict is common.
    assert!(taken > 1_000 && refused > 1_000 && incomplete > 1_000, "{taken} {refused} {incomplete}");
}

#[test]
fn bytes_one_by_one_get_the_verdict_of_all_at_once() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..5_000 {
        let raw = damaged(&mut random);
        let at_once = parse(&raw, &hosts());
        let mut parser = Parser::default();
        let mut first = Ok(Progress::Incomplete);
        for length in 0..=raw.len() {
            first = parser.parse(&raw[..length], &hosts());
            if first != Ok(Progress::Incomplete) {
                break;
            }
        }
        assert_eq!(first, at_once, "{}", raw.escape_ascii());
        assert_eq!(parser.parse(&raw, &hosts()), at_once, "asked again: {}", raw.escape_ascii());
    }
}

#[test]
fn a_verdict_on_a_prefix_is_the_verdict_on_the_whole() {
    let mut random = Random(0xdead_beef_cafe_f00d);
    for _ in 0..1_000 {
        let raw = damaged(&mut random);
        let whole = parse(&raw, &hosts());
        for length in 0..raw.len() {
            let prefix = parse(&raw[..length], &hosts());
            assert!(prefix == Ok(Progress::Incomplete) || prefix == whole, "{length} of {}", raw.escape_ascii());
        }
    }
}

#[test]
fn noise_is_never_a_request() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    for _ in 0..20_000 {
        let length = random.below(200);
        let raw: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[3]).collect();
        assert!(!matches!(parse(&raw, &hosts()), Ok(Progress::Complete { .. })), "{}", raw.escape_ascii());
    }
}
