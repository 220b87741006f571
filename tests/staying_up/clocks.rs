//! Clocks that are set by an hour, and a host that sleeps: the server of a library, whose clocks the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sentinel::auth::{Binding, Registered};
use sentinel::clock::{Clock, SystemClock};
use sentinel::sys::user::effective_uid;
use serde_json::Value;

use crate::fake_sts::Fault;
use crate::harness::{Running, eventually};
use crate::wire::Served;
use crate::wire::in_process::{InProcess, Whom};

const HOUR_S: i64 = 3600;
/// Of the sessions that `InProcess` asks for. They are renewed after a third.
const LIFETIME_S: i64 = 1800;

/// The system's clocks, and what they are ahead of it.
#[derive(Clone, Default)]
struct Moved {
    wall_s: Arc<AtomicI64>,
    boot_s: Arc<AtomicI64>,
}

impl Clock for Moved {
    fn wall(&self) -> Timestamp {
        SystemClock.wall() + SignedDuration::from_secs(self.wall_s.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        SystemClock.boot() + Duration::from_secs(self.boot_s.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// A server, its clocks, and a client.
struct Scene {
    clock: Moved,
    /// What AWS's clock is ahead of the system's.
    passed_s: i64,
    client: Running,
    _registered: Registered,
    _server: InProcess,
    served: Served,
}

impl Scene {
    /// A run of `exec`, and a service.
    fn each(test: impl Fn(Self)) {
        for whom in [Whom::Tree, Whom::Selected] {
            test(Self::of(Served::new(), whom));
        }
    }

    fn of(served: Served, whom: Whom) -> Self {
        let clock = Moved::default();
        let server = InProcess::with_clock(&served, whom, Arc::new(clock.clone()));
        let registered = server.authenticator.registry().register(effective_uid(), Binding::Tree);
        let (token, registered) = registered.expect("a token");
        let script = "for line in sys.stdin:\n    print(once(ask(more=b'Connection: close\\r\\n')).decode().partition('\\r\\n\\r\\n')[2])";
        let client = served.outside(&format!("{} {}", server.socket, token.expose_str()), script).spawn();
        Self { clock, passed_s: 0, client, _registered: registered, _server: server, served }
    }

    /// Fails unless these are given until a minute before their end, and nothing from their end on.
    #[track_caller]
    fn end_to_the_second(&mut self, given: &str) {
        self.pass(LIFETIME_S - 60);
        assert_eq!(self.ask(), given, "they have a minute left");
        self.pass(60);
        for _ in 0..20 {
            let answer = self.ask();
            assert!(["CredentialsFailed", "CredentialsPending"].contains(&answer.as_str()), "{answer}");
        }
    }

    /// The id of the key that is served, or the error's code.
    #[track_caller]
    fn ask(&mut self) -> String {
        self.client.send("");
        let body: Value = serde_json::from_str(&self.client.line()).expect("JSON");
        let found = body.get("AccessKeyId").or_else(|| body.get("code")).expect("a key or a code");
        found.as_str().expect("text").to_owned()
    }

    #[track_caller]
    fn ask_until(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        eventually(what, || Some(self.ask()).filter(|answer| fits(answer)))
    }

    /// So much time passes, for all.
    fn pass(&mut self, seconds: i64) {
        self.passed_s += seconds;
        self.clock.boot_s.fetch_add(seconds, Ordering::SeqCst);
        self.clock.wall_s.fetch_add(seconds, Ordering::SeqCst);
        self.served.sts.shift_clock_s(self.passed_s);
    }

    /// The clock of this host is set.
    fn set_clock(&self, by_s: i64) {
        self.clock.wall_s.fetch_add(by_s, Ordering::SeqCst);
    }

    /// What STS answered to those who asked for sessions.
    fn answers(&self) -> Vec<String> {
        let calls = self.served.sts.calls_of("GetSessionToken");
        calls.into_iter().filter_map(|call| call.answer).collect()
    }
}

fn is_key(answer: &str) -> bool {
    answer.starts_with("ASIA")
}

/// AWS refuses a clock that is an hour ahead. What is there seems to have ended, and has not.
#[test]
fn a_clock_that_is_set_forward_and_mended_costs_the_time_between() {
    Scene::each(|mut scene| {
        let first = scene.ask_until("credentials", is_key);
        scene.set_clock(HOUR_S);
        scene.ask_until("a failure", |answer| answer == "CredentialsFailed");
        let began = SystemClock.boot();
        for _ in 0..100 {
            let answer = scene.ask();
            assert!(["CredentialsFailed", "CredentialsPending"].contains(&answer.as_str()), "{answer}");
        }
        // One attempt each time, and pauses from half a second up between them.
        let most = 3 + 2 * (SystemClock.boot() - began).as_secs();
        let answers = scene.answers();
        assert!(u64::try_from(answers.len()).expect("few") <= most, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| *answer == "ok").count(), 1, "{answers:?}");
        scene.set_clock(-HOUR_S);
        assert_eq!(scene.ask(), first);
        // In time they are renewed.
        scene.pass(LIFETIME_S * 2 / 3);
        scene.ask_until("renewed credentials", |answer| is_key(answer) && answer != first);
    });
}

/// AWS refuses a clock that is an hour behind as well. By it nothing would ever have ended.
#[test]
fn a_clock_that_is_set_back_lets_nothing_outlive_its_end() {
    Scene::each(|mut scene| {
        let first = scene.ask_until("credentials", is_key);
        scene.set_clock(-HOUR_S);
        assert_eq!(scene.ask(), first);
        scene.end_to_the_second(&first);
        assert!(scene.answers().len() <= 5, "{:?}", scene.answers());
        scene.set_clock(HOUR_S);
        // The longest pause after a failure.
        scene.pass(60);
        let second = scene.ask_until("credentials", is_key);
        assert_ne!(second, first);
    });
}

/// Keys that are handed out as they came: AWS, which would refuse them, is not asked.
#[test]
fn given_keys_have_no_more_left_by_a_clock_that_is_set_back() {
    let keys = "aws_access_key_id = ASIAGIVEN\naws_secret_access_key = s\naws_session_token = t";
    let json = r#""Version":1,"AccessKeyId":"ASIAGIVEN","SecretAccessKey":"s","SessionToken":"t""#;
    for (by_helper, whom) in [(false, Whom::Tree), (true, Whom::Tree), (false, Whom::Selected), (true, Whom::Selected)]
    {
        let served = Served::new();
        let end = SystemClock.wall() + SignedDuration::from_secs(LIFETIME_S);
        if by_helper {
            // Which has kept them as well, and gives them once more.
            let file = served.sandbox.write("keys", &format!(r#"{{{json},"Expiration":"{end:.0}"}}"#), 0o600);
            served.sandbox.credentials("");
            let helper = format!("credential_process = /bin/cat {}", file.display());
            served.sandbox.config(&format!("[profile base]\nregion = us-east-1\n{helper}\n"));
        } else {
            served.sandbox.credentials(&format!("[base]\n{keys}\naws_credential_expiration = {end:.0}\n"));
        }
        let mut scene = Scene::of(served, whom);
        assert_eq!(scene.ask_until("credentials", is_key), "ASIAGIVEN");
        scene.set_clock(-HOUR_S);
        // They are looked at again, by the clock of now.
        scene.pass(LIFETIME_S * 2 / 3);
        assert_eq!(scene.ask(), "ASIAGIVEN", "they have ten minutes left");
        scene.pass(LIFETIME_S / 3);
        for _ in 0..20 {
            let answer = scene.ask();
            assert!(
                ["CredentialsFailed", "CredentialsPending"].contains(&answer.as_str()),
                "{by_helper}, {whom:?}: {answer}"
            );
        }
    }
}

/// AWS takes what is signed up to five minutes off. By this host's clock its sessions last as much longer than they do.
#[test]
fn a_clock_that_is_behind_lets_nothing_outlive_its_end() {
    Scene::each(|mut scene| {
        scene.passed_s = 250;
        scene.served.sts.shift_clock_s(250);
        let first = scene.ask_until("credentials", is_key);
        let refusal = Fault::Refuse { status: 403, code: "AccessDenied", message: "no more" };
        scene.served.sts.inject("GetSessionToken", 1000, refusal);
        scene.end_to_the_second(&first);
    });
}

/// All clocks go on while a host sleeps, but for the one that waits are measured by.
#[test]
fn a_host_that_slept_serves_no_key_of_the_evening_before() {
    Scene::each(|mut scene| {
        let first = scene.ask_until("credentials", is_key);
        scene.pass(8 * HOUR_S);
        let second = scene.ask_until("credentials", is_key);
        assert_ne!(second, first);
        assert_eq!(scene.answers(), ["ok", "ok"]);
        // A nap costs nothing.
        scene.pass(300);
        assert_eq!(scene.ask(), second);
    });
}

/// The answer never comes: the other end has forgotten the connection.
#[test]
fn a_host_that_fell_asleep_in_the_middle_of_a_call_asks_again() {
    Scene::each(|mut scene| {
        let first = scene.ask_until("credentials", is_key);
        scene.pass(LIFETIME_S / 2);
        let _asleep = scene.served.sts.hang("GetSessionToken");
        assert_eq!(scene.ask(), first);
        scene.served.sts.wait_for_calls("GetSessionToken", 2);
        scene.pass(8 * HOUR_S);
        let answer = scene.ask();
        assert!(["CredentialsFailed", "CredentialsPending"].contains(&answer.as_str()), "{answer}");
        let second = scene.ask_until("credentials", is_key);
        assert_ne!(second, first);
    });
}
