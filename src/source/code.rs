//! Codes of MFA devices.

use std::fmt;

use super::helper::Helper;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// How many digits a code has (AssumeRole, TokenCode: `[\d]*`, 6 characters).
const DIGITS: usize = 6;

/// What an MFA device shows: six digits, good for one use.
pub struct Code(Secret);

impl Code {
    /// The code in `text`, which may have spaces around it, and one in its middle, as apps show it; `None` when it is not six
    /// digits.
    ///
    /// # Errors
    /// When there is no memory for a secret.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim_ascii();
        let (first, second) =
            text.split_once(' ').unwrap_or_else(|| text.split_at_checked(DIGITS / 2).unwrap_or_default());
        let is_half = |half: &str| half.len() == DIGITS / 2 && half.bytes().all(|b| b.is_ascii_digit());
        if !is_half(first) || !is_half(second) {
            return Ok(None);
        }
        let secret = Secret::take_string([first, second].concat());
        secret.map(|secret| Some(Self(secret))).map_err(|error| Error::new("no memory for a secret").because(error))
    }

    /// Runs a program that prints the code, as a `credential_process` is run.
    ///
    /// # Errors
    /// The command cannot be split or run, takes over a minute, fails, or prints something else than a code.
    pub fn from_process(profile: &str, command: &str, env: &Env, clock: &dyn Clock) -> Result<Self> {
        let helper = Helper { setting: "MFA process", profile, command };
        let output = helper.run(env, clock)?;
        let code = std::str::from_utf8(&output).map_or(Ok(None), Self::parse)?;
        // What it printed is not repeated: it may be the seed of all codes.
        code.ok_or_else(|| {
            helper.failed("did not print a code of six digits").hint("it must print the code and nothing else")
        })
    }

    /// A second copy: whoever gives a code away keeps what was asked for.
    ///
    /// # Errors
    /// When there is no memory for a secret.
    pub fn try_clone(&self) -> Result<Self> {
        let secret = Secret::take(self.0.expose().to_vec());
        secret.map(Self).map_err(|error| Error::new("no memory for a secret").because(error))
    }

    /// The digits. The name is meant to stand out in a review.
    pub fn expose(&self) -> &str {
        self.0.expose_str()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other.0.expose())
    }
}

impl Eq for Code {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn six_digits_are_a_code_and_nothing_else_is() {
        for text in ["012345", " 012345\n", "012345\r\n", "012 345"] {
            assert_eq!(Code::parse(text).expect("memory").as_ref().map(Code::expose), Some("012345"), "{text:?}");
        }
        for text in ["", "12345", "1234567", "12 3456", "012  345", "12345x", "+12345", "١٢٣٤٥٦", "123456\n123456"]
        {
            assert_eq!(Code::parse(text).expect("memory"), None, "{text:?}");
        }
    }

    #[test]
    fn a_code_is_not_printed() {
        assert_eq!(format!("{:?}", Code::parse("012345").expect("memory")), "Some(Code)");
    }

    #[test]
    fn a_program_prints_it() {
        let env: Env = std::env::vars_os().collect();
        let run = |command: &str| Code::from_process("dev", command, &env, &SystemClock);
        assert_eq!(run("echo 012345").ok().as_ref().map(Code::expose), Some("012345"));
        for (command, what) in [
            ("echo hush", "did not print a code of six digits"),
            ("printf '\\377'", "did not print a code of six digits"),
            ("true", "did not print a code of six digits"),
            ("false", "failed (exit status: 1)"),
            ("yes", "printed over 64 KiB"),
            ("", "is empty"),
        ] {
            let error = run(command).expect_err("a refusal");
            assert_eq!(error.summary(), format!("the MFA process of profile `dev` {what}"), "{command}");
            assert!(!error.to_string().contains("hush"));
        }
        let env = Env::from_iter([("SENTINEL_ASKING", "\ndev")]);
        let error = Code::from_process("dev", "echo 012345", &env, &SystemClock).expect_err("a refusal");
        assert_eq!(error.summary(), "the MFA process of profile `dev` asks sentinel for the same profile again");
    }
}
