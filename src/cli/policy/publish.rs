//! `sentinel policy pull`, `push` and `diff`: a policy in SSM Parameter Store.

use std::sync::Arc;

use super::document::{self, Found, put, say, show, signed};
use super::unified;
use crate::aws::ssm::{ADVANCED_MAX_BYTES, By, STANDARD_MAX_BYTES};
use crate::cli::policy_source::pin;
use crate::cli::settings::{Diff, Pull, Push};
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::read::limit_bytes;

/// How a new parameter is stored: a policy is no secret, and who may change it is IAM's matter, or a signature's.
const PLAIN: &str = "String";

/// Prints the document, once it was checked.
pub(super) fn pull(settings: &Pull, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let found = document::of(&settings.source, settings.state_dir.as_deref(), env, clock)?;
    if let Some(parameter) = &found.parameter {
        say(&format!("{} is at version {}{}", found.name, parameter.version, signed(&found.checked)));
    }
    put(&found.checked.document, settings.out.as_deref())
}

/// Puts a file into the parameter, once it was checked, and shows what changes.
pub(super) fn push(settings: &Push, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let pin = pin(&settings.source)?;
    let ours = document::file(&settings.file, pin.as_ref(), clock.as_ref())?;
    let bytes = document::bytes(&settings.file, limit_bytes(pin.as_ref()))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::new(format!("the policy {} is not UTF-8", ours.name)))?;
    check_size(&ours.name, text.len())?;

    let remote = document::remote(&settings.source, env, clock)?;
    let name = remote.name();
    let there = match remote.get() {
        Ok(parameter) => Some(parameter),
        Err(refused) if refused.by == By::Absence => None,
        Err(refused) => return Err(refused.error),
    };
    let version = there.as_ref().map_or(0, |parameter| parameter.version);
    if let Some(expected) = settings.expect_version.filter(|expected| *expected != version) {
        return Err(Error::new(format!("{name} is at version {version}, and {expected} was expected"))
            .hint("somebody else has pushed meanwhile: `sentinel policy diff` shows what"));
    }
    if there.as_ref().is_some_and(|parameter| parameter.value == text) {
        return crate::cli::print(&format!("{name} is at version {version}, and holds this already\n"));
    }
    let kind = there.as_ref().map_or_else(|| PLAIN.to_owned(), |parameter| parameter.kind.clone());
    let old = match there.map(|parameter| document::stored(name.clone(), parameter, pin.as_ref(), clock.as_ref())) {
        // What is there is replaced, and need not be good.
        Some(Err(error)) => {
            say(&error.summary());
            None
        }
        Some(Ok(found)) => Some(found),
        None => None,
    };
    if let Some(old) = &old {
        refuse_rollback(old, &ours)?;
    }
    let before = old.as_ref().map(shown).unwrap_or_default();
    show(&unified::diff(&name, &before, &ours.name, &shown(&ours)));
    let written = remote.put(&text, &kind).map_err(|refused| refused.error)?;
    if written != version.saturating_add(1) {
        say(&format!("somebody else has pushed between version {version} and {written}: look at what was there"));
    }
    crate::cli::print(&format!("{name} is at version {written}\n"))
}

/// Shows how a file differs from the parameter, or two files from each other. 0: not at all.
pub(super) fn diff(settings: &Diff, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let pin = pin(&settings.source)?;
    let file = |path| document::draft(path, pin.as_ref(), clock.as_ref());
    let (old, new) = match settings.files.as_slice() {
        [new] => (document::whatever(&settings.source, pin.as_ref(), env, clock)?, file(new)?),
        [old, new] => (file(old)?, file(new)?),
        _ => return Err(Error::usage("one file is compared with a parameter, or two with each other")),
    };
    let text = unified::diff(&old.name, &shown(&old), &new.name, &shown(&new));
    crate::cli::print(&text)?;
    Ok(u8::from(!text.is_empty()))
}

/// A document as it is compared: with a line about its signature.
fn shown(found: &Found) -> String {
    match signed(&found.checked).strip_prefix(", ") {
        None => found.checked.document.clone(),
        Some(signed) => format!("{signed}\n{}", found.checked.document),
    }
}

/// Every host that has obeyed the newer one would refuse everything.
fn refuse_rollback(old: &Found, new: &Found) -> Result<()> {
    let (Some((old, old_digest)), Some((new, new_digest))) = (&old.checked.signed, &new.checked.signed) else {
        return Ok(());
    };
    if new.serial > old.serial || new.serial == old.serial && new_digest == old_digest {
        return Ok(());
    }
    Err(Error::new(format!("the serial {} does not come after {}, which the parameter has", new.serial, old.serial))
        .hint("hosts refuse an older policy, and then everything: sign it anew, with a higher --serial"))
}

fn check_size(name: &str, length_bytes: usize) -> Result<()> {
    if length_bytes > ADVANCED_MAX_BYTES {
        return Err(Error::new(format!(
            "the policy {name} has {length_bytes} bytes, and a parameter holds {ADVANCED_MAX_BYTES}"
        ))
        .hint("leave out what makes it readable, or keep it in a file"));
    }
    if length_bytes > STANDARD_MAX_BYTES {
        say(&format!(
            "the policy has {length_bytes} bytes: over {STANDARD_MAX_BYTES}, it needs the advanced tier, which AWS charges for"
        ));
    }
    Ok(())
}
