//! T15: what each effect of a rule comes to in every mode: with credentials in the environment, as a credential_process, from
//! either server, and for the helper in a served tree.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sentinel::broker::approval;
use sentinel::clock::{Clock, SystemClock};
use sentinel::digest::{hex, sha256};
use sentinel::ed25519::PrivateKey;
use sentinel::store::record::{EventStatus, RequestStatus};
use sentinel::store::{Engine, Event, Local, Record, Request};
use serde_json::{Value, json};

use super::ruled::{Ruled, WAYS, answered, number, serves};
use crate::fake_sts::wire::{Answer, Response, Server};

const SERVER: &str = "the rule wants a server: give --server or --unix-socket";
const TABLE: &str = "the rule wants a session in the table sessions: give --server or --unix-socket, and --session-table \
                     sessions";
const APPROVAL: &str = "the rule wants an approval: `sentinel request create --profile dev` asks for one";
const ID: &str = "0123456789abcdef";

/// What has to come out.
#[derive(Clone, Copy)]
enum Gives {
    Everywhere,
    /// And elsewhere a denial for this reason.
    OnServers(&'static str),
    /// A denial for this reason.
    Nowhere(&'static str),
}

impl Gives {
    /// Why not in this way; nothing where it gives.
    fn denial(self, way: &[&str]) -> Option<&'static str> {
        match self {
            Self::Everywhere => None,
            Self::OnServers(why) => (!serves(way)).then_some(why),
            Self::Nowhere(why) => Some(why),
        }
    }
}

/// Tries all of it: every way to start, requests to servers that started without asking, and the helper in the tree.
#[track_caller]
fn try_all(ruled: &Ruled, what: &str, gives: Gives, options: &[&str]) {
    for (way, _, status) in WAYS {
        let options = if serves(way) { options } else { &[] };
        let done = ruled.way(way, "dev", options).run();
        match gives.denial(way) {
            None => ruled.has_given(&done),
            Some(why) => ruled.has_denied(&done, status, why),
        }
        if !serves(way) {
            continue;
        }
        let mut tree = ruled.tree(way, &[&["--lazy"], options].concat());
        assert!(tree.line().starts_with("ready "));
        let (answer, helper) =
            if gives.denial(way).is_none() { ("200=1 ", "helper 0") } else { ("403=1 ", "helper 1") };
        let line = answered(&mut tree, "1");
        assert!(line.starts_with(answer), "{what}: {way:?}: {line}");
        if way.contains(&"--unix-socket") {
            tree.send("helper");
            assert_eq!(tree.line(), helper, "{what}");
        }
        assert_eq!(tree.finish().code(), 0);
        let effect = if gives.denial(way).is_none() { "allow" } else { "deny" };
        assert_eq!(ruled.decided().0, effect, "{what}");
    }
}

fn policy(effect: &str, more: &str, rule: &str) -> String {
    format!(r#"{{"version":"1"{more},"rules":[{{"name":"r","effect":"{effect}"{rule}}}]}}"#)
}

#[test]
fn what_needs_no_record() {
    let table = r#","session_table":"sessions""#;
    let ruled = Ruled::by("");
    for (effect, rule, gives) in [
        ("allow", "", Gives::Everywhere),
        ("deny", "", Gives::Nowhere("denied by the rule r")),
        ("require_server", "", Gives::OnServers(SERVER)),
        ("require_server_session", "", Gives::OnServers(SERVER)),
        // The session is recorded in a directory.
        ("allow", table, Gives::Nowhere(TABLE)),
    ] {
        ruled.rule(&policy(effect, "", rule));
        try_all(&ruled, &format!("{effect}{rule}"), gives, &[]);
    }
    for effect in ["require_server", "require_server_session"] {
        ruled.rule(&policy(effect, "", table));
        for (way, _, status) in WAYS {
            let reason = if serves(way) { TABLE } else { SERVER };
            ruled.has_denied(&ruled.way(way, "dev", &[]).run(), status, reason);
        }
    }
}

#[test]
fn a_session_that_cannot_be_recorded_is_none() {
    for way in ["--server", "--unix-socket"] {
        let ruled = Ruled::by(&policy("require_server_session", "", ""));
        ruled.sandbox.directory("state/sentinel", 0o700);
        ruled.sandbox.write("state/sentinel/sessions", "", 0o600);
        let done = ruled.way(&["exec", way], "dev", &[]).run();
        ruled.has_denied(&done, 125, "the session cannot be confirmed");
        assert_eq!(ruled.sts.calls_of("AssumeRole").len(), 0);
    }
}

/// A request for `dev` by alice that bob approved an hour ago for two.
fn approved(policy: &str, key: Option<&PrivateKey>) -> Request {
    let now = SystemClock.wall();
    let mut request = Request {
        id: ID.to_owned(),
        requester: "alice".to_owned(),
        profile: "dev".to_owned(),
        justification: "a test of approvals".to_owned(),
        duration: Duration::from_secs(2 * 3600),
        status: RequestStatus::Approved,
        created_at: now - SignedDuration::from_hours(2),
        updated_at: now - SignedDuration::from_hours(1),
        expires_at: Timestamp::from_second(now.as_second() + 3600).expect("a time near now"),
        approver: Some("bob".to_owned()),
        approver_comment: None,
        account: None,
        principal_id: None,
        policy_digest: Some(hex(&sha256(policy.as_bytes()))),
        signature: None,
        version: 1,
    };
    sign(&mut request, key);
    request
}

fn sign(request: &mut Request, key: Option<&PrivateKey>) {
    let digest = request.policy_digest.clone().unwrap_or_default();
    request.signature = key.map(|key| key.sign(approval::message(request, &digest).as_bytes()));
}

/// An event of alice's for `dev` that is an hour's, of which half is left.
fn opened() -> Event {
    let now = SystemClock.wall();
    Event {
        id: ID.to_owned(),
        invoker: "alice".to_owned(),
        profile: "dev".to_owned(),
        reason_code: "incident".to_owned(),
        justification: "a test of break-glass events".to_owned(),
        duration: Duration::from_secs(3600),
        status: EventStatus::Active,
        created_at: now - SignedDuration::from_mins(30),
        updated_at: now - SignedDuration::from_mins(30),
        expires_at: now + SignedDuration::from_mins(30),
        closed_by: None,
        closed_reason: None,
        request_id: None,
        version: 1,
    }
}

/// Puts a record where this host's are.
fn record<R: Record>(ruled: &Ruled, record: &R) {
    let engine = Local::open(&ruled.sandbox.path("state/sentinel")).expect("a store");
    engine.insert(R::KIND, &record.to_item()).expect("inserted");
}

/// A fresh sandbox under this policy, with this record.
fn with<R: Record>(policy: &str, one: Option<&R>) -> Ruled {
    let ruled = Ruled::by(policy);
    ruled.sandbox.directory("state/sentinel", 0o700);
    if let Some(one) = one {
        record(&ruled, one);
    }
    ruled
}

fn denied_in_every_mode<R: Record>(what: &str, policy: &str, one: Option<&R>, reason: &'static str) {
    try_all(&with(policy, one), what, Gives::Nowhere(reason), &[]);
}

#[test]
fn without_an_approval_nothing_is_given() {
    let policy = policy("require_approval", r#","approvals":"store""#, "");
    denied_in_every_mode::<Request>("no request", &policy, None, APPROVAL);
    // Nobody is let break glass.
    denied_in_every_mode("an event", &policy, Some(&opened()), APPROVAL);
}

#[test]
fn an_approval_is_of_one_user_profile_and_time() {
    let policy = policy("require_approval", r#","approvals":"store""#, "");
    let good = || approved(&policy, None);
    let of = |what: &'static str| {
        Box::leak(format!("the rule wants an approval, and of request {ID} {what}").into_boxed_str()) as &'static str
    };
    let past = SystemClock.wall() - SignedDuration::from_secs(1);
    for (what, request, reason) in [
        ("pending", Request { status: RequestStatus::Pending, ..good() }, of("it is pending")),
        ("of another", Request { requester: "bob".to_owned(), ..good() }, APPROVAL),
        ("of another profile", Request { profile: "de".to_owned(), ..good() }, APPROVAL),
        ("over", Request { expires_at: past, ..good() }, of("its window has ended")),
        ("one's own", Request { approver: Some("alice".to_owned()), ..good() }, of("it was approved by its requester")),
    ] {
        let ruled = with(&policy, Some(&request));
        for (way, _, status) in WAYS {
            let done = ruled.way(way, "dev", &[]).run();
            ruled.has_denied(&done, status, reason);
            assert_eq!(ruled.sts.calls_of("AssumeRole").len(), 0, "{what}");
        }
    }
    let ruled = with(&policy, Some(&good()));
    try_all(&ruled, "approved", Gives::Everywhere, &[]);
    let decision = ruled.sandbox.decisions().pop().expect("a decision");
    assert_eq!(decision["approved_request_id"], ID, "{decision}");
    // It is of no other profile's, and capped to its window.
    let done = ruled.way(&["exec"], "next", &[]).run();
    assert_eq!(done.code(), 125, "{done}");
    for call in ruled.sts.calls_of("AssumeRole") {
        let seconds: u64 = call.parameters["DurationSeconds"].parse().expect("a number");
        assert!((900..=3600).contains(&seconds), "{seconds}");
    }
}

#[test]
fn where_signatures_count_a_record_alone_is_worth_nothing() {
    let keys = [PrivateKey::random().expect("a key"), PrivateKey::random().expect("a key")];
    let approvers = format!(r#","approvers":[{{"name":"bob","key":"{}"}}]"#, keys[0].public());
    let policy = policy("require_approval", &approvers, "");
    let of = |what: &'static str| format!("the rule wants an approval, and of request {ID} {what}");
    let mut altered = approved(&policy, Some(&keys[0]));
    altered.expires_at += SignedDuration::from_secs(60);
    let older = approved("another policy", Some(&keys[0]));
    for (request, reason) in [
        (approved(&policy, None), of("it is not signed")),
        (approved(&policy, Some(&keys[1])), of("its signature is not bob's")),
        (altered, of("its signature is not bob's")),
        (older, of("it was approved under another policy than the one of now")),
    ] {
        let ruled = with(&policy, Some(&request));
        for (way, _, status) in WAYS {
            ruled.has_denied(&ruled.way(way, "dev", &[]).run(), status, &reason);
        }
    }
    let ruled = with(&policy, Some(&approved(&policy, Some(&keys[0]))));
    try_all(&ruled, "signed", Gives::Everywhere, &[]);
}

#[test]
fn broken_glass_lifts_what_the_policy_says_and_no_demand_for_a_server() {
    let glass = r#","approvals":"store","breakglass":{}"#;
    for (effect, gives) in [
        ("deny", Gives::Everywhere),
        ("require_approval", Gives::Everywhere),
        ("require_server", Gives::OnServers(SERVER)),
        ("require_server_session", Gives::OnServers(SERVER)),
    ] {
        try_all(&with(&policy(effect, glass, ""), Some(&opened())), effect, gives, &[]);
    }
    let approvals_alone = r#","approvals":"store","breakglass":{"lifts":["require_approval"]}"#;
    let ruled = with(&policy("deny", approvals_alone, ""), Some(&opened()));
    for (way, _, status) in WAYS {
        ruled.has_denied(&ruled.way(way, "dev", &[]).run(), status, "denied by the rule r");
    }
}

/// A DynamoDB that keeps what is put, and gives no answer any more once it is told to.
struct Tables {
    server: Option<Server>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    silent: Mutex<bool>,
    changed: Condvar,
    items: Mutex<BTreeMap<String, Value>>,
    /// The operation of each call, and when it came, on the boot clock.
    calls: Mutex<Vec<(String, Duration)>>,
}

impl Tables {
    fn start() -> Self {
        let state = Arc::new(State::default());
        let of_server = Arc::clone(&state);
        let server = Server::start(move |request| {
            let target = request.header("x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
            of_server.calls.lock().expect("lock").push((operation.clone(), SystemClock.boot()));
            let silent = of_server.silent.lock().expect("lock");
            drop(
                of_server.changed.wait_timeout_while(silent, Duration::from_secs(60), |silent| *silent).expect("lock"),
            );
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let mut items = of_server.items.lock().expect("lock");
            let answer = match operation.as_str() {
                "PutItem" => {
                    items.insert(body["Item"]["id"]["S"].as_str().expect("an id").to_owned(), body["Item"].clone());
                    json!({})
                }
                "GetItem" => match items.get(body["Key"]["id"]["S"].as_str().expect("an id")) {
                    Some(item) => json!({ "Item": item }),
                    None => json!({}),
                },
                _ => json!({ "Items": [] }),
            };
            Answer::Whole(Response {
                status: 200,
                headers: vec![("Content-Type".to_owned(), "application/x-amz-json-1.0".to_owned())],
                body: answer.to_string().into_bytes(),
            })
        });
        Self { server: Some(server), state }
    }

    fn url(&self) -> String {
        self.server.as_ref().expect("it runs until it is dropped").url()
    }

    fn is_silent(&self, silent: bool) {
        *self.state.silent.lock().expect("lock") = silent;
        self.state.changed.notify_all();
    }

    fn calls(&self) -> Vec<(String, Duration)> {
        self.state.calls.lock().expect("lock").clone()
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.is_silent(false);
        drop(self.server.take());
    }
}

/// Under a policy that wants every session in the table `sessions`, which is in these tables.
fn in_tables(effect: &str, tables: &Tables) -> Ruled {
    let limits = r#","limits":{"requests_per_second":100000}"#;
    let ruled = Ruled::by(&policy(effect, limits, r#","session_table":"sessions""#));
    let services = format!("[services local]\ndynamodb =\n  endpoint_url = {}\n", tables.url());
    let config = std::fs::read_to_string(ruled.sandbox.path("home/.aws/config")).expect("the config");
    ruled
        .sandbox
        .config(&format!("{services}{}", config.replace("[profile dev]\n", "[profile dev]\nservices = local\n")));
    ruled
}

#[test]
fn a_session_in_the_table_that_the_rule_names_is_one() {
    let tables = Tables::start();
    for effect in ["require_server_session", "allow"] {
        let ruled = in_tables(effect, &tables);
        let elsewhere = if effect == "allow" { TABLE } else { SERVER };
        try_all(&ruled, effect, Gives::OnServers(elsewhere), &["--session-table", "sessions"]);
        // Another table, and the same name for another kind of record.
        let reason = "the rule wants a session in the table sessions, and this one is in others";
        let done = ruled.way(&["exec", "--server"], "dev", &["--session-table", "others"]).run();
        ruled.has_denied(&done, 125, reason);
        let done = ruled.way(&["exec", "--server"], "dev", &["--request-table", "sessions"]).run();
        ruled.has_denied(&done, 125, TABLE);
    }
}

#[test]
fn no_request_waits_for_a_table() {
    let tables = Tables::start();
    let ruled = in_tables("require_server_session", &tables);
    let mut tree = ruled.tree(&["exec", "--unix-socket"], &["--session-table", "sessions"]);
    assert!(tree.line().starts_with("ready "));
    assert!(answered(&mut tree, "1").starts_with("200=1 "));
    tables.is_silent(true);
    let (before, began) = (tables.calls().len(), SystemClock.boot());
    tree.send("200");
    let line = tree.line();
    assert!(line.starts_with("200=200 ") && number(&line, "took") < 60.0, "{line}");
    // And for longer than what the table said last counts as fresh.
    tree.send("for 12");
    let line = tree.line();
    let others = ["403", "429", "500", "503"].map(|status| number(&line, status));
    assert_eq!(others, [0.0; 4], "{line}");
    // Who waits for the table waits for 900 ms. One may meet a stall of the whole machine.
    assert!(number(&line, "200") > 200.0 && number(&line, "second_slowest") < 0.85, "{line}");
    let took = (SystemClock.boot() - began).as_secs_f64();
    let calls = tables.calls().split_off(before);
    assert!(calls.len() as f64 <= took / 3.0 + 2.0, "{} calls in {took} s: {calls:?}", calls.len());
    tables.is_silent(false);
    assert_eq!(tree.finish().code(), 0);
}
