//! `sentinel exec`: runs a program with credentials.

use super::settings;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the child and returns its exit status.
///
/// # Errors
/// When there are no credentials to give, or the child cannot be started.
pub(super) fn run(_settings: &settings::Exec, _env: &Env) -> Result<u8> {
    Err(Error::new("exec is not in this build"))
}
