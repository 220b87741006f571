//! T26, and T6, T27 and T32, for services on ports: TCP has no peer credentials, so that a caller is the socket on the other end
//! and, where an entry asks for more than the user, the process that holds it.

use std::process::Command;

use super::service::{ASKING, DB, OTHER, PYTHON, Service, WEB, said};
use crate::fake_sts::ACCOUNT;
use crate::harness::{process, skip};
use crate::wire::{CLIENT, Transport};

const PORTS: [Transport; 2] = [Transport::TcpService, Transport::ImdsService];
/// With their groups, so that the process has to be found.
const BY_PROCESS: [&str; 4] = ["--map", "uid:61001,gid:61001=web", "--map", "uid:61002,gid:61002=db"];

/// Becomes whom it likes; a session token is for who asked for it.
const BECOMING: &str = r#"
def as_who(uid, gid):
    global TOKEN
    os.setresgid(gid, gid, 0); os.setresuid(uid, uid, 0)
    if HEADER != b"Authorization: ":
        TOKEN = session_token().rpartition(b"\r\n")[2]
def as_root():
    os.setresuid(0, 0, 0); os.setresgid(0, 0, 0)
"#;

#[test]
fn two_services_get_their_own_role_over_tcp_and_no_other() {
    const NAME: &str = "two_services_get_their_own_role_over_tcp_and_no_other";
    for options in [&BY_PROCESS, &["--map", "uid:61001=web", "--map", "uid:61002=db"]] {
        Service::over_each(NAME, &PORTS, (&[], options), |service, transport| {
            assert_eq!([WEB, DB, OTHER, 0].map(|uid| service.told(uid)), ["web", "db", "dropped", "dropped"]);
            for (uid, role) in [(WEB, "web"), (DB, "db")] {
                let key = said(&service.client(uid, "say(key(once(ask())))").run());
                let issued = service.world.sts.issued(&key).expect("a key that was issued").arn;
                assert!(issued.contains(&format!("{ACCOUNT}:assumed-role/{role}/")), "{issued}");
            }
            // A wrong token of a user who is served; and the other's role.
            let wrong = said(&service.client(WEB, "say(told(once(ask(b'x' * 43))))").run());
            let other = "say(told(once(ask(line=LINE.replace(b'/web ', b'/db ')))))";
            let other = said(&service.client(WEB, other).run());
            let expected = if transport.is_metadata() { ["401", "404"] } else { ["403", "web"] };
            assert_eq!([wrong.as_str(), &other], expected);
            service.end();
        });
    }
}

/// T10: without session tokens, a service's selectors stand alone.
#[test]
fn version_1_of_a_service_is_for_whom_it_selects_and_only_when_asked_for() {
    const NAME: &str = "version_1_of_a_service_is_for_whom_it_selects_and_only_when_asked_for";
    for (options, status) in [(&BY_PROCESS[..], "401"), (&[&BY_PROCESS[..], &["--imds-v1"]].concat(), "web")] {
        Service::over_each(NAME, &[Transport::ImdsService], (&[], options), |service, _| {
            let without = "say(told(once(ask(None))), told(once(ask(b'x'))), told(once(ask())))";
            assert_eq!(said(&service.client(WEB, without).run()), format!("{status} 401 web"));
            // Another's credentials, and somebody else's question.
            let others = said(&service.client(DB, "say(told(once(ask(None, LINE.replace(b'/db ', b'/web ')))))").run());
            assert_eq!(others, if status == "web" { "404" } else { "401" });
            assert_eq!(said(&service.client(OTHER, "say(told(once(ask(None))))").run()), "dropped");
            service.end();
        });
    }
}

#[test]
fn who_changes_user_or_group_after_connecting_over_tcp_is_refused() {
    const NAME: &str = "who_changes_user_or_group_after_connecting_over_tcp_is_refused";
    Service::over_each(NAME, &PORTS, (&[], &BY_PROCESS), |service, _| {
        let script = r#"
for uid, gid in [(61001, 61001), (61002, 61001), (61001, 61002), (0, 61001), (61001, 0)]:
    as_who(61001, 61001)
    s = connect()
    s.sendall(ask()); say(told(answer(s)))
    own = TOKEN
    as_root(); as_who(uid, gid)
    try_send(s, ask(own)); say(told(answer(s)))
    as_root()
"#;
        let told = service.told_to_root(&format!("{BECOMING}{script}"));
        let expected = ["web", "web", "web", "403", "web", "403", "web", "403", "web", "403"];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
        service.end();
    });
}

#[test]
fn who_gives_a_connection_away_over_tcp_gives_nothing_away() {
    const NAME: &str = "who_gives_a_connection_away_over_tcp_gives_nothing_away";
    Service::over_each(NAME, &PORTS, (&[], &BY_PROCESS), |service, _| {
        // The giver closes its own descriptor: of those who hold a connection together one cannot tell who wrote.
        let script = r#"
ours, theirs = socket.socketpair()
if os.fork() == 0:
    os.setresgid(61003, 61003, 61003); os.setresuid(61003, 61003, 61003)
    for _ in range(2):
        token, fds, _, _ = socket.recv_fds(theirs, 100, 1)
        s = socket.socket(fileno=fds[0]); s.settimeout(LIMIT_S)
        theirs.recv(1)
        try_send(s, ask(token)); say(told(answer(s)))
        theirs.send(b"x")
    os._exit(0)
as_who(61001, 61001)
for used in [False, True]:
    s = connect()
    if used:
        s.sendall(ask()); say(told(answer(s)))
    socket.send_fds(ours, [TOKEN], [s.fileno()]); s.close(); ours.send(b"x"); ours.recv(1)
os.wait()
"#;
        assert_eq!(service.told_to_root(&format!("{BECOMING}{script}")), "403\nweb\n403");
        service.end();
    });
}

#[test]
fn who_cannot_be_found_any_more_over_tcp_is_refused() {
    const NAME: &str = "who_cannot_be_found_any_more_over_tcp_is_refused";
    Service::over_each(NAME, &PORTS, (&["unshare", "-m"], &BY_PROCESS), |service, _| {
        assert_eq!(service.told(WEB), "web");
        let pid = service.running.pid().to_string();
        let hide = ["-m", "-t", &pid, "--", "mount", "-t", "tmpfs", "none", "/proc"];
        assert_eq!(service.knowing("nsenter").args(hide).run().code(), 0);
        assert_eq!(service.told(WEB), "403", "/proc says nothing any more");
        service.end();
    });
}

/// T32: it shares the network, and no number here is its.
#[test]
fn a_process_of_another_pid_namespace_is_nobody_over_tcp() {
    const NAME: &str = "a_process_of_another_pid_namespace_is_nobody_over_tcp";
    let before = ["unshare", "-pf", "--mount-proc", "--kill-child", "--"];
    Service::over_each(NAME, &PORTS, (&before, &BY_PROCESS), |service, _| {
        assert_eq!(service.told(WEB), "403", "outside");
        let inside = process::children(service.running.pid());
        let [inside] = inside[..] else { panic!("one child: {inside:?}") };
        let script = format!("{CLIENT}\n{ASKING}\nsay(told(once(ask())))");
        let ids = ["setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups", "--"];
        let run = service.knowing("nsenter").args(["-p", "-m", "-t", &inside.to_string(), "--"]).args(ids);
        assert_eq!(said(&run.args([PYTHON, "-u", "-c", &script]).run()), "web");
    });
}

/// T32: in a user namespace where root alone has a number, everybody else is 65534. Who serves that user serves them all.
#[test]
fn a_user_without_a_number_here_is_nobody_to_a_service() {
    const NAME: &str = "a_user_without_a_number_here_is_nobody_to_a_service";
    let made = Command::new("unshare").args(["-r", "true"]).output();
    if !made.is_ok_and(|done| done.status.success()) {
        return skip(NAME, "this host allows no user namespaces");
    }
    let options = ["--profile", "web", "--allow-uid", "0", "--allow-uid", "65534"];
    Service::over_each(NAME, &Transport::OF_SERVICES, (&["unshare", "-r"], &options), |service, _| {
        assert_eq!([0, WEB, OTHER].map(|uid| service.told(uid)), ["web", "403", "403"]);
        service.end();
    });
}
