//! From settings to a vendor: what every command that gets credentials does first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reach::{Place, Reach};
use super::settings::{Common, PolicyPlace};
use super::{code, policy_source, session_policy};
use crate::broker::Broker;
use crate::clock::{Clock, SystemClock};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::launch::settings::{Facts, Services};
use crate::log::decision::{Decision, DecisionLog, Options};
use crate::log::operator::Operator;
use crate::policy::{Effect, Mode, PolicySource};
use crate::profile::{Wanted, resolve};
use crate::source::plan::{Plan, SessionPolicies};
use crate::source::{Chain, Vault};
use crate::sys::user::effective_uid;
use crate::trusted;
use crate::vending::{Refused, UNREADABLE, Vended, Vendor};

/// How long a person waits for AWS before a command starts.
pub(super) const START_LIMIT: Duration = Duration::from_secs(30);
/// How long sessions live that nobody gave a duration for.
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(3600);

/// What a command works with.
pub(super) struct Prepared {
    pub(super) vendor: Vendor,
    pub(super) profile: Profile,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) operator: Arc<Operator>,
    /// There is a code, which does not keep: the first credentials cannot wait for a request.
    pub(super) has_code: bool,
}

/// What of a profile is not about credentials.
pub(super) struct Profile {
    name: String,
    region: Option<String>,
    settings: Vec<(String, String)>,
    services: Option<(String, Vec<(String, String)>)>,
}

impl Profile {
    /// What the launcher has to know.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            profile_name: &self.name,
            region: self.region.as_deref(),
            settings: &self.settings,
            services: self.services.as_ref().map(|(name, settings)| Services { name, settings }),
        }
    }
}

/// What of the plan depends on the command.
pub(super) struct Purpose {
    pub(super) mode: Mode,
    pub(super) served: bool,
    pub(super) duration: Option<Duration>,
    pub(super) default_duration: Duration,
}

/// Reads the profile, the policy and the log's place, and gets the code of an MFA device where one is needed. Nothing is
/// asked of AWS yet.
pub(super) fn prepare(common: &Common, env: &Env, purpose: &Purpose) -> Result<Prepared> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), common.debug));
    let wanted = Wanted { profile: common.profile.as_deref(), region: common.region.as_deref() };
    let mut resolved = resolve(&wanted, env)?;
    let place = Place::of(&resolved);
    let profile = Profile {
        name: resolved.name.clone(),
        region: resolved.region.clone(),
        settings: std::mem::take(&mut resolved.settings),
        services: resolved.services.take(),
    };
    let log = log_options(common, env)?;
    let log = DecisionLog::open(&log, Arc::clone(&clock), Arc::clone(&operator))?;
    let plan = Plan {
        duration: purpose.duration,
        default_duration: purpose.default_duration,
        no_session: common.no_session,
        served: purpose.served,
        judged: common.policy.place.is_some(),
        source_identity: common.source_identity,
        session_policies: SessionPolicies {
            document: common.session_policy.as_deref().map(session_policy::read).transpose()?,
            arns: common.policy_arns.clone(),
        },
    };
    let chain = Chain::new(resolved, plan, env, Arc::clone(&clock), Arc::clone(&operator))?;
    let denial =
        Decision { mode: Some(purpose.mode), ..Decision::new(clock.wall(), &profile.name, Effect::Deny, UNREADABLE) };
    let reach = || Reach::of_run(&common.policy.access, place, &chain, env, &clock);
    let policy = open_policy(common, env, reach, &clock, (denial, &log))?;
    let device = chain.code_wanted()?;
    let has_code = device.is_some();
    match device {
        Some(mfa) => chain.give_code(code::obtain(mfa, common, env, clock.as_ref())?),
        None if common.mfa_token.is_some() => {
            operator.log("mfa", &format!("the MFA code is not used: nothing asks profile `{}` for one", profile.name));
        }
        None => {}
    }
    let broker = Broker::new(profile.name.clone(), purpose.mode, policy, Arc::clone(&clock));
    let vault = Vault::new(Arc::new(chain), Arc::clone(&clock));
    let vendor = Vendor::new(broker, vault, log, Arc::clone(&clock));
    Ok(Prepared { vendor, profile, clock, operator, has_code })
}

/// Reads the policy for the first time, where there is one. One that cannot be read denies, so the denial goes on record.
fn open_policy(
    common: &Common,
    env: &Env,
    reach: impl FnOnce() -> Result<Reach>,
    clock: &Arc<dyn Clock>,
    (denial, log): (Decision<'_>, &DecisionLog),
) -> Result<Option<Arc<PolicySource>>> {
    let state_directory = || {
        let directory = state_directory(common.stores.state_dir.as_deref(), env)?;
        trusted::private_directory("the state directory", &directory)?;
        Ok(directory)
    };
    let source = policy_source::of(&common.policy, reach, state_directory, clock).and_then(|source| match source {
        Some(source) => source.current(START_LIMIT).map(|_| Some(Arc::new(source))),
        None => Ok(None),
    });
    source.or_else(|error| {
        let name = common.policy.place.as_ref().map(PolicyPlace::name);
        log.record(&Decision { policy_path: name.as_deref(), error: Some(&error.summary()), ..denial })?;
        Err(error)
    })
}

/// Vends to this process's own user, or says why not.
pub(super) fn vend_to_invoker(vendor: &Vendor) -> Result<Vended> {
    let invoker = crate::auth::Caller::invoker(crate::auth::Invoker);
    vendor.vend(invoker, START_LIMIT).map_err(|refused| {
        let profile = vendor.profile();
        match refused {
            Refused::Policy(verdict) => Error::new(format!("policy denied profile `{profile}`: {}", verdict.reason))
                .hint(match verdict.rule {
                    Some((_, rule)) => format!("rule `{rule}` decided; ask whoever keeps the policy"),
                    None => "no rule of the policy allows it; ask whoever keeps the policy".to_owned(),
                }),
            Refused::Pending => Error::new(format!("there were no credentials for profile `{profile}` within 30 s"))
                .hint("AWS, or the profile's credential_process, takes longer: check the network, finish the login, try again"),
            Refused::PolicyFailed(error) | Refused::Failed(error) => {
                Arc::try_unwrap(error).unwrap_or_else(|shared| Error::new(shared.to_string()))
            }
        }
    })
}

/// Where decisions go, and what proves them.
fn log_options(common: &Common, env: &Env) -> Result<Options> {
    Ok(Options {
        file: Some(log_file(common, env)?),
        stderr: common.log.stderr,
        key: common.log.key.clone(),
        fsync: common.log.fsync,
        anchor: common.log.anchor,
        syslog: common.log.syslog,
        syslog_socket: common.log.syslog_socket.clone(),
        device_id: None,
        // It runs as the user whom it serves.
        deployment: Some("advisory".to_owned()),
    })
}

/// The same as [`log_path`], in a directory that is there.
fn log_file(common: &Common, env: &Env) -> Result<PathBuf> {
    let (log_file, state_dir) = (common.log.file.as_deref(), common.stores.state_dir.as_deref());
    if log_file.is_none() {
        trusted::private_directory("the state directory", &state_directory(state_dir, env)?)?;
    }
    log_path(log_file, state_dir, env)
}

/// `--log-file`, or decisions.jsonl in the state directory.
pub(super) fn log_path(log_file: Option<&Path>, state_dir: Option<&Path>, env: &Env) -> Result<PathBuf> {
    match log_file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(state_directory(state_dir, env)?.join("decisions.jsonl")),
    }
}

/// `--state-dir`, `$XDG_STATE_HOME/sentinel`, /var/lib/sentinel for root, `~/.local/state/sentinel`.
fn state_directory(state_dir: Option<&Path>, env: &Env) -> Result<PathBuf> {
    if let Some(directory) = state_dir {
        return Ok(directory.to_owned());
    }
    if let Some(home) = env.os("XDG_STATE_HOME") {
        return Ok(PathBuf::from(home).join("sentinel"));
    }
    if effective_uid().0 == 0 {
        return Ok(PathBuf::from("/var/lib/sentinel"));
    }
    let home = env.os("HOME").ok_or_else(|| {
        Error::new("there is no place for the decision log: neither XDG_STATE_HOME nor HOME is set")
            .hint("give --log-file or --state-dir")
    })?;
    Ok(PathBuf::from(home).join(".local/state/sentinel"))
}
