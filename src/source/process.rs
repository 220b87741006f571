//! Base keys from a `credential_process`: a program that the profile names.
//!
//! It is sentinel's own helper: a child of this process, never of the warden, so nothing that it leaves behind is in the
//! tree.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use zeroize::Zeroize;

use crate::aws::keys::Keys;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::sys::poll::wait_readable;

/// A browser login may take a while; SDKs wait for a minute at most, or for ever.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at whether the helper has ended, which it usually has once its output has.
const WAIT_TICK: Duration = Duration::from_millis(2);
/// Credentials are about 2 KiB.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// The profiles whose helpers are at work above a process, one a line: a helper may be sentinel again.
const ASKING: &str = "SENTINEL_ASKING";

/// What a `credential_process` prints (AWS SDKs and Tools Reference Guide, "Process credential provider").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Runs the command, without a shell, in sentinel's own environment; its stderr is the terminal's.
///
/// # Errors
/// The command cannot be split or run, takes over a minute, fails, or prints something else than credentials.
pub fn run(profile: &str, command: &str, env: &Env, clock: &dyn Clock) -> Result<(Keys, Option<Timestamp>)> {
    let failed = |what: &str| Error::new(format!("the credential_process of profile `{profile}` {what}"));
    let words =
        words(command).ok_or_else(|| failed("has a quote that is never closed").hint(format!("it is: {command}")))?;
    let (program, arguments) = words.split_first().ok_or_else(|| failed("is empty"))?;
    let above = env.text(ASKING)?.unwrap_or_default();
    if above.split('\n').any(|name| name == profile) {
        return Err(failed("asks sentinel for the same profile again")
            .hint("name another profile in its command: one that has keys, or a helper of another kind"));
    }
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(env.iter())
        .env(ASKING, format!("{above}\n{profile}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("cannot be run: {program}")).because(error))?;
    let deadline = clock.boot().saturating_add(TIME_LIMIT);
    let read = read_output(&mut child, deadline, clock);
    if read.is_err() {
        // It may have ended already, which is as good.
        let _ended = child.kill();
    }
    let ended = wait(&mut child, deadline, clock).map_err(|error| failed("cannot be waited for").because(error))?;
    let mut output = read.map_err(|why| failed(&why))?;
    let Some(status) = ended else {
        output.zeroize();
        return Err(
            failed("closed its output and did not end within 60 s").hint(format!("run it by hand: {program} ..."))
        );
    };
    if !status.success() {
        output.zeroize();
        return Err(failed(&format!("failed ({status})")).hint(format!("run it by hand: {program} ...")));
    }
    let found = keys_in(&output);
    output.zeroize();
    found.map_err(|what| {
        failed(&what).hint("it must print JSON with Version 1, AccessKeyId and SecretAccessKey, and nothing else")
    })
}

/// Reads what a helper printed.
///
/// # Errors
/// What is wrong with it, as it follows `the credential_process ...`; nothing of the output is repeated.
pub fn keys_in(output: &[u8]) -> std::result::Result<(Keys, Option<Timestamp>), String> {
    // serde_json reads past bytes that are no text where no field of ours is.
    let text = std::str::from_utf8(output).map_err(|_| "printed something else than UTF-8".to_owned())?;
    // serde's own message would quote the value that it did not like.
    let parsed = serde_json::from_str::<Output>(text)
        .map_err(|error| format!("did not print credentials (line {}, column {})", error.line(), error.column()))?;
    // serde takes a list of the values in their order as well.
    if !text.trim_start().starts_with('{') {
        return Err("printed a list and not an object".to_owned());
    }
    keys(parsed)
}

fn keys(parsed: Output) -> std::result::Result<(Keys, Option<Timestamp>), String> {
    if parsed.version != 1 {
        return Err(format!("printed Version {}, and only 1 is known", parsed.version));
    }
    let expiration = match parsed.expiration.as_deref() {
        None => None,
        Some(text) => Some(text.parse::<Timestamp>().map_err(|_| "printed an Expiration that is no time".to_owned())?),
    };
    let no_memory = |error: std::io::Error| error.to_string();
    let keys = Keys {
        access_key_id: parsed.access_key_id,
        secret_access_key: Secret::take_string(parsed.secret_access_key).map_err(no_memory)?,
        session_token: parsed
            .session_token
            .filter(|token| !token.is_empty())
            .map(Secret::take_string)
            .transpose()
            .map_err(no_memory)?,
    };
    if keys.is_sendable() { Ok((keys, expiration)) } else { Err("printed keys that cannot be sent".to_owned()) }
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

fn read_output(child: &mut Child, deadline: Duration, clock: &dyn Clock) -> std::result::Result<Vec<u8>, String> {
    let mut stdout = child.stdout.take().ok_or("has no output")?;
    // Room for everything at once, so that no part is left behind by a reallocation.
    let mut output = Vec::with_capacity(OUTPUT_LIMIT_BYTES);
    let mut piece = [0; 4096];
    let outcome = loop {
        let left = deadline.saturating_sub(clock.boot());
        if left.is_zero() {
            break Err("took over 60 s and was ended".to_owned());
        }
        let timeout_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        match wait_readable([stdout.as_fd()], timeout_ms) {
            Ok([false]) => continue,
            Ok([true]) => {}
            Err(error) => break Err(format!("cannot be read: {error}")),
        }
        match stdout.read(&mut piece) {
            Ok(0) => break Ok(()),
            Ok(read) if output.len().saturating_add(read) > OUTPUT_LIMIT_BYTES => {
                break Err("printed over 64 KiB".to_owned());
            }
            Ok(read) => output.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(format!("cannot be read: {error}")),
        }
    };
    piece.zeroize();
    match outcome {
        Ok(()) => Ok(output),
        Err(why) => {
            output.zeroize();
            Err(why)
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
    use crate::clock::SystemClock;

    fn printing(text: &str) -> Result<(Keys, Option<Timestamp>)> {
        let env: Env = std::env::vars_os().collect();
        run("dev", &format!("sh -c \"printf '%s' '{}'\"", text.replace('"', "\\\"")), &env, &SystemClock)
    }

    #[test]
    fn credentials_are_read() {
        let json = r#"{"Version":1,"AccessKeyId":"ASIAX","SecretAccessKey":"s","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
        let (keys, expiration) = printing(json).expect("credentials");
        assert_eq!(keys.access_key_id, "ASIAX");
        assert_eq!(keys.secret_access_key.expose_str(), "s");
        assert_eq!(keys.session_token.as_ref().map(Secret::expose_str), Some("t"));
        assert_eq!(expiration, "2030-01-01T00:00:00Z".parse().ok());
    }

    #[test]
    fn what_is_wrong_is_said_and_not_repeated() {
        for (text, what) in [
            (r#"{"Version":2,"AccessKeyId":"A","SecretAccessKey":"hush"}"#, "printed Version 2, and only 1 is known"),
            (r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"hu sh"}"#, "printed keys that cannot be sent"),
            (r#"{"Version":1,"AccessKeyId":"A"}"#, "did not print credentials (line 1, column 31)"),
            ("hush", "did not print credentials (line 1, column 1)"),
            ("", "did not print credentials (line 1, column 0)"),
        ] {
            let error = printing(text).err().expect("a refusal");
            assert_eq!(error.summary(), format!("the credential_process of profile `dev` {what}"));
            assert!(!error.to_string().contains("hush"));
        }
    }

    #[test]
    fn output_that_is_not_a_json_object_in_utf8_is_refused() {
        let refused = |output: &[u8]| keys_in(output).err().expect("a refusal");
        assert_eq!(
            refused(b"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Other\":\"\xff\"}"),
            "printed something else than UTF-8"
        );
        assert_eq!(refused(br#"[1,"A","s",null,null]"#), "printed a list and not an object");
    }

    #[test]
    fn a_command_that_fails_or_is_missing_is_named() {
        let env: Env = std::env::vars_os().collect();
        let failed = run("dev", "false", &env, &SystemClock).err().expect("a failure");
        assert_eq!(failed.summary(), "the credential_process of profile `dev` failed (exit status: 1)");
        let missing = run("dev", "/nonexistent/x y", &env, &SystemClock).err().expect("a failure");
        assert!(missing.summary().starts_with("the credential_process of profile `dev` cannot be run: /nonexistent/x"));
    }

    #[test]
    fn a_helper_that_asks_for_its_own_profile_is_refused() {
        let env = Env::from_iter([("SENTINEL_ASKING", "\nbase\ndev")]);
        let error = run("dev", "true", &env, &SystemClock).err().expect("a refusal");
        assert_eq!(error.summary(), "the credential_process of profile `dev` asks sentinel for the same profile again");
    }

    #[test]
    fn a_helper_is_told_for_whom_it_works() {
        let env: Env = std::env::vars_os().collect();
        let command = r#"sh -c 'test "$SENTINEL_ASKING" = "
dev" && echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}"'"#;
        assert_eq!(
            run("dev", command, &env, &SystemClock).map(|(keys, _)| keys.access_key_id).ok().as_deref(),
            Some("A")
        );
    }

    #[test]
    fn a_flood_is_ended() {
        let env: Env = std::env::vars_os().collect();
        let error = run("dev", "yes", &env, &SystemClock).err().expect("a refusal");
        assert_eq!(error.summary(), "the credential_process of profile `dev` printed over 64 KiB");
    }

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
