//! When an approval counts: a signature by somebody whom the policy names, over what was approved (T28).

use jiff::{SignedDuration, Timestamp};

use super::terms::{By, Window};
use crate::policy::document::LONGEST_APPROVAL;
use crate::policy::{Approvals, Policy};
use crate::store::Request;
use crate::store::record::RequestStatus;

/// What an approver signs. Each part is a line, and none of them can hold a line feed.
pub fn message(request: &Request, policy_digest: &str) -> String {
    let Request { id, requester, profile, expires_at, .. } = request;
    let account = request.account.as_deref().unwrap_or_default();
    let ends = crate::clock::rfc3339_ms(*expires_at);
    format!("sentinel approval v1\n{id}\n{requester}\n{account}\n{profile}\n{ends}\n{policy_digest}\n")
}

/// Whether this request lets `user` have `profile` now; why not, for people.
///
/// # Errors
/// The first reason that was found.
pub fn judge(request: &Request, policy: &Policy, user: &str, profile: &str, now: Timestamp) -> Result<Window, String> {
    if request.requester != user || request.profile != profile {
        return Err("it is another user's, or of another profile".to_owned());
    }
    if request.status != RequestStatus::Approved {
        return Err(format!("it is {}", request.status.as_str()));
    }
    if request.expires_at <= now {
        return Err("its window has ended".to_owned());
    }
    let longest = SignedDuration::try_from(request.duration.min(LONGEST_APPROVAL)).unwrap_or(SignedDuration::ZERO);
    if request.expires_at.duration_since(now) > longest {
        return Err("its window is longer than what was asked for".to_owned());
    }
    let Some(approver) = request.approver.as_deref() else {
        return Err("nobody is named as its approver".to_owned());
    };
    // AWS takes names that differ in their case alone for one: so does whoever writes a policy.
    if approver.eq_ignore_ascii_case(user) {
        return Err("it was approved by its requester".to_owned());
    }
    match policy.approvals() {
        Approvals::Store => {}
        Approvals::Signed => check_signature(request, policy, approver)?,
    }
    Ok(Window { by: By::Approval, id: request.id.as_str().into(), ends: request.expires_at })
}

fn check_signature(request: &Request, policy: &Policy, name: &str) -> Result<(), String> {
    let approver = policy.approvers().iter().find(|approver| approver.name == name);
    let approver = approver.ok_or_else(|| format!("`{}` is no approver of the policy", name.escape_debug()))?;
    if !approver.approves(&request.profile) {
        return Err(format!("{} does not approve this profile", approver.name));
    }
    if request.policy_digest.as_deref() != Some(policy.digest()) {
        return Err("it was approved under another policy than the one of now".to_owned());
    }
    let signature = request.signature.as_deref().ok_or("it is not signed")?;
    if [&request.requester, &request.profile, request.account.as_ref().unwrap_or(&String::new())]
        .iter()
        .any(|name| name.contains('\n'))
    {
        return Err("its names hold line feeds".to_owned());
    }
    if approver.key.verifies(message(request, policy.digest()).as_bytes(), signature) {
        Ok(())
    } else {
        Err(format!("its signature is not {}'s", approver.name))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(approver: &str, now: &str) -> Result<Window, String> {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let policy =
            r#"{"version": "1", "approvals": "store", "rules": [{"name": "a", "effect": "require_approval"}]}"#;
        let request = Request {
            id: "0123456789abcdef".to_owned(),
            requester: "alice".to_owned(),
            profile: "prod".to_owned(),
            justification: "to see what comes of it".to_owned(),
            duration: Duration::from_secs(3600),
            status: RequestStatus::Approved,
            created_at: time("2026-03-02T12:00:00Z"),
            updated_at: time("2026-03-02T12:00:00Z"),
            expires_at: time("2026-03-02T13:00:00Z"),
            approver: Some(approver.to_owned()),
            approver_comment: None,
            account: None,
            principal_id: None,
            policy_digest: None,
            signature: None,
            version: 1,
        };
        judge(&request, &Policy::parse(policy).expect("a policy"), "alice", "prod", time(now))
    }

    #[test]
    fn nobody_approves_their_own_request_in_other_letters() {
        let noon = "2026-03-02T12:00:00Z";
        for own in ["alice", "Alice", "ALICE"] {
            assert_eq!(judged(own, noon), Err("it was approved by its requester".to_owned()), "{own}");
        }
        assert!(judged("alice2", noon).is_ok());
    }

    #[test]
    fn a_window_ends_when_it_says() {
        assert!(judged("bob", "2026-03-02T12:59:59.999Z").is_ok());
        assert_eq!(judged("bob", "2026-03-02T13:00:00Z"), Err("its window has ended".to_owned()));
        // And a clock that was set back opens none.
        let early = judged("bob", "2026-03-02T11:59:59Z");
        assert_eq!(early, Err("its window is longer than what was asked for".to_owned()));
    }
}
