//! A resolved profile, walked: base keys, then role after role.

mod limits;
mod mfa;
mod services;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use mfa::Factor;
use services::{Lazy, Services};

use super::base::{BaseKeys, Held};
use super::plan::{Plan, SourceIdentityRule};
use super::{Credentials, Source};
use crate::aws::endpoint::{self, Variant};
use crate::aws::identity::Identity;
use crate::aws::keys::{Issued, Keys};
use crate::aws::network::{CaBundle, Network};
use crate::aws::source_identity::source_identity;
use crate::aws::sts::{AssumeRole, Sts};
use crate::broker::Lease;
use crate::clock::{Clock, Moment};
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::profile::{self, Resolved, Role};

/// All calls of one fetch together: a little less than a person waits before a command starts, so that what failed is told.
const FETCH_LIMIT: Duration = Duration::from_secs(28);
/// AWS's limit for a role that is assumed with a role's (or any temporary) credentials.
const CHAINED_LIMIT: Duration = Duration::from_secs(3600);
/// The credentials between two roles are used once, at once: the shortest session that AWS issues.
const BETWEEN_ROLES: Duration = Duration::from_secs(900);

/// One profile's way to credentials.
pub struct Chain {
    name: String,
    base: Arc<BaseKeys>,
    roles: Vec<Role>,
    factor: Option<Factor>,
    services: std::result::Result<Lazy, NoRegion>,
    plan: Plan,
    clock: Arc<dyn Clock>,
    operator: Arc<Operator>,
    identity: OnceLock<Arc<Identity>>,
    asking_identity: Mutex<()>,
    /// The trust policy of the profile's first role is known not to allow SourceIdentity.
    source_identity_denied: AtomicBool,
}

/// What to say when a call to STS is needed and no region is known.
struct NoRegion {
    file: Option<PathBuf>,
}

impl Chain {
    /// The chain of a resolved profile.
    ///
    /// # Errors
    /// A plan that does not fit the profile, and an endpoint or network setting that cannot be understood.
    pub fn new(
        resolved: Resolved,
        plan: Plan,
        env: &Env,
        clock: Arc<dyn Clock>,
        operator: Arc<Operator>,
    ) -> Result<Self> {
        let Resolved { name, base, roles, mfa, region, sts_endpoint_url, variant, ca_bundle, source_file, .. } =
            resolved;
        let base = Arc::new(BaseKeys::new(base, env, clock.as_ref()));
        plan.check(&name, &roles)?;
        let factor = Factor::of(mfa, &roles)?;
        let services = match &region {
            Some(region) => {
                let ca_bundle = ca_bundle.map(|file| CaBundle { path: file.path, named_by: file.named_by });
                let network = Network::new(env, ca_bundle)?;
                let profile::Variant { fips, dual_stack, legacy_sts } = variant;
                let variant = Variant { fips, dual_stack, legacy: legacy_sts };
                let endpoint = endpoint::sts(region, sts_endpoint_url.as_deref(), variant)?;
                // Who decides where the question goes decides the answer. On loopback that is a person's own test.
                let own = if plan.judged && !endpoint.is_local() { None } else { sts_endpoint_url.as_deref() };
                let own = endpoint::sts(region, own, variant)?;
                Ok(Lazy::new(endpoint, own, network))
            }
            None => Err(NoRegion { file: source_file }),
        };
        let chain = Self {
            name,
            base,
            roles,
            factor,
            services,
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

    /// The profile, the keys that it starts with, and the clock: for sentinel's own calls.
    pub(super) fn beginning(&self) -> (String, Arc<BaseKeys>, Arc<dyn Clock>) {
        (self.name.clone(), Arc::clone(&self.base), Arc::clone(&self.clock))
    }

    /// Long-lived keys are never served: whoever reads them once has them for good.
    fn check_serving(&self) -> Result<()> {
        let long_lived = self.base.are_long_lived();
        if self.plan.served && self.plan.no_session && self.roles.is_empty() && long_lived {
            return Err(self.would_serve_long_lived_keys());
        }
        Ok(())
    }

    fn would_serve_long_lived_keys(&self) -> Error {
        let name = &self.name;
        Error::usage(format!(
            "--no-session with --server or --unix-socket would serve the long-lived keys of profile `{name}`"
        ))
        .hint("leave --no-session out, or the server")
    }

    fn sts(&self) -> Result<Arc<Sts>> {
        self.services().map(|services| services.sts)
    }

    fn services(&self) -> Result<Services> {
        let lazy = self.services.as_ref().map_err(|NoRegion { file }| {
            let where_to = match file {
                Some(file) => format!("or write `region = ...` under profile `{}` in {}", self.name, file.display()),
                None => "or set AWS_REGION".to_owned(),
            };
            Error::new(format!("no region is known for profile `{}`, and STS is called in a region", self.name))
                .hint(format!("give --region, {where_to}"))
        })?;
        lazy.services(&self.clock)
    }

    /// The role whose credentials these are, where they are a role's.
    pub fn role_arn(&self) -> Option<&str> {
        self.roles.last().map(|role| role.role_arn.as_str())
    }

    fn deadline(&self) -> Duration {
        self.clock.boot().saturating_add(FETCH_LIMIT)
    }

    fn fetch_own(&self, base: &Held, lease: &Lease) -> Result<Credentials> {
        let began = Moment::now(self.clock.as_ref());
        let now = began.wall;
        let most = self.most(lease, now)?;
        if lease.terms().session_policy.is_some() {
            let name = &self.name;
            return Err(Error::new(format!("the policy narrows a role's session, and profile `{name}` has no role"))
                .hint("take `session_policy` out of the rule, or give the profile a role_arn"));
        }
        let wanted = shorter(self.plan.duration.unwrap_or(self.plan.default_duration), most);
        let temporary = base.keys.session_token.is_some();
        if !temporary && self.plan.no_session && self.plan.served {
            return Err(self.would_serve_long_lived_keys());
        }
        if !temporary && !self.plan.no_session {
            let (wanted, code) = match &self.factor {
                None => (wanted, None),
                Some(factor) => (shorter(self.own_session(), most), Some((factor, factor.take()?))),
            };
            let shown = code.as_ref().map(|(factor, code)| factor.shown(code));
            let issued = self
                .sts()?
                .get_session_token(&base.keys, wanted, shown, self.deadline())
                .map_err(|failure| self.explain(failure.into(), base))?;
            if let Some((factor, _)) = &code {
                if self.plan.served {
                    self.keep_session(factor, &issued)?;
                }
                self.say_until(issued.expiration);
            }
            return Ok(made(issued, (began, wanted), self.known_account(), None, None));
        }
        let mut expiration = base.expiration;
        self.check_end(most, expiration, now)?;
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
            issued_at: base.seen(began)?,
            account: self.known_account(),
            role_arn: None,
            source_identity: None,
            body: OnceLock::new(),
        })
    }

    fn fetch_role(&self, base: &Held, roles: &[Role], lease: &Lease) -> Result<Credentials> {
        let deadline = self.deadline();
        let session = self.opening(base).map(|factor| self.session_of(factor, base, deadline)).transpose()?;
        let first = session.as_deref().unwrap_or(base);
        // Without a session AWS has to see the code at the profile's first role.
        let unopened = self.factor.as_ref().filter(|_| session.is_none() && !self.roles.is_empty());
        let approval = lease.terms().window.as_ref().map(|window| &*window.id);
        let narrowed = self.session_policy(lease)?;
        let mut keys: Option<Keys> = None;
        let mut recorded = None;
        for (index, role) in roles.iter().enumerate() {
            let signer = keys.as_ref().unwrap_or(&first.keys);
            let last = index + 1 == roles.len();
            let began = Moment::now(self.clock.as_ref());
            let wanted = if last {
                shorter(self.role_duration(role, signer, unopened.is_some())?, self.most(lease, began.wall)?)
            } else {
                BETWEEN_ROLES
            };
            let factor = unopened.filter(|_| index == 0);
            // Before anything is said or asked: without a code there is nothing to do.
            let code = factor.map(Factor::take).transpose()?;
            let rule = self.source_identity_rule(index, role, factor.is_some());
            let name = match (&role.session_name, rule) {
                (Some(_), SourceIdentityRule::Off) => String::new(),
                _ => source_identity(&self.identity_of(base, deadline)?.user(), approval, lease.request_id()),
            };
            let mut ask = AssumeRole {
                role_arn: &role.role_arn,
                session_name: role.session_name.as_deref().unwrap_or(&name),
                external_id: role.external_id.as_deref(),
                duration: wanted,
                source_identity: (rule != SourceIdentityRule::Off).then_some(name.as_str()),
                // On the way nothing is narrowed: a session policy may not even allow to assume the next role.
                policy: narrowed.filter(|_| last),
                policy_arns: if last { &self.plan.session_policies.arns } else { &[] },
                mfa: factor.zip(code.as_ref()).map(|(factor, code)| factor.shown(code)),
            };
            let issued = self.assume(&mut ask, signer, rule == SourceIdentityRule::Auto, deadline);
            let issued = issued.map_err(|error| if index == 0 { self.explain(error, first) } else { error })?;
            recorded = issued.source_identity.clone().or(recorded);
            if last {
                let account = role.role_arn.split(':').nth(4).map(str::to_owned);
                if unopened.is_some() {
                    self.say_until(issued.expiration);
                }
                return Ok(made(issued, (began, wanted), account, Some(role.role_arn.clone()), recorded));
            }
            keys = Some(issued.keys);
        }
        Err(Error::new(format!("profile `{}` has no role to assume", self.name)))
    }

    /// Who these base keys belong to. Given the keys, because a helper may ask a person each time it is run.
    fn identity_of(&self, base: &Held, deadline: Duration) -> Result<Arc<Identity>> {
        // One asker at a time; the others find the answer.
        let _asking = self.asking_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = self.identity.get() {
            return Ok(Arc::clone(identity));
        }
        let identity = self
            .services()?
            .identity
            .get_caller_identity(&base.keys, deadline)
            .map_err(|failure| self.explain(failure.into(), base))?;
        Ok(Arc::clone(self.identity.get_or_init(|| Arc::new(identity))))
    }

    /// Whether SourceIdentity is set at this role. A chain carries the first value, which cannot change: so at the first
    /// role only, and not where it is known that the role's trust policy does not allow it.
    fn source_identity_rule(&self, index: usize, role: &Role, with_code: bool) -> SourceIdentityRule {
        match self.plan.source_identity {
            _ if index > 0 => SourceIdentityRule::Off,
            SourceIdentityRule::Auto if with_code => {
                let role = &role.role_arn;
                self.operator.log(
                    "source identity",
                    &format!("{role} is assumed without SourceIdentity: its MFA code allows no second try without it"),
                );
                SourceIdentityRule::Off
            }
            SourceIdentityRule::Auto if self.source_identity_denied.load(Ordering::SeqCst) => SourceIdentityRule::Off,
            rule => rule,
        }
    }

    fn assume(
        &self,
        ask: &mut AssumeRole<'_>,
        signer: &Keys,
        may_do_without: bool,
        deadline: Duration,
    ) -> Result<Issued> {
        let sts = self.sts()?;
        match sts.assume_role(signer, ask, deadline) {
            Err(failure) if may_do_without && failure.denies_source_identity() => {
                ask.source_identity = None;
                let issued = sts.assume_role(signer, ask, deadline)?;
                // Only now is it known that this was the reason. What one role that was asked for says goes for no other.
                self.source_identity_denied.store(!self.roles.is_empty(), Ordering::SeqCst);
                self.operator.log(
                    "source identity",
                    &format!(
                        "{} is assumed without SourceIdentity: its trust policy does not allow sts:SetSourceIdentity",
                        ask.role_arn
                    ),
                );
                Ok(issued)
            }
            other => Ok(other?),
        }
    }

    /// What the person said, else what the profile says, else the default; in a chain at most an hour.
    fn role_duration(&self, role: &Role, signer: &Keys, once: bool) -> Result<Duration> {
        // What is served and cannot be renewed lasts as long as AWS allows.
        let nobody_says = self.plan.duration.or(role.duration).is_none();
        let wanted = if once && self.plan.served && nobody_says { CHAINED_LIMIT } else { self.wanted(role) };
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

    fn wanted(&self, role: &Role) -> Duration {
        self.plan.duration.or(role.duration).unwrap_or(self.plan.default_duration)
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
        // Where the window is over nobody is asked: no helper, and no role on the way to the last.
        self.most(lease, self.clock.wall())?;
        let base = self.base.keys(self.clock.as_ref())?;
        let roles = self.roles(lease)?;
        if roles.is_empty() { self.fetch_own(&base, lease) } else { self.fetch_role(&base, &roles, lease) }
    }

    fn identity(&self) -> Result<Arc<Identity>> {
        match self.identity.get() {
            Some(identity) => Ok(Arc::clone(identity)),
            None => self.identity_of(&*self.base.keys(self.clock.as_ref())?, self.deadline()),
        }
    }

    fn known_identity(&self) -> Option<Arc<Identity>> {
        self.identity.get().map(Arc::clone)
    }
}

/// What AWS issued. It lasts no longer than was asked for, also where this host's clock is behind AWS's.
fn made(
    issued: Issued,
    (began, wanted): (Moment, Duration),
    account: Option<String>,
    role_arn: Option<String>,
    recorded: Option<String>,
) -> Credentials {
    let Issued { keys, expiration, .. } = issued;
    let wall = SignedDuration::try_from(wanted).ok().and_then(|wanted| expiration.checked_sub(wanted).ok());
    let issued_at = Moment { wall: wall.map_or(began.wall, |wall| wall.max(began.wall)), ..began };
    Credentials {
        keys,
        expiration: Some(expiration),
        issued_at,
        account,
        role_arn,
        source_identity: recorded,
        body: OnceLock::new(),
    }
}

fn shorter(wanted: Duration, most: Option<Duration>) -> Duration {
    most.map_or(wanted, |most| wanted.min(most))
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
