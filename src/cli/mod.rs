//! Commands: raw arguments and environment become settings, and settings become an action.
//!
//! `flags` and `commands` are tables; `parse`, `settings`, `help`, `man` and `completions` derive from them. Nothing before `run` has an
//! effect outside its result.

mod code;
pub mod commands;
pub mod completions;
mod credentials;
mod exec;
pub mod flags;
pub mod help;
pub mod man;
pub mod parse;
mod place;
mod prepare;
mod refused;
mod serve;
mod session_policy;
pub mod settings;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::sys::signal;
use commands::CommandName;
use flags::Id;
use parse::HelpLength;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run a program with credentials.
    Exec(Box<settings::Exec>),
    /// Print credentials.
    Credentials(Box<settings::Credentials>),
    /// Print help, about a command or in general.
    Help(Option<CommandName>, HelpLength),
    /// Print the version.
    Version,
    /// Print a shell's completions.
    Completions(completions::Shell),
    /// Print the man page.
    Man,
}

/// The program: reads its arguments and environment once, does what they say, and prints an error once.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut env: Env = std::env::vars_os().collect();
    let signals = signal::reset().map_err(|error| Error::new("cannot handle signals").because(error));
    let command = signals.and_then(|()| read(&args, &env));
    // Nothing else that sentinel starts is to see the code: another sentinel would show it a second time.
    env.unset("SENTINEL_MFA_TOKEN");
    match command.and_then(|command| run(&command, &env)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // Nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "sentinel: {error}");
            ExitCode::from(status_of(&args, error.kind()))
        }
    }
}

/// What the arguments and the environment ask for. No side effects.
///
/// # Errors
/// Of kind usage.
pub fn read(args: &[OsString], env: &Env) -> Result<Command> {
    let parsed = parse::parse(args)?;
    if let Some(length) = parsed.help {
        return Ok(Command::Help(parsed.command, length));
    }
    Ok(match parsed.command {
        Some(CommandName::Exec) => Command::Exec(Box::new(settings::exec(&parsed, env)?)),
        Some(CommandName::Credentials) => Command::Credentials(Box::new(settings::credentials(&parsed, env)?)),
        Some(CommandName::Version) => Command::Version,
        Some(CommandName::Help) => Command::Help(parsed.topic, HelpLength::Long),
        Some(CommandName::Completions) => Command::Completions(completions::Shell::wanted(parsed.shell)?),
        Some(CommandName::Man) => Command::Man,
        None if parsed.has(Id::Version) => Command::Version,
        None => Command::Help(None, HelpLength::Short),
    })
}

fn run(command: &Command, env: &Env) -> Result<u8> {
    match command {
        Command::Exec(settings) => exec::run(settings, env),
        Command::Credentials(settings) => credentials::run(settings, env),
        Command::Help(topic, length) => print(&help::text(*topic, *length)),
        Command::Completions(shell) => print(&completions::script(*shell)),
        Command::Man => print(&man::page()),
        Command::Version => print(&format!("sentinel {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

/// Writes to stdout. A reader that has gone (`sentinel help | head -1`) has what it wanted.
fn print(text: &str) -> Result<u8> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to stdout").because(error))
        }
        _ => Ok(0),
    }
}

/// The exit status of an error. `exec` uses 125 to 127 alone, so that the rest is the child's.
fn status_of(args: &[OsString], kind: Kind) -> u8 {
    let is_exec = args.first().is_some_and(|word| word == CommandName::Exec.name());
    match kind {
        Kind::CannotExecute => 126,
        Kind::NotFound => 127,
        Kind::Failed | Kind::Usage if is_exec => 125,
        Kind::Failed => 1,
        Kind::Usage => 2,
    }
}

#[cfg(test)]
mod tests;
