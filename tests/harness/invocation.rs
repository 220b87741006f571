//! One run of a program, from its arguments to its end.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::running::Running;

/// A program that is about to run, with an environment that holds nothing but what was set.
#[must_use = "run() or spawn() starts it"]
pub(crate) struct Invocation {
    command: Command,
    stdin: Vec<u8>,
    words: Vec<OsString>,
}

impl Invocation {
    pub(super) fn new(program: &str, directory: &Path) -> Self {
        let mut command = Command::new(program);
        command.env_clear().current_dir(directory);
        // A group of its own, so that what it leaves behind can be ended with it.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, stdin: Vec::new(), words: vec![program.into()] }
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.words.push(argument.as_ref().to_owned());
            self.command.arg(argument);
        }
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Unsets a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the working directory.
    pub(crate) fn cwd(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What [`Invocation::run`] writes to its standard input.
    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// Runs to the end, within the deadline. Ends with the test: nothing that it started in its group survives.
    pub(crate) fn run(mut self) -> Finished {
        let stdin = std::mem::take(&mut self.stdin);
        let mut running = self.spawn();
        running.write_and_close(stdin);
        running.finish()
    }

    /// Starts it, to talk with it.
    pub(crate) fn spawn(mut self) -> Running {
        let words = self.words.iter().map(|word| shorten(&word.to_string_lossy())).collect::<Vec<_>>().join(" ");
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {words}: {error}"));
        Running::new(child, words)
    }
}

/// A script's first line is enough to recognise it by.
fn shorten(word: &str) -> String {
    match word.trim_start().split_once('\n') {
        Some((first, _)) => format!("{first}..."),
        None => word.to_owned(),
    }
}

/// The end of an output, which is enough for a failed test's report.
pub(super) fn tail(text: &str) -> &str {
    const LIMIT_BYTES: usize = 4096;
    &text[text.ceil_char_boundary(text.len().saturating_sub(LIMIT_BYTES))..]
}

/// How a program ended.
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(super) status: ExitStatus,
    pub(super) words: String,
}

impl Finished {
    /// The exit status; as a shell counts, 128+n, when a signal ended it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// The signal that ended it, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Fails unless it ended with this status and its standard error has every one of `parts`, in any case.
    #[track_caller]
    pub(crate) fn failed_with(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code(), code, "the status of {self}");
        let said = self.stderr.to_lowercase();
        for part in parts {
            assert!(said.contains(&part.to_lowercase()), "nothing about `{part}` in the errors of {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
    }

    /// The variables that the child printed, where it is `env -0`.
    #[track_caller]
    pub(crate) fn environment(&self) -> std::collections::BTreeMap<String, String> {
        assert_eq!(self.code(), 0, "{self}");
        let pairs = self.stdout.split_terminator('\0');
        pairs.map(|pair| pair.split_once('=').expect("NAME=value")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (tail(&self.stdout), tail(&self.stderr));
        write!(f, "`{}`: {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.words, self.status)
    }
}
