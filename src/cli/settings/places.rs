//! What several families of commands share: where policies, records and the log are, and whose credentials read them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::given::Given;
use crate::cli::flags::Id;
use crate::error::{Error, Result};
use crate::store::Kind;

/// Whose credentials call SSM and DynamoDB, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The profile that was named for this, whose roles are assumed.
    pub aws_profile: Option<String>,
    /// Otherwise the profile of the run, whose first keys are used; `None` leaves it to AWS's own default.
    pub profile: Option<String>,
    /// The region, in place of the profile's.
    pub region: Option<String>,
}

/// Which policy decides, and what it has to be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// Where it is; `None` is no policy.
    pub place: Option<PolicyPlace>,
    /// The file that says that there has to be one.
    pub required_by: Option<PathBuf>,
    /// The key that it has to be signed with: base64, or the path of a PEM file.
    pub key: Option<OsString>,
    /// Which of the key's policies is meant.
    pub scope: String,
    /// Who reads a parameter.
    pub access: Access,
}

/// Where a policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyPlace {
    /// A file.
    File(PathBuf),
    /// A parameter of SSM.
    Parameter(String),
}

/// Where sessions, requests and events are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stores {
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// The DynamoDB table of sessions; `None` keeps them in the state directory.
    pub session_table: Option<String>,
    /// That of requests.
    pub request_table: Option<String>,
    /// That of break-glass events.
    pub breakglass_table: Option<String>,
    /// Who reads and writes the tables.
    pub access: Access,
}

/// Where decisions are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The file; `None` is decisions.jsonl in the state directory.
    pub file: Option<PathBuf>,
    /// Decisions go to stderr too.
    pub stderr: bool,
    /// The key that lines are authenticated with.
    pub key: Option<PathBuf>,
    /// Each line is on the disk before its credentials are given.
    pub fsync: bool,
    /// The heads of streams go to syslog.
    pub anchor: bool,
    /// Decisions go to syslog too.
    pub syslog: bool,
    /// Syslog's socket; `None` is /dev/log.
    pub syslog_socket: Option<PathBuf>,
}

impl PolicyPlace {
    /// What people call it: the path, or `ssm:/name`.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Parameter(name) => format!("ssm:{name}"),
        }
    }
}

impl Access {
    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self { aws_profile: given.text(Id::AwsProfile)?, profile: given.profile()?, region: given.region()? })
    }
}

/// The scope of policies that nobody gave one.
const DEFAULT_SCOPE: &str = "default";

impl PolicySource {
    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        let place = match given.stronger(Id::Policy, Id::PolicyParameter) {
            (Some(one), Some(other)) => {
                let both = format!("{} and {} both name a policy", one.name, other.name);
                return Err(Error::usage(both).hint("leave one out"));
            }
            (Some(said), None) => Some(PolicyPlace::File(PathBuf::from(said.value))),
            (None, Some(said)) => Some(PolicyPlace::Parameter(said.text()?.to_owned())),
            (None, None) => None,
        };
        let key = given.said(Id::PolicyKey).map(|said| said.value.to_owned());
        let required_by = given.config.policy_required().map(Path::to_owned);
        Ok(Self { place, required_by, key, scope: scope(given, Id::PolicyScope)?, access: Access::of(given)? })
    }

    /// Refuses to go on without a policy where there has to be one.
    ///
    /// # Errors
    /// That.
    pub fn check_required(&self) -> Result<()> {
        match &self.required_by {
            Some(file) if self.place.is_none() => {
                Err(Error::new(format!("{} demands a policy, and none is configured", file.display()))
                    .hint("name one with --policy, or ask whoever administers this host"))
            }
            _ => Ok(()),
        }
    }
}

/// A scope becomes a line of what is signed.
pub(super) fn scope(given: &Given<'_>, id: Id) -> Result<String> {
    let scope = given.word(id, "a scope: up to 128 letters, digits and ._/-", |text| {
        text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
    })?;
    Ok(scope.unwrap_or_else(|| DEFAULT_SCOPE.to_owned()))
}

impl Stores {
    /// The DynamoDB table of this kind; `None` keeps it in the state directory.
    pub fn table(&self, kind: Kind) -> Option<&str> {
        let table = match kind {
            Kind::Session => &self.session_table,
            Kind::Request => &self.request_table,
            Kind::Event => &self.breakglass_table,
        };
        table.as_deref()
    }

    /// Whether some records are in DynamoDB.
    pub fn in_tables(&self) -> bool {
        Kind::ALL.iter().any(|kind| self.table(*kind).is_some())
    }

    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            state_dir: given.path(Id::StateDir),
            session_table: table(given, Id::SessionTable)?,
            request_table: table(given, Id::RequestTable)?,
            breakglass_table: table(given, Id::BreakglassTable)?,
            access: Access::of(given)?,
        })
    }
}

/// DynamoDB's rule for names of tables.
fn table(given: &Given<'_>, id: Id) -> Result<Option<String>> {
    given.word(id, "a table's name: 3 to 255 letters, digits and ._-", |text| {
        (3..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    })
}

impl Log {
    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self {
            file: given.path(Id::LogFile),
            stderr: given.switch(Id::LogStderr)?,
            key: given.path(Id::LogKey),
            fsync: given.switch(Id::LogFsync)?,
            anchor: given.switch(Id::LogAnchor)?,
            syslog: given.switch(Id::LogSyslog)?,
            syslog_socket: given.path(Id::SyslogSocket),
        })
    }
}
