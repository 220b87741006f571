//! What the commands about records share: finding one, changing one, and listing some.

pub(super) mod show;
#[cfg(test)]
pub(super) mod world;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::store::record::{Value, is_id};
use crate::store::{Engine, Failed, Index, Item, Kind, Record};

/// How often a record is read again because somebody else wrote it first.
const ATTEMPTS: usize = 5;
/// The most records that are looked through for those that are wanted.
const LOOKED_THROUGH: usize = 10_000;

/// Which records are listed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Those of this user.
    pub(super) user: Option<&'a str>,
    /// Those for this profile.
    pub(super) profile: Option<&'a str>,
    /// Those with this status, as [`Shown::status`] says it.
    pub(super) status: Option<&'a str>,
    /// At most so many.
    pub(super) limit: usize,
}

/// What was found.
pub(super) struct Found<R> {
    /// Newest first.
    pub(super) records: Vec<(R, Item)>,
    /// What could not be read, or not be looked through.
    pub(super) flaws: Vec<Error>,
}

/// A record that people look at.
pub(super) trait Shown: Record {
    /// The field that names whose it is.
    const OWNER: &'static str;

    /// Whose it is.
    fn owner(&self) -> &str;

    /// The profile that it is about.
    fn profile(&self) -> &str;

    /// The status that it has now: what ended by itself is not written down as ended.
    fn status(&self, now: Timestamp) -> &'static str;
}

/// The record of this id, and its fields.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) fn find<R: Record>(engine: &dyn Engine, id: &str) -> Result<(R, Item)> {
    let (kind, place) = (R::KIND, engine.place(R::KIND));
    if !is_id(id) {
        return Err(Error::usage(format!("`{}` is not the id of a {}", show::escaped(id), kind.noun()))
            .hint("an id has 16 hex digits"));
    }
    let item = engine.get(kind, id).map_err(Failed::into_error)?.ok_or_else(|| {
        Error::new(format!("there is no {} {id} in {place}", kind.noun())).hint(format!(
            "`sentinel {} list` names those that are there; they are looked for where {} says",
            word(kind),
            flag(kind)
        ))
    })?;
    let record = read(&item).map_err(|error| error.within(&format!("{} {id} in {place}", kind.noun())))?;
    Ok((record, item))
}

/// Writes what `decide` makes of a record, and asks it again where somebody else wrote first.
///
/// # Errors
/// What `decide` says, and what the store does.
pub(super) fn change<R: Record>(engine: &dyn Engine, id: &str, mut decide: impl FnMut(&R) -> Result<R>) -> Result<R> {
    for _ in 0..ATTEMPTS {
        let (record, item) = find::<R>(engine, id)?;
        let next = decide(&record)?;
        let mut written = next.to_item();
        written.0.insert("version".to_owned(), Value::Number(item.version().saturating_add(1)));
        match engine.replace(R::KIND, &written) {
            Ok(()) => return Ok(next),
            Err(Failed::Conflict) => {}
            Err(Failed::Error(error)) => return Err(error),
        }
    }
    let (noun, place) = (R::KIND.noun(), engine.place(R::KIND));
    Err(Error::new(format!("others keep writing {noun} {id} in {place}: it was not changed")).hint("try again"))
}

/// The records that are wanted.
///
/// # Errors
/// When the store does not answer.
pub(super) fn list<R: Shown>(engine: &dyn Engine, wanted: &Wanted<'_>, now: Timestamp) -> Result<Found<R>> {
    let by_user = wanted.user.map(|value| Index { field: R::OWNER, value });
    let index = by_user.or(wanted.profile.map(|value| Index { field: "profile", value }));
    // With one filter the index is all there is to it; others choose among what it leads to.
    let is_exact = wanted.status.is_none() && (wanted.user.is_none() || wanted.profile.is_none());
    let looked_through = if is_exact { wanted.limit } else { LOOKED_THROUGH.max(wanted.limit) };
    let listing = engine.list(R::KIND, index, looked_through).map_err(Failed::into_error)?;
    let mut found = Found { records: Vec::new(), flaws: listing.flaws };
    if !is_exact && listing.items.len() >= looked_through {
        let place = engine.place(R::KIND);
        found
            .flaws
            .push(Error::new(format!("only the newest {looked_through} records of {place} were looked through")));
    }
    for item in listing.items {
        match read::<R>(&item) {
            Ok(record) => found.records.push((record, item)),
            Err(error) => {
                let id = show::escaped(item.text("id").unwrap_or("without an id"));
                let place = engine.place(R::KIND);
                found.flaws.push(error.within(&format!("{} {id} in {place}", R::KIND.noun())));
            }
        }
    }
    found.records.retain(|(record, _)| {
        wanted.user.is_none_or(|user| record.owner() == user)
            && wanted.profile.is_none_or(|profile| record.profile() == profile)
            && wanted.status.is_none_or(|status| record.status(now) == status)
    });
    found.records.truncate(wanted.limit);
    Ok(found)
}

/// A time as records keep it: in whole milliseconds.
pub(super) fn in_ms(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// The end of a window that begins now.
pub(super) fn after(now: Timestamp, length: std::time::Duration) -> Timestamp {
    jiff::SignedDuration::try_from(length)
        .ok()
        .and_then(|length| now.checked_add(length).ok())
        .unwrap_or(Timestamp::MAX)
}

fn read<R: Record>(item: &Item) -> Result<R> {
    R::of_item(item)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => "session",
        Kind::Request => "request",
        Kind::Event => "breakglass",
    }
}

fn flag(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => "--session-table, or else --state-dir,",
        Kind::Request => "--request-table, or else --state-dir,",
        Kind::Event => "--breakglass-table, or else --state-dir,",
    }
}

#[cfg(test)]
mod tests;
