//! The client: asks the bare responder and sentinel in turns, in short windows, so that whatever else the machine does
//! weighs on both alike. It runs inside the tree that sentinel serves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};

use crate::Failure;
use crate::responder::ANSWER_BYTES;
use crate::roles::variable;

/// How long one side is asked in one round.
const WINDOW: Duration = Duration::from_millis(40);
/// Rounds of each case; the first is not counted.
const ROUNDS: usize = 26;
/// The same where both sides are sentinel's and little is between them: so short that most windows have the processor for themselves.
const SHORT_WINDOW: Duration = Duration::from_millis(5);
const SHORT_ROUNDS: usize = 201;
/// Connections that one client may lose in a window before that is an error.
const DROPPED: u32 = 5;
/// What is measured: how many clients at once, and whether each keeps its connection.
const CASES: [Case; 4] = [
    Case { clients: 1, keep: true },
    Case { clients: 8, keep: true },
    Case { clients: 1, keep: false },
    Case { clients: 8, keep: false },
];

/// One way of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) clients: u32,
    pub(crate) keep: bool,
}

/// One round of one case: microseconds that an answer took, of the bare responder and of sentinel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) case: Case,
    pub(crate) bare_us: f64,
    pub(crate) product_us: f64,
}

impl Round {
    /// Reads what [`run`] printed.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [clients, keep, bare, product] = words.as_slice() else {
            return Err(format!("the client said `{line}`").into());
        };
        Ok(Self {
            case: Case { clients: clients.parse()?, keep: keep.parse()? },
            bare_us: bare.parse()?,
            product_us: product.parse()?,
        })
    }

    /// Sentinel's speed as a share of the bare responder's.
    pub(crate) fn ratio(&self) -> f64 {
        self.bare_us / self.product_us
    }
}

enum Place {
    Unix(PathBuf),
    Tcp(u16),
}

/// A server to be asked.
struct Target {
    place: Place,
    question: Vec<u8>,
    answer_bytes: usize,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// The client's own process: the bare responder's socket and port, then what sentinel's child finds in its environment.
pub(crate) fn run(bare_socket: &str, bare_port: &str) -> Result<(), Failure> {
    let (place, host, token, bare) = match variable("SENTINEL_UNIX_SOCKET") {
        Ok(socket) => {
            let bare = Place::Unix(bare_socket.into());
            (Place::Unix(socket.into()), "localhost".to_owned(), variable("SENTINEL_AUTH_TOKEN")?, bare)
        }
        Err(_) => {
            let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
            let host = uri.trim_start_matches("http://").trim_end_matches('/').to_owned();
            let port = host.rsplit(':').next().unwrap_or_default().parse()?;
            let bare = Place::Tcp(bare_port.parse()?);
            (Place::Tcp(port), host, variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")?, bare)
        }
    };
    let question = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sentinel-bench\r\nAccept: */*\r\nAuthorization: {token}\r\n\r\n"
    );
    let question = question.into_bytes();
    let bare = Target { place: bare, question: question.clone(), answer_bytes: ANSWER_BYTES };
    let mut product = Target { place, question, answer_bytes: 0 };
    product.answer_bytes = product.measure()?;
    alternate(&bare, &product, WINDOW, ROUNDS)
}

/// The client of two sentinels, each a socket and a token, of which the first is what the other one is compared with.
pub(crate) fn compare(one: [&str; 2], other: [&str; 2]) -> Result<(), Failure> {
    let target = |[socket, token]: [&str; 2]| {
        let question = format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n").into_bytes();
        let mut target = Target { place: Place::Unix(socket.into()), question, answer_bytes: 0 };
        target.answer_bytes = target.measure()?;
        Ok::<_, Failure>(target)
    };
    alternate(&target(one)?, &target(other)?, SHORT_WINDOW, SHORT_ROUNDS)
}

fn alternate(bare: &Target, product: &Target, window: Duration, rounds: usize) -> Result<(), Failure> {
    for case in CASES {
        let (mut bare_kept, mut product_kept) = (bare.connect(case)?, product.connect(case)?);
        for round in 0..rounds {
            // Who is first may find the machine in another state: they take turns.
            let (bare_us, product_us) = if round % 2 == 0 {
                let first = bare.window(case, window, &mut bare_kept)?;
                (first, product.window(case, window, &mut product_kept)?)
            } else {
                let first = product.window(case, window, &mut product_kept)?;
                (bare.window(case, window, &mut bare_kept)?, first)
            };
            if round > 0 {
                println!("{} {} {bare_us:.4} {product_us:.4}", case.clients, case.keep);
            }
        }
    }
    Ok(())
}

impl Target {
    fn open(&self) -> Result<Stream, Failure> {
        Ok(match &self.place {
            Place::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Place::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        })
    }

    /// The connections that a case keeps.
    fn connect(&self, case: Case) -> Result<Vec<Option<Stream>>, Failure> {
        (0..case.clients).map(|_| case.keep.then(|| self.open()).transpose()).collect()
    }

    /// The length of its answer, which must be one with credentials.
    fn measure(&self) -> Result<usize, Failure> {
        let mut stream = self.open()?;
        stream.write_all(&self.question)?;
        let mut answer = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            let read = stream.read(&mut buffer)?;
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let text = String::from_utf8_lossy(&answer);
            if read == 0 || !text.starts_with("HTTP/1.1 200") {
                return Err(format!("sentinel answered {}", text.lines().next().unwrap_or("nothing")).into());
            }
            let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or_default();
            let length = head.len() + 4 + length.parse::<usize>()?;
            if answer.len() >= length {
                return Ok(length);
            }
        }
    }

    /// Asks for a while with every client at once. Returns the microseconds between two answers.
    fn window(&self, case: Case, window: Duration, kept: &mut [Option<Stream>]) -> Result<f64, Failure> {
        let began = SystemClock.boot();
        let end = began + window;
        let counts: Result<Vec<u32>, Failure> = std::thread::scope(|scope| {
            let threads: Vec<_> = kept
                .iter_mut()
                .map(|stream| scope.spawn(move || self.ask_until(end, stream.as_mut(), case.keep)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client ended".into()))).collect()
        });
        let answers: u32 = counts?.iter().sum();
        let took = SystemClock.boot().saturating_sub(began);
        Ok(took.as_secs_f64() * 1e6 / f64::from(answers))
    }

    fn ask_until(&self, end: Duration, mut kept: Option<&mut Stream>, keep: bool) -> Result<u32, Failure> {
        let (mut count, mut dropped) = (0, 0);
        while count == 0 || SystemClock.boot() < end {
            let asked = match (&mut kept, keep) {
                (Some(stream), true) => self.ask(stream),
                _ => self.open().and_then(|mut stream| self.ask(&mut stream)),
            };
            match asked {
                Ok(()) => count += 1,
                // Who connects anew may have to make room for another, and asks again. That takes its time, too.
                Err(failure) if !keep && dropped < DROPPED => {
                    eprintln!("asked again: {failure}");
                    dropped += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(count)
    }

    fn ask(&self, stream: &mut Stream) -> Result<(), Failure> {
        stream.write_all(&self.question)?;
        let mut buffer = [0; 8192];
        let mut left = self.answer_bytes;
        while left > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err("a server closed a connection in the middle of an answer".into()),
                read => left = left.saturating_sub(read),
            }
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks once, and holds the connection's process until its input ends: for a look at what serves it.
pub(crate) fn hold() -> Result<(), Failure> {
    let token = variable("SENTINEL_AUTH_TOKEN")?;
    let question = format!("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n").into_bytes();
    let target = Target { place: Place::Unix(variable("SENTINEL_UNIX_SOCKET")?.into()), question, answer_bytes: 0 };
    target.measure()?;
    println!("served");
    crate::roles::wait_for_end_of_input();
    Ok(())
}
