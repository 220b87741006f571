//! What a `credential_process` prints, and its command line: keys are those that the JSON names, refusals do not repeat the
//! secret, and quoted words are split as they were put together.

use sentinel::source::helper::words;
use sentinel::source::process::keys_in;
use serde_json::Value;

/// See the module.
pub fn check(bytes: &[u8]) {
    let json = serde_json::from_slice::<Value>(bytes).ok();
    let text = |name: &str| json.as_ref().and_then(|json| json[name].as_str());
    match keys_in(bytes) {
        Ok((keys, expiration)) => {
            assert!(keys.is_sendable());
            assert_eq!(json.as_ref().map(|json| &json["Version"]), Some(&Value::from(1)));
            assert_eq!(text("AccessKeyId"), Some(keys.access_key_id.as_str()));
            assert!(text("SecretAccessKey") == Some(keys.secret_access_key.expose_str()));
            let token = keys.session_token.as_ref().map(|token| token.expose_str());
            assert!(text("SessionToken").filter(|token| !token.is_empty()) == token);
            assert_eq!(text("Expiration").map(|text| text.parse().ok()), expiration.map(Some));
        }
        Err(why) => {
            assert!(why.len() < 200 && !why.chars().any(char::is_control), "{why:?}");
            let secret = text("SecretAccessKey").filter(|secret| secret.len() >= 20);
            assert!(secret.is_none_or(|secret| !why.contains(secret)));
        }
    }
    let Ok(command) = std::str::from_utf8(bytes) else { return };
    if let Some(split) = words(command) {
        let quoted: Vec<String> = split.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        assert_eq!(words(&quoted.join(" \t")), Some(split));
    }
}
