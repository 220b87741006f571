//! T24: no input makes sentinel panic, hang or run out of memory. Each class of input is attacked with what parsers fall
//! over; the program runs with 256 MiB of address space and ends by itself with a sentence. `fuzz/` goes further.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::fake_sts::Fault;
use crate::harness::{Finished, Invocation, World, python, sentinel};

/// Runs what follows it with little memory and little time on the processor: 256 MiB, 10 s.
const LIMITED: &str = "ulimit -v 262144 && ulimit -t 10 && exec \"$0\" \"$@\"";

fn limited<A: AsRef<std::ffi::OsStr>>(world: &World, arguments: impl IntoIterator<Item = A>) -> Invocation {
    world.sandbox.program("sh").args(["-c", LIMITED, sentinel()]).args(arguments)
}

fn credentials(world: &World) -> Invocation {
    limited(world, ["credentials", "--profile", "dev"])
}

/// It ended by itself, with a sentence and without credentials.
#[track_caller]
fn refused(done: &Finished) {
    assert!(matches!(done.code(), 1 | 2 | 125..=127) && done.signal().is_none(), "{done}");
    assert!(done.stderr.starts_with("sentinel: ") && !done.stderr.contains("panicked"), "{done}");
    // A sentence repeats a value that was too long; the kernel takes no argument over 128 KiB.
    assert!(done.stderr.len() < 512 * 1024 && done.stdout.is_empty(), "{done}");
}

/// It ended by itself, either way.
#[track_caller]
fn ended(done: &Finished) {
    if done.code() != 0 {
        refused(done);
    }
}

fn bytes(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// The limits are real: without this the other tests would show nothing of memory.
#[test]
fn the_limit_leaves_room_for_an_answer_and_not_for_a_flood() {
    let world = World::with_dev();
    let done = credentials(&world).run();
    assert!(done.code() == 0 && done.stdout.contains("ASIA"), "{done}");
    let flood = world.sandbox.program("sh").args(["-c", LIMITED, python(), "-c", "b'x' * (1 << 28)"]).run();
    assert!(flood.code() != 0 && flood.stderr.contains("MemoryError"), "{flood}");
}

#[test]
fn arguments() {
    let world = World::with_dev();
    let long = "x".repeat(100_000);
    let hostile: [&[&[u8]]; 14] = [
        &[b"\xff\xfe"],
        &[b"exec", b"--\xff"],
        &[b"exec", b"--profile=\xff", b"--", b"true"],
        &[b"exec", b"--profile", b"", b"--", b"true"],
        &[b"exec", b"--profile", long.as_bytes(), b"--", b"true"],
        &[long.as_bytes()],
        &[b"exec", b"--duration", b"99999999999999999999999999d"],
        &[b"exec", b"--duration", b"18446744073709551615"],
        &[b"exec", b"--server", b"--server-port", b"65536"],
        &[b"exec", b"--server", b"--server-port", b"-1"],
        &[b"exec", b"-\xc3"],
        &[b"exec", b"--=", b"--"],
        &[b"credentials", b"-p"],
        &[b"credentials", b"--profile", b"dev\n\x1b[2J"],
    ];
    for words in hostile {
        refused(&limited(&world, words.iter().map(|word| bytes(word))).run());
    }
    let many: Vec<String> = (0..20_000).map(|number| format!("--profile={number}")).collect();
    refused(&limited(&world, ["exec"]).args(many).run());
    assert_eq!(world.sts.calls().len(), 0);
}

#[test]
fn environment() {
    let world = World::with_dev();
    let long = "x".repeat(120_000);
    let names = [
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "HOME",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
        "SENTINEL_DURATION",
        "SENTINEL_POLICY",
        "SENTINEL_LOG_FILE",
    ];
    for name in names {
        for value in [&b"\xff\xfe"[..], b"\x1b[2J\n", b"/proc/self/mem", b"/dev/zero", b"://[", long.as_bytes()] {
            ended(&limited(&world, ["credentials"]).env("AWS_PROFILE", "dev").env(name, bytes(value)).run());
        }
    }
    for value in [&b"\xff"[..], b"\r\n", b"x\r\nX: y", long.as_bytes()] {
        let run = limited(&world, ["credentials"]).env("AWS_ACCESS_KEY_ID", "AKIAX");
        refused(&run.env("AWS_SECRET_ACCESS_KEY", bytes(value)).run());
    }
}

#[test]
fn config_and_credentials_files() {
    let many_keys: String = (0..200_000).map(|number| format!("k{number} = 1\n")).collect();
    let many_sections: String = (0..100_000).map(|number| format!("[profile p{number}]\n")).collect();
    let chain: String = (0..5_000)
        .map(|number| {
            format!(
                "[profile c{number}]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = c{}\n",
                number + 1
            )
        })
        .collect();
    let hostile: Vec<Vec<u8>> = vec![
        b"\xff\xfe[\0d\0e\0v\0]\0".to_vec(),
        b"\0".repeat(100_000),
        b"[".repeat(1_000_000),
        b"[dev]\nx".repeat(50_000),
        b"x".repeat(20_000_000),
        format!("[profile dev]\n{many_keys}").into_bytes(),
        format!("{many_sections}[profile dev]\nsource_profile = dev\nrole_arn = x").into_bytes(),
        format!("{chain}[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = c0\n").into_bytes(),
        b"[profile dev]\ns3 =\n".iter().copied().chain(b"  a = b\n".repeat(200_000)).collect(),
        b"[profile dev]\nrole_arn = \x1b[2J\n".to_vec(),
        b"[profile dev]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = dev\n".to_vec(),
    ];
    let world = World::with_dev();
    for name in ["home/.aws/config", "home/.aws/credentials"] {
        for content in &hostile {
            let world = World::with_dev();
            world.sandbox.write(name, "", 0o600);
            std::fs::write(world.sandbox.path(name), content).expect("a file");
            refused(&limited(&world, ["credentials", "--profile", "dev"]).run());
        }
    }
    for device in ["/dev/zero", "/proc/self/mem", "/dev/tty"] {
        for name in ["home/.aws/config", "home/.aws/credentials"] {
            let path = world.sandbox.path(name);
            std::fs::remove_file(&path).expect("removed");
            symlink(device, &path).expect("a link");
            refused(&credentials(&world).run());
            std::fs::remove_file(&path).expect("removed");
            std::fs::write(&path, "").expect("a file");
        }
    }
}

#[test]
fn policies() {
    let world = World::with_dev();
    let rules: Vec<String> = (0..10_001).map(|number| format!(r#"{{"name":"{number}","effect":"allow"}}"#)).collect();
    let stars = "*a".repeat(400);
    let hostile: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\xff".to_vec(),
        b"[".repeat(1_000_000),
        b"{\"a\":".repeat(100_000),
        b" ".repeat(3_000_000),
        b"{\"version\":\"1\",\"rules\":[{\"name\":\"\\ud800\",\"effect\":\"allow\"}]}".to_vec(),
        b"{\"version\":1e99999,\"rules\":[]}".to_vec(),
        b"{\"\\u001b[2J\":1}".to_vec(),
        format!(r#"{{"version":"1","rules":[{}]}}"#, rules.join(",")).into_bytes(),
        format!(
            r#"{{"version":"1","rules":[{{"name":"s","effect":"allow","conditions":{{"profiles":["{stars}"]}}}}]}}"#
        )
        .into_bytes(),
    ];
    for content in hostile {
        let path = world.sandbox.write("policy.json", "", 0o600);
        std::fs::write(&path, content).expect("a file");
        refused(&credentials(&world).args(["--policy"]).args([&path]).run());
    }
    for device in ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/"] {
        refused(&credentials(&world).args(["--policy", device]).run());
    }
}

#[test]
fn answers_of_sts() {
    let nested: &'static str = "<a>".repeat(200_000).leak();
    let many: &'static str = format!("<AssumeRoleResponse>{}", "<a/>".repeat(200_000)).leak();
    let attributes: &'static str =
        format!("<AssumeRoleResponse {}/>", (0..50_000).map(|n| format!("a{n}=\"\" ")).collect::<String>()).leak();
    let entities = "<!DOCTYPE a [<!ENTITY b \"xxxxxxxx\"><!ENTITY c \"&b;&b;&b;&b;\">]><AssumeRoleResponse>&c;</AssumeRoleResponse>";
    let faults = [
        Fault::Body(""),
        Fault::Body("\0\u{ffff}\u{feff}"),
        Fault::Body(nested),
        Fault::Body(many),
        Fault::Body(attributes),
        Fault::Body(entities),
        Fault::Body("<AssumeRoleResponse><AssumeRoleResult><Credentials>\u{1b}[2J"),
        Fault::Huge(64 << 20),
        Fault::Half,
        Fault::Html,
        Fault::Reset,
        Fault::Refuse { status: 400, code: "\u{1b}[2J", message: "\u{1b}[2J\u{7}" },
        Fault::DateOff(i64::from(i32::MAX)),
    ];
    for fault in faults {
        let world = World::with_dev();
        let label = format!("{fault:?}").chars().take(40).collect::<String>();
        world.sts.inject("AssumeRole", 50, fault);
        world.sts.inject("GetCallerIdentity", 50, Fault::Body(nested));
        let done = credentials(&world).run();
        ended(&done);
        assert!(!done.stderr.contains('\u{1b}'), "{label}: {done}");
    }
}

#[test]
fn output_of_a_credential_process() {
    let world = World::with_dev();
    let script = |body: &str| format!("credential_process = {} -c \"{body}\"", python());
    for (number, body) in [
        "import sys; sys.stdout.buffer.write(b'\\xff' * 60000)",
        "print('[' * 60000)",
        "print('{' * 60000)",
        // It may be hung up on before it is killed, and would say so.
        "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); print('x' * (1 << 24))",
        "print('1' * 60000)",
        "import os; os.close(1)",
        "import os, signal; os.kill(os.getpid(), 9)",
        "import sys; sys.exit(255)",
        "print(chr(27) + '[2J')",
        "import json; print(json.dumps([1, 'A', 's', None, None]))",
        "import json; print(json.dumps(dict(Version=1, AccessKeyId='A', SecretAccessKey=chr(10))))",
        "import json; print(json.dumps(dict(Version=1, AccessKeyId='A', SecretAccessKey='s', Expiration='+999999-01-01T00:00:00Z')))",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("h{number}");
        world.sandbox.settings(&name, &script(&body.replace('\\', "\\\\")));
        refused(&limited(&world, ["credentials", "--profile", &name]).run());
    }
    for (number, command) in ["\"", "'", "\\", "/", "\u{1b}", "/dev/null", "\\\\\\"].into_iter().enumerate() {
        let name = format!("c{number}");
        world.sandbox.settings(&name, &format!("credential_process = {command}"));
        ended(&limited(&world, ["credentials", "--profile", &name]).run());
    }
}

#[test]
fn log_paths() {
    let world = World::with_dev();
    let fifo = world.sandbox.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let long = format!("/{}", "x/".repeat(3_000));
    let link = world.sandbox.path("loop");
    symlink(&link, &link).expect("a link");
    let (fifo, link) = (fifo.to_str().expect("UTF-8"), link.to_str().expect("UTF-8"));
    for path in ["/dev/zero", "/dev/full", "/proc/self/mem", "/proc/self/x", "/", &long, "", fifo, link] {
        refused(&credentials(&world).args(["--log-file", path]).run());
    }
}

/// A server in the place of ours: it floods, says half of an answer, or says a byte now and then and never ends.
#[test]
fn answers_to_our_own_helper() {
    let drip = [b"HTTP/1.1 200 OK\r\n".as_slice(), &[b'x'; 64]].concat();
    for (answer, pause) in [
        (b"x".repeat(1 << 20), Duration::ZERO),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}".to_vec(), Duration::ZERO),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n".iter().copied().chain([b'['; 60_000]).collect(),
            Duration::ZERO,
        ),
        (b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n".to_vec(), Duration::ZERO),
        (drip, Duration::from_millis(400)),
    ] {
        let world = World::with_dev();
        let path = world.sandbox.path("run/s");
        let listener = UnixListener::bind(&path).expect("bound");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().expect("accepted");
                if pause.is_zero() {
                    // The helper may leave in the middle of it.
                    let _gone = stream.write_all(&answer);
                    return;
                }
                for byte in answer {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(pause);
                }
            });
            let run = limited(&world, ["credentials"]).env("SENTINEL_UNIX_SOCKET", &path);
            refused(&run.env("SENTINEL_AUTH_TOKEN", "t").run());
        });
    }
}

/// Every request of the fuzzer's corpus, to the program: it answers or closes, and goes on serving.
#[test]
fn requests() {
    const SCRIPT: &str = "
import os, pathlib, socket, urllib.parse, urllib.request
url, token = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']
address = ('127.0.0.1', urllib.parse.urlsplit(url).port)
hostile = [path.read_bytes() for path in sorted(pathlib.Path(os.environ['CORPUS']).iterdir())]
hostile += [bytes([byte]) * 9000 for byte in range(256)]
for request in hostile:
    connection = socket.create_connection(address, timeout=120)
    try:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except TimeoutError:
        raise
    except OSError: # the server has closed it already
        pass
    connection.close()
ask = urllib.request.Request(url, headers={'Authorization': token})
print(len(hostile) > 256, urllib.request.urlopen(ask, timeout=120).status)
";
    let world = World::with_dev();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/request");
    let run = limited(&world, ["exec", "--profile", "dev", "--server", "--", python(), "-u", "-c", SCRIPT]);
    let done = run.env("CORPUS", corpus).run();
    assert_eq!((done.code(), done.stdout.as_str()), (0, "True 200\n"), "{done}");
}
