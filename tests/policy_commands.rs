//! `sentinel policy ...` on files: what is said, and with which status.

use std::process::Command;

use crate::harness::{Finished, Sandbox, sentinel};

const POLICY: &str = r#"{ "version": "1", "accounts": ["123456789012"],
  "rules": [
    { "name": "deploy", "effect": "allow",
      "conditions": { "profiles": ["prod-*"], "users": ["alice"], "mode": ["server"],
        "peer": { "executables": ["/usr/bin/terraform"] },
        "time": { "days": ["saturday"], "hours": { "start": "22:00", "end": "06:00" }, "timezone": "Europe/Berlin" } } },
    { "name": "rest", "effect": "deny", "reason": "ask the platform team" } ] }
"#;

struct Setup(Sandbox);

impl Setup {
    fn new() -> Self {
        let setup = Self(Sandbox::with_endpoint("http://127.0.0.1:1"));
        setup.write("policy.json", POLICY);
        setup
    }

    fn write(&self, name: &str, text: &str) {
        self.0.write(name, text, 0o644);
    }

    /// `sentinel policy LINE`, in the directory of the files.
    fn policy(&self, line: &str) -> Finished {
        self.0.sentinel(["policy"]).args(line.split(' ')).cwd(&self.0.path("")).run()
    }

    #[track_caller]
    fn says(&self, line: &str, code: i32, stdout: &str, stderr: &str) {
        let done = self.policy(line);
        assert_eq!((done.code(), done.stdout.as_str(), done.stderr.as_str()), (code, stdout, stderr), "{line}");
    }
}

#[test]
fn valid_policies_are_told_from_others_and_all_are_looked_at() {
    let setup = Setup::new();
    setup.write("odd.json", r#"{"version":"1","rules":[{"name":"a","effect":"deny"},{"name":"b","effect":"allow"}]}"#);
    setup.write("bad.json", r#"{"version":"1","rulez":[]}"#);
    setup.says("validate policy.json", 0, "policy.json: valid\n", "");
    setup.says("validate --strict policy.json", 0, "policy.json: valid\n", "");
    let odd =
        "sentinel: the policy odd.json: the rule `b` is never reached: the rule `a` before it matches everything\n";
    setup.says("validate odd.json", 0, "odd.json: valid, 1 warning\n", odd);
    setup.says("validate --strict odd.json", 1, "odd.json: valid, 1 warning\n", odd);
    let bad = "sentinel: the policy bad.json is not valid: unknown field `rulez`\n  did you mean `rules`?\n";
    setup.says("validate bad.json policy.json", 1, "policy.json: valid\n", bad);
    let gone = "sentinel: cannot read the policy gone.json: No such file or directory (os error 2)\n";
    setup.says("validate gone.json", 1, "", gone);
}

const ASKED: &str = "policy.json --profile prod-eu --account 123456789012 --executable /usr/bin/terraform --sha256 \
                     0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_made_up_request_gets_the_answer_that_a_real_one_would() {
    let setup = Setup::new();
    let allowed = "allow: allowed by the rule deploy\n  rules[0] `deploy`\n";
    let denied = "deny: ask the platform team\n  rules[1] `rest`\n";
    let night = "--time 2026-01-31T23:30:00Z --user alice";
    setup.says(&format!("test {ASKED} {night}"), 0, allowed, "");
    setup.says(&format!("test {ASKED} {night} --expect allow"), 0, allowed, "");
    setup.says(&format!("test {ASKED} {night} --expect deny"), 1, allowed, "");
    setup.says(&format!("test {ASKED} {night} --mode cli"), 1, denied, "");
    setup.says(&format!("test {ASKED} {night} --mode cli --expect deny"), 0, denied, "");
    setup.says(&format!("test {ASKED} --time 2026-01-31T12:00:00Z --user alice"), 1, denied, "");
    setup.says(&format!("test {ASKED} --time 2026-01-31T23:30:00Z --user bob"), 1, denied, "");
    let unknown = "deny: the caller's identity is not known\n  rules[0] `deploy`\n";
    setup.says(&format!("test {ASKED} --time 2026-01-31T23:30:00Z"), 1, unknown, "");
    let foreign = "deny: the caller's account is not known\n  no rule\n";
    setup.says("test policy.json --profile prod-eu --user alice", 1, foreign, "");
    let program = "deny: the caller's program is not known: --executable is not given\n  rules[0] `deploy`\n";
    setup.says(&format!("test policy.json --profile prod-eu --account 123456789012 {night}"), 1, program, "");
    let json = "{\"effect\":\"deny\",\"reason\":\"ask the platform team\",\"rule\":\"rest\",\"rule_index\":1}\n";
    setup.says(&format!("test {ASKED} {night} --mode cli --json"), 1, json, "");
}

/// The same rule gives a profile's own role, and does not give that role to whoever asks for it by its ARN.
#[test]
fn a_role_is_the_profiles_own_or_asked_for() {
    let setup = Setup::new();
    let one = "arn:aws:iam::123456789012:role/one";
    let rules = r#"{"version":"1","rules":[{"name":"r","effect":"allow"}]}"#;
    setup.write("own.json", rules);
    setup.write("named.json", &rules.replace("\"allow\"", &format!(r#""allow","role_arns":["{one}"]"#)));
    let allowed = "allow: allowed by the rule r\n  rules[0] `r`\n";
    let (own, asked) =
        (format!("  for {one}, as the profile's own role\n"), format!("  for {one}, asked for by its ARN\n"));
    let line = format!("--profile p --role-arn {one}");
    setup.says(&format!("test own.json {line}"), 0, &format!("{allowed}{own}"), "");
    let denied = format!("deny: the rule r gives no roles\n  rules[0] `r`\n{asked}");
    setup.says(&format!("test own.json {line} --by-arn"), 1, &denied, "");
    setup.says(&format!("test named.json {line} --by-arn"), 0, &format!("{allowed}{asked}"), "");
    let explained = format!("rules[0] `r` (allow) matches\ndeny: the rule r gives no roles\n{asked}");
    setup.says(&format!("explain own.json {line} --by-arn"), 1, &explained, "");
    let json = format!(
        "{{\"by_arn\":true,\"effect\":\"deny\",\"reason\":\"the rule r gives no roles\",\"role_arn\":\"{one}\",\"rule\":\"r\",\"rule_index\":0}}\n"
    );
    setup.says(&format!("test own.json {line} --by-arn --json"), 1, &json, "");
    let missing = "sentinel: --by-arn needs --role-arn\n  name the role: `--role-arn ARN`\n";
    setup.says("test own.json --profile p --by-arn", 2, "", missing);
}

#[test]
fn an_explanation_names_each_condition_that_fails() {
    let setup = Setup::new();
    let expected = "rules[0] `deploy` (allow) does not match\n  mode: server; this is cli\n  users: `alice`; this is `bob`\n\
                    rules[1] `rest` (deny) matches\ndeny: ask the platform team\n";
    let line = format!("explain {ASKED} --time 2026-01-31T23:30:00Z --user bob --mode cli");
    setup.says(&line, 1, expected, "");
    setup.says(&format!("{line} --expect deny"), 0, expected, "");
    let done = setup.policy(&format!("{line} --json"));
    let json: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(json["rules"][0]["differences"][0]["condition"], "mode", "{json}");
    assert_eq!(json["verdict"]["rule"], "rest", "{json}");
}

#[test]
fn what_is_signed_is_valid_for_whoever_pins_the_key_alone() {
    let setup = Setup::new();
    let key = setup.policy("keygen --out policy.key");
    let public = key.stdout.trim().to_owned();
    assert_eq!((key.code(), public.len(), key.stderr.as_str()), (0, 44, ""), "{key}");
    let there = "sentinel: policy.key is there already\n  keys are not replaced: name a new file\n";
    setup.says("keygen --out policy.key", 1, "", there);

    let terms = "--key policy.key --scope prod --serial 7 --not-after 2100-01-01T00:00:00Z";
    setup.says(&format!("sign policy.json {terms} --out signed.json"), 0, "", "");
    let whole = std::fs::read_to_string(setup.0.path("signed.json")).expect("a file");
    assert_eq!(setup.policy(&format!("sign policy.json {terms}")).stdout, whole);
    let valid = "signed.json: valid, signed for the scope `prod`, serial 7, until 2100-01-01T00:00:00Z\n";
    setup.says(&format!("validate signed.json --policy-scope prod --policy-key {public}"), 0, valid, "");
    let unpinned = "sentinel: the policy signed.json is signed, and no key is given to check that with\n  name the key of \
                    whoever signs your policies with --policy-key\n";
    setup.says("validate signed.json", 1, "", unpinned);
    setup
        .policy(&format!("validate signed.json --policy-key {public}"))
        .failed_with(1, &["for the scope `prod`, not for `default`"]);
    let plain = setup.policy(&format!("validate policy.json --policy-key {public}"));
    plain.failed_with(1, &["the policy policy.json is not signed"]);
}

#[test]
fn what_no_host_would_obey_is_not_signed() {
    let setup = Setup::new();
    setup.policy("keygen --out policy.key");
    setup.write("bad.json", "{}");
    let terms = "--key policy.key --serial 7 --not-after";
    setup.policy(&format!("sign bad.json {terms} 90d")).failed_with(1, &["the policy bad.json is not valid"]);
    let done = setup.policy(&format!("sign policy.json {terms} 2020-01-01T00:00:00Z"));
    done.failed_with(2, &["--not-after 2020-01-01T00:00:00Z is in the past"]);
    setup
        .policy(&format!("sign policy.json {terms} soon"))
        .failed_with(2, &["is not a time", "or 90d for 90 days from now"]);
    setup.0.write("policy.key", &std::fs::read_to_string(setup.0.path("policy.key")).expect("a key"), 0o640);
    let done = setup.policy(&format!("sign policy.json {terms} 90d"));
    done.failed_with(1, &["the signing key policy.key is open to its group or others (mode 0640)"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn files_are_compared_as_diff_does() {
    let setup = Setup::new();
    setup.write("other.json", &POLICY.replace("\"deny\"", "\"allow\""));
    setup.says("diff policy.json policy.json", 0, "", "");
    let done = setup.policy("diff policy.json other.json");
    assert_eq!(done.code(), 1, "{done}");
    let changed: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed.len(), 4, "{done}");
    assert_eq!(changed[..2], ["--- policy.json", "+++ other.json"]);
}

/// The README's own lines, run by a shell: a policy that OpenSSL signed is valid.
#[test]
fn openssl_signs_policies_as_the_readme_says() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("OpenSSL 3 alone:\n\n").expect("the README's lines");
    let lines: Vec<&str> = rest.lines().take_while(|line| line.starts_with("    ")).collect();
    assert!(lines.len() > 5, "{lines:?}");
    assert!(Command::new("openssl").arg("version").output().is_ok(), "openssl is needed by this test");
    let setup = Setup::new();
    let directory = std::path::Path::new(sentinel()).parent().expect("a directory");
    let path = std::env::join_paths([directory.into(), "/usr/bin".into(), "/bin".into()] as [std::path::PathBuf; 3]);
    let script = lines.join("\n");
    let run =
        setup.0.program("sh").args(["-eu", "-c", &script]).cwd(&setup.0.path("")).env("PATH", path.expect("a path"));
    let done = run.run();
    assert_eq!(done.code(), 0, "{done}");
    assert!(
        done.stdout.starts_with("signed.json: valid, signed for the scope `default`, serial 1, until 20"),
        "{done}"
    );
}
