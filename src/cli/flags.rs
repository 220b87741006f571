//! The flags, as one table: parser, settings, help, man page and completions derive from it, and tests walk it.

mod table;

use super::commands::CommandName;
use crate::config::{Kind, Known};

#[cfg(test)]
pub(super) use table::EVERY;
pub use table::FLAGS;

/// Which flag, for code that asks for its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its flag's name; FLAGS says what it does")]
pub enum Id {
    Profile,
    Region,
    Duration,
    NoSession,
    SourceIdentity,
    MfaToken,
    MfaProcess,
    SessionPolicy,
    PolicyArn,
    RoleArn,
    Server,
    EcsServer,
    ServerPort,
    UnixSocket,
    UnixSocketPath,
    Ec2Server,
    ImdsV1,
    ImdsAddress,
    HopLimit,
    ServerDuration,
    Bind,
    AllowFallback,
    Lazy,
    WaitTree,
    TokenFile,
    TokenRotation,
    TokenGroup,
    MaxConnections,
    Socket,
    SocketMode,
    SocketGroup,
    Address,
    AllowUid,
    AllowGid,
    AllowExe,
    AllowSha256,
    AllowCgroup,
    Map,
    ServiceBind,
    AskedProfile,
    AskedUser,
    AskedAccount,
    AskedMode,
    AskedTime,
    AskedUid,
    AskedExecutable,
    AskedSha256,
    AskedRoleArn,
    ByArn,
    AskedOs,
    Expect,
    Policy,
    PolicyParameter,
    PolicyKey,
    PolicyScope,
    AwsProfile,
    ExpectVersion,
    Strict,
    Key,
    Scope,
    Serial,
    NotAfter,
    Out,
    StateDir,
    SessionTable,
    RequestTable,
    BreakglassTable,
    Wait,
    OfUser,
    OfProfile,
    SessionStatus,
    RequestStatus,
    EventStatus,
    OfEffect,
    Since,
    Until,
    Limit,
    Window,
    ReasonCode,
    Justification,
    Comment,
    Reason,
    LogFile,
    LogStderr,
    LogKey,
    LogFsync,
    LogAnchor,
    LogSyslog,
    SyslogSocket,
    Head,
    Syslog,
    Json,
    Nested,
    Debug,
    Help,
    Version,
}

/// Where help lists a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Which credentials, and for how long.
    Credentials,
    /// The socket and who may use it.
    Server,
    /// Where a service listens, and whom it serves.
    Service,
    /// A made-up request.
    Question,
    /// What decides.
    Policy,
    /// Keys, and what is made with them.
    Signing,
    /// Where sessions, requests and events are.
    Stores,
    /// Which of them are meant.
    Selection,
    /// What a new one says.
    Record,
    /// Where decisions are recorded.
    Log,
    /// The rest.
    Other,
}

/// One flag. Two may share a name, if no command takes both.
#[derive(Clone, Copy)]
pub struct Flag {
    /// Which one.
    pub id: Id,
    /// The long name, without dashes.
    pub name: &'static str,
    /// The letter, without the dash.
    pub short: Option<char>,
    /// What the value is called in help; `None` for a switch.
    pub value: Option<&'static str>,
    /// The values allowed; empty if they are not a list.
    pub choices: &'static [&'static str],
    /// One line: `-h`.
    pub help: &'static str,
    /// What `--help` says after that line; may be empty.
    pub more: &'static str,
    /// The environment variable that stands in for it.
    pub variable: Option<&'static str>,
    /// The commands that take it. `--help` belongs to `sentinel` itself as well, and `--version` to it alone.
    pub commands: &'static [CommandName],
    /// Where help lists it.
    pub group: Group,
}

/// The settings that files may hold: what has a variable, but for a code, which is good for one use.
pub fn settings() -> Vec<Known> {
    let kind = |flag: &Flag| match (flag.id, flag.value) {
        (Id::PolicyArn | Id::AllowUid | Id::AllowGid | Id::AllowSha256, _) => Kind::List,
        (Id::AllowExe | Id::AllowCgroup | Id::Map, _) => Kind::Words,
        (Id::PolicyKey, _) => Kind::TextOrPath,
        (_, None) => Kind::Switch,
        (_, Some("FILE" | "PATH" | "DIR")) => Kind::Path,
        (_, Some(_)) => Kind::Text,
    };
    let allowed = FLAGS.iter().filter(|flag| flag.variable.is_some() && flag.id != Id::MfaToken);
    allowed.map(|flag| Known { name: flag.name, kind: kind(flag) }).collect()
}

impl Flag {
    /// The line of the table for `id`; a test checks that every id has one.
    pub fn of(id: Id) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.id == id)
    }

    /// `--name`.
    pub fn dashed(&self) -> String {
        format!("--{}", self.name)
    }

    /// Whether `command` takes it; `None` is `sentinel` without a command.
    pub fn belongs_to(&self, command: Option<CommandName>) -> bool {
        match command {
            Some(command) => self.commands.contains(&command),
            None => matches!(self.id, Id::Help | Id::Version),
        }
    }

    /// Whether it may be given more than once.
    pub fn repeats(&self) -> bool {
        matches!(
            self.id,
            Id::PolicyArn
                | Id::Head
                | Id::AllowUid
                | Id::AllowGid
                | Id::AllowExe
                | Id::AllowSha256
                | Id::AllowCgroup
                | Id::Map
        )
    }

    /// Whether it says how credentials are made, decided on or recorded, and not whose they are.
    pub fn shapes_credentials(&self) -> bool {
        matches!(self.group, Group::Credentials | Group::Policy | Group::Stores | Group::Log)
            && !matches!(self.id, Id::Profile | Id::RoleArn)
    }

    /// Whether it says something about a server, so that it means nothing without one.
    pub fn needs_server(&self) -> bool {
        let servers = [Id::Server, Id::EcsServer, Id::UnixSocket, Id::Ec2Server];
        self.group == Group::Server && !servers.contains(&self.id)
    }
}

impl Group {
    /// All groups, in help's order.
    pub const ALL: [Self; 11] = [
        Self::Credentials,
        Self::Server,
        Self::Service,
        Self::Question,
        Self::Policy,
        Self::Signing,
        Self::Stores,
        Self::Selection,
        Self::Record,
        Self::Log,
        Self::Other,
    ];

    /// The heading in help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Service => "Where it serves, and whom",
            Self::Server => "Server",
            Self::Question => "The request that is judged",
            Self::Policy => "Policy",
            Self::Signing => "Keys and results",
            Self::Stores => "State and records",
            Self::Selection => "Which ones",
            Self::Record => "What is recorded",
            Self::Log => "Decision log",
            Self::Other => "Other",
        }
    }
}

#[cfg(test)]
mod tests;
