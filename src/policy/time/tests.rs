use super::*;

fn minute(text: &str) -> Minute {
    Minute::parse(text).expect("a time of day")
}

fn window(days: &[Weekday], hours: Option<(&str, &str)>, zone_name: &str) -> Window {
    Window {
        days: (!days.is_empty()).then(|| days.to_vec()),
        hours: hours.map(|(start, end)| Hours::new(minute(start), minute(end)).expect("two minutes")),
        zone: zone(zone_name).expect("a zone"),
    }
}

/// Checks instants, which are written in UTC, against a window.
#[track_caller]
fn check(window: &Window, cases: &[(&str, bool)]) {
    for (now, expected) in cases {
        let mut instant = Instant::new(now.parse().expect("a time"));
        assert_eq!(window.contains(&mut instant), *expected, "{now}");
    }
}

#[test]
fn hours_hold_their_start_and_not_their_end() {
    check(
        &window(&[], Some(("09:00", "17:30")), "UTC"),
        &[
            ("2026-01-05T08:59:59.999999999Z", false),
            ("2026-01-05T09:00:00Z", true),
            ("2026-01-05T17:29:59.999999999Z", true),
            ("2026-01-05T17:30:00Z", false),
        ],
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_began_on() {
    // 2026-01-02 is a Friday.
    check(
        &window(&[Weekday::Friday], Some(("22:00", "06:00")), "UTC"),
        &[
            ("2026-01-02T05:59:00Z", false),
            ("2026-01-02T21:59:59Z", false),
            ("2026-01-02T22:00:00Z", true),
            ("2026-01-03T00:00:00Z", true),
            ("2026-01-03T05:59:59Z", true),
            ("2026-01-03T06:00:00Z", false),
            ("2026-01-03T22:00:00Z", false),
        ],
    );
}

#[test]
fn a_sunday_night_ends_on_monday_morning() {
    check(
        &window(&[Weekday::Sunday], Some(("23:30", "00:30")), "UTC"),
        &[("2026-01-04T23:30:00Z", true), ("2026-01-05T00:29:59Z", true), ("2026-01-05T00:30:00Z", false)],
    );
}

#[test]
fn an_end_of_midnight_is_the_end_of_the_day() {
    check(
        &window(&[Weekday::Monday], Some(("12:00", "00:00")), "UTC"),
        &[
            ("2026-01-05T11:59:59Z", false),
            ("2026-01-05T23:59:59Z", true),
            ("2026-01-06T00:00:00Z", false),
            ("2026-01-05T00:00:00Z", false),
        ],
    );
}

#[test]
fn days_are_those_of_the_zone() {
    // Monday begins in Auckland (UTC+13 in January) at 11:00 UTC on Sunday, 2026-01-04.
    check(
        &window(&[Weekday::Monday], None, "Pacific/Auckland"),
        &[
            ("2026-01-04T10:59:59Z", false),
            ("2026-01-04T11:00:00Z", true),
            ("2026-01-05T10:59:59Z", true),
            ("2026-01-05T11:00:00Z", false),
        ],
    );
}

#[test]
fn each_zone_has_its_own_clock() {
    let hours = Some(("12:00", "13:00"));
    let (berlin, utc) = (window(&[], hours, "Europe/Berlin"), window(&[], hours, "UTC"));
    let mut instant = Instant::new("2026-01-05T11:30:00Z".parse().expect("a time"));
    let answers = [&berlin, &utc, &berlin, &berlin, &utc, &utc].map(|window| window.contains(&mut instant));
    assert_eq!(answers, [true, false, true, true, false, false]);
}

#[test]
fn a_skipped_hour_does_not_happen() {
    // Berlin, 2026-03-29: 01:59:59 is followed by 03:00:00, at 01:00 UTC.
    check(
        &window(&[], Some(("02:00", "03:00")), "Europe/Berlin"),
        &[("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", false), ("2026-03-28T01:30:00Z", true)],
    );
    check(
        &window(&[], Some(("01:00", "04:00")), "Europe/Berlin"),
        &[
            ("2026-03-28T23:59:59Z", false),
            ("2026-03-29T00:00:00Z", true),
            ("2026-03-29T01:59:59Z", true),
            ("2026-03-29T02:00:00Z", false),
        ],
    );
}

#[test]
fn a_repeated_hour_counts_both_times() {
    // Berlin, 2026-10-25: 02:00 to 02:59 happens at 00:00 UTC and again at 01:00 UTC.
    check(
        &window(&[], Some(("02:00", "02:30")), "Europe/Berlin"),
        &[
            ("2026-10-24T23:59:59Z", false),
            ("2026-10-25T00:00:00Z", true),
            ("2026-10-25T00:30:00Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:29:59Z", true),
            ("2026-10-25T01:30:00Z", false),
        ],
    );
}

#[test]
fn a_window_that_begins_in_a_skipped_hour_begins_after_it() {
    // Berlin, 2026-03-29: 01:59:59 is followed by 03:00:00, at 01:00 UTC.
    check(
        &window(&[Weekday::Sunday], Some(("02:30", "05:00")), "Europe/Berlin"),
        &[
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", true),
            ("2026-03-29T02:59:59Z", true),
            ("2026-03-29T03:00:00Z", false),
        ],
    );
    // And one that ends in it ends before it.
    check(
        &window(&[Weekday::Saturday], Some(("22:00", "02:30")), "Europe/Berlin"),
        &[("2026-03-28T21:00:00Z", true), ("2026-03-29T00:59:59Z", true), ("2026-03-29T01:00:00Z", false)],
    );
}

#[test]
fn a_window_that_ends_in_a_repeated_hour_is_there_both_times() {
    // Berlin, 2026-10-25: 02:00 to 02:59 happens at 00:00 UTC and again at 01:00 UTC.
    check(
        &window(&[Weekday::Sunday], Some(("01:00", "02:30")), "Europe/Berlin"),
        &[
            ("2026-10-24T22:59:59Z", false),
            ("2026-10-24T23:00:00Z", true),
            ("2026-10-25T00:29:59Z", true),
            ("2026-10-25T00:30:00Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:30:00Z", false),
        ],
    );
    // And one that begins in it is there from its first beginning, but for what comes before the second.
    check(
        &window(&[Weekday::Sunday], Some(("02:30", "04:00")), "Europe/Berlin"),
        &[
            ("2026-10-25T00:29:59Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T01:00:00Z", false),
            ("2026-10-25T01:30:00Z", true),
            ("2026-10-25T02:59:59Z", true),
            ("2026-10-25T03:00:00Z", false),
        ],
    );
}

#[test]
fn offsets_need_not_be_whole_hours() {
    let hours = Some(("09:00", "10:00"));
    // Kathmandu: +05:45. The Chatham Islands: +13:45 in their summer. Eucla: +08:45. St. John's: -03:30 in winter.
    for (zone, from, to) in [
        ("Asia/Kathmandu", "2026-01-05T03:15:00Z", "2026-01-05T04:15:00Z"),
        ("Pacific/Chatham", "2026-01-04T19:15:00Z", "2026-01-04T20:15:00Z"),
        ("Australia/Eucla", "2026-01-05T00:15:00Z", "2026-01-05T01:15:00Z"),
        ("America/St_Johns", "2026-01-05T12:30:00Z", "2026-01-05T13:30:00Z"),
    ] {
        let second = |text: &str, by: i64| {
            let time: Timestamp = text.parse().expect("a time");
            (time + jiff::SignedDuration::from_secs(by)).to_string()
        };
        let (before, last) = (second(from, -1), second(to, -1));
        let window = window(&[Weekday::Monday], hours, zone);
        check(&window, &[(before.as_str(), false), (from, true), (last.as_str(), true), (to, false)]);
    }
    // Lord Howe puts its clock forward by half an hour: 2026-10-04, 02:00 is followed by 02:30, at 15:30 UTC the day before.
    check(
        &window(&[], Some(("02:00", "02:30")), "Australia/Lord_Howe"),
        &[("2026-10-03T15:29:59Z", false), ("2026-10-03T15:30:00Z", false), ("2026-10-04T15:00:00Z", true)],
    );
}

#[test]
fn a_window_and_its_clock_are_written_as_policies_write_them() {
    let night = window(&[Weekday::Friday, Weekday::Monday], Some(("22:00", "06:05")), "Europe/Berlin");
    assert_eq!(night.to_string(), "friday, monday 22:00-06:05 Europe/Berlin");
    assert_eq!(window(&[Weekday::Sunday], None, "UTC").to_string(), "sunday UTC");
    let now = "2026-01-02T22:05:00Z".parse().expect("a time");
    assert_eq!(night.local_text(now), "friday 23:05 Europe/Berlin");
}

#[test]
fn a_window_over_midnight_and_a_repeated_hour_is_one_window() {
    // The night from Saturday, 2026-10-24, 22:00 (20:00 UTC) to Sunday 06:00 (05:00 UTC) lasts nine hours.
    check(
        &window(&[Weekday::Saturday], Some(("22:00", "06:00")), "Europe/Berlin"),
        &[
            ("2026-10-24T19:59:59Z", false),
            ("2026-10-24T20:00:00Z", true),
            ("2026-10-25T01:30:00Z", true),
            ("2026-10-25T04:59:59Z", true),
            ("2026-10-25T05:00:00Z", false),
        ],
    );
}

#[test]
fn a_midnight_that_is_skipped_still_begins_the_day() {
    // Santiago de Chile, 2026-09-06 (a Sunday): 23:59:59 is followed by 01:00:00, at 04:00 UTC.
    check(
        &window(&[Weekday::Sunday], None, "America/Santiago"),
        &[("2026-09-06T03:59:59Z", false), ("2026-09-06T04:00:00Z", true)],
    );
}

#[test]
fn times_of_day_are_two_digits_each() {
    assert_eq!(Minute::parse("00:00"), Some(Minute(0)));
    assert_eq!(Minute::parse("23:59"), Some(Minute(1439)));
    for text in ["", ":", "9:00", "09:0", "24:00", "12:60", "12:00:00", "+9:00", "09:00 ", " 09:00", "0900", "٠٩:٠٠"]
    {
        assert_eq!(Minute::parse(text), None, "{text}");
    }
}

#[test]
fn hours_without_length_are_refused() {
    assert_eq!(Hours::new(minute("09:00"), minute("09:00")), None);
}

#[test]
fn only_zones_of_the_database_are_known() {
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
        assert!(zone(name).is_some(), "{name}");
    }
    for name in ["", "Europe/Berlim", "CET-1CEST,M3.5.0,M10.5.0/3", "Etc/Unknown", "../../etc/passwd", ":UTC", "+02:00"]
    {
        assert!(zone(name).is_none(), "{name}");
    }
}
