//! What a policy means, read from its JSON by the slowest and plainest code: nothing is shared with the broker or the policy.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::world::{SessionOf, World, digest_of};
use crate::broker::terms::By;
use crate::policy::Mode;
use crate::store::record::{EventStatus, RequestStatus};
use crate::store::{Event, Request};

/// A decision.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Allowed {
        rule: Option<usize>,
        window: Option<(By, String)>,
        most: Option<Duration>,
        narrowed_by: Option<String>,
    },
    Denied {
        rule: Option<usize>,
    },
    Unapproved {
        rule: Option<usize>,
    },
    Revoked,
    /// The session's state is not known.
    Unknown,
}

impl Wanted {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Allowed { window: None, .. } => "allowed",
            Self::Allowed { window: Some((By::Approval, _)), .. } => "allowed by approval",
            Self::Allowed { window: Some((By::BreakGlass, _)), .. } => "allowed by break-glass",
            Self::Denied { .. } => "denied",
            Self::Unapproved { .. } => "unapproved",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn decide(world: &World) -> Wanted {
    match world.session {
        SessionOf::Revoked => return Wanted::Revoked,
        SessionOf::Starting => return Wanted::Unknown,
        // Slow is not down: who says nothing may be about to say no.
        SessionOf::Live { age_s, .. } if age_s > if world.store_fails { 60 } else { 9 } => return Wanted::Unknown,
        _ => {}
    }
    let Some(document) = &world.document else {
        return Wanted::Allowed { rule: None, window: None, most: None, narrowed_by: None };
    };
    let user = world.user.as_deref().expect("a policy's user is asked for");
    if document.get("accounts").is_some_and(|accounts| !texts(accounts).contains(&world.account.as_str())) {
        return Wanted::Denied { rule: None };
    }
    let rules = document["rules"].as_array().expect("rules");
    let found = rules.iter().enumerate().find(|(_, rule)| matches(rule, user, world));
    let others = world.asked.filter(|_| world.asked != world.role_arn);
    let Some((index, rule)) = found else {
        return match glass(document, "deny", user, world).filter(|_| others.is_none()) {
            Some(event) => {
                let window = Some((By::BreakGlass, event.id.clone()));
                Wanted::Allowed { rule: None, window, most: None, narrowed_by: None }
            }
            None => Wanted::Denied { rule: None },
        };
    };
    let denied = Wanted::Denied { rule: Some(index) };
    let wanted = others.or(world.role_arn);
    let role_is_right = match rule.get("role_arns") {
        None => others.is_none(),
        Some(roles) => wanted.is_some_and(|role| texts(roles).contains(&role)),
    };
    let table_is_right = rule.get("session_table").is_none_or(
        |wanted| matches!(world.session, SessionOf::Live { table: Some(table), .. } if Some(table) == wanted.as_str()),
    );
    let allowed = |window| {
        if !role_is_right || !table_is_right {
            return Wanted::Denied { rule: Some(index) };
        }
        let most = rule.get("max_server_duration").and_then(Value::as_str);
        let narrowed_by = rule.get("session_policy").map(Value::to_string);
        Wanted::Allowed { rule: Some(index), window, most: most.map(seconds), narrowed_by }
    };
    if rule["effect"] != "deny" && !role_is_right {
        return denied;
    }
    let server = world.mode == Mode::Server;
    match rule["effect"].as_str().expect("an effect") {
        "allow" => allowed(None),
        "require_server" if server => allowed(None),
        "require_server_session" if server && matches!(world.session, SessionOf::Live { .. }) => allowed(None),
        "require_approval" => match approved(document, user, world) {
            Some(request) => allowed(Some((By::Approval, request.id.clone()))),
            None => match glass(document, "require_approval", user, world) {
                Some(event) => allowed(Some((By::BreakGlass, event.id.clone()))),
                None => Wanted::Unapproved { rule: Some(index) },
            },
        },
        "deny" => match glass(document, "deny", user, world) {
            Some(event) => allowed(Some((By::BreakGlass, event.id.clone()))),
            None => denied,
        },
        _ => denied,
    }
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one.as_str().expect("a text")).collect()
}

fn seconds(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let scale = if unit == "h" { 3600 } else { 60 };
    Duration::from_secs(number.parse::<u64>().expect("a number") * scale)
}

/// `*` is any run of characters.
fn like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.strip_prefix(head).is_some_and(|rest| (0..=rest.len()).any(|at| like(tail, &rest[at..])))
        }
    }
}

fn matches(rule: &Value, user: &str, world: &World) -> bool {
    let Some(conditions) = rule.get("conditions") else { return true };
    let any = |field: &str, name: &str| {
        conditions.get(field).is_none_or(|some| texts(some).iter().any(|pattern| like(pattern, name)))
    };
    any("profiles", world.profile)
        && any("users", user)
        && conditions.get("mode").is_none_or(|modes| texts(modes).contains(&world.mode.as_str()))
        && conditions.get("time").is_none_or(|window| inside(window, world.now))
}

/// UTC alone: the zones have tests of their own.
fn inside(window: &Value, now: Timestamp) -> bool {
    let local = now.to_zoned(TimeZone::UTC);
    let name = |date: jiff::civil::Date| date.strftime("%A").to_string().to_lowercase();
    let days = texts(&window["days"]);
    let (start, end) =
        (window["hours"]["start"].as_str().expect("a time"), window["hours"]["end"].as_str().expect("a time"));
    let clock = local.strftime("%H:%M").to_string();
    let (today, yesterday) = (name(local.date()), name(local.date().yesterday().expect("a day")));
    if start < end {
        return days.contains(&today.as_str()) && start <= clock.as_str() && clock.as_str() < end;
    }
    days.contains(&today.as_str()) && start <= clock.as_str()
        || days.contains(&yesterday.as_str()) && clock.as_str() < end
}

fn approved<'a>(document: &Value, user: &str, world: &'a World) -> Option<&'a Request> {
    let store = document["approvals"] == "store";
    let counts = |request: &&Request| {
        let approver = request.approver.as_deref();
        let left = request.expires_at.duration_since(world.now);
        request.requester == user
            && request.profile == world.profile
            && request.account.as_ref().is_none_or(|account| *account == world.account)
            && request.status == RequestStatus::Approved
            && left > SignedDuration::ZERO
            && left <= SignedDuration::try_from(request.duration).expect("short")
            && left <= SignedDuration::from_hours(8)
            && approver.is_some_and(|approver| approver != user)
            && (store
                || matches!(approver, Some("bob" | "role:deploy"))
                    && (approver == Some("bob") || request.profile == "prod")
                    && request.policy_digest == Some(digest_of(document))
                    && world.signed_well.contains(&request.id))
    };
    world.requests.iter().filter(counts).max_by_key(|request| (request.expires_at, request.id.clone()))
}

fn glass<'a>(document: &Value, lifting: &str, user: &str, world: &'a World) -> Option<&'a Event> {
    let rules = document.get("breakglass").filter(|_| world.all_events_read)?;
    if rules.get("lifts").is_some_and(|lifts| !texts(lifts).contains(&lifting)) {
        return None;
    }
    if rules.get("users").is_some_and(|users| !texts(users).contains(&user)) {
        return None;
    }
    let codes =
        rules.get("reason_codes").map_or(vec!["incident", "maintenance", "security", "recovery", "other"], texts);
    let cooldown = SignedDuration::try_from(seconds(rules["cooldown"].as_str().expect("a duration"))).expect("short");
    let longest =
        rules.get("max_duration").and_then(Value::as_str).map_or(4 * 3600, |longest| seconds(longest).as_secs());
    let quota = rules["quota"]["events"].as_u64().expect("a number");
    let mine = |event: &&Event| event.invoker == user && event.profile == world.profile;
    let ended = |event: &Event| {
        if event.status == EventStatus::Closed { event.updated_at.min(event.expires_at) } else { event.expires_at }
    };
    let counts = |event: &&Event| {
        let before = || {
            world
                .events
                .iter()
                .filter(mine)
                .filter(|other| (other.created_at, &other.id) < (event.created_at, &event.id))
        };
        let period = seconds(rules["quota"]["period"].as_str().expect("a duration"));
        let period = SignedDuration::try_from(period).expect("short");
        event.status == EventStatus::Active
            && event.expires_at > world.now
            && event.expires_at.duration_since(event.created_at).as_secs()
                <= i64::try_from(event.duration.as_secs()).expect("short")
            && (900..=longest).contains(&event.duration.as_secs())
            && event.created_at <= world.now + SignedDuration::from_mins(5)
            && codes.contains(&event.reason_code.as_str())
            && before().all(|other| event.created_at.duration_since(ended(other)) >= cooldown)
            && (before().filter(|other| event.created_at.duration_since(other.created_at) < period).count() as u64)
                < quota
    };
    world.events.iter().filter(mine).filter(counts).max_by_key(|event| (event.expires_at, event.id.clone()))
}
