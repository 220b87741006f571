//! Base keys from a `credential_process`: a program that the profile names.

use jiff::Timestamp;
use serde::Deserialize;

use super::helper::Helper;
use crate::aws::keys::Keys;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::Result;
use crate::secret::Secret;

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

/// Runs the command, as every helper is run, and reads what it printed.
///
/// # Errors
/// The command cannot be split or run, takes over a minute, fails, or prints something else than credentials.
pub fn run(profile: &str, command: &str, env: &Env, clock: &dyn Clock) -> Result<(Keys, Option<Timestamp>)> {
    let helper = Helper { setting: "credential_process", profile, command };
    let output = helper.run(env, clock)?;
    keys_in(&output).map_err(|what| {
        helper
            .failed(&what)
            .hint("it must print JSON with Version 1, AccessKeyId and SecretAccessKey, and nothing else")
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
        assert_eq!(
            missing.to_string(),
            "the credential_process of profile `dev` cannot be run: /nonexistent/x: No such file or directory (os error \
             2)\n  check the program's name, PATH, and that you may execute it"
        );
    }

    #[test]
    fn a_command_line_that_cannot_be_split_is_not_repeated() {
        let env: Env = std::env::vars_os().collect();
        for command in ["login --password 'hush", "login --password \"hush", "login --password hush\\"] {
            let error = run("dev", command, &env, &SystemClock).err().expect("a failure");
            assert_eq!(
                error.to_string(),
                "the credential_process of profile `dev` ends inside a quote or after a backslash\n  close the quote, or \
                 double the backslash"
            );
        }
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
}
