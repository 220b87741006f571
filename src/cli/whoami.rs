//! `sentinel whoami`: who the person is to AWS, how the profile resolves, what the policy says of it, and what that is worth.
//!
//! It gives no credentials, so that no decision stands before it and none is recorded. What cannot be found out is said, and
//! the rest is printed.

mod report;

use std::sync::Arc;

use report::{Inside, Policy, Report, Step, Verdict};

use super::policy_source;
use super::prepare::{DEFAULT_DURATION, START_LIMIT, state_directory};
use super::reach::{Place, Reach};
use super::settings::{PolicyPlace, Whoami};
use crate::aws::endpoint::{self, Variant};
use crate::aws::identity::Identity;
use crate::clock::{Clock, SystemClock};
use crate::deployment::Deployment;
use crate::device::device_id;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::policy::{Effect, Mode, PeerFacts, PolicySource, Question};
use crate::profile::{self, Base, Resolved, Wanted, resolve};
use crate::source::plan::{Plan, SessionPolicies, SourceIdentityRule};
use crate::source::{Chain, Source};
use crate::sys::process::refuse_inspection;
use crate::sys::user::effective_uid;
use crate::trusted;

/// What a rule is told of the program that asks: there is none yet.
const NO_PROGRAM: &str = "it is known when a program asks";

/// Prints the report and returns the exit status: 1 if something could not be found out.
///
/// # Errors
/// The profile does not resolve.
pub(super) fn run(settings: &Whoami, env: &Env) -> Result<u8> {
    refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    let report = look(settings, env)?;
    let text = if settings.json { report.json() } else { report.text() };
    super::print(&text)?;
    Ok(u8::from(!report.failures.is_empty()))
}

fn look(settings: &Whoami, env: &Env) -> Result<Report> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let wanted = Wanted { profile: settings.profile.as_deref(), region: settings.region.as_deref() };
    let resolved = resolve(&wanted, env).map_err(|error| match inside(env) {
        Ok(Some(around)) if settings.profile.is_none() && around.is_server() => served_alone(&around),
        _ => error,
    })?;
    let mut report = Report {
        profile: resolved.name.clone(),
        chain: steps(&resolved),
        region: resolved.region.clone(),
        sts_endpoint: sts_endpoint(&resolved),
        deployment: Deployment::OF_A_RUN,
        device_id: device_id(),
        inside: inside(env)?,
        ..Report::default()
    };
    let place = Place::of(&resolved);
    let plan = Plan {
        duration: None,
        default_duration: DEFAULT_DURATION,
        no_session: false,
        served: false,
        judged: settings.policy.place.is_some(),
        source_identity: SourceIdentityRule::Off,
        session_policies: SessionPolicies::default(),
    };
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
    let chain = Chain::new(resolved, plan, env, Arc::clone(&clock), operator)?;
    let identity = chain.identity().map_err(|error| report.failures.push(error.line())).ok();
    if let Some(identity) = &identity {
        report.user = Some(identity.user());
        report.arn = Some(identity.arn.clone());
        report.account = Some(identity.account.clone());
        report.principal_id = Some(identity.user_id.clone());
    }

    report.policy_required_by = settings.policy.required_by.as_ref().map(|path| path.display().to_string());
    let reach = || Reach::of_run(&settings.policy.access, place, &chain, env, &clock);
    let state_directory = || {
        let directory = state_directory(settings.stores.state_dir.as_deref(), env)?;
        trusted::private_directory("the state directory", &directory)?;
        Ok(directory)
    };
    let source = settings.policy.check_required();
    let source = source.and_then(|()| policy_source::of(&settings.policy, reach, state_directory, &clock));
    match source {
        Ok(None) => report.verdicts = Mode::ALL.map(|mode| said(mode, Effect::Allow, None, "no policy")).to_vec(),
        Ok(Some(source)) => {
            let role = chain.role_arn();
            judge(&mut report, settings, &source, identity.as_deref(), role, clock.as_ref());
        }
        Err(error) => {
            report.policy = settings.policy.place.as_ref().map(|place| unread(settings, place));
            denied(&mut report, &error);
        }
    }
    Ok(report)
}

/// Asks the policy about each mode.
fn judge(
    report: &mut Report,
    settings: &Whoami,
    source: &PolicySource,
    identity: Option<&Identity>,
    role_arn: Option<&str>,
    clock: &dyn Clock,
) {
    report.policy = settings.policy.place.as_ref().map(|place| unread(settings, place));
    let policy = match source.current(START_LIMIT) {
        Ok(policy) => policy,
        Err(error) => return denied(report, &error),
    };
    if let Some(found) = &mut report.policy {
        found.digest = Some(policy.digest().to_owned());
    }
    let user = identity.map(Identity::user);
    let question = Question {
        profile: &report.profile,
        user: user.as_deref(),
        account: identity.map(|identity| identity.account.as_str()),
        role_arn,
        by_arn: false,
        mode: Mode::Server,
        peer: PeerFacts { uid: effective_uid().0, program: Err(NO_PROGRAM) },
        os: std::env::consts::OS,
        now: clock.wall(),
    };
    let answer = |mode| {
        let verdict = policy.evaluate(&Question { mode, ..question });
        let rule = verdict.rule.as_ref().map(|(index, name)| (*index, name.to_string()));
        said(mode, verdict.effect, rule, &verdict.reason)
    };
    report.verdicts = Mode::ALL.map(answer).to_vec();
}

fn said(mode: Mode, effect: Effect, rule: Option<(usize, String)>, reason: &str) -> Verdict {
    let (rule_index, rule) = rule.unzip();
    Verdict { mode: mode.as_str(), effect: effect.as_str(), rule, rule_index, reason: reason.to_owned() }
}

/// Without a policy that can be obeyed everything is denied.
fn denied(report: &mut Report, error: &Error) {
    report.failures.push(error.line());
    report.verdicts = Mode::ALL.map(|mode| said(mode, Effect::Deny, None, crate::vending::UNREADABLE)).to_vec();
}

fn unread(settings: &Whoami, place: &PolicyPlace) -> Policy {
    let signed = settings.policy.key.is_some();
    let scope = signed.then(|| settings.policy.scope.clone());
    Policy { source: place.name(), signed, scope, digest: None }
}

/// From the first keys to the credentials.
fn steps(resolved: &Resolved) -> Vec<Step> {
    let keys =
        |from: String, access_key_id: Option<&String>| Step::Keys { from, access_key_id: access_key_id.cloned() };
    let mut steps = vec![match &resolved.base {
        Base::Environment(held) => keys("the environment".to_owned(), Some(&held.access_key_id)),
        Base::Keys { profile, file, keys: held } => {
            keys(format!("profile `{profile}` in {}", file.display()), Some(&held.access_key_id))
        }
        // Not its command, which may hold a secret.
        Base::Process { profile, .. } => keys(format!("the credential_process of profile `{profile}`"), None),
    }];
    if let Some(mfa) = &resolved.mfa {
        steps.push(Step::Session { mfa_serial: Some(mfa.serial.clone()) });
    } else if resolved.roles.is_empty() && is_long_lived(&resolved.base) {
        steps.push(Step::Session { mfa_serial: None });
    }
    steps.extend(resolved.roles.iter().map(|role| Step::Role {
        role_arn: role.role_arn.clone(),
        profile: role.profile.clone(),
        mfa_serial: role.mfa.as_ref().map(|mfa| mfa.serial.clone()),
    }));
    steps
}

fn is_long_lived(base: &Base) -> bool {
    match base {
        Base::Environment(keys) | Base::Keys { keys, .. } => keys.session_token.is_none(),
        Base::Process { .. } => false,
    }
}

/// Where STS is called; nothing where that is not known or not usable, which the chain then says.
fn sts_endpoint(resolved: &Resolved) -> Option<String> {
    let profile::Variant { fips, dual_stack, legacy_sts } = resolved.variant;
    let variant = Variant { fips, dual_stack, legacy: legacy_sts };
    let endpoint = endpoint::sts(resolved.region.as_deref()?, resolved.sts_endpoint_url.as_deref(), variant).ok()?;
    Some(endpoint.url().to_owned())
}

/// In a server's tree there are credentials for SDKs, and no keys that sentinel would take.
fn served_alone(around: &Inside) -> Error {
    let session = around.session_id.as_deref().map(|id| format!(", session {id}")).unwrap_or_default();
    Error::new(format!("this is inside `sentinel exec --server` for profile `{}`{session}", around.profile)).hint(
        "`aws sts get-caller-identity` says whom its credentials are for; outside of it `sentinel whoami` says the rest",
    )
}

/// The run that this process is inside of, as its environment says.
fn inside(env: &Env) -> Result<Option<Inside>> {
    let Some(profile) = env.text("AWS_SENTINEL")? else { return Ok(None) };
    let served = if let Some(socket) = env.text("SENTINEL_UNIX_SOCKET")? {
        Some(socket.to_owned())
    } else {
        env.text("AWS_CONTAINER_CREDENTIALS_FULL_URI")?.map(str::to_owned)
    };
    let session_id = env.text("SENTINEL_SESSION_ID")?.map(str::to_owned);
    Ok(Some(Inside { profile: profile.to_owned(), served, session_id }))
}
