//! Where a server's token is, if not in a variable.

use std::path::PathBuf;
use std::time::Duration;

use super::given::{Given, WantedGroup};
use crate::cli::flags::{Flag, Id};
use crate::error::{Error, Result};

/// How often a token is replaced where nobody says.
const DEFAULT_ROTATION: Duration = Duration::from_secs(3600);
const LONGEST_ROTATION: Duration = Duration::from_secs(7 * 86_400);

/// A file that holds the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// Where.
    pub path: PathBuf,
    /// How often the token is replaced.
    pub rotation: Duration,
    /// Who else may read it.
    pub group: Option<WantedGroup>,
}

impl TokenFile {
    pub(super) fn of(given: &Given<'_>) -> Result<Option<Self>> {
        let rotation = match given.length(Id::TokenRotation)? {
            None => DEFAULT_ROTATION,
            Some((length, _)) if length <= LONGEST_ROTATION => length,
            Some((_, quoted)) => return Err(Error::usage(format!("{quoted} is above 7d"))),
        };
        let group = given.group(Id::TokenGroup)?;
        if let Some(path) = given.path(Id::TokenFile) {
            return Ok(Some(Self { path, rotation, group }));
        }
        let misplaced = [Id::TokenRotation, Id::TokenGroup].into_iter().find(|id| given.parsed.has(*id));
        match misplaced.and_then(Flag::of) {
            None => Ok(None),
            Some(flag) => Err(Error::usage(format!("{} needs --token-file", flag.dashed()))),
        }
    }
}
