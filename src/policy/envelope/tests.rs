use super::*;

const NOW: &str = "2026-06-01T12:00:00Z";
const DOCUMENT: &str = "{\"version\":\"1\",\n \"rules\":[{\"name\":\"r\",\"effect\":\"allow\"}]}\n";
/// RFC 8032, section 7.1, test 2.
const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn key() -> PrivateKey {
    PrivateKey::random().expect("a key")
}

fn pin(key: &PrivateKey, scope: &str) -> Pin {
    Pin { key: key.public(), scope: Scope::parse(scope).expect("a scope") }
}

fn terms(serial: u64) -> Terms {
    Terms { scope: Scope::parse("prod").expect("a scope"), serial, not_after: time("2027-01-01T00:00:00Z") }
}

#[track_caller]
fn refused(text: &str, pin: &Pin, now: &str) -> String {
    open("P", text, pin, time(now)).expect_err("a refusal").to_string()
}

#[test]
fn what_was_sealed_is_opened() {
    let key = key();
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    let opened = open("P", &text, &pin(&key, "prod"), time(NOW)).expect("a document");
    assert_eq!(opened, Opened { terms: terms(7), document: DOCUMENT.to_owned(), digest: sha256(DOCUMENT.as_bytes()) });
}

#[test]
fn white_space_and_the_order_of_fields_mean_nothing() {
    let key = key();
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).expect("an object");
    let pretty = format!("\n{}\n", serde_json::to_string_pretty(&fields).expect("JSON"));
    assert!(open("P", &pretty, &pin(&key, "prod"), time(NOW)).is_ok());
}

#[test]
fn the_signed_bytes_are_the_documented_ones() {
    let signed = b"sentinel policy v1\nprod\n7\n2027-01-01T00:00:00Z\n{}";
    let key = key();
    let text = seal("{}", &terms(7), &key).expect("an envelope");
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).expect("an object");
    assert_eq!(fields["signature"], key.sign(signed));
    let written = format!(
        r#"{{"sentinel_policy":"1","scope":"prod","serial":7,"not_after":"2027-01-01T00:00:00Z","policy":"e30=","signature":"{}"}}"#,
        key.sign(signed)
    );
    assert_eq!(text, written);
}

#[test]
fn a_plain_policy_is_not_signed() {
    let expected = "the policy P is not signed\n  where --policy-key names a key, only what `sentinel policy sign` made \
                    with it is obeyed";
    assert_eq!(refused(DOCUMENT, &pin(&key(), "prod"), NOW), expected);
}

#[test]
fn a_change_of_anything_signed_is_seen() {
    let key = key();
    let pin = pin(&key, "prod");
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    let expected = format!(
        "the policy P is not signed by the key {}\n  it was changed after it was signed, or signed with another key",
        pin.key
    );
    let other = BASE64_STANDARD.encode(DOCUMENT.replace("allow", "deny"));
    for (from, to) in [
        ("\"prod\"", "\"prod2\""),
        ("\"serial\":7", "\"serial\":8"),
        ("2027-01-01", "2028-01-01"),
        (&BASE64_STANDARD.encode(DOCUMENT), &other),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        assert_eq!(refused(&changed, &pin, NOW), expected, "{from}");
    }
}

#[test]
fn another_keys_signature_does_not_count() {
    let (key, other) = (key(), key());
    let text = seal(DOCUMENT, &terms(7), &other).expect("an envelope");
    assert!(refused(&text, &pin(&key, "prod"), NOW).starts_with("the policy P is not signed by the key "));
}

#[test]
fn a_policy_for_another_scope_is_refused() {
    let key = key();
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    assert_eq!(
        refused(&text, &pin(&key, "staging"), NOW),
        "the policy P is signed for the scope `prod`, not for `staging`\n  --policy-scope says which scope is wanted"
    );
}

#[test]
fn a_policy_ends_at_its_time() {
    let key = key();
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    assert!(open("P", &text, &pin(&key, "prod"), time("2026-12-31T23:59:59.9Z")).is_ok());
    assert_eq!(
        refused(&text, &pin(&key, "prod"), "2027-01-01T00:00:00Z"),
        "the policy P ended at 2027-01-01T00:00:00Z\n  whoever keeps it has to sign it anew, with a later --not-after"
    );
}

#[test]
fn an_envelope_is_read_strictly() {
    let key = key();
    let pin = pin(&key, "prod");
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    let document = BASE64_STANDARD.encode(DOCUMENT);
    for (from, to, why) in [
        ("\"serial\"", "\"seriol\"", "unknown field `seriol`\n  did you mean `serial`?"),
        ("\"serial\":7,", "", "the field `serial` is missing"),
        ("\"serial\":7", "\"serial\":\"7\"", "serial: it is not a whole number from 0 on"),
        ("\"serial\":7", "\"serial\":-7", "serial: it is not a whole number from 0 on"),
        ("\"serial\":7", "\"serial\":7.0", "serial: it is not a whole number from 0 on"),
        ("\"serial\":7", "\"serial\":18446744073709551616", "serial: it is not a whole number from 0 on"),
        ("\"serial\":7", "\"serial\":7,\"serial\":7", "the field `serial` occurs twice at line 1 column 57"),
        ("\"prod\"", "\"pr\\nod\"", "scope: `pr\\nod` is not a scope"),
        ("\"prod\"", "\"\"", "scope: `` is not a scope"),
        ("\"prod\"", "7", "scope: expected a string, found a number"),
        (":\"1\"", ":\"2\"", "sentinel_policy: unknown version `2`"),
        (
            "00:00:00Z",
            "01:00:00+01:00",
            "not_after: `2027-01-01T01:00:00+01:00` is not a time as 2027-01-31T09:30:00Z is",
        ),
        (&document, "e30", "policy: it is not the base64 of a document"),
        ("{", "[{", "EOF while parsing a list at line 1 column "),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let said = refused(&changed, &pin, NOW);
        let reason =
            said.strip_prefix("the envelope of the policy P is not valid: ").unwrap_or_else(|| panic!("{said}"));
        assert!(reason.starts_with(why), "{reason}, not {why}");
    }
}

#[test]
fn a_cut_envelope_is_refused() {
    let key = key();
    let pin = pin(&key, "prod");
    let text = seal(DOCUMENT, &terms(7), &key).expect("an envelope");
    for length in 0..text.len() {
        let said = refused(&text[..length], &pin, NOW);
        assert!(said.starts_with("the envelope of the policy P is not valid: "), "{length}: {said}");
    }
}

#[test]
fn a_document_has_at_most_a_mebibyte() {
    let key = key();
    let largest = " ".repeat(MAX_BYTES);
    let text = seal(&largest, &terms(1), &key).expect("an envelope");
    assert!(open("P", &text, &pin(&key, "prod"), time(NOW)).is_ok());
    let error = seal(&format!("{largest} "), &terms(1), &key).expect_err("too large");
    assert_eq!(error.to_string(), "the policy is larger than 1 MiB");
    let larger = text.replacen("\"policy\":\"", "\"policy\":\"ICAg", 1);
    assert_eq!(
        refused(&larger, &pin(&key, "prod"), NOW),
        "the envelope of the policy P is not valid: policy: it is larger than 1 MiB"
    );
    assert!(refused(&" ".repeat(MAX_TEXT_BYTES + 1), &pin(&key, "prod"), NOW).contains("larger than 1 MiB"));
}

#[test]
fn what_is_signed_is_told_from_what_is_not() {
    let text = seal(DOCUMENT, &terms(7), &key()).expect("an envelope");
    assert!(is_sealed(&text));
    for other in [DOCUMENT, "", "[]", "{", "{}"] {
        assert!(!is_sealed(other), "{other}");
    }
    assert_eq!(
        unpinned("P").to_string(),
        "the policy P is signed, and no key is given to check that with\n  name the key of whoever signs your policies \
         with --policy-key"
    );
}

#[test]
fn a_scope_is_one_word() {
    for text in ["default", "a", "teams/prod.eu-1_x", &"x".repeat(128)] {
        assert_eq!(Scope::parse(text).expect("a scope").as_str(), text);
    }
    for text in ["", "a b", "a\n", "a:b", "é", &"x".repeat(129)] {
        assert!(Scope::parse(text).is_err(), "{text}");
    }
    assert_eq!(Scope::default().to_string(), "default");
}

/// Made with OpenSSL 3.0: `openssl pkeyutl -sign -rawin -inkey key.pem -in message`.
#[test]
fn openssls_signature_is_taken() {
    let key = PrivateKey::parse(PRIVATE_PEM).expect("a key");
    let text = concat!(
        r#"{"sentinel_policy":"1","scope":"prod","serial":7,"not_after":"2027-01-01T00:00:00Z","policy":"e30=","#,
        r#""signature":"PSoSPoA4onnM7XJCvZOGYxWi7uIUkVJZGgk+e0ecnnPyd/Si1pBI4C+62bUHZlT8DQLx22RUd2HPp9GEYDPdAg=="}"#
    );
    let opened = open("P", text, &pin(&key, "prod"), time(NOW)).expect("a document");
    assert_eq!((opened.document.as_str(), opened.terms), ("{}", terms(7)));
}
