//! What a document says besides its rules: accounts, approvers, break-glass, limits.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::reader::{duration_of, list_of, named, number_of, object, patterns_of, text_of};
use super::rule::is_account;
use crate::ed25519::PublicKey;
use crate::policy::document::{
    Approvals, Approver, BreakGlass, LONGEST_BREAK_GLASS, Limits, ReasonCode, SHORTEST_WINDOW,
};
use crate::policy::flaw::{Flaw, Path, shown};
use crate::policy::json::Json;

pub(super) const BREAK_GLASS: [&str; 7] =
    ["users", "profiles", "reason_codes", "max_duration", "cooldown", "quota", "lifts"];
pub(super) const LIMITS: [&str; 3] = ["exchanges_per_minute", "burst", "requests_per_second"];

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How far back events are looked for.
const LONGEST_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
const DEFAULT_QUOTA_EVENTS: u32 = 3;
const MAX_QUOTA_EVENTS: u32 = 1000;
/// Beyond what one process tree can do.
const MAX_LIMIT: u32 = 1_000_000;

/// What an event can stand in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lift {
    Deny,
    Approval,
}

pub(super) fn accounts_of(path: &Path<'_>, value: &Json) -> Result<Vec<String>, Flaw> {
    list_of(path, value, |path, item| {
        let text = text_of(path, item)?;
        match is_account(text) {
            true => Ok(text.to_owned()),
            false => Err(Flaw::at(path, format!("{} is not an AWS account", shown(text)))
                .hint(Some("an account is 12 digits, in quotes".to_owned()))),
        }
    })
}

pub(super) fn approvals_of(path: &Path<'_>, value: &Json) -> Result<Approvals, Flaw> {
    let known = [("signed", Approvals::Signed), ("store", Approvals::Store)];
    named(path, text_of(path, value)?, "way to approve", &known)
}

pub(super) fn approvers_of(path: &Path<'_>, value: &Json) -> Result<Vec<Approver>, Flaw> {
    let approvers = list_of(path, value, approver_of)?;
    let (mut names, mut keys) = (HashSet::new(), HashMap::new());
    for (index, approver) in approvers.iter().enumerate() {
        let item = Path::Item(path, index);
        if !names.insert(approver.name.as_str()) {
            let what = format!("an earlier approver is named {} too", shown(&approver.name));
            return Err(Flaw::at(&Path::Field(&item, "name"), what));
        }
        if let Some(other) = keys.insert(approver.key, approver.name.as_str()) {
            let what = format!("the key of {} too: a signature must name one person", shown(other));
            return Err(Flaw::at(&Path::Field(&item, "key"), what));
        }
    }
    Ok(approvers)
}

fn approver_of(path: &Path<'_>, value: &Json) -> Result<Approver, Flaw> {
    let approver = object(path, value, &["name", "key", "profiles"])?;
    Ok(Approver {
        name: approver.required("name", |path, value| {
            let name = text_of(path, value)?;
            match name.contains('*') {
                true => Err(Flaw::at(path, format!("{} is a pattern and not one user", shown(name)))),
                false => Ok(name.to_owned()),
            }
        })?,
        key: approver.required("key", |path, value| {
            let hint = "it is 32 bytes in base64, or PEM as `openssl pkey -pubout` writes it".to_owned();
            PublicKey::parse(text_of(path, value)?)
                .map_err(|_| Flaw::at(path, "not an Ed25519 public key").hint(Some(hint)))
        })?,
        profiles: approver.optional("profiles", patterns_of)?,
    })
}

pub(super) fn break_glass_of(path: &Path<'_>, value: &Json) -> Result<BreakGlass, Flaw> {
    let section = object(path, value, &BREAK_GLASS)?;
    let reasons = ReasonCode::ALL.map(|code| (code.as_str(), code));
    let lifts = section.optional("lifts", |path, value| {
        let known = [("require_approval", Lift::Approval), ("deny", Lift::Deny)];
        list_of(path, value, |path, item| named(path, text_of(path, item)?, "effect to lift", &known))
    })?;
    let lifts = |what: Lift| lifts.as_ref().is_none_or(|some| some.contains(&what));
    let (quota_events, quota_period) = section.optional("quota", quota_of)?.unwrap_or((DEFAULT_QUOTA_EVENTS, DAY));
    Ok(BreakGlass {
        users: section.optional("users", patterns_of)?,
        profiles: section.optional("profiles", patterns_of)?,
        reason_codes: section
            .optional("reason_codes", |path, value| {
                list_of(path, value, |path, item| named(path, text_of(path, item)?, "reason code", &reasons))
            })?
            .unwrap_or_else(|| ReasonCode::ALL.to_vec()),
        max_duration: section
            .optional("max_duration", |path, value| duration_of(path, value, SHORTEST_WINDOW, LONGEST_BREAK_GLASS))?
            .unwrap_or(LONGEST_BREAK_GLASS),
        cooldown: section
            .optional("cooldown", |path, value| duration_of(path, value, Duration::ZERO, LONGEST_MEMORY))?
            .unwrap_or(HOUR),
        quota_events,
        quota_period,
        lifts_deny: lifts(Lift::Deny),
        lifts_approval: lifts(Lift::Approval),
    })
}

fn quota_of(path: &Path<'_>, value: &Json) -> Result<(u32, Duration), Flaw> {
    let quota = object(path, value, &["events", "period"])?;
    let events = quota.required("events", |path, value| number_of(path, value, 1, MAX_QUOTA_EVENTS))?;
    let period = quota.required("period", |path, value| duration_of(path, value, HOUR, LONGEST_MEMORY))?;
    Ok((events, period))
}

pub(super) fn limits_of(path: &Path<'_>, value: &Json) -> Result<Limits, Flaw> {
    let section = object(path, value, &LIMITS)?;
    let usual = Limits::default();
    let limit = |name: &str, usual: u32| -> Result<u32, Flaw> {
        Ok(section.optional(name, |path, value| number_of(path, value, 1, MAX_LIMIT))?.unwrap_or(usual))
    };
    Ok(Limits {
        exchanges_per_minute: limit("exchanges_per_minute", usual.exchanges_per_minute)?,
        burst: limit("burst", usual.burst)?,
        requests_per_second: limit("requests_per_second", usual.requests_per_second)?,
    })
}
