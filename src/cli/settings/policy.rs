//! The settings of `policy ...`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::given::Given;
use super::places::{PolicyPlace, PolicySource, scope};
use crate::cli::flags::Id;
use crate::duration;
use crate::error::{Error, Result};
use crate::policy::{Effect, Mode, is_role_arn};

/// What is to be done with policies.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its command's second word; COMMANDS says what it does")]
pub enum PolicyCommand {
    Validate(Validate),
    Test(Judge),
    Explain(Judge),
    Sign(Sign),
    Keygen(Keygen),
    Pull(Pull),
    Push(Push),
    Diff(Diff),
}

/// The settings of `policy validate`.
#[derive(Debug, PartialEq, Eq)]
pub struct Validate {
    /// The files; none is the source.
    pub files: Vec<PathBuf>,
    /// Where the policy is without files, and what it has to be signed with.
    pub source: PolicySource,
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// Warnings count as errors.
    pub strict: bool,
}

/// The settings of `policy test` and `policy explain`.
#[derive(Debug, PartialEq, Eq)]
pub struct Judge {
    /// The policy; there is one.
    pub source: PolicySource,
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// The made-up request.
    pub asked: Asked,
    /// The effect that there has to be.
    pub expect: Option<Effect>,
    /// Print JSON.
    pub json: bool,
}

/// A made-up request.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The profile.
    pub profile: String,
    /// Who asks.
    pub user: Option<String>,
    /// Their account.
    pub account: Option<String>,
    /// How they ask.
    pub mode: Mode,
    /// When; `None` is now.
    pub time: Option<Timestamp>,
    /// The uid of the process that asks.
    pub uid: Option<u32>,
    /// Its program.
    pub executable: Option<PathBuf>,
    /// The program's SHA-256: 64 lower-case hex digits.
    pub sha256: Option<String>,
    /// The role whose credentials are asked for.
    pub role_arn: Option<String>,
    /// That role is asked for by its ARN, and is not the profile's own.
    pub by_arn: bool,
    /// The device's system; `None` is this one's.
    pub os: Option<Os>,
}

/// A device's system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum Os {
    Linux,
    Macos,
}

/// The settings of `policy sign`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sign {
    /// The policy.
    pub file: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Which of the key's policies this is.
    pub scope: String,
    /// The number of this version.
    pub serial: u64,
    /// When it runs out.
    pub not_after: NotAfter,
    /// Where it is written; `None` is stdout.
    pub out: Option<PathBuf>,
}

/// When a policy runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAfter {
    /// Then.
    At(Timestamp),
    /// So long after it was signed.
    In(Duration),
}

/// The settings of `policy keygen` and `request keygen`.
#[derive(Debug, PartialEq, Eq)]
pub struct Keygen {
    /// Where the private key is written.
    pub out: PathBuf,
}

/// The settings of `policy pull`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pull {
    /// A parameter.
    pub source: PolicySource,
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// Where the policy is written; `None` is stdout.
    pub out: Option<PathBuf>,
}

/// The settings of `policy push`.
#[derive(Debug, PartialEq, Eq)]
pub struct Push {
    /// The policy.
    pub file: PathBuf,
    /// A parameter.
    pub source: PolicySource,
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// The version that is to be replaced.
    pub expect_version: Option<u64>,
}

/// The settings of `policy diff`.
#[derive(Debug, PartialEq, Eq)]
pub struct Diff {
    /// One file, which is compared with the parameter of the source, or two, of which the first is the older.
    pub files: Vec<PathBuf>,
    /// A parameter, where there is one file.
    pub source: PolicySource,
    /// The state directory; `None` is the default one.
    pub state_dir: Option<PathBuf>,
}

impl PolicyCommand {
    /// The settings of `policy validate`.
    ///
    /// # Errors
    /// Of kind usage, here and below, naming the flag or variable and its value.
    pub fn validate(given: &Given<'_>) -> Result<Self> {
        let (files, source) = (given.files(), PolicySource::of(given)?);
        if files.is_empty() && source.place.is_none() {
            return Err(without_policy("policy validate"));
        }
        let (state_dir, strict) = (given.path(Id::StateDir), given.switch(Id::Strict)?);
        Ok(Self::Validate(Validate { files, source, state_dir, strict }))
    }

    /// The settings of `policy test`.
    pub fn test(given: &Given<'_>) -> Result<Self> {
        judge(given, "policy test").map(Self::Test)
    }

    /// The settings of `policy explain`.
    pub fn explain(given: &Given<'_>) -> Result<Self> {
        judge(given, "policy explain").map(Self::Explain)
    }

    /// The settings of `policy sign`.
    pub fn sign(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Sign(Sign {
            file: given.file()?,
            key: given.required(Id::Key, given.path(Id::Key))?,
            scope: scope(given, Id::Scope)?,
            serial: given.required(Id::Serial, given.number(Id::Serial, 1)?)?,
            not_after: given.required(Id::NotAfter, not_after(given)?)?,
            out: given.path(Id::Out),
        }))
    }

    /// The settings of `policy keygen`.
    pub fn keygen(given: &Given<'_>) -> Result<Self> {
        Keygen::of(given).map(Self::Keygen)
    }

    /// The settings of `policy pull`.
    pub fn pull(given: &Given<'_>) -> Result<Self> {
        let (source, state_dir) = (parameter(given)?, given.path(Id::StateDir));
        Ok(Self::Pull(Pull { source, state_dir, out: given.path(Id::Out) }))
    }

    /// The settings of `policy push`.
    pub fn push(given: &Given<'_>) -> Result<Self> {
        let expect_version = given.number(Id::ExpectVersion, 0)?;
        let (file, source) = (given.file()?, parameter(given)?);
        Ok(Self::Push(Push { file, source, state_dir: given.path(Id::StateDir), expect_version }))
    }

    /// The settings of `policy diff`.
    pub fn diff(given: &Given<'_>) -> Result<Self> {
        let files = given.files();
        let source = if files.len() == 1 { parameter(given)? } else { PolicySource::of(given)? };
        Ok(Self::Diff(Diff { files, source, state_dir: given.path(Id::StateDir) }))
    }
}

impl Keygen {
    pub(super) fn of(given: &Given<'_>) -> Result<Self> {
        Ok(Self { out: given.required(Id::Out, given.path(Id::Out))? })
    }
}

/// The policy is the command's word, or is named by an option.
fn judge(given: &Given<'_>, command: &str) -> Result<Judge> {
    let mut source = PolicySource::of(given)?;
    if let Some(file) = given.files().into_iter().next() {
        if given.parsed.has(Id::Policy) || given.parsed.has(Id::PolicyParameter) {
            return Err(Error::usage(format!("{command} is given two policies")).hint("leave one out"));
        }
        source.place = Some(PolicyPlace::File(file));
    }
    if source.place.is_none() {
        return Err(without_policy(command));
    }
    let effects =
        [Effect::Allow, Effect::Deny, Effect::RequireApproval, Effect::RequireServer, Effect::RequireServerSession];
    Ok(Judge {
        source,
        state_dir: given.path(Id::StateDir),
        asked: asked(given)?,
        expect: given.choice(Id::Expect, &effects)?,
        json: given.switch(Id::Json)?,
    })
}

fn asked(given: &Given<'_>) -> Result<Asked> {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let role_arn = given.word(Id::AskedRoleArn, "a role's ARN", is_role_arn)?;
    let by_arn = given.switch(Id::ByArn)?;
    if by_arn && role_arn.is_none() {
        return Err(Error::usage("--by-arn needs --role-arn").hint("name the role: `--role-arn ARN`"));
    }
    let uid = given.number(Id::AskedUid, 0)?.map(u32::try_from).transpose();
    Ok(Asked {
        profile: given.required(Id::AskedProfile, given.text(Id::AskedProfile)?)?,
        user: given.text(Id::AskedUser)?,
        account: given.word(Id::AskedAccount, "an account: 12 digits", account)?,
        mode: given.choice(Id::AskedMode, &Mode::ALL)?.unwrap_or(Mode::Server),
        time: given.time(Id::AskedTime)?,
        uid: uid.map_err(|_| Error::usage("--uid is above 4294967295, the highest uid"))?,
        executable: given.path(Id::AskedExecutable),
        sha256: given.word(Id::AskedSha256, "a SHA-256: 64 hex digits", digest)?.map(|text| text.to_ascii_lowercase()),
        role_arn,
        by_arn,
        os: given.choice(Id::AskedOs, &[Os::Linux, Os::Macos])?,
    })
}

/// A time, or how long from now.
fn not_after(given: &Given<'_>) -> Result<Option<NotAfter>> {
    if let Some(length) = given.text(Id::NotAfter)?.as_deref().and_then(duration::parse) {
        return Ok(Some(NotAfter::In(length)));
    }
    let time =
        given.time(Id::NotAfter).map_err(|error| error.hint("write 2027-01-31T23:30:00Z, or 90d for 90 days from now"));
    Ok(time?.map(NotAfter::At))
}

/// A source that is a parameter.
fn parameter(given: &Given<'_>) -> Result<PolicySource> {
    let source = PolicySource::of(given)?;
    match source.place {
        Some(PolicyPlace::Parameter(_)) => Ok(source),
        _ => given.required(Id::PolicyParameter, None),
    }
}

fn without_policy(command: &str) -> Error {
    Error::usage(format!("{command} needs a policy")).hint("name its file, or --policy-parameter NAME")
}
