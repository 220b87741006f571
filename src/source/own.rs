//! Keys for what sentinel itself asks of AWS: its policy, its tables. They sign those calls and are never handed out, so no
//! decision stands before them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::base::BaseKeys;
use super::chain::Chain;
use crate::aws::endpoint::{self, Variant};
use crate::aws::keys::{Issued, KeySource, Keys};
use crate::aws::network::{CaBundle, Network};
use crate::aws::sts::{AssumeRole, Sts};
use crate::clock::{Clock, Moment};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::{self, Resolved, Role};

/// How long a role's session lasts that reads policies and tables: as long as AWS gives one to a role that a role assumes.
const LIFETIME: Duration = Duration::from_secs(3600);
/// The credentials between two roles are used once, at once: the shortest session that AWS issues.
const BETWEEN_ROLES: Duration = Duration::from_secs(900);
/// What is left of a session when the next one is fetched: calls that are signed with it last seconds.
const MARGIN_S: i64 = 5 * 60;
/// The session's name where the profile chooses none. Nobody acts through it, so it names nobody.
const SESSION_NAME: &str = "sentinel";

/// A profile's keys, for sentinel's own calls.
pub struct OwnKeys {
    profile: String,
    base: Arc<BaseKeys>,
    /// None: the base keys themselves.
    roles: Option<Roles>,
    clock: Arc<dyn Clock>,
}

struct Roles {
    roles: Vec<Role>,
    sts: Sts,
    last: Mutex<Option<Session>>,
}

/// What the last role gave.
struct Session {
    keys: Arc<Keys>,
    expiration: Timestamp,
    /// When it was asked for.
    since: Moment,
}

impl OwnKeys {
    /// The keys that a run's own profile starts with, before any role.
    pub fn of_run(chain: &Chain) -> Self {
        let (profile, base, clock) = chain.beginning();
        Self { profile, base, roles: None, clock }
    }

    /// The same of a profile that nothing is run with.
    pub fn of_base(resolved: Resolved, env: &Env, clock: Arc<dyn Clock>) -> Self {
        let base = Arc::new(BaseKeys::new(resolved.base, env, clock.as_ref()));
        Self { profile: resolved.name, base, roles: None, clock }
    }

    /// A profile's own, its roles assumed.
    ///
    /// # Errors
    /// It asks for MFA, or has roles and no region to assume them in.
    pub fn of_profile(resolved: Resolved, env: &Env, clock: Arc<dyn Clock>) -> Result<Self> {
        let Resolved { name, base, roles, region, sts_endpoint_url, variant, ca_bundle, .. } = resolved;
        if let Some(mfa) = roles.iter().find_map(|role| role.mfa.as_ref()) {
            return Err(Error::new(format!(
                "profile `{}` asks for MFA, and nobody can answer while sentinel reads policies and tables",
                mfa.profile
            ))
            .hint("name a profile without mfa_serial with --aws-profile"));
        }
        let base = Arc::new(BaseKeys::new(base, env, clock.as_ref()));
        if roles.is_empty() {
            return Ok(Self { profile: name, base, roles: None, clock });
        }
        let region = region.ok_or_else(|| {
            Error::new(format!("no region is known for profile `{name}`, and its role is assumed in a region"))
                .hint("give --region, or set AWS_REGION")
        })?;
        let ca_bundle = ca_bundle.map(|file| CaBundle { path: file.path, named_by: file.named_by });
        let network = Network::new(env, ca_bundle)?;
        let profile::Variant { fips, dual_stack, legacy_sts } = variant;
        let variant = Variant { fips, dual_stack, legacy: legacy_sts };
        let endpoint = endpoint::sts(&region, sts_endpoint_url.as_deref(), variant)?;
        // Who gives these keys chooses the account that policies and tables are read in. Loopback is a person's own test.
        let endpoint = if endpoint.is_local() { endpoint } else { endpoint::sts(&region, None, variant)? };
        let sts = Sts::new(endpoint, Arc::clone(&clock), &network)?;
        Ok(Self { profile: name, base, roles: Some(Roles { roles, sts, last: Mutex::default() }), clock })
    }
}

impl Roles {
    /// Assumes one after the other, the first with these keys.
    fn assume(&self, first: &Keys, deadline_boot: Duration) -> Result<Issued> {
        let Self { roles, sts, .. } = self;
        let mut issued: Option<Issued> = None;
        for (index, role) in roles.iter().enumerate() {
            let ask = AssumeRole {
                role_arn: &role.role_arn,
                session_name: role.session_name.as_deref().unwrap_or(SESSION_NAME),
                external_id: role.external_id.as_deref(),
                duration: if index.saturating_add(1) == roles.len() {
                    role.duration.unwrap_or(LIFETIME).min(LIFETIME)
                } else {
                    BETWEEN_ROLES
                },
                source_identity: None,
                policy: None,
                policy_arns: &[],
                mfa: None,
            };
            let signer = issued.as_ref().map_or(first, |issued| &issued.keys);
            issued = Some(sts.assume_role(signer, &ask, deadline_boot)?);
        }
        issued.ok_or_else(|| Error::new("a profile with roles has none"))
    }
}

impl KeySource for OwnKeys {
    fn keys(&self, deadline_boot: Duration) -> Result<Arc<Keys>> {
        let base = || self.base.keys(self.clock.as_ref());
        let Some(roles) = &self.roles else { return Ok(Arc::clone(&base()?.keys)) };
        // One asks AWS; the others find the answer.
        let mut last = roles.last.lock().unwrap_or_else(PoisonError::into_inner);
        let with_left = |session: &Option<Session>, wanted_s: i64| {
            let now = Moment::now(self.clock.as_ref());
            session
                .as_ref()
                .filter(|session| session.since.left_s(session.expiration, now) > wanted_s)
                .map(|session| Arc::clone(&session.keys))
        };
        if let Some(keys) = with_left(&last, MARGIN_S) {
            return Ok(keys);
        }
        let since = Moment::now(self.clock.as_ref());
        match base().and_then(|base| roles.assume(&base.keys, deadline_boot)) {
            Ok(Issued { keys, expiration, .. }) => {
                let keys = Arc::new(keys);
                *last = Some(Session { keys: Arc::clone(&keys), expiration, since });
                Ok(keys)
            }
            // What has not ended is still good.
            Err(error) => with_left(&last, 0).ok_or_else(|| {
                error.within(&format!("profile `{}`, whose keys read policies and tables", self.profile))
            }),
        }
    }
}
