//! Signals that programs send: they reach the child once, and the two processes of sentinel do what a job should.

use super::Setup;
use crate::harness::process::{self, wait_for_state, wait_until_gone};
use crate::harness::{Running, eventually};

/// Names each signal that comes, and ends at SIGUSR2.
const LISTENER: &str = r#"
import signal, os
wanted = {getattr(signal, "SIG" + name) for name in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "CONT")}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print(os.getpid())
while True:
    number = signal.sigwait(wanted)
    print(signal.Signals(number).name)
    if number == signal.SIGUSR2:
        os._exit(8)
"#;

/// Counts SIGCONT, answers each line. Not in a handler, which Python runs only after a read that the signal came just before.
const COUNTER: &str = r#"
import signal, os, sys
reading, writing = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writing)
signal.signal(signal.SIGCONT, lambda *_: None)
print(os.getpid())
continued = 0
for line in sys.stdin:
    try:
        continued += len(os.read(reading, 4096))
    except BlockingIOError:
        pass
    print(continued)
"#;

/// The child's pid, which it prints first.
fn child(run: &mut Running) -> u32 {
    run.line().parse().expect("a pid")
}

/// Waits until a process has taken every signal that it was sent.
#[track_caller]
fn wait_until_taken(pid: u32) {
    let pending = || process::status_field(pid, "ShdPnd");
    eventually("signals to be taken", || (pending()?.trim_start_matches('0').is_empty()).then_some(()));
}

/// Stops a process.
#[track_caller]
fn stop(pid: u32) {
    process::signal(pid, "STOP");
    wait_for_state(pid, 'T');
}

#[track_caller]
fn goes_on(run: &Running) {
    eventually("sentinel to go on", || (process::state(run.pid()) != Some('T')).then_some(()));
}

#[test]
fn what_a_process_sends_reaches_the_child_once() {
    let setup = Setup::new();
    let mut run = setup.python(LISTENER).spawn();
    child(&mut run);
    for name in ["TERM", "HUP", "INT", "QUIT", "USR1", "TERM", "USR2"] {
        run.signal(name);
        assert_eq!(run.line(), format!("SIG{name}"));
    }
    let done = run.finish();
    assert_eq!(done.stdout.lines().count(), 8, "{done}");
    assert_eq!((done.code(), done.stderr.as_str()), (8, ""), "{done}");
    setup.assert_clean();
}

/// `timeout`, systemd and `kill -- -PGID` send to the whole group, of which the child is one.
#[test]
fn what_is_sent_to_the_group_reaches_the_child_once() {
    let setup = Setup::new();
    let mut run = setup.python(LISTENER).spawn();
    child(&mut run);
    for name in ["TERM", "HUP", "INT", "QUIT", "TERM"] {
        process::signal_group(run.pid(), name);
        assert_eq!(run.line(), format!("SIG{name}"));
        // Orders are carried out one after the other, so a second one would be on its way now, and be the next line.
        run.signal("USR1");
        assert_eq!(run.line(), "SIGUSR1");
    }
    run.signal("USR2");
    let done = run.finish();
    assert_eq!((done.code(), done.stdout.lines().count()), (8, 12), "{done}");
    setup.assert_clean();
}

#[test]
fn a_child_that_ends_of_a_forwarded_signal_is_reported_as_such() {
    let setup = Setup::new();
    for (name, number) in [("TERM", 15), ("HUP", 1), ("INT", 2), ("QUIT", 3), ("USR1", 10)] {
        let mut run = setup.invoke(&[], ["sh", "-c", "ulimit -c 0; echo $$; exec cat"]).spawn();
        let child = child(&mut run);
        run.signal(name);
        // Not by the end of its input, which `finish` brings.
        wait_until_gone(child);
        let done = run.finish();
        assert_eq!((done.code(), done.signal(), done.stderr.as_str()), (128 + number, None, ""), "{done}");
        setup.assert_clean();
    }
}

#[test]
fn sentinel_stops_and_goes_on_with_the_child() {
    let setup = Setup::new();
    let mut run = setup.python(COUNTER).spawn();
    let child = child(&mut run);
    process::signal(child, "STOP");
    wait_for_state(run.pid(), 'T');
    process::signal(child, "CONT");
    goes_on(&run);
    run.send("count");
    assert_eq!(run.line(), "1");
    // The other way round: who stops the child and continues sentinel, continues the child.
    process::signal(child, "STOP");
    wait_for_state(run.pid(), 'T');
    run.signal("CONT");
    run.send("count");
    assert_eq!(run.line(), "2");
    run.close_stdin();
    assert_eq!(run.finish().code(), 0);
}

/// That it goes on is all that a SIGCONT says.
#[test]
fn a_child_that_runs_is_not_told_to_go_on() {
    let setup = Setup::new();
    let mut run = setup.python(LISTENER).spawn();
    let child = child(&mut run);
    run.signal("CONT");
    run.signal("USR1");
    assert_eq!(run.line(), "SIGUSR1");
    // Both were on their way before this.
    run.signal("USR2");
    let done = run.finish();
    assert_eq!((done.code(), done.stdout), (8, format!("{child}\nSIGUSR1\nSIGUSR2\n")));
}

#[test]
fn a_continuation_after_a_stop_that_is_on_its_way_is_not_lost() {
    let setup = Setup::new();
    let mut run = setup.python(COUNTER).spawn();
    let child = child(&mut run);
    let warden = process::parent(child).expect("the warden");
    stop(warden);
    run.signal("TSTP");
    // What it has not yet taken a SIGCONT would take back.
    wait_until_taken(run.pid());
    run.signal("CONT");
    wait_until_taken(run.pid());
    process::signal(warden, "CONT");
    // It answers until it is stopped, and again from when it is continued.
    eventually("the child to be continued", || {
        run.send("count");
        (run.line() == "1").then_some(())
    });
    goes_on(&run);
    run.close_stdin();
    assert_eq!(run.finish().code(), 0);
}

/// The child stopped again before it was known to have gone on: what sentinel was told then, a SIGCONT takes back.
#[test]
fn who_undoes_the_stop_of_sentinel_continues_the_child() {
    let setup = Setup::new();
    let mut run = setup.python(COUNTER).spawn();
    let child = child(&mut run);
    let warden = process::parent(child).expect("the warden");
    process::signal(child, "STOP");
    wait_for_state(run.pid(), 'T');
    stop(warden);
    process::signal(child, "CONT");
    // It has seen that and waits for a line: a stop drops a SIGCONT that nobody has taken yet.
    wait_for_state(child, 'S');
    process::signal(child, "STOP");
    wait_for_state(child, 'T');
    process::signal(warden, "CONT");
    let pending = || process::status_field(run.pid(), "ShdPnd");
    eventually("the stop that is undone", || (!pending()?.trim_start_matches('0').is_empty()).then_some(()));
    run.signal("CONT");
    run.send("count");
    assert_eq!(run.line(), "2");
    goes_on(&run);
    run.close_stdin();
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn what_is_sent_to_a_stopped_job_reaches_the_child_once_and_the_next_one_too() {
    let setup = Setup::new();
    let mut run = setup.python(LISTENER).spawn();
    let child = child(&mut run);
    process::signal(child, "STOP");
    wait_for_state(run.pid(), 'T');
    let warden = process::parent(child).expect("the warden");
    for _ in 0..3 {
        process::signal_group(run.pid(), "TERM");
        // Each for itself: what is pending takes no second of its kind.
        wait_until_taken(warden);
    }
    process::signal_group(run.pid(), "CONT");
    assert_eq!([run.line(), run.line()], ["SIGTERM", "SIGCONT"]);
    for name in ["USR1", "TERM", "USR2"] {
        run.signal(name);
        assert_eq!(run.line(), format!("SIG{name}"));
    }
    assert_eq!(run.finish().code(), 8);
}

/// Sentinel is kept from seeing the stop before the continuation is there as well.
#[test]
fn a_quick_continuation_is_not_overtaken_by_its_stop() {
    let setup = Setup::new();
    let mut run = setup.python(COUNTER).spawn();
    let child = child(&mut run);
    run.signal("STOP");
    wait_for_state(run.pid(), 'T');
    process::signal(child, "STOP");
    wait_for_state(child, 'T');
    process::signal(child, "CONT");
    goes_on(&run);
    run.send("count");
    assert_eq!(run.line(), "1");
    run.close_stdin();
    assert_eq!(run.finish().code(), 0);
}

#[test]
fn a_child_that_is_killed_while_it_is_stopped_ends_the_job() {
    let setup = Setup::new();
    let mut run = setup.python(COUNTER).spawn();
    let child = child(&mut run);
    process::signal(child, "STOP");
    wait_for_state(run.pid(), 'T');
    process::signal(child, "KILL");
    assert_eq!(run.finish().code(), 137);
    setup.assert_clean();
}

#[test]
fn when_sentinel_is_killed_the_child_is_told_and_nothing_is_served() {
    const CHILD: &str = r#"
import os, signal, socket, sys
# Not a handler: Python runs one only after a read that the signal came just before.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(os.getpid())
signal.sigwait({signal.SIGTERM})
print("SIGTERM")
sys.stdin.readline()
try:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["SENTINEL_UNIX_SOCKET"])
    print(connection.recv(1000))
except OSError as error:
    print(error.strerror)
"#;
    let setup = Setup::new();
    let mut run = setup.python(CHILD).spawn();
    let child = child(&mut run);
    let warden = process::parent(child).expect("a parent");
    assert_eq!(process::parent(warden), Some(run.pid()));
    run.signal("KILL");
    wait_until_gone(run.pid());
    assert_eq!(run.line(), "SIGTERM");
    wait_until_gone(warden);
    run.send("ask");
    assert_eq!(run.line(), "Connection refused");
    wait_until_gone(child);
    assert_eq!(run.finish().signal(), Some(9));
    // The next start removes what the killed one could not.
    let done = setup.exec(&[], &["true"]);
    assert_eq!(done.code(), 0, "{done}");
    setup.assert_clean();
}

#[test]
fn when_the_warden_is_killed_sentinel_says_so_and_serves_no_more() {
    let setup = Setup::new();
    let script = "import os, sys; print(os.getpid()); sys.stdin.readline(); print(os.path.exists(os.environ['SENTINEL_UNIX_SOCKET']))";
    let mut run = setup.python(script).spawn();
    let child = child(&mut run);
    process::signal(process::parent(child).expect("the warden"), "KILL");
    wait_until_gone(run.pid());
    run.send("look");
    assert_eq!(run.line(), "False");
    wait_until_gone(child);
    run.finish().failed_with(
        125,
        &["sentinel: lost the process that watches over the command", "the command itself may still run"],
    );
    setup.assert_clean();
}
