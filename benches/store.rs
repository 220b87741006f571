//! Listing 100 000 session records of a directory: what a person waits for who asks for the newest of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};
use sentinel::store::record::SessionStatus;
use sentinel::store::{Engine, Index, Kind, Local, Record, Session};

use crate::report::{Report, Wanted};
use crate::stats::Spread;
use crate::{Failure, Sandbox};

const RECORDS: u64 = 100_000;
const USERS: u64 = 50;
const ROUNDS: usize = 5;
const SHOWN: usize = 100;

/// Measures it in a directory that is removed with the sandbox.
pub(crate) fn measure(sandbox: &Sandbox, report: &mut Report) -> Result<(), Failure> {
    let state = sandbox.path("store");
    let local = Local::open(&state)?;
    make(&state.join("sessions"))?;
    let by_user = Index { field: "user", value: "user-7" };
    for (what, index, found) in [("all", None, RECORDS), ("of one user", Some(by_user), RECORDS / USERS)] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let began = SystemClock.boot();
            let listing = local.list(Kind::Session, index, SHOWN).map_err(|_| "the listing failed")?;
            times.push(SystemClock.boot().saturating_sub(began).as_secs_f64());
            if listing.items.len() != SHOWN || !listing.flaws.is_empty() {
                return Err("the listing is not whole".into());
            }
        }
        let what = format!("the newest {SHOWN} of {found} sessions ({what}) among {RECORDS} files");
        report.row(what, Spread::of(times), Wanted::AtMost(2.0, "s"), String::new());
    }
    Ok(())
}

/// The files, as the engine would write them, but without a sync for each.
fn make(directory: &Path) -> Result<(), Failure> {
    for number in 0..RECORDS {
        let now = "2026-01-31T09:30:00Z".parse::<jiff::Timestamp>()? + Duration::from_secs(number);
        let session = Session {
            id: format!("{number:016x}"),
            user: format!("user-{}", number % USERS),
            profile: "prod".to_owned(),
            server_instance_id: format!("host-{number}"),
            status: SessionStatus::Active,
            started_at: now,
            last_access_at: now,
            expires_at: now + Duration::from_secs(900),
            request_count: 7,
            source_identity: Some("sentinel-alice-direct-01234567".to_owned()),
            device_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
            created_at: now,
            updated_at: now,
            revoked_by: None,
            revoked_reason: None,
            version: 3,
        };
        let path = directory.join(format!("{}.json", session.id));
        fs::write(&path, serde_json::to_vec(&session.to_item())?)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    }
    Ok(())
}
