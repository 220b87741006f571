//! https on loopback: a CONNECT proxy that sends every name to the test's own AWS, and TLS before it. So a test reaches
//! `sts.eu-west-1.amazonaws.com` with a real handshake, and nothing leaves this host.

mod tests;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::moto::programs;
use crate::fake_sts::Sts;

/// The longest head of a CONNECT request.
const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// How long a connection may be silent: longer than any request of a test.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// The TLS server that all tests of this process share. Its input is closed when the test process ends, and then it ends.
struct Tls {
    address: SocketAddr,
    directory: PathBuf,
    _input: ChildStdin,
}

/// The file with the authority that signed what the stand-ins show.
pub(crate) fn authority() -> PathBuf {
    tls().directory.join("ca.pem")
}

/// A file with an authority that signed nothing.
pub(crate) fn other_authority() -> PathBuf {
    tls().directory.join("other-ca.pem")
}

#[expect(clippy::zombie_processes, reason = "the server outlives every test: it ends when its input is closed")]
fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/https/tls.py");
        let mut child = Command::new(programs().join("python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let input = child.stdin.take().expect("the input is piped");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("the output is piped")).read_line(&mut line).expect("a line");
        let (port, directory) = line.trim_end().split_once(' ').expect("tls.py prints its port and directory");
        let port: u16 = port.parse().expect("a port");
        Tls { address: ([127, 0, 0, 1], port).into(), directory: directory.into(), _input: input }
    })
}

/// What the proxy was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `HOST:PORT`, or the whole first line when it was not a CONNECT.
    pub(crate) target: String,
    /// The `Proxy-Authorization` header.
    pub(super) authorization: Option<String>,
}

/// A running proxy to one fake AWS. Dropping it ends it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    aws_port: u16,
    stopping: AtomicBool,
    astray: AtomicBool,
    asked: Mutex<Vec<Asked>>,
}

impl Proxy {
    /// Starts a proxy whose every target is `sts`.
    pub(crate) fn before(sts: &Sts) -> Self {
        // Before the first connection, so that none waits for it.
        tls();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a loopback port");
        let address = listener.local_addr().expect("the bound address");
        let (_, port) =
            sts.url().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("a port");
        let shared = Arc::new(Shared {
            aws_port: port.parse().expect("a port"),
            stopping: AtomicBool::new(false),
            astray: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let serve = {
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        };
        let acceptor = Builder::new().name("proxy-accept".to_owned()).spawn(serve).expect("a thread");
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Whether clients are led to somebody who has a certificate for another name than they asked for.
    pub(crate) fn leads_astray(&self, whether: bool) {
        self.shared.astray.store(whether, Ordering::SeqCst);
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("lock").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes accept; it sees `stopping` before it serves.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        // A client that breaks off is the test's subject, not the proxy's failure.
        let serve = move || drop(connect(stream, &shared));
        drop(Builder::new().name("proxy-connection".to_owned()).spawn(serve).expect("a thread"));
    }
}

/// Reads one CONNECT, and joins the client to the TLS server.
fn connect(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(SILENCE_LIMIT))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_LIMIT_BYTES {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
    };
    let asked = Asked { target: target.unwrap_or(first).to_owned(), authorization: head.lines().find_map(header) };
    shared.asked.lock().expect("lock").push(asked);
    if target.is_none() {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(tls().address)?;
    server.set_read_timeout(Some(SILENCE_LIMIT))?;
    let astray = if shared.astray.load(Ordering::SeqCst) { " astray" } else { "" };
    server.write_all(format!("{}{astray}\n", shared.aws_port).as_bytes())?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = Builder::new().name("proxy-back".to_owned()).spawn(move || {
        drop(std::io::copy(&mut from_server, &mut to_client));
        drop(to_client.shutdown(Shutdown::Both));
    })?;
    drop(std::io::copy(&mut client, &mut server));
    drop(server.shutdown(Shutdown::Both));
    drop(back.join());
    Ok(())
}
