//! `sentinel breakglass ...`: opens and closes emergency access.

mod close;
mod open;

use jiff::Timestamp;

use super::desk::Desk;
use super::print;
use super::records::{self, Shown, Wanted, show};
use super::settings::{BreakglassCommand, CloseEvent, ListRecords, OpenEvent, ShowRecord};
use crate::clock::rfc3339_s;
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::decision::{Decision, DecisionLog};
use crate::policy::Effect;
use crate::store::record::EventStatus;
use crate::store::{Event, Kind, Record};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &BreakglassCommand, env: &Env) -> Result<u8> {
    match settings {
        BreakglassCommand::Open(settings) => open(settings, env),
        BreakglassCommand::List(settings) => list(settings, env),
        BreakglassCommand::Show(settings) => show(settings, env),
        BreakglassCommand::Close(settings) => close(settings, env),
    }
}

fn open(settings: &OpenEvent, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let policy = desk.policy(&settings.policy)?.ok_or_else(|| {
        Error::usage("a policy says who may break glass, and none was given")
            .hint("give --policy or --policy-parameter")
    })?;
    let log = desk.log(&settings.log)?;
    let invoker = desk.person_of(&settings.profile)?;
    let asked = open::Asked {
        profile: &settings.profile,
        reason_code: settings.reason_code,
        justification: &settings.justification,
        duration: settings.duration,
    };
    let engine = desk.engine(Kind::Event)?;
    let policy_name = settings.policy.place.as_ref().map(|place| place.name());
    let record = |effect, event: &Event, reason: &str| {
        let decision = Decision {
            user: Some(&event.invoker),
            account: invoker.account.as_deref(),
            principal_id: invoker.principal_id.as_deref(),
            break_glass_event_id: Some(&event.id),
            policy_path: policy_name.as_deref(),
            ..Decision::new(desk.now(), &event.profile, effect, reason)
        };
        log.record(&decision)
    };
    let event = open::open(engine.as_ref(), &policy, &invoker, &asked, desk.now(), &record)?;
    let [invoker, profile] = [&event.invoker, &event.profile].map(|text| show::escaped(text));
    let (id, until) = (&event.id, rfc3339_s(event.expires_at));
    desk.say(&format!(
        "GLASS IS BROKEN: {invoker} opened profile `{profile}` until {until} for {}, event {id}; it is on record",
        event.reason_code
    ));
    desk.say(&format!("close it when it is over: sentinel breakglass close {id} --profile {profile}"));
    print(&if settings.json { show::json(&event.to_item())? } else { format!("{id}\n") })
}

fn list(settings: &ListRecords<EventStatus>, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let wanted = Wanted {
        user: settings.user.as_deref(),
        profile: settings.profile.as_deref(),
        status: settings.status.map(EventStatus::as_str),
        limit: settings.limit,
    };
    let head = ["ID", "INVOKER", "PROFILE", "STATUS", "OPENED", "EXPIRES", "REASON", "JUSTIFICATION"];
    desk.list::<Event, 8>(&wanted, settings.json, head, |event, status| {
        [
            event.id.clone(),
            event.invoker.clone(),
            event.profile.clone(),
            status.to_owned(),
            rfc3339_s(event.created_at),
            rfc3339_s(event.expires_at),
            event.reason_code.clone(),
            event.justification.clone(),
        ]
    })
}

fn show(settings: &ShowRecord, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let engine = desk.engine(Kind::Event)?;
    let (event, item) = records::find::<Event>(engine.as_ref(), &settings.id)?;
    let item = show::with(item, "status", event.status(desk.now()));
    print(&match settings.json {
        true => show::json(&item)?,
        false => show::fields(Kind::Event, &item, &engine.place(Kind::Event)),
    })
}

fn close(settings: &CloseEvent, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.end.stores, env);
    let log: DecisionLog = desk.log(&settings.log)?;
    let engine = desk.engine(Kind::Event)?;
    records::find::<Event>(engine.as_ref(), &settings.end.id)?;
    let by = desk.person_or_uid(engine.as_ref(), Kind::Event)?;
    let now = desk.now();
    let event = close::close(engine.as_ref(), &settings.end.id, &by, settings.end.reason.as_deref(), now)?;
    let reason = close::reason(&event);
    log.record(&Decision {
        user: Some(&by.user),
        account: by.account.as_deref(),
        principal_id: by.principal_id.as_deref(),
        break_glass_event_id: Some(&event.id),
        ..Decision::new(now, &event.profile, Effect::Deny, &reason)
    })?;
    let lasted = duration::text(close::lasted(&event));
    desk.say(&format!(
        "event {} is closed after {lasted}; credentials that were given live until they expire",
        event.id
    ));
    print(&format!("closed {}\n", event.id))
}

/// The status of now.
fn state(event: &Event, now: Timestamp) -> &'static str {
    match event.status {
        EventStatus::Active if event.expires_at <= now => EventStatus::Expired.as_str(),
        status => status.as_str(),
    }
}

impl Shown for Event {
    const OWNER: &'static str = "invoker";

    fn owner(&self) -> &str {
        &self.invoker
    }

    fn profile(&self) -> &str {
        &self.profile
    }

    fn status(&self, now: Timestamp) -> &'static str {
        state(self, now)
    }
}
