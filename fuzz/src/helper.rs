//! What a `credential_process` prints, and its command line: keys are those that the JSON names, refusals do not repeat the
//! secret, and quoted words are split as they were put together.

use sentinel::source::helper::words;
use sentinel::source::process::keys_in;
use serde_json::Value;

/// See the module.
pub fn check(bytes: &[u8]) {
    // None also where what is ignored is more than a `Value` holds: a number out of range, half of a surrogate pair.
    let json = serde_json::from_slice::<Value>(bytes).ok();
    match keys_in(bytes) {
        Ok((keys, expiration)) => {
            assert!(keys.is_sendable());
            if let Some(json) = json {
                let text = |name: &str| json[name].as_str();
                assert_eq!(json["Version"], 1);
                assert_eq!(text("AccessKeyId"), Some(keys.access_key_id.as_str()));
                assert!(text("SecretAccessKey") == Some(keys.secret_access_key.expose_str()));
                let token = keys.session_token.as_ref().map(|token| token.expose_str());
                assert!(text("SessionToken").filter(|token| !token.is_empty()) == token);
                assert_eq!(text("Expiration").map(|text| text.parse().ok()), expiration.map(Some));
            }
        }
        Err(why) => {
            assert!(why.len() < 200 && !why.chars().any(char::is_control), "{why:?}");
            if let Some(json) = json {
                // Our own words may be in the secret: it is not repeated if another one is refused in the same words.
                let other = with_another_secret(json.clone());
                assert_eq!(refusal(&json), refusal(&other));
                // As it was printed, fields that come twice among it, where the secret stands in it as it is.
                if let Some(printed) = exchanged(bytes, &json, &other) {
                    assert_eq!(keys_in(printed.as_bytes()).err(), Some(why));
                }
            }
        }
    }
    words_are_split_as_joined(bytes);
}

fn refusal(json: &Value) -> Option<String> {
    keys_in(json.to_string().as_bytes()).err()
}

/// Of the same length and as sendable as the first.
fn with_another_secret(mut json: Value) -> Value {
    if let Some(Value::String(secret)) = json.get_mut("SecretAccessKey") {
        let other = |c: char| match c {
            'x' => 'y',
            c if c.is_ascii_alphanumeric() => 'x',
            c => c,
        };
        *secret = secret.chars().map(other).collect();
    }
    json
}

/// What was printed with the other secret in the place of the one, if that makes it say the other.
fn exchanged(bytes: &[u8], json: &Value, other: &Value) -> Option<String> {
    let [from, to] = [json, other].map(|json| json.get("SecretAccessKey").map(Value::to_string));
    let printed = std::str::from_utf8(bytes).ok()?.replace(&from?, &to?);
    (serde_json::from_str::<Value>(&printed).ok()? == *other).then_some(printed)
}

fn words_are_split_as_joined(bytes: &[u8]) {
    let Ok(command) = std::str::from_utf8(bytes) else { return };
    if let Some(split) = words(command) {
        let quoted: Vec<String> = split.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        assert_eq!(words(&quoted.join(" \t")), Some(split));
    }
}
