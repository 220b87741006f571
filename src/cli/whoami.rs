//! `sentinel whoami`: who the person is to AWS, how the profile resolves, and what the policy says.

use super::settings::Whoami;
use crate::env::Env;
use crate::error::{Error, Result};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(_settings: &Whoami, _env: &Env) -> Result<u8> {
    Err(Error::new("`sentinel whoami` is not there yet"))
}
