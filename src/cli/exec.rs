//! `sentinel exec`: runs a program with credentials.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::exec_server::serve;
use super::prepare::{DEFAULT_DURATION, Purpose, prepare};
use super::settings;
use super::wait::vend;
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::launch::environment::{ChildMode, child_environment, refuse_nesting};
use crate::policy::Mode;
use crate::sys::process::refuse_inspection;

/// Runs the child and returns its exit status; in environment mode this process becomes the child.
///
/// # Errors
/// When there are no credentials to give, or the child cannot be started.
pub(super) fn run(settings: &settings::Exec, env: &Env) -> Result<u8> {
    refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    if !settings.nested {
        refuse_nesting(env)?;
    }
    match &settings.server {
        Some(server) => serve(settings, server, env),
        None => become_child(settings, env),
    }
}

fn become_child(settings: &settings::Exec, env: &Env) -> Result<u8> {
    let purpose = Purpose {
        profile: None,
        deployment: Deployment::OF_A_RUN,
        mode: Mode::Cli,
        served: false,
        attended: true,
        duration: settings.common.duration,
        default_duration: DEFAULT_DURATION,
    };
    let prepared = prepare(&settings.common, env, &purpose)?;
    let vended = vend(&prepared.vendor, settings.wait, prepared.stores.as_ref(), prepared.clock.as_ref())?;
    let keys = vended.credentials.keys();
    let mode = ChildMode::Keys {
        access_key_id: &keys.access_key_id,
        secret: &keys.secret_access_key,
        token: keys.session_token.as_ref(),
        expiration: vended.credentials.expiration(),
    };
    let child = child_environment(env, &mode, &prepared.profile.facts());
    // After this there is nobody to do it.
    prepared.vendor.close_log();
    let mut command = Command::new(&settings.program);
    command.args(&settings.arguments).env_clear().envs(child.iter());
    let error = command.exec();
    Err(cannot_start(&settings.program, &error))
}

/// Why a program was not started, with the exit status that shells give for it.
pub(super) fn cannot_start(program: &std::ffi::OsStr, error: &std::io::Error) -> Error {
    let name = program.display();
    let cause = std::io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EINVAL));
    match error.raw_os_error() {
        Some(libc::ENOENT) => Error::of(Kind::NotFound, format!("there is no program `{name}`"))
            .because(cause)
            .hint("check the name, and PATH"),
        _ => Error::of(Kind::CannotExecute, format!("cannot execute `{name}`"))
            .because(cause)
            .hint("check that it is a program, and that you may execute it"),
    }
}
