//! T11, and T16, T23 and T27, for services: neighbours do not keep each other out, and what has ended for one has not for the other.
//! For the metadata endpoint the flood is in t10_services.rs.

use std::time::Duration;

use sentinel::clock::{Clock, SystemClock};

use super::service::{DB, OTHER, Service, WEB, said};
use crate::harness::{Running, World, eventually, one_of_three};
use crate::wire::Transport;

const BY_USER: [&str; 4] = ["--map", "uid:61001=web", "--map", "uid:61002=db"];
const FLOOD: &str = include_str!("attackers/flood.py");

/// For each number on standard input: as many requests, each on a connection of its own; says how long the slowest but one
/// took, in ms, and what came. One may meet a stall of the whole machine; who is kept out is so more often than once.
const RIGHTFUL: &str = r#"
for line in sys.stdin:
    times, came = [], set()
    for _ in range(int(line)):
        began = time.monotonic()
        came.add(told(once(ask())))
        times.append(time.monotonic() - began)
    say(round(sorted(times)[-2:][0] * 1000), *came)
"#;

#[track_caller]
fn assert_served(client: &mut Running, requests: u32, meanwhile: &str) {
    one_of_three(|| {
        client.send(&requests.to_string());
        let line = client.line();
        let (slowest_ms, came) = line.split_once(' ').expect("a time and what came");
        let is_in_time = slowest_ms.parse::<u32>().expect("ms") < 1000;
        // Who is not scheduled between its connect and its request for longer than the grace has to come again.
        if is_in_time && came == "web" { Ok(()) } else { Err(format!("{line} {meanwhile}")) }
    });
}

#[test]
fn a_thousand_slow_clients_of_any_user_keep_no_service_out() {
    const NAME: &str = "a_thousand_slow_clients_of_any_user_keep_no_service_out";
    let transports = [Transport::UnixService, Transport::TcpService];
    Service::over_each(NAME, &transports, (&[], &BY_USER), |service, _| {
        // The first request waits for AWS as well.
        assert_eq!(service.told(WEB), "web");
        let mut client = service.client(WEB, RIGHTFUL).spawn();
        assert_served(&mut client, 1, "alone");
        for (uid, processes) in [(WEB, "1"), (WEB, "8"), (DB, "8"), (OTHER, "8"), (0, "8")] {
            let what = format!("in a flood of {processes} processes of uid {uid}");
            let mut flood = service.client(uid, FLOOD).args([processes, "1000"]).spawn();
            for step in ["flooding", "reopened"] {
                assert_eq!(flood.line(), step);
                assert_served(&mut client, 20, &what);
            }
            flood.close_stdin();
            flood.line();
            assert_eq!(flood.finish().code(), 0);
        }
        client.close_stdin();
        assert_eq!(client.finish().code(), 0);
        let stderr = service.end();
        assert!(stderr.contains("more: foreign uid"), "{stderr}");
    });
}

/// Who holds a TCP connection is looked for among all that its user runs: a user whom nobody named may have that without end.
#[test]
fn over_tcp_nobodys_processes_are_looked_through_but_those_of_users_that_are_named() {
    let world = World::new();
    let token = world.sandbox.directory("own", 0o700).join("token");
    for options in [&["--profile", "base", "--allow-exe", "/usr/bin/id"][..], &["--map", "gid:1=base"]] {
        let run = world.sandbox.sentinel(["serve", "ecs", "--address", "127.0.0.1:0", "--token-file"]).args([&token]);
        run.args(options).run().failed_with(2, &["over TCP an entry by group or program takes a user as well"]);
    }
    assert!(!token.exists());
}

#[test]
fn one_service_cannot_use_up_what_another_may_ask_for() {
    const NAME: &str = "one_service_cannot_use_up_what_another_may_ask_for";
    let policy = r#"{"version":"1","limits":{"requests_per_second":4},"rules":[{"name":"r","effect":"allow"}]}"#;
    let of_policy = World::new();
    let policy = of_policy.sandbox.write("policy.json", policy, 0o600);
    let options = [&BY_USER[..], &["--policy", policy.to_str().expect("UTF-8")]].concat();
    Service::over_each(NAME, &Transport::OF_SERVICES, (&[], &options), |service, _| {
        assert_eq!(service.told(WEB), "web");
        let flood =
            "came = [told(once(ask())) for _ in range(200)]\nsay(came.count('429'), set(came) <= {'db', '429'})";
        let told = said(&service.client(DB, flood).run());
        let (limited, nothing_else) = told.split_once(' ').expect("two words");
        assert!(limited.parse::<u32>().expect("a number") > 0 && nothing_else == "True", "{told}");
        // While the other's allowance is used up at every moment.
        let asking = "while True:\n    once(ask()); say('asked')";
        let mut flood = service.client(DB, asking).spawn();
        flood.line();
        let mut client = service.client(WEB, RIGHTFUL).spawn();
        assert_served(&mut client, 3, "while the other asks without end");
        drop(flood);
        client.close_stdin();
        assert_eq!(client.finish().code(), 0);
        service.end();
    });
}

/// As many threads as argv says ask again and again, until standard input ends. Says so once every one has been put off.
const IMPATIENT: &str = r#"
def hammer(all_put_off):
    raw = once(ask(None))
    all_put_off.wait()
    while not stop.is_set():
        raw = once(ask(None))

stop, all_put_off = threading.Event(), threading.Barrier(int(sys.argv[1]) + 1)
threads = [threading.Thread(target=hammer, args=[all_put_off]) for _ in range(int(sys.argv[1]))]
for thread in threads:
    thread.start()
all_put_off.wait()
say("waiting")
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
"#;

/// AWS hangs for one of them: its callers wait, as long as an SDK does.
#[test]
fn those_who_wait_for_aws_keep_nobody_out_who_need_not() {
    const NAME: &str = "those_who_wait_for_aws_keep_nobody_out_who_need_not";
    let Some(service) = Service::start(NAME, &BY_USER) else { return };
    assert_eq!(service.told(WEB), "web");
    let gate = service.world.sts.hang("AssumeRole");
    let mut waiting = service.client(DB, &format!("import threading\n{IMPATIENT}")).args(["150"]).spawn();
    assert_eq!(waiting.line(), "waiting");
    let mut client = service.client(WEB, RIGHTFUL).spawn();
    assert_served(&mut client, 10, "while the other waits for AWS");
    client.close_stdin();
    assert_eq!(client.finish().code(), 0);
    gate.open();
    waiting.close_stdin();
    assert_eq!(waiting.finish().code(), 0);
    service.end();
}

/// Keeps a connection, and says what comes on it and on new ones.
const KEEPING: &str = r#"
kept = connect()
for line in sys.stdin:
    if line == "kept\n":
        say(told(answer(kept)) if try_send(kept, ask()) else "closed")
    elif line == "idle\n":
        kept.settimeout(0.2)
        try: say("closed" if kept.recv(1) == b"" else "more")
        except TimeoutError: say("open")
        kept.settimeout(LIMIT_S)
    else:
        raw = once(ask()); say(told(raw), b'"SessionRevoked"' in raw)
"#;

#[test]
fn a_session_that_is_revoked_ends_for_its_entry_alone() {
    const NAME: &str = "a_session_that_is_revoked_ends_for_its_entry_alone";
    Service::over_each(NAME, &Transport::OF_SERVICES, (&[], &BY_USER), |service, _| {
        // A connection that stays does not ask again for what AWS has not given yet.
        assert_eq!([WEB, DB].map(|uid| service.told(uid)), ["web", "db"]);
        // Who asks anew all the time makes its own connections give room: another process of the same user keeps one.
        let mut clients = [WEB, WEB, DB].map(|uid| service.client(uid, KEEPING).spawn());
        let tell = |client: &mut Running, what: &str| {
            client.send(what);
            client.line()
        };
        assert_eq!(clients.each_mut().map(|client| tell(client, "kept")), ["web", "web", "db"]);
        let listed = service.world.sandbox.sentinel(["session", "list", "--json"]).run();
        let sessions: Vec<serde_json::Value> =
            listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let web = sessions.iter().find(|session| session["profile"] == "web").expect("a session");
        let id = web["id"].as_str().expect("an id");
        let revoked = service.world.sandbox.sentinel(["session", "revoke", "--profile", "base", id]).run();
        assert_eq!(revoked.code(), 0, "{revoked}");
        let [web, keeping, db] = &mut clients;
        eventually("the end of the revoked session", || (tell(web, "new") == "403 True").then_some(()));
        let since = SystemClock.boot();
        eventually("the end of its connection", || (tell(keeping, "idle") == "closed").then_some(()));
        let passed = SystemClock.boot() - since;
        assert!(passed < Duration::from_secs(20), "it rested until its own end: {passed:?}");
        assert_eq!(tell(db, "idle"), "open");
        assert_eq!([tell(db, "kept"), tell(db, "new")], ["db", "db False"]);
        assert_eq!(tell(web, "new"), "403 True");
        drop(clients);
        service.end();
    });
}
