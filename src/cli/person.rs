//! Who runs a command, as AWS knows them: records name people, and nobody names themselves.

use std::sync::Arc;
use std::time::Duration;

use super::prepare::DEFAULT_DURATION;
use crate::aws::identity::Identity;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::log::operator::Operator;
use crate::profile::{Wanted, resolve};
use crate::source::plan::{Plan, SessionPolicies, SourceIdentityRule};
use crate::source::{Chain, Unavailable, Vault};
use crate::sys::user::effective_uid;

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The user, as policies know users.
    pub(super) user: String,
    /// Their account.
    pub(super) account: Option<String>,
    /// AWS's unique id of them.
    pub(super) principal_id: Option<String>,
}

impl Person {
    /// Who holds the keys that this profile starts with. AWS is asked, for at most `limit`.
    ///
    /// # Errors
    /// There are no keys, or AWS does not say whose they are.
    pub(super) fn of_profile(
        wanted: &Wanted<'_>,
        env: &Env,
        clock: &Arc<dyn Clock>,
        operator: &Arc<Operator>,
        limit: Duration,
    ) -> Result<Self> {
        let plan = Plan {
            duration: None,
            default_duration: DEFAULT_DURATION,
            no_session: false,
            served: false,
            // Where the question goes is AWS's own endpoint, as it is where a policy judges.
            judged: true,
            source_identity: SourceIdentityRule::Off,
            session_policies: SessionPolicies::default(),
        };
        let chain = Chain::new(resolve(wanted, env)?, plan, env, Arc::clone(clock), Arc::clone(operator))?;
        match Vault::new(Arc::new(chain), Arc::clone(clock)).identity(clock.boot().saturating_add(limit)) {
            Ok(identity) => Ok(Self::of(&identity)),
            Err(Unavailable::Failed(error)) => {
                Err(Arc::try_unwrap(error).unwrap_or_else(|shared| shared.repeated()).within("cannot tell who you are"))
            }
            Err(Unavailable::Pending | Unavailable::Limited(_)) => {
                let seconds = limit.as_secs();
                Err(Error::new(format!("AWS did not say within {seconds} s who you are")).hint("check the network"))
            }
        }
    }

    /// Whoever runs this process, where AWS cannot be asked: a name that no IAM user can have.
    pub(super) fn of_uid() -> Self {
        Self { user: format!("uid:{}", effective_uid()), account: None, principal_id: None }
    }

    fn of(identity: &Identity) -> Self {
        Self {
            user: identity.user(),
            account: Some(identity.account.clone()),
            principal_id: Some(identity.user_id.clone()),
        }
    }
}
