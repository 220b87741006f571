//! May this caller have credentials, now? The only place that makes a [`Grant`].
//!
//! A grant has a private constructor and is consumed by its exchange, so that code that wants credentials without a decision
//! does not compile.

mod request_id;

use std::sync::Arc;
use std::time::Duration;

pub use request_id::RequestId;
use request_id::RequestIds;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::policy::{Effect, Mode, PeerFacts, Policy, PolicySource, Program, Question, Verdict};

/// Decides for one profile, in one mode.
pub struct Broker {
    profile: String,
    mode: Mode,
    policy: Option<Arc<PolicySource>>,
    clock: Arc<dyn Clock>,
    request_ids: RequestIds,
}

/// The policy as its source held it when a request asked for it; nothing where none is configured.
pub struct Rules(Option<Arc<Policy>>);

/// What was decided of one request, and why.
pub struct Ruling {
    /// New for every request.
    pub request_id: RequestId,
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
    request_id: RequestId,
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
    pub fn new(profile: String, mode: Mode, policy: Option<Arc<PolicySource>>, clock: Arc<dyn Clock>) -> Self {
        Self { profile, mode, policy, clock, request_ids: RequestIds::default() }
    }

    /// Decides one request by `rules`, which are to be those of now. `user` is whom AWS named; `None` where nobody asked.
    ///
    /// # Errors
    /// The denial.
    pub fn authorize(&self, caller: Caller, rules: &Rules, user: Option<&str>) -> std::result::Result<Grant, Denied> {
        let ruling = match self.rule(&caller, rules, user) {
            Ok(ruling) => ruling,
            Err(error) => return Err(Denied::Undecided(Box::new((caller, error)))),
        };
        if ruling.verdict.effect == Effect::Allow {
            let lease = Lease { request_id: ruling.request_id };
            Ok(Grant { caller, ruling, lease })
        } else {
            Err(Denied::Policy(Box::new((caller, ruling))))
        }
    }

    /// The policy as its source holds it now, which is waited for at most `wait`: to be asked for at every request.
    ///
    /// # Errors
    /// There is no readable policy.
    pub fn rules(&self, wait: Duration) -> Result<Rules> {
        self.policy.as_ref().map(|policy| policy.current(wait)).transpose().map(Rules)
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
    pub fn policy_name(&self) -> Option<&str> {
        self.policy.as_ref().map(|policy| policy.name())
    }

    fn rule(&self, caller: &Caller, rules: &Rules, user: Option<&str>) -> Result<Ruling> {
        let request_id = self.request_ids.next()?;
        let verdict = match &rules.0 {
            None => Verdict::new(Effect::Allow, "no policy"),
            Some(policy) => self.judge(caller, policy, user),
        };
        Ok(Ruling { request_id, user: user.map(str::to_owned), verdict })
    }

    fn judge(&self, caller: &Caller, policy: &Policy, user: Option<&str>) -> Verdict {
        let program = if policy.needs_program() { caller.program() } else { Err("nobody asked") };
        let program = program.map(|program| Program { path: &program.path, sha256: &program.sha256 });
        let verdict = policy.evaluate(&Question {
            profile: &self.profile,
            user,
            account: None,
            role_arn: None,
            mode: self.mode,
            peer: PeerFacts { uid: caller.uid(), program },
            os: std::env::consts::OS,
            now: self.clock.wall(),
        });
        // What cannot be kept to is not promised.
        match verdict.constraints {
            None => verdict,
            Some(_) => Verdict { effect: Effect::Deny, ..verdict },
        }
    }
}

impl Rules {
    /// Whether a decision needs to know who AWS says the user is.
    pub fn needs_user(&self) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.needs_user())
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
        self.request_id.as_str()
    }

    /// The same right once more, for the next refresh.
    pub(crate) fn renewed(&self) -> Self {
        Self { request_id: self.request_id }
    }
}
