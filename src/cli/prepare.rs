//! From settings to a vendor: what every command that gets credentials does first.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::reach::{Place, Reach};
use super::settings::{self, Common, PolicyPlace};
use super::{code, policy_source, session_policy, stores};
use crate::auth::{Caller, Invoker};
use crate::aws::identity::Identity;
use crate::broker::Broker;
use crate::broker::keeper::{self, Charge, Keeper, Start};
use crate::broker::standing::Standing;
use crate::clock::{Clock, SystemClock};
use crate::deployment::Deployment;
use crate::device::device_id;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::launch::settings::{Facts, Services};
use crate::log::decision::{Decision, DecisionLog, Options};
use crate::log::operator::Operator;
use crate::policy::{Effect, Mode, PolicySource};
use crate::profile::{Wanted, resolve};
use crate::server::Closer;
use crate::source::plan::{Plan, SessionPolicies};
use crate::source::{Chain, Source, Vault};
use crate::store::Engine;
use crate::sys::user::effective_uid;
use crate::trusted;
use crate::vending::{Refused, UNREADABLE, Vended, Vendor, Which};

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
    /// What a code was given to. It does not keep: what it is for cannot wait for a request.
    pub(super) coded: Option<Arc<Chain>>,
    /// Keeps the session and what was approved; ends the session when it is dropped.
    pub(super) keeper: Option<Keeper>,
    /// The session of a server.
    pub(super) session_id: Option<Arc<str>>,
    /// What closes the server's connections when its session is revoked, once there is a server.
    pub(super) closer: Arc<OnceLock<Closer>>,
    /// Opens the stores, where records count.
    pub(super) stores: Option<Opening>,
}

/// Opens the stores anew, for another thread.
pub(super) type Opening = Arc<dyn Fn() -> Result<Arc<dyn Engine>> + Send + Sync>;

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
#[derive(Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) mode: Mode,
    /// In place of the one that the settings name.
    pub(super) profile: Option<&'a str>,
    pub(super) deployment: Deployment,
    pub(super) served: bool,
    /// Somebody can be asked for a code.
    pub(super) attended: bool,
    pub(super) duration: Option<Duration>,
    pub(super) default_duration: Duration,
}

/// Reads the profile, the policy and the log's place, and gets the code of an MFA device where one is needed. Nothing is
/// asked of AWS yet, but for a policy that is a parameter, which is waited for up to [`START_LIMIT`].
pub(super) fn prepare(common: &Common, env: &Env, purpose: &Purpose<'_>) -> Result<Prepared> {
    common.policy.check_required()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let operator = Arc::new(Operator::stderr(Arc::clone(&clock), common.debug));
    let wanted = Wanted { profile: purpose.profile.or(common.profile.as_deref()), region: common.region.as_deref() };
    let mut resolved = resolve(&wanted, env)?;
    let place = Place::of(&resolved);
    let profile = Profile {
        name: resolved.name.clone(),
        region: resolved.region.clone(),
        settings: std::mem::take(&mut resolved.settings),
        services: resolved.services.take(),
    };
    let log_of = (&common.log, purpose.deployment);
    let log = open_log(log_of, common.stores.state_dir.as_deref(), env, &clock, &operator)?;
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
    let reach = || Reach::of_run(&common.policy.access, place.clone(), &chain, env, &clock);
    let policy = open_policy(common, env, reach, &clock, (denial, &log))?;
    let device = chain.code_wanted()?;
    let has_code = device.is_some();
    match device {
        // Nor would a program's code do: what it opens ends, and a service does not.
        Some(mfa) if !purpose.attended => {
            let profile = mfa.profile.as_str();
            return Err(Error::new(format!(
                "profile `{profile}` asks for MFA, and nobody is there to ask while a service runs"
            ))
            .hint("give the service's own keys a role without mfa_serial"));
        }
        Some(mfa) => chain.give_code(code::obtain(mfa, common, env, clock.as_ref())?),
        None if common.mfa_token.is_some() => {
            operator.log("mfa", &format!("the MFA code is not used: nothing asks profile `{}` for one", profile.name));
        }
        None => {}
    }
    let chain = Arc::new(chain);
    let coded = has_code.then(|| Arc::clone(&chain));
    let standing = Arc::new(Standing::new(purpose.served, Arc::clone(&clock)));
    let closer = Arc::new(OnceLock::new());
    let session_id = if purpose.served { Some(keeper::session_id()?) } else { None };
    let records = || policy.as_ref().is_some_and(|policy| needs_records(policy));
    let (keeper, opening) = if purpose.served || records() {
        let session = session_id.clone().map(|id| session(id, &chain, &closer, clock.as_ref()));
        let state_directory = state_directory(common.stores.state_dir.as_deref(), env)?;
        let reach = || Reach::of_run(&common.stores.access, place.clone(), &chain, env, &clock);
        let reach = common.stores.in_tables().then(reach).transpose()?;
        let (stores, clock_of_stores) = (common.stores.clone(), Arc::clone(&clock));
        let directory = state_directory.clone();
        let opening: Opening = Arc::new(move || stores::all(&stores, reach.as_ref(), &directory, &clock_of_stores));
        let kept = Arc::clone(&opening);
        let keeper = Keeper::start(Charge {
            open: Box::new(move || kept()),
            state_directory,
            standing: Arc::clone(&standing),
            policy: policy.clone(),
            session,
            must_record: policy.is_some() || common.stores.in_tables(),
            profile: profile.name.clone(),
            clock: Arc::clone(&clock),
            operator: Arc::clone(&operator),
        })?;
        (Some(keeper), Some(opening))
    } else {
        (None, None)
    };
    let broker = Broker::new(profile.name.clone(), purpose.mode, policy, Arc::clone(&clock))
        .of_role(chain.role_arn().map(str::to_owned))
        .believing(standing);
    let vault = Vault::new(chain, Arc::clone(&clock));
    let vendor = Vendor::new(broker, vault, log, Arc::clone(&clock));
    Ok(Prepared { vendor, profile, clock, operator, coded, keeper, session_id, closer, stores: opening })
}

/// Whether approvals or break-glass events may count. A policy that cannot be read any more says no to everything.
fn needs_records(policy: &PolicySource) -> bool {
    let policy = policy.current(START_LIMIT);
    policy.is_ok_and(|policy| policy.needs_approvals() || policy.breakglass().is_some())
}

fn session(id: Arc<str>, chain: &Arc<Chain>, closer: &Arc<OnceLock<Closer>>, clock: &dyn Clock) -> Start {
    let (chain, closer) = (Arc::clone(chain), Arc::clone(closer));
    let device_id = device_id();
    let device = device_id.as_deref().unwrap_or("unknown");
    let instance = format!("{device}-{}-{}", std::process::id(), clock.wall().as_millisecond());
    Start {
        id,
        instance,
        device_id,
        user: Box::new(move || chain.known_identity().as_deref().map(Identity::user)),
        on_end: Box::new(move || {
            if let Some(closer) = closer.get() {
                closer.hang_up();
            }
        }),
    }
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
    ask_as_invoker(vendor).map_err(|refused| explain(vendor, refused))
}

/// The same, with the refusal as it is.
pub(super) fn ask_as_invoker(vendor: &Vendor) -> std::result::Result<Vended, Refused> {
    vendor.vend_now(Caller::invoker(Invoker), &Which::Own, START_LIMIT)
}

/// What a refusal says to the person.
pub(super) fn explain(vendor: &Vendor, refused: Refused) -> Error {
    let profile = vendor.profile();
    match refused {
        Refused::Policy(verdict) => {
            Error::new(format!("policy denied profile `{profile}`: {}", verdict.reason)).hint(match verdict.rule {
                Some((_, rule)) => format!("rule `{rule}` decided; ask whoever keeps the policy"),
                None => "no rule of the policy allows it; ask whoever keeps the policy".to_owned(),
            })
        }
        Refused::Unapproved(verdict) => Error::new(format!("policy denied profile `{profile}`: {}", verdict.reason))
            .hint("`sentinel request create` asks for one, unless a request is pending; with --wait the command waits for it"),
        Refused::Revoked(why) => Error::new(format!("nothing is given: {why}")).hint("start the command again"),
        Refused::Limited(wait) => Error::new("rate limit exceeded")
            .hint(format!("the policy's `limits` allow the next in {} s", wait.as_secs().saturating_add(1))),
        Refused::Pending => Error::new(format!("there were no credentials for profile `{profile}` within 30 s")).hint(
            "AWS, or the profile's credential_process, takes longer: check the network, finish the login, try again",
        ),
        Refused::PolicyFailed(error) | Refused::Failed(error) => {
            Arc::try_unwrap(error).unwrap_or_else(|shared| Error::new(shared.to_string()))
        }
    }
}

/// The decision log: `--log-file`, or decisions.jsonl in the state directory, and where else decisions go.
pub(super) fn open_log(
    (log, deployment): (&settings::Log, Deployment),
    state_dir: Option<&Path>,
    env: &Env,
    clock: &Arc<dyn Clock>,
    operator: &Arc<Operator>,
) -> Result<DecisionLog> {
    if log.file.is_none() {
        trusted::private_directory("the state directory", &state_directory(state_dir, env)?)?;
    }
    let options = Options {
        file: Some(log_path(log.file.as_deref(), state_dir, env)?),
        stderr: log.stderr,
        key: log.key.clone(),
        fsync: log.fsync,
        anchor: log.anchor,
        syslog: log.syslog,
        syslog_socket: log.syslog_socket.clone(),
        device_id: device_id(),
        deployment: Some(deployment.as_str().to_owned()),
    };
    DecisionLog::open(&options, Arc::clone(clock), Arc::clone(operator))
}

/// `--log-file`, or decisions.jsonl in the state directory.
pub(super) fn log_path(log_file: Option<&Path>, state_dir: Option<&Path>, env: &Env) -> Result<PathBuf> {
    match log_file {
        Some(file) => Ok(file.to_owned()),
        None => Ok(state_directory(state_dir, env)?.join("decisions.jsonl")),
    }
}

/// `--state-dir`, `$XDG_STATE_HOME/sentinel`, /var/lib/sentinel for root, `~/.local/state/sentinel`.
pub(super) fn state_directory(state_dir: Option<&Path>, env: &Env) -> Result<PathBuf> {
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
        Error::new("there is no place for the decision log and for records: neither XDG_STATE_HOME nor HOME is set")
            .hint("give --state-dir")
    })?;
    Ok(PathBuf::from(home).join(".local/state/sentinel"))
}
