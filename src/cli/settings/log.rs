//! The settings of `log ...`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::given::Given;
use crate::cli::flags::Id;
use crate::duration;
use crate::error::{Error, Result};
use crate::log::chain::Head;
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
    /// Lines that have to be there.
    pub heads: Vec<Head>,
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
    pub since: Option<When>,
    /// Decisions before this time.
    pub until: Option<When>,
    /// Print the lines themselves.
    pub json: bool,
}

/// A time, as a person says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This one.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
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
            heads: heads(given)?,
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
            since: when(given, Id::Since)?,
            until: when(given, Id::Until)?,
            json: given.switch(Id::Json)?,
        }))
    }
}

fn heads(given: &Given<'_>) -> Result<Vec<Head>> {
    let head = |text: &String| {
        Head::parse(text).ok_or_else(|| {
            Error::usage(format!("--head {text} is not a head"))
                .hint("write it as STREAM:SEQ:SHA256, as `sentinel log verify` prints it")
        })
    };
    given.texts(Id::Head)?.iter().map(head).collect()
}

fn when(given: &Given<'_>, id: Id) -> Result<Option<When>> {
    let Some(said) = given.said(id) else { return Ok(None) };
    let text = said.text()?;
    let time = text.parse().map(When::At).ok().or_else(|| duration::parse(text).map(When::Ago));
    time.map(Some).ok_or_else(|| {
        Error::usage(format!("{} is not a time", said.quoted()))
            .hint("write it as 2026-01-31T23:30:00Z, or as 1h for an hour ago")
    })
}
