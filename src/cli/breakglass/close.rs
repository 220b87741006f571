//! `breakglass close`: ends an emergency before its time.

use std::time::Duration;

use jiff::Timestamp;

use crate::cli::person::Person;
use crate::cli::records::{change, in_ms, show::escaped};
use crate::clock::rfc3339_s;
use crate::error::{Error, Result};
use crate::store::record::EventStatus;
use crate::store::{Engine, Event};

/// Closes an event that is open. Anybody may who can write to the store.
///
/// # Errors
/// When it has ended.
pub(super) fn close(engine: &dyn Engine, id: &str, by: &Person, reason: Option<&str>, now: Timestamp) -> Result<Event> {
    let now = in_ms(now);
    change(engine, id, |event: &Event| {
        let ended = rfc3339_s(event.expires_at);
        match event.status {
            EventStatus::Active if event.expires_at > now => {}
            EventStatus::Active | EventStatus::Expired => {
                return Err(Error::new(format!("break-glass event {id} ended at {ended}")));
            }
            EventStatus::Closed => {
                let by = event.closed_by.as_deref().map(|by| format!(" by {}", escaped(by))).unwrap_or_default();
                let at = rfc3339_s(event.updated_at);
                return Err(Error::new(format!("break-glass event {id} was closed{by} at {at}")));
            }
        }
        Ok(closed(event, &by.user, reason, now))
    })
}

/// Closes an event that its own invoker may not keep.
pub(super) fn withdraw(engine: &dyn Engine, event: &Event, reason: &str) -> Result<()> {
    change(engine, &event.id, |event: &Event| Ok(closed(event, &event.invoker, Some(reason), event.created_at)))
        .map(drop)
}

/// What the decision log says.
pub(super) fn reason(event: &Event) -> String {
    let why = event.closed_reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("break-glass closed{why}")
}

/// How long the window was open.
pub(super) fn lasted(event: &Event) -> Duration {
    Duration::try_from(event.updated_at.duration_since(event.created_at)).unwrap_or_default()
}

fn closed(event: &Event, by: &str, reason: Option<&str>, now: Timestamp) -> Event {
    Event {
        status: EventStatus::Closed,
        closed_by: Some(by.to_owned()),
        closed_reason: reason.map(str::to_owned),
        updated_at: now,
        ..event.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::records::world::{Memory, at, person};
    use crate::store::Record;

    const ID: &str = "0123456789abcdef";

    fn event() -> Event {
        Event {
            id: ID.to_owned(),
            invoker: "alice".to_owned(),
            profile: "prod".to_owned(),
            reason_code: "incident".to_owned(),
            justification: "the database is down".to_owned(),
            duration: Duration::from_secs(3600),
            status: EventStatus::Active,
            created_at: at("10:00"),
            updated_at: at("10:00"),
            expires_at: at("11:00"),
            closed_by: None,
            closed_reason: None,
            request_id: None,
            version: 1,
        }
    }

    #[test]
    fn an_event_is_closed_once_by_anybody_by_name() {
        let store = Memory::with(&[&event()]);
        let closed = close(&store, ID, &person("bob"), Some("it is over"), at("10:20")).expect("closed");
        assert_eq!(
            (lasted(&closed), reason(&closed).as_str()),
            (Duration::from_secs(1200), "break-glass closed: it is over")
        );
        let found: Event = store.read(ID);
        assert_eq!((found.status, found.closed_by.as_deref(), found.version), (EventStatus::Closed, Some("bob"), 2));
        let error = close(&store, ID, &person("alice"), None, at("10:21")).expect_err("it is closed");
        assert_eq!(error.to_string(), format!("break-glass event {ID} was closed by bob at 2026-03-04T10:20:00Z"));
    }

    #[test]
    fn an_event_whose_window_is_over_has_ended() {
        let store = Memory::with(&[&event()]);
        let error = close(&store, ID, &person("alice"), None, at("11:00")).expect_err("it has ended");
        assert_eq!(error.to_string(), format!("break-glass event {ID} ended at 2026-03-04T11:00:00Z"));
        assert_eq!(store.read::<Event>(ID).status, EventStatus::Active);
        assert_eq!(store.read::<Event>(ID).to_item(), event().to_item());
    }
}
