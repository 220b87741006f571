//! From settings to stores: the state directory, or tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reach::{Overrides, Reach};
use super::settings;
use crate::aws::dynamodb;
use crate::aws::endpoint::Service;
use crate::clock::Clock;
use crate::error::Result;
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
    match settings.table(kind) {
        None => Ok(Arc::new(Local::open(&state_directory()?)?)),
        Some(_) => in_tables(settings, &reach()?, clock),
    }
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
    trusted::private_directory("the state directory", state_directory)?;
    let local: Arc<dyn Engine> = Arc::new(Local::open(state_directory)?);
    let Some(reach) = reach else { return Ok(local) };
    let tables = in_tables(settings, reach, clock)?;
    let of = |kind| Arc::clone(if settings.table(kind).is_some() { &tables } else { &local });
    Ok(Arc::new(Split { sessions: of(Kind::Session), requests: of(Kind::Request), events: of(Kind::Event) }))
}

fn in_tables(settings: &settings::Stores, reach: &Reach, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    // What records say is believed, so that it is AWS's own endpoint that says it, or a person's test on loopback.
    let endpoint = reach.endpoint(Service::DynamoDb, Overrides::OnLoopback)?;
    let api = dynamodb::DynamoDb::new(endpoint, reach.keys(), Arc::clone(clock), reach.network())?;
    let table = |kind| settings.table(kind).map(str::to_owned);
    let tables = Tables { sessions: table(Kind::Session), requests: table(Kind::Request), events: table(Kind::Event) };
    Ok(Arc::new(DynamoDb::new(api, tables, Arc::clone(clock))?))
}
