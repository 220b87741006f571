use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use super::*;
use crate::store::directory::tests::Scratch;
use crate::store::instances::Instance;
use crate::store::record::Value;

const ID: &str = "0123456789abcdef";

fn local(scratch: &Scratch) -> Local {
    Local::open(&scratch.0).expect("a store")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A session of this id that ends then, and is forgotten an hour later.
fn session(id: &str, status: &str, expires: &str) -> Item {
    let text = |text: &str| Value::Text(text.to_owned());
    Item(
        [
            ("id", text(id)),
            ("status", text(status)),
            ("expires_at", text(expires)),
            ("created_at", text("2026-01-01T00:00:00Z")),
            ("version", Value::Number(1)),
            ("ttl", Value::Number(time(expires).as_second() + 3_600)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    )
}

fn error(failed: Failed) -> Error {
    match failed {
        Failed::Error(error) => error,
        Failed::Conflict => Error::new("a conflict"),
    }
}

#[test]
fn a_record_is_one_file_of_its_owners_alone() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    local.insert(Kind::Event, &session(ID, "active", "2026-01-01T01:00:00Z")).expect("inserted");
    let path = scratch.0.join("breakglass").join(format!("{ID}.json"));
    assert_eq!(
        fs::read_to_string(&path).expect("read"),
        "{\"created_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":\"2026-01-01T01:00:00Z\",\
         \"id\":\"0123456789abcdef\",\"status\":\"active\",\"ttl\":1767232800,\"version\":1}"
    );
    assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(scratch.0.join("breakglass")).expect("metadata").mode() & 0o777, 0o700);
    assert_eq!(local.place(Kind::Event), scratch.0.join("breakglass").display().to_string());
    assert_eq!(local.table(Kind::Event), None);
}

#[test]
fn a_file_that_is_no_record_is_an_error_for_itself_and_a_flaw_in_a_listing() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    local.insert(Kind::Session, &session(ID, "active", "2026-01-01T01:00:00Z")).expect("inserted");
    let other = "00000000000000ff";
    let path = scratch.0.join("sessions").join(format!("{other}.json"));
    let broken = |text: &str| {
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
        let said = error(local.get(Kind::Session, other).expect_err("no record")).summary();
        let listing = local.list(Kind::Session, None, 10).expect("a listing");
        assert_eq!(listing.items.len(), 1);
        assert_eq!(listing.flaws.iter().map(Error::summary).collect::<Vec<_>>(), [said.as_str()]);
        // And nobody writes over it by mistake.
        let written = local.insert(Kind::Session, &session(other, "active", "2026-01-01T01:00:00Z"));
        assert!(matches!(written, Err(Failed::Conflict)));
        said
    };
    let shown = path.display();
    assert_eq!(broken(""), format!("{shown} is not a session: EOF while parsing a value at line 1 column 0"));
    assert_eq!(broken("{}"), format!("{shown} is not a session: its `id` is another"));
    assert_eq!(broken("{\"id\":\"0123456789abcdef\"}"), format!("{shown} is not a session: its `id` is another"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let said = error(local.get(Kind::Session, other).expect_err("it is open")).summary();
    assert_eq!(said, format!("{shown} is open to its group or others (mode 0644)"));
}

#[test]
fn what_is_no_id_leads_to_no_file() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    fs::write(scratch.0.join("x.json"), "{\"id\":\"../x\"}").expect("written");
    for id in ["../x", "", ".", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef/"] {
        assert!(matches!(local.get(Kind::Session, id), Ok(None)), "{id}");
    }
    let said =
        error(local.insert(Kind::Session, &session("../x", "active", "2026-01-01T01:00:00Z")).expect_err("none"));
    assert_eq!(said.summary(), "cannot write a session: `../x` is not an id of 16 hex digits");
}

#[test]
fn what_is_over_is_reaped_and_what_is_served_is_not() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    let (past, future) = ("2026-01-01T01:00:00Z", "2026-06-01T00:00:00Z");
    let mut forgotten_early = session("0000000000000004", "active", future);
    forgotten_early.0.insert("ttl".to_owned(), Value::Number(1));
    for item in [
        session("0000000000000001", "expired", past),
        session("0000000000000002", "active", past),
        session("0000000000000003", "active", future),
        forgotten_early,
        session("0000000000000005", "active", past),
    ] {
        local.insert(Kind::Session, &item).expect("inserted");
    }
    local.insert(Kind::Request, &session("0000000000000006", "pending", past)).expect("inserted");
    local.insert(Kind::Request, &session("0000000000000007", "pending", future)).expect("inserted");
    let served = Instance::begin(&scratch.0, "0000000000000005", "here").expect("an instance");

    assert_eq!(local.reap(time("2026-01-01T01:59:59Z")).expect("reaped"), 0);
    assert_eq!(local.reap(time("2026-03-01T00:00:00Z")).expect("reaped"), 3);
    let left = |kind| {
        let mut ids = local.directory(kind).ids().expect("a listing");
        ids.sort();
        ids
    };
    assert_eq!(left(Kind::Session), ["0000000000000003", "0000000000000004", "0000000000000005"]);
    assert_eq!(left(Kind::Request), ["0000000000000007"]);
    drop(served);
    assert_eq!(local.reap(time("2026-03-01T00:00:00Z")).expect("reaped"), 1);
}

#[test]
fn reaping_is_done_once_a_day() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    let reaped = |now: &str| {
        local.insert(Kind::Event, &session(ID, "closed", "2025-01-01T00:00:00Z")).expect("inserted");
        let count = local.reap_daily(time(now)).expect("reaped");
        local.directory(Kind::Event).remove(&file_name(ID)).expect("removed");
        count
    };
    assert_eq!(reaped("2026-01-01T00:00:00Z"), 1);
    assert_eq!(reaped("2026-01-01T23:59:59.999Z"), 0);
    assert_eq!(reaped("2026-01-02T00:00:00Z"), 1);
    // The clock was a year ahead.
    assert_eq!(reaped("2025-06-01T00:00:00Z"), 1);
    fs::write(scratch.0.join("reaped"), "nonsense").expect("written");
    assert_eq!(reaped("2025-06-01T00:00:01Z"), 1);
}

/// The bench `store` measures the time of 100 000.
#[test]
fn a_listing_of_thousands_is_the_newest_of_them() {
    let scratch = Scratch::new();
    let local = local(&scratch);
    let directory = scratch.0.join("sessions");
    for number in 0..3_000_u64 {
        let id = format!("{number:016x}");
        let created = time("2026-01-01T00:00:00Z") + Duration::from_secs(number);
        let text = format!("{{\"id\":\"{id}\",\"created_at\":\"{created}\",\"user\":\"u{}\"}}", number % 3);
        let path = directory.join(format!("{id}.json"));
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let listing = local.list(Kind::Session, Some(Index { field: "user", value: "u1" }), 2).expect("a listing");
    let ids: Vec<&str> = listing.items.iter().filter_map(|item| item.text("id")).collect();
    assert_eq!(ids, [format!("{:016x}", 2_998), format!("{:016x}", 2_995)]);
    assert_eq!(local.list(Kind::Session, None, 5_000).expect("a listing").items.len(), 3_000);
}
