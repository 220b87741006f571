//! The bare responder: the least that an answer over a socket costs on this machine. One thread a connection, which reads
//! a request without looking at it and writes 700 bytes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::Builder;

use crate::Failure;
use crate::crowd::Crowd;
use crate::roles;

/// As long as an answer of ours with credentials.
pub(crate) const ANSWER_BYTES: usize = 700;

/// The running responder, in a process of its own. Ends when dropped.
pub(crate) struct Responder {
    child: Child,
    socket: String,
    port: String,
}

impl Responder {
    /// Starts it on the Unix socket at `path` and on a port of 127.0.0.1, where this crowd's server runs.
    pub(crate) fn start(path: &Path, crowd: Crowd) -> Result<Self, Failure> {
        let mut command = crowd.server().command(&roles::own_path());
        let mut child = command.arg("responder").arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let port = roles::first_line(child.stdout.take())?;
        let socket = path.to_str().ok_or("the sandbox's path is not UTF-8")?.to_owned();
        Ok(Self { child, socket, port })
    }

    /// Its socket and port.
    pub(crate) fn place(&self) -> [&str; 2] {
        [&self.socket, &self.port]
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// The responder's own process.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let unix = UnixListener::bind(path)?;
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", tcp.local_addr()?.port());
    start(move || {
        for stream in unix.incoming().flatten() {
            start(move || answer(stream));
        }
    });
    start(move || {
        for stream in tcp.incoming().flatten() {
            let _same = stream.set_nodelay(true);
            start(move || answer(stream));
        }
    });
    roles::wait_for_end_of_input();
    Ok(())
}

fn answer(mut stream: impl Read + Write) {
    let mut request = [0; 8192];
    let answer = whole_answer();
    while stream.read(&mut request).is_ok_and(|read| read > 0) {
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

pub(crate) fn whole_answer() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 628\r\n\r\n".to_vec();
    answer.resize(ANSWER_BYTES, b' ');
    answer
}

pub(crate) fn start(work: impl FnOnce() + Send + 'static) {
    // Without a thread the connection is closed, which the client reports.
    drop(Builder::new().stack_size(128 * 1024).spawn(work));
}
