//! T7: tokens cannot be guessed or found, and are worthless once the child has ended.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::{Invocation, World, eventually, process, sentinel};

const CLIENT: &str = include_str!("attackers/client.py");

/// Tells the token to whoever started sentinel, and runs the program that SDKs run, which waits for AWS.
const ASKS_BY_HELPER: &str = r#"
import subprocess
print(TOKEN)
command = next(line for line in open(os.environ["AWS_CONFIG_FILE"]) if line.startswith("credential_process"))
program = command.partition("=")[2].strip()
done = subprocess.run(program, shell=True, stdout=subprocess.PIPE)
print("asked", done.returncode, TOKEN in done.stdout.decode())
sys.stdin.read()
"#;

/// Leaves a process behind that has the token and an open connection, and uses both until they do not work any more.
const LEAVES_A_DAEMON: &str = r#"
stream = connect()
print(status(ask(stream)))
inherited, handle = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.close(handle)
    null = os.open("/dev/null", os.O_RDWR)
    for number in 0, 1, 2:
        os.dup2(null, number)
    mine = connect()
    before = status(ask(mine))
    open("ready.new", "w").write(f"{os.getpid()} {before}")
    os.rename("ready.new", "ready")
    # Ends when the child does, and not before.
    os.read(inherited, 1)
    mine.settimeout(120)
    try:
        after = mine.recv(1)
        after = "closed" if after == b"" else "answered"
    except OSError as error:
        after = type(error).__name__
    try:
        again = status(ask(connect()))
    except OSError as error:
        again = type(error).__name__
    open("result.new", "w").write(f"{after} {again}")
    os.rename("result.new", "result")
    os._exit(0)
sys.stdin.readline()
os._exit(0)
"#;

fn inside(world: &World, options: &[&str], script: &str) -> Invocation {
    let options = [&["--profile", "base", "--unix-socket"], options].concat();
    world.sandbox.python(&options, &format!("{CLIENT}{script}"))
}

#[test]
fn every_run_has_a_token_of_its_own() {
    let world = World::new();
    let runs = 24;
    let tokens: BTreeSet<String> = (0..runs)
        .map(|_| {
            let run = world.sandbox.sentinel(["exec", "--profile", "base", "--unix-socket", "--lazy", "--"]);
            let done = run.args(["sh", "-c", r#"printf %s "$SENTINEL_AUTH_TOKEN""#]).run();
            assert_eq!(done.code(), 0, "{done}");
            done.stdout
        })
        .collect();
    assert_eq!(tokens.len(), runs);
    for token in &tokens {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(token.len() == 43 && token.bytes().all(is_base64url), "{token}");
        // 43 characters hold 258 bits, of which the last two are 0.
        assert!("AEIMQUYcgkosw048".contains(token.chars().last().expect("a character")), "{token}");
    }
    // A place with the same character in every token would hold no randomness: chance does that once in 64^23 places.
    for place in 0..43 {
        let characters: BTreeSet<u8> = tokens.iter().map(|token| token.as_bytes()[place]).collect();
        assert!(characters.len() > 2, "place {place} holds {characters:?}");
    }
}

/// Every process's arguments, as anybody may read them.
fn arguments() -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&bytes).replace('\0', " ")))
    })
    .collect()
}

#[test]
fn no_token_is_in_an_argument_an_output_a_log_or_a_file() {
    let world = World::new();
    let gate = world.sts.hang("GetSessionToken");
    let options = ["--lazy", "--debug", "--log-stderr"];
    let mut running = inside(&world, &options, ASKS_BY_HELPER).spawn();
    let token = running.line();
    assert_eq!(token.len(), 43);
    // From here until the gate opens, everything that sentinel ever starts is there.
    world.sts.wait_for_calls("GetSessionToken", 1);
    let arguments = arguments();
    let helper = format!("{}/sentinel/", world.sandbox.path("run").display());
    for (start, what) in [(&helper[..], "sentinel credentials"), (sentinel(), "exec --profile base --unix-socket")] {
        let is_ours = |(_, line): &(u32, String)| line.starts_with(start) && line.contains(what);
        assert!(arguments.iter().any(is_ours), "no `{what}` in {arguments:?}");
    }
    for (pid, line) in &arguments {
        assert!(!line.contains(&token), "in the arguments of {pid}: {line}");
    }
    drop(gate);
    assert_eq!(running.line(), "asked 0 False");
    let mut files = 0;
    let mut directories = vec![world.sandbox.path("")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a listing").flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                // A record is written under another name first, which may be gone by now.
                let Ok(content) = fs::read(entry.path()) else { continue };
                assert!(!String::from_utf8_lossy(&content).contains(&token), "in {}", entry.path().display());
                files += usize::from(entry.file_name() != ".unfinished");
            }
        }
    }
    // The two of ~/.aws, the decision log, the generated config and two locks; the session's record, that it is served, and a
    // lock of each.
    assert_eq!(files, 10);
    let done = running.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(done.stderr.contains("peers are named by") && done.stderr.contains("\"binding\":\"tree\""), "{done}");
    assert!(!done.stderr.contains(&token), "{done}");
    assert_eq!(done.stdout, format!("{token}\nasked 0 False\n"));
}

#[test]
fn who_outlives_the_child_gets_nothing() {
    let world = World::new();
    let mut running = inside(&world, &[], LEAVES_A_DAEMON).spawn();
    assert_eq!(running.line(), "200");
    let read = |name: &str| fs::read_to_string(world.sandbox.path("home").join(name)).ok();
    let ready = eventually("the daemon", || read("ready"));
    let (daemon, before) = ready.split_once(' ').expect("two words");
    let daemon: u32 = daemon.parse().expect("a pid");
    assert_eq!(before, "200", "a process of the tree is served while the child runs");
    assert!(process::state(daemon).is_some());
    running.send("end");
    assert_eq!(eventually("the daemon's result", || read("result")), "closed FileNotFoundError");
    let done = running.finish();
    assert_eq!(done.code(), 0, "{done}");
    assert!(!done.stderr.contains("refused"), "{done}");
    process::wait_until_gone(daemon);
}
