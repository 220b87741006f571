use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;

use super::*;
use crate::cli::records::world::{Memory, at};

const ID: &str = "0123456789abcdef";
const WANTS: &str = "the rule wants an approval";

/// Time passes in pauses alone, and in them somebody writes.
#[derive(Default)]
struct World {
    store: Memory,
    passed_s: AtomicU64,
    /// After so many seconds the request is this.
    then: Mutex<Vec<(u64, Request)>>,
    /// Seconds until the broker has heard of an approval.
    lag_s: u64,
}

impl Clock for World {
    fn wall(&self) -> Timestamp {
        at("10:00") + SignedDuration::try_from(self.boot()).expect("a short while")
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.passed_s.load(Ordering::SeqCst))
    }
}

impl World {
    fn new(request: &Request) -> Self {
        Self { store: Memory::with(&[request]), ..Self::default() }
    }

    fn then(self, after_s: u64, request: Request) -> Self {
        self.then.lock().expect("lock").push((after_s, request));
        self
    }

    fn pass(&self, time: Duration) {
        let now = self.passed_s.fetch_add(time.as_secs(), Ordering::SeqCst) + time.as_secs();
        assert!(now < 100_000, "it waits for ever");
        self.then.lock().expect("lock").retain(|(at, request)| {
            let due = *at <= now;
            if due {
                self.store.put(&request.to_item());
            }
            !due
        });
    }

    /// Waits as alice does for prod. Returns what she is told, and how often the broker was asked.
    fn wait(&self, is_terminal: bool) -> (std::result::Result<u64, String>, String, usize) {
        let waiter = Waiter { engine: &self.store, profile: "prod", clock: self, pause: &|time| self.pass(time) };
        let mut progress = Progress { out: Vec::new(), is_terminal, shown: false };
        let (mut asked, mut approved_since) = (0, None);
        let result = waiter.run(&|| Some("alice".to_owned()), &mut progress, || {
            asked += 1;
            let approved = self.store.all::<Request>().iter().any(|one| one.status == RequestStatus::Approved);
            let now = self.passed_s.load(Ordering::SeqCst);
            if approved && now - *approved_since.get_or_insert(now) >= self.lag_s {
                return Outcome::Vended(now);
            }
            Outcome::Unapproved(WANTS.to_owned())
        });
        let told = String::from_utf8(progress.out).expect("text");
        (result.map_err(|error| error.to_string()), told, asked)
    }
}

fn request(status: RequestStatus) -> Request {
    Request {
        id: ID.to_owned(),
        requester: "alice".to_owned(),
        profile: "prod".to_owned(),
        justification: "ticket 4711".to_owned(),
        duration: Duration::from_secs(3600),
        status,
        created_at: at("10:00"),
        updated_at: at("10:00"),
        expires_at: at("10:05"),
        approver: Some("bob".to_owned()),
        approver_comment: None,
        account: None,
        principal_id: None,
        policy_digest: None,
        signature: None,
        version: 1,
    }
}

const WAITING: &str = "sentinel: waiting for an approval of request 0123456789abcdef for profile `prod`";

#[test]
fn an_approval_ends_the_wait_and_the_broker_is_asked_only_then() {
    let world = World::new(&request(RequestStatus::Pending)).then(7, request(RequestStatus::Approved));
    let (result, told, asked) = world.wait(false);
    assert_eq!((result, asked), (Ok(8), 2));
    assert_eq!(told, format!("{WAITING}\nsentinel: request {ID} is approved\n"));
}

#[test]
fn on_a_terminal_one_line_is_written_anew() {
    let world = World::new(&request(RequestStatus::Pending)).then(3, request(RequestStatus::Approved));
    let (_, told, _) = world.wait(true);
    assert_eq!(told, format!("\r{WAITING} (0s)\r{WAITING} (2s)\nsentinel: request {ID} is approved\n"));
}

#[test]
fn the_broker_may_hear_of_it_a_moment_later() {
    let world = World { lag_s: 5, ..World::new(&request(RequestStatus::Pending)) };
    let (result, _, asked) = world.then(2, request(RequestStatus::Approved)).wait(false);
    assert_eq!((result, asked), (Ok(8), 5));
}

#[test]
fn an_approval_that_does_not_count_ends_the_wait_too() {
    let world = World { lag_s: 1_000, ..World::new(&request(RequestStatus::Pending)) };
    let (result, _, _) = world.then(2, request(RequestStatus::Approved)).wait(false);
    let expected = format!("request {ID} is approved, and the policy does not accept that: {WANTS}");
    assert_eq!(result, Err(expected));
}

#[test]
fn a_no_is_told_with_its_reason() {
    let denied = Request { approver_comment: Some("not \u{1b}today".to_owned()), ..request(RequestStatus::Denied) };
    let hint = format!("\n  `sentinel request show {ID}` shows all of it");
    for (then, said) in [
        (denied, "was denied by bob: not \\u001btoday"),
        (request(RequestStatus::Cancelled), "was cancelled"),
        (request(RequestStatus::Expired), "expired at 2026-03-04T10:05:00Z: nobody approved it"),
    ] {
        let (result, _, asked) = World::new(&request(RequestStatus::Pending)).then(2, then).wait(false);
        assert_eq!((result, asked), (Err(format!("request {ID} {said}{hint}")), 1));
    }
    let (result, _, _) = World::new(&request(RequestStatus::Pending)).wait(false);
    assert_eq!(result, Err(format!("request {ID} expired at 2026-03-04T10:05:00Z: nobody approved it{hint}")));
}

#[test]
fn without_a_request_there_is_nothing_to_wait_for() {
    let other = Request { profile: "dev".to_owned(), ..request(RequestStatus::Pending) };
    for found in [other, request(RequestStatus::Denied), request(RequestStatus::Approved)] {
        let world = World { lag_s: 1_000, ..World::new(&found) };
        let (result, told, asked) = world.wait(false);
        let expected = format!(
            "policy denied profile `prod`: {WANTS}\n  there is no request to wait for: `sentinel request create --profile prod` makes \
             one"
        );
        assert_eq!((result, told.as_str(), asked), (Err(expected), "", 1));
    }
}
