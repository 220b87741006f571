//! `sentinel session ...`: looks at the sessions of servers, and ends them.

use super::settings::SessionCommand;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &SessionCommand, _env: &Env) -> Result<u8> {
    match settings {
        SessionCommand::List(_) => Err(Error::new("`sentinel session list` is not there yet")),
        SessionCommand::Show(_) => Err(Error::new("`sentinel session show` is not there yet")),
        SessionCommand::Revoke(_) => Err(Error::new("`sentinel session revoke` is not there yet")),
    }
}
