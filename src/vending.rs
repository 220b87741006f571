//! One request for credentials, from its caller to its record: who is it, may they, get them, write it down.
//!
//! The only order in which this happens, for every mode. Nothing is handed out without its line in the decision log.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::auth::{Caller, PeerSummary};
use crate::aws::identity::Identity;
use crate::broker::{Broker, Denied, Lease, Rules, Ruling};
use crate::clock::Clock;
use crate::error::Error;
use crate::log::decision::{Decision, DecisionLog, Peer};
use crate::policy::{Effect, Verdict};
use crate::source::{Credentials, Receipt, Unavailable, Vault};

/// Why there is no decision, for the record.
pub(crate) const UNREADABLE: &str = "the policy cannot be read";
const UNIDENTIFIED: &str = "the caller's identity is not known";
const NOT_YET: &str = "AWS has not answered yet";

/// Vends one profile's credentials in one mode.
pub struct Vendor {
    broker: Broker,
    vault: Vault,
    log: DecisionLog,
    clock: Arc<dyn Clock>,
    /// Where requests come in, for the record: a socket's path, or nothing.
    endpoint: Option<String>,
    /// How callers are bound, for the record.
    binding: Option<&'static str>,
    /// The right to refresh, from the first grant.
    lease: OnceLock<Lease>,
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
        Self { broker, vault, log, clock, endpoint: None, binding: None, lease: OnceLock::new() }
    }

    /// Names, for the record, how callers are bound.
    #[must_use]
    pub fn bound(mut self, binding: &'static str) -> Self {
        self.binding = Some(binding);
        self
    }

    /// Names, for the record, where requests come in.
    #[must_use]
    pub fn serving(mut self, endpoint: String) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Vends to this caller; waits at most `wait` for AWS.
    ///
    /// # Errors
    /// Why not. A denial and a failure are recorded as well.
    pub fn vend(&self, caller: Caller, wait: Duration) -> Result<Vended, Refused> {
        let deadline = self.clock.boot().saturating_add(wait);
        let (rules, identity) = match self.basis(wait) {
            Ok(basis) => basis,
            Err(refused) => {
                let (reason, error) = match &refused {
                    Refused::PolicyFailed(error) => (UNREADABLE, error.summary()),
                    Refused::Failed(error) => (UNIDENTIFIED, error.summary()),
                    Refused::Pending | Refused::Policy(_) => (UNIDENTIFIED, NOT_YET.to_owned()),
                };
                self.record_undecided(&caller, reason, &error).map_err(|error| Refused::Failed(Arc::new(error)))?;
                return Err(refused);
            }
        };
        let user = identity.as_deref().map(Identity::user);
        let grant = match self.broker.authorize(caller, &rules, user.as_deref()) {
            Ok(grant) => grant,
            Err(Denied::Policy(denied)) => {
                let (caller, ruling) = *denied;
                self.record(&caller, &ruling, None, None).map_err(|error| Refused::Failed(Arc::new(error)))?;
                return Err(Refused::Policy(ruling.verdict));
            }
            Err(Denied::Undecided(undecided)) => {
                let (caller, error) = *undecided;
                let summary = error.summary();
                self.record_undecided(&caller, UNREADABLE, &summary)
                    .map_err(|error| Refused::Failed(Arc::new(error)))?;
                return Err(Refused::PolicyFailed(Arc::new(error)));
            }
        };
        self.lease.get_or_init(|| grant.lease());
        let left = deadline.saturating_sub(self.clock.boot());
        let (Receipt { caller, ruling }, answer) = self.vault.exchange(grant, left);
        let (credentials, failure) = match &answer {
            Ok(credentials) => (Some(credentials), None),
            Err(Unavailable::Pending) => (None, Some(NOT_YET.to_owned())),
            Err(Unavailable::Failed(error)) => (None, Some(error.summary())),
        };
        self.record(&caller, &ruling, credentials.map(Arc::as_ref), failure.as_deref())
            .map_err(|error| Refused::Failed(Arc::new(error)))?;
        match answer {
            Ok(credentials) => Ok(Vended { caller, credentials }),
            Err(Unavailable::Pending) => Err(Refused::Pending),
            Err(Unavailable::Failed(error)) => Err(Refused::Failed(error)),
        }
    }

    /// Keeps what is in use fresh, until [`Vendor::stop`]: to be run on a thread of its own.
    pub fn keep_fresh(&self) {
        self.vault.keep_fresh(|| self.lease.get());
    }

    /// Ends [`Vendor::keep_fresh`], once its thread is unparked.
    pub fn stop(&self) {
        self.vault.stop();
    }

    /// Ends the decision log's stream. What is asked for later is not given.
    pub fn close_log(&self) {
        self.log.close();
    }

    /// The profile whose credentials are vended.
    pub fn profile(&self) -> &str {
        self.broker.profile()
    }

    /// What a decision turns on: the policy of now, and who AWS says the user is, which is asked where the policy needs it and
    /// told where it is known anyway.
    fn basis(&self, wait: Duration) -> Result<(Rules, Option<Arc<Identity>>), Refused> {
        let deadline = self.clock.boot().saturating_add(wait);
        let left = || deadline.saturating_sub(self.clock.boot());
        let rules = || self.broker.rules(left()).map_err(|error| Refused::PolicyFailed(Arc::new(error)));
        let now = rules()?;
        if !now.needs_user() {
            return Ok((now, self.vault.known_identity()));
        }
        match self.vault.identity(left()) {
            // AWS may have been waited for: the policy of then is not the one of now.
            Ok(identity) => Ok((rules()?, Some(identity))),
            Err(Unavailable::Pending) => Err(Refused::Pending),
            Err(Unavailable::Failed(error)) => Err(Refused::Failed(error)),
        }
    }

    fn record(
        &self,
        caller: &Caller,
        ruling: &Ruling,
        credentials: Option<&Credentials>,
        failure: Option<&str>,
    ) -> crate::error::Result<()> {
        // The exchange may have found out who the user is.
        let identity = self.vault.known_identity();
        let user = identity.as_deref().map(Identity::user).or_else(|| ruling.user.clone());
        let verdict = &ruling.verdict;
        let mut decision = Decision::new(self.clock.wall(), self.broker.profile(), verdict.effect, &verdict.reason);
        decision.user = user.as_deref();
        decision.rule = verdict.rule.as_ref().map(|(_, name)| &**name);
        decision.rule_index = verdict.rule.as_ref().map(|(index, _)| *index);
        decision.policy_path = self.broker.policy_name();
        decision.request_id = Some(ruling.request_id.as_str());
        decision.mode = Some(self.broker.mode());
        decision.endpoint = self.endpoint.as_deref();
        decision.binding = self.binding;
        decision.account = identity.as_deref().map(|identity| identity.account.as_str());
        decision.principal_id = identity.as_deref().map(|identity| identity.user_id.as_str());
        decision.error = failure;
        if let Some(credentials) = credentials {
            decision.source_identity = credentials.source_identity();
            decision.role_arn = credentials.role_arn();
            decision.session_duration_seconds = credentials.lifetime_s().and_then(|s| u64::try_from(s).ok());
        }
        self.log.record(&with_peer(decision, caller))
    }

    /// Without a policy, or a user where the policy turns on one, nothing is given: that is a denial on record.
    fn record_undecided(&self, caller: &Caller, reason: &str, error: &str) -> crate::error::Result<()> {
        let mut decision = Decision::new(self.clock.wall(), self.broker.profile(), Effect::Deny, reason);
        decision.policy_path = self.broker.policy_name();
        decision.mode = Some(self.broker.mode());
        decision.endpoint = self.endpoint.as_deref();
        decision.binding = self.binding;
        decision.error = Some(error);
        self.log.record(&with_peer(decision, caller))
    }
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
