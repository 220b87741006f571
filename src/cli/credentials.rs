//! `sentinel credentials`: prints credentials as a credential_process does.

use super::settings;
use crate::env::Env;
use crate::error::{Error, Result};

/// Prints the credentials and returns the exit status.
///
/// # Errors
/// When there are no credentials to give.
pub(super) fn run(_settings: &settings::Common, _env: &Env) -> Result<u8> {
    Err(Error::new("credentials is not in this build"))
}
