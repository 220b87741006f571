//! What every engine of the store promises, asked of each: the local directory, and tables at two independent DynamoDBs.

mod faults;
mod local;
mod tables;

pub(crate) use tables::{at_moto, engine_at_moto};

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use sentinel::error::Error;
use sentinel::store::record::{EventStatus, RequestStatus, SessionStatus, Value, new_id};
use sentinel::store::{Engine, Event, Failed, Index, Item, Kind, Record, Request, Session};

/// How hard the writers of [`no_update_is_lost`] try each other.
pub(crate) struct Contention {
    /// Writers at once.
    pub(crate) writers: usize,
    /// Updates by each.
    pub(crate) updates: usize,
}

/// Everything that an engine promises.
pub(crate) fn conformance(engine: &dyn Engine, contention: &Contention) {
    what_was_written_is_read(engine);
    a_second_insert_conflicts(engine);
    only_the_next_version_replaces(engine);
    a_record_without_a_version_is_version_0(engine);
    what_ended_stays_ended_whatever_its_version(engine);
    what_is_cleared_goes_and_what_is_unknown_stays(engine);
    every_index_leads_to_its_records(engine);
    a_listing_is_the_newest(engine);
    one_of_many_inserts_wins(engine, contention.writers);
    no_update_is_lost(engine, contention);
}

/// A name that no other record has.
fn unique(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn session() -> Session {
    let now = time("2026-01-31T09:30:00.120Z");
    Session {
        id: new_id().expect("an id"),
        user: unique("alice"),
        profile: unique("prod"),
        server_instance_id: unique("host"),
        status: SessionStatus::Active,
        started_at: now,
        last_access_at: now,
        expires_at: time("2126-01-31T09:45:00Z"),
        request_count: 0,
        source_identity: Some("sentinel-alice-direct-01234567".to_owned()),
        device_id: Some(unique("device")),
        created_at: now,
        updated_at: now,
        revoked_by: None,
        revoked_reason: None,
        version: 1,
    }
}

fn request() -> Request {
    let now = time("2026-01-31T09:30:00Z");
    Request {
        id: new_id().expect("an id"),
        requester: unique("alice"),
        profile: unique("prod"),
        justification: "\"quoted\" \\ \n\t\u{1f4bb} ".repeat(30),
        duration: Duration::from_secs(3_600),
        status: RequestStatus::Pending,
        created_at: now,
        updated_at: now,
        expires_at: time("2126-02-01T09:30:00Z"),
        approver: None,
        approver_comment: None,
        account: Some("123456789012".to_owned()),
        principal_id: None,
        policy_digest: None,
        signature: None,
        version: 1,
    }
}

fn event() -> Event {
    let now = time("2026-01-31T09:30:00Z");
    Event {
        id: new_id().expect("an id"),
        invoker: unique("alice"),
        profile: unique("prod"),
        reason_code: "incident".to_owned(),
        justification: "\u{e9}".repeat(1_000),
        duration: Duration::from_secs(900),
        status: EventStatus::Active,
        created_at: now,
        updated_at: now,
        expires_at: time("2126-01-31T09:45:00Z"),
        closed_by: None,
        closed_reason: None,
        request_id: None,
        version: 1,
    }
}

fn insert<T: Record>(engine: &dyn Engine, record: &T) {
    engine.insert(T::KIND, &record.to_item()).expect("inserted");
}

pub(crate) fn read<T: Record>(engine: &dyn Engine, id: &str) -> T {
    T::of_item(&engine.get(T::KIND, id).expect("an answer").expect("a record")).expect("of its kind")
}

#[track_caller]
fn assert_conflict(result: Result<(), Failed>) {
    assert!(matches!(result, Err(Failed::Conflict)), "{result:?}");
}

#[track_caller]
pub(crate) fn error<T: std::fmt::Debug>(result: Result<T, Failed>) -> Error {
    match result {
        Err(Failed::Error(error)) => error,
        other => panic!("an error is wanted: {other:?}"),
    }
}

fn what_was_written_is_read(engine: &dyn Engine) {
    let (session, request, event) = (session(), request(), event());
    insert(engine, &session);
    insert(engine, &request);
    insert(engine, &event);
    assert_eq!(read::<Session>(engine, &session.id), session);
    assert_eq!(read::<Request>(engine, &request.id), request);
    assert_eq!(read::<Event>(engine, &event.id), event);
    // Each kind has a place of its own.
    assert_eq!(engine.get(Kind::Request, &session.id).expect("an answer"), None);
    for id in [new_id().expect("an id").as_str(), "", "../x", "0123456789ABCDEF"] {
        assert_eq!(engine.get(Kind::Session, id).expect("an answer"), None, "{id}");
    }
}

fn a_second_insert_conflicts(engine: &dyn Engine) {
    let first = session();
    insert(engine, &first);
    assert_conflict(engine.insert(Kind::Session, &first.to_item()));
    let other = Session { user: "mallory".to_owned(), version: 2, ..first.clone() };
    assert_conflict(engine.insert(Kind::Session, &other.to_item()));
    assert_eq!(read::<Session>(engine, &first.id), first);
}

fn only_the_next_version_replaces(engine: &dyn Engine) {
    let first = session();
    let of_version = |version| Session { version, request_count: version.wrapping_mul(10), ..first.clone() };
    let replace = |version: i64| engine.replace(Kind::Session, &of_version(version).to_item());
    assert_conflict(replace(2));
    assert_eq!(engine.get(Kind::Session, &first.id).expect("an answer"), None, "nothing is made by replacing");
    assert_conflict(replace(1));
    assert_eq!(engine.get(Kind::Session, &first.id).expect("an answer"), None, "nothing is made by replacing");
    insert(engine, &first);
    for version in [0, 1, 3, i64::MAX, i64::MIN] {
        assert_conflict(replace(version));
    }
    replace(2).expect("replaced");
    assert_conflict(replace(2));
    assert_eq!(read::<Session>(engine, &first.id), of_version(2));
    replace(3).expect("replaced");
    assert_eq!(read::<Session>(engine, &first.id), of_version(3));
}

fn a_record_without_a_version_is_version_0(engine: &dyn Engine) {
    let request = request();
    let mut item = request.to_item();
    item.0.remove("version");
    engine.insert(Kind::Request, &item).expect("inserted");
    assert_eq!(read::<Request>(engine, &request.id), Request { version: 0, ..request.clone() });
    assert_conflict(engine.replace(Kind::Request, &Request { version: 2, ..request.clone() }.to_item()));
    let denied = Request { status: RequestStatus::Denied, approver: Some("bob".to_owned()), ..request };
    engine.replace(Kind::Request, &denied.to_item()).expect("replaced");
    assert_conflict(engine.replace(Kind::Request, &denied.to_item()));
    assert_eq!(read::<Request>(engine, &denied.id), denied);
}

/// A tool that knows of no version leaves it as it was when it ends a record.
fn what_ended_stays_ended_whatever_its_version(engine: &dyn Engine) {
    let active = session();
    let revoked = Session { status: SessionStatus::Revoked, ..active.clone() };
    insert(engine, &revoked);
    for status in SessionStatus::ALL {
        assert_conflict(engine.replace(Kind::Session, &Session { status, version: 2, ..active.clone() }.to_item()));
    }
    assert_eq!(read::<Session>(engine, &active.id), revoked);
    let denied = Request { status: RequestStatus::Denied, ..request() };
    insert(engine, &denied);
    for status in RequestStatus::ALL {
        assert_conflict(engine.replace(Kind::Request, &Request { status, version: 2, ..denied.clone() }.to_item()));
    }
    let closed = Event { status: EventStatus::Closed, ..event() };
    insert(engine, &closed);
    let open = Event { status: EventStatus::Active, version: 2, ..closed };
    assert_conflict(engine.replace(Kind::Event, &open.to_item()));
}

fn what_is_cleared_goes_and_what_is_unknown_stays(engine: &dyn Engine) {
    let first = session();
    let mut item = first.to_item();
    item.0.insert("colour".to_owned(), Value::Text("blue".to_owned()));
    item.0.insert("weight".to_owned(), Value::Number(-7));
    engine.insert(Kind::Session, &item).expect("inserted");
    let second = Session { source_identity: None, device_id: None, version: 2, ..first };
    engine.replace(Kind::Session, &second.to_item()).expect("replaced");
    let found = engine.get(Kind::Session, &second.id).expect("an answer").expect("a record");
    let names: BTreeSet<&str> = found.0.keys().map(String::as_str).collect();
    assert!(!names.contains("source_identity") && !names.contains("device_id"), "{names:?}");
    assert_eq!((found.text("colour"), found.number("weight")), (Some("blue"), Some(-7)));
    assert_eq!(Session::of_item(&found).expect("a session"), second);
}

fn ids(engine: &dyn Engine, kind: Kind, index: Option<Index<'_>>, limit: usize) -> Vec<String> {
    let listing = engine.list(kind, index, limit).expect("a listing");
    assert!(listing.flaws.is_empty(), "{:?}", listing.flaws);
    listing.items.iter().map(|item| item.id().expect("an id").to_owned()).collect()
}

fn every_index_leads_to_its_records(engine: &dyn Engine) {
    for kind in Kind::ALL {
        let items: [Item; 2] = match kind {
            Kind::Session => [session().to_item(), session().to_item()],
            Kind::Request => [request().to_item(), request().to_item()],
            Kind::Event => [event().to_item(), event().to_item()],
        };
        for item in &items {
            engine.insert(kind, item).expect("inserted");
        }
        let (one, other) = (items[0].id().expect("an id"), items[1].id().expect("an id"));
        for (field, _) in kind.indexes() {
            let value = items[0].text(field).expect("a text");
            let found = ids(engine, kind, Some(Index { field, value }), 1_000);
            assert!(found.contains(&one.to_owned()), "{kind:?} by {field}");
            // All but the status differ.
            assert_eq!(found.contains(&other.to_owned()), *field == "status", "{kind:?} by {field}");
            assert_eq!(ids(engine, kind, Some(Index { field, value: "nobody" }), 1_000), [""; 0]);
        }
        let all = ids(engine, kind, None, 1_000);
        assert!(all.contains(&one.to_owned()) && all.contains(&other.to_owned()), "{kind:?}");
        let said = error(engine.list(kind, Some(Index { field: "justification", value: "x" }), 1)).summary();
        assert_eq!(said, format!("a {} is not found by `justification`", kind.noun()));
    }
}

fn a_listing_is_the_newest(engine: &dyn Engine) {
    let user = unique("newest");
    let mut expected = Vec::new();
    // Written in an order that is neither theirs nor its reverse.
    for second in [3, 1, 4, 0, 2] {
        let created_at = time("2026-01-31T09:30:00Z") + Duration::from_secs(second);
        let session = Session { user: user.clone(), created_at, ..session() };
        insert(engine, &session);
        expected.push((second, session.id));
    }
    expected.sort_by(|a, b| b.cmp(a));
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    let index = Some(Index { field: "user", value: &user });
    assert_eq!(ids(engine, Kind::Session, index, 10), expected);
    assert_eq!(ids(engine, Kind::Session, index, 2), expected[..2]);
    assert_eq!(ids(engine, Kind::Session, index, 0), [""; 0]);
}

fn one_of_many_inserts_wins(engine: &dyn Engine, writers: usize) {
    let session = session();
    let barrier = Barrier::new(writers);
    let won: usize = thread::scope(|scope| {
        let insert = || {
            barrier.wait();
            // The very same bytes: who did not write them has not won either.
            match engine.insert(Kind::Session, &session.to_item()) {
                Ok(()) => 1,
                Err(Failed::Conflict) => 0,
                Err(Failed::Error(error)) => panic!("{error}"),
            }
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(won, 1);
    assert_eq!(read::<Session>(engine, &session.id), session);
}

/// Adds one to `request_count`, `times` times, each time anew until nobody else was faster.
pub(crate) fn increment(engine: &dyn Engine, id: &str, times: usize) {
    for _ in 0..times {
        loop {
            let mut session: Session = read(engine, id);
            session.request_count += 1;
            session.version += 1;
            match engine.replace(Kind::Session, &session.to_item()) {
                Ok(()) => break,
                Err(Failed::Conflict) => {}
                Err(Failed::Error(error)) => panic!("{error}"),
            }
        }
    }
}

fn no_update_is_lost(engine: &dyn Engine, contention: &Contention) {
    let session = session();
    insert(engine, &session);
    let barrier = Barrier::new(contention.writers);
    thread::scope(|scope| {
        for _ in 0..contention.writers {
            scope.spawn(|| {
                barrier.wait();
                increment(engine, &session.id, contention.updates);
            });
        }
    });
    let updates = i64::try_from(contention.writers * contention.updates).expect("few");
    let found: Session = read(engine, &session.id);
    assert_eq!((found.request_count, found.version), (updates, updates + 1));
}
