//! The container credentials endpoint: `GET /`, and on the ECS endpoint `GET /role-arn/<ARN>`.

use std::io;

use super::route::{Answer, Exchange};
use crate::auth::Shown;
use crate::error::{Error, Result};
use crate::http::body::{CredentialFields, credentials_body};
use crate::http::request::Method;
use crate::http::response::{Allowed, ErrorAnswer};
use crate::policy::is_role_arn;
use crate::secret::Secret;
use crate::source::Credentials;
use crate::vending::Which;

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
    match exchange.desk(&caller) {
        Ok(desk) => exchange.vend(&desk, caller, &which, make),
        Err(refused) => Answer::Error(refused),
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
