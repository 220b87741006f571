//! What the user wants, typed: a flag beats its environment variable, which beats the default.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::flags::{Flag, Id};
use super::parse::Parsed;
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;
use crate::source::Code;
use crate::source::plan::SourceIdentityRule;

/// The settings of `exec`.
#[derive(Debug, PartialEq, Eq)]
pub struct Exec {
    /// What exec shares with `credentials`.
    pub common: Common,
    /// The server's settings; `None` puts keys into the child's environment.
    pub server: Option<Server>,
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
    /// The policy file.
    pub policy: Option<PathBuf>,
    /// The state directory.
    pub state_dir: Option<PathBuf>,
    /// The decision log.
    pub log_file: Option<PathBuf>,
    /// Decisions go to stderr too.
    pub log_stderr: bool,
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
    /// The first flag that says how credentials are made or decided on: the socket of an outer sentinel obeys none.
    pub shaping_flag: Option<String>,
}

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub transport: Transport,
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
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// On a Unix socket; `None` is in a private directory.
    Unix(Option<PathBuf>),
    /// On this port of 127.0.0.1; 0 is any that is free.
    Tcp(u16),
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

/// The settings of `exec`.
///
/// # Errors
/// Of kind usage, naming the flag or variable and its value.
pub fn exec(parsed: &Parsed, env: &Env) -> Result<Exec> {
    let given = Given { parsed, env };
    let common = common(&given)?;
    let server = if let Some(transport) = given.transport()? {
        Some(Server {
            transport,
            duration: given.duration(Id::ServerDuration, LONGEST_ROLE_SESSION)?,
            duration_misplaced: parsed.has(Id::Duration) && given.said(Id::ServerDuration).is_none(),
            bind: given.choice(Id::Bind, &[Bind::Tree, Bind::Process, Bind::Uid])?,
            allow_fallback: given.switch(Id::AllowFallback)?,
            lazy: given.switch(Id::Lazy)?,
            wait_tree: given.switch(Id::WaitTree)?,
        })
    } else {
        given.refuse_server_flags()?;
        None
    };
    let mut child = parsed.child.iter().cloned();
    let shell = || env.os("SHELL").unwrap_or(OsStr::new("/bin/sh")).to_owned();
    let program = child.next().unwrap_or_else(shell);
    Ok(Exec { common, server, nested: parsed.has(Id::Nested), program, arguments: child.collect() })
}

/// The settings of `credentials`.
///
/// # Errors
/// Of kind usage, naming the flag or variable and its value.
pub fn credentials(parsed: &Parsed, env: &Env) -> Result<Credentials> {
    let names_profile = parsed.profile.is_some() || parsed.has(Id::Profile);
    let shaping_flag = parsed.given.iter().filter_map(|(id, _)| Flag::of(*id)).find(|flag| flag.shapes_credentials());
    Ok(Credentials {
        common: common(&Given { parsed, env })?,
        names_profile,
        shaping_flag: shaping_flag.map(Flag::dashed),
    })
}

fn common(given: &Given<'_>) -> Result<Common> {
    let (mfa_token, mfa_process) = given.mfa()?;
    Ok(Common {
        duration: given.duration(Id::Duration, LONGEST_SESSION)?,
        profile: given.profile()?,
        region: given.region()?,
        no_session: given.switch(Id::NoSession)?,
        source_identity: given.choice(
            Id::SourceIdentity,
            &[SourceIdentityRule::Auto, SourceIdentityRule::Require, SourceIdentityRule::Off],
        )?,
        mfa_token,
        mfa_process,
        session_policy: given.path(Id::SessionPolicy),
        policy_arns: given.policy_arns()?,
        policy: given.path(Id::Policy),
        state_dir: given.path(Id::StateDir),
        log_file: given.path(Id::LogFile),
        log_stderr: given.switch(Id::LogStderr)?,
        debug: given.switch(Id::Debug)?,
    })
}

/// The command line over the environment.
struct Given<'a> {
    parsed: &'a Parsed,
    env: &'a Env,
}

/// A value, and how the user wrote it.
struct Said<'a> {
    value: &'a OsStr,
    /// `--bind` or `SENTINEL_BIND`.
    name: String,
    /// What stands between name and value: a space, or `=`.
    joint: char,
}

impl Said<'_> {
    fn text(&self) -> Result<&str> {
        self.value.to_str().ok_or_else(|| Error::usage(format!("the value of {} is not UTF-8", self.name)))
    }

    /// `--bind fork` or `SENTINEL_BIND=fork`.
    fn quoted(&self) -> String {
        format!("{}{}{}", self.name, self.joint, self.value.display())
    }
}

impl<'a> Given<'a> {
    fn said(&self, id: Id) -> Option<Said<'a>> {
        let flag = Flag::of(id)?;
        if let Some(value) = self.parsed.value(id) {
            return Some(Said { value, name: flag.dashed(), joint: ' ' });
        }
        let variable = flag.variable?;
        self.env.os(variable).map(|value| Said { value, name: variable.to_owned(), joint: '=' })
    }

    fn path(&self, id: Id) -> Option<PathBuf> {
        self.said(id).map(|said| PathBuf::from(said.value))
    }

    /// The word on the command line, the flag, SENTINEL_PROFILE, AWS_PROFILE or AWS_DEFAULT_PROFILE.
    fn profile(&self) -> Result<Option<String>> {
        let word =
            self.parsed.profile.as_deref().map(|value| Said { value, name: "the profile".to_owned(), joint: ' ' });
        let said = match word.or_else(|| self.said(Id::Profile)) {
            Some(said) => Some(said),
            None => self.aws_profile()?,
        };
        let Some(said) = said else { return Ok(None) };
        match said.text()? {
            "" => Err(Error::usage(format!("{} is empty", said.name))),
            name => Ok(Some(name.to_owned())),
        }
    }

    /// One of both. A flag beats a variable, the other's too: the variable may be there for every run.
    fn mfa(&self) -> Result<(Option<Code>, Option<String>)> {
        let (token_given, process_given) = (self.parsed.has(Id::MfaToken), self.parsed.has(Id::MfaProcess));
        if token_given && process_given {
            return Err(Error::usage("--mfa-token and --mfa-process both say what the code is").hint("leave one out"));
        }
        if let Some(said) = self.said(Id::MfaToken).filter(|_| token_given || !process_given) {
            // What was given is not repeated: it may be a code with a slip.
            let code = Code::parse(said.text()?)?;
            let code = code.ok_or_else(|| {
                Error::usage(format!("{} is not a code of six digits", said.name)).hint("type what the device shows")
            });
            return Ok((Some(code?), None));
        }
        match self.said(Id::MfaProcess) {
            None => Ok((None, None)),
            Some(said) => Ok((None, Some(said.text()?.to_owned()))),
        }
    }

    /// All ARNs of the flag, else all of the variable.
    fn policy_arns(&self) -> Result<Vec<String>> {
        const LIMIT: usize = 10;
        let Some(said) = self.said(Id::PolicyArn) else { return Ok(Vec::new()) };
        let mut arns = Vec::new();
        for value in self.parsed.values(Id::PolicyArn) {
            arns.push(Said { value, name: said.name.clone(), joint: said.joint }.text()?.to_owned());
        }
        if arns.is_empty() {
            let between = |c: char| c == ',' || c.is_ascii_whitespace();
            arns.extend(said.text()?.split(between).filter(|arn| !arn.is_empty()).map(str::to_owned));
        }
        if let Some(arn) = arns.iter().find(|arn| !is_policy_arn(arn)) {
            return Err(Error::usage(format!("{}{}{arn} is not a managed policy's ARN", said.name, said.joint))
                .hint("write it as arn:aws:iam::123456789012:policy/NAME"));
        }
        match arns.len() {
            0..=LIMIT => Ok(arns),
            count => Err(Error::usage(format!("{} names {count} policies, and AWS takes {LIMIT}", said.name))),
        }
    }

    /// AWS's tools differ in which of the two they read first, so that they must not differ.
    fn aws_profile(&self) -> Result<Option<Said<'a>>> {
        let named = |name: &str| self.env.os(name).map(|value| Said { value, name: name.to_owned(), joint: '=' });
        match (named("AWS_PROFILE"), named("AWS_DEFAULT_PROFILE")) {
            (Some(one), Some(other)) if one.value != other.value => {
                Err(Error::usage(format!("{} and {} name two profiles", one.quoted(), other.quoted()))
                    .hint("unset AWS_DEFAULT_PROFILE, the older name, or give --profile"))
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// A region becomes part of host names, so that nothing but a label passes.
    fn region(&self) -> Result<Option<String>> {
        let Some(said) = self.said(Id::Region) else { return Ok(None) };
        let text = said.text()?;
        let is_label =
            text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_label {
            return Err(
                Error::usage(format!("{} is not a region", said.quoted())).hint("a region looks like eu-west-1")
            );
        }
        Ok(Some(text.to_owned()))
    }

    fn switch(&self, id: Id) -> Result<bool> {
        if self.parsed.has(id) {
            return Ok(true);
        }
        let Some(said) = self.said(id) else { return Ok(false) };
        match said.text()?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => Ok(true),
            "0" | "false" | "no" => Ok(false),
            _ => Err(Error::usage(format!("{} is neither yes nor no", said.quoted()))
                .hint("write 1, true or yes, or 0, false or no")),
        }
    }

    /// One of the flag's choices, which `kinds` lists in the same order. The first is the default.
    fn choice<T: Copy>(&self, id: Id, kinds: &[T]) -> Result<T> {
        let choices = Flag::of(id).map_or(&[][..], |flag| flag.choices);
        let Some(said) = self.said(id) else {
            return kinds.first().copied().ok_or_else(|| Error::usage("a choice without choices"));
        };
        let text = said.text()?;
        let found = choices.iter().zip(kinds).find(|(choice, _)| **choice == text).map(|(_, kind)| *kind);
        found.ok_or_else(|| {
            let error = Error::usage(format!("{} is not one of {}", said.quoted(), choices.join(", ")));
            match did_you_mean(text, choices.iter().copied()) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    fn duration(&self, id: Id, (longest, whose): (Duration, &str)) -> Result<Option<Duration>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        let quoted = said.quoted();
        let Some(length) = duration::parse(said.text()?) else {
            return Err(Error::usage(format!("{quoted} is not a duration")).hint("write 15m, 1h30m, 900s or seconds"));
        };
        if length < SHORTEST_SESSION {
            let shortest = duration::text(SHORTEST_SESSION);
            return Err(Error::usage(format!("{quoted} is below {shortest}, the shortest session that AWS issues")));
        }
        if length > longest {
            let limit = hours(longest);
            return Err(Error::usage(format!("{quoted} is above {limit}, {whose}")));
        }
        Ok(Some(length))
    }

    /// `--unix-socket` replaces TCP, where both are given.
    fn transport(&self) -> Result<Option<Transport>> {
        let (unix, tcp) = (self.switch(Id::UnixSocket)?, self.switch(Id::Server)?);
        let misplaced = |id: Id, other: &str| match Flag::of(id).filter(|_| self.parsed.has(id)) {
            Some(flag) => Err(Error::usage(format!("{} needs {other}", flag.dashed()))),
            None => Ok(()),
        };
        if unix {
            misplaced(Id::ServerPort, "--server without --unix-socket")?;
            return Ok(Some(Transport::Unix(self.path(Id::UnixSocketPath))));
        }
        if !tcp {
            return Ok(None);
        }
        misplaced(Id::UnixSocketPath, "--unix-socket")?;
        let Some(said) = self.said(Id::ServerPort) else { return Ok(Some(Transport::Tcp(0))) };
        match said.text()?.parse() {
            Ok(port) => Ok(Some(Transport::Tcp(port))),
            Err(_) => Err(Error::usage(format!("{} is not a port", said.quoted()))
                .hint("write 0 to 65535; 0 is any that is free")),
        }
    }

    /// Flags that say something about a server are mistakes without one. Variables are not: they may serve other runs.
    fn refuse_server_flags(&self) -> Result<()> {
        for (id, _) in &self.parsed.given {
            if let Some(flag) = Flag::of(*id).filter(|flag| flag.needs_server()) {
                let name = flag.dashed();
                let needs = match id {
                    Id::UnixSocketPath => "--unix-socket",
                    Id::ServerPort => "--server",
                    _ => "--server or --unix-socket",
                };
                return Err(
                    Error::usage(format!("{name} needs {needs}")).hint(format!("add {needs}, or leave {name} out"))
                );
            }
        }
        Ok(())
    }
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

/// `36h`: hours, because AWS states its limits in hours.
fn hours(length: Duration) -> String {
    format!("{}h", length.as_secs() / 3600)
}

/// AssumeRole and GetSessionToken take no less than 900 seconds.
const SHORTEST_SESSION: Duration = Duration::from_secs(900);
/// GetSessionToken's limit. AssumeRole's is 12 hours, and is known only once the profile is.
const LONGEST_SESSION: (Duration, &str) = (Duration::from_secs(36 * 3600), "the longest session that AWS issues");
/// AssumeRole's limit.
const LONGEST_ROLE_SESSION: (Duration, &str) =
    (Duration::from_secs(12 * 3600), "the longest session that AWS issues for a role");

#[cfg(test)]
mod tests;
