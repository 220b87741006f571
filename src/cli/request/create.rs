//! `request create`: asks for an approval.

use std::time::Duration;

use jiff::Timestamp;

use super::state;
use crate::cli::person::Person;
use crate::cli::records::{self, after, in_ms};
use crate::duration;
use crate::error::{Error, Result};
use crate::policy::document::{LONGEST_APPROVAL, SHORTEST_WINDOW};
use crate::policy::{Approvals, Policy};
use crate::store::record::{RequestStatus, new_id};
use crate::store::{Engine, Failed, Record, Request};

/// How long a request waits for an approver.
pub(super) const LAPSES_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How long a justification is, in characters.
const JUSTIFICATION: std::ops::RangeInclusive<usize> = 10..=500;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) profile: &'a str,
    pub(super) justification: &'a str,
    pub(super) duration: Duration,
}

/// Writes a request that waits for an approver.
///
/// # Errors
/// When one waits already, and when what is asked for is out of bounds.
pub(super) fn create(engine: &dyn Engine, requester: &Person, asked: &Asked<'_>, now: Timestamp) -> Result<Request> {
    let now = in_ms(now);
    let length = asked.justification.chars().count();
    if !JUSTIFICATION.contains(&length) {
        return Err(Error::usage(format!("the justification has {length} characters, and 10 to 500 are wanted"))
            .hint("say in a sentence what it is for, for the approver and for the record"));
    }
    if asked.duration < SHORTEST_WINDOW || asked.duration > LONGEST_APPROVAL {
        return Err(Error::usage(format!("{} is not between 15m and 8h", duration::text(asked.duration))));
    }
    let wanted = records::Wanted {
        user: Some(&requester.user),
        profile: Some(asked.profile),
        status: Some(RequestStatus::Pending.as_str()),
        limit: 1,
    };
    if let Some((waiting, _)) = records::list::<Request>(engine, &wanted, now)?.records.first() {
        let (id, profile) = (&waiting.id, asked.profile);
        return Err(Error::new(format!("request {id} of yours for profile `{profile}` waits for an approver already"))
            .hint(format!("`sentinel request cancel {id}` takes it back")));
    }
    let request = Request {
        id: new_id()?,
        requester: requester.user.clone(),
        profile: asked.profile.to_owned(),
        justification: asked.justification.to_owned(),
        duration: asked.duration,
        status: RequestStatus::Pending,
        created_at: now,
        updated_at: now,
        expires_at: after(now, LAPSES_AFTER),
        approver: None,
        approver_comment: None,
        account: requester.account.clone(),
        principal_id: requester.principal_id.clone(),
        policy_digest: None,
        signature: None,
        version: 1,
    };
    debug_assert_eq!(state(&request, now), RequestStatus::Pending.as_str());
    engine.insert(Request::KIND, &request.to_item()).map_err(Failed::into_error)?;
    Ok(request)
}

/// Who may approve it by this policy, for the requester to turn to; `None` where the policy leaves that to the store.
pub(super) fn approvers<'a>(request: &Request, policy: &'a Policy) -> Option<Vec<&'a str>> {
    let may = |approver: &&'a crate::policy::Approver| {
        approver.name != request.requester && approver.approves(&request.profile)
    };
    match policy.approvals() {
        Approvals::Store => None,
        Approvals::Signed => {
            Some(policy.approvers().iter().filter(may).map(|approver| approver.name.as_str()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::records::world::{Memory, at, person};

    fn ask(store: &Memory, user: &str, profile: &str, time: &str) -> Result<Request> {
        let asked = Asked { profile, justification: "ticket 4711", duration: Duration::from_secs(3600) };
        create(store, &person(user), &asked, at(time))
    }

    #[test]
    fn a_request_waits_for_a_day() {
        let store = Memory::default();
        let request = ask(&store, "alice", "prod", "10:00").expect("a request");
        assert_eq!(store.read::<Request>(&request.id), request);
        assert_eq!((request.status, request.requester.as_str()), (RequestStatus::Pending, "alice"));
        assert_eq!(request.expires_at.to_string(), "2026-03-05T10:00:00Z");
        assert_eq!(request.account.as_deref(), Some("123456789012"));
        assert_eq!(request.principal_id.as_deref(), Some("AIDAALICE"));
    }

    #[test]
    fn a_second_one_is_refused_while_the_first_waits() {
        let store = Memory::default();
        let first = ask(&store, "alice", "prod", "10:00").expect("a request").id;
        let error = ask(&store, "alice", "prod", "10:01").expect_err("one waits");
        assert_eq!(
            error.to_string(),
            format!(
                "request {first} of yours for profile `prod` waits for an approver already\n  `sentinel request cancel {first}` \
                 takes it back"
            )
        );
        ask(&store, "alice", "dev", "10:01").expect("another profile's");
        ask(&store, "bob", "prod", "10:01").expect("another user's");
        let ended = Request { expires_at: at("10:02"), version: 2, ..store.read(&first) };
        store.put(&ended.to_item());
        ask(&store, "alice", "prod", "10:02").expect("the first has expired");
        assert_eq!(store.all::<Request>().len(), 4);
    }

    #[test]
    fn bounds_are_kept_in_characters_and_minutes() {
        let ask = |justification: &str, minutes: u64| {
            let asked = Asked { profile: "prod", justification, duration: Duration::from_secs(60 * minutes) };
            create(&Memory::default(), &person("alice"), &asked, at("10:00")).map_err(|error| error.summary())
        };
        for (justification, minutes) in [("ä".repeat(10), 15), ("ä".repeat(500), 480)] {
            ask(&justification, minutes).expect("within bounds");
        }
        for (length, minutes, said) in [
            (9, 60, "the justification has 9 characters, and 10 to 500 are wanted"),
            (501, 60, "the justification has 501 characters, and 10 to 500 are wanted"),
            (10, 14, "14m is not between 15m and 8h"),
            (10, 481, "8h1m is not between 15m and 8h"),
        ] {
            assert_eq!(ask(&"ä".repeat(length), minutes).expect_err("out of bounds"), said);
        }
    }

    #[test]
    fn those_are_named_who_may_approve() {
        let key = |_: &str| crate::ed25519::PrivateKey::random().expect("a key").public();
        let policy = Policy::parse(&format!(
            r#"{{"version":"1","approvers":[{{"name":"alice","key":"{}"}},{{"name":"bob","key":"{}","profiles":["prod*"]}},
                {{"name":"carol","key":"{}","profiles":["dev"]}}],"rules":[{{"name":"r","effect":"require_approval"}}]}}"#,
            key("alice"),
            key("bob"),
            key("carol")
        ))
        .expect("a policy");
        let request = ask(&Memory::default(), "alice", "prod", "10:00").expect("a request");
        assert_eq!(approvers(&request, &policy), Some(vec!["bob"]));
        let store = r#"{"version":"1","approvals":"store","rules":[{"name":"r","effect":"require_approval"}]}"#;
        assert_eq!(approvers(&request, &Policy::parse(store).expect("a policy")), None);
    }
}
