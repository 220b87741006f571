//! This program plays several parts, each in a process of its own, named by the first argument.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use crate::Failure;

/// This program, to play a part.
pub(crate) fn command(role: &str) -> Command {
    // The kernel's name for the running program; it stays right when the file is replaced.
    let mut command = Command::new(own_path());
    command.arg(role);
    command
}

/// Where this program is.
pub(crate) fn own_path() -> std::path::PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into())
}

/// A variable of the environment, as text.
pub(crate) fn variable(name: &str) -> Result<String, Failure> {
    let value = std::env::var_os(name).ok_or_else(|| format!("{name} is not set"))?;
    Ok(value.into_string().map_err(|_| format!("{name} is not UTF-8"))?)
}

/// The first line that a process printed.
pub(crate) fn first_line(output: Option<impl Read>) -> Result<String, Failure> {
    let mut line = String::new();
    BufReader::new(output.ok_or("no standard output")?).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Waits until whoever started this process ends, or lets go.
pub(crate) fn wait_for_end_of_input() {
    let mut input = std::io::stdin().lock();
    let mut rest = [0; 64];
    while input.read(&mut rest).is_ok_and(|read| read > 0) {}
}
