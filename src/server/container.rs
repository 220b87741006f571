//! The container credentials endpoint: `GET /`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Service;
use crate::auth::Visitor;
use crate::error::{Error, Result};
use crate::http::body::{CredentialFields, credentials_body};
use crate::http::request::{Method, Request};
use crate::http::response::{Allowed, ErrorAnswer};
use crate::policy::Verdict;
use crate::secret::Secret;
use crate::source::Credentials;
use crate::vending::Refused;

/// SDKs give up after 1 s; until then a connection waits for AWS, then tells its client to ask again.
const AWS_WAIT: Duration = Duration::from_millis(900);

/// What to write.
pub(super) enum Answer {
    /// 200, with this body.
    Credentials(Arc<Secret>),
    /// Anything else.
    Error(ErrorAnswer),
}

/// The body of the credentials that were answered last: made once for each set of credentials, and kept in locked pages.
#[derive(Default)]
pub struct Bodies(Mutex<Option<(Arc<Credentials>, Arc<Secret>)>>);

/// Answers one request. Every request is authenticated, whatever it asks, so that a path tells nothing to strangers.
pub(super) fn answer(request: &Request<'_>, visitor: &Visitor, writers_agree: bool, service: &Service) -> Answer {
    let began = service.clock.boot();
    let caller = match service.authenticator.authenticate(visitor, writers_agree, request.authorization) {
        Ok(caller) => caller,
        Err(refusal) => {
            let who = visitor.pid().map_or("a process".to_owned(), |pid| format!("pid {pid}"));
            service.operator.log("refused", &format!("refused {who}: {refusal}"));
            return Answer::Error(ErrorAnswer::Forbidden);
        }
    };
    if request.decoded_path() != "/" {
        return Answer::Error(ErrorAnswer::NotFound);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        return Answer::Error(ErrorAnswer::MethodNotAllowed(Allowed::GetHead));
    }
    let vended = match service.vendor.vend(caller, AWS_WAIT) {
        Ok(vended) => vended,
        Err(refused) => return Answer::Error(explain(refused, service)),
    };
    // The exchange took a while: the caller may have ended, executed another program, or lost its token meanwhile.
    let took = service.clock.boot().saturating_sub(began);
    if let Err(refusal) = service.authenticator.confirm(visitor, &vended.caller, took) {
        service.operator.log("refused", &format!("refused before the answer: {refusal}"));
        return Answer::Error(ErrorAnswer::Forbidden);
    }
    match service.bodies.of(&vended.credentials) {
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
fn explain(refused: Refused, service: &Service) -> ErrorAnswer {
    match refused {
        Refused::Policy(Verdict { rule, reason, .. }) => {
            let rule = rule.map_or(String::new(), |(_, name)| format!(" (rule `{name}`)"));
            service.operator.log("policy", &format!("policy denied {}: {reason}{rule}", service.vendor.profile()));
            ErrorAnswer::PolicyDenied
        }
        Refused::Unapproved(Verdict { reason, .. }) => {
            service.operator.log("policy", &format!("policy denied {}: {reason}", service.vendor.profile()));
            ErrorAnswer::PolicyDenied
        }
        Refused::Revoked(why) => {
            service.operator.log("session", &format!("refused: {why}"));
            ErrorAnswer::SessionRevoked
        }
        Refused::Limited(wait) => {
            service.operator.log("limit", "refused: rate limit exceeded (the policy's `limits`)");
            let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            ErrorAnswer::RateLimited { retry_after_s: u32::try_from(whole.max(1)).unwrap_or(u32::MAX) }
        }
        Refused::PolicyFailed(error) => {
            service.operator.log("policy", &error.line());
            ErrorAnswer::PolicyFailed
        }
        Refused::Pending => ErrorAnswer::CredentialsPending,
        Refused::Failed(error) => {
            service.operator.log("credentials", &error.line());
            ErrorAnswer::CredentialsFailed
        }
    }
}

impl Bodies {
    fn of(&self, credentials: &Arc<Credentials>) -> Result<Arc<Secret>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, body)) = last.as_ref()
            && Arc::ptr_eq(of, credentials)
        {
            return Ok(Arc::clone(body));
        }
        let body = Arc::new(make(credentials)?);
        *last = Some((Arc::clone(credentials), Arc::clone(&body)));
        Ok(body)
    }
}

fn make(credentials: &Credentials) -> Result<Secret> {
    let keys = credentials.keys();
    let (Some(token), Some(expiration)) = (&keys.session_token, credentials.expiration()) else {
        return Err(Error::new("only temporary credentials are served").hint("leave --no-session out"));
    };
    credentials_body(&CredentialFields {
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose_str(),
        token: token.expose_str(),
        expiration,
        account_id: credentials.account(),
        role_arn: credentials.role_arn(),
    })
    .map_err(|error| Error::new("cannot write the credentials' answer").because(error))
}
