//! T9: a port is on loopback, nobody else's, and answers only callers of its own network namespace; whichever endpoint it is.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::harness::{eventually, is_root, python, skip};
use crate::wire::{CLIENT, FETCHED, Served, Transport};

/// Whether these programs are here.
fn has(programs: &[&str]) -> bool {
    programs.iter().all(|program| Command::new(program).arg("-V").output().is_ok_and(|done| done.status.success()))
}

#[test]
fn a_port_is_on_loopback_alone() {
    Served::over_each(&Transport::PORTS, |served| {
        // /proc/net/tcp has local addresses as hexadecimal numbers in the host's order; 0A is LISTEN.
        let script = r#"
port = f"{ADDRESS[1]:04X}"
for name in ["tcp", "tcp6"]:
    with open(f"/proc/net/{name}") as table:
        rows = [line.split() for line in table][1:]
    say(name, *[row[1] for row in rows if row[3] == "0A" and row[1].endswith(":" + port)])
say(port)
"#;
        let done = served.inside(&[], script).run();
        assert_eq!(done.code(), 0, "{done}");
        let port = done.stdout.trim().rsplit_once('\n').expect("lines").1;
        let loopback = format!("{:08X}", u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()));
        assert_eq!(done.stdout, format!("tcp {loopback}:{port}\ntcp6\n{port}\n"));
    });
}

#[test]
fn no_other_address_of_the_host_leads_to_it() {
    Served::over_each(&Transport::PORTS, |served| {
        let script = r#"
addresses = ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.2"]
# Every address of an interface.
with open("/proc/net/fib_trie") as table:
    lines = [line.strip() for line in table]
addresses += sorted({line.split()[1] for line, kind in zip(lines, lines[1:]) if kind.startswith("/32 host LOCAL")})
reached = set()
for address in addresses:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(LIMIT_S)
    if s.connect_ex((address, ADDRESS[1])) == 0:
        reached.add(address)
say(len(addresses) >= 6, *reached)
"#;
        let done = served.inside(&[], script).run();
        assert_eq!(done.stdout, "True 127.0.0.1\n", "{done}");
    });
}

#[test]
fn a_namespace_of_its_own_has_another_loopback() {
    const NAME: &str = "a_namespace_of_its_own_has_another_loopback";
    if !is_root() || !has(&["unshare"]) {
        return skip(NAME, "it takes root and unshare to make a network namespace");
    }
    Served::over_each(&Transport::PORTS, |served| {
        // In the tree, with the token.
        let there = "say(errno.errorcode[socket.socket().connect_ex(ADDRESS)])\n";
        let script = format!(
            "{FETCHED}import subprocess\nos.environ['STOLEN_SESSION_TOKEN'] = TOKEN.decode()\n\
         subprocess.run(['unshare', '-n', sys.executable, '-c', {:?}])\nsay(status(once(ask())))",
            format!("{CLIENT}\n{there}")
        );
        let done = served.inside(&[], &script).run();
        assert_eq!((done.code(), done.stdout.as_str()), (0, "ENETUNREACH\n200\n"), "{done}");
    });
}

/// The port can be reached from there, with the token, by a descendant of the command; and not a byte comes back.
#[test]
fn a_caller_in_another_namespace_gets_not_a_byte() {
    const NAME: &str = "a_caller_in_another_namespace_gets_not_a_byte";
    if !is_root() || !has(&["unshare", "nsenter", "ip"]) {
        return skip(NAME, "it takes root, unshare, nsenter and ip to connect two network namespaces");
    }
    Served::over_each(&Transport::PORTS, |served| {
        // AWS is not in reach from there: credentials that somebody else made.
        let given = served.sandbox.write(
        "given.sh",
        "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"ASIAGIVEN\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\
         \"Expiration\":\"2100-01-01T00:00:00Z\"}'\n",
        0o700,
    );
        served.sandbox.settings("given", &format!("region = us-east-1\ncredential_process = {}", given.display()));
        let there = "s = connect()\nsay('connected')\ntry_send(s, ask())\nsay(to_end(s))\n";
        // The metadata endpoint has the profile's name in its path.
        let ask = "def own():\n    return once(ask(line=LINE.replace(b'/base ', b'/given ')))\n";
        let script = format!(
            "{CLIENT}\n{ask}import subprocess\nos.environ['STOLEN_SESSION_TOKEN'] = TOKEN.decode()\nsay(status(own()))\n\
         subprocess.run([*os.environ['NSENTER'].split(), sys.executable, '-c', {:?}])\nsay(status(own()))\n",
            format!("{CLIENT}\n{there}")
        );
        let attack = include_str!("attackers/other_namespace.py");
        let run = served.sandbox.program("unshare").args(["-n", python(), "-c", attack]);
        let done = run.args(served.before("given", &[])).args([python(), "-u", "-c", &script]).run();
        assert_eq!((done.code(), done.stdout.as_str()), (0, "200\nconnected\nb''\n200\n"), "{done}");
    });
}

#[test]
fn nobody_else_can_listen_on_the_port() {
    Served::over_each(&Transport::PORTS, |served| {
        let script = format!("{FETCHED}say(PATH, TOKEN.decode())\nsys.stdin.read()\nsay(status(once(ask())))");
        let mut inside = served.inside(&[], &script).spawn();
        let stolen = inside.line();
        // Also sockets that would share: the kernel wants the consent of both.
        let script = r#"
for address in ["127.0.0.1", "0.0.0.0"]:
    for options in [[], [socket.SO_REUSEADDR], [socket.SO_REUSEPORT], [socket.SO_REUSEADDR, socket.SO_REUSEPORT]]:
        s = socket.socket()
        for option in options:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            s.bind((address, ADDRESS[1]))
            s.listen()
            say("listens on", address, options)
        except OSError as error:
            say(errno.errorcode[error.errno])
"#;
        let done = served.outside(&stolen, script).run();
        assert_eq!(done.stdout, "EADDRINUSE\n".repeat(8), "{done}");
        inside.close_stdin();
        assert_eq!(inside.line(), "200");
        assert_eq!(inside.finish().code(), 0);
    });
}

#[test]
fn a_port_that_is_taken_is_told_before_aws_is_asked() {
    Served::over_each(&Transport::PORTS, |served| {
        // Free again, it is the one that is used, unless somebody else was given it meanwhile.
        eventually("a port that stays free", || {
            let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = taken.local_addr().expect("an address").port().to_string();
            let before = served.sts.calls().len();
            let address = format!("127.0.0.1:{port}");
            let (options, status, hint): (&[&str], i32, &str) = match served.transport {
                Transport::Imds => (&["--imds-address", &address], 125, "give another port, or leave it out"),
                Transport::TcpService => (&[], 1, "give another port with --address"),
                Transport::ImdsService => (&[], 1, "give another port, or leave it out"),
                _ => (&["--server-port", &port], 125, "give another port with --server-port, or leave it out"),
            };
            let run = |script: &str| served.inside(options, script).env("SERVICE_PORT", &port).run();
            let done = run("say('started')");
            let told = format!("cannot listen on {address}");
            done.failed_with(status, &[&told, hint]);
            assert_eq!(done.stdout, "");
            assert_eq!(served.sts.calls().len(), before, "AWS was asked");
            drop(taken);
            let done = run(&format!("{FETCHED}say(HOST.decode(), status(once(ask())))"));
            if done.stderr.contains(&told) {
                return None;
            }
            assert_eq!(done.stdout, format!("{address} 200\n"), "{done}");
            Some(())
        });
    });
}
