use std::time::Duration;

use super::*;
use crate::cli::records::world::{Memory, at, person};

const ID: &str = "0123456789abcdef";

fn request() -> Request {
    Request {
        id: ID.to_owned(),
        requester: "alice".to_owned(),
        profile: "prod".to_owned(),
        justification: "ticket 4711".to_owned(),
        duration: Duration::from_secs(3600),
        status: RequestStatus::Pending,
        created_at: at("10:00"),
        updated_at: at("10:00"),
        expires_at: at("20:00"),
        approver: None,
        approver_comment: None,
        account: None,
        principal_id: None,
        policy_digest: None,
        signature: None,
        version: 1,
    }
}

fn key() -> PrivateKey {
    PrivateKey::random().expect("a key")
}

/// A policy whose approver bob has this key, for profiles `prod*`.
fn policy(key: &PrivateKey, more: &str) -> Policy {
    Policy::parse(&format!(
        r#"{{"version":"1",{more}"approvers":[{{"name":"bob","key":"{}","profiles":["prod*"]}}],
            "rules":[{{"name":"r","effect":"require_approval"}}]}}"#,
        key.public()
    ))
    .expect("a policy")
}

fn path() -> &'static Path {
    Path::new("bob.key")
}

fn with<'a>(policy: &'a Policy, key: &'a PrivateKey) -> With<'a> {
    With { policy, key: Some((key, path())), comment: Some("go ahead") }
}

#[track_caller]
fn refusal<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.summary(),
    }
}

#[test]
fn an_approval_is_signed_and_counts_until_its_window_ends() {
    let (key, store) = (key(), Memory::with(&[&request()]));
    let policy = policy(&key, "");
    approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:00")).expect("approved");
    let found: Request = store.read(ID);
    assert_eq!((found.status, found.approver.as_deref()), (RequestStatus::Approved, Some("bob")));
    assert_eq!((found.expires_at, found.version), (at("13:00"), 2));
    assert_eq!(found.policy_digest.as_deref(), Some(policy.digest()));
    let judge = |now| approval::judge(&found, &policy, "alice", "prod", now);
    assert_eq!(judge(at("12:59")).expect("it counts").ends, at("13:00"));
    assert_eq!(judge(at("13:00")).expect_err("it is over"), "its window has ended");
}

#[test]
fn the_requester_does_not_approve() {
    let (key, store) = (key(), Memory::with(&[&request()]));
    let policy = policy(&key, "");
    let said = refusal(approve(&store, ID, &person("alice"), &with(&policy, &key), at("12:00")));
    assert_eq!(said, format!("request {ID} is your own: somebody else has to approve it"));
    assert_eq!(store.read::<Request>(ID), request());
}

#[test]
fn the_key_is_the_approvers_and_the_policys() {
    let (bobs, evas, store) = (key(), key(), Memory::with(&[&request()]));
    let policy = policy(&bobs, "");
    let answer = |name, with: &With<'_>| refusal(approve(&store, ID, &person(name), with, at("12:00")));
    assert_eq!(answer("bob", &with(&policy, &evas)), "the policy names no approver with the key in bob.key");
    assert_eq!(answer("eva", &with(&policy, &bobs)), "the policy knows the key in bob.key as bob's, and you are eva");
    let without = With { key: None, ..with(&policy, &bobs) };
    assert_eq!(answer("bob", &without), "the policy wants approvals to be signed, and no key was given");
    assert_eq!(store.read::<Request>(ID), request());
}

#[test]
fn an_approver_approves_their_profiles_alone() {
    let (key, store) = (key(), Memory::with(&[&Request { profile: "dev".to_owned(), ..request() }]));
    let policy = policy(&key, "");
    let said = refusal(approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:00")));
    assert_eq!(said, "the policy does not let bob approve profile `dev`");
}

#[test]
fn names_count_in_the_policys_accounts() {
    let (key, store) = (key(), Memory::with(&[&request()]));
    let policy = policy(&key, r#""accounts":["210987654321"],"#);
    let said = refusal(approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:00")));
    assert_eq!(said, "your account is 123456789012, and the policy is for 210987654321");
}

#[test]
fn where_the_store_is_believed_nothing_is_signed() {
    let policy =
        Policy::parse(r#"{"version":"1","approvals":"store","rules":[{"name":"r","effect":"require_approval"}]}"#)
            .expect("a policy");
    let store = Memory::with(&[&request()]);
    let with = With { policy: &policy, key: None, comment: None };
    approve(&store, ID, &person("bob"), &with, at("12:00")).expect("approved");
    let found: Request = store.read(ID);
    assert_eq!((found.status, found.signature.as_deref()), (RequestStatus::Approved, None));
    assert!(approval::judge(&found, &policy, "alice", "prod", at("12:00")).is_ok());
}

#[test]
fn of_two_who_answer_at_once_the_first_is_heard() {
    let key = key();
    let policy = policy(&key, "");
    let denied = |store: &Memory| {
        deny(store, ID, &person("carol"), Some("not today"), at("12:00")).expect("denied");
    };
    let store = Memory::with(&[&request()]).rival(denied);
    let said = refusal(approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:01")));
    assert_eq!(said, format!("request {ID} was denied by carol at 2026-03-04T12:00:00Z"));
    let found: Request = store.read(ID);
    assert_eq!((found.status, found.approver_comment.as_deref()), (RequestStatus::Denied, Some("not today")));
}

#[test]
fn what_has_expired_is_not_approved() {
    let key = key();
    let policy = policy(&key, "");
    let store = Memory::with(&[&request()]);
    let said = refusal(approve(&store, ID, &person("bob"), &with(&policy, &key), at("20:00")));
    assert_eq!(said, format!("request {ID} expired at 2026-03-04T20:00:00Z"));
}

#[test]
fn an_approval_can_be_taken_back_and_given_up_while_its_window_is_open() {
    let key = key();
    let policy = policy(&key, "");
    let approved = || {
        let store = Memory::with(&[&request()]);
        approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:00")).expect("approved");
        store
    };
    let store = approved();
    deny(&store, ID, &person("carol"), None, at("12:30")).expect("denied");
    let said = approval::judge(&store.read(ID), &policy, "alice", "prod", at("12:30")).expect_err("it was taken back");
    assert_eq!(said, "it is denied");
    let store = approved();
    cancel(&store, ID, &person("alice"), None, at("12:30")).expect("cancelled");
    assert_eq!(store.read::<Request>(ID).status, RequestStatus::Cancelled);
    let said = refusal(deny(&approved(), ID, &person("carol"), None, at("13:00")));
    assert_eq!(said, format!("request {ID} was approved, and its window ended at 2026-03-04T13:00:00Z"));
}

#[test]
fn who_may_deny_and_who_may_cancel() {
    let store = Memory::with(&[&request()]);
    let said = refusal(deny(&store, ID, &person("alice"), None, at("12:00")));
    assert_eq!(said, format!("request {ID} is your own"));
    let said = refusal(cancel(&store, ID, &person("bob"), None, at("12:00")));
    assert_eq!(said, format!("request {ID} is alice's, and you are bob"));
    cancel(&store, ID, &person("alice"), Some("done otherwise"), at("12:00")).expect("cancelled");
    let said = refusal(deny(&store, ID, &person("bob"), None, at("12:01")));
    assert_eq!(said, format!("request {ID} was cancelled by its requester at 2026-03-04T12:00:00Z"));
}

#[test]
fn a_window_that_is_too_long_to_count_is_not_approved() {
    let key = key();
    let policy = policy(&key, "");
    let store = Memory::with(&[&Request { duration: Duration::from_secs(9 * 3600), ..request() }]);
    let said = refusal(approve(&store, ID, &person("bob"), &with(&policy, &key), at("12:00")));
    let expected = "would not count: its window is longer than what was asked for";
    assert_eq!(said, format!("an approval of request {ID} {expected}"));
}
