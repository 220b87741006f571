//! Where a run serves: a Unix socket or a port, and what follows from that.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::settings::Transport;
use crate::error::{Error, Result};
use crate::http::hosts::Hosts;
use crate::launch::directory::PrivateDirectory;
use crate::launch::environment::ChildMode;
use crate::server::imds::Imds;
use crate::server::{Endpoint, Listener, Listening, SocketAccess};

/// Where to serve, as far as it is known before anything is made.
pub(super) enum Place {
    /// A Unix socket; `None` is in the private directory.
    Unix(Option<PathBuf>),
    /// A port, bound already: a mistake is told before AWS is asked for anything.
    Tcp(Listener),
    /// The same, of the metadata endpoint.
    Imds(Listener),
}

/// Where it is served.
pub(super) struct Bound {
    pub(super) listener: Listener,
    at: At,
}

enum At {
    Socket(PathBuf),
    Port(u16),
    Imds(SocketAddr),
}

impl Place {
    /// Checks what the person gave.
    pub(super) fn of(transport: &Transport) -> Result<Self> {
        match transport {
            Transport::Unix(None) => Ok(Self::Unix(None)),
            Transport::Unix(Some(given)) => {
                let path = std::path::absolute(given)
                    .map_err(|error| Error::new(format!("cannot use the path {}", given.display())).because(error))?;
                Listening::check(&path, &SocketAccess::PRIVATE)?;
                Ok(Self::Unix(Some(path)))
            }
            Transport::Tcp(port) => Listener::loopback(*port).map(Self::Tcp),
            Transport::Imds { address, hop_limit } => Listener::metadata(*address, *hop_limit).map(Self::Imds),
        }
    }

    /// Binds what is not bound yet.
    pub(super) fn bind(self, directory: &PrivateDirectory) -> Result<Bound> {
        match self {
            Self::Unix(given) => {
                let path = given.unwrap_or_else(|| directory.socket());
                Ok(Bound {
                    listener: Listener::Unix(Listening::bind(&path, &SocketAccess::PRIVATE)?),
                    at: At::Socket(path),
                })
            }
            Self::Tcp(listener) => {
                let address = address(&listener)?;
                Ok(Bound { listener, at: At::Port(address.port()) })
            }
            Self::Imds(listener) => {
                let address = address(&listener)?;
                Ok(Bound { listener, at: At::Imds(address) })
            }
        }
    }
}

fn address(listener: &Listener) -> Result<SocketAddr> {
    listener.address().ok_or_else(|| Error::new("the port that was bound has no address"))
}

impl Bound {
    /// For the record.
    pub(super) fn name(&self) -> String {
        match &self.at {
            At::Socket(path) => path.display().to_string(),
            At::Port(port) => format!("127.0.0.1:{port}"),
            At::Imds(address) => format!("imds {address}"),
        }
    }

    /// The Host values that name it.
    pub(super) fn hosts(&self) -> Hosts {
        match self.listener.address() {
            Some(address) => Hosts::tcp(address),
            None => Hosts::unix(),
        }
    }

    /// How the child comes to it.
    pub(super) fn child_mode<'a>(&'a self, endpoint: Endpoint, token: &'a str, config_file: &'a Path) -> ChildMode<'a> {
        let v1 = endpoint == Endpoint::Ec2(Imds { v1: true });
        match &self.at {
            At::Socket(path) => ChildMode::UnixSocket { socket: path, token, config_file },
            At::Port(port) => ChildMode::Tcp { port: *port, token, config_file },
            At::Imds(address) => ChildMode::Imds { address: *address, v1, config_file },
        }
    }
}
