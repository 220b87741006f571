use std::sync::atomic::AtomicU64;

use super::*;
use crate::broker::standing;
use crate::store::{Index, Item, Listing};

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(30);
const ID: &str = "00000000000000ff";

/// A boot clock that is set by hand, in seconds.
struct Hand(AtomicU64);

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(self.0.load(Ordering::SeqCst)).expect("small"))
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A store of one session. It says what it was asked, and its listings wait for as long as the test wants.
struct Scripted {
    session: Mutex<Option<Item>>,
    fails: AtomicBool,
    refuses_writes: AtomicBool,
    listing: Mutex<mpsc::Receiver<()>>,
    asked: Mutex<mpsc::Sender<&'static str>>,
}

impl Scripted {
    fn say(&self, what: &'static str) {
        // A test that has seen enough does not listen any more.
        let _deaf = self.asked.lock().expect("asked").send(what);
    }

    fn status(&self, change: impl FnOnce(&mut Session)) {
        let mut held = self.session.lock().expect("a session");
        let mut session = Session::of_item(held.as_ref().expect("a session")).expect("a session");
        change(&mut session);
        session.version += 1;
        *held = Some(session.to_item());
    }

    fn down(&self) -> std::result::Result<(), Failed> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new("the store does not answer").into());
        }
        Ok(())
    }
}

impl Engine for Scripted {
    fn insert(&self, _kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        self.down()?;
        *self.session.lock().expect("a session") = Some(item.clone());
        self.say("insert");
        Ok(())
    }

    fn get(&self, _kind: Kind, _id: &str) -> std::result::Result<Option<Item>, Failed> {
        self.say("get");
        self.down()?;
        Ok(self.session.lock().expect("a session").clone())
    }

    fn replace(&self, _kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        self.say("replace");
        if self.refuses_writes.load(Ordering::SeqCst) {
            return Err(Error::new("the store takes no writes").into());
        }
        let mut held = self.session.lock().expect("a session");
        if held.as_ref().map(Item::version) != Some(item.version() - 1) {
            return Err(Failed::Conflict);
        }
        *held = Some(item.clone());
        Ok(())
    }

    fn list(&self, _kind: Kind, _index: Option<Index<'_>>, _limit: usize) -> std::result::Result<Listing, Failed> {
        self.say("list");
        // It ends with the test.
        let _released = self.listing.lock().expect("a gate").recv_timeout(LONG);
        Ok(Listing::default())
    }

    fn place(&self, _kind: Kind) -> String {
        "here".to_owned()
    }

    fn table(&self, _kind: Kind) -> Option<&str> {
        Some("sessions")
    }
}

/// A state directory, which goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        Self(std::env::temp_dir().join(format!("sentinel-keeper-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies in the temporary directory.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

struct Scene {
    clock: Arc<Hand>,
    store: Arc<Scripted>,
    standing: Arc<Standing>,
    asked: mpsc::Receiver<&'static str>,
    ended: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
    keeper: Option<Keeper>,
    state: Scratch,
    /// Whom AWS has named.
    named: Arc<Mutex<Option<String>>>,
}

impl Scene {
    fn new() -> Self {
        let (clock, state) = (Arc::new(Hand(AtomicU64::new(1_000))), Scratch::new());
        let (say, asked) = mpsc::channel();
        let (release, listing) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let store = Arc::new(Scripted {
            session: Mutex::default(),
            fails: AtomicBool::new(false),
            refuses_writes: AtomicBool::new(false),
            listing: Mutex::new(listing),
            asked: Mutex::new(say),
        });
        let standing = Arc::new(Standing::new(true, Arc::clone(&clock) as Arc<dyn Clock>));
        let opened = Arc::clone(&store);
        let named: Arc<Mutex<Option<String>>> = Arc::default();
        let known = Arc::clone(&named);
        let keeper = Keeper::start(Charge {
            open: Box::new(move || Ok(Arc::clone(&opened) as Arc<dyn Engine>)),
            state_directory: state.0.clone(),
            standing: Arc::clone(&standing),
            policy: None,
            session: Some(Start {
                id: ID.into(),
                instance: "here".to_owned(),
                device_id: None,
                user: Box::new(move || known.lock().expect("a name").clone()),
                on_end: Box::new(move || end.send(()).expect("the test listens")),
            }),
            must_record: true,
            profile: "prod".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            operator: Arc::new(Operator::stderr(Arc::clone(&clock) as Arc<dyn Clock>, false)),
        });
        let keeper = Some(keeper.expect("a keeper"));
        let scene = Self { clock, store, standing, asked, ended, release, keeper, state, named };
        assert_eq!(scene.session(), "live");
        scene
    }

    /// What a request learns that waits for as long as it takes, on the hand's clock: another thread's answer ends the wait.
    fn session(&self) -> &'static str {
        match self.standing.session(self.clock.boot(), self.clock.boot() + LONG) {
            standing::Session::None => "none",
            standing::Session::Live { .. } => "live",
            standing::Session::Ended { .. } => "ended",
            standing::Session::Unknown(None) => "pending",
            standing::Session::Unknown(Some(_)) => "unconfirmed",
        }
    }

    /// Lets time pass.
    fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn wait_for(&self, wanted: &str) {
        while self.asked.recv_timeout(LONG).expect("the keeper asks") != wanted {}
    }

    fn recorded(&self) -> Session {
        Session::of_item(self.store.session.lock().expect("a session").as_ref().expect("a session")).expect("a session")
    }
}

#[test]
fn a_revoked_session_ends_once_and_for_good() {
    let scene = Scene::new();
    scene.store.status(|session| {
        session.status = SessionStatus::Revoked;
        session.revoked_by = Some("bob".to_owned());
        session.revoked_reason = Some("lost laptop".to_owned());
    });
    scene.pass(10);
    let standing::Session::Ended { why, .. } = scene.standing.session(scene.clock.boot(), scene.clock.boot() + LONG)
    else {
        panic!("it was revoked")
    };
    assert_eq!(&*why, "the session was revoked by bob: lost laptop");
    scene.ended.recv_timeout(LONG).expect("connections are closed");
    scene.store.status(|session| session.status = SessionStatus::Active);
    scene.pass(10);
    assert_eq!(scene.session(), "ended");
    assert!(scene.ended.try_recv().is_err(), "once");
}

#[test]
fn a_session_whose_record_is_gone_has_ended() {
    let scene = Scene::new();
    *scene.store.session.lock().expect("a session") = None;
    scene.pass(10);
    assert_eq!(scene.session(), "ended");
}

#[test]
fn a_store_of_records_that_hangs_keeps_nobody_from_being_revoked() {
    let scene = Scene::new();
    // Nobody knows anything of alice, and the question waits.
    assert!(scene.standing.records("alice", scene.clock.boot()).is_err());
    scene.wait_for("list");
    scene.store.status(|session| session.status = SessionStatus::Revoked);
    scene.pass(10);
    assert_eq!(scene.session(), "ended");
    drop(scene.release);
}

#[test]
fn a_store_that_takes_no_writes_still_confirms_and_still_revokes() {
    let scene = Scene::new();
    scene.store.refuses_writes.store(true, Ordering::SeqCst);
    scene.standing.count(None);
    scene.pass(16);
    assert_eq!(scene.session(), "live");
    scene.wait_for("replace");
    scene.store.status(|session| session.status = SessionStatus::Revoked);
    scene.pass(10);
    assert_eq!(scene.session(), "ended", "a write that failed is no excuse");
}

#[test]
fn a_store_that_fails_is_excused_for_the_grace() {
    let scene = Scene::new();
    scene.store.fails.store(true, Ordering::SeqCst);
    scene.pass(60);
    assert_eq!(scene.session(), "live");
    scene.pass(1);
    assert_eq!(scene.session(), "unconfirmed");
}

#[test]
fn the_end_is_recorded_though_somebody_wrote_meanwhile() {
    let mut scene = Scene::new();
    scene.store.status(|session| session.request_count = 7);
    scene.standing.count(None);
    drop(scene.keeper.take());
    assert_eq!(scene.recorded().status, SessionStatus::Expired);
    let left = std::fs::read_dir(scene.state.0.join("instances")).expect("instances");
    let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!left.iter().any(|name| name == format!("{ID}.json").as_str()), "{left:?}");
}

#[test]
fn whose_a_session_is_is_recorded_as_soon_as_aws_has_said_it() {
    let scene = Scene::new();
    assert_eq!(scene.recorded().user, "unknown");
    *scene.named.lock().expect("a name") = Some("alice".to_owned());
    // No time passes, so that nothing else is a reason to write.
    while scene.recorded().user != "alice" {
        scene.wait_for("get");
    }
}

#[test]
fn the_end_of_a_short_run_says_who_used_it_how_often_and_when() {
    let mut scene = Scene::new();
    *scene.named.lock().expect("a name") = Some("alice".to_owned());
    scene.pass(2);
    let last = scene.clock.wall();
    scene.standing.count(None);
    drop(scene.keeper.take());
    let Session { user, request_count, last_access_at, status, .. } = scene.recorded();
    assert_eq!((user.as_str(), request_count, last_access_at, status), ("alice", 1, last, SessionStatus::Expired));
}

#[test]
fn a_revoked_session_says_how_often_it_was_used_and_stays_revoked() {
    let scene = Scene::new();
    scene.standing.count(None);
    let revoked_at = scene.clock.wall();
    scene.store.status(|session| {
        session.status = SessionStatus::Revoked;
        session.updated_at = revoked_at;
    });
    scene.pass(10);
    assert_eq!(scene.session(), "ended");
    scene.wait_for("replace");
    drop(scene.keeper);
    let held = scene.store.session.lock().expect("a session");
    let Session { status, request_count, updated_at, .. } =
        Session::of_item(held.as_ref().expect("a session")).expect("a session");
    assert_eq!((status, request_count, updated_at), (SessionStatus::Revoked, 1, revoked_at));
}
