//! T23: how much one process tree may ask for, and that nobody else can use it up.

use std::fs;
use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};

use super::ruled::{OFTEN, Ruled, answered, denials, number};
use crate::harness::{Running, eventually, python};
use crate::wire::{FETCHED, Served, Transport};

const LIMITED: &str = "rate limit exceeded, ";

/// A policy with these limits, and this in its only rule.
fn limits(limits: &str, members: &str) -> String {
    format!(r#"{{"version":"1","limits":{{{limits}}},"rules":[{{"name":"r","effect":"allow"{members}}}]}}"#)
}

fn per_second(count: u32) -> String {
    limits(&format!(r#""requests_per_second":{count}"#), "")
}

fn start(ruled: &Ruled, way: &str) -> (Running, String, String) {
    let mut tree = ruled.tree(&["exec", way], &[]);
    let line = tree.line();
    let [ready, place, token] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert_eq!(ready, "ready");
    (tree, place.to_owned(), token.to_owned())
}

/// Asks this, and what came of it.
fn told(tree: &mut Running, order: &str) -> String {
    tree.send(order);
    tree.line()
}

/// The resident memory of a process.
fn resident_kib(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn credentials_count_on_every_endpoint() {
    Served::over_every(|served| {
        let policy = served.sandbox.write("policy.json", &per_second(2), 0o600);
        let script = r#"
raws = [once(ask()) for _ in range(100)]
say(sorted({status(raw) for raw in raws}), all(b"\r\nRetry-After: 1\r\n" in raw for raw in raws if status(raw) == 429))
# What is no secret is not counted.
say({status(once(ask(TOKEN, b"GET /latest/meta-data/instance-id HTTP/1.1"))) for _ in range(100)})
"#;
        let done = served.inside(&["--policy", policy.to_str().expect("UTF-8")], &format!("{FETCHED}{script}")).run();
        let (counted, other) = done.stdout.split_once('\n').expect("lines");
        assert!(["[200, 429] True", "[429] True"].contains(&counted), "{done}");
        assert_eq!(other, if served.transport.is_metadata() { "{200}\n" } else { "{404}\n" }, "{done}");
    });
}

/// Neither who knows the token nor who does not, and neither is in the tree.
#[test]
fn strangers_do_not_use_up_the_allowance_of_other_endpoints_either() {
    Served::over_each(&[Transport::Ecs, Transport::Imds], |served| {
        let policy = served.sandbox.write("policy.json", &per_second(2), 0o600);
        let script = "say(PATH, TOKEN.decode())\nsys.stdin.readline()\nsay(*[status(once(ask())) for _ in range(2)])";
        let mut inside = served.inside(&["--policy", policy.to_str().expect("UTF-8")], script).spawn();
        let stolen = inside.line();
        // Long enough that the start has its own allowance back.
        let flood = "end = time.monotonic() + 2\nseen = set()\nwhile time.monotonic() < end:\n    \
                     seen |= {status(once(ask())), status(once(ask(b'x')))}\n    select.select([], [], [], 0.02)\n\
                     say(*sorted(seen - {0}))";
        let done = served.outside(&stolen, flood).run();
        assert_eq!(done.stdout, "403\n", "{done}");
        inside.send("");
        assert_eq!(inside.line(), "200 200");
        assert_eq!(inside.finish().code(), 0);
    });
}

#[test]
fn a_flood_from_the_tree_is_limited_and_told_when_to_come_back() {
    for way in ["--unix-socket", "--server"] {
        let ruled = Ruled::by(&per_second(4));
        let began = SystemClock.boot();
        let (mut tree, ..) = start(&ruled, way);
        let (mut served, mut refused) = (0.0, 0.0);
        for _ in 0..3 {
            let line = told(&mut tree, "400");
            assert_eq!((number(&line, "after"), number(&line, "other")), (1.0, 0.0), "{way}: {line}");
            served += number(&line, "200");
            refused += number(&line, "429");
            assert_eq!(number(&line, "200") + number(&line, "429"), 400.0, "{way}: {line}");
            // Who comes back after that time is served.
            eventually("an answer", || {
                let line = told(&mut tree, "1");
                served += number(&line, "200");
                refused += number(&line, "429");
                line.starts_with("200=1 ").then_some(())
            });
        }
        let took = (SystemClock.boot() - began).as_secs_f64();
        assert!(served <= 4.0 + 4.0 * took, "{way}: {served} were served in {took} s");
        assert!(refused >= 1.0, "{way}");
        assert_eq!(tree.finish().code(), 0);
        // All are on record, in few lines.
        let decisions = ruled.sandbox.decisions();
        let told = denials(&decisions, LIMITED);
        let counts = told.iter().map(|reason| {
            let count = reason.strip_prefix(LIMITED).and_then(|rest| rest.split(' ').next());
            count.and_then(|count| count.parse::<f64>().ok()).expect("a number")
        });
        assert_eq!(counts.sum::<f64>(), refused, "{way}: {told:?}");
        let took = (SystemClock.boot() - began).as_secs_f64();
        assert!((told.len() as f64) <= took + 2.0, "{way}: {} lines in {took} s", told.len());
        assert_eq!(decisions.iter().filter(|one| one["effect"] == "allow").count() as f64, served + 1.0, "{way}");
    }
}

/// Where there is nothing to decide by there is no limit of the policy's, and each such request would have a line.
#[test]
fn a_flood_is_limited_also_where_the_policy_cannot_be_read() {
    let ruled = Ruled::by(&per_second(1000));
    let (mut tree, ..) = start(&ruled, "--unix-socket");
    ruled.rule("{");
    let before = ruled.sandbox.decisions().len();
    let line = told(&mut tree, "for 1");
    assert_eq!(number(&line, "200"), 0.0, "{line}");
    assert_eq!(tree.finish().code(), 0);
    let (refused, took) = (number(&line, "500"), number(&line, "took"));
    assert!(refused <= 200.0 + 200.0 * took, "{line}");
    // What is over the limit is told in a line a second; a slow machine may not come that far.
    let lines = (ruled.sandbox.decisions().len() - before) as f64;
    assert!(lines <= refused + took + 3.0, "{lines} lines: {line}");
}

#[test]
fn strangers_do_not_use_up_the_trees_allowance() {
    for way in ["--unix-socket", "--server"] {
        let ruled = Ruled::by(&per_second(2));
        let (mut tree, place, token) = start(&ruled, way);
        let wrong = format!("{}A", &token[..token.len() - 1]);
        let stranger = |token: &str| {
            let run = ruled.sandbox.program(python()).args(["-u", "-c", OFTEN, "-", &place, token]);
            let mut stranger = run.spawn();
            assert!(stranger.line().starts_with("ready "));
            stranger
        };
        // One knows the token and one does not, and neither is in the tree.
        let mut strangers = [stranger(&token), stranger(&wrong)];
        for stranger in &mut strangers {
            stranger.send("for 2");
        }
        for mut stranger in strangers {
            let line = stranger.line();
            let [refused, dropped] = ["403", "dropped"].map(|name| number(&line, name));
            assert!(refused + dropped > 4.0 && number(&line, "200") == 0.0 && number(&line, "429") == 0.0, "{line}");
            assert_eq!(stranger.finish().code(), 0);
        }
        // Two at once are what the tree may ask for, and it has not asked for two seconds.
        let line = told(&mut tree, "2");
        assert!(line.starts_with("200=2 "), "{way}: {line}");
        let decisions = ruled.sandbox.decisions();
        assert_eq!(denials(&decisions, "").len(), 0, "{way}: a stranger has a line");
        assert_eq!(tree.finish().code(), 0);
    }
}

#[test]
fn a_wrong_token_in_the_tree_does_not_use_up_its_allowance() {
    let ruled = Ruled::by(&per_second(2));
    let script = format!(
        "import subprocess, os, sys\n\
         place, token = os.environ['SENTINEL_UNIX_SOCKET'], os.environ['SENTINEL_AUTH_TOKEN']\n\
         wrong = token[:-1] + ('A' if token[-1] != 'A' else 'E')\n\
         for token, order in (wrong, 'for 2'), (token, '2'):\n    \
             subprocess.run([sys.executable, '-u', '-c', {OFTEN:?}, '-', place, token], input=order, text=True)\n"
    );
    let policy = ruled.policy.to_str().expect("UTF-8");
    let done = ruled.sandbox.python(&["--profile", "dev", "--unix-socket", "--policy", policy], &script).run();
    let lines: Vec<&str> = done.stdout.lines().filter(|line| !line.starts_with("ready ")).collect();
    let [flood, asked] = lines[..] else { panic!("{done}") };
    assert!(number(flood, "403") > 4.0 && number(flood, "429") == 0.0, "{done}");
    assert!(asked.starts_with("200=2 "), "{done}");
}

#[test]
fn two_trees_share_nothing() {
    let ruled = Ruled::by(&per_second(1));
    let (mut one, ..) = start(&ruled, "--unix-socket");
    let (mut other, ..) = start(&ruled, "--unix-socket");
    let over = |line: &str| number(line, "429") > 0.0;
    eventually("the one's allowance to be used up", || over(&told(&mut one, "20")).then_some(()));
    one.send("for 3");
    // While the one is refused, the other waits for its own second at most.
    let line = told(&mut other, "for 2.5");
    assert!(number(&line, "200") >= 1.0, "{line}");
    assert!(over(&one.line()));
    assert_eq!((one.finish().code(), other.finish().code()), (0, 0));
}

/// Credentials that are due at once would be fetched at every request.
#[test]
fn short_credentials_do_not_make_more_exchanges() {
    for lifetime_s in [1, 3] {
        let ruled = Ruled::by(&limits(r#""exchanges_per_minute":6,"burst":3,"requests_per_second":10000"#, ""));
        ruled.sts.lifetime_s(lifetime_s);
        let began = SystemClock.boot();
        let mut tree = ruled.tree(&["exec", "--unix-socket"], &["--lazy"]);
        assert!(tree.line().starts_with("ready "));
        // Without a limit either would be fetched every second.
        let line = told(&mut tree, "for 7");
        let took = (SystemClock.boot() - began).as_secs_f64();
        let exchanges = ruled.sts.calls_of("AssumeRole").len() as f64;
        assert!(exchanges >= 3.0, "{lifetime_s} s: {exchanges} exchanges: {line}");
        assert!(exchanges <= 3.0 + 0.1 * took, "{lifetime_s} s: {exchanges} exchanges in {took} s: {line}");
        assert!(lifetime_s > 1 || number(&line, "429") > 0.0, "{line}");
        assert_eq!(tree.finish().code(), 0);
    }
}

#[test]
fn many_terms_do_not_make_more_exchanges_and_what_is_kept_is_given() {
    let ruled = Ruled::by("");
    let of = |index: u32| {
        let narrow = format!(r#"{{"Version":"2012-10-17","Statement":[],"Id":"i{index}"}}"#);
        let exchanges = r#""exchanges_per_minute":1,"burst":3,"requests_per_second":10000"#;
        ruled.rule(&limits(exchanges, &format!(r#","session_policy":{narrow}"#)));
    };
    of(0);
    let began = SystemClock.boot();
    let (mut tree, ..) = start(&ruled, "--unix-socket");
    let mut given = Vec::new();
    for index in 0..12 {
        of(index);
        let line = answered(&mut tree, "1");
        if line.starts_with("200=1 ") {
            given.push(index);
        } else {
            assert!(line.starts_with("429=1 ") && number(&line, "after") > 1.0, "{line}");
        }
    }
    let minutes = (SystemClock.boot() - began).as_secs_f64() / 60.0;
    let exchanges = ruled.sts.calls_of("AssumeRole").len();
    assert_eq!(exchanges, given.len());
    assert!(exchanges >= 3 && exchanges as f64 <= 3.0 + minutes, "{exchanges} in {minutes} minutes");
    // There is no allowance left, and what is there is handed out all the same.
    for index in given {
        of(index);
        let line = told(&mut tree, "5");
        assert!(line.starts_with("200=5 "), "{index}: {line}");
    }
    assert_eq!(ruled.sts.calls_of("AssumeRole").len(), exchanges);
    assert_eq!(tree.finish().code(), 0);
}

#[test]
fn a_flood_takes_no_memory() {
    let ruled = Ruled::by(&per_second(2));
    let (mut tree, place, token) = start(&ruled, "--unix-socket");
    let stranger = ruled.sandbox.program(python()).args(["-u", "-c", OFTEN, "-", &place, &format!("{token}x")]);
    let mut stranger = stranger.spawn();
    assert!(stranger.line().starts_with("ready "));
    // The threads and buffers of both connections are there before it is looked at.
    told(&mut tree, "500");
    told(&mut stranger, "50");
    let before = resident_kib(tree.pid());
    stranger.send("2000");
    told(&mut tree, "5000");
    stranger.line();
    let after = resident_kib(tree.pid());
    assert!(after - before < 1024, "{before} KiB before the flood and {after} after it");
    drop(stranger);
    assert_eq!(tree.finish().code(), 0);
}

/// What the longest wait says is when there is something again, and not a guess.
#[test]
fn the_time_that_is_told_is_enough() {
    let ruled = Ruled::by(&limits(r#""exchanges_per_minute":30,"burst":1"#, ""));
    ruled.sts.lifetime_s(1);
    let mut tree = ruled.tree(&["exec", "--unix-socket"], &["--lazy"]);
    assert!(tree.line().starts_with("ready "));
    let after = eventually("a refusal", || {
        let line = told(&mut tree, "1");
        line.starts_with("429=1 ").then(|| number(&line, "after"))
    });
    assert!((1.0..=2.0).contains(&after), "{after}");
    let refused_at = SystemClock.boot();
    ruled.sts.lifetime_s(3600);
    let served = eventually("an answer", || told(&mut tree, "1").starts_with("200=1 ").then(|| SystemClock.boot()));
    assert!(served - refused_at < Duration::from_secs(15), "{:?}", served - refused_at);
    assert_eq!(tree.finish().code(), 0);
}
