//! `sentinel breakglass ...`: opens and closes emergency access.

use super::settings::BreakglassCommand;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &BreakglassCommand, _env: &Env) -> Result<u8> {
    match settings {
        BreakglassCommand::Open(_) => Err(Error::new("`sentinel breakglass open` is not there yet")),
        BreakglassCommand::List(_) => Err(Error::new("`sentinel breakglass list` is not there yet")),
        BreakglassCommand::Show(_) => Err(Error::new("`sentinel breakglass show` is not there yet")),
        BreakglassCommand::Close(_) => Err(Error::new("`sentinel breakglass close` is not there yet")),
    }
}
