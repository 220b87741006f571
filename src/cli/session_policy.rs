//! `--session-policy`: the file that narrows a role's session, read once, at start.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::policy::check_object;
use crate::trusted::{self, Writers};

/// AWS takes 2048 characters, without what makes them readable: indentation and comments of `Sid`s fit many times.
const FILE_LIMIT_BYTES: u64 = 64 * 1024;
/// AssumeRole, Policy.
const LIMIT_CHARS: usize = 2048;

/// The policy's text for AWS: minified.
///
/// # Errors
/// When the file cannot be read, may be written by others, or is not a JSON object that AWS would take.
pub(super) fn read(path: &Path) -> Result<String> {
    let name = path.display();
    let refused = |what: &str| Error::new(format!("the session policy {name} {what}"));
    let cannot = |error: std::io::Error| Error::new(format!("cannot read the session policy {name}")).because(error);
    let (file, _) = trusted::open("the session policy", path, Writers::Owner)?;
    let mut text = String::new();
    let read = file.take(FILE_LIMIT_BYTES.saturating_add(1)).read_to_string(&mut text);
    if text.len() > usize::try_from(FILE_LIMIT_BYTES).unwrap_or(usize::MAX) {
        return Err(refused("is larger than 64 KiB"));
    }
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(refused("is not UTF-8")),
        read => read.map_err(cannot)?,
    };
    let not_valid = || refused("is not a JSON object with one meaning");
    // serde_json's tree keeps the last of two fields of one name without a word.
    check_object(&text).map_err(|flaw| not_valid().because(flaw).hint("write an IAM policy, each field once"))?;
    let small = serde_json::from_str::<serde_json::Value>(&text)
        .and_then(|json| serde_json::to_string(&json))
        .map_err(|error| not_valid().because(error))?;
    match small.chars().count() {
        0..=LIMIT_CHARS => Ok(small),
        count => Err(refused(&format!("has {count} characters without spaces, and AWS takes {LIMIT_CHARS}"))
            .hint("shorten it, or put a part into a managed policy and name that with --policy-arn")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A file that is gone with the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(text: &[u8], mode: u32) -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("sn-session-policy-{}-{number}", std::process::id()));
            fs::write(&path, text).expect("write");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            drop(fs::remove_file(&self.0));
        }
    }

    fn refusal(text: &[u8], mode: u32) -> String {
        let file = Temporary::new(text, mode);
        let error = read(&file.0).expect_err("a refusal");
        error.summary().replace(&file.0.display().to_string(), "FILE")
    }

    #[test]
    fn the_text_is_minified_and_keeps_its_meaning() {
        let file =
            Temporary::new(b"{ \"Version\": \"2012-10-17\",\n  \"Statement\": [ { \"Sid\": \"a b\" } ] }\n", 0o644);
        assert_eq!(read(&file.0).expect("a policy"), r#"{"Statement":[{"Sid":"a b"}],"Version":"2012-10-17"}"#);
    }

    #[test]
    fn what_aws_would_refuse_or_read_otherwise_is_refused() {
        const NOT: &str = "the session policy FILE is not a JSON object with one meaning";
        for (text, why) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[]", "it is a list and not an object"),
            ("{} x", "trailing characters at line 1 column 4"),
            (r#"{"Statement":[],"Statement":[]}"#, "the field `Statement` occurs twice at line 1 column 27"),
        ] {
            assert_eq!(refusal(text.as_bytes(), 0o600), format!("{NOT}: {why}"));
        }
        assert_eq!(refusal(b"{\"\xff\":1}", 0o600), "the session policy FILE is not UTF-8");
        assert_eq!(refusal(&[b' '; 64 * 1024 + 1], 0o600), "the session policy FILE is larger than 64 KiB");
    }

    #[test]
    fn awss_limit_counts_characters_without_spaces() {
        let of = |count: usize| format!("{{  \"Id\" : \"{}\"  }}", "ä".repeat(count - r#"{"Id":""}"#.len()));
        let file = Temporary::new(of(2048).as_bytes(), 0o600);
        assert_eq!(read(&file.0).expect("a policy").chars().count(), 2048);
        assert_eq!(
            refusal(of(2049).as_bytes(), 0o600),
            "the session policy FILE has 2049 characters without spaces, and AWS takes 2048"
        );
    }

    #[test]
    fn a_file_that_others_may_write_or_that_is_none_is_refused() {
        assert_eq!(refusal(b"{}", 0o620), "the session policy FILE may be written by its group or others (mode 0620)");
        let error = read(Path::new("/dev/null")).expect_err("a refusal");
        assert_eq!(error.summary(), "the session policy /dev/null is not a regular file");
        let error = read(Path::new("/nonexistent/p")).expect_err("a refusal");
        assert_eq!(
            error.summary(),
            "cannot read the session policy /nonexistent/p: No such file or directory (os error 2)"
        );
    }
}
