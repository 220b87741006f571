//! The policies that these commands read and write. They are looked at and not obeyed, so that who may write a file does not
//! matter here, and nothing is remembered of what they say.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::aws::ssm::Parameter;
use crate::cli::policy_source::{Remote, pin};
use crate::cli::prepare::state_directory;
use crate::cli::reach::Reach;
use crate::cli::settings::{PolicyPlace, PolicySource};
use crate::clock::{Clock, rfc3339_s};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::envelope::{Pin, Terms, is_sealed};
use crate::policy::read::{Checked, check, limit_bytes};

/// A policy that was read, and where it is from.
pub(super) struct Found {
    /// The path, or `ssm:/name`.
    pub(super) name: String,
    pub(super) checked: Checked,
    /// What the parameter holds, where it is one.
    pub(super) parameter: Option<Parameter>,
}

/// The policy that the settings name. One that is older than what this host has obeyed is an error.
pub(super) fn of(source: &PolicySource, state_dir: Option<&Path>, env: &Env, clock: &Arc<dyn Clock>) -> Result<Found> {
    let pin = pin(source)?;
    let found = whatever(source, pin.as_ref(), env, clock)?;
    check_newest(&found, pin.as_ref(), state_dir, env)?;
    Ok(found)
}

/// Whether this host has obeyed no newer one.
pub(super) fn check_newest(found: &Found, pin: Option<&Pin>, state_dir: Option<&Path>, env: &Env) -> Result<()> {
    let Some(pin) = pin else { return Ok(()) };
    found.checked.check_newest(&found.name, pin, &state_directory(state_dir, env)?)
}

/// The policy that the settings name, however old: to be looked at.
pub(super) fn whatever(source: &PolicySource, pin: Option<&Pin>, env: &Env, clock: &Arc<dyn Clock>) -> Result<Found> {
    match &source.place {
        Some(PolicyPlace::File(path)) => file(path, pin, clock.as_ref()),
        Some(PolicyPlace::Parameter(_)) => {
            let remote = remote(source, env, clock)?;
            let parameter = remote.get().map_err(|refused| refused.error)?;
            stored(remote.name(), parameter, pin, clock.as_ref())
        }
        None => Err(Error::usage("no policy is named").hint("name its file, or --policy-parameter NAME")),
    }
}

/// The policy in this file.
pub(super) fn file(path: &Path, pin: Option<&Pin>, clock: &dyn Clock) -> Result<Found> {
    let name = path.display().to_string();
    let checked = check(&name, bytes(path, limit_bytes(pin))?, pin, clock.wall())?;
    Ok(Found { name, checked, parameter: None })
}

/// The same where it may not be signed yet.
pub(super) fn draft(path: &Path, pin: Option<&Pin>, clock: &dyn Clock) -> Result<Found> {
    let name = path.display().to_string();
    let bytes = bytes(path, limit_bytes(pin))?;
    let is_sealed = std::str::from_utf8(&bytes).is_ok_and(is_sealed);
    let checked = check(&name, bytes, pin.filter(|_| is_sealed), clock.wall())?;
    Ok(Found { name, checked, parameter: None })
}

/// The policy in what a parameter holds.
pub(super) fn stored(name: String, parameter: Parameter, pin: Option<&Pin>, clock: &dyn Clock) -> Result<Found> {
    let checked = check(&name, parameter.value.clone().into_bytes(), pin, clock.wall())?;
    Ok(Found { name, checked, parameter: Some(parameter) })
}

/// The way to the parameter that the settings name.
pub(super) fn remote(source: &PolicySource, env: &Env, clock: &Arc<dyn Clock>) -> Result<Remote> {
    match &source.place {
        Some(PolicyPlace::Parameter(name)) => {
            Remote::new(name, &Reach::of(&source.access, env, clock)?, source.key.is_some(), clock)
        }
        _ => Err(Error::usage("no parameter is named").hint("`--policy-parameter NAME`")),
    }
}

/// What a file holds, if it is not too much.
pub(super) fn bytes(path: &Path, limit_bytes: usize) -> Result<Vec<u8>> {
    let name = path.display();
    let cannot = |error: io::Error| Error::new(format!("cannot read the policy {name}")).because(error);
    // One byte more than is taken, so that what is too long is seen to be.
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    Ok(bytes)
}

/// Writes a result: to stdout, or to a file that is there whole or not at all.
pub(super) fn put(text: &str, out: Option<&Path>) -> Result<u8> {
    let Some(path) = out else { return crate::cli::print(text) };
    let cannot = |error: io::Error| Error::new(format!("cannot write {}", path.display())).because(error);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        // What was written in part helps nobody.
        drop(fs::remove_file(&temporary));
        cannot(error)
    })?;
    Ok(0)
}

/// `, signed for the scope ...`, or nothing.
pub(super) fn signed(checked: &Checked) -> String {
    let terms = |Terms { scope, serial, not_after }: &Terms| {
        format!(", signed for the scope `{scope}`, serial {serial}, until {}", rfc3339_s(*not_after))
    };
    checked.signed.as_ref().map(|(signed, _)| terms(signed)).unwrap_or_default()
}

/// Says something to the person, beside the result.
pub(super) fn say(line: &str) {
    show(&format!("sentinel: {line}\n"));
}

/// Shows something, beside the result.
pub(super) fn show(text: &str) {
    // Nobody is left to tell if stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}
