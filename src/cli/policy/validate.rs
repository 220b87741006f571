//! `sentinel policy validate`: is it a policy, and is it what was meant?

use std::sync::Arc;

use super::document::{self, Found, say, signed};
use crate::cli::policy_source::pin;
use crate::cli::settings::Validate;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::Result;

/// 0 where all are valid; with `--strict` where there is no warning, either.
pub(super) fn validate(settings: &Validate, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let Validate { files, source, state_dir, strict } = settings;
    let (pin, state_dir) = (pin(source)?, state_dir.as_deref());
    let file = |path| {
        let found = document::file(path, pin.as_ref(), clock.as_ref())?;
        document::check_newest(&found, pin.as_ref(), state_dir, env)?;
        Ok(found)
    };
    let found: Vec<Result<Found>> = match files.as_slice() {
        [] => vec![document::of(source, state_dir, env, clock)],
        files => files.iter().map(|path| file(path)).collect(),
    };
    let mut is_good = true;
    for one in found {
        match one {
            Ok(found) => {
                let warnings = found.checked.policy.warnings();
                for warning in &warnings {
                    say(&format!("the policy {}: {warning}", found.name));
                }
                is_good &= warnings.is_empty() || !strict;
                crate::cli::print(&summary(&found, warnings.len()))?;
            }
            // All of them are wanted, and not only the first.
            Err(error) => {
                say(&error.to_string());
                is_good = false;
            }
        }
    }
    Ok(u8::from(!is_good))
}

fn summary(Found { name, checked, .. }: &Found, warnings: usize) -> String {
    let warnings = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    format!("{name}: valid{}{warnings}\n", signed(checked))
}
