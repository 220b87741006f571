use serde_json::{Value, json};

use super::*;

fn open(options: &Options) -> Result<DecisionLog> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    DecisionLog::open(options, Arc::clone(&clock), Arc::new(Operator::stderr(clock, false)))
}

fn noon() -> Timestamp {
    "2026-01-31T12:00:00.0004Z".parse().expect("a time")
}

fn full<'a>(text: &'a str) -> Decision<'a> {
    Decision {
        user: Some(text),
        rule: Some(text),
        rule_index: Some(usize::MAX),
        policy_path: Some(text),
        request_id: Some(text),
        source_identity: Some(text),
        role_arn: Some(text),
        session_duration_seconds: Some(u64::MAX),
        mode: Some(Mode::CredentialProcess),
        endpoint: Some(text),
        peer: Some(Peer { pid: u32::MAX, uid: Uid(u32::MAX), gid: Some(Gid(u32::MAX)), executable: Some(text) }),
        account: Some(text),
        principal_id: Some(text),
        error: Some(text),
        ..Decision::new(noon(), text, Effect::Deny, text)
    }
}

#[test]
fn absent_fields_are_left_out() {
    assert_eq!(
        Decision::new(noon(), "dev", Effect::Allow, "no policy").line(),
        "{\"timestamp\":\"2026-01-31T12:00:00.000Z\",\"profile\":\"dev\",\"effect\":\"allow\",\"reason\":\"no policy\"}\n"
    );
}

#[test]
fn every_field_has_its_name() {
    let decision = Decision {
        user: Some("ann"),
        rule: Some("nights"),
        rule_index: Some(3),
        policy_path: Some("/etc/p.json"),
        request_id: Some("00000000deadbeef"),
        source_identity: Some("sentinel-ann-direct-deadbeef"),
        role_arn: Some("arn:aws:iam::123456789012:role/r"),
        session_duration_seconds: Some(900),
        mode: Some(Mode::Server),
        endpoint: Some("127.0.0.1:4000"),
        peer: Some(Peer { pid: 7, uid: Uid(1000), gid: Some(Gid(100)), executable: Some("/usr/bin/aws") }),
        account: Some("123456789012"),
        principal_id: Some("AIDAEXAMPLE"),
        error: Some("AccessDenied"),
        ..Decision::new(noon(), "prod", Effect::Deny, "not now")
    };
    assert_eq!(
        decision.line(),
        "{\"timestamp\":\"2026-01-31T12:00:00.000Z\",\"user\":\"ann\",\"profile\":\"prod\",\"effect\":\"deny\",\
         \"rule\":\"nights\",\"rule_index\":3,\"reason\":\"not now\",\"policy_path\":\"/etc/p.json\",\
         \"request_id\":\"00000000deadbeef\",\"source_identity\":\"sentinel-ann-direct-deadbeef\",\
         \"role_arn\":\"arn:aws:iam::123456789012:role/r\",\"session_duration_seconds\":900,\"mode\":\"server\",\
         \"endpoint\":\"127.0.0.1:4000\",\
         \"peer\":{\"pid\":7,\"uid\":1000,\"gid\":100,\"executable\":\"/usr/bin/aws\"},\
         \"account\":\"123456789012\",\"principal_id\":\"AIDAEXAMPLE\",\"error\":\"AccessDenied\"}\n"
    );
}

#[test]
fn text_from_outside_cannot_forge_a_line_or_a_field() {
    let text = "x\",\"effect\":\"allow\"}\n{\u{0}\u{7f}\u{85}\u{2028}\u{202e}\\";
    let line = Decision::new(noon(), text, Effect::Deny, "r").line();
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    assert!(line.chars().filter(|c| *c != '\n').all(|c| !escape::is_hidden(c)), "{line}");
    let value: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["profile"], text);
    assert_eq!(value["effect"], "deny");
}

#[test]
fn a_line_has_at_most_four_kibibytes() {
    for text in ["x".repeat(1 << 20), "\u{1}".repeat(5000), "🦀".repeat(400), "\"".repeat(300), "ab".repeat(95)] {
        let line = full(&text).line();
        assert!(line.len() <= MAX_RECORD_BYTES, "{}", line.len());
        // Little of the room is wasted: each of 13 texts may lose a whole escape, and a byte of the common limit.
        assert!(line.len() > MAX_RECORD_BYTES - 13 * 7 || !line.contains("...\""), "{}", line.len());
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["session_duration_seconds"], u64::MAX);
        assert_eq!(value["timestamp"], "2026-01-31T12:00:00.000Z");
        assert_eq!(value["mode"], "credential_process");
    }
}

#[test]
fn the_longest_texts_are_cut_first() {
    let long = "x".repeat(10_000);
    let decision =
        Decision { error: Some(&long), user: Some("ann"), ..Decision::new(noon(), "prod", Effect::Deny, "r") };
    let line = decision.line();
    assert_eq!(line.len(), MAX_RECORD_BYTES);
    let value: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&value["user"], &value["profile"], &value["reason"]), (&json!("ann"), &json!("prod"), &json!("r")));
    let error = value["error"].as_str().expect("text");
    assert_eq!(error.trim_end_matches("...").len(), error.len() - 3);
}

#[test]
fn a_log_without_a_place_is_refused() {
    let error = open(&Options::default()).err().expect("an error");
    assert_eq!(error.to_string(), "the decision log has nowhere to go\n  give --log-file or --log-stderr");
}

#[test]
fn a_place_that_fails_fails_the_decision() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let log = DecisionLog::to("two", writer);
    let error = log.record(&Decision::new(noon(), "dev", Effect::Allow, "r")).expect_err("a broken pipe");
    assert_eq!(error.to_string(), "cannot write the decision log to two: Broken pipe (os error 32)");
}

#[test]
fn the_stderr_log_opens_without_a_file() {
    assert!(open(&Options { stderr: true, ..Options::default() }).is_ok());
}
