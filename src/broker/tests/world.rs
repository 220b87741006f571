//! Random worlds: a policy as JSON, a session, records and a clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::broker::standing::{Records, Standing};
use crate::broker::{Broker, approval};
use crate::clock::Clock;
use crate::ed25519::PrivateKey;
use crate::error::Error;
use crate::policy::{Mode, Policy};
use crate::store::record::{EventStatus, RequestStatus};
use crate::store::{Event, Request};

pub(super) const USERS: [&str; 3] = ["alice", "bob", "role:deploy"];
pub(super) const PROFILES: [&str; 2] = ["prod", "dev"];
const EFFECTS: [&str; 6] =
    ["allow", "deny", "require_approval", "require_approval", "require_server", "require_server_session"];
const SEEDS: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----",
];

/// Boot time of every world: far from zero, so that confirmations may be old.
pub(super) const BOOT: Duration = Duration::from_secs(100_000);

/// xorshift64*: the same numbers for the same seed, everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        let mut some: Vec<String> = of.iter().filter(|_| self.once_in(2)).map(|&one| one.to_owned()).collect();
        if some.is_empty() {
            some.push(self.one(of).to_owned());
        }
        some
    }
}

/// What is known of the session, in the order of its states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SessionOf {
    None,
    Starting,
    Live { age_s: u64, table: Option<&'static str> },
    Revoked,
}

pub(super) struct World {
    pub(super) document: Option<Value>,
    pub(super) user: Option<String>,
    pub(super) account: String,
    pub(super) profile: &'static str,
    pub(super) role_arn: Option<&'static str>,
    /// Asked for by its ARN.
    pub(super) asked: Option<&'static str>,
    pub(super) mode: Mode,
    pub(super) now: Timestamp,
    pub(super) session: SessionOf,
    /// The store does not answer.
    pub(super) store_fails: bool,
    pub(super) requests: Vec<Request>,
    pub(super) events: Vec<Event>,
    /// No event was passed over.
    pub(super) all_events_read: bool,
    /// Which requests carry a signature that is good.
    pub(super) signed_well: Vec<String>,
}

struct Stopped(Timestamp);

impl Clock for Stopped {
    fn wall(&self) -> Timestamp {
        self.0
    }

    fn boot(&self) -> Duration {
        BOOT
    }
}

impl World {
    pub(super) fn random(random: &mut Random) -> Self {
        let document = (!random.once_in(20)).then(|| document(random));
        let digest = document.as_ref().map(digest_of).unwrap_or_default();
        // A Monday at noon, and up to two weeks later.
        let start: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
        let now = start + SignedDuration::from_secs(i64::try_from(random.below(14 * 86_400)).expect("small"));
        let approves = document.as_ref().is_some_and(|document| document["approvals"] != "store");
        let mut world = Self {
            user: document.is_some().then(|| random.one(&USERS).to_owned()),
            document,
            account: random.one(&["111111111111", "111111111111", "222222222222"]).to_owned(),
            profile: random.one(&PROFILES),
            role_arn: random.one(&[
                None,
                Some("arn:aws:iam::111111111111:role/a"),
                Some("arn:aws:iam::111111111111:role/b"),
            ]),
            asked: random.one(&[
                None,
                None,
                None,
                Some("arn:aws:iam::111111111111:role/a"),
                Some("arn:aws:iam::111111111111:role/b"),
            ]),
            mode: random.one(&[Mode::Server, Mode::Server, Mode::Cli, Mode::CredentialProcess]),
            now,
            session: SessionOf::None,
            store_fails: random.once_in(6),
            requests: Vec::new(),
            events: Vec::new(),
            all_events_read: !random.once_in(8),
            signed_well: Vec::new(),
        };
        if world.mode == Mode::Server {
            let age_s = random.one(&[0, 5, 9, 10, 30, 60, 61, 500]);
            let table = random.one(&[None, Some("sessions"), Some("others")]);
            world.session = match random.below(12) {
                0 => SessionOf::None,
                1 => SessionOf::Starting,
                2 => SessionOf::Revoked,
                _ => SessionOf::Live { age_s, table },
            };
        }
        let who = (world.user.clone().unwrap_or_default(), world.profile);
        for number in 0..random.below(4) {
            let (request, well) = request(random, number, &who, now, &digest);
            if well && approves {
                world.signed_well.push(request.id.clone());
            }
            world.requests.push(request);
        }
        for number in 0..random.below(4) {
            world.events.push(event(random, number, &who, now));
        }
        world
    }

    pub(super) fn policy(&self) -> Option<Arc<Policy>> {
        self.document.as_ref().map(|document| {
            Arc::new(Policy::parse(&document.to_string()).unwrap_or_else(|flaw| panic!("{flaw}: {document:#}")))
        })
    }

    pub(super) fn broker(&self) -> Broker {
        let clock: Arc<dyn Clock> = Arc::new(Stopped(self.now));
        let standing = Arc::new(Standing::new(self.session != SessionOf::None, Arc::clone(&clock)));
        let id: Arc<str> = "00000000000000ff".into();
        match &self.session {
            SessionOf::None | SessionOf::Starting => {}
            SessionOf::Live { age_s, table } => {
                let table = table.map(Arc::from);
                standing.session_is_live(&id, table.as_ref(), BOOT - Duration::from_secs(*age_s));
            }
            SessionOf::Revoked => standing.session_has_ended(&id, "the session was revoked"),
        }
        if let Some(user) = &self.user {
            // The first question tells the standing whose records are wanted; the answer comes after it.
            let _not_yet = standing.records(user, Duration::ZERO);
            let (requests, events) = (self.requests.clone(), self.events.clone());
            let all_events_read = self.all_events_read;
            let records = Records { user: user.clone(), requests, events, all_events_read };
            standing.records_are(records, BOOT);
        }
        if self.store_fails {
            standing.session_failed(Arc::new(Error::new("the store does not answer")));
        }
        Broker::new(self.profile.to_owned(), self.mode, None, clock)
            .of_role(self.role_arn.map(str::to_owned))
            .believing(standing)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:?} of {} asks for {} ({:?}, asked for {:?}) by {:?} at {}; session {:?}, store fails: {}",
            self.user,
            self.account,
            self.profile,
            self.role_arn,
            self.asked,
            self.mode,
            self.now,
            self.session,
            self.store_fails
        )?;
        writeln!(f, "{:#?}\n{:#?}", self.requests, self.events)?;
        write!(f, "{:#}", self.document.clone().unwrap_or_default())
    }
}

pub(super) fn digest_of(document: &Value) -> String {
    crate::digest::hex(&crate::digest::sha256(document.to_string().as_bytes()))
}

fn key(number: usize) -> PrivateKey {
    PrivateKey::parse(SEEDS[number]).expect("a key")
}

fn document(random: &mut Random) -> Value {
    let mut document = json!({"version": "1"});
    if random.once_in(3) {
        document["approvals"] = json!("store");
    } else {
        // bob's key is the first.
        document["approvers"] = json!([
            {"name": "bob", "key": key(0).public().to_string()},
            {"name": "role:deploy", "key": key(1).public().to_string(), "profiles": ["prod"]},
        ]);
        if random.once_in(2) {
            document["approvals"] = json!("signed");
        }
    }
    if random.once_in(3) {
        document["accounts"] = json!(["111111111111"]);
    }
    if random.once_in(2) {
        let mut rules = json!({"cooldown": random.one(&["1h", "30m"]), "quota": {"events": 1 + random.below(2), "period": random.one(&["24h", "1h"])}});
        if random.once_in(2) {
            rules["users"] = json!(random.some(&USERS));
        }
        if random.once_in(2) {
            rules["reason_codes"] = json!(["incident"]);
        }
        if random.once_in(2) {
            rules["max_duration"] = json!(random.one(&["15m", "1h", "4h"]));
        }
        if random.once_in(2) {
            rules["lifts"] = json!(random.some(&["deny", "require_approval"]));
        }
        document["breakglass"] = rules;
    }
    let rules: Vec<Value> = (0..=random.below(4)).map(|number| rule(random, number)).collect();
    document["rules"] = json!(rules);
    document
}

fn rule(random: &mut Random, number: u64) -> Value {
    let mut rule = json!({"name": format!("rule-{number}"), "effect": random.one(&EFFECTS)});
    let mut conditions = json!({});
    if random.once_in(2) {
        conditions["profiles"] = json!([random.one(&["prod", "dev", "*", "p*d"])]);
    }
    if random.once_in(3) {
        conditions["users"] = json!(random.some(&["alice", "bob", "role:*"]));
    }
    if random.once_in(3) {
        conditions["mode"] = json!(random.some(&["server", "cli", "credential_process"]));
    }
    if random.once_in(4) {
        conditions["time"] = json!({"days": random.some(&["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]),
            "hours": random.one(&[("08:00", "18:00"), ("22:00", "06:00")]).into_hours()});
    }
    if conditions.as_object().is_some_and(|fields| !fields.is_empty()) {
        rule["conditions"] = conditions;
    }
    if random.once_in(4) {
        rule["session_table"] = json!("sessions");
    }
    if random.once_in(4) {
        rule["role_arns"] = json!(["arn:aws:iam::111111111111:role/a"]);
    }
    if random.once_in(4) {
        rule["session_policy"] = json!({"Version": "2012-10-17", "Statement": {"Sid": format!("S{number}"), "Effect": "Allow", "Action": "*", "Resource": "*"}});
    }
    if random.once_in(4) {
        rule["max_server_duration"] = json!(random.one(&["15m", "1h"]));
    }
    rule
}

trait Hours {
    fn into_hours(self) -> Value;
}

impl Hours for (&str, &str) {
    fn into_hours(self) -> Value {
        json!({"start": self.0, "end": self.1})
    }
}

/// What is asked about, so that records often count; else any other.
fn mostly(random: &mut Random, wanted: &str, others: &[&str]) -> String {
    if random.once_in(5) { random.one(others).to_owned() } else { wanted.to_owned() }
}

/// A request, and whether its signature is good.
fn request(random: &mut Random, number: u64, who: &(String, &str), now: Timestamp, digest: &str) -> (Request, bool) {
    let seconds = |s: i64| SignedDuration::from_secs(s);
    let duration_s = random.one(&[900, 3600, 3600, 40_000]);
    let mut request = Request {
        id: format!("{number:016x}"),
        requester: mostly(random, &who.0, &USERS),
        profile: mostly(random, who.1, &PROFILES),
        justification: "to see what comes of it".to_owned(),
        duration: Duration::from_secs(duration_s),
        status: random.one(&[
            RequestStatus::Approved,
            RequestStatus::Approved,
            RequestStatus::Approved,
            RequestStatus::Pending,
            RequestStatus::Denied,
        ]),
        created_at: now - seconds(100),
        updated_at: now - seconds(50),
        expires_at: now + seconds(random.one(&[-1, 0, 1, 600, 900, 5000, 28_800, 28_801])),
        approver: random.one(&[None, Some("alice"), Some("bob"), Some("bob"), Some("role:deploy")]).map(str::to_owned),
        approver_comment: None,
        account: random
            .one(&[None, None, Some("111111111111"), Some("111111111111"), Some("222222222222")])
            .map(str::to_owned),
        principal_id: None,
        policy_digest: Some(random.one(&[digest, digest, digest, "00"]).to_owned()),
        signature: None,
        version: 1,
    };
    let signer = match request.approver.as_deref() {
        Some("role:deploy") => 1,
        _ => 0,
    };
    let signer_is_right = !random.once_in(6);
    let signer = if signer_is_right { signer } else { 1 - signer };
    if !random.once_in(6) {
        let signed = request.policy_digest.clone().unwrap_or_default();
        request.signature = Some(key(signer).sign(approval::message(&request, &signed).as_bytes()));
    }
    let tampered = random.once_in(6);
    if tampered {
        request.expires_at += seconds(1);
    }
    let well = signer_is_right && !tampered && request.signature.is_some();
    (request, well)
}

fn event(random: &mut Random, number: u64, who: &(String, &str), now: Timestamp) -> Event {
    // Some lie a cooldown, a quota's period or a window apart, to the second; some are of a clock that is ahead.
    let ages = [10, 10, 10, 900, 1000, 3000, 2710, 3610, 4510, 50_000, 86_410, -300, -301];
    let created_at = now - SignedDuration::from_secs(random.one(&ages));
    let duration_s = random.one(&[900, 900, 3600, 3600, 899, 14_400, 14_401]);
    Event {
        id: format!("{:016x}", 0xe0 + number),
        invoker: mostly(random, &who.0, &USERS),
        profile: mostly(random, who.1, &PROFILES),
        reason_code: random.one(&["incident", "incident", "other", "whim"]).to_owned(),
        justification: "everything is on fire here".to_owned(),
        duration: Duration::from_secs(duration_s),
        status: random.one(&[EventStatus::Active, EventStatus::Active, EventStatus::Active, EventStatus::Closed]),
        created_at,
        updated_at: created_at + SignedDuration::from_secs(random.one(&[5, 5, 20_000])),
        expires_at: created_at
            + SignedDuration::from_secs(i64::try_from(duration_s).expect("small") + random.one(&[0, 0, 0, 1])),
        closed_by: None,
        closed_reason: None,
        request_id: None,
        version: 1,
    }
}
