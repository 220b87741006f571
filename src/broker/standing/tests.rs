use std::sync::atomic::AtomicU64;

use jiff::Timestamp;

use super::*;

/// A clock that is set by hand; a request waits for nobody.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

struct Scene {
    clock: Arc<Hand>,
    standing: Standing,
    id: Arc<str>,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(Hand(AtomicU64::new(1_000)));
        let standing = Standing::new(true, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, standing, id: "00000000000000ff".into() }
    }

    /// A session that was confirmed this many seconds ago.
    fn confirmed(age_s: u64) -> Self {
        let scene = Self::new();
        scene.confirm();
        scene.clock.0.fetch_add(age_s, Ordering::SeqCst);
        scene
    }

    fn confirm(&self) {
        self.standing.session_is_live(&self.id, None, self.clock.boot());
    }

    fn session(&self) -> &'static str {
        match self.standing.session(self.clock.boot(), self.clock.boot()) {
            Session::None => "none",
            Session::Live { .. } => "live",
            Session::Ended { .. } => "ended",
            Session::Unknown(None) => "pending",
            Session::Unknown(Some(_)) => "unconfirmed",
        }
    }

    fn records(&self, user: &str) -> &'static str {
        match self.standing.records(user, self.clock.boot()) {
            Ok(_) => "known",
            Err(None) => "pending",
            Err(Some(_)) => "failed",
        }
    }

    fn read_records(&self, user: &str) {
        let records = Records { user: user.to_owned(), ..Records::default() };
        self.standing.records_are(records, self.clock.boot());
    }
}

fn failure() -> Arc<Error> {
    Arc::new(Error::new("the store does not answer"))
}

#[test]
fn a_session_is_believed_while_it_is_fresh_and_longer_only_where_its_store_fails() {
    for (age_s, answers, fails) in [
        (0, "live", "live"),
        (9, "live", "live"),
        (10, "pending", "live"),
        (60, "pending", "live"),
        (61, "pending", "unconfirmed"),
        // A host that slept.
        (100_000, "pending", "unconfirmed"),
    ] {
        let scene = Scene::confirmed(age_s);
        assert_eq!(scene.session(), answers, "{age_s} s");
        scene.standing.session_failed(failure());
        assert_eq!(scene.session(), fails, "{age_s} s");
    }
}

#[test]
fn a_failure_of_the_other_records_keeps_no_session_alive() {
    let scene = Scene::confirmed(10);
    scene.standing.records_failed(failure());
    assert_eq!(scene.session(), "pending");
    // And a success of theirs is not the session's.
    let scene = Scene::confirmed(61);
    scene.standing.session_failed(failure());
    assert_eq!(scene.records("alice"), "pending");
    scene.read_records("alice");
    assert_eq!(scene.session(), "unconfirmed");
}

#[test]
fn a_failure_of_the_session_says_nothing_of_the_other_records() {
    let scene = Scene::new();
    scene.standing.session_failed(failure());
    assert_eq!(scene.session(), "unconfirmed");
    assert_eq!(scene.records("alice"), "pending");
    scene.standing.records_failed(failure());
    assert_eq!(scene.records("alice"), "failed");
    scene.confirm();
    assert_eq!(scene.records("alice"), "failed");
}

#[test]
fn a_store_that_answers_again_is_not_excused_any_more() {
    let scene = Scene::confirmed(5);
    scene.standing.session_failed(failure());
    scene.confirm();
    scene.clock.0.fetch_add(10, Ordering::SeqCst);
    assert_eq!(scene.session(), "pending");
}

#[test]
fn what_has_ended_stays_so_whatever_a_store_says_later() {
    let scene = Scene::confirmed(0);
    assert!(scene.standing.is_live() && !scene.standing.has_ended());
    scene.standing.session_has_ended(&scene.id, "the session was revoked");
    scene.confirm();
    scene.standing.session_failed(failure());
    assert_eq!(scene.session(), "ended");
    assert!(scene.standing.has_ended() && !scene.standing.is_live());
}

#[test]
fn one_users_records_are_not_anothers() {
    let scene = Scene::confirmed(0);
    assert_eq!(scene.records("alice"), "pending");
    scene.read_records("alice");
    assert_eq!(scene.records("alice"), "known");
    assert_eq!(scene.records("bob"), "pending");
    // The answer to an earlier question.
    scene.read_records("alice");
    assert_eq!(scene.records("bob"), "pending");
    scene.read_records("bob");
    assert_eq!(scene.records("bob"), "known");
}

#[test]
fn records_are_believed_for_the_grace_and_no_longer() {
    for (age_s, answers, fails) in
        [(9, "known", "known"), (10, "known", "known"), (60, "known", "known"), (61, "pending", "failed")]
    {
        let scene = Scene::new();
        assert_eq!(scene.records("alice"), "pending");
        scene.read_records("alice");
        scene.clock.0.fetch_add(age_s, Ordering::SeqCst);
        assert_eq!(scene.records("alice"), answers, "{age_s} s");
        scene.standing.records_failed(failure());
        assert_eq!(scene.records("alice"), fails, "{age_s} s");
    }
}
