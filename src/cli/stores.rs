//! From settings to stores: the state directory, or tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reach::{Overrides, Reach};
use super::settings;
use crate::aws::dynamodb;
use crate::aws::endpoint::Service;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::store::{DynamoDb, Engine, Kind, Local, Split, Tables};
use crate::trusted;

/// Where records of this kind are. `reach` is asked for where that is a table, and the state directory where it is not.
///
/// # Errors
/// There is no way to AWS, or the directory cannot be used. Nothing is asked of AWS yet.
pub(super) fn engine(
    settings: &settings::Stores,
    kind: Kind,
    reach: impl FnOnce() -> Result<Reach>,
    state_directory: impl FnOnce() -> Result<PathBuf>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Engine>> {
    let table = match kind {
        Kind::Session => &settings.session_table,
        Kind::Request => &settings.request_table,
        Kind::Event => &settings.breakglass_table,
    };
    if table.is_none() {
        return Ok(Arc::new(Local::open(&state_directory()?)?));
    }
    let reach = reach()?;
    // What records say is believed, so that it is AWS's own endpoint that says it, or a person's test on loopback.
    let endpoint = reach.endpoint(Service::DynamoDb, Overrides::OnLoopback)?;
    let api = dynamodb::DynamoDb::new(endpoint, reach.keys(), Arc::clone(clock), reach.network())?;
    let tables = Tables {
        sessions: settings.session_table.clone(),
        requests: settings.request_table.clone(),
        events: settings.breakglass_table.clone(),
    };
    Ok(Arc::new(DynamoDb::new(api, tables, Arc::clone(clock))?))
}

/// Where records of every kind are. `reach` is there where some are in tables.
///
/// # Errors
/// As [`engine`].
pub(super) fn all(
    settings: &settings::Stores,
    reach: Option<&Reach>,
    state_directory: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Engine>> {
    let reach = || reach.cloned().ok_or_else(|| Error::new("there is no way to the tables"));
    let directory = || {
        trusted::private_directory("the state directory", state_directory)?;
        Ok(state_directory.to_owned())
    };
    let of = |kind| engine(settings, kind, reach, directory, clock);
    Ok(Arc::new(Split { sessions: of(Kind::Session)?, requests: of(Kind::Request)?, events: of(Kind::Event)? }))
}
