use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};

use jiff::Timestamp;

use super::*;
use crate::ed25519::PrivateKey;
use crate::policy::envelope::{Scope, Terms, seal};
use crate::policy::{Effect, Policy};

const ALLOW: &str = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
const DENY: &str = r#"{"version":"1","rules":[{"name":"r","effect":"deny"}]}"#;
const NOT_AFTER: &str = "2027-01-01T00:00:00Z";
/// Longer than anything here takes: who waits for it waits for an answer.
const LONG: Duration = Duration::from_secs(20);
const NO_WAIT: Duration = Duration::ZERO;

/// A clock that moves when told.
struct HandClock(Mutex<Duration>);

const BEGINNING: Duration = Duration::from_secs(1_000);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(BEGINNING)))
    }

    fn pass_s(&self, seconds: u64) {
        *self.0.lock().expect("a lock") += Duration::from_secs(seconds);
    }
}

impl Clock for HandClock {
    fn wall(&self) -> Timestamp {
        let start: Timestamp = "2026-12-31T23:00:00Z".parse().expect("a time");
        start + (self.boot() - BEGINNING)
    }

    fn boot(&self) -> Duration {
        *self.0.lock().expect("a lock")
    }
}

/// A service that answers as it was told, and then is down.
#[derive(Default)]
struct Service {
    answers: Mutex<VecDeque<std::result::Result<String, Unfetched>>>,
    calls: AtomicU32,
    /// Where there is one, answers wait for a word on it.
    gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Service {
    fn then(&self, answer: std::result::Result<String, Unfetched>) {
        self.answers.lock().expect("a lock").push_back(answer);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    fn hang(&self) -> mpsc::Sender<()> {
        let (open, gate) = mpsc::channel();
        *self.gate.lock().expect("a lock") = Some(gate);
        open
    }
}

impl Fetch for Service {
    fn fetch(&self) -> std::result::Result<Vec<u8>, Unfetched> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &*self.gate.lock().expect("a lock") {
            // The end of the test opens it too.
            let _opened = gate.recv();
        }
        let next = self.answers.lock().expect("a lock").pop_front();
        next.unwrap_or_else(|| Err(down())).map(String::into_bytes)
    }
}

fn down() -> Unfetched {
    Unfetched::Down(Error::new("cannot reach ssm").hint("check the network"))
}

struct Setup {
    clock: Arc<HandClock>,
    service: Arc<Service>,
    source: PolicySource,
}

impl Setup {
    fn new(trust: Option<Trust<'_>>) -> Self {
        let (clock, service) = (HandClock::new(), Arc::new(Service::default()));
        let fetch = Arc::clone(&service) as Arc<dyn Fetch>;
        let source = PolicySource::parameter("ssm:/p".to_owned(), fetch, trust, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, service, source }
    }

    /// One that has fetched a policy which allows, just now.
    fn allowing() -> Self {
        let setup = Self::new(None);
        setup.service.then(Ok(ALLOW.to_owned()));
        assert_eq!(setup.effect(LONG), Effect::Allow);
        setup
    }

    fn effect(&self, wait: Duration) -> Effect {
        effect(&self.source.current(wait).expect("a policy"))
    }

    fn refused(&self, wait: Duration) -> String {
        self.source.current(wait).expect_err("a refusal").to_string()
    }

    /// Waits until a fetch that nobody waits for has landed.
    fn landed(&self) {
        let Kind::Parameter(parameter) = &self.source.0 else { unreachable!("it is a parameter") };
        parameter.wait_until_landed();
    }
}

fn effect(policy: &Policy) -> Effect {
    policy.rules[0].effect
}

#[test]
fn a_document_answers_for_thirty_seconds_and_is_then_fetched_anew() {
    let setup = Setup::allowing();
    setup.clock.pass_s(29);
    assert_eq!((setup.effect(NO_WAIT), setup.service.calls()), (Effect::Allow, 1));
    setup.clock.pass_s(1);
    setup.service.then(Ok(DENY.to_owned()));
    assert_eq!((setup.effect(LONG), setup.service.calls()), (Effect::Deny, 2));
}

#[test]
fn while_the_service_is_down_the_old_document_serves_for_five_minutes() {
    let setup = Setup::allowing();
    setup.clock.pass_s(299);
    assert_eq!((setup.effect(LONG), setup.service.calls()), (Effect::Allow, 2));
    setup.clock.pass_s(1);
    let expected = "cannot read the policy ssm:/p: cannot reach ssm\n  check the network";
    assert_eq!(setup.refused(LONG), expected);
    setup.clock.pass_s(600);
    assert_eq!(setup.refused(LONG), expected);
    setup.clock.pass_s(600);
    setup.service.then(Ok(DENY.to_owned()));
    assert_eq!(setup.effect(LONG), Effect::Deny);
}

#[test]
fn a_service_that_hangs_is_not_waited_for_longer_than_told() {
    let setup = Setup::allowing();
    let gate = setup.service.hang();
    setup.clock.pass_s(30);
    assert_eq!(setup.effect(NO_WAIT), Effect::Allow);
    // One fetch at a time, and nobody who has something else waits for one that is slow already.
    setup.clock.pass_s(1);
    assert_eq!(setup.effect(Duration::from_millis(900)), Effect::Allow);
    setup.clock.pass_s(269);
    assert_eq!(setup.refused(NO_WAIT), "cannot read the policy ssm:/p: there was no answer in time\n  try again");
    assert!(setup.service.calls() <= 2);
    setup.service.then(Ok(DENY.to_owned()));
    drop(gate);
    setup.landed();
    // It was asked for 270 s ago, so it counts as that old: it serves while the next, which fails, is fetched.
    assert_eq!(setup.effect(LONG), Effect::Deny);
    assert_eq!(setup.service.calls(), 3);
}

#[test]
fn the_service_rests_after_a_failure() {
    let setup = Setup::allowing();
    setup.clock.pass_s(30);
    for _ in 0..3 {
        assert_eq!(setup.effect(LONG), Effect::Allow);
    }
    assert_eq!(setup.service.calls(), 2);
    setup.clock.pass_s(1);
    assert_eq!(setup.effect(LONG), Effect::Allow);
    assert_eq!(setup.service.calls(), 3);
    setup.clock.pass_s(1);
    assert_eq!(setup.effect(LONG), Effect::Allow);
    assert_eq!(setup.service.calls(), 3);
}

#[test]
fn a_document_that_is_not_good_ends_the_old_one_at_once() {
    let setup = Setup::allowing();
    setup.clock.pass_s(30);
    setup.service.then(Ok("{".to_owned()));
    let expected = "the policy ssm:/p is not valid: EOF while parsing an object at line 1 column 1";
    assert_eq!(setup.refused(LONG), expected);
    assert_eq!(setup.refused(LONG), expected, "also while nothing is fetched");
    setup.clock.pass_s(10);
    let error = setup.refused(LONG);
    assert_eq!(
        error, "cannot read the policy ssm:/p: cannot reach ssm\n  check the network",
        "also when it is down then"
    );
}

#[test]
fn a_service_that_refuses_ends_the_old_document_at_once() {
    let setup = Setup::allowing();
    setup.clock.pass_s(30);
    setup.service.then(Err(Unfetched::Refused(Error::new("there is no parameter /p"))));
    assert_eq!(setup.refused(LONG), "there is no parameter /p");
}

#[test]
fn without_a_first_document_there_is_none() {
    let setup = Setup::new(None);
    assert_eq!(setup.refused(LONG), "cannot read the policy ssm:/p: cannot reach ssm\n  check the network");
    let setup = Setup::new(None);
    let _gate = setup.service.hang();
    assert_eq!(setup.refused(NO_WAIT), "cannot read the policy ssm:/p: there was no answer in time\n  try again");
    assert_eq!(setup.source.name(), "ssm:/p");
}

#[test]
fn what_is_in_use_is_fetched_ahead_and_what_is_not_is_not() {
    let setup = Setup::allowing();
    setup.source.refresh_due();
    setup.clock.pass_s(20);
    // Nobody has asked since it came.
    setup.source.refresh_due();
    assert_eq!(setup.service.calls(), 1);
    assert_eq!(setup.effect(NO_WAIT), Effect::Allow);
    setup.service.then(Ok(DENY.to_owned()));
    setup.source.refresh_due();
    setup.landed();
    assert_eq!((setup.effect(NO_WAIT), setup.service.calls()), (Effect::Deny, 2));
}

#[test]
fn many_requests_are_one_fetch() {
    let setup = Setup::new(None);
    let gate = setup.service.hang();
    setup.service.then(Ok(ALLOW.to_owned()));
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| setup.effect(LONG))).collect();
        gate.send(()).expect("sent");
        assert!(askers.into_iter().all(|asker| asker.join().expect("no panic") == Effect::Allow));
    });
    assert_eq!(setup.service.calls(), 1);
}

/// A key, and a state directory that goes away with it.
struct Signer {
    key: PrivateKey,
    state: PathBuf,
}

impl Signer {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = std::env::temp_dir().join(format!("sentinel-source-{}-{number}", std::process::id()));
        Self { key: PrivateKey::random().expect("a key"), state }
    }

    fn trust(&self) -> Trust<'_> {
        Trust { pin: Pin { key: self.key.public(), scope: Scope::default() }, state_directory: &self.state }
    }

    fn signed(&self, document: &str, serial: u64) -> String {
        let terms = Terms { scope: Scope::default(), serial, not_after: NOT_AFTER.parse().expect("a time") };
        seal(document, &terms, &self.key).expect("an envelope")
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.state));
    }
}

#[test]
fn a_signed_policy_ends_while_it_is_held() {
    let signer = Signer::new();
    let setup = Setup::new(Some(signer.trust()));
    setup.clock.pass_s(3599);
    setup.service.then(Ok(signer.signed(ALLOW, 1)));
    assert_eq!(setup.effect(LONG), Effect::Allow);
    setup.clock.pass_s(1);
    let expected = "the policy ssm:/p ended at 2027-01-01T00:00:00Z\n  whoever keeps it has to sign it anew, with a later \
                    --not-after";
    assert_eq!(setup.refused(NO_WAIT), expected);
    assert_eq!(setup.service.calls(), 1);
}

#[test]
fn an_unsigned_and_an_older_document_end_the_newer_one_at_once() {
    for (bad, said) in [
        (ALLOW.to_owned(), "the policy ssm:/p is not signed\n"),
        (String::new(), "the envelope of the policy ssm:/p is not valid: "),
    ] {
        let signer = Signer::new();
        let setup = Setup::new(Some(signer.trust()));
        setup.service.then(Ok(signer.signed(ALLOW, 2)));
        assert_eq!(setup.effect(LONG), Effect::Allow);
        setup.clock.pass_s(30);
        setup.service.then(Ok(bad));
        assert!(setup.refused(LONG).starts_with(said), "{said}");
        setup.clock.pass_s(30);
        setup.service.then(Ok(signer.signed(DENY, 1)));
        let older = "the policy ssm:/p has the serial 1, and 2 was obeyed before\n";
        assert!(setup.refused(LONG).starts_with(older));
        setup.clock.pass_s(30);
        setup.service.then(Ok(signer.signed(DENY, 3)));
        assert_eq!(setup.effect(LONG), Effect::Deny);
    }
}

#[test]
fn what_another_source_obeyed_since_ends_what_is_held() {
    let signer = Signer::new();
    let (older, newer) = (Setup::new(Some(signer.trust())), Setup::new(Some(signer.trust())));
    older.service.then(Ok(signer.signed(ALLOW, 1)));
    assert_eq!(older.effect(LONG), Effect::Allow);
    newer.service.then(Ok(signer.signed(DENY, 2)));
    assert_eq!(newer.effect(LONG), Effect::Deny);
    let expected = "the policy ssm:/p has the serial 1, and 2 was obeyed before\n";
    assert!(older.refused(NO_WAIT).starts_with(expected));
    assert_eq!(older.service.calls(), 1);
}

#[test]
fn a_file_ends_and_is_rolled_back_no_further_than_a_parameter() {
    let signer = Signer::new();
    fs::create_dir(&signer.state).expect("a directory");
    fs::set_permissions(&signer.state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
    let path = signer.state.join("policy.json");
    let put = |text: String| {
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
    };
    let clock = HandClock::new();
    let source = PolicySource::file(path.clone(), Some(signer.trust()), Arc::clone(&clock) as Arc<dyn Clock>);
    let refused = || {
        let error = source.current(NO_WAIT).expect_err("a refusal").summary();
        error.replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(source.name(), path.display().to_string());
    put(signer.signed(ALLOW, 2));
    assert_eq!(effect(&source.current(NO_WAIT).expect("a policy")), Effect::Allow);
    put(signer.signed(ALLOW, 1));
    assert_eq!(refused(), "the policy FILE has the serial 1, and 2 was obeyed before");
    put(ALLOW.to_owned());
    assert_eq!(refused(), "the policy FILE is not signed");
    put(signer.signed(DENY, 3));
    assert_eq!(effect(&source.current(NO_WAIT).expect("a policy")), Effect::Deny);
    clock.pass_s(3600);
    assert_eq!(refused(), "the policy FILE ended at 2027-01-01T00:00:00Z");

    let unpinned = PolicySource::file(path.clone(), None, clock);
    let error = unpinned.current(NO_WAIT).expect_err("no key").summary();
    assert!(error.ends_with(" is signed, and no key is given to check that with"), "{error}");
}

#[test]
fn a_signed_mistake_is_not_remembered() {
    let signer = Signer::new();
    let setup = Setup::new(Some(signer.trust()));
    setup.service.then(Ok(signer.signed("{}", 5)));
    assert!(setup.refused(LONG).starts_with("the policy ssm:/p is not valid: "));
    setup.clock.pass_s(30);
    setup.service.then(Ok(signer.signed(ALLOW, 5)));
    assert_eq!(setup.effect(LONG), Effect::Allow);
}
