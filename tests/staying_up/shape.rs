//! Every way to serve a client that stays: above it, or as a service beside it.

use super::Watcher;
use crate::harness::{Invocation, Sandbox, process, python, sentinel};

/// How sentinel is started, and where its client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `exec --server`
    Exec,
    /// `serve ecs --socket`
    Unix,
    /// `serve ecs --address`
    Tcp,
    /// `serve ec2`
    Ec2,
}

/// Who runs both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Own,
    /// Takes root.
    Nobody,
}

impl User {
    fn program(self, sandbox: &Sandbox, program: &str) -> Invocation {
        match self {
            Self::Own => sandbox.program(program),
            Self::Nobody => sandbox.as_nobody(program).expect("root"),
        }
    }

    fn uid(self) -> String {
        match self {
            Self::Own => process::uid(std::process::id()).expect("a uid").to_string(),
            Self::Nobody => "65534".to_owned(),
        }
    }
}

impl Shape {
    pub(super) const ALL: [Self; 4] = [Self::Exec, Self::Unix, Self::Tcp, Self::Ec2];

    /// The same for each, all at once: they wait most of the time. A failure shows which one it was.
    pub(super) fn each(shapes: &[Self], test: impl Fn(Self) + Sync) {
        let test = &test;
        std::thread::scope(|scope| {
            for &shape in shapes {
                let named = std::thread::Builder::new().name(format!("{shape:?}"));
                named.spawn_scoped(scope, move || test(shape)).expect("a thread");
            }
        });
    }

    /// Starts it with these options, and a client that asks as often. Waits until that was served.
    #[track_caller]
    pub(super) fn watch(self, sandbox: &Sandbox, options: &[&str], every_s: &str) -> Watcher {
        self.watch_as(User::Own, sandbox, options, every_s, |sentinel| sentinel)
    }

    /// The same as this user, and a sentinel that is set up further.
    #[track_caller]
    pub(super) fn watch_as(
        self,
        user: User,
        sandbox: &Sandbox,
        options: &[&str],
        every_s: &str,
        set_up: impl FnOnce(Invocation) -> Invocation,
    ) -> Watcher {
        let client = ["-u", "-c", include_str!("watcher.py"), every_s];
        let sentinel = set_up(user.program(sandbox, sentinel()));
        if self == Self::Exec {
            let exec = sentinel.args(["exec", "--server"]).args(options).args(["--", python()]).args(client);
            return Watcher::start(None, exec);
        }
        let own = sandbox.path("run");
        let (socket, token) = (own.join("s"), own.join("token"));
        let sentinel = match self {
            Self::Unix => sentinel.args(["serve", "ecs", "--socket"]).args([&socket]),
            Self::Ec2 => sentinel.args(["serve", "ec2", "--imds-address", "127.0.0.1:0"]),
            _ => sentinel.args(["serve", "ecs", "--address", "127.0.0.1:0", "--token-file"]).args([&token]),
        };
        let mut service = sentinel.args(["--allow-uid", &user.uid()]).args(options).spawn();
        let line = service.error_line("serving on ");
        let port = || {
            let (_, address) = line.split_once("127.0.0.1:").expect("an address");
            address.chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        let client = user.program(sandbox, python()).args(client);
        let client = match self {
            Self::Unix => client.env("SENTINEL_UNIX_SOCKET", socket),
            Self::Ec2 => client.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://127.0.0.1:{}", port())),
            _ => client
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{}/", port()))
                .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", std::fs::read_to_string(token).expect("a token").trim()),
        };
        Watcher::start(Some(service), client)
    }
}
