//! When a break-glass event counts: what the policy says of who may open one, why, for how long and how often.

use jiff::{SignedDuration, Timestamp};

use super::terms::{By, Window};
use crate::duration;
use crate::policy::document::{LONGEST_BREAK_GLASS, SHORTEST_WINDOW};
use crate::policy::{BreakGlass, Policy, ReasonCode};
use crate::store::Event;
use crate::store::record::EventStatus;

/// Clocks of hosts that share a store may differ by this much.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Whether this event may be opened beside those that the same user opened for the same profile before.
///
/// # Errors
/// Why not, for people.
pub fn may_open(event: &Event, others: &[Event], policy: &Policy) -> Result<(), String> {
    let rules = policy.breakglass().ok_or("the policy lets nobody break glass")?;
    if !rules.allows(&event.invoker, &event.profile) {
        return Err(format!("the policy does not let {} break glass for profile `{}`", event.invoker, event.profile));
    }
    let code = ReasonCode::of(&event.reason_code).filter(|code| rules.reason_codes.contains(code));
    if code.is_none() {
        let codes: Vec<&str> = rules.reason_codes.iter().map(|code| code.as_str()).collect();
        let given = event.reason_code.escape_debug();
        return Err(format!("the policy takes {} as a reason, and not `{given}`", codes.join(", ")));
    }
    let longest = rules.max_duration.min(LONGEST_BREAK_GLASS);
    if event.duration < SHORTEST_WINDOW || event.duration > longest {
        let (given, shortest) = (duration::text(event.duration), duration::text(SHORTEST_WINDOW));
        return Err(format!("a duration of {given} is not between {shortest} and {}", duration::text(longest)));
    }
    let earlier = || {
        let same = |other: &&Event| {
            other.id != event.id
                && other.invoker == event.invoker
                && other.profile == event.profile
                && (other.created_at, &other.id) < (event.created_at, &event.id)
        };
        others.iter().filter(same)
    };
    check_cooldown(event, earlier(), rules)?;
    let since = signed(rules.quota_period);
    let recent = earlier().filter(|other| event.created_at.duration_since(other.created_at) < since).count();
    if recent >= usize::try_from(rules.quota_events).unwrap_or(usize::MAX) {
        let period = duration::text(rules.quota_period);
        return Err(format!("glass was broken {recent} times within {period}, and the policy allows no more"));
    }
    Ok(())
}

fn check_cooldown<'a>(
    event: &Event,
    mut earlier: impl Iterator<Item = &'a Event>,
    rules: &BreakGlass,
) -> Result<(), String> {
    let cooldown = signed(rules.cooldown);
    let blocking = earlier.find(|other| event.created_at.duration_since(ended_at(other)) < cooldown);
    match blocking {
        None => Ok(()),
        Some(other) if ended_at(other) > event.created_at => Err(format!("event {} is still open", other.id)),
        Some(other) => {
            let rest = duration::text(rules.cooldown);
            Err(format!("event {} ended less than {rest} before, which is the policy's cooldown", other.id))
        }
    }
}

/// When an event's window ended, or will.
fn ended_at(event: &Event) -> Timestamp {
    match event.status {
        EventStatus::Active | EventStatus::Expired => event.expires_at,
        EventStatus::Closed => event.updated_at.min(event.expires_at),
    }
}

/// Whether this event lets `user` have `profile` now.
///
/// # Errors
/// Why not, for people.
pub fn judge(
    event: &Event,
    others: &[Event],
    policy: &Policy,
    user: &str,
    profile: &str,
    now: Timestamp,
) -> Result<Window, String> {
    if event.invoker != user || event.profile != profile {
        return Err("it is another user's, or of another profile".to_owned());
    }
    if event.status != EventStatus::Active {
        return Err(format!("it is {}", event.status.as_str()));
    }
    if event.expires_at <= now {
        return Err("its window has ended".to_owned());
    }
    if event.created_at.duration_since(now) > SKEW {
        return Err("it was opened in the future".to_owned());
    }
    if event.expires_at.duration_since(event.created_at) > signed(event.duration) {
        return Err("its window is longer than it says".to_owned());
    }
    may_open(event, others, policy)?;
    Ok(Window { by: By::BreakGlass, id: event.id.as_str().into(), ends: event.expires_at })
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn time(text: &str) -> Timestamp {
        format!("2026-03-02T{text}Z").parse().expect("a time")
    }

    fn event(id: &str, created_at: &str) -> Event {
        let created_at = time(created_at);
        Event {
            id: id.to_owned(),
            invoker: "alice".to_owned(),
            profile: "prod".to_owned(),
            reason_code: "incident".to_owned(),
            justification: "everything is on fire here".to_owned(),
            duration: Duration::from_secs(900),
            status: EventStatus::Active,
            created_at,
            updated_at: created_at,
            expires_at: created_at + SignedDuration::from_mins(15),
            closed_by: None,
            closed_reason: None,
            request_id: None,
            version: 1,
        }
    }

    fn opened(earlier: &Event, created_at: &str) -> Result<(), String> {
        let policy = r#"{"version": "1", "breakglass": {"cooldown": "1h", "quota": {"events": 9, "period": "24h"}},
            "rules": [{"name": "a", "effect": "deny"}]}"#;
        may_open(
            &event("00000000000000e2", created_at),
            std::slice::from_ref(earlier),
            &Policy::parse(policy).expect("a policy"),
        )
    }

    #[test]
    fn a_cooldown_is_over_when_it_says() {
        let earlier = event("00000000000000e1", "12:00:00");
        let early = "event 00000000000000e1 ended less than 1h before, which is the policy's cooldown";
        assert_eq!(opened(&earlier, "12:14:59"), Err("event 00000000000000e1 is still open".to_owned()));
        assert_eq!(opened(&earlier, "13:14:59.999"), Err(early.to_owned()));
        assert_eq!(opened(&earlier, "13:15:00"), Ok(()));
    }

    #[test]
    fn what_was_written_to_an_event_after_its_end_moves_no_cooldown() {
        let earlier = event("00000000000000e1", "12:00:00");
        let closed = |at| Event { status: EventStatus::Closed, updated_at: time(at), ..earlier.clone() };
        assert_eq!(opened(&closed("12:05:00"), "13:05:00"), Ok(()));
        assert_eq!(opened(&closed("13:10:00"), "13:15:00"), Ok(()));
    }
}
