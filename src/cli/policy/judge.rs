//! `sentinel policy test` and `sentinel policy explain`: what a policy says to a request that is made up.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document;
use crate::cli::settings::{Asked, Judge, Os};
use crate::clock::Clock;
use crate::digest::{hex, sha256};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::{Effect, Explanation, Outcome, PeerFacts, Policy, Program, Question, Verdict};
use crate::sys::user::effective_uid;

/// The largest program that is hashed: what attestation takes is far below.
const PROGRAM_MAX_BYTES: u64 = 1 << 30;

/// Prints what comes of it.
pub(super) fn test(settings: &Judge, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let verdict = with_question(settings, env, clock, |policy, question| policy.evaluate(question))?;
    let text = match settings.json {
        true => format!("{}\n", with_role(verdict_json(&verdict), &settings.asked)),
        false => {
            let rule =
                verdict.rule.as_ref().map_or("no rule".to_owned(), |(index, name)| format!("rules[{index}] `{name}`"));
            format!("{}: {}\n  {rule}\n{}", verdict.effect.as_str(), verdict.reason, role(&settings.asked))
        }
    };
    crate::cli::print(&text)?;
    status(settings, &verdict)
}

/// Prints what each rule says.
pub(super) fn explain(settings: &Judge, env: &Env, clock: &Arc<dyn Clock>) -> Result<u8> {
    let explanation = with_question(settings, env, clock, |policy, question| policy.explain(question))?;
    let text = if settings.json {
        format!("{}\n", with_role(explanation_json(&explanation), &settings.asked))
    } else {
        format!("{explanation}\n{}", role(&settings.asked))
    };
    crate::cli::print(&text)?;
    status(settings, &explanation.verdict)
}

/// 0 for an allow; with `--expect` for the effect that was expected.
fn status(settings: &Judge, verdict: &Verdict) -> Result<u8> {
    let expected = settings.expect.unwrap_or(Effect::Allow);
    Ok(u8::from(verdict.effect != expected))
}

/// Reads the policy, and asks it.
fn with_question<T>(
    settings: &Judge,
    env: &Env,
    clock: &Arc<dyn Clock>,
    ask: impl FnOnce(&Policy, &Question<'_>) -> T,
) -> Result<T> {
    let Asked { profile, user, account, mode, time, uid, role_arn, by_arn, os, .. } = &settings.asked;
    let found = document::of(&settings.source, settings.state_dir.as_deref(), env, clock)?;
    let (path, digest) = program(&settings.asked)?;
    let program = match (&path, &digest) {
        (Some(path), Some(sha256)) => Ok(Program { path, sha256 }),
        (Some(_), None) => Err("--executable is not a file of this host, and --sha256 is not given"),
        (None, _) => Err("--executable is not given"),
    };
    let question = Question {
        profile,
        user: user.as_deref(),
        account: account.as_deref(),
        role_arn: role_arn.as_deref(),
        by_arn: *by_arn,
        mode: *mode,
        peer: PeerFacts { uid: uid.unwrap_or(effective_uid().0), program },
        os: match os {
            Some(Os::Linux) => "linux",
            Some(Os::Macos) => "macos",
            None => std::env::consts::OS,
        },
        now: time.unwrap_or_else(|| clock.wall()),
    };
    Ok(ask(&found.checked.policy, &question))
}

/// The program's path and digest. A digest that is not given is the file's, where there is one.
fn program(asked: &Asked) -> Result<(Option<String>, Option<String>)> {
    let Some(path) = &asked.executable else { return Ok((None, asked.sha256.clone())) };
    let text = path.to_str().ok_or_else(|| Error::usage("the value of --executable is not UTF-8"))?;
    let digest = asked.sha256.clone().or_else(|| digest_of(path));
    Ok((Some(text.to_owned()), digest))
}

fn digest_of(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(PROGRAM_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(hex(&sha256(&bytes)))
}

/// Whose role the question was about: a rule without `role_arns` gives the profile's own, and no other.
fn role(asked: &Asked) -> String {
    match &asked.role_arn {
        Some(role) if asked.by_arn => format!("  for {role}, asked for by its ARN\n"),
        Some(role) => format!("  for {role}, as the profile's own role\n"),
        None => String::new(),
    }
}

fn with_role(mut answer: Value, asked: &Asked) -> Value {
    if let (Some(role), Value::Object(fields)) = (&asked.role_arn, &mut answer) {
        fields.insert("role_arn".to_owned(), json!(role));
        fields.insert("by_arn".to_owned(), json!(asked.by_arn));
    }
    answer
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({
        "effect": verdict.effect.as_str(),
        "rule": verdict.rule.as_ref().map(|(_, name)| name.to_string()),
        "rule_index": verdict.rule.as_ref().map(|(index, _)| *index),
        "reason": verdict.reason.to_string(),
    })
}

fn explanation_json(explanation: &Explanation) -> Value {
    let rules: Vec<Value> = explanation
        .rules
        .iter()
        .map(|rule| {
            let (outcome, why, differences) = match &rule.outcome {
                Outcome::Matches => ("matches", None, Vec::new()),
                Outcome::Unknown(why) => ("unknown", Some(why.to_string()), Vec::new()),
                Outcome::NotReached => ("not_reached", None, Vec::new()),
                Outcome::Differs(differences) => ("differs", None, differences.iter().collect()),
            };
            let differences: Vec<Value> = differences
                .iter()
                .map(|one| json!({"condition": one.condition.as_str(), "wanted": one.wanted, "found": one.found}))
                .collect();
            json!({
                "rule": rule.name.to_string(),
                "rule_index": rule.index,
                "effect": rule.effect.as_str(),
                "outcome": outcome,
                "why": why,
                "differences": differences,
            })
        })
        .collect();
    json!({"rules": rules, "verdict": verdict_json(&explanation.verdict)})
}
