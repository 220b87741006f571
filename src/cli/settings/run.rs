//! The settings of the commands that give credentials.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use super::given::{Given, LONGEST_ROLE_SESSION, LONGEST_SESSION};
use super::imds;
use super::places::{Log, PolicySource, Stores};
use super::token_file::TokenFile;
use crate::cli::flags::{Flag, Id};
use crate::error::{Error, Result};
use crate::policy::is_role_arn;
use crate::server::Endpoint;
use crate::server::imds::Imds;
use crate::source::Code;
use crate::source::plan::SourceIdentityRule;

/// The settings of `exec`.
#[derive(Debug, PartialEq, Eq)]
pub struct Exec {
    /// What exec shares with `credentials`.
    pub common: Common,
    /// The server's settings; `None` puts keys into the child's environment.
    pub server: Option<Server>,
    /// Wait for an approval, where the policy requires one.
    pub wait: bool,
    /// Start although another sentinel is around.
    pub nested: bool,
    /// The child's program, as typed or the shell.
    pub program: OsString,
    /// The child's arguments, without the program's name.
    pub arguments: Vec<OsString>,
}

/// The settings that every command which gets credentials has.
#[derive(Debug, PartialEq, Eq)]
pub struct Common {
    /// The profile asked for; `None` leaves it to AWS's own default.
    pub profile: Option<String>,
    /// The region asked for, in place of the profile's.
    pub region: Option<String>,
    /// How long credentials in the environment or on stdout live, if the person says.
    pub duration: Option<Duration>,
    /// Do not call GetSessionToken first.
    pub no_session: bool,
    /// Whether the person is named in CloudTrail.
    pub source_identity: SourceIdentityRule,
    /// The code of the MFA device.
    pub mfa_token: Option<Code>,
    /// A command that prints it.
    pub mfa_process: Option<String>,
    /// The policy that narrows a role's session.
    pub session_policy: Option<PathBuf>,
    /// Managed policies that do.
    pub policy_arns: Vec<String>,
    /// The policy that decides.
    pub policy: PolicySource,
    /// Where sessions, requests and events are.
    pub stores: Stores,
    /// Where decisions are recorded.
    pub log: Log,
    /// Say what is being done.
    pub debug: bool,
}

/// The settings of `credentials`.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials {
    /// What it shares with exec.
    pub common: Common,
    /// Whether the command line names the profile. A variable does not count here: inside a tree it is an accident, and
    /// following it would make a helper ask for the profile whose helper it is.
    pub names_profile: bool,
    /// The role that the socket of an outer sentinel is asked for.
    pub role_arn: Option<String>,
    /// The first flag that says how credentials are made or decided on: the socket of an outer sentinel obeys none.
    pub shaping_flag: Option<String>,
}

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub transport: Transport,
    /// Which paths it answers.
    pub endpoint: Endpoint,
    /// How long the credentials that it gives out live, if the person says.
    pub duration: Option<Duration>,
    /// `--duration` was given in its place, and has no effect.
    pub duration_misplaced: bool,
    /// Who may use the token.
    pub bind: Bind,
    /// Serve where the kernel cannot tell processes apart.
    pub allow_fallback: bool,
    /// Get credentials at the first request.
    pub lazy: bool,
    /// Serve until the last descendant is gone.
    pub wait_tree: bool,
    /// Where the token is; `None` puts it into the environment.
    pub token_file: Option<TokenFile>,
    /// Most connections at a time.
    pub max_connections: usize,
}

/// Connections at a time, where there are descriptors enough.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// On a Unix socket; `None` is in a private directory.
    Unix(Option<PathBuf>),
    /// On this port of 127.0.0.1; 0 is any that is free.
    Tcp(u16),
    /// The metadata endpoint, on an address of the loopback interface.
    Imds {
        /// Port 0 is any that is free.
        address: SocketAddrV4,
        /// How far its packets go.
        hop_limit: u8,
    },
}

/// Who may use a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// The child and its descendants.
    Tree,
    /// The first process of the tree that uses it.
    Process,
    /// Every process of the user.
    Uid,
}

impl Exec {
    /// The settings of `exec`.
    ///
    /// # Errors
    /// Of kind usage, naming the flag or variable and its value.
    pub fn of(given: &Given<'_>) -> Result<Self> {
        let common = Common::of(given)?;
        let server = if let Some(transport) = transport(given)? {
            let endpoint = match transport {
                Transport::Imds { .. } => Endpoint::Ec2(Imds { v1: given.switch(Id::ImdsV1)? }),
                Transport::Unix(_) | Transport::Tcp(_) if given.switch(Id::EcsServer)? => Endpoint::Ecs,
                Transport::Unix(_) | Transport::Tcp(_) => Endpoint::Container,
            };
            Some(Server {
                token_file: token_file(given, &transport)?,
                transport,
                endpoint,
                duration: given.session_length(Id::ServerDuration, LONGEST_ROLE_SESSION)?,
                duration_misplaced: given.parsed.has(Id::Duration) && given.said(Id::ServerDuration).is_none(),
                bind: bind(given)?,
                allow_fallback: given.switch(Id::AllowFallback)?,
                lazy: given.switch(Id::Lazy)?,
                wait_tree: given.switch(Id::WaitTree)?,
                max_connections: super::serve::max_connections(given)?,
            })
        } else {
            refuse_server_flags(given)?;
            None
        };
        let mut child = given.parsed.child.iter().cloned();
        let shell = || given.env.os("SHELL").unwrap_or(OsStr::new("/bin/sh")).to_owned();
        let program = child.next().unwrap_or_else(shell);
        let (wait, nested) = (given.switch(Id::Wait)?, given.parsed.has(Id::Nested));
        Ok(Self { common, server, wait, nested, program, arguments: child.collect() })
    }
}

/// The metadata endpoint's callers have session tokens: a flag is a mistake there, and a variable for other runs.
fn token_file(given: &Given<'_>, transport: &Transport) -> Result<Option<TokenFile>> {
    if !matches!(transport, Transport::Imds { .. }) {
        return TokenFile::of(given);
    }
    let flags = [Id::TokenFile, Id::TokenRotation, Id::TokenGroup];
    match flags.into_iter().find(|id| given.parsed.has(*id)) {
        None => Ok(None),
        Some(id) => Err(Error::usage(format!(
            "{} has no effect with --ec2-server, whose callers have session tokens",
            super::name_of(id)
        ))
        .hint("leave one of them out")),
    }
}

impl Credentials {
    /// The settings of `credentials`.
    ///
    /// # Errors
    /// Of kind usage, naming the flag or variable and its value.
    pub fn of(given: &Given<'_>) -> Result<Self> {
        let parsed = given.parsed;
        let names_profile = parsed.profile.is_some() || parsed.has(Id::Profile);
        let shaping_flag =
            parsed.given.iter().filter_map(|(id, _)| Flag::of(*id)).find(|flag| flag.shapes_credentials());
        let shaping_flag = shaping_flag.map(Flag::dashed);
        let role_arn = given.word(Id::RoleArn, "a role's ARN: arn:aws:iam::123456789012:role/NAME", is_role_arn)?;
        Ok(Self { common: Common::of(given)?, names_profile, role_arn, shaping_flag })
    }
}

impl Common {
    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        // What takes no looking at anything else comes first.
        let duration = given.session_length(Id::Duration, LONGEST_SESSION)?;
        let (mfa_token, mfa_process) = mfa(given)?;
        Ok(Self {
            duration,
            profile: given.profile()?,
            region: given.region()?,
            no_session: given.switch(Id::NoSession)?,
            source_identity: given
                .choice(
                    Id::SourceIdentity,
                    &[SourceIdentityRule::Auto, SourceIdentityRule::Require, SourceIdentityRule::Off],
                )?
                .unwrap_or(SourceIdentityRule::Auto),
            mfa_token,
            mfa_process,
            session_policy: given.path(Id::SessionPolicy),
            policy_arns: policy_arns(given)?,
            policy: PolicySource::of(given)?,
            stores: Stores::of(given)?,
            log: Log::of(given)?,
            debug: given.switch(Id::Debug)?,
        })
    }
}

/// One of both. Of two variables the code counts.
fn mfa(given: &Given<'_>) -> Result<(Option<Code>, Option<String>)> {
    if given.parsed.has(Id::MfaToken) && given.parsed.has(Id::MfaProcess) {
        return Err(Error::usage("--mfa-token and --mfa-process both say what the code is").hint("leave one out"));
    }
    let (token, process) = given.stronger(Id::MfaToken, Id::MfaProcess);
    if let Some(said) = token {
        // What was given is not repeated: it may be a code with a slip.
        let code = Code::parse(said.text()?)?;
        let code = code.ok_or_else(|| {
            Error::usage(format!("{} is not a code of six digits", said.name)).hint("type what the device shows")
        });
        return Ok((Some(code?), None));
    }
    Ok((None, process.map(|said| said.text().map(str::to_owned)).transpose()?))
}

/// All ARNs of the flag, else all of the variable.
fn policy_arns(given: &Given<'_>) -> Result<Vec<String>> {
    const LIMIT: usize = 10;
    let arns = given.list(Id::PolicyArn, &[','])?;
    if let Some((_, said)) = arns.iter().find(|(arn, _)| !is_policy_arn(arn)) {
        return Err(Error::usage(format!("{} is not a managed policy's ARN", said.quoted()))
            .hint("write it as arn:aws:iam::123456789012:policy/NAME"));
    }
    match arns.as_slice() {
        [(_, said), ..] if arns.len() > LIMIT => {
            Err(Error::usage(format!("{} names {} policies, and AWS takes {LIMIT}", said.name, arns.len())))
        }
        _ => Ok(arns.into_iter().map(|(arn, _)| arn.to_owned()).collect()),
    }
}

fn bind(given: &Given<'_>) -> Result<Bind> {
    Ok(given.choice(Id::Bind, &[Bind::Tree, Bind::Process, Bind::Uid])?.unwrap_or(Bind::Tree))
}

/// `--unix-socket` replaces TCP, where both are given.
fn transport(given: &Given<'_>) -> Result<Option<Transport>> {
    let port = || match given.said(Id::ServerPort) {
        None => Ok(0),
        Some(said) => said.text()?.parse().map_err(|_| {
            Error::usage(format!("{} is not a port", said.quoted())).hint("write 0 to 65535; 0 is any that is free")
        }),
    };
    if imds::is_wanted(given)? {
        return imds::transport(given, bind(given)?, port).map(Some);
    }
    imds::refuse_options(given)?;
    let tcp = given.switch(Id::Server)? || given.switch(Id::EcsServer)?;
    let unix = given.switch(Id::UnixSocket)?;
    let misplaced = |id: Id, other: &str| match Flag::of(id).filter(|_| given.parsed.has(id)) {
        Some(flag) => Err(Error::usage(format!("{} needs {other}", flag.dashed()))),
        None => Ok(()),
    };
    if unix {
        misplaced(Id::ServerPort, "--server or --ecs-server without --unix-socket")?;
        return Ok(Some(Transport::Unix(given.path(Id::UnixSocketPath))));
    }
    if !tcp {
        return Ok(None);
    }
    misplaced(Id::UnixSocketPath, "--unix-socket")?;
    port().map(Transport::Tcp).map(Some)
}

/// Flags that say something about a server are mistakes without one. Variables are not: they may serve other runs.
fn refuse_server_flags(given: &Given<'_>) -> Result<()> {
    for (id, _) in &given.parsed.given {
        if let Some(flag) = Flag::of(*id).filter(|flag| flag.needs_server()) {
            let name = flag.dashed();
            let needs = match id {
                Id::UnixSocketPath => "--unix-socket",
                Id::ServerPort => "--server, --ecs-server or --ec2-server",
                _ => "--server, --ecs-server, --ec2-server or --unix-socket",
            };
            return Err(Error::usage(format!("{name} needs {needs}")).hint(format!("add {needs}, or leave {name} out")));
        }
    }
    Ok(())
}

/// `arn:PARTITION:iam::ACCOUNT:policy/[PATH/]NAME`, 20 to 2048 characters; the account is `aws` for AWS's own.
fn is_policy_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts.as_slice() else { return false };
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    (20..=2048).contains(&text.len())
        && (*arn, *service, *region) == ("arn", "iam", "")
        && partition.starts_with("aws")
        && partition.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && (*account == "aws" || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        && resource.strip_prefix("policy/").is_some_and(|path| {
            path.bytes().all(|b| b.is_ascii_graphic()) && path.rsplit('/').next().is_some_and(is_name)
        })
}
