//! A server that is asked: where it is, with which bytes, and how long its answer is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::Failure;
use crate::responder::ANSWER_BYTES;
use crate::roles::variable;
use crate::shape::Shape;

enum Place {
    Unix(PathBuf),
    Tcp(u16),
}

/// A server to be asked.
pub(crate) struct Target {
    place: Place,
    question: Vec<u8>,
    answer_bytes: usize,
}

/// A connection to one.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Target {
    /// The sentinel that the environment names, which answers with credentials.
    pub(crate) fn product(shape: Shape) -> Result<Self, Failure> {
        match shape {
            Shape::Unix | Shape::ServeUnix => {
                Self::at_socket(&variable("SENTINEL_UNIX_SOCKET")?, &variable("SENTINEL_AUTH_TOKEN")?)
            }
            Shape::Tcp | Shape::Ecs | Shape::ServeTcp => {
                let (host, place) = host_of(&variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")?)?;
                let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")?;
                Self::with_credentials(place, get(&shape.path(), &host, &format!("Authorization: {token}\r\n")))
            }
            Shape::Ec2 | Shape::ServeEc2 => {
                let (host, place) = host_of(&variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")?)?;
                let put = format!(
                    "PUT /latest/api/token HTTP/1.1\r\nHost: {host}\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                let mut target = Self { place, question: put.into_bytes(), answer_bytes: 0 };
                let session = format!("X-aws-ec2-metadata-token: {}\r\n", target.body()?);
                let roles = "/latest/meta-data/iam/security-credentials/";
                target.question = get(roles, &host, &session);
                let role = target.body()?;
                Self::with_credentials(target.place, get(&format!("{roles}{role}"), &host, &session))
            }
        }
    }

    /// The sentinel behind a socket.
    pub(crate) fn at_socket(path: &str, token: &str) -> Result<Self, Failure> {
        let question = get("/", "localhost", &format!("Authorization: {token}\r\n"));
        Self::with_credentials(Place::Unix(path.into()), question)
    }

    /// The bare responder at a socket and a port, asked as this one is.
    pub(crate) fn bare_like(&self, [socket, port]: [&str; 2]) -> Result<Self, Failure> {
        let place = match self.place {
            Place::Unix(_) => Place::Unix(socket.into()),
            Place::Tcp(_) => Place::Tcp(port.parse()?),
        };
        Ok(Self { place, question: self.question.clone(), answer_bytes: ANSWER_BYTES })
    }

    fn with_credentials(place: Place, question: Vec<u8>) -> Result<Self, Failure> {
        let mut target = Self { place, question, answer_bytes: 0 };
        target.answer_bytes = target.whole()?.len();
        Ok(target)
    }

    /// Connects.
    pub(crate) fn open(&self) -> Result<Stream, Failure> {
        Ok(match &self.place {
            Place::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Place::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        })
    }

    /// Asks, and reads as much as was answered the first time.
    pub(crate) fn ask(&self, stream: &mut Stream) -> Result<(), Failure> {
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

    /// What is behind the head of its answer.
    fn body(&self) -> Result<String, Failure> {
        let answer = self.whole()?;
        Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Its answer, which must be a success.
    fn whole(&self) -> Result<String, Failure> {
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
            if answer.len() >= head.len() + 4 + length.parse::<usize>()? {
                return Ok(text.into_owned());
            }
        }
    }
}

/// The Host that a URL names, and where that is.
fn host_of(url: &str) -> Result<(String, Place), Failure> {
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let port = host.rsplit(':').next().unwrap_or_default().parse()?;
    Ok((host, Place::Tcp(port)))
}

/// A question, with this line of who asks.
fn get(path: &str, host: &str, who: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sentinel-bench\r\nAccept: */*\r\n{who}\r\n")
        .into_bytes()
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
