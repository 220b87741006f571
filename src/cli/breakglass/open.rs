//! `breakglass open`: one event at a time, also where many are opened at once.
//!
//! An event's id is made of its user, its profile and the id of the event before it. Whoever opens one at the same time, or looks
//! at a listing that lags behind, makes the same id, and the store takes an id once: so nobody passes the cooldown or the quota
//! without having seen every event that counts. The broker judges each event by the same rules once more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::broker::break_glass;
use crate::cli::breakglass::close::withdraw;
use crate::cli::person::Person;
use crate::cli::records::{after, find, in_ms, show::escaped};
use crate::digest::{hex, sha256};
use crate::error::{Error, Result};
use crate::policy::{Effect, Policy, ReasonCode};
use crate::store::record::EventStatus;
use crate::store::{Engine, Event, Failed, Index, Record};

/// How long a justification is, in characters.
const JUSTIFICATION: std::ops::RangeInclusive<usize> = 20..=1000;
/// Events of a user that are looked at: as many as the broker looks at.
const EVENTS: usize = 200;
/// How often somebody else may be faster.
const ATTEMPTS: usize = 5;
/// The hex digits of an id.
const ID_DIGITS: usize = 16;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) profile: &'a str,
    pub(super) reason_code: ReasonCode,
    pub(super) justification: &'a str,
    pub(super) duration: Duration,
}

/// Opens an event, if the policy allows it. `record` writes a decision about it down.
///
/// # Errors
/// Why not. A refusal by the policy is on record as well.
pub(super) fn open(
    engine: &dyn Engine,
    policy: &Policy,
    invoker: &Person,
    asked: &Asked<'_>,
    now: Timestamp,
    record: &dyn Fn(Effect, &Event, &str) -> Result<()>,
) -> Result<Event> {
    let length = asked.justification.chars().count();
    if !JUSTIFICATION.contains(&length) {
        return Err(Error::usage(format!("the justification has {length} characters, and 20 to 1000 are wanted"))
            .hint("say what happened and what has to be done: it will be read"));
    }
    check_account(policy, invoker)?;
    let mut events = listed(engine, &invoker.user)?;
    for _ in 0..ATTEMPTS {
        let event = next(invoker, asked, &events, in_ms(now));
        if let Err(why) = break_glass::may_open(&event, &events, policy) {
            record(Effect::Deny, &event, &format!("break-glass refused: {why}"))?;
            return Err(refused(&why));
        }
        // First, so that what cannot be put on record does not happen, and takes no place in the quota.
        record(Effect::Allow, &event, &format!("break-glass opened: {}: {}", event.reason_code, event.justification))?;
        match engine.insert(Event::KIND, &event.to_item()) {
            Ok(()) => return confirm(engine, policy, event, record),
            Err(Failed::Error(error)) => {
                record(Effect::Deny, &event, &format!("break-glass not opened: {}", error.summary()))?;
                return Err(error);
            }
            // Somebody opened the event that follows the newest one that was seen here.
            Err(Failed::Conflict) => {
                record(Effect::Deny, &event, "break-glass not opened: another was opened at the same time")?;
                events.push(find::<Event>(engine, &event.id)?.0);
            }
        }
    }
    Err(Error::new(format!("others keep breaking glass for profile `{}` as {}", asked.profile, invoker.user))
        .hint("`sentinel breakglass list` shows what is open"))
}

/// Looks at the event once more, beside all that are there now.
fn confirm(
    engine: &dyn Engine,
    policy: &Policy,
    event: Event,
    record: &dyn Fn(Effect, &Event, &str) -> Result<()>,
) -> Result<Event> {
    match break_glass::may_open(&event, &listed(engine, &event.invoker)?, policy) {
        Ok(()) => Ok(event),
        Err(why) => {
            record(Effect::Deny, &event, &format!("break-glass withdrawn: {why}"))?;
            withdraw(engine, &event, "another event was opened at the same time")?;
            Err(refused(&why))
        }
    }
}

fn refused(why: &str) -> Error {
    Error::new(format!("glass is not broken: {}", escaped(why))).hint(
        "the policy's `breakglass` says who may, why, for how long and how often; `sentinel breakglass list` shows earlier events",
    )
}

/// The event that follows those of the same user and profile.
fn next(invoker: &Person, asked: &Asked<'_>, events: &[Event], now: Timestamp) -> Event {
    let same = |event: &&Event| event.invoker == invoker.user && event.profile == asked.profile;
    let last = events.iter().filter(same).max_by(|one, other| order(one).cmp(&order(other)));
    // Another host's clock may be ahead: what follows comes later.
    let millisecond = SignedDuration::from_millis(1);
    let not_before = last.and_then(|last| last.created_at.checked_add(millisecond).ok());
    let created_at = not_before.map_or(now, |not_before| now.max(not_before));
    // Events are forgotten in the end. The day keeps a first one from having the id of one long ago.
    let seed = last.map_or_else(|| now.strftime("%Y-%m-%d").to_string(), |last| last.id.clone());
    let seed = format!("sentinel break-glass v1\n{}\n{}\n{seed}\n", invoker.user, asked.profile);
    let mut id = hex(&sha256(seed.as_bytes()));
    id.truncate(ID_DIGITS);
    Event {
        id,
        invoker: invoker.user.clone(),
        profile: asked.profile.to_owned(),
        reason_code: asked.reason_code.as_str().to_owned(),
        justification: asked.justification.to_owned(),
        duration: asked.duration,
        status: EventStatus::Active,
        created_at,
        updated_at: created_at,
        expires_at: after(created_at, asked.duration),
        closed_by: None,
        closed_reason: None,
        request_id: None,
        version: 1,
    }
}

fn order(event: &Event) -> (Timestamp, &str) {
    (event.created_at, &event.id)
}

fn listed(engine: &dyn Engine, user: &str) -> Result<Vec<Event>> {
    let index = Index { field: "invoker", value: user };
    let listing = engine.list(Event::KIND, Some(index), EVENTS).map_err(Failed::into_error)?;
    // One that cannot be read may be the one that forbids another.
    if let Some(flaw) = listing.flaws.into_iter().next() {
        return Err(flaw);
    }
    listing.items.iter().map(Event::of_item).collect()
}

/// Names count in the policy's accounts alone.
fn check_account(policy: &Policy, invoker: &Person) -> Result<()> {
    let Some(accounts) = policy.accounts() else { return Ok(()) };
    match &invoker.account {
        Some(account) if accounts.contains(account) => Ok(()),
        account => {
            let account = account.as_deref().unwrap_or("none");
            Err(Error::new(format!("your account is {account}, and the policy is for {}", accounts.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests;
