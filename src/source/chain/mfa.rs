//! The chain's second factor: one code, one call to AWS, and a session that lasts.
//!
//! A code is good for one call, and nobody is asked for a second one: later fetches run in the background, where a prompt
//! would take the terminal from the command. So a code is not spent on a role, which lasts an hour, where it can be spent
//! on GetSessionToken: the session that this opens satisfies `aws:MultiFactorAuthPresent` for up to 36 hours, stays in
//! this process, and every role is assumed with it, with all the attempts that a call without a code may take.
//!
//! AssumeRole takes the code itself where that is not possible: GetSessionToken refuses temporary credentials, and AWS
//! counts a role that is assumed with such a session as chained, an hour at most, which is too short for somebody who
//! asked for more in an environment that is not refreshed anyway.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{BETWEEN_ROLES, CHAINED_LIMIT, Chain, Held, copy};
use crate::aws;
use crate::aws::keys::Issued;
use crate::clock::rfc3339_s;
use crate::error::{Error, Result};
use crate::profile::{Mfa, Role};
use crate::source::Code;

/// GetSessionToken's limit. Nobody gets this session itself; its end is when a person has to show a code again.
const SESSION: Duration = Duration::from_secs(36 * 3600);
/// Where the session itself is served, for as long as nobody says: GetSessionToken's own default, a working day.
const SERVED_SESSION: Duration = Duration::from_secs(12 * 3600);

/// A second factor, and what has become of its code.
pub(super) struct Factor {
    mfa: Mfa,
    /// Taken for its one use.
    code: Mutex<Option<Code>>,
    /// What it opened.
    session: Mutex<Option<Arc<Held>>>,
}

impl Factor {
    /// The second factor of a profile: its own, or that of the role that is assumed with a user's keys.
    ///
    /// # Errors
    /// When a role that is assumed with a role's credentials asks for another device: a role has none.
    pub(super) fn of(own: Option<Mfa>, roles: &[Role]) -> Result<Option<Self>> {
        let Some((first, later)) = roles.split_first() else { return Ok(own.map(Self::new)) };
        let shown = first.mfa.as_ref().map(|mfa| &mfa.serial);
        if let Some(Mfa { profile, .. }) =
            later.iter().filter_map(|role| role.mfa.as_ref()).find(|mfa| shown != Some(&mfa.serial))
        {
            return Err(Error::new(format!(
                "profile `{profile}` asks for MFA, and its role is assumed with another role, which has no device"
            ))
            .hint(format!(
                "move mfa_serial to profile `{}`, whose role is assumed with a user's keys",
                first.profile
            )));
        }
        Ok(first.mfa.clone().map(Self::new))
    }

    fn new(mfa: Mfa) -> Self {
        Self { mfa, code: Mutex::default(), session: Mutex::default() }
    }

    /// The code, for its one use.
    ///
    /// # Errors
    /// When it has been used.
    pub(super) fn take(&self) -> Result<Code> {
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner).take();
        code.ok_or_else(|| over(format!("profile `{}` needs a new MFA code", self.mfa.profile)))
    }

    /// The device and a code of it, for AWS.
    pub(super) fn shown<'a>(&'a self, code: &'a Code) -> aws::sts::Mfa<'a> {
        aws::sts::Mfa { serial: &self.mfa.serial, code: code.expose() }
    }
}

impl Chain {
    /// The device whose code has to be given to [`Chain::give_code`] before anything is fetched.
    ///
    /// # Errors
    /// When the base keys, which decide that, cannot be had.
    pub fn code_wanted(&self) -> Result<Option<&Mfa>> {
        let Some(Factor { mfa, .. }) = &self.factor else { return Ok(None) };
        // First of all: a helper may ask a person to log in, and codes do not keep for so long.
        let temporary = self.base.keys(self.clock.as_ref())?.keys.session_token.is_some();
        let unused = match () {
            () if !self.roles.is_empty() => return Ok(Some(mfa)),
            () if self.plan.no_session => "--no-session hands out its keys as they are",
            () if temporary => "its keys are a session's already",
            () => return Ok(Some(mfa)),
        };
        self.operator.log("mfa", &format!("mfa_serial of profile `{}` is not used: {unused}", mfa.profile));
        Ok(None)
    }

    /// Gives the code that [`Chain::code_wanted`] asks for.
    pub fn give_code(&self, code: Code) {
        if let Some(factor) = &self.factor {
            *factor.code.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        }
    }

    /// Spends the code on the session that roles are assumed with, so that their credentials can wait. Returns whether that is
    /// how it is spent: there may be no role, or the base keys be a session's already.
    ///
    /// # Errors
    /// AWS refused the code, or there are no base keys.
    pub fn open_session(&self) -> Result<bool> {
        let base = self.base.keys(self.clock.as_ref())?;
        let Some(factor) = self.opening(&base).filter(|_| !self.roles.is_empty()) else { return Ok(false) };
        self.session_of(factor, &base, self.deadline()).map(|_| true)
    }

    /// The second factor, where roles are assumed with the session that it opens.
    pub(super) fn opening(&self, base: &Held) -> Option<&Factor> {
        let long = !self.plan.served
            && self.roles.len() == 1
            && self.roles.iter().any(|role| self.wanted(role) > CHAINED_LIMIT);
        self.factor.as_ref().filter(|_| base.keys.session_token.is_none() && !long)
    }

    /// The session that the code opens, or has opened.
    pub(super) fn session_of(&self, factor: &Factor, base: &Held, deadline: Duration) -> Result<Arc<Held>> {
        let profile = &factor.mfa.profile;
        let mut session = factor.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = session.as_ref() {
            return match held.expiration {
                Some(end) if end <= self.clock.wall() => {
                    Err(over(format!("the MFA session of profile `{profile}` ended at {}", rfc3339_s(end))))
                }
                _ => Ok(Arc::clone(held)),
            };
        }
        let code = factor.take()?;
        let wanted = if self.plan.served { SESSION } else { BETWEEN_ROLES };
        let issued = self
            .sts()?
            .get_session_token(&base.keys, wanted, Some(factor.shown(&code)), deadline)
            .map_err(|failure| self.explain(failure.into(), base))?;
        self.say_until(issued.expiration);
        let origin = format!("the MFA session of profile `{profile}`");
        let held = Arc::new(Held::new(issued.keys, Some(issued.expiration), origin, self.clock.as_ref()));
        *session = Some(Arc::clone(&held));
        Ok(held)
    }

    /// Keeps a session that is handed out itself for roles that are asked for: there is no second code.
    pub(super) fn keep_session(&self, factor: &Factor, issued: &Issued) -> Result<()> {
        let origin = format!("the MFA session of profile `{}`", factor.mfa.profile);
        let held = Held::new(copy(&issued.keys)?, Some(issued.expiration), origin, self.clock.as_ref());
        *factor.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(held));
        Ok(())
    }

    /// How long a session that is handed out itself is asked for.
    pub(super) fn own_session(&self) -> Duration {
        let default = if self.plan.served { SERVED_SESSION } else { self.plan.default_duration };
        self.plan.duration.unwrap_or(default)
    }

    /// Tells the person when a new code will be needed, where that matters.
    pub(super) fn say_until(&self, end: Timestamp) {
        if self.plan.served {
            self.operator.log(
                "mfa",
                &format!(
                    "profile `{}` is served until its MFA session ends at {}: after that, start the command again",
                    self.name,
                    rfc3339_s(end)
                ),
            );
        }
    }
}

/// No credentials without a person.
fn over(what: String) -> Error {
    Error::new(what).hint("start the command again: a code is asked for at its start alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(profile: &str, serial: Option<&str>) -> Role {
        let mfa = |serial: &str| Mfa { profile: profile.to_owned(), serial: serial.to_owned(), process: None };
        Role {
            profile: profile.to_owned(),
            role_arn: format!("arn:aws:iam::123456789012:role/{profile}"),
            external_id: None,
            session_name: None,
            duration: None,
            mfa: serial.map(mfa),
        }
    }

    fn of(roles: &[Role]) -> Result<Option<String>> {
        Factor::of(None, roles)
            .map(|factor| factor.map(|factor| format!("{} {}", factor.mfa.profile, factor.mfa.serial)))
    }

    #[test]
    fn the_first_roles_device_counts_and_is_asked_once() {
        assert_eq!(of(&[]).expect("none"), None);
        assert_eq!(of(&[role("a", None), role("b", None)]).expect("none"), None);
        assert_eq!(of(&[role("a", Some("one"))]).expect("one").as_deref(), Some("a one"));
        assert_eq!(of(&[role("a", Some("one")), role("b", Some("one"))]).expect("one").as_deref(), Some("a one"));
    }

    #[test]
    fn a_role_that_is_assumed_with_a_role_has_no_device() {
        for first in [None, Some("one")] {
            let error = of(&[role("a", first), role("b", Some("two"))]).expect_err("a refusal");
            assert_eq!(
                error.to_string(),
                "profile `b` asks for MFA, and its role is assumed with another role, which has no device\n  \
                 move mfa_serial to profile `a`, whose role is assumed with a user's keys"
            );
        }
    }

    #[test]
    fn a_code_is_taken_once() {
        let factor = Factor::of(None, &[role("a", Some("one"))]).expect("a device").expect("a device");
        *factor.code.lock().expect("a lock") = Code::parse("012345").expect("memory");
        assert_eq!(factor.take().expect("the code").expose(), "012345");
        assert_eq!(
            factor.take().expect_err("it was used").to_string(),
            "profile `a` needs a new MFA code\n  start the command again: a code is asked for at its start alone"
        );
    }
}
