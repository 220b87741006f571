//! What a grant's terms do to one fetch: how long what it brings may live, and what narrows it.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Chain;
use crate::broker::Lease;
use crate::broker::terms::Window;
use crate::duration;
use crate::error::{Error, Kind, Result};
use crate::profile::Role;

impl Chain {
    /// The roles to assume: the profile's, and the one that was asked for, with the last one's credentials.
    pub(super) fn roles<'a>(&'a self, lease: &Lease) -> Result<Cow<'a, [Role]>> {
        let Some(role_arn) = &lease.terms().role else { return Ok(Cow::Borrowed(&self.roles)) };
        let asked = Role {
            profile: self.name.clone(),
            role_arn: role_arn.to_string(),
            external_id: None,
            session_name: None,
            duration: None,
            mfa: None,
        };
        let roles = [self.roles.as_slice(), &[asked]].concat();
        self.plan.check_session_policies(&self.name, &roles)?;
        Ok(Cow::Owned(roles))
    }

    /// The longest that what is fetched now may live.
    pub(super) fn most(&self, lease: &Lease, now: Timestamp) -> Result<Option<Duration>> {
        lease.terms().longest(now).map_err(|left_s| {
            let window = lease.terms().window.as_ref().map_or_else(String::new, Window::name);
            let left = duration::text(Duration::from_secs(left_s));
            let what = format!("{left} are left of {window}, and STS's shortest session is 15m");
            Error::of(Kind::WindowEnds, what).hint("ask for a new one")
        })
    }

    /// Base keys are handed out as they are, so they have to end in time by themselves.
    pub(super) fn check_end(&self, most: Option<Duration>, ends: Option<Timestamp>, now: Timestamp) -> Result<()> {
        let Some(most) = most else { return Ok(()) };
        let latest = SignedDuration::try_from(most).ok().and_then(|most| now.checked_add(most).ok());
        if ends.zip(latest).is_some_and(|(ends, latest)| ends <= latest) {
            return Ok(());
        }
        let (name, most) = (&self.name, duration::text(most));
        Err(Error::new(format!(
            "the policy allows {most}, and the keys of profile `{name}` cannot be made to end sooner than they do"
        ))
        .hint("leave --no-session out, or give the profile a role_arn"))
    }

    /// What narrows the last role's session: the policy's word or the person's, and never one in place of the other.
    pub(super) fn session_policy<'a>(&'a self, lease: &'a Lease) -> Result<Option<&'a str>> {
        match (self.plan.session_policies.document.as_deref(), lease.terms().session_policy.as_deref()) {
            (Some(_), Some(_)) => Err(Error::new("the policy has a session_policy of its own for this rule")
                .hint("leave --session-policy out: STS takes one")),
            (given, ruled) => Ok(given.or(ruled)),
        }
    }
}
