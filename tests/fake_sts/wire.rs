//! A loopback HTTP/1.1 server that decides every byte of an answer and how the connection ends: what a fake AWS
//! needs in order to break in each way that a network breaks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

/// The longest head and the longest body that a client under test has a reason to send.
const HEAD_LIMIT_BYTES: usize = 64 << 10;
const BODY_LIMIT_BYTES: usize = 1 << 20;

/// A request, whole.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In the order sent, names as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of the header, if it is there exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value.as_str())
    }
}

/// What goes back. `Content-Length` is added.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How a request ends.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Whole(Response),
    /// The head and half of the body, and then the end of the connection.
    Half(Response),
    /// A TCP reset and no answer.
    Reset,
}

/// A running server. Dropping it ends every connection and thread.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    handler: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1; `handler` runs on the connection's own thread.
    pub(crate) fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind a loopback port");
        let address = listener.local_addr().expect("the bound address");
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
            threads: Mutex::default(),
            handler: Box::new(handler),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            Builder::new().name("fake-accept".to_owned()).spawn(move || accept(&listener, &shared)).expect("a thread")
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes accept; it sees `stopping` before it serves.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for connection in self.shared.connections.lock().expect("lock").drain(..) {
            drop(connection.shutdown(std::net::Shutdown::Both));
        }
        let threads: Vec<_> = self.shared.threads.lock().expect("lock").drain(..).collect();
        for thread in threads {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(handle) = stream.try_clone() else { continue };
        shared.connections.lock().expect("lock").push(handle);
        let thread = {
            let shared = Arc::clone(shared);
            Builder::new().name("fake-connection".to_owned()).spawn(move || {
                // A client that breaks off is the test's subject, not the server's failure.
                drop(converse(stream.try_clone(), &shared));
                // The clone in `connections` would otherwise keep the connection open.
                let end = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
                shared.connections.lock().expect("lock").retain(|other| {
                    let theirs = other.local_addr().and_then(|local| Ok((local, other.peer_addr()?)));
                    !matches!((&end, &theirs), (Ok(ours), Ok(theirs)) if ours == theirs)
                });
            })
        };
        shared.threads.lock().expect("lock").push(thread.expect("a thread"));
    }
}

/// Requests and answers on one connection, until either side ends it.
fn converse(stream: io::Result<TcpStream>, shared: &Shared) -> io::Result<()> {
    let mut stream = stream?;
    stream.set_nodelay(true)?;
    while let Some((request, unread)) = receive(&mut stream)? {
        let (response, cut) = match (shared.handler)(&request) {
            Answer::Whole(response) => (response, false),
            Answer::Half(response) => (response, true),
            // The body's last byte is still unread, and closing with unread bytes sends a reset (tcp(7)).
            Answer::Reset => return Ok(()),
        };
        stream.read_exact(&mut vec![0; unread])?;
        let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", response.body.len()));
        let body = if cut { &response.body[..response.body.len() / 2] } else { &response.body[..] };
        stream.write_all(&[head.as_bytes(), body].concat())?;
        if cut || shared.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request and how many of its bytes (0 or 1) were looked at and left in the socket.
fn receive(stream: &mut TcpStream) -> io::Result<Option<(Request, usize)>> {
    // Byte by byte, so that nothing of the body is taken from the socket.
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if head.len() > HEAD_LIMIT_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut slots);
    parsed.parse(&head).map_err(|error| io::Error::other(error.to_string()))?;
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
            .collect(),
        body: Vec::new(),
    };
    let length = request.header("content-length").map_or(Ok(0), str::parse::<usize>).map_err(io::Error::other)?;
    if length > BODY_LIMIT_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if length == 0 {
        return Ok(Some((request, 0)));
    }
    request.body.resize(length - 1, 0);
    stream.read_exact(&mut request.body)?;
    if stream.peek(&mut byte)? == 0 {
        return Ok(None);
    }
    request.body.push(byte[0]);
    Ok(Some((request, 1)))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
