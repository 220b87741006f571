//! Programs that a profile names and that are run for their output: `credential_process`, `mfa_process`.
//!
//! A helper is sentinel's own: a child of this process, never of the warden, so nothing that it leaves behind is in the
//! tree.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::sys::poll::wait_readable;

/// A browser login may take a while; SDKs wait for a minute at most, or for ever.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at whether the helper has ended, which it usually has once its output has.
const WAIT_TICK: Duration = Duration::from_millis(2);
/// Credentials are about 2 KiB.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// The profiles whose helpers are at work above a process, one a line: a helper may be sentinel again.
const ASKING: &str = "SENTINEL_ASKING";

/// A program to be run for its output.
pub(super) struct Helper<'a> {
    /// The setting that names it: `credential_process`.
    pub(super) setting: &'static str,
    /// The profile that it works for.
    pub(super) profile: &'a str,
    /// The command line.
    pub(super) command: &'a str,
}

impl Helper<'_> {
    /// `the credential_process of profile `x` WHAT`.
    pub(super) fn failed(&self, what: &str) -> Error {
        Error::new(format!("the {} of profile `{}` {what}", self.setting, self.profile))
    }

    /// Runs the command, without a shell, in sentinel's own environment; its stderr is the terminal's. Returns all that it
    /// printed.
    ///
    /// # Errors
    /// The command cannot be split or run, takes over a minute, prints over 64 KiB, or fails.
    pub(super) fn run(&self, env: &Env, clock: &dyn Clock) -> Result<Zeroizing<Vec<u8>>> {
        let command = self.command;
        // The command line is not repeated, here or below: it may hold a password, or the seed of all codes.
        let words = words(command).ok_or_else(|| {
            self.failed("ends inside a quote or after a backslash").hint("close the quote, or double the backslash")
        })?;
        let (program, arguments) = words.split_first().ok_or_else(|| self.failed("is empty"))?;
        let above = env.text(ASKING)?.unwrap_or_default();
        if above.split('\n').any(|name| name == self.profile) {
            return Err(self
                .failed("asks sentinel for the same profile again")
                .hint("name another profile in its command: one that has keys, or a helper of another kind"));
        }
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(env.iter())
            .env(ASKING, format!("{above}\n{}", self.profile))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let error = self.failed(&format!("cannot be run: {program}")).because(error);
                error.hint("check the program's name, PATH, and that you may execute it")
            })?;
        let deadline = clock.boot().saturating_add(TIME_LIMIT);
        let read = read_output(&mut child, deadline, clock);
        if read.is_err() {
            // It may have ended already, which is as good.
            let _ended = child.kill();
        }
        let ended =
            wait(&mut child, deadline, clock).map_err(|error| self.failed("cannot be waited for").because(error))?;
        let output = read.map_err(|why| self.failed(&why))?;
        let by_hand = || format!("run it by hand: {program} ...");
        match ended {
            None => Err(self.failed("closed its output and did not end within 60 s").hint(by_hand())),
            Some(status) if !status.success() => Err(self.failed(&format!("failed ({status})")).hint(by_hand())),
            Some(_) => Ok(output),
        }
    }
}

/// Waits for the end of a child that has said all; `None` when it had to be ended.
fn wait(child: &mut Child, deadline: Duration, clock: &dyn Clock) -> std::io::Result<Option<ExitStatus>> {
    while clock.boot() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(WAIT_TICK);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn read_output(
    child: &mut Child,
    deadline: Duration,
    clock: &dyn Clock,
) -> std::result::Result<Zeroizing<Vec<u8>>, String> {
    let mut stdout = child.stdout.take().ok_or("has no output")?;
    // Room for everything at once, so that no part is left behind by a reallocation.
    let mut output = Zeroizing::new(Vec::with_capacity(OUTPUT_LIMIT_BYTES));
    let mut piece = Zeroizing::new([0; 4096]);
    loop {
        let left = deadline.saturating_sub(clock.boot());
        if left.is_zero() {
            return Err("took over 60 s and was ended".to_owned());
        }
        let timeout_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        match wait_readable([stdout.as_fd()], timeout_ms) {
            Ok([false]) => continue,
            Ok([true]) => {}
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
        match stdout.read(&mut *piece) {
            Ok(0) => return Ok(output),
            Ok(read) if output.len().saturating_add(read) > OUTPUT_LIMIT_BYTES => {
                return Err("printed over 64 KiB".to_owned());
            }
            Ok(read) => output.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
    }
}

/// Splits a command line as a POSIX shell would, and does nothing else that a shell does: the AWS CLI's way. `None` when a
/// quote stays open.
pub fn words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_as_the_aws_cli_splits_them() {
        for (command, expected) in [
            (r#"a "b c" d"#, Some(vec!["a", "b c", "d"])),
            (r"a 'b\c' $HOME ~ ; *", Some(vec!["a", r"b\c", "$HOME", "~", ";", "*"])),
            (r#"a\ b "c\"d\e" '' """#, Some(vec!["a b", r#"c"d\e"#, "", ""])),
            ("a 'b", None),
            ("a \"b", None),
            ("a \\", None),
            ("  ", Some(vec![])),
        ] {
            assert_eq!(
                words(command),
                expected.map(|words| words.into_iter().map(str::to_owned).collect()),
                "{command}"
            );
        }
    }
}
