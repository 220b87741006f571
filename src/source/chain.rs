//! A resolved profile, walked: base keys, then role after role.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Credentials, Source, process};
use crate::aws::endpoint;
use crate::aws::identity::Identity;
use crate::aws::keys::{Issued, Keys};
use crate::aws::network::Network;
use crate::aws::source_identity::source_identity;
use crate::aws::sts::{AssumeRole, Sts};
use crate::broker::Lease;
use crate::clock::{Clock, rfc3339_s};
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::profile::{Base, Resolved, Role, StaticKeys};

/// All calls of one fetch together: what a person waits for before a command starts.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
/// AWS's limit for a role that is assumed with a role's (or any temporary) credentials.
const CHAINED_LIMIT: Duration = Duration::from_secs(3600);
/// The credentials between two roles are used once, at once: the shortest session that AWS issues.
const BETWEEN_ROLES: Duration = Duration::from_secs(900);
/// A helper's keys are used again for as long as they have this much left.
const HELPER_MARGIN_S: i64 = 60;

/// Whether AWS is asked to record who acts for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceIdentityRule {
    /// Where the role allows it.
    Auto,
    /// Or not at all.
    Require,
    /// Never.
    Off,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long the credentials are to live, as the person said.
    pub duration: Option<Duration>,
    /// How long where neither the person nor the profile says.
    pub default_duration: Duration,
    /// Hand out the profile's own keys and not a session's.
    pub no_session: bool,
    /// Whether they are served: then they need an expiration.
    pub served: bool,
    /// SourceIdentity.
    pub source_identity: SourceIdentityRule,
}

/// One profile's way to credentials.
pub struct Chain {
    name: String,
    base: ChainBase,
    roles: Vec<Role>,
    sts: std::result::Result<Sts, NoRegion>,
    plan: Plan,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
    identity: OnceLock<Arc<Identity>>,
    asking_identity: Mutex<()>,
    /// The role's trust policy is known not to allow SourceIdentity.
    source_identity_denied: AtomicBool,
}

enum ChainBase {
    Held(Arc<Held>),
    Process { profile: String, command: String, env: Env, last: Mutex<Option<Arc<Held>>> },
}

/// Base keys and where they are from.
struct Held {
    keys: Keys,
    expiration: Option<Timestamp>,
    origin: String,
}

/// What to say when a call to STS is needed and no region is known.
struct NoRegion {
    file: Option<PathBuf>,
}

impl Chain {
    /// The chain of a resolved profile.
    ///
    /// # Errors
    /// A plan that does not fit the profile, and an endpoint or network setting that cannot be used.
    pub fn new(
        resolved: Resolved,
        plan: Plan,
        env: &Env,
        clock: Arc<dyn Clock>,
        operator: Arc<Operator>,
    ) -> Result<Self> {
        let Resolved { name, base, roles, region, sts_endpoint_url, source_file, .. } = resolved;
        let base = match base {
            Base::Environment(keys) => ChainBase::Held(Arc::new(held(keys, "the environment".to_owned()))),
            Base::Keys { profile, file, keys } => {
                ChainBase::Held(Arc::new(held(keys, format!("profile `{profile}` in {}", file.display()))))
            }
            Base::Process { profile, command } => {
                ChainBase::Process { profile, command, env: env.clone(), last: Mutex::new(None) }
            }
        };
        plan.check(&name, &roles)?;
        let sts = match &region {
            Some(region) => {
                let endpoint = endpoint::sts(region, sts_endpoint_url.as_deref())?;
                Ok(Sts::new(endpoint, Arc::clone(&clock), &Network::from_env(env)?)?)
            }
            None => Err(NoRegion { file: source_file }),
        };
        let chain = Self {
            name,
            base,
            roles,
            sts,
            plan,
            clock,
            operator,
            identity: OnceLock::new(),
            asking_identity: Mutex::default(),
            source_identity_denied: AtomicBool::new(false),
        };
        chain.check_serving()?;
        Ok(chain)
    }

    /// Long-lived keys are never served: whoever reads them once has them for good.
    fn check_serving(&self) -> Result<()> {
        let long_lived = matches!(&self.base, ChainBase::Held(held) if held.keys.session_token.is_none());
        if self.plan.served && self.plan.no_session && self.roles.is_empty() && long_lived {
            return Err(Error::usage(format!(
                "--no-session with --unix-socket would serve the long-lived keys of profile `{}`",
                self.name
            ))
            .hint("leave --no-session out, or leave --unix-socket out"));
        }
        Ok(())
    }

    fn sts(&self) -> Result<&Sts> {
        self.sts.as_ref().map_err(|NoRegion { file }| {
            let where_to = match file {
                Some(file) => format!("or write `region = ...` under profile `{}` in {}", self.name, file.display()),
                None => "or set AWS_REGION".to_owned(),
            };
            Error::new(format!("no region is known for profile `{}`, and STS is called in a region", self.name))
                .hint(format!("give --region, {where_to}"))
        })
    }

    /// The base keys; the source that they come from is asked again where its last answer is about to end.
    fn base(&self) -> Result<Arc<Held>> {
        let held = match &self.base {
            ChainBase::Held(held) => Arc::clone(held),
            ChainBase::Process { profile, command, env, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.clock.wall().as_second();
                let good =
                    |held: &&Arc<Held>| held.expiration.is_some_and(|end| end.as_second() - now > HELPER_MARGIN_S);
                match last.as_ref().filter(good) {
                    Some(held) => Arc::clone(held),
                    None => {
                        let (keys, expiration) = process::run(profile, command, env, self.clock.as_ref())?;
                        let origin = format!("the credential_process of profile `{profile}`");
                        let held = Arc::new(Held { keys, expiration, origin });
                        *last = Some(Arc::clone(&held));
                        held
                    }
                }
            }
        };
        match held.expiration {
            Some(end) if end <= self.clock.wall() => {
                Err(Error::new(format!("the source credentials of {} expired at {}", held.origin, rfc3339_s(end)))
                    .hint("get new ones (log in again), then try again"))
            }
            _ => Ok(held),
        }
    }

    fn deadline(&self) -> Duration {
        self.clock.boot().saturating_add(FETCH_LIMIT)
    }

    fn fetch_own(&self, base: &Held) -> Result<Credentials> {
        let now = self.clock.wall();
        let wanted = self.plan.duration.unwrap_or(self.plan.default_duration);
        let temporary = base.keys.session_token.is_some();
        if !temporary && !self.plan.no_session {
            let issued = self
                .sts()?
                .get_session_token(&base.keys, wanted, None, self.deadline())
                .map_err(|failure| self.explain(failure.into(), base))?;
            return Ok(self.made(issued, now, self.known_account(), None, None));
        }
        let mut expiration = base.expiration;
        if temporary && expiration.is_none() {
            // Nobody wrote down when they end: AWS is asked whether they are good now.
            self.sts()?
                .get_caller_identity(&base.keys, self.deadline())
                .map_err(|failure| self.explain(failure.into(), base))?;
        }
        if self.plan.served && expiration.is_none() {
            // And again in time, because what is served has to end.
            let horizon = SignedDuration::try_from(wanted).unwrap_or(SignedDuration::MAX);
            expiration = now.checked_add(horizon).ok();
        }
        Ok(Credentials {
            keys: copy(&base.keys)?,
            expiration,
            issued_at: now,
            account: self.known_account(),
            role_arn: None,
            source_identity: None,
        })
    }

    fn fetch_role(&self, base: &Held, lease: &Lease) -> Result<Credentials> {
        let deadline = self.deadline();
        let mut keys: Option<Keys> = None;
        let mut recorded = None;
        for (index, role) in self.roles.iter().enumerate() {
            let signer = keys.as_ref().unwrap_or(&base.keys);
            let last = index + 1 == self.roles.len();
            let now = self.clock.wall();
            let wanted = if last { self.role_duration(role, signer)? } else { BETWEEN_ROLES };
            // A chain carries the first value, which cannot change: it is set at the first role only.
            let set = if index == 0 { self.plan.source_identity } else { SourceIdentityRule::Off };
            let issued = self.assume(role, signer, wanted, set, lease, deadline);
            let issued = issued.map_err(|error| if index == 0 { self.explain(error, base) } else { error })?;
            recorded = issued.source_identity.clone().or(recorded);
            if last {
                let account = role.role_arn.split(':').nth(4).map(str::to_owned);
                return Ok(self.made(issued, now, account, Some(role.role_arn.clone()), recorded));
            }
            keys = Some(issued.keys);
        }
        Err(Error::new(format!("profile `{}` has no role to assume", self.name)))
    }

    fn assume(
        &self,
        role: &Role,
        signer: &Keys,
        wanted: Duration,
        rule: SourceIdentityRule,
        lease: &Lease,
        deadline: Duration,
    ) -> Result<Issued> {
        let rule = match rule {
            SourceIdentityRule::Auto if self.source_identity_denied.load(Ordering::SeqCst) => SourceIdentityRule::Off,
            rule => rule,
        };
        let name = match (&role.session_name, rule) {
            (Some(_), SourceIdentityRule::Off) => String::new(),
            _ => source_identity(&self.identity()?.user(), None, lease.request_id()),
        };
        let mut ask = AssumeRole {
            role_arn: &role.role_arn,
            session_name: role.session_name.as_deref().unwrap_or(&name),
            external_id: role.external_id.as_deref(),
            duration: wanted,
            source_identity: (rule != SourceIdentityRule::Off).then_some(name.as_str()),
            policy: None,
            policy_arns: &[],
            mfa: None,
        };
        let sts = self.sts()?;
        match sts.assume_role(signer, &ask, deadline) {
            Err(failure) if rule == SourceIdentityRule::Auto && failure.denies_source_identity() => {
                ask.source_identity = None;
                let issued = sts.assume_role(signer, &ask, deadline)?;
                // Only now is it known that this was the reason.
                self.source_identity_denied.store(true, Ordering::SeqCst);
                self.operator.log(
                    "source identity",
                    &format!(
                        "{} is assumed without SourceIdentity: its trust policy does not allow sts:SetSourceIdentity",
                        role.role_arn
                    ),
                );
                Ok(issued)
            }
            other => Ok(other?),
        }
    }

    /// What the person said, else what the profile says, else the default; in a chain at most an hour.
    fn role_duration(&self, role: &Role, signer: &Keys) -> Result<Duration> {
        let wanted = self.plan.duration.or(role.duration).unwrap_or(self.plan.default_duration);
        if signer.session_token.is_none() || wanted <= CHAINED_LIMIT {
            return Ok(wanted);
        }
        self.operator.log(
            "chained",
            &format!(
                "{} is assumed for 1h and not {}: AWS allows no more for a role that is assumed with temporary credentials",
                role.role_arn,
                duration::text(wanted)
            ),
        );
        Ok(CHAINED_LIMIT)
    }

    fn made(
        &self,
        issued: Issued,
        issued_at: Timestamp,
        account: Option<String>,
        role_arn: Option<String>,
        recorded: Option<String>,
    ) -> Credentials {
        let Issued { keys, expiration, .. } = issued;
        Credentials { keys, expiration: Some(expiration), issued_at, account, role_arn, source_identity: recorded }
    }

    fn known_account(&self) -> Option<String> {
        self.identity.get().map(|identity| identity.account.clone())
    }

    /// AWS does not know where the keys are from; the person who has to mend it does.
    fn explain(&self, error: Error, base: &Held) -> Error {
        error.within(&format!("profile `{}`, with the keys of {}", self.name, base.origin))
    }
}

impl Source for Chain {
    fn fetch(&self, lease: &Lease) -> Result<Credentials> {
        let base = self.base()?;
        if self.roles.is_empty() { self.fetch_own(&base) } else { self.fetch_role(&base, lease) }
    }

    fn identity(&self) -> Result<Arc<Identity>> {
        // One asker at a time; the others find the answer.
        let _asking = self.asking_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = self.identity.get() {
            return Ok(Arc::clone(identity));
        }
        let base = self.base()?;
        let identity = self
            .sts()?
            .get_caller_identity(&base.keys, self.deadline())
            .map_err(|failure| self.explain(failure.into(), &base))?;
        Ok(Arc::clone(self.identity.get_or_init(|| Arc::new(identity))))
    }

    fn known_identity(&self) -> Option<Arc<Identity>> {
        self.identity.get().map(Arc::clone)
    }
}

impl Plan {
    /// AWS's limits, before any call is made.
    fn check(&self, profile: &str, roles: &[Role]) -> Result<()> {
        const ROLE_LIMIT: Duration = Duration::from_secs(12 * 3600);
        match self.duration {
            Some(wanted) if !roles.is_empty() && wanted > ROLE_LIMIT => Err(Error::usage(format!(
                "--duration {} is above 12h, the longest session that AWS issues for a role, and profile `{profile}` assumes one",
                duration::text(wanted)
            ))),
            _ => Ok(()),
        }
    }
}

fn held(keys: StaticKeys, origin: String) -> Held {
    let StaticKeys { access_key_id, secret_access_key, session_token, expiration } = keys;
    Held { keys: Keys { access_key_id, secret_access_key, session_token }, expiration, origin }
}

/// A second set of the same keys: what is handed out has an owner of its own.
fn copy(keys: &Keys) -> Result<Keys> {
    let no_memory = |error: std::io::Error| Error::new("no memory for a secret").because(error);
    let copy =
        |secret: &crate::secret::Secret| crate::secret::Secret::take(secret.expose().to_vec()).map_err(no_memory);
    Ok(Keys {
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: copy(&keys.secret_access_key)?,
        session_token: keys.session_token.as_ref().map(copy).transpose()?,
    })
}
