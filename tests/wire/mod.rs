//! Raw requests to the real program, from inside and outside its process tree, or from whom a service serves.
//!
//! `client.py` goes in front of every attacker's script; `talk.py` sends whatever bytes a table in Rust holds; `service.py` runs
//! a service around its client.

pub(crate) mod in_process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use crate::fake_sts::Sts;
use crate::harness::{Invocation, Running, Sandbox, World, python, sentinel};

/// What attackers' scripts start with.
pub(crate) const CLIENT: &str = include_str!("client.py");

/// Waits for AWS's first answer: a service asks nothing before it is asked.
pub(crate) const FETCHED: &str = "while status(once(ask())) == 503:\n    pass\n";

/// Every refusal to authenticate, byte for byte.
pub(crate) const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 119\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\
    \r\n\
    {\"code\":\"Forbidden\",\"message\":\"invalid Authorization token\",\
    \"Code\":\"Forbidden\",\"Message\":\"invalid Authorization token\"}";

/// What requests travel over: an endpoint of `exec`, or a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Unix,
    Tcp,
    /// TCP, where roles are served as well.
    Ecs,
    /// The metadata endpoint, with a session token.
    Imds,
    /// `serve ecs` on a Unix socket, where no token is asked for.
    UnixService,
    /// `serve ecs` on a port, with a token file.
    TcpService,
    /// `serve ec2`.
    ImdsService,
}

impl Transport {
    /// Where the child of `exec` is served.
    pub(crate) const OF_EXEC: [Self; 4] = [Self::Unix, Self::Tcp, Self::Ecs, Self::Imds];
    /// Services, each of which serves the processes of one user and group.
    pub(crate) const OF_SERVICES: [Self; 3] = [Self::UnixService, Self::TcpService, Self::ImdsService];
    /// All that listen on a port.
    pub(crate) const PORTS: [Self; 5] = [Self::Tcp, Self::Ecs, Self::Imds, Self::TcpService, Self::ImdsService];

    /// The option of `exec` that asks for it; of a service, what service.py calls it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Unix => "--unix-socket",
            Self::Tcp => "--server",
            Self::Ecs => "--ecs-server",
            Self::Imds => "--ec2-server",
            Self::UnixService => "unix",
            Self::TcpService => "tcp",
            Self::ImdsService => "imds",
        }
    }

    pub(crate) fn is_port(self) -> bool {
        Self::PORTS.contains(&self)
    }

    pub(crate) fn is_metadata(self) -> bool {
        matches!(self, Self::Imds | Self::ImdsService)
    }

    pub(crate) fn is_service(self) -> bool {
        Self::OF_SERVICES.contains(&self)
    }
}

/// A fake AWS with the user alice, and a sandbox with her profile `base`, which is served over one transport.
pub(crate) struct Served {
    pub(crate) sts: Sts,
    pub(crate) sandbox: Sandbox,
    pub(crate) transport: Transport,
}

impl Served {
    /// Over a Unix socket.
    pub(crate) fn new() -> Self {
        Self::over(Transport::Unix)
    }

    pub(crate) fn over(transport: Transport) -> Self {
        let World { sts, sandbox, .. } = World::new();
        Self { sts, sandbox, transport }
    }

    /// The same attack on every endpoint of `exec`.
    pub(crate) fn over_all(attack: impl Fn(Self) + Sync) {
        Self::over_each(&Transport::OF_EXEC, attack);
    }

    /// The same attack on every endpoint of `exec` and of services.
    pub(crate) fn over_every(attack: impl Fn(Self) + Sync) {
        Self::over_each(&[&Transport::OF_EXEC[..], &Transport::OF_SERVICES].concat(), attack);
    }

    /// Each has a thread of its own, whose name a failure shows.
    pub(crate) fn over_each(transports: &[Transport], attack: impl Fn(Self) + Sync) {
        let attack = &attack;
        thread::scope(|scope| {
            for &transport in transports {
                let named = thread::Builder::new().name(format!("over {transport:?}"));
                named.spawn_scoped(scope, move || attack(Self::over(transport))).expect("a thread");
            }
        });
    }

    /// What a command to be served goes behind.
    pub(crate) fn before<'a>(&self, profile: &'a str, options: &[&'a str]) -> Vec<&'a str> {
        let option = self.transport.option();
        let start: &[&str] = if self.transport.is_service() {
            &[python(), "-c", include_str!("service.py"), sentinel(), option, "--profile", profile]
        } else {
            &[sentinel(), "exec", option, "--profile", profile]
        };
        [start, options, &["--"]].concat()
    }

    /// A script inside the tree, or of a service's user, behind `client.py`.
    pub(crate) fn inside(&self, options: &[&str], script: &str) -> Invocation {
        let words = self.before("base", options);
        let run = self.sandbox.program(words[0]).args(&words[1..]);
        run.args([python(), "-u", "-c", &format!("{CLIENT}\n{script}")])
    }

    /// The same, started, where any user can connect; with what a thief is told, which the script says first. A port is in
    /// everybody's reach; for a socket, whoever runs sentinel opens every door but the last.
    pub(crate) fn inside_in_reach_of_all(&self, script: &str) -> (Running, String) {
        if self.transport.is_port() {
            let mut inside = self.inside(&[], script).spawn();
            let stolen = inside.line();
            return (inside, stolen);
        }
        let directory = self.sandbox.directory("shared", 0o700);
        let path = directory.join("s");
        let mut inside = self.inside(&["--unix-socket-path", path.to_str().expect("UTF-8")], script).spawn();
        let stolen = inside.line();
        for (open, mode) in [(self.sandbox.path(""), 0o711), (directory, 0o711), (path, 0o666)] {
            fs::set_permissions(open, fs::Permissions::from_mode(mode)).expect("chmod");
        }
        (inside, stolen)
    }

    /// A script outside the tree, behind `client.py`, with a stolen socket and token as `PATH TOKEN`;
    /// a port's path is its URI.
    pub(crate) fn outside(&self, stolen: &str, script: &str) -> Invocation {
        attacker(self.sandbox.program(python()), stolen, script)
    }

    /// The same as nobody. The tests have to run as root.
    pub(crate) fn outside_as_nobody(&self, stolen: &str, script: &str) -> Invocation {
        attacker(self.sandbox.as_nobody(python()).expect("root"), stolen, script)
    }

    /// A client inside the tree that sends what it is told.
    pub(crate) fn talker(&self) -> Talker {
        Talker(self.inside(&[], include_str!("talk.py")).spawn())
    }
}

/// A Python that runs a script behind `client.py`, with what was stolen.
fn attacker(python: Invocation, stolen: &str, script: &str) -> Invocation {
    stolen_into(python, stolen).args(["-u", "-c", &format!("{CLIENT}\n{script}")])
}

/// Adds a stolen socket or port and its token, `PATH TOKEN`, to a program's environment.
fn stolen_into(program: Invocation, stolen: &str) -> Invocation {
    let (path, token) = stolen.split_once(' ').expect("a path and a token");
    if path.starts_with("http://") && !path.ends_with('/') {
        return program.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", path).env("STOLEN_SESSION_TOKEN", token);
    }
    if path.starts_with("http://") {
        return program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", path).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
    }
    program.env("SENTINEL_UNIX_SOCKET", path).env("SENTINEL_AUTH_TOKEN", token)
}

/// A client inside the tree that sends what it is told.
pub(crate) struct Talker(Running);

impl Talker {
    /// Sends the pieces, each once those before it were read, and gives everything that comes until the connection is
    /// closed. Fails if it is not closed.
    #[track_caller]
    pub(crate) fn until_closed(&mut self, pieces: &[&[u8]]) -> String {
        self.order(pieces, true).0
    }

    /// Sends the pieces and gives the answer. Fails unless another request on the same connection gets credentials.
    #[track_caller]
    pub(crate) fn kept_alive(&mut self, pieces: &[&[u8]]) -> String {
        let (answer, again) = self.order(pieces, false);
        assert!(again.starts_with("HTTP/1.1 200 OK\r\n"), "then {again:?} after {answer:?}");
        answer
    }

    /// Sends the bytes, and fails unless exactly this error comes and the connection is closed.
    #[track_caller]
    pub(crate) fn refused(&mut self, name: &str, bytes: &[u8], status: u16) {
        assert_eq!(self.until_closed(&[bytes]), closing(status), "{name}");
    }

    #[track_caller]
    fn order(&mut self, pieces: &[&[u8]], closes: bool) -> (String, String) {
        let pieces: Vec<String> = pieces.iter().map(|piece| to_hex(piece)).collect();
        self.0.send(&serde_json::json!({ "pieces": pieces, "closes": closes }).to_string());
        let reply: serde_json::Value = serde_json::from_str(&self.0.line()).expect("JSON");
        assert!(reply.get("error").is_none(), "{reply} after {pieces:?}");
        let text = |name: &str| from_hex(reply[name].as_str().expect("hex"));
        (text("raw"), text("again"))
    }

    /// Ends the client and its sentinel, which must have lived until now.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.0.close_stdin();
        let done = self.0.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}

/// A request for credentials with the token, and these lines between the Host and the end.
pub(crate) fn get(more: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: @HOST@\r\nAuthorization: @TOKEN@\r\n{more}\r\n")
}

/// The whole answer that closes a connection with this status.
pub(crate) fn closing(status: u16) -> String {
    let (reason, own, code, message) = match status {
        400 => ("Bad Request", "", "BadRequest", "Bad request"),
        401 => ("Unauthorized", "", "Unauthorized", "No live session token"),
        403 => return FORBIDDEN.to_owned(),
        405 => ("Method Not Allowed", "Allow: GET, HEAD\r\n", "MethodNotAllowed", "Method not allowed"),
        408 => ("Request Timeout", "", "RequestTimeout", "Request timed out"),
        413 => ("Content Too Large", "", "BodyTooLarge", "Request body too large"),
        431 => ("Request Header Fields Too Large", "", "HeadTooLarge", "Request head too large"),
        _ => panic!("no answer with {status} closes a connection"),
    };
    let body = format!(r#"{{"code":"{code}","message":"{message}","Code":"{code}","Message":"{message}"}}"#);
    let common = "Content-Type: application/json\r\nContent-Length";
    let (length, rest) = (body.len(), "Cache-Control: no-store\r\nConnection: close\r\n");
    format!("HTTP/1.1 {status} {reason}\r\n{common}: {length}\r\n{rest}{own}\r\n{body}")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> String {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
    String::from_utf8(bytes).expect("answers are text")
}
