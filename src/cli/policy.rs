//! `sentinel policy ...`: checks, tries, signs and publishes policies.

mod document;
mod judge;
mod publish;
mod sign;
mod unified;
mod validate;

use std::sync::Arc;

use super::settings::PolicyCommand;
use crate::clock::{Clock, SystemClock};
use crate::env::Env;
use crate::error::Result;

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &PolicyCommand, env: &Env) -> Result<u8> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match settings {
        PolicyCommand::Validate(settings) => validate::validate(settings, env, &clock),
        PolicyCommand::Test(settings) => judge::test(settings, env, &clock),
        PolicyCommand::Explain(settings) => judge::explain(settings, env, &clock),
        PolicyCommand::Sign(settings) => sign::sign(settings, &clock),
        PolicyCommand::Keygen(settings) => sign::keygen(settings),
        PolicyCommand::Pull(settings) => publish::pull(settings, env, &clock),
        PolicyCommand::Push(settings) => publish::push(settings, env, &clock),
        PolicyCommand::Diff(settings) => publish::diff(settings, env, &clock),
    }
}
