//! The flags, as one table: parser, settings, help, man page and completions derive from it, and tests walk it.

use super::commands::CommandName;

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
    Server,
    ServerPort,
    UnixSocket,
    UnixSocketPath,
    ServerDuration,
    Bind,
    AllowFallback,
    Lazy,
    WaitTree,
    Policy,
    StateDir,
    LogFile,
    LogStderr,
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
    /// What decides, and where it is recorded.
    Policy,
    /// The rest.
    Other,
}

/// One flag.
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
        self.id == Id::PolicyArn
    }

    /// Whether it says something about a server, so that it means nothing without one.
    pub fn needs_server(&self) -> bool {
        self.group == Group::Server && !matches!(self.id, Id::Server | Id::UnixSocket)
    }
}

impl Group {
    /// All groups, in help's order.
    pub const ALL: [Self; 4] = [Self::Credentials, Self::Server, Self::Policy, Self::Other];

    /// The heading in help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Server => "Server (--server, --unix-socket)",
            Self::Policy => "Policy and records",
            Self::Other => "Other",
        }
    }
}

const EXEC: &[CommandName] = &[CommandName::Exec];
const BOTH: &[CommandName] = &[CommandName::Exec, CommandName::Credentials];
/// Every command: all have `--help`.
pub(super) const EVERY: &[CommandName] = &[
    CommandName::Exec,
    CommandName::Credentials,
    CommandName::Version,
    CommandName::Help,
    CommandName::Completions,
    CommandName::Man,
];

/// Every flag, in the order in which help lists them: group by group.
pub static FLAGS: &[Flag] = &[
    Flag {
        id: Id::Profile,
        name: "profile",
        short: None,
        value: Some("P"),
        choices: &[],
        help: "the profile of the AWS config file",
        more: "Falls back to AWS_PROFILE or AWS_DEFAULT_PROFILE.",
        variable: Some("SENTINEL_PROFILE"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::Region,
        name: "region",
        short: None,
        value: Some("REGION"),
        choices: &[],
        help: "the AWS region, in place of the profile's",
        more: "",
        variable: Some("SENTINEL_REGION"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::Duration,
        name: "duration",
        short: Some('d'),
        value: Some("TIME"),
        choices: &[],
        help: "how long the credentials live (1h)",
        more: "`15m`, `1h30m`, `900s` or seconds; from 15m to 36h, and to 12h where a role is assumed. A server \
               follows --server-duration.",
        variable: Some("SENTINEL_DURATION"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::NoSession,
        name: "no-session",
        short: Some('n'),
        value: None,
        choices: &[],
        help: "hand out a profile's own keys, not a session's",
        more: "Concerns profiles without a role: their long-lived keys go to the command as they are, and mfa_serial is \
               not used. A role is always assumed.",
        variable: Some("SENTINEL_NO_SESSION"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::SourceIdentity,
        name: "source-identity",
        short: None,
        value: Some("WHEN"),
        choices: &["auto", "require", "off"],
        help: "name the person in CloudTrail: auto, require or off (auto)",
        more: "AWS refuses it unless the role's trust policy allows sts:SetSourceIdentity: `auto` then goes on without, \
               and says so; `require` fails.",
        variable: Some("SENTINEL_SOURCE_IDENTITY"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::MfaToken,
        name: "mfa-token",
        short: Some('t'),
        value: Some("CODE"),
        choices: &[],
        help: "the six digits that the profile's MFA device shows",
        more: "For a profile with mfa_serial. Without it, and without a program that prints the code, you are asked at the \
               terminal. A code is asked for once, before CMD starts: a server lasts until the MFA session ends, and \
               says at its start when that is.",
        variable: Some("SENTINEL_MFA_TOKEN"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::MfaProcess,
        name: "mfa-process",
        short: None,
        value: Some("COMMAND"),
        choices: &[],
        help: "a command that prints the code, in place of mfa_process",
        more: "It is run as a credential_process is: without a shell, for at most a minute.",
        variable: Some("SENTINEL_MFA_PROCESS"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::SessionPolicy,
        name: "session-policy",
        short: None,
        value: Some("FILE"),
        choices: &[],
        help: "an IAM policy that narrows the role's session",
        more: "JSON, at most 2048 characters without spaces. AWS gives what both it and the role allow; in a chain it is for \
               the last role.",
        variable: Some("SENTINEL_SESSION_POLICY"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::PolicyArn,
        name: "policy-arn",
        short: None,
        value: Some("ARN"),
        choices: &[],
        help: "a managed policy that narrows it; may be given 10 times",
        more: "The variable takes several, separated by commas or spaces.",
        variable: Some("SENTINEL_POLICY_ARN"),
        commands: BOTH,
        group: Group::Credentials,
    },
    Flag {
        id: Id::Server,
        name: "server",
        short: Some('s'),
        value: None,
        choices: &[],
        help: "serve credentials over loopback TCP instead of setting keys",
        more: "Every AWS SDK speaks it. They refresh, the policy is asked every time, and the port serves CMD's process \
               tree alone.",
        variable: Some("SENTINEL_SERVER"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::ServerPort,
        name: "server-port",
        short: None,
        value: Some("PORT"),
        choices: &[],
        help: "the port of --server (0: any that is free)",
        more: "",
        variable: Some("SENTINEL_SERVER_PORT"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::UnixSocket,
        name: "unix-socket",
        short: None,
        value: None,
        choices: &[],
        help: "serve credentials over a Unix socket instead of setting keys",
        more: "They refresh, the policy is asked every time, and nothing listens on TCP, also with --server. It has no environment variable: \
               SENTINEL_UNIX_SOCKET names the socket in the environment of CMD.",
        variable: None,
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::UnixSocketPath,
        name: "unix-socket-path",
        short: None,
        value: Some("PATH"),
        choices: &[],
        help: "where the socket is, in place of a private directory",
        more: "",
        variable: Some("SENTINEL_UNIX_SOCKET_PATH"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::ServerDuration,
        name: "server-duration",
        short: None,
        value: Some("TIME"),
        choices: &[],
        help: "how long the credentials that a server gives out live (30m)",
        more: "From 15m to 12h. With 15m or less of life left, some SDKs ask again at every call.",
        variable: Some("SENTINEL_SERVER_DURATION"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::Bind,
        name: "bind",
        short: None,
        value: Some("SCOPE"),
        choices: &["tree", "process", "uid"],
        help: "who may use the server's token: tree, process or uid (tree)",
        more: "`tree`: CMD and its descendants; `process`: the first of them that uses it, and what that runs `sentinel \
               credentials` for; `uid`: every process of this user, the weakest.",
        variable: Some("SENTINEL_BIND"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::AllowFallback,
        name: "allow-fallback",
        short: None,
        value: None,
        choices: &[],
        help: "work where this kernel cannot tell processes apart",
        more: "Decided once, at start; every line of the log then says so.",
        variable: Some("SENTINEL_ALLOW_FALLBACK"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::Lazy,
        name: "lazy",
        short: None,
        value: None,
        choices: &[],
        help: "get credentials at the first request, not at start",
        more: "With mfa_serial they are got at start nevertheless: a code is asked for there alone, and does not keep.",
        variable: Some("SENTINEL_LAZY"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::WaitTree,
        name: "wait-tree",
        short: None,
        value: None,
        choices: &[],
        help: "serve until the last descendant is gone, not only CMD",
        more: "",
        variable: Some("SENTINEL_WAIT_TREE"),
        commands: EXEC,
        group: Group::Server,
    },
    Flag {
        id: Id::Policy,
        name: "policy",
        short: None,
        value: Some("FILE"),
        choices: &[],
        help: "the policy that decides",
        more: "Without one every profile is allowed, and the log says so.",
        variable: Some("SENTINEL_POLICY"),
        commands: BOTH,
        group: Group::Policy,
    },
    Flag {
        id: Id::StateDir,
        name: "state-dir",
        short: None,
        value: Some("DIR"),
        choices: &[],
        help: "where sentinel keeps its files",
        more: "Default: $XDG_STATE_HOME/sentinel, else ~/.local/state/sentinel; /var/lib/sentinel as root.",
        variable: Some("SENTINEL_STATE_DIR"),
        commands: BOTH,
        group: Group::Policy,
    },
    Flag {
        id: Id::LogFile,
        name: "log-file",
        short: None,
        value: Some("FILE"),
        choices: &[],
        help: "where decisions are recorded",
        more: "Default: decisions.jsonl in the state directory.",
        variable: Some("SENTINEL_LOG_FILE"),
        commands: BOTH,
        group: Group::Policy,
    },
    Flag {
        id: Id::LogStderr,
        name: "log-stderr",
        short: None,
        value: None,
        choices: &[],
        help: "write decisions to stderr as well",
        more: "",
        variable: Some("SENTINEL_LOG_STDERR"),
        commands: BOTH,
        group: Group::Policy,
    },
    Flag {
        id: Id::Nested,
        name: "nested",
        short: None,
        value: None,
        choices: &[],
        help: "run inside another `sentinel exec`",
        more: "Without it, exec refuses to start where AWS_SENTINEL is set. It has no environment variable.",
        variable: None,
        commands: EXEC,
        group: Group::Other,
    },
    Flag {
        id: Id::Debug,
        name: "debug",
        short: None,
        value: None,
        choices: &[],
        help: "say on stderr what is being done",
        more: "",
        variable: Some("SENTINEL_DEBUG"),
        commands: BOTH,
        group: Group::Other,
    },
    Flag {
        id: Id::Help,
        name: "help",
        short: Some('h'),
        value: None,
        choices: &[],
        help: "print help: -h short, --help long",
        more: "",
        variable: None,
        commands: EVERY,
        group: Group::Other,
    },
    Flag {
        id: Id::Version,
        name: "version",
        short: Some('V'),
        value: None,
        choices: &[],
        help: "print the version",
        more: "",
        variable: None,
        commands: &[],
        group: Group::Other,
    },
];

#[cfg(test)]
mod tests;
