//! `request approve`, `deny` and `cancel`: what becomes of a request, decided once, whoever is first.

use std::path::Path;

use jiff::Timestamp;

use crate::broker::approval;
use crate::cli::person::Person;
use crate::cli::records::{after, change, in_ms, show::escaped};
use crate::clock::rfc3339_s;
use crate::ed25519::PrivateKey;
use crate::error::{Error, Result};
use crate::policy::{Approvals, Policy};
use crate::store::record::RequestStatus;
use crate::store::{Engine, Request};

/// What an approval is given with.
pub(super) struct With<'a> {
    pub(super) policy: &'a Policy,
    /// The approver's key, and the file that it is in.
    pub(super) key: Option<(&'a PrivateKey, &'a Path)>,
    pub(super) comment: Option<&'a str>,
}

/// Approves: the window opens now.
///
/// # Errors
/// When the request does not wait any more, or the policy does not let this person approve it.
pub(super) fn approve(
    engine: &dyn Engine,
    id: &str,
    approver: &Person,
    with: &With<'_>,
    now: Timestamp,
) -> Result<Request> {
    let now = in_ms(now);
    change(engine, id, |request: &Request| {
        // As the broker compares them: AWS takes names that differ in their case alone for one.
        if request.requester.eq_ignore_ascii_case(&approver.user) {
            return Err(Error::new(format!("request {id} is your own: somebody else has to approve it"))
                .hint("to AWS every session of a role is the same person"));
        }
        check_waiting(request, now)?;
        check_account(with.policy, approver)?;
        let mut next = Request {
            status: RequestStatus::Approved,
            approver: Some(approver.user.clone()),
            approver_comment: with.comment.map(str::to_owned),
            policy_digest: Some(with.policy.digest().to_owned()),
            updated_at: now,
            expires_at: after(now, request.duration),
            ..request.clone()
        };
        next.signature = match with.policy.approvals() {
            Approvals::Store => None,
            Approvals::Signed => Some(sign(&next, approver, with)?),
        };
        // What the broker would not believe is not written.
        approval::judge(&next, with.policy, &next.requester, &next.profile, now)
            .map_err(|why| Error::new(format!("an approval of request {id} would not count: {}", escaped(&why))))?;
        Ok(next)
    })
}

/// Denies a request that waits, or takes an approval back.
///
/// # Errors
/// When there is nothing to deny any more, or the request is this person's own.
pub(super) fn deny(
    engine: &dyn Engine,
    id: &str,
    denier: &Person,
    comment: Option<&str>,
    now: Timestamp,
) -> Result<Request> {
    let now = in_ms(now);
    change(engine, id, |request: &Request| {
        if request.requester.eq_ignore_ascii_case(&denier.user) {
            return Err(Error::new(format!("request {id} is your own"))
                .hint(format!("`sentinel request cancel {id}` takes it back")));
        }
        check_open(request, now)?;
        Ok(Request {
            status: RequestStatus::Denied,
            approver: Some(denier.user.clone()),
            approver_comment: comment.map(str::to_owned),
            updated_at: now,
            ..request.clone()
        })
    })
}

/// Takes a request back, or gives an approval up before its window ends.
///
/// # Errors
/// When there is nothing to take back any more, or the request is another person's.
pub(super) fn cancel(
    engine: &dyn Engine,
    id: &str,
    requester: &Person,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Request> {
    let now = in_ms(now);
    change(engine, id, |request: &Request| {
        if request.requester != requester.user {
            let owner = escaped(&request.requester);
            return Err(Error::new(format!("request {id} is {owner}'s, and you are {}", escaped(&requester.user)))
                .hint(format!("`sentinel request deny {id}` is for other people's requests")));
        }
        check_open(request, now)?;
        Ok(Request {
            status: RequestStatus::Cancelled,
            approver_comment: reason.map(str::to_owned).or_else(|| request.approver_comment.clone()),
            updated_at: now,
            ..request.clone()
        })
    })
}

/// Whether the request still waits for its answer.
fn check_waiting(request: &Request, now: Timestamp) -> Result<()> {
    let (id, at) = (&request.id, rfc3339_s(request.updated_at));
    let approver = escaped(request.approver.as_deref().unwrap_or("somebody"));
    Err(Error::new(match request.status {
        RequestStatus::Pending if request.expires_at > now => return Ok(()),
        RequestStatus::Pending | RequestStatus::Expired => {
            format!("request {id} expired at {}", rfc3339_s(request.expires_at))
        }
        RequestStatus::Approved => format!("request {id} was approved by {approver} at {at}"),
        RequestStatus::Denied => format!("request {id} was denied by {approver} at {at}"),
        RequestStatus::Cancelled => format!("request {id} was cancelled by its requester at {at}"),
    })
    .hint("`sentinel request create` asks anew"))
}

/// Whether there is something to take back: a request that waits, or a window that is open.
fn check_open(request: &Request, now: Timestamp) -> Result<()> {
    let (id, ended) = (&request.id, rfc3339_s(request.expires_at));
    match request.status {
        RequestStatus::Approved if request.expires_at > now => Ok(()),
        RequestStatus::Approved => {
            Err(Error::new(format!("request {id} was approved, and its window ended at {ended}")))
        }
        _ => check_waiting(request, now),
    }
}

/// Names count in the policy's accounts alone.
fn check_account(policy: &Policy, approver: &Person) -> Result<()> {
    let Some(accounts) = policy.accounts() else { return Ok(()) };
    match &approver.account {
        Some(account) if accounts.contains(account) => Ok(()),
        account => {
            let account = account.as_deref().unwrap_or("none");
            Err(Error::new(format!("your account is {account}, and the policy is for {}", accounts.join(", "))))
        }
    }
}

fn sign(next: &Request, approver: &Person, with: &With<'_>) -> Result<String> {
    let Some((key, path)) = with.key else {
        return Err(Error::usage("the policy wants approvals to be signed, and no key was given").hint(
            "give --key FILE; `sentinel request keygen` makes one, and whoever keeps the policy adds it to `approvers`",
        ));
    };
    let (path, public) = (path.display(), key.public());
    let holders: Vec<_> = with.policy.approvers().iter().filter(|one| one.key == public).collect();
    let Some(holder) = holders.iter().find(|one| one.name == approver.user) else {
        return Err(match holders.first() {
            Some(other) => Error::new(format!(
                "the policy knows the key in {path} as {}'s, and you are {}",
                escaped(&other.name),
                escaped(&approver.user)
            )),
            None => Error::new(format!("the policy names no approver with the key in {path}"))
                .hint(format!("whoever keeps the policy may add it to `approvers`: {public}")),
        });
    };
    if !holder.approves(&next.profile) {
        let (name, profile) = (escaped(&holder.name), escaped(&next.profile));
        return Err(Error::new(format!("the policy does not let {name} approve profile `{profile}`")));
    }
    Ok(key.sign(approval::message(next, with.policy.digest()).as_bytes()))
}

#[cfg(test)]
mod tests;
