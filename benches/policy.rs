//! A policy of a thousand rules with every kind of condition, of which the last one matches.

use std::hint::black_box;

use sentinel::clock::{Clock, SystemClock};
use sentinel::policy::{Mode, PeerFacts, Policy, Program, Question};

use crate::Failure;
use crate::report::{Report, Wanted};
use crate::stats::Spread;

const RULES: usize = 1000;
const ROUNDS: usize = 200;
const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Measures one evaluation.
pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    let rules: Vec<String> = (0..RULES).map(rule).collect();
    let text = format!(r#"{{"version":"1","accounts":["123456789012"],"rules":[{}]}}"#, rules.join(","));
    let policy = Policy::parse(&text).map_err(|flaw| flaw.in_document("of the bench"))?;
    let program = Program { path: "/usr/bin/terraform", sha256: DIGEST };
    let question = Question {
        profile: "prod-deploy-eu",
        user: Some("role:ci"),
        account: Some("123456789012"),
        role_arn: Some("arn:aws:iam::123456789012:role/deploy"),
        by_arn: false,
        mode: Mode::Server,
        peer: PeerFacts { uid: 1001, program: Ok(program) },
        os: "linux",
        // A Friday.
        now: "2026-01-02T23:00:00Z".parse()?,
    };
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let began = SystemClock.boot();
        let verdict = policy.evaluate(black_box(&question));
        samples.push(SystemClock.boot().saturating_sub(began).as_secs_f64() * 1e6);
        if verdict.rule.map(|(index, _)| index) != Some(RULES - 1) {
            return Err("another rule than the last one decided".into());
        }
    }
    let what = format!("{RULES} rules with every kind of condition, the last one matches");
    report.row(what, Spread::of(samples), Wanted::AtMost(100.0, "us"), String::new());
    Ok(())
}

/// Every rule but the last one wants another program, which is looked at after everything else.
fn rule(index: usize) -> String {
    let executable = if index + 1 == RULES { "terraform" } else { "terraform2" };
    format!(
        r#"{{"name":"r{index}","effect":"allow","max_server_duration":"15m",
            "role_arns":["arn:aws:iam::123456789012:role/deploy"],
            "conditions":{{"profiles":["dev-*","*deploy*"],"users":["ann","role:*"],"mode":["cli","server"],
              "time":{{"days":["friday"],"hours":{{"start":"22:00","end":"06:00"}},"timezone":"Europe/London"}},
              "peer":{{"uids":[0,1001],"executables":["/usr/bin/{executable}"],"sha256":["{DIGEST}"]}},
              "device":{{"allowed_os_types":["linux"]}}}}}}"#
    )
}
