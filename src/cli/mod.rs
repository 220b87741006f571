//! Commands: raw arguments and environment become settings, and settings become an action.
//!
//! `flags` and `commands` are tables; `parse`, `settings`, `help`, `man` and `completions` derive from them. Nothing before `run` has an
//! effect outside its result.

mod breakglass;
mod code;
pub mod commands;
pub mod completions;
mod credentials;
mod desk;
mod exec;
mod exec_server;
pub mod flags;
pub mod help;
mod joined;
mod keys;
mod log;
pub mod man;
mod outer_token;
pub mod parse;
mod person;
mod place;
mod policy;
mod policy_source;
mod prepare;
mod reach;
mod records;
mod refused;
mod request;
mod rotation;
mod selectors;
mod serve;
mod serving;
mod session;
mod session_policy;
pub mod settings;
mod stores;
mod wait;
mod whoami;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::sys::signal;
use commands::{CommandName, Topic};
use flags::Id;
use parse::HelpLength;
use settings::{BreakglassCommand, Given, LogCommand, PolicyCommand, RequestCommand, SessionCommand};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run a program with credentials.
    Exec(Box<settings::Exec>),
    /// Print credentials.
    Credentials(Box<settings::Credentials>),
    /// Serve without a command.
    Serve(Box<settings::Serve>),
    /// Say who the person is, and what they may do.
    Whoami(Box<settings::Whoami>),
    /// Work on policies.
    Policy(Box<PolicyCommand>),
    /// Look at sessions, or end one.
    Session(Box<SessionCommand>),
    /// Ask for approvals, or give them.
    Request(Box<RequestCommand>),
    /// Open emergency access, or close it.
    Breakglass(Box<BreakglassCommand>),
    /// Read the decision log.
    Log(Box<LogCommand>),
    /// Print help, about commands or in general.
    Help(Option<Topic>, HelpLength),
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
    let command = signals.and_then(|()| {
        let parsed = parse::parse(&args)?;
        let config = if needs_settings(&parsed) { Config::load(&flags::settings(), &env)? } else { Config::default() };
        settle(&parsed, &env, &config)
    });
    // Nothing else that sentinel starts is to see the code: another sentinel would show it a second time.
    env.unset("SENTINEL_MFA_TOKEN");
    match command.and_then(|command| run(&command, &args, &env)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // Nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "sentinel: {error}");
            ExitCode::from(status_of(&args, error.kind()))
        }
    }
}

/// What the arguments and the environment ask for where there are no settings files. No side effects.
///
/// # Errors
/// Of kind usage.
pub fn read(args: &[OsString], env: &Env) -> Result<Command> {
    settle(&parse::parse(args)?, env, &Config::default())
}

/// Whether the command follows settings: help has to be there when a settings file is wrong.
fn needs_settings(parsed: &parse::Parsed) -> bool {
    use CommandName::{Completions, Help, Man, Version};
    parsed.help.is_none() && !matches!(parsed.command, None | Some(Version | Help | Completions | Man))
}

/// What the arguments, the environment and the settings files ask for.
fn settle(parsed: &parse::Parsed, env: &Env, config: &Config) -> Result<Command> {
    if let Some(length) = parsed.help {
        return Ok(Command::Help(parsed.command.map(Topic::Command).or(parsed.topic), length));
    }
    let Some(command) = parsed.command else {
        let version = parsed.has(Id::Version);
        return Ok(if version { Command::Version } else { Command::Help(None, HelpLength::Short) });
    };
    let given = Given::new(parsed, env, config)?;
    let policy = |settings| Command::Policy(Box::new(settings));
    let session = |settings| Command::Session(Box::new(settings));
    let request = |settings| Command::Request(Box::new(settings));
    let breakglass = |settings| Command::Breakglass(Box::new(settings));
    let log = |settings| Command::Log(Box::new(settings));
    Ok(match command {
        CommandName::Exec => Command::Exec(Box::new(settings::Exec::of(&given)?)),
        CommandName::Credentials => Command::Credentials(Box::new(settings::Credentials::of(&given)?)),
        CommandName::ServeEcs => Command::Serve(Box::new(settings::Serve::ecs(&given)?)),
        CommandName::ServeEc2 => Command::Serve(Box::new(settings::Serve::ec2(&given)?)),
        CommandName::Whoami => Command::Whoami(Box::new(settings::Whoami::of(&given)?)),
        CommandName::PolicyValidate => policy(PolicyCommand::validate(&given)?),
        CommandName::PolicyTest => policy(PolicyCommand::test(&given)?),
        CommandName::PolicyExplain => policy(PolicyCommand::explain(&given)?),
        CommandName::PolicySign => policy(PolicyCommand::sign(&given)?),
        CommandName::PolicyKeygen => policy(PolicyCommand::keygen(&given)?),
        CommandName::PolicyPull => policy(PolicyCommand::pull(&given)?),
        CommandName::PolicyPush => policy(PolicyCommand::push(&given)?),
        CommandName::PolicyDiff => policy(PolicyCommand::diff(&given)?),
        CommandName::SessionList => session(SessionCommand::list(&given)?),
        CommandName::SessionShow => session(SessionCommand::show(&given)?),
        CommandName::SessionRevoke => session(SessionCommand::revoke(&given)?),
        CommandName::RequestCreate => request(RequestCommand::create(&given)?),
        CommandName::RequestList => request(RequestCommand::list(&given)?),
        CommandName::RequestShow => request(RequestCommand::show(&given)?),
        CommandName::RequestApprove => request(RequestCommand::approve(&given)?),
        CommandName::RequestDeny => request(RequestCommand::deny(&given)?),
        CommandName::RequestCancel => request(RequestCommand::cancel(&given)?),
        CommandName::RequestKeygen => request(RequestCommand::keygen(&given)?),
        CommandName::BreakglassOpen => breakglass(BreakglassCommand::open(&given)?),
        CommandName::BreakglassList => breakglass(BreakglassCommand::list(&given)?),
        CommandName::BreakglassShow => breakglass(BreakglassCommand::show(&given)?),
        CommandName::BreakglassClose => breakglass(BreakglassCommand::close(&given)?),
        CommandName::LogVerify => log(LogCommand::verify(&given)?),
        CommandName::LogShow => log(LogCommand::show(&given)?),
        CommandName::Version => Command::Version,
        CommandName::Help => Command::Help(parsed.topic, HelpLength::Long),
        CommandName::Completions => Command::Completions(completions::Shell::wanted(parsed.shell)?),
        CommandName::Man => Command::Man,
    })
}

/// The settings of a service, with what the settings files say now.
fn read_service_again(args: &[OsString], env: &Env) -> Result<settings::Serve> {
    let parsed = parse::parse(args)?;
    match settle(&parsed, env, &Config::load(&flags::settings(), env)?)? {
        Command::Serve(settings) => Ok(*settings),
        _ => Err(Error::usage("this is no service")),
    }
}

fn run(command: &Command, args: &[OsString], env: &Env) -> Result<u8> {
    match command {
        Command::Exec(settings) => exec::run(settings, env),
        Command::Credentials(settings) => credentials::run(settings, env),
        Command::Serve(settings) => serve::run(settings, env, &|| read_service_again(args, env)),
        Command::Whoami(settings) => whoami::run(settings, env),
        Command::Policy(settings) => policy::run(settings, env),
        Command::Session(settings) => session::run(settings, env),
        Command::Request(settings) => request::run(settings, env),
        Command::Breakglass(settings) => breakglass::run(settings, env),
        Command::Log(settings) => log::run(settings, env),
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
        Kind::Failed | Kind::WindowEnds | Kind::Usage if is_exec => 125,
        Kind::Failed | Kind::WindowEnds => 1,
        Kind::Usage => 2,
    }
}

#[cfg(test)]
mod tests;
