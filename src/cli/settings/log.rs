//! The settings of `log ...`.

use std::path::PathBuf;

use jiff::Timestamp;

use super::given::Given;
use crate::cli::flags::Id;
use crate::error::Result;
use crate::policy::Effect;

/// What is to be done with the decision log.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its command's second word; COMMANDS says what it does")]
pub enum LogCommand {
    Verify(VerifyLog),
    Show(ShowLog),
}

/// The settings of `log verify`.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifyLog {
    /// The files, older ones first; none is the log of this user.
    pub files: Vec<PathBuf>,
    /// Where that is, if the person says: `--log-file`.
    pub log_file: Option<PathBuf>,
    /// The state directory, where it is otherwise; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// The key that lines were authenticated with.
    pub key: Option<PathBuf>,
    /// Hashes that were noted earlier: `STREAM:NUMBER:HASH`.
    pub heads: Vec<String>,
    /// What syslog kept.
    pub syslog: Option<PathBuf>,
    /// Print JSON.
    pub json: bool,
}

/// The settings of `log show`.
#[derive(Debug, PartialEq, Eq)]
pub struct ShowLog {
    /// The files, older ones first; none is the log of this user.
    pub files: Vec<PathBuf>,
    /// Where that is, if the person says: `--log-file`.
    pub log_file: Option<PathBuf>,
    /// The state directory, where it is otherwise; `None` is the default one.
    pub state_dir: Option<PathBuf>,
    /// Decisions about this user.
    pub user: Option<String>,
    /// Decisions about this profile.
    pub profile: Option<String>,
    /// Decisions with this effect.
    pub effect: Option<Effect>,
    /// Decisions at this time or later.
    pub since: Option<Timestamp>,
    /// Decisions before this time.
    pub until: Option<Timestamp>,
    /// Print the lines themselves.
    pub json: bool,
}

impl LogCommand {
    /// The settings of `log verify`.
    ///
    /// # Errors
    /// Of kind usage, here and below, naming the flag or variable and its value.
    pub fn verify(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Verify(VerifyLog {
            files: given.files(),
            log_file: given.path(Id::LogFile),
            state_dir: given.path(Id::StateDir),
            key: given.path(Id::LogKey),
            heads: given.texts(Id::Head)?,
            syslog: given.path(Id::Syslog),
            json: given.switch(Id::Json)?,
        }))
    }

    /// The settings of `log show`.
    pub fn show(given: &Given<'_>) -> Result<Self> {
        Ok(Self::Show(ShowLog {
            files: given.files(),
            log_file: given.path(Id::LogFile),
            state_dir: given.path(Id::StateDir),
            user: given.text(Id::OfUser)?,
            profile: given.text(Id::OfProfile)?,
            effect: given.choice(Id::OfEffect, &[Effect::Allow, Effect::Deny])?,
            since: given.time(Id::Since)?,
            until: given.time(Id::Until)?,
            json: given.switch(Id::Json)?,
        }))
    }
}
