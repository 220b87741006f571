use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn session() -> Session {
    Session {
        id: "0123456789abcdef".to_owned(),
        user: "alice".to_owned(),
        profile: "prod".to_owned(),
        server_instance_id: "host-42-1".to_owned(),
        status: SessionStatus::Active,
        started_at: time("2026-01-31T09:30:00.123Z"),
        last_access_at: time("2026-01-31T09:31:00Z"),
        expires_at: time("2026-01-31T09:45:00Z"),
        request_count: 7,
        source_identity: Some("sentinel-alice-direct-01234567".to_owned()),
        device_id: Some("d".to_owned()),
        created_at: time("2026-01-31T09:30:00.123Z"),
        updated_at: time("2026-01-31T09:31:00Z"),
        revoked_by: Some("bob".to_owned()),
        revoked_reason: Some("lost laptop \u{1f4bb}\n".to_owned()),
        version: 3,
    }
}

fn request() -> Request {
    Request {
        id: "0123456789abcdef".to_owned(),
        requester: "alice".to_owned(),
        profile: "prod".to_owned(),
        justification: "the disk is full".to_owned(),
        duration: Duration::from_secs(3_600),
        status: RequestStatus::Approved,
        created_at: time("2026-01-31T09:30:00Z"),
        updated_at: time("2026-01-31T09:31:00Z"),
        expires_at: time("2026-01-31T10:31:00Z"),
        approver: Some("bob".to_owned()),
        approver_comment: Some("ok".to_owned()),
        account: Some("123456789012".to_owned()),
        principal_id: Some("AIDAEXAMPLE".to_owned()),
        policy_digest: Some("ab".to_owned()),
        signature: Some("c2ln".to_owned()),
        version: 2,
    }
}

fn event() -> Event {
    Event {
        id: "0123456789abcdef".to_owned(),
        invoker: "alice".to_owned(),
        profile: "prod".to_owned(),
        reason_code: "incident".to_owned(),
        justification: "the site is down, and nobody answers".to_owned(),
        duration: Duration::from_secs(900),
        status: EventStatus::Closed,
        created_at: time("2026-01-31T09:30:00Z"),
        updated_at: time("2026-01-31T09:31:00Z"),
        expires_at: time("2026-01-31T09:45:00Z"),
        closed_by: Some("bob".to_owned()),
        closed_reason: Some("over".to_owned()),
        request_id: Some("0011223344556677".to_owned()),
        version: 2,
    }
}

/// Written, as JSON and back, and read again: the same. And every field that is written is in the list of fields.
#[track_caller]
fn assert_round_trip<T: Record + PartialEq + fmt::Debug>(record: T) {
    let item = record.to_item();
    let names: Vec<&str> = item.0.keys().map(String::as_str).collect();
    let mut fields = T::KIND.fields().to_vec();
    fields.sort_unstable();
    assert_eq!(names, fields);
    let json = serde_json::to_string(&item).expect("JSON");
    let back: Item = serde_json::from_str(&json).expect("an item");
    assert_eq!(back, item);
    assert_eq!(T::of_item(&back).expect("a record"), record);
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    assert_round_trip(session());
    assert_round_trip(request());
    assert_round_trip(event());
}

#[test]
fn what_there_is_nothing_to_say_about_is_left_out_and_read_as_nothing() {
    let sparse = Session {
        source_identity: None,
        device_id: None,
        revoked_by: None,
        revoked_reason: Some(String::new()),
        ..session()
    };
    let item = sparse.to_item();
    for name in ["source_identity", "device_id", "revoked_by", "revoked_reason"] {
        assert_eq!(item.0.get(name), None, "{name}");
    }
    assert_eq!(Session::of_item(&item).expect("a session"), Session { revoked_reason: None, ..sparse });
}

#[test]
fn times_and_durations_are_written_as_older_tools_write_them() {
    let item = request().to_item();
    assert_eq!(item.text("created_at"), Some("2026-01-31T09:30:00.000Z"));
    assert_eq!(item.number("duration"), Some(3_600_000_000_000));
    // A month after its end.
    assert_eq!(item.number("ttl"), Some(time("2026-03-02T10:31:00Z").as_second()));
}

#[test]
fn a_record_of_an_older_tool_is_read() {
    let json = r#"{"id":"0123456789abcdef","requester":"alice","profile":"prod","justification":"because of x",
        "duration":3600000000000,"status":"pending","created_at":"2026-01-31T09:30:00.123456789Z",
        "updated_at":"2026-01-31T09:30:00.12Z","expires_at":"2026-02-01T10:30:00+01:00","ttl":1769938200}"#;
    let read = Request::of_item(&serde_json::from_str(json).expect("an item")).expect("a request");
    assert_eq!((read.version, read.duration, read.approver), (0, Duration::from_secs(3_600), None));
    assert_eq!(read.expires_at, time("2026-02-01T09:30:00Z"));
}

#[test]
fn what_is_no_record_says_which_field_is_wrong() {
    let changed = |name: &str, value: Option<Value>| {
        let mut item = request().to_item();
        match value {
            Some(value) => item.0.insert(name.to_owned(), value),
            None => item.0.remove(name),
        };
        Request::of_item(&item).expect_err("no request").to_string()
    };
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    assert_eq!(changed("requester", None), "the record has no `requester`");
    assert_eq!(changed("requester", text("")), "the record has no `requester`");
    assert_eq!(changed("id", text("../../etc/passwd")), "`../../etc/passwd` is not an id of 16 hex digits");
    assert_eq!(changed("id", text("0123456789ABCDEF")), "`0123456789ABCDEF` is not an id of 16 hex digits");
    assert_eq!(changed("status", text("approve\n")), "the record's `status` is `approve\\n`, which is none");
    assert_eq!(changed("created_at", text("yesterday")), "the record's `created_at` is `yesterday`, not a time");
    assert_eq!(changed("duration", text("1h")), "the record has no `duration` in nanoseconds");
    assert_eq!(changed("duration", Some(Value::Number(-1))), "the record has no `duration` in nanoseconds");
}

#[test]
fn what_is_neither_text_nor_number_is_no_item() {
    for json in [r#"{"a":[]}"#, r#"{"a":{}}"#, r#"{"a":true}"#, r#"{"a":null}"#, r#"{"a":1.5}"#, "[]", "1", ""] {
        assert!(serde_json::from_str::<Item>(json).is_err(), "{json}");
    }
    let error = serde_json::from_str::<Item>(r#"{"a":true}"#).expect_err("a flag");
    assert_eq!(error.to_string(), "invalid type: boolean `true`, expected a text or a whole number at line 1 column 9");
}

#[test]
fn a_kind_is_found_by_its_indexes_alone() {
    for kind in Kind::ALL {
        for (field, index) in kind.indexes() {
            assert_eq!(kind.index_of(field).expect("an index"), *index);
            assert!(kind.fields().contains(field), "{field}");
        }
    }
    let error = Kind::Request.index_of("user").expect_err("no index");
    assert_eq!(error.to_string(), "a request is not found by `user`");
}

#[test]
fn ids_are_new_each_time() {
    let (one, other) = (new_id().expect("an id"), new_id().expect("an id"));
    assert!(is_id(&one) && is_id(&other) && one != other);
}
