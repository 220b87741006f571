//! Where the code of an MFA device comes from: an option, a program, or the person at the terminal.
//!
//! Before anything is served and before the command starts, and never again: later the terminal is the command's. Standard
//! input is the command's from the beginning, so it is never read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::settings::Common;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Mfa;
use crate::source::Code;
use crate::sys::poll::wait_readable;
use crate::sys::terminal::discard_input;

/// How long a person may look for the device.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often what was typed may be something else than a code.
const TRIES: u32 = 3;
/// A terminal's line has at most 4096 bytes (termios(3), canonical mode).
const LINE_LIMIT_BYTES: usize = 4096;

/// The code: that of `--mfa-token`, else what `--mfa-process` prints, else what the profile's `mfa_process` prints, else
/// what the person types.
///
/// # Errors
/// When the program fails, or there is nobody to ask, or no code was typed.
pub(super) fn obtain(mfa: &Mfa, common: &Common, env: &Env, clock: &dyn Clock) -> Result<Code> {
    if let Some(code) = &common.mfa_token {
        return code.try_clone();
    }
    if let Some(command) = common.mfa_process.as_deref().or(mfa.process.as_deref()) {
        return Code::from_process(&mfa.profile, command, env, clock);
    }
    let mut terminal = open().map_err(|error| {
        Error::new(format!("{}, and there is no terminal to ask at", needs(mfa)))
            .because(error)
            .hint("give --mfa-token CODE or --mfa-process COMMAND, or add mfa_process to the profile")
    })?;
    let asked = ask(&mut terminal, mfa, clock, clock.boot().saturating_add(PATIENCE));
    if asked.is_err() {
        // Half a code is not for the shell. A terminal that is gone has nothing to discard.
        let _gone = discard_input(terminal.as_fd());
    }
    asked
}

/// The terminal of this session, whatever the standard streams are.
fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty")
}

fn needs(mfa: &Mfa) -> String {
    format!("profile `{}` needs a code of the MFA device {}", mfa.profile, mfa.serial)
}

/// Asks until a code is typed.
fn ask(
    terminal: &mut (impl Read + Write + AsFd),
    mfa: &Mfa,
    clock: &dyn Clock,
    deadline_boot: Duration,
) -> Result<Code> {
    let cannot = |error: io::Error| Error::new(format!("{}, and the terminal failed", needs(mfa))).because(error);
    // The device is checked when it is read; a profile's name may be anything.
    let name = mfa.profile.replace(char::is_control, "?");
    for _ in 0..TRIES {
        write!(terminal, "MFA code of {} for profile `{name}`: ", mfa.serial).map_err(cannot)?;
        let Some(line) = line(terminal, clock, deadline_boot).map_err(cannot)? else {
            // The line that the person did not end.
            let _gone = terminal.write_all(b"\n");
            return Err(Error::new(format!("{}, and none was typed", needs(mfa)))
                .hint("try again, or give --mfa-token CODE or --mfa-process COMMAND"));
        };
        if let Some(code) = std::str::from_utf8(&line).map_or(Ok(None), Code::parse)? {
            return Ok(code);
        }
        terminal.write_all(b"a code has six digits\n").map_err(cannot)?;
    }
    Err(Error::new(format!("{}, and what was typed is not one", needs(mfa)))
        .hint("type the six digits that the device shows"))
}

/// A line, without its end; `None` at the end of input and when time is up.
fn line(
    terminal: &mut (impl Read + AsFd),
    clock: &dyn Clock,
    deadline_boot: Duration,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_LIMIT_BYTES));
    let mut byte = Zeroizing::new([0; 1]);
    loop {
        let left = deadline_boot.saturating_sub(clock.boot());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        let [readable] = wait_readable([terminal.as_fd()], timeout_ms)?;
        if !readable {
            continue;
        }
        // Byte by byte: what follows the line is somebody else's.
        match terminal.read(&mut *byte) {
            Ok(0) => return Ok(None),
            Ok(_) if matches!(*byte, [b'\n' | b'\r']) => return Ok(Some(line)),
            Ok(_) if line.len() >= LINE_LIMIT_BYTES => return Err(io::Error::other("a line of over 4096 bytes")),
            Ok(_) => line.extend_from_slice(&*byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::clock::SystemClock;

    const PROMPT: &str = "MFA code of arn:aws:iam::123456789012:mfa/me for profile `de?v`: ";

    fn mfa() -> Mfa {
        Mfa { profile: "de\u{1b}v".to_owned(), serial: "arn:aws:iam::123456789012:mfa/me".to_owned(), process: None }
    }

    /// Types, and tells what came of it and what was shown.
    fn typed(text: &[u8]) -> (std::result::Result<String, String>, String, String) {
        let (mut ours, mut theirs) = UnixStream::pair().expect("socketpair");
        theirs.write_all(text).expect("typed");
        theirs.shutdown(std::net::Shutdown::Write).expect("the end");
        let deadline = SystemClock.boot() + Duration::from_secs(20);
        let asked = ask(&mut ours, &mfa(), &SystemClock, deadline);
        let mut rest = String::new();
        // A line of over 4096 bytes is left where it is.
        if text.len() < LINE_LIMIT_BYTES {
            ours.read_to_string(&mut rest).expect("what is left");
        }
        drop(ours);
        let mut shown = Vec::new();
        // The end may be a reset, where something was left unread.
        let _end = theirs.read_to_end(&mut shown);
        let shown = String::from_utf8(shown).expect("UTF-8");
        (asked.map(|code| code.expose().to_owned()).map_err(|error| error.summary()), shown, rest)
    }

    #[test]
    fn a_line_is_read_and_no_more() {
        let (code, shown, rest) = typed(b"012345\nls\n");
        assert_eq!((code.as_deref(), shown.as_str(), rest.as_str()), (Ok("012345"), PROMPT, "ls\n"));
    }

    #[test]
    fn what_is_not_a_code_is_asked_for_again() {
        let (code, shown, _) = typed(b"12345\n 123456 \n");
        assert_eq!((code.as_deref(), shown), (Ok("123456"), format!("{PROMPT}a code has six digits\n{PROMPT}")));
        let (refused, _, _) = typed(b"a\nb\nc\n123456\n");
        let needs = "profile `de\u{1b}v` needs a code of the MFA device arn:aws:iam::123456789012:mfa/me";
        assert_eq!(refused.expect_err("no code"), format!("{needs}, and what was typed is not one"));
        let (refused, _, _) = typed(b"12345");
        assert_eq!(refused.expect_err("no code"), format!("{needs}, and none was typed"));
        let (refused, _, _) = typed(&[b'1'; LINE_LIMIT_BYTES + 1]);
        assert_eq!(
            refused.expect_err("no code"),
            format!("{needs}, and the terminal failed: a line of over 4096 bytes")
        );
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let (mut ours, _theirs) = UnixStream::pair().expect("socketpair");
        let deadline = SystemClock.boot() + Duration::from_millis(20);
        let refused = ask(&mut ours, &mfa(), &SystemClock, deadline).expect_err("nobody typed");
        assert!(refused.summary().ends_with(", and none was typed"), "{refused}");
    }
}
