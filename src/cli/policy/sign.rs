//! `sentinel policy sign` and `sentinel policy keygen`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::document::{file, put, say};
use crate::cli::keys;
use crate::cli::settings::{Keygen, NotAfter, Sign};
use crate::clock::{Clock, rfc3339_s};
use crate::error::{Error, Result};
use crate::policy::envelope::{Scope, Terms, seal};

/// Prints the policy in a signed envelope. What no host would obey is not signed.
pub(super) fn sign(settings: &Sign, clock: &Arc<dyn Clock>) -> Result<u8> {
    let Sign { file: path, key, scope, serial, not_after, out } = settings;
    let now = clock.wall();
    let not_after = match not_after {
        NotAfter::At(time) => Ok(*time),
        NotAfter::In(length) => {
            SignedDuration::try_from(*length).map_err(drop).and_then(|length| now.checked_add(length).map_err(drop))
        }
    };
    // Whole seconds, as envelopes write them.
    let not_after = not_after.ok().and_then(|time| Timestamp::from_second(time.as_second()).ok());
    let not_after = not_after.ok_or_else(|| Error::usage("--not-after is after all times"))?;
    if not_after <= now {
        return Err(Error::usage(format!("--not-after {} is in the past", rfc3339_s(not_after))));
    }
    let found = file(path, None, clock.as_ref())?;
    for warning in found.checked.policy.warnings() {
        say(&format!("the policy {}: {warning}", found.name));
    }
    let key = keys::private(key)?;
    let terms = Terms { scope: Scope::parse(scope)?, serial: *serial, not_after };
    let envelope = seal(&found.checked.document, &terms, &key)?;
    put(&format!("{envelope}\n"), out.as_deref())
}

/// Makes a key: the private part goes to a file, the public one to stdout.
pub(super) fn keygen(settings: &Keygen) -> Result<u8> {
    let key = keys::make(&settings.out)?;
    crate::cli::print(&format!("{key}\n"))
}
