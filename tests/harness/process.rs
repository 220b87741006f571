//! Processes as /proc shows them, and signals.

use std::fs;
use std::process::Command;

use super::eventually;

/// The process's state letter: `R`, `S`, `T` (stopped), `Z` (not yet waited for). None when it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// The process's parent.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The processes whose parent this is.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|candidate| parent(*candidate) == Some(pid)).collect()
}

/// The process's effective user.
pub(crate) fn uid(pid: u32) -> Option<u32> {
    status_field(pid, "Uid")?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A line of /proc/PID/status: `status_field(pid, "NoNewPrivs")`.
pub(crate) fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Waits until the process is gone, or is only waited for.
pub(crate) fn wait_until_gone(pid: u32) {
    eventually(&format!("the end of process {pid}"), || matches!(state(pid), None | Some('Z')).then_some(()));
}

/// Waits until the process has this state.
pub(crate) fn wait_for_state(pid: u32, wanted: char) {
    eventually(&format!("state {wanted} of process {pid}"), || (state(pid) == Some(wanted)).then_some(()));
}

/// Sends a signal, by name, to one process that the test started.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(kill(name, &pid.to_string()), "cannot send SIG{name} to {pid}");
}

/// Sends a signal to what is left of a process group that the test started.
pub(crate) fn signal_group(pid: u32, name: &str) {
    kill(name, &format!("-{pid}"));
}

/// The shell's own kill: the tests have no unsafe code, and std has no other way than SIGKILL.
fn kill(name: &str, target: &str) -> bool {
    let script = r#"kill -s "$1" -- "$2" 2>/dev/null"#;
    Command::new("sh").args(["-c", script, "sh", name, target]).status().is_ok_and(|status| status.success())
}

/// The fields of /proc/PID/stat after the program's name, which may itself hold blanks and parentheses.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}
