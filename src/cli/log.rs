//! `sentinel log ...`: verifies and shows the decision log.

use super::settings::LogCommand;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &LogCommand, _env: &Env) -> Result<u8> {
    match settings {
        LogCommand::Verify(_) => Err(Error::new("`sentinel log verify` is not there yet")),
        LogCommand::Show(_) => Err(Error::new("`sentinel log show` is not there yet")),
    }
}
