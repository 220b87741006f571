//! May this caller have credentials, now? The only place that makes a [`Grant`].
//!
//! A grant has a private constructor and is consumed by its exchange, so that code that wants credentials without a decision
//! does not compile.

use std::path::Path;
use std::sync::Arc;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::policy::{Effect, Mode, PolicyFile, Question, Verdict};

/// Decides for one profile, in one mode.
pub struct Broker {
    profile: String,
    mode: Mode,
    policy: Option<PolicyFile>,
    clock: Arc<dyn Clock>,
}

/// What was decided of one request, and why.
pub struct Ruling {
    /// 8 hex digits, new for every request.
    pub request_id: String,
    /// The user that AWS named, where it was asked.
    pub user: Option<String>,
    /// Effect, rule and reason.
    pub verdict: Verdict,
}

/// The decision that this caller may have this profile's credentials, once. It cannot be copied.
pub struct Grant {
    caller: Caller,
    ruling: Ruling,
    lease: Lease,
}

/// The right to fetch credentials into the cache, which leave it only for a [`Grant`].
pub struct Lease {
    request_id: String,
}

/// Why there is no grant.
pub enum Denied {
    /// The policy says no.
    Policy(Box<(Caller, Ruling)>),
    /// There is no readable policy, or no random bytes: nothing can be decided.
    Undecided(Box<(Caller, Error)>),
}

impl Broker {
    /// A broker that asks this policy, or allows everything where none is configured.
    pub fn new(profile: String, mode: Mode, policy: Option<PolicyFile>, clock: Arc<dyn Clock>) -> Self {
        Self { profile, mode, policy, clock }
    }

    /// Decides one request. `user` is whom AWS named; `None` where nobody asked.
    ///
    /// # Errors
    /// The denial.
    pub fn authorize(&self, caller: Caller, user: Option<&str>) -> std::result::Result<Grant, Denied> {
        let ruling = match self.rule(user) {
            Ok(ruling) => ruling,
            Err(error) => return Err(Denied::Undecided(Box::new((caller, error)))),
        };
        if ruling.verdict.effect == Effect::Allow {
            let lease = Lease { request_id: ruling.request_id.clone() };
            Ok(Grant { caller, ruling, lease })
        } else {
            Err(Denied::Policy(Box::new((caller, ruling))))
        }
    }

    /// Whether a decision needs to know who AWS says the user is.
    ///
    /// # Errors
    /// There is no readable policy.
    pub fn needs_user(&self) -> Result<bool> {
        self.policy.as_ref().map_or(Ok(false), |policy| Ok(policy.current()?.needs_user()))
    }

    /// The profile that this broker decides for.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The mode that the policy is asked about.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where the policy is, if there is one.
    pub fn policy_path(&self) -> Option<&Path> {
        self.policy.as_ref().map(PolicyFile::path)
    }

    fn rule(&self, user: Option<&str>) -> Result<Ruling> {
        let request_id = request_id()?;
        let verdict = match &self.policy {
            None => Verdict { effect: Effect::Allow, rule: None, reason: "no policy".to_owned() },
            Some(policy) => {
                let question = Question { profile: &self.profile, user, mode: self.mode, now: self.clock.wall() };
                policy.current()?.evaluate(&question)
            }
        };
        Ok(Ruling { request_id, user: user.map(str::to_owned), verdict })
    }
}

impl Grant {
    /// Takes the grant apart, for its one exchange.
    pub(crate) fn redeem(self) -> (Caller, Ruling, Lease) {
        (self.caller, self.ruling, self.lease)
    }

    /// The right to keep the cache fresh for as long as requests are granted from it.
    pub fn lease(&self) -> Lease {
        self.lease.renewed()
    }
}

impl Lease {
    /// The request that this lease came from: 8 hex digits, which SourceIdentity carries.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The same right once more, for the next refresh.
    pub(crate) fn renewed(&self) -> Self {
        Self { request_id: self.request_id.clone() }
    }
}

fn request_id() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::getrandom(&mut bytes)
        .map_err(|error| Error::new("the kernel gave no random bytes").because(error.to_string()))?;
    Ok(format!("{:08x}", u32::from_ne_bytes(bytes)))
}
