//! At a terminal: Ctrl-C, Ctrl-\, Ctrl-Z and job control are those of the command.
//!
//! A Python program makes the terminal, types, and says what it saw.

use super::Setup;
use crate::harness::{Finished, python, sentinel, skip};

const TERMINAL: &str = include_str!("terminal.py");

/// Runs `script`, whose names are those of terminal.py.
fn type_in(setup: &Setup, script: &str) -> Finished {
    let child = setup.sandbox.write("child.py", include_str!("terminal_child.py"), 0o600);
    let run = setup.sandbox.program(python()).args(["-u", "-c", &format!("{TERMINAL}\n{script}")]);
    run.env("SENTINEL", sentinel()).env("PYTHON", python()).env("CHILD", child).env("TERM", "dumb").run()
}

fn has_bash() -> bool {
    std::process::Command::new("bash").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[track_caller]
fn assert_seen(done: &Finished) {
    assert_eq!((done.code(), done.stdout.as_str()), (0, "as expected\n"), "{done}");
}

#[test]
fn an_interrupt_reaches_the_child_once_and_sentinel_outlives_it() {
    let setup = Setup::new();
    let script = r#"
terminal = Terminal(exec_(PYTHON, CHILD))
terminal.expect("ready")
for key, name in [(b"\x03", "INT"), (b"\x1c", "QUIT"), (b"\x03", "INT")]:
    terminal.type(key)
    terminal.expect(f"<{name}>")
    terminal.settle()
terminal.type(b"count\n")
terminal.expect("INT=2 QUIT=1 TSTP=0 CONT=0")
terminal.type(b"end\n")
terminal.ends_with(6)
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}

#[test]
fn an_interrupt_from_the_terminal_does_not_swallow_one_from_a_process() {
    let setup = Setup::new();
    let script = r#"
terminal = Terminal(exec_(PYTHON, CHILD))
terminal.expect("ready")
terminal.type(b"\x03")
terminal.expect("<INT>")
terminal.settle()
os.kill(terminal.pid, signal.SIGINT)
terminal.expect("<INT>")
terminal.settle()
terminal.type(b"count\n")
terminal.expect("INT=2 QUIT=0 TSTP=0 CONT=0")
terminal.type(b"end\n")
terminal.ends_with(6)
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}

#[test]
fn a_child_that_dies_of_ctrl_c_ends_sentinel_with_its_status() {
    let setup = Setup::new();
    let script = r#"
terminal = Terminal(exec_("sh", "-c", "echo ready; exec cat"))
terminal.expect("ready")
terminal.type(b"\x03")
terminal.ends_with(130)
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}

#[test]
fn a_job_is_stopped_and_continued_under_bash() {
    if !has_bash() {
        return skip("a_job_is_stopped_and_continued_under_bash", "there is no bash");
    }
    let setup = Setup::new();
    let script = r#"
bash = Bash()
bash.run(exec_(PYTHON, CHILD))
bash.expect("ready")
for round in (1, 2):
    bash.type(b"\x1a")
    bash.expect("Stopped")
    bash.prompt()
    bash.type(b"fg\n")
    bash.expect("<CONT>")
    bash.type(b"count\n")
    bash.expect(f"INT=0 QUIT=0 TSTP=0 CONT={round}\r\n")
# In the background it goes on as well.
bash.type(b"\x1a")
bash.expect("Stopped")
bash.prompt()
bash.type(b"bg\n")
# There it reads, and is stopped for that: perhaps before it has said that it goes on.
bash.ask("jobs", "Stopped")
bash.type(b"fg\n")
bash.expect("<CONT>")
bash.type(b"end\n")
bash.status(6)
bash.leave()
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}

#[test]
fn a_child_that_ignores_the_stop_key_goes_on() {
    if !has_bash() {
        return skip("a_child_that_ignores_the_stop_key_goes_on", "there is no bash");
    }
    let setup = Setup::new();
    let script = r#"
bash = Bash()
bash.run(exec_(PYTHON, CHILD, "handles-stop"))
bash.expect("ready")
bash.type(b"\x1a")
bash.expect("<TSTP>")
bash.type(b"count\n")
bash.expect("INT=0 QUIT=0 TSTP=1 CONT=0")
bash.type(b"end\n")
bash.status(6)
assert "Stopped" not in bash.seen, bash.seen
bash.leave()
"#;
    assert_seen(&type_in(&setup, script));
}

#[test]
fn an_interactive_shell_as_the_child_has_job_control() {
    if !has_bash() {
        return skip("an_interactive_shell_as_the_child_has_job_control", "there is no bash");
    }
    let setup = Setup::new();
    let script = r#"
bash = Bash(exec_("bash", "--norc", "--noprofile", "-i"))
bash.run([PYTHON, CHILD])
bash.expect("ready")
bash.type(b"\x1a")
bash.expect("Stopped")
bash.prompt()
bash.type(b"fg\n")
bash.expect("<CONT>")
bash.type(b"\x03")
bash.expect("<INT>")
bash.type(b"end\n")
bash.status(6)
bash.run([SENTINEL, "credentials"])
bash.expect('"AccessKeyId"')
bash.status(0)
bash.type(b"exit 9\n")
bash.ends_with(9)
assert "no job control" not in bash.seen, bash.seen
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}

#[test]
fn a_job_in_the_background_that_wants_to_read_is_stopped_until_it_may() {
    if !has_bash() {
        return skip("a_job_in_the_background_that_wants_to_read_is_stopped_until_it_may", "there is no bash");
    }
    let setup = Setup::new();
    let script = r#"
bash = Bash()
bash.type(b"set -b\n")
bash.prompt()
bash.run(exec_(PYTHON, CHILD) + ["&"])
bash.expect("ready")
bash.expect("Stopped")
bash.type(b"fg\n")
bash.expect("<CONT>")
bash.type(b"count\n")
bash.expect("INT=0 QUIT=0 TSTP=0 CONT=1")
bash.type(b"end\n")
bash.status(6)
bash.leave()
"#;
    assert_seen(&type_in(&setup, script));
    setup.assert_clean();
}
