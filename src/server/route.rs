//! Which endpoint answers a request, and at whose desk.
//!
//! Every request is authenticated, whatever it asks, so that a path tells nothing to strangers.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::desk::Desk;
use super::imds::Imds;
use super::slots::Slot;
use super::{container, imds};
use crate::auth::{Caller, Refusal, Shown, Ttl, Visitor};
use crate::http::request::Request;
use crate::http::response::{ErrorAnswer, Success};
use crate::policy::Verdict;
use crate::secret::Secret;
use crate::source::Credentials;
use crate::vending::{Refused, Which};

/// SDKs give up after 1 s; until then a connection waits for AWS, then tells its client to ask again.
const AWS_WAIT: Duration = Duration::from_millis(900);

/// Which paths there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The container credentials endpoint: `/`.
    Container,
    /// The same, and `/role-arn/<ARN>`.
    Ecs,
    /// The EC2 metadata endpoint: `/latest/...`.
    Ec2(Imds),
}

/// What to write.
pub(super) enum Answer {
    /// 200, with this body of JSON.
    Credentials(Arc<Secret>),
    /// 200, with this session token, which lives so long.
    SessionToken(Secret, Ttl),
    /// 200, with this text, which is no secret.
    Metadata(Success, String),
    /// Anything else.
    Error(ErrorAnswer),
}

/// One request, and who sent it.
pub(super) struct Exchange<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) visitor: &'a Visitor,
    pub(super) slot: &'a Slot,
    pub(super) writers_agree: bool,
    pub(super) service: &'a Service,
    /// Boot time when its head was complete.
    pub(super) began: Duration,
}

impl Exchange<'_> {
    /// Answers the request.
    pub(super) fn answer(&self) -> Answer {
        match self.service.endpoint {
            Endpoint::Container => container::answer(self, false),
            Endpoint::Ecs => container::answer(self, true),
            Endpoint::Ec2(imds) => imds::answer(self, imds),
        }
    }

    /// Authenticates whoever asks by what the request shows.
    pub(super) fn authenticate(&self, shown: Shown<'_>) -> Result<Caller, ErrorAnswer> {
        let service = self.service;
        let caller =
            service.authenticator.authenticate(self.visitor, self.writers_agree, shown).map_err(|refusal| {
                service.operator.log("refused", &format!("refused {}: {refusal}", self.visitor.name()));
                match refusal {
                    Refusal::NoSession => ErrorAnswer::Unauthorized,
                    _ => ErrorAnswer::Forbidden,
                }
            })?;
        // Before anything is answered: who is hung up on is looked for among those who were led to a profile.
        self.slot.led_to(caller.profile());
        Ok(caller)
    }

    /// The caller's desk.
    pub(super) fn desk(&self, caller: &Caller) -> Result<Arc<Desk>, ErrorAnswer> {
        self.service.desks.of(caller).ok_or_else(|| {
            // It was taken out of the settings since the caller was led to it.
            let profile = caller.profile().map_or("", |profile| &**profile);
            let (operator, name) = (&self.service.operator, self.visitor.name());
            operator.log("refused", &format!("refused {name}: the profile {profile} is not served any more"));
            ErrorAnswer::Forbidden
        })
    }

    /// Gets what is wanted at the caller's desk, in the body that `make` makes of it.
    pub(super) fn vend(
        &self,
        desk: &Desk,
        caller: Caller,
        which: &Which,
        make: fn(&Credentials) -> crate::error::Result<Secret>,
    ) -> Answer {
        let service = self.service;
        // A quarter of the connections is for those who need not wait.
        let turn = service.desks.turn(desk, service.max_connections.saturating_sub(service.max_connections / 4));
        let wait = if turn.may_wait { AWS_WAIT } else { Duration::ZERO };
        let vended = match desk.vendor.vend(caller, which, self.began, wait) {
            Ok(vended) => vended,
            Err(refused) => return Answer::Error(self.explain(refused, desk)),
        };
        // The exchange took a while: the caller may have ended, executed another program, or lost its token meanwhile.
        let took = service.clock.boot().saturating_sub(self.began);
        if let Err(refusal) = service.authenticator.confirm(self.visitor, &vended.caller, took) {
            service.operator.log("refused", &format!("refused before the answer: {refusal}"));
            return Answer::Error(ErrorAnswer::Forbidden);
        }
        match vended.credentials.body(make) {
            Ok(body) => {
                if !body.is_locked() {
                    service
                        .operator
                        .log("mlock", "secrets may be written to swap: raise the limit on locked memory (ulimit -l)");
                }
                Answer::Credentials(body)
            }
            Err(error) => {
                service.operator.log("body", &error.summary());
                Answer::Error(ErrorAnswer::CredentialsFailed)
            }
        }
    }

    /// The client learns the code; the person who runs sentinel learns why.
    fn explain(&self, refused: Refused, desk: &Desk) -> ErrorAnswer {
        let (operator, profile) = (&self.service.operator, desk.vendor.profile());
        match refused {
            Refused::Policy(Verdict { rule, reason, .. }) => {
                let rule = rule.map_or(String::new(), |(_, name)| format!(" (rule `{name}`)"));
                operator.log("policy", &format!("policy denied {profile}: {reason}{rule}"));
                ErrorAnswer::PolicyDenied
            }
            Refused::Unapproved(Verdict { reason, .. }) => {
                operator.log("policy", &format!("policy denied {profile}: {reason}"));
                ErrorAnswer::PolicyDenied
            }
            Refused::Revoked(why) => {
                operator.log("session", &format!("refused: {why}"));
                ErrorAnswer::SessionRevoked
            }
            Refused::Limited(wait) => {
                operator.log("limit", "refused: rate limit exceeded (the policy's `limits`)");
                let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
                ErrorAnswer::RateLimited { retry_after_s: u32::try_from(whole.max(1)).unwrap_or(u32::MAX) }
            }
            Refused::PolicyFailed(error) => {
                operator.log("policy", &error.line());
                ErrorAnswer::PolicyFailed
            }
            Refused::Pending => ErrorAnswer::CredentialsPending,
            Refused::Failed(error) => {
                operator.log("credentials", &error.line());
                ErrorAnswer::CredentialsFailed
            }
        }
    }
}
