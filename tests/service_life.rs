//! `sentinel serve` under a service manager: what it is told, and settings that are read again while clients are served.

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{REQUEST, Running, World, eventually, is_root, process, python, read_answer, skip};

/// A service on `own/s` that serves the profile `base`, or `dev`, to whom the user's settings file names.
struct Service {
    world: World,
    socket: PathBuf,
    running: Running,
}

fn own_uid() -> u32 {
    process::uid(std::process::id()).expect("a uid")
}

fn settings(world: &World, text: &str) {
    world.sandbox.write("home/.config/sentinel/config.json", text, 0o600);
}

fn allowing(uid: u32) -> String {
    format!(r#"{{"allow-uid": ["{uid}"]}}"#)
}

impl Service {
    fn start(variables: &[(&str, &str)]) -> Self {
        let world = World::with_dev();
        for directory in ["home/.config", "home/.config/sentinel"] {
            world.sandbox.directory(directory, 0o700);
        }
        settings(&world, &allowing(own_uid()));
        let socket = world.sandbox.directory("own", 0o700).join("s");
        let run = world.sandbox.sentinel(["serve", "ecs", "--profile", "base", "--socket"]).args([&socket]);
        let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        let mut running = run.spawn();
        running.error_line("serving on");
        Self { world, socket, running }
    }

    fn client(&self) -> Client {
        let stream = UnixStream::connect(&self.socket).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Client(stream)
    }

    /// Replaces the settings, and waits for what is said of it.
    fn reload(&mut self, text: &str, says: &str) -> String {
        settings(&self.world, text);
        self.running.signal("HUP");
        self.running.error_line(says)
    }

    /// All that are recorded.
    fn sessions(&self) -> Vec<serde_json::Value> {
        let listed = self.world.sandbox.sentinel(["session", "list", "--json"]).run();
        listed.stdout.lines().map(|line| serde_json::from_str(line).expect("a session")).collect()
    }

    /// Revokes the one session of this profile, which serves now.
    fn revoke(&self, profile: &str) {
        assert_eq!(self.client().ask().0, 200);
        let sessions = self.sessions();
        let session = sessions.iter().find(|session| session["profile"] == profile).expect("its session");
        let id = session["id"].as_str().expect("an id");
        let revoke = self.world.sandbox.sentinel(["session", "revoke", "--profile", "base", id]).run();
        assert_eq!(revoke.code(), 0, "{revoke}");
        // With its session a profile's connections end, of which one may be waiting for its answer.
        eventually("the end of the session", || {
            self.client().ask_once().is_ok_and(|answer| answer.0 == 403).then_some(())
        });
    }

    fn end(self) {
        self.running.signal("TERM");
        let done = self.running.finish();
        assert_eq!(done.code(), 0, "{done}");
        assert!(!self.socket.exists());
    }
}

/// A connection that stays.
struct Client(UnixStream);

impl Client {
    /// The status of one more request, and its body. Who is told that credentials are still being fetched asks again: the
    /// first request does that, and the first after a reload.
    fn ask(&mut self) -> (u16, String) {
        eventually("an answer", || Some(self.ask_once().expect("a whole answer")).filter(|answer| answer.0 != 503))
    }

    /// The same, whatever comes of it.
    fn ask_once(&mut self) -> std::io::Result<(u16, String)> {
        self.send()?;
        self.answer()
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.0.write_all(REQUEST)
    }

    fn answer(&mut self) -> std::io::Result<(u16, String)> {
        read_answer(&mut self.0)
    }
}

#[test]
fn who_is_removed_is_refused_at_the_next_request_on_an_open_connection() {
    let mut service = Service::start(&[]);
    let mut client = service.client();
    assert_eq!(client.ask().0, 200);
    service.reload(&allowing(own_uid() + 1), "serving by the settings of now");
    assert_eq!(client.ask().0, 403);
    service.reload(&allowing(own_uid()), "serving by the settings of now");
    assert_eq!(service.client().ask().0, 200);
    service.end();
}

#[test]
fn another_profile_is_served_on_the_same_connection() {
    let mut service = Service::start(&[]);
    let mut client = service.client();
    assert!(!client.ask().1.contains("role/dev"));
    let map = format!(r#"{{"map": ["uid:{}=dev"], "allow-uid": ["{}"]}}"#, own_uid(), own_uid());
    service.reload(&map, "serving by the settings of now");
    let (status, body) = client.ask();
    assert!(status == 200 && body.contains("role/dev"), "{status} {body}");
    // What AWS config says is read again as well.
    service.world.role("other", "base", "");
    service.reload(&map.replace("=dev", "=other"), "serving by the settings of now");
    let (status, body) = client.ask();
    assert!(status == 200 && body.contains("role/other"), "{status} {body}");
    service.end();
}

#[test]
fn a_session_that_was_revoked_is_not_begun_anew_by_a_reload() {
    let mut service = Service::start(&[]);
    service.revoke("base");
    let own = own_uid();
    let map = format!(r#"{{"map": ["uid:{own}=base"], "allow-uid": ["{own}"]}}"#);
    for text in [&allowing(own), &map] {
        service.reload(text, "profile `base` stays ended: a restart begins a new session");
        service.running.error_line("serving by the settings of now");
        let (status, body) = service.client().ask();
        assert!(status == 403 && body.contains("\"SessionRevoked\""), "{status} {body}");
    }
    service.end();
}

#[test]
fn a_revoked_session_is_not_begun_anew_once_its_profile_was_left_out_for_a_while() {
    let mut service = Service::start(&[]);
    let own = own_uid();
    let with_dev = format!(r#"{{"map": ["uid:{own}=dev"], "allow-uid": ["{own}"]}}"#);
    service.reload(&with_dev, "serving by the settings of now");
    service.revoke("dev");
    service.reload(&allowing(own), "serving by the settings of now");
    assert_eq!(service.client().ask().0, 200, "the other profile's session goes on");
    // Those of before are over once nothing is left of what they were served by.
    eventually("the end of the first two sessions of `base`", || {
        let of_base = service.sessions().into_iter().filter(|session| session["profile"] == "base");
        (of_base.filter(|session| session["status"] == "expired").count() == 2).then_some(())
    });
    service.reload(&with_dev, "profile `dev` stays ended: a restart begins a new session");
    service.running.error_line("serving by the settings of now");
    let (status, body) = service.client().ask();
    assert!(status == 403 && body.contains("\"SessionRevoked\""), "{status} {body}");
    service.end();
}

#[test]
fn what_cannot_be_read_leaves_everything_as_it_was() {
    let uid = own_uid();
    let cases = [
        ("{".to_owned(), "config.json"),
        (r#"{"allow-uidd": ["0"]}"#.to_owned(), "allow-uidd"),
        (r#"{"allow-uid": ["no-such-user-here"]}"#.to_owned(), "there is no such user in /etc/passwd"),
        ("{}".to_owned(), "serve would serve nobody"),
        (format!(r#"{{"map": ["uid:{uid}=nothere"], "allow-uid": ["{uid}"]}}"#), "nothere"),
        (format!(r#"{{"policy": "/nonexistent/policy.json", "allow-uid": ["{uid}"]}}"#), "/nonexistent/policy.json"),
    ];
    // Five messages of a kind are said in ten seconds.
    for cases in cases.chunks(3) {
        let mut service = Service::start(&[]);
        let mut client = service.client();
        let before = client.ask();
        assert_eq!(before.0, 200);
        for (text, why) in cases {
            let said = service.reload(text, "everything stays as it was");
            assert!(said.contains(why), "{said}");
            assert_eq!(client.ask(), before, "{text}");
            assert_eq!(service.client().ask(), before, "{text}");
        }
        service.end();
    }
}

#[test]
fn no_connection_is_dropped_and_no_request_refused_while_settings_change() {
    let mut service = Service::start(&[]);
    let uid = own_uid();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let clients: Vec<Client> = (0..8).map(|_| service.client()).collect();
    std::thread::scope(|scope| {
        for mut client in clients {
            let (done, asked) = (&done, &asked);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let (status, body) = client.ask_once().expect("the connection is open");
                    // `Ask again` is no refusal: a profile that is new has no credentials yet, and has a limit.
                    assert!(matches!(status, 200 | 429 | 503), "{status} {body}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 0..5 {
            let before = asked.load(Ordering::SeqCst);
            let map = format!(r#"{{"map": ["uid:{uid}={}"], "allow-uid": ["{uid}"]}}"#, ["dev", "base"][round % 2]);
            service.reload(&map, "serving by the settings of now");
            eventually("requests after the settings were read", || {
                (asked.load(Ordering::SeqCst) > before + 20).then_some(())
            });
        }
        done.store(true, Ordering::SeqCst);
    });
    service.end();
}

/// The manager's end of NOTIFY_SOCKET.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.receive(&mut buffer).expect("a message");
        String::from_utf8(buffer[..length].to_vec()).expect("UTF-8")
    }

    /// A wait with an end is interrupted by whatever happens to this process, a debugger's look at it for one.
    fn receive(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.0.recv(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }

    /// The next message that is no sign of life.
    fn news(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|message| message != "WATCHDOG=1").expect("one")
    }

    /// How many signs of life come in this time.
    fn signs(&self, within: Duration) -> usize {
        self.0.set_read_timeout(Some(within)).expect("a timeout");
        let mut buffer = [0; 1024];
        let mut count = 0;
        while self.receive(&mut buffer).is_ok_and(|length| &buffer[..length] == b"WATCHDOG=1") {
            count += 1;
            if count == 100 {
                break;
            }
        }
        self.0.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        count
    }
}

fn managed(watchdog_usec: &str) -> (Manager, Service) {
    let path = std::env::temp_dir().join(format!("sn-notify-{}-{watchdog_usec}", std::process::id()));
    let manager = Manager::at(&path);
    let service = Service::start(&[("NOTIFY_SOCKET", path.to_str().expect("UTF-8")), ("WATCHDOG_USEC", watchdog_usec)]);
    (manager, service)
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(path) = self.0.local_addr().ok().as_ref().and_then(|address| address.as_pathname()) {
            let _gone = std::fs::remove_file(path);
        }
    }
}

#[test]
fn a_service_manager_hears_of_start_reload_and_end() {
    let (manager, mut service) = managed("60000000");
    let at = service.socket.display().to_string();
    assert_eq!(manager.news(), format!("READY=1\nSTATUS=serving on {at}"));
    service.reload(&allowing(own_uid()), "serving by the settings of now");
    let reloading = manager.news();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.news(), format!("READY=1\nSTATUS=serving on {at}"));
    service.reload("{", "everything stays as it was");
    assert!(manager.news().starts_with("RELOADING=1\n"));
    let ready = manager.news();
    assert!(ready.starts_with(&format!("READY=1\nSTATUS=serving on {at} as before: ")), "{ready}");
    service.end();
    assert_eq!(manager.news(), "STOPPING=1\nSTATUS=ending");
}

/// What was replaced serves on for as long as a request may take that it let in: its log would refuse the line of one that waits
/// for AWS.
#[test]
fn who_waits_for_aws_is_answered_by_what_was_replaced_meanwhile() {
    let (manager, service) = managed("61000000");
    assert!(manager.news().starts_with("READY=1\n"));
    let reload = |text: &str| {
        settings(&service.world, text);
        service.running.signal("HUP");
        assert!(manager.news().starts_with("RELOADING=1\n"));
    };
    let (sts, own) = (&service.world.sts, own_uid());
    for attempt in 0..10 {
        let role = format!("role{attempt}");
        service.world.role(&role, "base", "");
        reload(&format!(r#"{{"map": ["uid:{own}={role}"], "allow-uid": ["{own}"]}}"#));
        assert!(manager.news().starts_with("READY=1\n"));
        let (hanging, calls) = (sts.hang("AssumeRole"), sts.calls_of("AssumeRole").len());
        let mut client = service.client();
        client.send().expect("the connection is open");
        sts.wait_for_calls("AssumeRole", calls + 1);
        // Before a signal is looked at, what was replaced and has had its time is ended: the second one is seen after that.
        reload(&allowing(own));
        assert!(manager.news().starts_with("READY=1\n"));
        reload(&allowing(own));
        hanging.open();
        let (status, body) = client.answer().expect("a whole answer");
        assert!(manager.news().starts_with("READY=1\n"));
        // It waits for less than a second, which may be too short for all this.
        if status != 503 {
            assert!(status == 200 && body.contains(&format!("role/{role}")), "{status} {body}");
            let (status, body) = client.ask();
            assert!(status == 200 && !body.contains("role/"), "{status} {body}");
            return service.end();
        }
    }
    panic!("each time AWS was waited for in vain");
}

/// Stops one thread of a process, and nothing else of it, until a line comes.
const STOPS_A_THREAD: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_INTERRUPT, PTRACE_SEIZE = 0x4207, 0x4206
pid = sys.argv[1]
named = lambda thread: open(f"/proc/{pid}/task/{thread}/comm").read().strip()
thread = int(next(thread for thread in os.listdir(f"/proc/{pid}/task") if named(thread) == "sentinel-accept"))
for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
    if libc.ptrace(request, thread, None, None):
        sys.exit(f"cannot stop it: {os.strerror(ctypes.get_errno())}")
os.waitpid(thread, 0x40000000)
print("stopped", flush=True)
sys.stdin.readline()
"#;

/// Signs of life come from the thread that accepts, so that they end when it hangs, whatever else goes on.
#[test]
fn a_watchdog_hears_nothing_once_accepting_hangs() {
    const NAME: &str = "a_watchdog_hears_nothing_once_accepting_hangs";
    // Four signs a second.
    let (manager, mut service) = managed("500000");
    assert!(manager.news().starts_with("READY=1"));
    for _ in 0..6 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    if !is_root() {
        service.end();
        return skip(NAME, "it takes root to stop a thread of it; the rest runs");
    }
    let pid = service.running.pid().to_string();
    let mut debugger = service.world.sandbox.program(python()).args(["-c", STOPS_A_THREAD, &pid]).spawn();
    assert_eq!(debugger.line(), "stopped");
    // What was on its way.
    let _late = manager.signs(Duration::from_millis(100));
    assert_eq!(manager.signs(Duration::from_secs(2)), 0, "the thread that accepts hangs, and it is called alive");
    // The others go on.
    service.reload(&allowing(own_uid()), "serving by the settings of now");
    assert!(manager.news().starts_with("RELOADING=1\n"));
    assert!(manager.news().starts_with("READY=1\n"));
    debugger.send("let it go on");
    assert_eq!(debugger.finish().code(), 0);
    assert!(manager.signs(Duration::from_secs(5)) > 0, "it goes on");
    service.end();
}
