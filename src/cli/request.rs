//! `sentinel request ...`: asks for approvals, and gives them.

use super::settings::RequestCommand;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &RequestCommand, _env: &Env) -> Result<u8> {
    match settings {
        RequestCommand::Create(_) => Err(Error::new("`sentinel request create` is not there yet")),
        RequestCommand::List(_) => Err(Error::new("`sentinel request list` is not there yet")),
        RequestCommand::Show(_) => Err(Error::new("`sentinel request show` is not there yet")),
        RequestCommand::Approve(_) => Err(Error::new("`sentinel request approve` is not there yet")),
        RequestCommand::Deny(_) => Err(Error::new("`sentinel request deny` is not there yet")),
        RequestCommand::Cancel(_) => Err(Error::new("`sentinel request cancel` is not there yet")),
        RequestCommand::Keygen(_) => Err(Error::new("`sentinel request keygen` is not there yet")),
    }
}
