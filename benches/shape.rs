//! The endpoints that are measured: how each is started, and what a client of it is told.

use std::path::PathBuf;
use std::process::Command;

use sentinel::server::Endpoint;
use sentinel::server::imds::Imds;

use crate::fake_sts::ACCOUNT;

/// One endpoint over one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `exec --unix-socket`
    Unix,
    /// `exec --server`
    Tcp,
    /// `exec --ecs-server`, asked for a role by its ARN.
    Ecs,
    /// `exec --ec2-server`
    Ec2,
    /// `serve ecs --socket`
    ServeUnix,
    /// `serve ecs --address`
    ServeTcp,
    /// `serve ec2`
    ServeEc2,
}

/// The role that is asked for by its ARN, and the profile's own, with whose credentials it is assumed.
pub(crate) const ROLE: &str = "bench";
pub(crate) const OWN_ROLE: &str = "own";

/// What a client has to know of a server.
pub(crate) enum Reach {
    /// A socket's path and a token.
    Socket(PathBuf, String),
    /// A URI and a token.
    Uri(String, String),
    /// The metadata endpoint's URL.
    Metadata(String),
}

impl Shape {
    pub(crate) const ALL: [Self; 7] =
        [Self::Unix, Self::Tcp, Self::Ecs, Self::Ec2, Self::ServeUnix, Self::ServeTcp, Self::ServeEc2];

    /// Its name, for people and for the processes that are started.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Ecs => "ecs, a role by its ARN, tcp",
            Self::Ec2 => "ec2, tcp",
            Self::ServeUnix => "serve ecs, unix",
            Self::ServeTcp => "serve ecs, tcp",
            Self::ServeEc2 => "serve ec2, tcp",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Result<Self, crate::Failure> {
        let found = Self::ALL.into_iter().find(|shape| shape.name() == name);
        Ok(found.ok_or_else(|| format!("there is no endpoint `{name}`"))?)
    }

    /// Whether connections for one request each, and all builds, are measured as well. What they cost is the same elsewhere.
    pub(crate) fn is_measured_in_full(self) -> bool {
        matches!(self, Self::Unix | Self::Tcp)
    }

    /// The option of `exec`; nothing where it takes `serve`.
    pub(crate) fn exec_option(self) -> Option<&'static str> {
        match self {
            Self::Unix => Some("--unix-socket"),
            Self::Tcp => Some("--server"),
            Self::Ecs => Some("--ecs-server"),
            Self::Ec2 => Some("--ec2-server"),
            Self::ServeUnix | Self::ServeTcp | Self::ServeEc2 => None,
        }
    }

    pub(crate) fn is_over_tcp(self) -> bool {
        !matches!(self, Self::Unix | Self::ServeUnix)
    }

    /// What the library serves.
    pub(crate) fn endpoint(self) -> Endpoint {
        match self {
            Self::Unix | Self::Tcp => Endpoint::Container,
            Self::Ecs | Self::ServeUnix | Self::ServeTcp => Endpoint::Ecs,
            Self::Ec2 | Self::ServeEc2 => Endpoint::Ec2(Imds { v1: false }),
        }
    }

    /// The profile that is served, of the sandbox.
    pub(crate) fn profile(self) -> &'static str {
        if self == Self::Ecs { "roles" } else { "dev" }
    }

    /// The policy of that, of the sandbox.
    pub(crate) fn policy(self) -> &'static str {
        if self == Self::Ecs { "roles.json" } else { "policy.json" }
    }

    /// What is asked for of a container endpoint.
    pub(crate) fn path(self) -> String {
        if self == Self::Ecs { format!("/role-arn/{}", role_arn(ROLE)) } else { "/".to_owned() }
    }
}

/// A role's ARN.
pub(crate) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

impl Reach {
    /// Tells a client, as `exec` does.
    pub(crate) fn tell(&self, client: &mut Command) {
        match self {
            Self::Socket(path, token) => client.env("SENTINEL_UNIX_SOCKET", path).env("SENTINEL_AUTH_TOKEN", token),
            Self::Uri(uri, token) => {
                client.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)
            }
            Self::Metadata(url) => client.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url),
        };
    }
}
