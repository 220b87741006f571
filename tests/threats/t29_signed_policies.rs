//! T29: an older signed policy is not accepted after a newer one, and nothing but what the pinned key signed is.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use sentinel::clock::{Clock, SystemClock};
use sentinel::ed25519::PrivateKey;
use sentinel::policy::envelope::{Scope, Terms, seal};

use super::asker::Asker;
use crate::fake_ssm::Ssm;
use crate::fake_sts::Sts;
use crate::harness::{Finished, Sandbox, World, eventually};

const ALLOW: &str = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
/// Another policy that allows: what is refused is refused for its envelope alone.
const ALLOW_TOO: &str = r#"{"version":"1","rules":[{"name":"s","effect":"allow"}]}"#;
const UNREADABLE: &str = "the policy cannot be read";
const FAILED: &str = r#"500 {"code":"PolicyFailed","message":"Failed to load policy","Code":"PolicyFailed","Message":"Failed to load policy"}"#;

/// The ways to credentials, as policies name them, with the arguments and the status of a refusal.
const MODES: [(&str, &[&str], i32); 3] =
    [("cli", &["exec"], 125), ("server", &["exec", "--server"], 125), ("credential_process", &["credentials"], 1)];

/// The role `dev`, and whoever signs its policies.
struct Setup {
    sts: Sts,
    sandbox: Sandbox,
    key: PrivateKey,
    policy: PathBuf,
    ssm: Ssm,
}

/// Where the policy is.
#[derive(Debug, Clone, Copy)]
enum Source {
    File,
    Parameter,
}

const SOURCES: [Source; 2] = [Source::File, Source::Parameter];

impl Setup {
    fn new() -> Self {
        let World { sts, sandbox, .. } = World::with_dev();
        let policy = sandbox.write("policy.json", "", 0o644);
        Self { sts, sandbox, key: PrivateKey::random().expect("a key"), policy, ssm: Ssm::holding("") }
    }

    /// Puts this where the policy is, as whoever may write there can.
    fn put(&self, text: &str) {
        fs::write(&self.policy, text).expect("written");
        self.ssm.holds(text);
    }

    fn options(&self, source: Source) -> Vec<String> {
        let place = match source {
            Source::File => ["--policy".to_owned(), self.policy.display().to_string()],
            Source::Parameter => ["--policy-parameter".to_owned(), "/sentinel/policy".to_owned()],
        };
        let trust = ["--policy-key".to_owned(), self.key.public().to_string(), "--policy-scope".into(), "prod".into()];
        [&place[..], &trust[..]].concat()
    }

    /// Runs one way to credentials, whose command would leave the file `started` behind.
    fn run(&self, source: Source, arguments: &[&str]) -> Finished {
        let run = self.sandbox.sentinel(arguments).args(["--profile", "dev"]).args(self.options(source));
        let run = run.env("AWS_ENDPOINT_URL_SSM", self.ssm.url());
        match arguments.contains(&"exec") {
            true => run.args(["--", "touch"]).args([self.started()]).run(),
            false => run.run(),
        }
    }

    fn started(&self) -> PathBuf {
        self.sandbox.path("started")
    }

    #[track_caller]
    fn works(&self, source: Source) {
        let done = self.run(source, MODES[0].1);
        assert_eq!(done.code(), 0, "{done}");
        fs::remove_file(self.started()).expect("the command has run");
    }

    /// Fails if this way gave anything, asked anything of STS, or if the refusal is not on record.
    #[track_caller]
    fn refuses(&self, what: &str, source: Source, (mode, arguments, status): (&str, &[&str], i32), said: &str) {
        let (seen, calls) = (self.sandbox.decisions().len(), self.sts.calls().len());
        let done = self.run(source, arguments);
        done.failed_with(status, &[said]);
        assert_eq!(done.stdout, "", "{what}");
        assert!(!self.started().exists(), "{what}: the command ran: {done}");
        assert_eq!(self.sts.calls().len(), calls, "{what}: AWS was asked");
        let decisions = self.sandbox.decisions();
        let [line] = &decisions[seen..] else { panic!("{what}: {:?}", &decisions[seen..]) };
        let found = ["effect", "reason", "mode"].map(|name| line[name].as_str().unwrap_or_default());
        assert_eq!(found, ["deny", UNREADABLE, mode], "{what}");
        assert!(line["error"].as_str().is_some_and(|error| error.contains(said)), "{what}: {line}");
    }

    /// A client in a tree that the file rules.
    fn asker(&self) -> Asker {
        let options = self.options(Source::File);
        Asker::start(&self.sandbox, &options.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn signed(&self, document: &str, serial: u64) -> String {
        sealed(document, "prod", serial, in_an_hour(), &self.key)
    }

    /// The one mark in the state directory.
    fn mark(&self) -> PathBuf {
        let directory = self.sandbox.path("state/sentinel/policy-serials");
        let entries = fs::read_dir(directory).expect("the directory of marks").map(|entry| entry.expect("one").path());
        let marks: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        let [mark] = &marks[..] else { panic!("one mark, not {marks:?}") };
        mark.clone()
    }

    /// Everything that is not the pinned key's word of now for this scope, given that serial 5 was obeyed.
    fn bad(&self) -> Vec<(&'static str, String, &'static str)> {
        let other = PrivateKey::random().expect("a key");
        let good = self.signed(ALLOW, 6);
        let past = SystemClock.wall() - Duration::from_secs(60);
        vec![
            ("an unsigned policy", ALLOW.to_owned(), "is not signed"),
            ("another key's", sealed(ALLOW, "prod", 6, in_an_hour(), &other), "is not signed by the key"),
            (
                "another scope's",
                sealed(ALLOW, "staging", 6, in_an_hour(), &self.key),
                "is signed for the scope `staging`",
            ),
            ("one that has ended", sealed(ALLOW, "prod", 6, past, &self.key), "ended at 20"),
            ("one with another serial", good.replace("\"serial\":6", "\"serial\":7"), "is not signed by the key"),
            ("half of one", good[..good.len() / 2].to_owned(), "the envelope of the policy"),
            ("nothing", String::new(), "envelope of the policy"),
            ("an older one", self.signed(ALLOW_TOO, 4), "has the serial 4, and 5 was obeyed before"),
            ("another one under its serial", self.signed(ALLOW_TOO, 5), "has the serial 5 of another policy"),
        ]
    }
}

fn sealed(document: &str, scope: &str, serial: u64, not_after: Timestamp, key: &PrivateKey) -> String {
    let scope = Scope::parse(scope).expect("a scope");
    let not_after = Timestamp::from_second(not_after.as_second()).expect("a time");
    seal(document, &Terms { scope, serial, not_after }, key).expect("an envelope")
}

fn in_an_hour() -> Timestamp {
    SystemClock.wall() + Duration::from_secs(3600)
}

#[test]
fn nothing_starts_with_what_the_key_did_not_sign_for_now() {
    for source in SOURCES {
        let setup = Setup::new();
        setup.put(&setup.signed(ALLOW, 5));
        setup.works(source);
        for (at, (what, text, said)) in setup.bad().into_iter().enumerate() {
            setup.put(&text);
            // SSM says nothing in an empty parameter, which is its own mistake.
            let said =
                if text.is_empty() && matches!(source, Source::Parameter) { "cannot use the answer" } else { said };
            setup.refuses(what, source, MODES[at % MODES.len()], said);
        }
        setup.put(&setup.signed(ALLOW_TOO, 6));
        setup.works(source);
    }
}

#[test]
fn every_way_to_credentials_refuses_an_older_policy() {
    for source in SOURCES {
        let setup = Setup::new();
        let older = setup.signed(ALLOW, 1);
        setup.put(&older);
        setup.works(source);
        setup.put(&setup.signed(ALLOW_TOO, 2));
        setup.works(source);
        setup.put(&older);
        for way in MODES {
            setup.refuses("an older policy", source, way, "has the serial 1, and 2 was obeyed before");
        }
    }
}

#[test]
fn a_parameter_and_a_file_are_no_way_around_each_other() {
    let setup = Setup::new();
    setup.put(&setup.signed(ALLOW, 2));
    setup.works(Source::Parameter);
    setup.put(&setup.signed(ALLOW, 1));
    setup.refuses("an older file", Source::File, MODES[0], "has the serial 1, and 2 was obeyed before");
}

#[test]
fn a_running_server_refuses_each_at_the_very_next_request() {
    let setup = Setup::new();
    setup.put(&setup.signed(ALLOW, 5));
    let mut asker = setup.asker();
    for (what, text, _) in setup.bad() {
        let answer = asker.ask();
        assert!(answer.starts_with("200 "), "before {what}: {answer}");
        setup.put(&text);
        assert_eq!(asker.ask(), FAILED, "{what}");
        setup.put(&setup.signed(ALLOW, 5));
    }
    asker.end();
}

#[test]
fn a_policy_ends_while_it_is_obeyed() {
    let setup = Setup::new();
    setup.put(&sealed(ALLOW, "prod", 1, SystemClock.wall() + Duration::from_secs(8), &setup.key));
    let mut asker = setup.asker();
    assert!(asker.ask().starts_with("200 "));
    eventually("the policy's end", || Some(asker.ask()).filter(|answer| answer == FAILED));
    let last = setup.sandbox.decisions().pop().expect("a line");
    assert!(last["error"].as_str().is_some_and(|error| error.contains(" ended at 20")), "{last}");
    asker.end();
}

/// What another process obeyed counts as well: the rollback is of the host, not of one server.
#[test]
fn a_newer_policy_of_another_run_ends_an_older_one_at_once() {
    let setup = Setup::new();
    setup.put(&setup.signed(ALLOW, 1));
    let mut asker = setup.asker();
    assert!(asker.ask().starts_with("200 "));
    setup.ssm.holds(&setup.signed(ALLOW_TOO, 2));
    setup.works(Source::Parameter);
    assert_eq!(asker.ask(), FAILED);
    asker.end();
}

#[test]
fn without_its_mark_a_running_server_still_knows() {
    let setup = Setup::new();
    let older = setup.signed(ALLOW, 1);
    setup.put(&setup.signed(ALLOW_TOO, 2));
    let mut asker = setup.asker();
    assert!(asker.ask().starts_with("200 "));
    fs::remove_file(setup.mark()).expect("removed");
    setup.put(&older);
    assert_eq!(asker.ask(), FAILED);
    asker.end();
}

/// The limit of the promise, which SECURITY.md names: the mark belongs to the uid that sentinel runs under.
#[test]
fn who_may_delete_the_mark_makes_a_later_start_forget() {
    let setup = Setup::new();
    let older = setup.signed(ALLOW, 1);
    setup.put(&setup.signed(ALLOW_TOO, 2));
    setup.works(Source::File);
    setup.put(&older);
    setup.refuses("an older policy", Source::File, MODES[0], "has the serial 1, and 2 was obeyed before");
    fs::remove_file(setup.mark()).expect("removed");
    setup.works(Source::File);
    // But not what the key did not sign, nor what has ended.
    for (what, text, said) in setup.bad().into_iter().take(7) {
        setup.put(&text);
        setup.refuses(what, Source::File, MODES[0], said);
    }
}

#[test]
fn a_mark_that_cannot_be_read_or_written_is_a_refusal() {
    let setup = Setup::new();
    setup.put(&setup.signed(ALLOW, 1));
    setup.works(Source::File);
    let (mark, good) = (setup.mark(), fs::read(setup.mark()).expect("a mark"));
    for bad in [&b""[..], b"{}", &good[..good.len() / 2]] {
        fs::write(&mark, bad).expect("written");
        setup.refuses("a damaged mark", Source::File, MODES[0], "is not the mark of a policy");
    }
    fs::write(&mark, &good).expect("written");
    let lock = fs::File::open(mark.with_extension("lock")).expect("the lock");
    lock.lock().expect("it is free");
    setup.refuses("a mark that is locked", Source::File, MODES[0], "another process keeps");
    lock.unlock().expect("unlocked");
    setup.put(&setup.signed(ALLOW, 2));
    fs::create_dir(mark.with_extension("new")).expect("a directory");
    setup.refuses("a mark that cannot be replaced", Source::File, MODES[0], "cannot write the mark");
}

#[test]
fn nothing_is_given_while_the_service_is_down_or_refuses() {
    let setup = Setup::new();
    for (status, code, said) in [
        (500, "InternalServerError", "failed inside AWS"),
        (400, "ParameterNotFound", "there is no parameter /sentinel/policy"),
        (400, "AccessDeniedException", "denied GetParameter"),
    ] {
        setup.ssm.fails(status, code);
        setup.refuses(code, Source::Parameter, MODES[0], said);
    }
    assert!(
        setup.ssm.calls().iter().all(|asked| asked["Name"] == "/sentinel/policy" && asked["WithDecryption"] == true)
    );
}

#[test]
fn a_key_that_is_none_and_a_key_without_a_policy_are_refusals() {
    let setup = Setup::new();
    setup.put(ALLOW);
    let policy = setup.policy.display().to_string();
    for (options, said) in [
        (&["--policy", &policy, "--policy-key", "AAAA"][..], "neither an Ed25519 public key nor a file"),
        (&["--policy-key", &setup.key.public().to_string()][..], "--policy-key is given, and no policy"),
    ] {
        let done = setup.sandbox.exec(&[&["--profile", "dev"], options].concat(), &["true"]).run();
        done.failed_with(125, &[said]);
    }
    // A signed policy is not read as if it were not.
    setup.put(&setup.signed(ALLOW, 1));
    let done = setup.sandbox.exec(&["--profile", "dev", "--policy", &policy], &["true"]).run();
    done.failed_with(125, &["is signed, and no key is given"]);
    assert_eq!(setup.sts.calls().len(), 0);
}
