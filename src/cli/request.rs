//! `sentinel request ...`: asks for approvals, and gives them.

mod answer;
mod create;

use jiff::Timestamp;

use super::desk::Desk;
use super::records::{self, Shown, Wanted, show};
use super::settings::{
    CreateRequest, DecideRequest, DenyRequest, EndRecord, Keygen, ListRecords, PolicyPlace, RequestCommand, ShowRecord,
};
use super::{keys, print};
use crate::broker::approval;
use crate::clock::rfc3339_s;
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::{Approvals, Policy};
use crate::store::record::RequestStatus;
use crate::store::{Kind, Record, Request};

/// Runs the command and returns the exit status.
///
/// # Errors
/// When it fails.
pub(super) fn run(settings: &RequestCommand, env: &Env) -> Result<u8> {
    match settings {
        RequestCommand::Create(settings) => create(settings, env),
        RequestCommand::List(settings) => list(settings, env),
        RequestCommand::Show(settings) => show(settings, env),
        RequestCommand::Approve(settings) => approve(settings, env),
        RequestCommand::Deny(settings) => deny(settings, env),
        RequestCommand::Cancel(settings) => cancel(settings, env),
        RequestCommand::Keygen(settings) => keygen(settings),
    }
}

fn create(settings: &CreateRequest, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let policy = desk.policy(&settings.policy)?;
    let requester = desk.person_of(&settings.profile)?;
    let asked = create::Asked {
        profile: &settings.profile,
        justification: &settings.justification,
        duration: settings.duration,
    };
    let engine = desk.engine(Kind::Request)?;
    let request = create::create(engine.as_ref(), &requester, &asked, desk.now())?;
    let id = &request.id;
    match policy.as_deref().and_then(|policy| create::approvers(&request, policy)) {
        Some(names) if names.is_empty() => {
            let profile = show::escaped(&request.profile);
            desk.say(&format!("the policy names nobody who may approve profile `{profile}` for you"));
        }
        Some(names) => desk.say(&format!("may approve it: {}", show::escaped(&names.join(", ")))),
        None => {}
    }
    let (requester, until) = (show::escaped(&request.requester), rfc3339_s(request.expires_at));
    desk.say(&format!("request {id} of {requester} waits for an approver until {until}"));
    let policy = match &settings.policy.place {
        Some(PolicyPlace::Parameter(name)) => format!("--policy-parameter {}", show::escaped(name)),
        Some(PolicyPlace::File(_)) | None => "--policy FILE".to_owned(),
    };
    desk.say(&format!("the approver runs: sentinel request approve {id} --key FILE {policy}"));
    let profile = show::escaped(&request.profile);
    desk.say(&format!("then, or now with --wait: sentinel exec --profile {profile} {policy} -- COMMAND"));
    print(&if settings.json { show::json(&request.to_item())? } else { format!("{id}\n") })
}

fn list(settings: &ListRecords<RequestStatus>, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let wanted = Wanted {
        user: settings.user.as_deref(),
        profile: settings.profile.as_deref(),
        status: settings.status.map(RequestStatus::as_str),
        limit: settings.limit,
    };
    let head = ["ID", "REQUESTER", "PROFILE", "STATUS", "CREATED", "EXPIRES", "WINDOW", "JUSTIFICATION"];
    desk.list::<Request, 8>(&wanted, settings.json, head, |request, status| {
        [
            request.id.clone(),
            request.requester.clone(),
            request.profile.clone(),
            status.to_owned(),
            rfc3339_s(request.created_at),
            rfc3339_s(request.expires_at),
            duration::text(request.duration),
            request.justification.clone(),
        ]
    })
}

fn show(settings: &ShowRecord, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let policy = desk.policy(&settings.policy)?;
    let engine = desk.engine(Kind::Request)?;
    let (request, item) = records::find::<Request>(engine.as_ref(), &settings.id)?;
    let now = desk.now();
    let validity = policy.as_deref().map(|policy| validity(&request, policy, now));
    let item = show::with(item, "status", request.status(now));
    print(&if settings.json {
        let item = match validity {
            Some(validity) => show::with(item, "validity", &validity),
            None => item,
        };
        show::json(&item)?
    } else {
        let fields = show::fields(Kind::Request, &item, &engine.place(Kind::Request));
        fields + &validity.map(|validity| show::field("validity", &validity)).unwrap_or_default()
    })
}

/// What the policy makes of a request, for its own requester and profile.
fn validity(request: &Request, policy: &Policy, now: Timestamp) -> String {
    match approval::judge(request, policy, &request.requester, &request.profile, now) {
        Ok(window) => format!("counts until {}", rfc3339_s(window.ends)),
        Err(why) => format!("does not count: {why}"),
    }
}

fn approve(settings: &DecideRequest, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let policy = desk.policy(&settings.policy)?.ok_or_else(|| {
        Error::usage("an approval holds for one policy, and none was given")
            .hint("give --policy or --policy-parameter, as the requester will")
    })?;
    // Before anybody is asked: a key that cannot be read is no reason to ask AWS.
    let path = settings.key.as_deref();
    let key = path.map(|path| keys::private(path).map(|key| (key, path))).transpose()?;
    if policy.approvals() == Approvals::Store && key.is_some() {
        desk.say("the policy believes what the store says of approvals: the key is not used");
    }
    let approver = desk.person()?;
    let with = answer::With {
        policy: &policy,
        key: key.as_ref().map(|(key, path)| (key, *path)),
        comment: settings.comment.as_deref(),
    };
    let engine = desk.engine(Kind::Request)?;
    let request = answer::approve(engine.as_ref(), &settings.id, &approver, &with, desk.now())?;
    let [requester, profile] = [&request.requester, &request.profile].map(|text| show::escaped(text));
    let (id, until) = (&request.id, rfc3339_s(request.expires_at));
    print(&format!("approved {id}: {requester} may use profile `{profile}` until {until}\n"))
}

fn deny(settings: &DenyRequest, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let denier = desk.person()?;
    let engine = desk.engine(Kind::Request)?;
    let comment = settings.comment.as_deref();
    let request = answer::deny(engine.as_ref(), &settings.id, &denier, comment, desk.now())?;
    let [requester, profile] = [&request.requester, &request.profile].map(|text| show::escaped(text));
    print(&format!("denied {}: {requester} may not use profile `{profile}`\n", request.id))
}

fn cancel(settings: &EndRecord, env: &Env) -> Result<u8> {
    let desk = Desk::new(&settings.stores, env);
    let requester = desk.person()?;
    let engine = desk.engine(Kind::Request)?;
    let reason = settings.reason.as_deref();
    let request = answer::cancel(engine.as_ref(), &settings.id, &requester, reason, desk.now())?;
    print(&format!("cancelled {}\n", request.id))
}

fn keygen(settings: &Keygen) -> Result<u8> {
    let key = keys::make(&settings.out)?;
    print(&format!("{key}\n{{\"name\": \"NAME\", \"key\": \"{key}\"}}\n"))
}

/// The status of now. An approval whose window is over stays one that was given.
fn state(request: &Request, now: Timestamp) -> &'static str {
    match request.status {
        RequestStatus::Pending if request.expires_at <= now => RequestStatus::Expired.as_str(),
        status => status.as_str(),
    }
}

impl Shown for Request {
    const OWNER: &'static str = "requester";

    fn owner(&self) -> &str {
        &self.requester
    }

    fn profile(&self) -> &str {
        &self.profile
    }

    fn status(&self, now: Timestamp) -> &'static str {
        state(self, now)
    }
}
