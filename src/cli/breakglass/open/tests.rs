use std::cell::RefCell;

use super::*;
use crate::cli::breakglass::close::close;
use crate::cli::records::world::{Memory, at, person};

const WHY: &str = "the database is down";

fn policy(more: &str) -> Policy {
    Policy::parse(&format!(
        r#"{{"version":"1",{more}"breakglass":{{"profiles":["prod"],"max_duration":"1h","cooldown":"30m",
            "quota":{{"events":2,"period":"12h"}},"reason_codes":["incident"]}},"rules":[{{"name":"r","effect":"deny"}}]}}"#
    ))
    .expect("a policy")
}

struct Opener {
    policy: Policy,
    lines: RefCell<Vec<String>>,
}

impl Opener {
    fn new() -> Self {
        Self { policy: policy(""), lines: RefCell::default() }
    }

    fn open(&self, store: &Memory, asked: &Asked<'_>, time: &str) -> Result<Event> {
        let record = |effect: Effect, _: &Event, reason: &str| {
            self.lines.borrow_mut().push(format!("{}: {reason}", effect.as_str()));
            Ok(())
        };
        open(store, &self.policy, &person("alice"), asked, at(time), &record)
    }

    fn refused(&self, store: &Memory, asked: &Asked<'_>, time: &str) -> String {
        self.open(store, asked, time).expect_err("a refusal").summary()
    }
}

fn asked() -> Asked<'static> {
    Asked {
        profile: "prod",
        reason_code: ReasonCode::Incident,
        justification: WHY,
        duration: Duration::from_secs(1800),
    }
}

#[test]
fn an_event_is_opened_and_recorded() {
    let (opener, store) = (Opener::new(), Memory::default());
    let event = opener.open(&store, &asked(), "10:00").expect("opened");
    assert_eq!(store.read::<Event>(&event.id), event);
    assert_eq!((event.created_at, event.expires_at), (at("10:00"), at("10:30")));
    assert_eq!(*opener.lines.borrow(), ["allow: break-glass opened: incident: the database is down"]);
    let judged = break_glass::judge(&event, &store.all(), &opener.policy, "alice", "prod", at("10:29"));
    assert_eq!(judged.expect("it counts").ends, at("10:30"));
}

#[test]
fn a_refusal_names_the_rule_and_is_recorded() {
    let (opener, store) = (Opener::new(), Memory::default());
    let said = opener.refused(&store, &Asked { reason_code: ReasonCode::Other, ..asked() }, "10:00");
    assert_eq!(said, "glass is not broken: the policy takes incident as a reason, and not `other`");
    let said = opener.refused(&store, &Asked { duration: Duration::from_secs(7200), ..asked() }, "10:00");
    assert_eq!(said, "glass is not broken: a duration of 2h is not between 15m and 1h");
    let said = opener.refused(&store, &Asked { profile: "dev", ..asked() }, "10:00");
    assert_eq!(said, "glass is not broken: the policy does not let alice break glass for profile `dev`");
    assert_eq!(store.all::<Event>(), []);
    assert_eq!(opener.lines.borrow().len(), 3);
    assert!(opener.lines.borrow().iter().all(|line| line.starts_with("deny: break-glass refused: ")));
}

#[test]
fn cooldown_and_quota_count_what_was_opened_before() {
    let (opener, store) = (Opener::new(), Memory::default());
    let first = opener.open(&store, &asked(), "10:00").expect("opened").id;
    assert_eq!(opener.refused(&store, &asked(), "10:10"), format!("glass is not broken: event {first} is still open"));
    close(&store, &first, &person("bob"), None, at("10:15")).expect("closed");
    assert_eq!(
        opener.refused(&store, &asked(), "10:44"),
        format!("glass is not broken: event {first} ended less than 30m before, which is the policy's cooldown")
    );
    let second = opener.open(&store, &asked(), "10:45").expect("opened").id;
    assert_ne!(first, second);
    assert_eq!(
        opener.refused(&store, &asked(), "13:00"),
        "glass is not broken: glass was broken 2 times within 12h, and the policy allows no more"
    );
    opener.open(&store, &asked(), "22:00").expect("the first is forgotten");
}

#[test]
fn of_two_who_open_at_once_one_does() {
    let opener = Opener::new();
    let other = Opener::new();
    let store = Memory::default().rival(move |store| {
        other.open(store, &asked(), "10:00").expect("the other is faster");
    });
    let said = opener.refused(&store, &asked(), "10:00");
    let [event] = &store.all::<Event>()[..] else { panic!("one event") };
    assert_eq!(said, format!("glass is not broken: event {} is still open", event.id));
    assert_eq!(
        *opener.lines.borrow(),
        [
            "allow: break-glass opened: incident: the database is down".to_owned(),
            "deny: break-glass not opened: another was opened at the same time".to_owned(),
            format!("deny: break-glass refused: event {} is still open", event.id),
        ]
    );
}

#[test]
fn another_one_that_comes_to_light_later_takes_its_place() {
    let opener = Opener::new();
    // On the other side of midnight a first event has another id.
    let store = Memory::default().rival(|store| {
        let event = next(&person("alice"), &asked(), &[], at("00:00"));
        let before = event.created_at - SignedDuration::from_secs(1);
        store.put(&Event { id: "0000000000000001".to_owned(), created_at: before, ..event }.to_item());
    });
    let said = opener.refused(&store, &asked(), "00:00");
    assert_eq!(said, "glass is not broken: event 0000000000000001 is still open");
    let open: Vec<String> = store
        .all::<Event>()
        .into_iter()
        .filter(|event| event.status == EventStatus::Active)
        .map(|event| event.id)
        .collect();
    assert_eq!(open, ["0000000000000001"]);
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let store = Memory::default();
    let full = |_: Effect, _: &Event, _: &str| Err(Error::new("no space left"));
    let error = open(&store, &policy(""), &person("alice"), &asked(), at("10:00"), &full).expect_err("no record");
    assert_eq!(error.summary(), "no space left");
    assert_eq!(store.all::<Event>(), []);
}

#[test]
fn a_foreign_account_breaks_nothing() {
    let record = |_: Effect, _: &Event, _: &str| Ok(());
    let policy = policy(r#""accounts":["210987654321"],"#);
    let error = open(&Memory::default(), &policy, &person("alice"), &asked(), at("10:00"), &record);
    assert_eq!(
        error.expect_err("a foreign account").summary(),
        "your account is 123456789012, and the policy is for 210987654321"
    );
}

#[test]
fn the_justification_is_a_sentence() {
    let said = Opener::new().refused(&Memory::default(), &Asked { justification: "short", ..asked() }, "10:00");
    assert_eq!(said, "the justification has 5 characters, and 20 to 1000 are wanted");
}
