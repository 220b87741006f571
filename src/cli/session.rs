//! `sentinel session ...`: looks at the sessions of servers, and ends them.

mod revoke;

use jiff::Timestamp;

use super::desk::Desk;
use super::print;
use super::records::{self, Shown, Wanted, show};
use super::settings::{EndRecord, ListRecords, SessionCommand, ShowRecord};
use crate::clock::rfc3339_s;
use crate::env::Env;
use crate::error::Result;
use crate::store::record::SessionStatus;
use crate::store::{Kind, Session};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &SessionCommand, env: &Env) -> Result<u8> {
    match settings {
        SessionCommand::List(settings) => list(settings, env),
        SessionCommand::Show(settings) => show(settings, env),
        SessionCommand::Revoke(settings) => revoke(settings, env),
    }
}

fn list(settings: &ListRecords<SessionStatus>, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let wanted = Wanted {
        user: settings.user.as_deref(),
        profile: settings.profile.as_deref(),
        status: settings.status.map(SessionStatus::as_str),
        limit: settings.limit,
    };
    let head = ["ID", "USER", "PROFILE", "STATUS", "STARTED", "LAST ACCESS", "REQUESTS"];
    desk.list::<Session, 7>(&wanted, settings.json, head, |session, status| {
        let used = session.request_count > 0;
        [
            session.id.clone(),
            session.user.clone(),
            session.profile.clone(),
            status.to_owned(),
            rfc3339_s(session.started_at),
            if used { rfc3339_s(session.last_access_at) } else { "-".to_owned() },
            session.request_count.to_string(),
        ]
    })
}

fn show(settings: &ShowRecord, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let engine = desk.engine(Kind::Session)?;
    let (session, item) = records::find::<Session>(engine.as_ref(), &settings.id)?;
    let item = show::with(item, "status", session.status(desk.now()));
    print(&match settings.json {
        true => show::json(&item)?,
        false => show::fields(Kind::Session, &item, &engine.place(Kind::Session)),
    })
}

fn revoke(settings: &EndRecord, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let engine = desk.engine(Kind::Session)?;
    // Whoever is in a hurry learns at once that there is nothing to revoke.
    records::find::<Session>(engine.as_ref(), &settings.id)?;
    let by = desk.person_or_uid(engine.as_ref(), Kind::Session)?;
    let now = desk.now();
    let revoked = revoke::revoke(engine.as_ref(), &settings.id, &by, settings.reason.as_deref(), now)?;
    let (id, profile) = (&revoked.id, show::escaped(&revoked.profile));
    desk.say(&format!(
        "session {id} is revoked: within 10 s its server gives no new credentials, within 70 s where it cannot reach the store"
    ));
    desk.say("those that were given live until they expire, unless AWS is told otherwise");
    desk.say(&format!(
        "this policy, attached to the role or user that profile `{profile}` uses, denies all of its sessions of before:"
    ));
    print(&revoke::denial_of_older_sessions(now))
}

/// The status of now: a session that is not heard of counts as ended.
fn state(session: &Session, now: Timestamp) -> &'static str {
    match session.status {
        SessionStatus::Active if session.expires_at <= now => SessionStatus::Expired.as_str(),
        status => status.as_str(),
    }
}

impl Shown for Session {
    const OWNER: &'static str = "user";

    fn owner(&self) -> &str {
        &self.user
    }

    fn profile(&self) -> &str {
        &self.profile
    }

    fn status(&self, now: Timestamp) -> &'static str {
        state(self, now)
    }
}
