//! T17: no credential without its line; a line that was cut, changed, moved or removed shows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::asker::Asker;
use crate::harness::{Finished, World, eventually, python};

/// A log of two streams, with MACs: a server's (opening line, four decisions, closing line), and a short run's (three lines).
struct Setup {
    world: World,
    path: PathBuf,
    key: String,
    lines: Vec<String>,
}

/// The log's name where `log verify` is run.
const LOG: &str = "log.jsonl";
const FIRST: &str = "f0f0f0f0f0f0f0f0";

impl Setup {
    fn new() -> Self {
        let world = World::with_dev();
        let path = world.sandbox.path("home").join(LOG);
        let key = world.sandbox.write("key", &"a".repeat(64), 0o600).to_str().expect("UTF-8").to_owned();
        let options = ["--log-file", path.to_str().expect("UTF-8"), "--log-key", &key];
        let mut asker = Asker::start(&world.sandbox, &options);
        for _ in 0..3 {
            assert!(asker.ask().starts_with("200 "));
        }
        asker.end();
        let done = world.exec_true(&[&["base"], &options[..]].concat());
        assert_eq!(done.code(), 0, "{done}");
        let lines: Vec<String> = fs::read_to_string(&path).expect("a log").lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 9);
        Self { world, path, key, lines }
    }

    fn write(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&self.path, text).expect("written");
    }

    fn verify(&self, arguments: &[&str]) -> Finished {
        self.world.sandbox.sentinel(["log", "verify"]).args(arguments).args([LOG]).run()
    }

    /// What is found in these lines. Streams are called by their first line's letter: `A`, `B`.
    #[track_caller]
    fn findings(&self, arguments: &[&str]) -> Vec<String> {
        let done = self.verify(arguments);
        let names = [(self.stream(0), "A"), (self.stream(6), "B")];
        let named = names.iter().fold(done.stdout.clone(), |text, (id, name)| text.replace(id.as_str(), name));
        let rest = ["note: ", "sentinel-head ", "whole: ", "NOT whole: "];
        let is_rest = |line: &&str| rest.iter().any(|start| line.starts_with(start));
        let found: Vec<String> = named.lines().take_while(|line| !is_rest(line)).map(str::to_owned).collect();
        assert_eq!(done.code(), i32::from(!found.is_empty()), "{done}");
        found
    }

    fn stream(&self, line: usize) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.lines[line]).expect("JSON");
        value["stream"].as_str().expect("a stream").to_owned()
    }

    /// The heads that `log verify` prints, as syslog would keep them.
    fn heads(&self) -> Vec<String> {
        let done = self.verify(&[]);
        done.stdout.lines().filter_map(|line| line.strip_prefix("sentinel-head ")).map(str::to_owned).collect()
    }

    /// Writes the log anew as its owner may, so that every hash fits.
    fn rehash(&self, old: &str, new: &str) {
        let attacker = include_str!("attackers/rehash.py");
        let run = self.world.sandbox.program(python()).args(["-c", attacker]).args([&self.path]).args([old, new]).run();
        assert_eq!(run.code(), 0, "{run}");
    }
}

#[test]
fn what_was_not_touched_is_whole() {
    let setup = Setup::new();
    let (heads, key) = (setup.heads(), setup.key.as_str());
    assert_eq!(heads.len(), 2);
    assert_eq!(setup.findings(&[]), [""; 0]);
    assert_eq!(setup.findings(&["--log-key", key, "--head", &heads[0], "--head", &heads[1]]), [""; 0]);
}

#[test]
fn every_way_to_change_it_is_found_with_its_line() {
    let setup = Setup::new();
    let (log, lines) = (LOG, &setup.lines);
    let attack = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        setup.write(&lines);
        setup.findings(&[])
    };
    let changed = attack(&|lines| lines[2] = lines[2].replace("\"allow\"", "\"deny\""));
    let unfit = format!("{log}:3: was changed, or the next line of its stream, {log}:4, was: they do not fit");
    assert_eq!(changed, [unfit]);

    let removed = attack(&|lines| drop(lines.remove(2)));
    let missing = format!("{log}:3: line 2 of stream A is missing between {log}:2 and this: removed or moved");
    assert_eq!(removed, [missing.as_str()]);

    let moved = attack(&|lines| lines.swap(2, 3));
    assert_eq!(
        moved,
        [missing.clone(), format!("{log}:4: was moved: it is line 2 of stream A, and comes after {log}:3")]
    );

    let repeated = attack(&|lines| lines.insert(3, lines[2].clone()));
    assert_eq!(repeated, [format!("{log}:4: is there twice: it is {log}:3 again")]);

    let put_in = attack(&|lines| lines.insert(3, r#"{"timestamp":"t","profile":"p","effect":"deny"}"#.to_owned()));
    assert_eq!(put_in, [format!("{log}:4: is in no stream: it was put in, or a version without streams wrote it")]);

    let put_in = attack(&|lines| lines.insert(3, "anything".to_owned()));
    assert_eq!(put_in, [format!("{log}:4: is not a line of sentinel's: it was put in, changed, or cut")]);

    let cut = attack(&|lines| lines[3].truncate(100));
    let gap = format!("{log}:5: line 3 of stream A is missing between {log}:3 and this: removed or moved");
    assert_eq!(cut, [format!("{log}:4: is not a line of sentinel's: it was put in, changed, or cut"), gap]);

    // The other stream says what came before it.
    let dropped = attack(&|lines| drop(lines.drain(3..6)));
    assert_eq!(
        dropped,
        [format!("{log}:4: names the last line before it, which is not there: it was changed or removed")]
    );
}

#[test]
fn an_end_that_was_cut_off_is_found_by_a_head() {
    let setup = Setup::new();
    let heads = setup.heads();
    let kept = setup.world.sandbox.path("kept");
    fs::write(&kept, format!("sentinel-head {}\nsentinel-head {}\n", heads[0], heads[1])).expect("written");
    let kept = kept.to_str().expect("UTF-8");
    setup.write(&setup.lines[..8]);
    // Nothing in the file says so: this is what heads are for.
    assert_eq!(setup.findings(&[]), [""; 0]);
    let last = format!("{LOG}:8: is line 1 of stream B and its last, and a head names its line 2: the end was cut off");
    let head = heads.iter().find(|head| head.starts_with(&setup.stream(6))).expect("a head");
    assert_eq!(setup.findings(&["--head", head]), [last.as_str()]);
    assert_eq!(setup.findings(&["--syslog", kept]), [last]);
    setup.write(&setup.lines[..6]);
    assert_eq!(setup.findings(&[]), [""; 0]);
    let gone =
        "stream B, of which a head names line 2, is not there: it was removed, or is in a file that was not given";
    assert_eq!(setup.findings(&["--syslog", kept]), [gone]);
    setup.write(&[]);
    assert_eq!(setup.findings(&["--syslog", kept]).len(), 2, "both streams");
}

#[test]
fn a_log_that_was_written_anew_is_found_by_a_head_and_by_a_key() {
    let setup = Setup::new();
    let heads = setup.heads();
    setup.rehash("\"allow\"", "\"deny\"");
    // Whoever may write the file can make all hashes fit.
    assert_eq!(setup.findings(&[]), [""; 0]);
    let found = setup.findings(&["--head", &heads[0], "--head", &heads[1]]);
    let anew =
        |line: usize| format!("{LOG}:{line}: is not the line that a head names: it was changed, or written anew");
    assert_eq!(found, [anew(6), anew(9)]);
    let found = setup.findings(&["--log-key", &setup.key]);
    let wrong = |line: usize| {
        format!("{LOG}:{line}: has a MAC that the key does not give: it was changed, or another key's owner wrote it")
    };
    // The first opening line alone is as it was.
    assert_eq!(found, (2..=9).map(wrong).collect::<Vec<_>>());
    // A stream of one's own has no MAC that the key gives, whatever its hashes.
    setup.write(&setup.lines);
    setup.rehash(&setup.stream(0), FIRST);
    assert_eq!(setup.findings(&["--log-key", &setup.key])[..1], [wrong(1)]);
}

#[test]
fn a_log_that_is_taken_away_takes_the_credentials_with_it() {
    let world = World::with_dev();
    let path = world.sandbox.path("state/sentinel/decisions.jsonl");
    for attack in ["link", "directory", "open"] {
        let mut asker = Asker::start(&world.sandbox, &[]);
        assert!(asker.ask().starts_with("200 "));
        fs::rename(&path, world.sandbox.path("stolen")).expect("renamed");
        match attack {
            "link" => symlink("/dev/null", &path).expect("a link"),
            "directory" => fs::create_dir(&path).expect("a directory"),
            _ => drop(world.sandbox.write("state/sentinel/decisions.jsonl", "", 0o666)),
        }
        // The name is looked at once a second at most; until then lines go to the file that was the log.
        // Who asks without a pause is told to come back later, too.
        let mut asked = |what: &str, wanted: fn(&str) -> bool| {
            eventually(what, || Some(asker.ask()).filter(|answer| wanted(answer) && !answer.starts_with("429 ")))
        };
        let refused = asked("a refusal", |answer| !answer.starts_with("200 "));
        assert!(refused.starts_with("500 ") && !refused.contains("SecretAccessKey"), "{attack}: {refused}");
        if attack == "directory" { fs::remove_dir(&path) } else { fs::remove_file(&path) }.expect("removed");
        let next = asked("an answer", |_| true);
        assert!(next.starts_with("200 "), "{attack}: it goes on where the log may be written: {next}");
        asker.end();
    }
}

#[test]
fn a_start_without_a_log_asks_aws_for_nothing() {
    let world = World::with_dev();
    world.sandbox.directory("state/sentinel", 0o700);
    world.sandbox.directory("state/sentinel/decisions.jsonl", 0o700);
    for options in [&["dev"][..], &["--server", "dev"], &["--unix-socket", "dev"]] {
        world.refused_without_a_call(options, &["cannot open the decision log"]);
    }
}
