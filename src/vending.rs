//! One request for credentials, from its caller to its record: who is it, may they, get them, write it down.
//!
//! The only order in which this happens, for every mode. Nothing is handed out without its line in the decision log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::{Caller, PeerSummary};
use crate::aws::identity::Identity;
use crate::broker::standing::Ended;
use crate::broker::terms::{By, Window};
use crate::broker::{Applicant, Broker, Denied, Rules, Ruling};
use crate::clock::Clock;
use crate::error::Error;
use crate::log::decision::{Decision, DecisionLog, Peer};
use crate::policy::{Effect, Limits, Verdict};
use crate::source::{Credentials, Receipt, Unavailable, Vault};

/// Why there is no decision, for the record.
pub(crate) const UNREADABLE: &str = "the policy cannot be read";
const UNIDENTIFIED: &str = "the caller's identity is not known";
const NOT_YET: &str = "AWS has not answered yet";
/// Requests over the limit are counted, and this often written down: a line each would fill the disk.
const LIMITED_EVERY: Duration = Duration::from_secs(1);

/// Vends one profile's credentials in one mode.
pub struct Vendor {
    broker: Broker,
    vault: Vault,
    log: DecisionLog,
    clock: Arc<dyn Clock>,
    recorded: Recorded,
    limited: Mutex<Limited>,
}

/// What is the same in every line of the decision log.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Where requests come in: a socket's path, or nothing.
    pub endpoint: Option<String>,
    /// How callers are bound.
    pub binding: Option<&'static str>,
}

/// Requests over the limit that no line tells of yet.
#[derive(Default)]
struct Limited {
    count: u64,
    /// Boot time of the last line about them.
    told_at: Option<Duration>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The profile's own credentials.
    Own,
    /// Those of this role, which is assumed with them. The profile's own role is the profile's own.
    Role(Arc<str>),
}

impl Which {
    fn role(&self) -> Option<&Arc<str>> {
        match self {
            Self::Own => None,
            Self::Role(arn) => Some(arn),
        }
    }
}

/// Credentials that may be handed to this caller, now that the record is written.
pub struct Vended {
    /// Who asked.
    pub caller: Caller,
    /// What they get.
    pub credentials: Arc<Credentials>,
}

/// Why nothing is vended.
pub enum Refused {
    /// The policy says no, for this reason.
    Policy(Verdict),
    /// The policy says: with an approval.
    Unapproved(Verdict),
    /// The session has ended, for this reason.
    Revoked(String),
    /// Too much was asked for: come back then.
    Limited(Duration),
    /// There is no readable policy.
    PolicyFailed(Arc<Error>),
    /// AWS has not answered yet: ask again.
    Pending,
    /// The credentials could not be fetched, or the record not be written.
    Failed(Arc<Error>),
}

impl Vendor {
    /// A vendor of what `vault` holds, to whom `broker` allows it, recorded in `log`.
    pub fn new(broker: Broker, vault: Vault, log: DecisionLog, clock: Arc<dyn Clock>) -> Self {
        let (recorded, limited) = (Recorded::default(), Mutex::default());
        Self { broker, vault, log, clock, recorded, limited }
    }

    /// Writes this into every line of the decision log.
    #[must_use]
    pub fn recording(mut self, recorded: Recorded) -> Self {
        self.recorded = recorded;
        self
    }

    /// Names, for the record, how callers are bound.
    #[must_use]
    pub fn bound(mut self, binding: &'static str) -> Self {
        self.recorded.binding = Some(binding);
        self
    }

    /// Names, for the record, where requests come in.
    #[must_use]
    pub fn serving(mut self, endpoint: String) -> Self {
        self.recorded.endpoint = Some(endpoint);
        self
    }

    /// Where the policy is, if there is one.
    pub fn policy_name(&self) -> Option<&str> {
        self.broker.policy_name()
    }

    /// Vends to this caller, who asked at boot time `began`; waits at most `wait` from then for AWS and for stores.
    ///
    /// # Errors
    /// Why not. A denial and a failure are recorded as well.
    pub fn vend(&self, caller: Caller, which: &Which, began: Duration, wait: Duration) -> Result<Vended, Refused> {
        let deadline = began.saturating_add(wait);
        let (rules, identity) = match self.basis(wait, deadline) {
            Ok(basis) => basis,
            Err(refused) => {
                // Where no policy says how many: a line each would fill the disk.
                if let Err(wait) = self.broker.admit(Limits::default()) {
                    return Err(self.limited(&caller, which, wait));
                }
                let (reason, error) = match &refused {
                    Refused::PolicyFailed(error) => (UNREADABLE, error.summary()),
                    Refused::Failed(error) => (UNIDENTIFIED, error.summary()),
                    _ => (UNIDENTIFIED, NOT_YET.to_owned()),
                };
                self.record_undecided(&caller, which, reason, Some(&error))?;
                return Err(refused);
            }
        };
        let user = identity.as_deref().map(Identity::user);
        let applicant = user.as_deref().zip(identity.as_deref());
        let applicant = applicant.map(|(user, identity)| Applicant { user, account: &identity.account });
        let grant = match self.broker.authorize(caller, &rules, applicant, which.role(), deadline) {
            Ok(grant) => grant,
            Err(denied) => return Err(self.denied(denied, which)),
        };
        let admit = || self.broker.exchange(rules.limits());
        let (Receipt { caller, ruling }, answer) = self.vault.exchange(grant, deadline, admit);
        let (credentials, failure) = match &answer {
            Ok(credentials) => (Some(credentials), None),
            Err(Unavailable::Pending) => (None, Some(NOT_YET.to_owned())),
            Err(Unavailable::Limited(wait)) => return Err(self.limited(&caller, which, *wait)),
            Err(Unavailable::Failed(error)) => (None, Some(error.summary())),
        };
        // The exchange may have found out who the user is.
        let identity = identity.or_else(|| self.vault.known_identity());
        self.record(&caller, which, (&ruling, identity.as_deref()), credentials.map(Arc::as_ref), failure.as_deref())?;
        match answer {
            Ok(credentials) => {
                self.broker.count(credentials.source_identity());
                Ok(Vended { caller, credentials })
            }
            Err(Unavailable::Pending) => Err(Refused::Pending),
            Err(Unavailable::Limited(wait)) => Err(Refused::Limited(wait)),
            Err(Unavailable::Failed(error)) => Err(Refused::Failed(error)),
        }
    }

    /// The same, for who asks now.
    ///
    /// # Errors
    /// As for [`Vendor::vend`].
    pub fn vend_now(&self, caller: Caller, which: &Which, wait: Duration) -> Result<Vended, Refused> {
        self.vend(caller, which, self.clock.boot(), wait)
    }

    /// Records a denial, and says it in the way that callers are told.
    fn denied(&self, denied: Denied, which: &Which) -> Refused {
        let recorded = match &denied {
            Denied::Policy(denied) | Denied::Unapproved(denied) | Denied::Revoked(denied) => {
                let (caller, ruling) = denied.as_ref();
                let identity = self.vault.known_identity();
                self.record(caller, which, (ruling, identity.as_deref()), None, None)
            }
            Denied::Undecided(undecided) => {
                let (caller, undecided) = undecided.as_ref();
                self.record_undecided(caller, which, undecided.reason, Some(&undecided.error.summary()))
            }
            Denied::Pending(caller) => self.record_undecided(caller, which, "the store has not answered yet", None),
            Denied::Limited(caller, wait) => return self.limited(caller, which, *wait),
        };
        if let Err(refused) = recorded {
            return refused;
        }
        match denied {
            Denied::Policy(denied) => Refused::Policy(denied.1.verdict),
            Denied::Unapproved(denied) => Refused::Unapproved(denied.1.verdict),
            Denied::Revoked(denied) => Refused::Revoked(denied.1.verdict.reason.to_string()),
            Denied::Undecided(undecided) => Refused::Failed(undecided.1.error),
            Denied::Pending(_) => Refused::Pending,
            Denied::Limited(_, wait) => Refused::Limited(wait),
        }
    }

    /// Keeps what is in use fresh, until [`Vendor::stop`]: to be run on a thread of its own.
    pub fn keep_fresh(&self) {
        self.vault.keep_fresh(|| !self.broker.has_ended(), || self.broker.exchange_ahead());
    }

    /// Ends [`Vendor::keep_fresh`], once its thread is unparked, and writes down what is left to tell.
    pub fn stop(&self) {
        self.vault.stop();
        let count = std::mem::take(&mut self.limits_hit().count);
        if count > 0 {
            // Nothing was given, so that nothing is undone where this cannot be written.
            let _unwritten = self.write(&self.decision(Effect::Deny, &too_many(count), None));
        }
    }

    /// Ends the decision log's stream. What is asked for later is not given.
    pub fn close_log(&self) {
        self.log.close();
    }

    /// How the session has ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        self.broker.ended()
    }

    /// Ends the session as one of the same profile has ended: a revocation outlives what is read again.
    pub fn end_as(&self, ended: &Ended) {
        self.broker.end_as(ended);
    }

    /// The profile whose credentials are vended.
    pub fn profile(&self) -> &str {
        self.broker.profile()
    }

    /// The role that the profile's credentials are of, where they are a role's.
    pub fn role_arn(&self) -> Option<&str> {
        self.broker.role_arn()
    }

    /// The account of the profile's credentials: its role's, or the one that AWS has named already.
    pub fn known_account(&self) -> Option<String> {
        match self.role_arn() {
            Some(arn) => arn.split(':').nth(4).map(str::to_owned),
            None => self.vault.known_identity().map(|identity| identity.account.clone()),
        }
    }

    /// The user, if AWS has named them already.
    pub fn known_user(&self) -> Option<String> {
        self.vault.known_identity().as_deref().map(Identity::user)
    }

    /// What a decision turns on: the policy of now, and who AWS says the user is, which is asked where the policy needs it and
    /// told where it is known anyway.
    fn basis(&self, wait: Duration, deadline: Duration) -> Result<(Rules, Option<Arc<Identity>>), Refused> {
        let rules = |wait| self.broker.rules(wait).map_err(|error| Refused::PolicyFailed(Arc::new(error)));
        let now = rules(wait)?;
        let known = self.vault.known_identity();
        if known.is_some() || !now.needs_user() {
            return Ok((now, known));
        }
        match self.vault.identity(deadline) {
            // AWS was waited for: the policy of then is not the one of now.
            Ok(identity) => Ok((rules(deadline.saturating_sub(self.clock.boot()))?, Some(identity))),
            Err(Unavailable::Pending) => Err(Refused::Pending),
            Err(Unavailable::Limited(wait)) => Err(Refused::Limited(wait)),
            Err(Unavailable::Failed(error)) => Err(Refused::Failed(error)),
        }
    }

    fn record(
        &self,
        caller: &Caller,
        which: &Which,
        (ruling, identity): (&Ruling, Option<&Identity>),
        credentials: Option<&Credentials>,
        failure: Option<&str>,
    ) -> Result<(), Refused> {
        let found = if ruling.user.is_none() { identity.map(Identity::user) } else { None };
        let verdict = &ruling.verdict;
        let mut decision = self.decision(verdict.effect, &verdict.reason, failure);
        decision.role_arn = which.role().map(|role| &**role);
        decision.user = ruling.user.as_deref().or(found.as_deref());
        decision.rule = verdict.rule.as_ref().map(|(_, name)| &**name);
        decision.rule_index = verdict.rule.as_ref().map(|(index, _)| *index);
        decision.request_id = Some(ruling.request_id.as_str());
        decision.session_id = ruling.session_id.as_deref();
        decision.account = identity.map(|identity| identity.account.as_str());
        decision.principal_id = identity.map(|identity| identity.user_id.as_str());
        match &ruling.terms.window {
            Some(Window { by: By::Approval, id, .. }) => decision.approved_request_id = Some(id),
            Some(Window { by: By::BreakGlass, id, .. }) => decision.break_glass_event_id = Some(id),
            None => {}
        }
        if let Some(credentials) = credentials {
            decision.source_identity = credentials.source_identity();
            decision.role_arn = credentials.role_arn().or(decision.role_arn);
            decision.session_duration_seconds = credentials.lifetime_s().and_then(|s| u64::try_from(s).ok());
        }
        self.write(&with_peer(decision, caller))
    }

    /// Where nothing could be decided nothing is given: that is a denial on record.
    fn record_undecided(
        &self,
        caller: &Caller,
        which: &Which,
        reason: &str,
        error: Option<&str>,
    ) -> Result<(), Refused> {
        let mut decision = self.decision(Effect::Deny, reason, error);
        decision.role_arn = which.role().map(|role| &**role);
        self.write(&with_peer(decision, caller))
    }

    /// Counts a request over the limit, and from time to time writes down how many there were.
    fn limited(&self, caller: &Caller, which: &Which, wait: Duration) -> Refused {
        let count = {
            let now = self.clock.boot();
            let mut limited = self.limits_hit();
            limited.count = limited.count.saturating_add(1);
            let told = limited.told_at.is_some_and(|at| now.saturating_sub(at) < LIMITED_EVERY);
            if told {
                return Refused::Limited(wait);
            }
            limited.told_at = Some(now);
            std::mem::take(&mut limited.count)
        };
        match self.record_undecided(caller, which, &too_many(count), None) {
            Ok(()) => Refused::Limited(wait),
            Err(refused) => refused,
        }
    }

    fn limits_hit(&self) -> MutexGuard<'_, Limited> {
        // A panic aborts the process, so a poisoned lock is never seen.
        self.limited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decision<'a>(&'a self, effect: Effect, reason: &'a str, error: Option<&'a str>) -> Decision<'a> {
        let mut decision = Decision::new(self.clock.wall(), self.broker.profile(), effect, reason);
        decision.policy_path = self.broker.policy_name();
        decision.mode = Some(self.broker.mode());
        decision.endpoint = self.recorded.endpoint.as_deref();
        decision.binding = self.recorded.binding;
        decision.error = error;
        decision
    }

    fn write(&self, decision: &Decision<'_>) -> Result<(), Refused> {
        self.log.record(decision).map_err(|error| Refused::Failed(Arc::new(error)))
    }
}

fn too_many(count: u64) -> String {
    format!("rate limit exceeded, {count} times since the last such line")
}

fn with_peer<'a>(mut decision: Decision<'a>, caller: &'a Caller) -> Decision<'a> {
    decision.peer = caller.peer().map(|peer: &PeerSummary| Peer {
        pid: peer.pid.cast_unsigned(),
        uid: peer.uid,
        gid: peer.gid,
        executable: peer.executable.as_deref().and_then(std::path::Path::to_str),
    });
    decision
}

#[cfg(test)]
mod tests;
