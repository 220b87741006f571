//! May this caller have credentials, now? The only place that makes a [`Grant`].
//!
//! A grant has a private constructor and is consumed by its exchange, so that code that wants credentials without a decision
//! does not compile.
//!
//! | file | job |
//! |---|---|
//! | `decide` | from a rule's effect to yes or no, purely |
//! | [`approval`], [`break_glass`] | when a record of either kind counts |
//! | [`standing`] | what is known of the run's session and of those records |
//! | [`keeper`] | the thread that finds it out, so that no request calls a store |
//! | `limit` | how much one process tree may ask for |
//! | [`terms`] | what a grant's credentials are limited to |

pub mod approval;
pub mod break_glass;
mod decide;
pub mod keeper;
mod limit;
mod request_id;
pub mod standing;
pub mod terms;

use std::sync::Arc;
use std::time::Duration;

use decide::Facts;
use limit::Limiter;
pub use request_id::RequestId;
use request_id::RequestIds;
use standing::{Ended, Records, Session, Standing};
use terms::Terms;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::policy::{Effect, Limits, Mode, PeerFacts, Policy, PolicySource, Program, Question, Verdict};

/// After this a policy that cannot be read is read again, where nobody waits for it.
const NO_POLICY_PAUSE: Duration = Duration::from_secs(5);

/// Decides for one profile, in one mode.
pub struct Broker {
    profile: String,
    /// The role that the profile's credentials are of, where they are a role's.
    role_arn: Option<String>,
    mode: Mode,
    policy: Option<Arc<PolicySource>>,
    standing: Arc<Standing>,
    limiter: Limiter,
    clock: Arc<dyn Clock>,
    request_ids: RequestIds,
}

/// The policy as its source held it when a request asked for it; nothing where none is configured.
pub struct Rules(Option<Arc<Policy>>);

/// Who asks, as AWS knows them.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// The user, as policies know users.
    pub user: &'a str,
    /// Their account.
    pub account: &'a str,
}

/// What was decided of one request, and why.
pub struct Ruling {
    /// New for every request.
    pub request_id: RequestId,
    /// The user that AWS named, where it was asked.
    pub user: Option<String>,
    /// Effect (allow or deny), rule and reason.
    pub verdict: Verdict,
    /// What the credentials are limited to.
    pub terms: Terms,
    /// The session that the request belongs to.
    pub session_id: Option<Arc<str>>,
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
    terms: Terms,
}

/// Why there is no grant.
pub enum Denied {
    /// The policy says no.
    Policy(Box<(Caller, Ruling)>),
    /// The policy says: with an approval.
    Unapproved(Box<(Caller, Ruling)>),
    /// The run's session has ended.
    Revoked(Box<(Caller, Ruling)>),
    /// The tree asks for more than it may: come back then.
    Limited(Box<Caller>, Duration),
    /// The store has not answered yet: ask again.
    Pending(Box<Caller>),
    /// There is no readable policy, no session that is confirmed, or no random bytes: nothing can be decided.
    Undecided(Box<(Caller, Undecided)>),
}

/// What is missing for a decision.
pub struct Undecided {
    /// For the record: one of a few.
    pub reason: &'static str,
    /// What failed.
    pub error: Arc<Error>,
}

impl Broker {
    /// A broker that asks this policy, or allows everything where none is configured.
    pub fn new(profile: String, mode: Mode, policy: Option<Arc<PolicySource>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            profile,
            role_arn: None,
            mode,
            policy,
            standing: Arc::new(Standing::new(false, Arc::clone(&clock))),
            limiter: Limiter::default(),
            clock,
            request_ids: RequestIds::default(),
        }
    }

    /// The role that the profile's credentials are of, where they are a role's.
    pub fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    /// One that allows everything, for tests of what follows.
    #[cfg(test)]
    pub(crate) fn without_policy(clock: Arc<dyn Clock>) -> Self {
        Self::new("p".to_owned(), Mode::Server, None, clock)
    }

    /// Names the role that the profile's credentials are of.
    #[must_use]
    pub fn of_role(mut self, role_arn: Option<String>) -> Self {
        self.role_arn = role_arn;
        self
    }

    /// Believes this of sessions, approvals and break-glass events.
    #[must_use]
    pub fn believing(mut self, standing: Arc<Standing>) -> Self {
        self.standing = standing;
        self
    }

    /// Decides one request by `rules`, which are to be those of now. Waits for the store until `deadline` on the boot clock where
    /// nothing is known yet. `applicant` is whom AWS named; `None` where nobody asked. `asked` is the role that is asked for, where
    /// that is not the profile's own credentials.
    ///
    /// # Errors
    /// The denial.
    pub fn authorize(
        &self,
        caller: Caller,
        rules: &Rules,
        applicant: Option<Applicant<'_>>,
        asked: Option<&Arc<str>>,
        deadline: Duration,
    ) -> std::result::Result<Grant, Denied> {
        let asked = asked.filter(|role| self.role_arn.as_deref() != Some(&***role));
        let now = self.clock.boot();
        if let Err(wait) = self.limiter.request(now, rules.limits()) {
            return Err(Denied::Limited(Box::new(caller), wait));
        }
        let request_id = match self.request_ids.next() {
            Ok(id) => id,
            Err(error) => return Err(undecided(caller, "there are no random bytes", Arc::new(error))),
        };
        let session = self.standing.session(now, deadline);
        let session_id = match &session {
            Session::None => None,
            Session::Live { id, .. } => Some(Arc::clone(id)),
            Session::Ended { id, why } => {
                let verdict = Verdict::new(Effect::Deny, Arc::clone(why));
                let user = applicant.map(|who| who.user.to_owned());
                let session_id = Some(Arc::clone(id));
                let ruling = Ruling { request_id, user, verdict, terms: Terms::default(), session_id };
                return Err(Denied::Revoked(Box::new((caller, ruling))));
            }
            Session::Unknown(None) => return Err(Denied::Pending(Box::new(caller))),
            Session::Unknown(Some(error)) => {
                return Err(undecided(caller, "the session cannot be confirmed", Arc::clone(error)));
            }
        };
        let records = match self.records(rules, applicant, deadline) {
            Ok(records) => records,
            Err(None) => return Err(Denied::Pending(Box::new(caller))),
            Err(Some(error)) => return Err(undecided(caller, "approvals cannot be read", error)),
        };
        let decided = decide::decide(&Facts {
            policy: rules.0.as_deref(),
            question: self.question(&caller, rules, applicant, asked.map(|role| &**role)),
            session: &session,
            records: &records,
        });
        let allowed = decided.verdict.effect == Effect::Allow;
        let user = applicant.map(|who| who.user.to_owned());
        let terms = Terms { role: asked.cloned(), ..decided.terms };
        let ruling = Ruling { request_id, user, verdict: decided.verdict, terms, session_id };
        match (allowed, decided.awaits_approval) {
            (true, _) => {
                let lease = Lease { request_id, terms: ruling.terms.clone() };
                Ok(Grant { caller, ruling, lease })
            }
            (false, true) => Err(Denied::Unapproved(Box::new((caller, ruling)))),
            (false, false) => Err(Denied::Policy(Box::new((caller, ruling)))),
        }
    }

    /// Takes the allowance for a request that gets no further than to this; [`Broker::authorize`] takes its own.
    ///
    /// # Errors
    /// There is none left: when there will be.
    pub fn admit(&self, limits: Limits) -> std::result::Result<(), Duration> {
        self.limiter.request(self.clock.boot(), limits)
    }

    /// Takes the allowance for an exchange with AWS that nobody waits for, by the policy of now.
    ///
    /// # Errors
    /// There is none left, or no policy: when to ask again.
    pub fn exchange_ahead(&self) -> std::result::Result<(), Duration> {
        let rules = self.rules(Duration::ZERO).map_err(|_| NO_POLICY_PAUSE)?;
        self.exchange(rules.limits())
    }

    /// Takes the allowance for an exchange with AWS.
    ///
    /// # Errors
    /// There is none left: when there will be.
    pub fn exchange(&self, limits: Limits) -> std::result::Result<(), Duration> {
        self.limiter.exchange(self.clock.boot(), limits)
    }

    /// Counts a request that got credentials, which AWS knows by this SourceIdentity.
    pub fn count(&self, source_identity: Option<&str>) {
        self.standing.count(source_identity);
    }

    /// Whether the run's session has ended: nothing is given any more.
    pub fn has_ended(&self) -> bool {
        self.standing.has_ended()
    }

    /// How the run's session has ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        self.standing.ended()
    }

    /// Ends the run's session as one that it takes the place of has ended.
    pub fn end_as(&self, ended: &Ended) {
        self.standing.end_as(ended);
    }

    /// The policy as its source holds it now: to be asked for at every request. Waits at most `wait` for one that is far away.
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

    fn records(
        &self,
        rules: &Rules,
        applicant: Option<Applicant<'_>>,
        deadline: Duration,
    ) -> std::result::Result<Arc<Records>, Option<Arc<Error>>> {
        match applicant.filter(|_| rules.needs_records()) {
            Some(applicant) => self.standing.records(applicant.user, deadline),
            None => Ok(Arc::default()),
        }
    }

    fn question<'a>(
        &'a self,
        caller: &'a Caller,
        rules: &Rules,
        applicant: Option<Applicant<'a>>,
        asked: Option<&'a str>,
    ) -> Question<'a> {
        let program = if rules.needs_program() { caller.program() } else { Err("nobody asked") };
        let program = program.map(|program| Program { path: &program.path, sha256: &program.sha256 });
        Question {
            profile: &self.profile,
            user: applicant.map(|who| who.user),
            account: applicant.map(|who| who.account),
            mode: self.mode,
            now: self.clock.wall(),
            role_arn: asked.or(self.role_arn.as_deref()),
            by_arn: asked.is_some(),
            peer: PeerFacts { uid: caller.uid(), program },
            os: std::env::consts::OS,
        }
    }
}

fn undecided(caller: Caller, reason: &'static str, error: Arc<Error>) -> Denied {
    Denied::Undecided(Box::new((caller, Undecided { reason, error })))
}

impl Rules {
    /// Whether a decision needs to know who AWS says the user is.
    pub fn needs_user(&self) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.needs_user())
    }

    /// How much one process tree may ask for.
    pub fn limits(&self) -> Limits {
        self.0.as_ref().map_or_else(Limits::default, |policy| policy.limits())
    }

    fn needs_program(&self) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.needs_program())
    }

    /// Whether approvals or break-glass events may count.
    pub fn needs_records(&self) -> bool {
        self.0.as_ref().is_some_and(|policy| policy.needs_approvals() || policy.breakglass().is_some())
    }
}

impl Grant {
    /// Takes the grant apart, for its one exchange.
    pub(crate) fn redeem(self) -> (Caller, Ruling, Lease) {
        (self.caller, self.ruling, self.lease)
    }
}

impl Lease {
    /// The request that this lease came from: 8 hex digits, which SourceIdentity carries.
    pub fn request_id(&self) -> &str {
        self.request_id.as_str()
    }

    /// What the credentials are limited to.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The same right once more, for the next refresh.
    pub(crate) fn renewed(&self) -> Self {
        Self { request_id: self.request_id, terms: self.terms.clone() }
    }
}

#[cfg(test)]
mod tests;
