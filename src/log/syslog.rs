//! The host's syslog, as a second place that the writer's user cannot change: RFC 5424 over a Unix datagram socket.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::chain::Head;
use crate::clock::rfc3339_ms;
use crate::error::{Error, Result};

/// Where syslog listens on Linux.
pub const SOCKET: &str = "/dev/log";
/// What stands before a head, in syslog and in what `log verify` prints.
pub const HEAD_WORD: &str = "sentinel-head";

/// `authpriv` (10) and `informational` (6), as RFC 5424 counts: 10 * 8 + 6.
const PRIORITY: u8 = 86;

/// A socket to syslog. Nothing waits for it.
pub(super) struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    pid: u32,
}

impl Syslog {
    pub(super) fn new(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = socket.map_err(|error| Error::new("cannot make a socket for syslog").because(error))?;
        Ok(Self { socket, path: path.to_owned(), pid: std::process::id() })
    }

    /// Sends a line of the log.
    pub(super) fn line(&self, now: Timestamp, line: &str) -> Result<()> {
        self.send(now, "decision", line)
    }

    /// Sends a head.
    pub(super) fn head(&self, now: Timestamp, head: &Head) -> Result<()> {
        self.send(now, "head", &format!("{HEAD_WORD} {head}"))
    }

    /// By path every time, because the service may have started anew.
    fn send(&self, now: Timestamp, kind: &str, text: &str) -> Result<()> {
        let message = format!("<{PRIORITY}>1 {} - sentinel {} {kind} - {text}", rfc3339_ms(now), self.pid);
        let sent = loop {
            match self.socket.send_to(message.as_bytes(), &self.path) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => break sent,
            }
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(format!("cannot write to syslog at {}", self.path.display()))
                .because(error)
                .hint("is a syslog service running? --syslog-socket names another place")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::chain::StreamId;

    fn noon() -> Timestamp {
        "2026-01-31T12:00:00Z".parse().expect("a time")
    }

    /// A directory for a socket, which goes away with the value.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sentinel-syslog-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).expect("a directory");
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn messages_are_those_of_rfc_5424_and_the_longest_line_fits() {
        let place = Place::new("message");
        let path = place.0.join("log");
        let service = UnixDatagram::bind(&path).expect("a socket");
        let syslog = Syslog::new(&path).expect("a socket");
        let head = Head { stream: StreamId::parse("0123456789abcdef").expect("an id"), seq: 7, digest: [0xab; 32] };
        syslog.head(noon(), &head).expect("sent");
        let mut message = vec![0; 8192];
        let length = service.recv(&mut message).expect("a message");
        let start = format!("<86>1 2026-01-31T12:00:00.000Z - sentinel {} ", std::process::id());
        let expected = format!("{start}head - sentinel-head 0123456789abcdef:7:{}", "ab".repeat(32));
        assert_eq!(String::from_utf8_lossy(&message[..length]), expected);
        let line = "x".repeat(4096);
        syslog.line(noon(), &line).expect("sent");
        let length = service.recv(&mut message).expect("a message");
        assert_eq!(String::from_utf8_lossy(&message[..length]), format!("{start}decision - {line}"));
    }

    #[test]
    fn a_service_that_is_away_or_does_not_read_is_an_error_and_no_wait() {
        let place = Place::new("away");
        let path = place.0.join("log");
        let syslog = Syslog::new(&path).expect("a socket");
        let error = syslog.line(noon(), "x").expect_err("nobody");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write to syslog at {}: No such file or directory (os error 2)\n  is a syslog service running? \
                 --syslog-socket names another place",
                path.display()
            )
        );
        let _service = UnixDatagram::bind(&path).expect("a socket");
        let full = (0..100_000).find_map(|_| syslog.line(noon(), &"x".repeat(4096)).err()).expect("a full queue");
        assert!(full.summary().ends_with("Resource temporarily unavailable (os error 11)"), "{full}");
    }
}
