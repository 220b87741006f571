//! `sentinel policy ...`: checks, tries, signs and publishes policies.

use super::settings::PolicyCommand;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &PolicyCommand, _env: &Env) -> Result<u8> {
    match settings {
        PolicyCommand::Validate(_) => Err(Error::new("`sentinel policy validate` is not there yet")),
        PolicyCommand::Test(_) => Err(Error::new("`sentinel policy test` is not there yet")),
        PolicyCommand::Explain(_) => Err(Error::new("`sentinel policy explain` is not there yet")),
        PolicyCommand::Sign(_) => Err(Error::new("`sentinel policy sign` is not there yet")),
        PolicyCommand::Keygen(_) => Err(Error::new("`sentinel policy keygen` is not there yet")),
        PolicyCommand::Pull(_) => Err(Error::new("`sentinel policy pull` is not there yet")),
        PolicyCommand::Push(_) => Err(Error::new("`sentinel policy push` is not there yet")),
        PolicyCommand::Diff(_) => Err(Error::new("`sentinel policy diff` is not there yet")),
    }
}
