//! The container credentials endpoint: `GET /`, and on the ECS endpoint `GET /role-arn/<ARN>`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::route::{Answer, Exchange};
use crate::auth::Shown;
use crate::error::{Error, Result};
use crate::http::body::{CredentialFields, credentials_body};
use crate::http::request::Method;
use crate::http::response::{Allowed, ErrorAnswer};
use crate::policy::is_role_arn;
use crate::secret::Secret;
use crate::source::Credentials;
use crate::source::vault::KEPT;
use crate::vending::Which;

/// Bodies: made once for each set of credentials, and kept in locked pages for as long as those are there.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Vec<(Weak<Credentials>, Arc<Secret>)>>);

/// Answers one request.
pub(super) fn answer(exchange: &Exchange<'_>, with_roles: bool) -> Answer {
    let request = exchange.request;
    let caller = match exchange.authenticate(Shown::Token(request.authorization)) {
        Ok(caller) => caller,
        Err(refused) => return Answer::Error(refused),
    };
    let which = match request.decoded_path().strip_prefix('/') {
        Some("") => Which::Own,
        Some(path) => match path.strip_prefix("role-arn/").filter(|arn| with_roles && is_role_arn(arn)) {
            Some(arn) => Which::Role(arn.into()),
            None => return Answer::Error(ErrorAnswer::NotFound),
        },
        None => return Answer::Error(ErrorAnswer::NotFound),
    };
    if !matches!(request.method, Method::Get | Method::Head) {
        return Answer::Error(ErrorAnswer::MethodNotAllowed(Allowed::GetHead));
    }
    exchange.vend(caller, &which, |desk, credentials| desk.bodies.of(credentials, make))
}

impl Bodies {
    /// The body that `make` makes of these: an endpoint's, always the same one of a server's.
    pub(super) fn of(
        &self,
        credentials: &Arc<Credentials>,
        make: impl FnOnce(&Credentials) -> Result<Secret>,
    ) -> Result<Arc<Secret>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, body)) = kept.iter().find(|(of, _)| of.as_ptr() == Arc::as_ptr(credentials)) {
            return Ok(Arc::clone(body));
        }
        let body = Arc::new(make(credentials)?);
        // Those of credentials that are gone are wiped; the oldest are made anew, should they be asked for again.
        kept.retain(|(of, _)| of.strong_count() > 0);
        if kept.len() >= KEPT {
            drop(kept.remove(0));
        }
        kept.push((Arc::downgrade(credentials), Arc::clone(&body)));
        Ok(body)
    }
}

fn make(credentials: &Credentials) -> Result<Secret> {
    fields(credentials).and_then(|fields| credentials_body(&fields).map_err(unwritable))
}

/// What there is to hand out.
pub(super) fn fields(credentials: &Credentials) -> Result<CredentialFields<'_>> {
    let keys = credentials.keys();
    let (Some(token), Some(expiration)) = (&keys.session_token, credentials.expiration()) else {
        return Err(Error::new("only temporary credentials are served").hint("leave --no-session out"));
    };
    Ok(CredentialFields {
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose_str(),
        token: token.expose_str(),
        expiration,
        account_id: credentials.account(),
        role_arn: credentials.role_arn(),
    })
}

pub(super) fn unwritable(error: io::Error) -> Error {
    Error::new("cannot write the credentials' answer").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_made_once_for_each_set_and_goes_with_it() {
        let (bodies, mut made) = (Bodies::default(), 0);
        let mut of = |credentials: &Arc<Credentials>| {
            let body = bodies.of(credentials, |credentials| {
                made += 1;
                make(credentials)
            });
            (body.expect("a body"), made)
        };
        let sets: Vec<_> = (0..KEPT).map(|_| Arc::new(Credentials::lasting(900))).collect();
        let first: Vec<_> = sets.iter().map(|set| of(set).0).collect();
        for (set, body) in sets.iter().zip(&first) {
            let (again, made) = of(set);
            assert!(Arc::ptr_eq(&again, body));
            assert_eq!(made, KEPT);
        }
        // One more than there is room for, and then one where the others are gone.
        let more = Arc::new(Credentials::lasting(900));
        assert_eq!(of(&more).1, KEPT + 1);
        assert_eq!(of(&sets[0]).1, KEPT + 2);
        assert_eq!(bodies.0.lock().expect("a lock").len(), KEPT);
        drop(sets);
        assert_eq!(
            bodies.of(&Arc::new(Credentials::lasting(900)), make).expect("a body").expose().first(),
            Some(&b'{')
        );
        assert_eq!(bodies.0.lock().expect("a lock").len(), 2);
    }
}
