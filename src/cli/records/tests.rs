use std::time::Duration;

use super::world::{Memory, at};
use super::*;
use crate::store::Request;
use crate::store::record::RequestStatus;

fn request(number: u32, user: &str, profile: &str, status: RequestStatus) -> Request {
    Request {
        id: format!("{number:016x}"),
        requester: user.to_owned(),
        profile: profile.to_owned(),
        justification: "ticket 4711".to_owned(),
        duration: Duration::from_secs(3600),
        status,
        created_at: at(&format!("10:{number:02}")),
        updated_at: at("10:00"),
        expires_at: at(&format!("11:{number:02}")),
        approver: None,
        approver_comment: None,
        account: None,
        principal_id: None,
        policy_digest: None,
        signature: None,
        version: 1,
    }
}

fn store() -> Memory {
    let [pending, denied] = [RequestStatus::Pending, RequestStatus::Denied];
    Memory::with(&[
        &request(1, "alice", "prod", pending),
        &request(2, "bob", "prod", denied),
        &request(3, "alice", "dev", denied),
        &request(4, "alice", "prod", pending),
    ])
}

const ALL: Wanted<'_> = Wanted { user: None, profile: None, status: None, limit: 100 };

fn numbers(store: &Memory, wanted: &Wanted<'_>) -> Vec<String> {
    let found = list::<Request>(store, wanted, at("11:02")).expect("a listing");
    assert!(found.flaws.is_empty());
    found.records.iter().map(|(request, _)| request.id.trim_start_matches('0').to_owned()).collect()
}

#[test]
fn filters_hold_together_and_the_newest_come_first() {
    let store = store();
    assert_eq!(numbers(&store, &ALL), ["4", "3", "2", "1"]);
    assert_eq!(numbers(&store, &Wanted { limit: 2, ..ALL }), ["4", "3"]);
    assert_eq!(numbers(&store, &Wanted { user: Some("alice"), ..ALL }), ["4", "3", "1"]);
    assert_eq!(numbers(&store, &Wanted { user: Some("alice"), profile: Some("prod"), limit: 1, ..ALL }), ["4"]);
    assert_eq!(numbers(&store, &Wanted { profile: Some("dev"), ..ALL }), ["3"]);
}

#[test]
fn the_status_is_the_one_of_now() {
    let store = store();
    assert_eq!(numbers(&store, &Wanted { status: Some("pending"), ..ALL }), ["4"]);
    assert_eq!(numbers(&store, &Wanted { status: Some("expired"), ..ALL }), ["1"]);
    assert_eq!(numbers(&store, &Wanted { status: Some("denied"), limit: 1, ..ALL }), ["3"]);
}

#[test]
fn a_record_that_cannot_be_read_is_told_of_and_hides_no_other() {
    let store = store();
    let broken = show::with(request(5, "alice", "prod", RequestStatus::Pending).to_item(), "status", "may\u{202e}be");
    store.put(&broken);
    let found = list::<Request>(&store, &ALL, at("11:00")).expect("a listing");
    assert_eq!(found.records.len(), 4);
    let [flaw] = &found.flaws[..] else { panic!("one flaw") };
    assert_eq!(
        flaw.summary(),
        "request 0000000000000005 in memory: the record's `status` is `may\\u{202e}be`, which is none"
    );
    let error = find::<Request>(&store, "0000000000000005").expect_err("it cannot be read");
    assert_eq!(error.summary(), flaw.summary());
}

#[test]
fn what_is_no_id_is_not_looked_for() {
    let error = find::<Request>(&Memory::default(), "../\u{1b}x").expect_err("no id");
    assert_eq!(error.to_string(), "`../\\u001bx` is not the id of a request\n  an id has 16 hex digits");
}
