//! T26, and T6 and T32, for services: who is selected gets the role of the entry, and nobody else gets anything.

use std::fs;
use std::path::Path;

use sentinel::digest::{hex, sha256};

use super::service::{DB, OTHER, Open, PYTHON, Service, WEB, said, serve};
use crate::harness::{World, copy_program, is_root, sentinel, skip};
use crate::wire::FORBIDDEN;

const BY_USER: [&str; 4] = ["--map", "uid:61001=web", "--map", "uid:61002=db"];

#[test]
fn two_services_get_their_own_role_and_no_other() {
    let Some(service) = Service::start("two_services_get_their_own_role_and_no_other", &BY_USER) else { return };
    let told = [WEB, DB, OTHER, 0].map(|uid| service.told(uid));
    assert_eq!(told, ["web", "db", "dropped", "dropped"]);
    // What the AWS tools of a service run.
    for (uid, role) in [(WEB, "web"), (DB, "db")] {
        let run = service.as_user(uid, &[sentinel(), "credentials"]).without("SENTINEL_AUTH_TOKEN");
        let printed: serde_json::Value = serde_json::from_str(&said(&run.run())).expect("JSON");
        let served = said(&service.client(uid, "raw = once(ask(None)); say(told(raw), key(raw))").run());
        assert_eq!(served, format!("{role} {}", printed["AccessKeyId"].as_str().expect("a key")));
    }
    let done = service.as_user(OTHER, &[sentinel(), "credentials"]).without("SENTINEL_AUTH_TOKEN").run();
    assert_eq!((done.code(), done.stdout.as_str()), (1, ""), "{done}");
    let decisions = service.world.sandbox.decisions();
    for (uid, profile) in [(WEB, "web"), (DB, "db")] {
        let decision = decisions.iter().find(|one| one["peer"]["uid"] == uid).expect("a decision");
        let seen = (&decision["peer"]["uid"], &decision["profile"], &decision["binding"], &decision["deployment"]);
        assert_eq!(seen, (&uid.into(), &profile.into(), &"selector".into(), &"enforced".into()));
    }
    let stderr = service.end();
    assert!(stderr.contains(", enforced: "), "{stderr}");
}

#[test]
fn a_service_that_serves_its_own_user_says_that_nothing_binds_them() {
    let world = World::new();
    let own = sentinel::sys::user::effective_uid().to_string();
    let directory = world.sandbox.directory("own", 0o700);
    let options = ["--socket-mode", "0600", "--profile", "base", "--allow-uid", &own];
    let mut running = serve(&world, &[], &directory.join("s.sock"), &options).spawn();
    assert!(running.error_line("serving on ").contains(", advisory: it serves its own user"));
    let asked = world.sandbox.sentinel(["credentials"]).env("SENTINEL_UNIX_SOCKET", directory.join("s.sock")).run();
    assert_eq!(asked.code(), 0, "{asked}");
    running.signal("TERM");
    assert_eq!(running.finish().code(), 0);
    assert_eq!(world.sandbox.decisions()[0]["deployment"], "advisory");
}

#[test]
fn the_first_entry_that_matches_counts() {
    let options =
        ["--map", "uid:61001,gid:61001=web", "--profile", "db", "--allow-uid", "61001", "--allow-uid", "61002"];
    let Some(service) = Service::start("the_first_entry_that_matches_counts", &options) else { return };
    assert_eq!([WEB, DB, OTHER].map(|uid| service.told(uid)), ["web", "db", "dropped"]);
    service.end();
}

#[test]
fn another_group_than_the_effective_one_does_not_count() {
    let options = ["--profile", "web", "--allow-gid", "61001"];
    let Some(service) = Service::start("another_group_than_the_effective_one_does_not_count", &options) else { return };
    assert_eq!([WEB, DB].map(|uid| service.told(uid)), ["web", "dropped"]);
    let script = r#"
os.setgroups([61001])
os.setegid(61003); say(told(once(ask(None))))
os.setegid(0); os.setegid(61001); say(told(once(ask(None))))
"#;
    let code = format!("{}\n{}\n{script}", crate::wire::CLIENT, super::service::ASKING);
    assert_eq!(said(&service.knowing(PYTHON).args(["-u", "-c", &code]).run()), "dropped\nweb");
    service.end();
}

#[test]
fn who_changes_user_or_group_after_connecting_is_refused() {
    let options = ["--profile", "web", "--allow-uid", "61001", "--allow-gid", "61001"];
    let Some(service) = Service::start("who_changes_user_or_group_after_connecting_is_refused", &options) else {
        return;
    };
    // Credentials are there then, and no answer has to be waited for.
    assert_eq!(service.told(WEB), "web");
    let script = r#"
def as_who(uid, gid):
    os.setresgid(gid, gid, 0); os.setresuid(uid, uid, 0)
def as_root():
    os.setresuid(0, 0, 0); os.setresgid(0, 0, 0)
for uid, gid in [(61001, 61001), (61002, 61001), (61001, 61002), (0, 61001), (61001, 0)]:
    as_who(61001, 61001)
    s = connect()
    s.sendall(ask(None)); say(told(answer(s)))
    as_root(); as_who(uid, gid)
    try_send(s, ask(None)); say(told(answer(s)))
    as_root()
"#;
    let code = format!("{}\n{}\n{script}", crate::wire::CLIENT, super::service::ASKING);
    let told = said(&service.knowing(PYTHON).args(["-u", "-c", &code]).run());
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        ["web", "web", "web", "403", "web", "403", "web", "403", "web", "403"]
    );
    service.end();
}

#[test]
fn who_hands_a_connection_on_hands_nothing_on() {
    let Some(service) = Service::start("who_hands_a_connection_on_hands_nothing_on", &BY_USER) else { return };
    // Credentials are there then, and no answer has to be waited for.
    assert_eq!(service.told(WEB), "web");
    let script = r#"
import array
ours, theirs = socket.socketpair()
if os.fork() == 0:
    os.setresgid(61003, 61003, 61003); os.setresuid(61003, 61003, 61003)
    for _ in range(2):
        s = socket.socket(fileno=socket.recv_fds(theirs, 1, 1)[1][0]); s.settimeout(LIMIT_S)
        try_send(s, ask(None)); say(told(answer(s)))
        theirs.send(b"x")
    os._exit(0)
os.setresgid(61001, 61001, 61001); os.setresuid(61001, 61001, 61001)
for used in [False, True]:
    s = connect()
    if used:
        s.sendall(ask(None)); say(told(answer(s)))
    socket.send_fds(ours, [b"x"], [s.fileno()]); ours.recv(1)
os.wait()
"#;
    let code = format!("{}\n{}\n{script}", crate::wire::CLIENT, super::service::ASKING);
    let told = said(&service.knowing(PYTHON).args(["-u", "-c", &code]).run());
    assert_eq!(told, "403\nweb\n403");
    service.end();
}

/// A mount namespace in which /mnt is root's alone and holds a copy of curl, `app`, and another, `other`.
const STAGE: &str = r#"mount -t tmpfs -o mode=755 none /mnt && cp "$0" /mnt/app && cp "$0" /mnt/other && printf x >>/mnt/other &&
    exec "$@""#;
/// Asks with curl, which gets what to ask once its standard input says so, and prints the status.
const LATER: [&str; 3] = ["-s", "-K", "-"];
/// Credentials that are still being fetched (503) are asked for again; a refusal is not.
const PATIENT: &str = "retry = 10\n";
/// The same at once.
const NOW: [&str; 8] = ["-s", "--retry", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://localhost/"];

/// Runs in a service's mount namespace, as the web service's user.
fn staged<'a>(pid: &'a str, program: &[&'a str]) -> Vec<&'a str> {
    let setpriv = ["setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups", "--"];
    [&["nsenter", "-m", "-t", pid, "--"][..], &setpriv, program].concat()
}

fn curl(test: &str) -> Option<String> {
    let curl = fs::canonicalize("/usr/bin/curl").ok().filter(|_| is_root());
    if curl.is_none() {
        skip(test, "there is no curl, or no root");
    }
    curl.map(|path| path.to_str().expect("UTF-8").to_owned())
}

#[test]
fn a_program_that_is_not_the_one_named_is_refused() {
    const NAME: &str = "a_program_that_is_not_the_one_named_is_refused";
    let Some(curl) = curl(NAME) else { return };
    let before = ["unshare", "-m", "sh", "-c", STAGE, &curl];
    let options = ["--profile", "web", "--allow-uid", "61001", "--allow-exe", "/mnt/app"];
    let Some(service) = Service::start_in(NAME, &before, &options) else { return };
    let pid = service.running.pid().to_string();
    let socket = service.open.socket();
    let socket = socket.to_str().expect("UTF-8");
    let config = format!(
        "unix-socket = {socket}\nurl = http://localhost/\noutput = /dev/null\nwrite-out = %{{http_code}}\n{PATIENT}"
    );
    let ask = |program: &[&str], meanwhile: &[&str]| {
        let words = staged(&pid, &[program, &LATER].concat());
        let mut asking = service.knowing(words[0]).args(&words[1..]).spawn();
        // It is what it is by the time at which it reads.
        let image = fs::canonicalize(program[0]).unwrap_or_else(|_| program[0].into());
        let name = image.file_name().expect("a name").to_str().expect("UTF-8").to_owned();
        crate::harness::eventually("the program", || {
            let exe = fs::read_link(format!("/proc/{}/exe", asking.pid())).ok()?;
            (exe.file_name()?.to_str()? == name).then_some(())
        });
        for line in meanwhile {
            let done = service.knowing("nsenter").args(["-m", "-t", &pid, "--", "sh", "-c", line]).run();
            assert_eq!(done.code(), 0, "{done}");
        }
        asking.send(&config);
        said(&asking.finish())
    };
    assert_eq!(ask(&["/mnt/app"], &[]), "200");
    assert_eq!(ask(&["/mnt/other"], &[]), "403", "another program");
    assert_eq!(ask(&[&curl], &[]), "403", "the same bytes elsewhere");
    assert_eq!(ask(&["/mnt/app"], &["mv /mnt/app /mnt/moved"]), "403", "moved away");
    assert_eq!(ask(&["/mnt/moved"], &["cp /mnt/other /mnt/app"]), "403", "another is there");
    assert_eq!(ask(&["/mnt/app"], &["rm /mnt/app", "cp /mnt/moved /mnt/app"]), "403", "deleted, and made again");
    assert_eq!(ask(&["/mnt/app"], &["mv /mnt/other /mnt/app"]), "403", "replaced");
    assert_eq!(ask(&["/mnt/app"], &[]), "200", "what is there now");
    assert_eq!(ask(&["/mnt/app"], &["chmod g+w /mnt/app"]), "403", "a group may write to it");
    assert_eq!(ask(&["/mnt/app"], &["chmod 755 /mnt/app; chown 61001 /mnt/app"]), "403", "it belongs to the client");
    assert_eq!(ask(&["/mnt/app"], &["chown 0 /mnt/app; chmod 777 /mnt"]), "403", "everybody may replace it");
    assert_eq!(ask(&["/mnt/app"], &["chmod 755 /mnt"]), "200");
    service.end();
}

#[test]
fn what_only_looks_like_the_program_is_refused() {
    const NAME: &str = "what_only_looks_like_the_program_is_refused";
    let Some(curl) = curl(NAME) else { return };
    let before = ["unshare", "-m", "sh", "-c", STAGE, &curl];
    let options = ["--profile", "web", "--allow-uid", "61001", "--allow-exe", "/mnt/app"];
    let Some(service) = Service::start_in(NAME, &before, &options) else { return };
    let pid = service.running.pid().to_string();
    let socket = service.open.socket();
    let socket = socket.to_str().expect("UTF-8");
    let ask = [&NOW[..], &["--unix-socket", socket]].concat();
    let run = |words: &[&str]| said(&service.knowing(words[0]).args(&words[1..]).run());
    let as_web = |program: &[&str]| run(&staged(&pid, program));
    let with = |program: &str| as_web(&[&[program], &ask[..]].concat());
    assert_eq!(with("/mnt/app"), "200");
    // An impostor of the attacker's own, at the same path of a mount namespace of its own.
    let evil = Open::new();
    let evil = evil.0.join("evil");
    copy_program(Path::new(&curl), &evil);
    let impostor =
        r#"mount --bind "$0" /mnt/app && exec setpriv --reuid 61001 --regid 61001 --clear-groups -- /mnt/app "$@""#;
    let enter =
        ["nsenter", "-m", "-t", &pid, "--", "unshare", "-m", "sh", "-c", impostor, evil.to_str().expect("UTF-8")];
    assert_eq!(run(&[&enter[..], &ask].concat()), "403", "an impostor that is mounted over it");
    // What runs what it is given.
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
        .into_iter()
        .find(|path| fs::exists(path).is_ok_and(|is| is));
    if let Some(loader) = loader {
        assert_eq!(as_web(&[&[loader, "/mnt/app"], &ask[..]].concat()), "403", "the dynamic loader");
    }
    assert_eq!(service.told(WEB), "403", "an interpreter");
    let helper = staged(&pid, &[sentinel(), "credentials"]);
    let done = service.knowing(helper[0]).args(&helper[1..]).run();
    assert_eq!((done.code(), done.stdout.as_str()), (1, ""), "{done}");
    service.end();
}

#[test]
fn sentinel_under_another_name_attests_nothing() {
    const NAME: &str = "sentinel_under_another_name_attests_nothing";
    let stage = r#"mount -t tmpfs -o mode=755 none /mnt && cp "$1" /mnt/serving && ln /mnt/serving /mnt/helper && shift &&
        exec /mnt/serving "$@""#;
    let options = ["--map", "uid:61001,exe:/mnt/helper=web", "--map", "uid:61002=db"];
    let Some(service) = Service::start_in(NAME, &["unshare", "-m", "sh", "-c", stage, "sh"], &options) else { return };
    let pid = service.running.pid().to_string();
    let words = staged(&pid, &["/mnt/helper", "credentials"]);
    let done = service.knowing(words[0]).args(&words[1..]).run();
    done.failed_with(1, &["refused this process"]);
    assert_eq!(done.stdout, "");
    service.end();
}

#[test]
fn a_selector_that_would_attest_nothing_is_refused_at_the_start() {
    let world = World::new();
    let directory = world.sandbox.directory("own", 0o700);
    let start = |selector: &[&str], parts: &[&str]| {
        let options = [&["--socket-mode", "0600", "--profile", "base"], selector].concat();
        serve(&world, &[], &directory.join("s.sock"), &options).run().failed_with(1, parts);
        assert_eq!(fs::read_dir(&directory).expect("a listing").count(), 0);
    };
    start(&["--allow-exe", "/usr/bin/python3"], &["--allow-exe /usr/bin/python3: python3 runs what it is given"]);
    start(&["--allow-exe", "/lib64/ld-linux-x86-64.so.2"], &["runs what it is given, so that it attests nothing"]);
    start(&["--allow-exe", sentinel()], &["sentinel speaks for whoever runs it, so that it attests nothing"]);
    start(&["--allow-uid", "no-such-user"], &["--allow-uid no-such-user: there is no such user in /etc/passwd"]);
    start(&["--allow-sha256", "12"], &["--allow-sha256 12 is not a SHA-256"]);
    start(&["--allow-cgroup", "/../x"], &["--allow-cgroup /../x"]);
    start(&["--allow-uid", "1", "--map", "uid:1=nowhere"], &["nowhere"]);
}

#[test]
fn a_program_that_is_not_shown_to_the_service_is_refused_at_the_start() {
    const NAME: &str = "a_program_that_is_not_shown_to_the_service_is_refused_at_the_start";
    if !is_root() {
        return skip(NAME, "it takes root to be another user");
    }
    let world = World::new();
    world.sandbox.give_to_nobody();
    let before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
    let options = ["--socket-mode", "0600", "--profile", "base", "--allow-uid", "61001", "--allow-exe", "/usr/bin/id"];
    let done = serve(&world, &before, &world.sandbox.path("run/s.sock"), &options).run();
    done.failed_with(1, &["the program of other users' processes is not shown to uid 65534", "CAP_SYS_PTRACE"]);
}

#[test]
fn another_digest_is_another_program() {
    const NAME: &str = "another_digest_is_another_program";
    let Some(curl) = curl(NAME) else { return };
    let digest = hex(&sha256(&fs::read(&curl).expect("curl")));
    let other = hex(&sha256(digest.as_bytes()));
    for (digest, status) in [(digest, "200"), (other, "403")] {
        let options = ["--profile", "web", "--allow-uid", "61001", "--allow-sha256", &digest];
        let Some(service) = Service::start(NAME, &options) else { return };
        let socket = service.open.socket();
        let socket = socket.to_str().expect("UTF-8");
        let ask = [&[curl.as_str()], &NOW[..], &["--unix-socket", socket]].concat();
        assert_eq!(said(&service.as_user(WEB, &ask).run()), status);
        assert_eq!(service.told(WEB), "403", "an interpreter has a digest, and attests nothing");
        service.end();
    }
}

/// A cgroup of root's, made for a test.
struct Group {
    directory: std::path::PathBuf,
    path: String,
}

impl Group {
    fn new(test: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc");
        let root = sentinel::peer::text::cgroup_mount(&mounts).filter(|_| is_root()).map(std::path::PathBuf::from);
        let path = format!("/sentinel-test-{}", std::process::id());
        let directory = root.map(|root| root.join(&path[1..])).filter(|directory| fs::create_dir(directory).is_ok());
        let Some(directory) = directory else {
            skip(test, "no cgroup can be made here");
            return None;
        };
        Some(Self { directory, path })
    }

    /// What a client says that root has put there.
    #[track_caller]
    fn told(&self, service: &Service) -> String {
        let enter = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", self.directory.display());
        let script = format!("{}\n{}\nsay(told(once(ask(None))))", crate::wire::CLIENT, super::service::ASKING);
        let ids = ["setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups", "--"];
        let run = service.knowing("sh").args(["-c", &enter, "sh"]).args(ids).args([PYTHON, "-u", "-c", &script]);
        said(&run.run())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let removed = crate::harness::eventually("an empty cgroup", || match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => None,
            other => Some(other),
        });
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

#[test]
fn who_is_in_another_cgroup_is_refused_and_so_are_all_where_others_than_root_may_join() {
    const NAME: &str = "who_is_in_another_cgroup_is_refused_and_so_are_all_where_others_than_root_may_join";
    let Some(group) = Group::new(NAME) else { return };
    let options = ["--profile", "web", "--allow-uid", "61001", "--allow-cgroup", &group.path];
    let Some(service) = Service::start(NAME, &options) else { return };
    assert_eq!(group.told(&service), "web");
    assert_eq!(service.told(WEB), "403", "in another cgroup");
    // A service that starts again gets a new directory of the same name.
    fs::remove_dir(&group.directory).expect("removed");
    fs::create_dir(&group.directory).expect("made again");
    assert_eq!(group.told(&service), "web");
    for file in ["cgroup.procs", "cgroup.threads", ""] {
        let path = group.directory.join(file);
        std::os::unix::fs::chown(&path, Some(WEB), None).expect("chown");
        assert_eq!(group.told(&service), "403", "{file} is the client's");
        std::os::unix::fs::chown(&path, Some(0), None).expect("chown");
    }
    assert_eq!(group.told(&service), "web");
    service.end();
}

#[test]
fn a_process_of_another_pid_namespace_is_nobody() {
    const NAME: &str = "a_process_of_another_pid_namespace_is_nobody";
    let options = ["--profile", "web", "--allow-uid", "61001"];
    let Some(service) = Service::start_in(NAME, &["unshare", "-pf", "--mount-proc", "--kill-child", "--"], &options)
    else {
        return;
    };
    assert_eq!(service.told(WEB), "403", "process 0");
    let inside = crate::harness::process::children(service.running.pid());
    let [inside] = inside[..] else { panic!("one child: {inside:?}") };
    let script = format!("{}\n{}\nsay(told(once(ask(None))))", crate::wire::CLIENT, super::service::ASKING);
    let (inside, enter) = (inside.to_string(), ["-p", "-m", "-t"]);
    let ids = ["setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups", "--"];
    let run = service.knowing("nsenter").args(enter).args([&inside, "--"]).args(ids);
    assert_eq!(said(&run.args([PYTHON, "-u", "-c", &script]).run()), "web");
}

#[test]
fn what_cannot_be_established_any_more_is_refused() {
    const NAME: &str = "what_cannot_be_established_any_more_is_refused";
    let Some(curl) = curl(NAME) else { return };
    let before = ["unshare", "-m", "sh", "-c", STAGE, &curl];
    let options = ["--map", "uid:61001,exe:/mnt/app=web", "--map", "uid:61002=db"];
    let Some(service) = Service::start_in(NAME, &before, &options) else { return };
    let pid = service.running.pid().to_string();
    let socket = service.open.socket();
    let socket = socket.to_str().expect("UTF-8");
    let ask = [&["/mnt/app"], &NOW[..], &["--unix-socket", socket]].concat();
    let words = staged(&pid, &ask);
    let status = || said(&service.knowing(words[0]).args(&words[1..]).run());
    assert_eq!(status(), "200");
    let hide = ["-m", "-t", &pid, "--", "mount", "-t", "tmpfs", "none", "/proc"];
    assert_eq!(service.knowing("nsenter").args(hide).run().code(), 0);
    assert_eq!(status(), "403", "/proc says nothing any more");
    service.end();
}

#[test]
fn refusals_are_alike_whatever_did_not_match() {
    const NAME: &str = "refusals_are_alike_whatever_did_not_match";
    let options = ["--map", "uid:61001,exe:/usr/bin/id=web", "--map", "uid:61002,gid:61002=db"];
    let Some(service) = Service::start(NAME, &options) else { return };
    let raw = |uid: u32, script: &str| said(&service.client(uid, script).run());
    let asks = [
        "say(once(ask(None)).hex())",
        "say(once(ask(b\"x\")).hex())",
        "say(once(ask(None, b\"GET /role-arn/arn:aws:iam::123456789012:role/web HTTP/1.1\")).hex())",
        "say(once(ask(None, b\"PUT /nothing HTTP/1.1\")).hex())",
    ];
    let expected: String = FORBIDDEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    for ask in asks {
        assert_eq!(raw(WEB, ask), expected, "another program: {ask}");
    }
    let changed = format!(
        "{}\n{}\nos.setresgid(61002, 61002, 0); os.setresuid(61002, 61002, 0)\ns = connect()\nos.setresuid(0, 0, 0)\n\
         try_send(s, ask(None)); say(answer(s).hex())",
        crate::wire::CLIENT,
        super::service::ASKING
    );
    assert_eq!(said(&service.knowing(PYTHON).args(["-u", "-c", &changed]).run()), expected, "another user");
    assert_eq!(service.told(DB), "db");
    service.end();
}
