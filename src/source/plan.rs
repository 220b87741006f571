//! What to ask AWS for.

use std::time::Duration;

use crate::duration;
use crate::error::{Error, Result};
use crate::profile::Role;

/// Whether AWS is asked to record who acts for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceIdentityRule {
    /// Where the role allows it.
    Auto,
    /// Or not at all.
    Require,
    /// Never.
    Off,
}

/// What narrows a role's session. Empty: nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPolicies {
    /// A policy of its own, JSON.
    pub document: Option<String>,
    /// Managed policies.
    pub arns: Vec<String>,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long the credentials are to live, as the person said.
    pub duration: Option<Duration>,
    /// How long where neither the person nor the profile says.
    pub default_duration: Duration,
    /// Hand out the profile's own keys and not a session's.
    pub no_session: bool,
    /// Whether they are served: then they need an expiration.
    pub served: bool,
    /// Whether a policy judges by who the caller is.
    pub judged: bool,
    /// SourceIdentity.
    pub source_identity: SourceIdentityRule,
    /// What narrows the last role's session.
    pub session_policies: SessionPolicies,
}

impl Plan {
    /// AWS's limits, before any call is made.
    pub(super) fn check(&self, profile: &str, roles: &[Role]) -> Result<()> {
        const ROLE_LIMIT: Duration = Duration::from_secs(12 * 3600);
        match self.duration {
            Some(wanted) if !roles.is_empty() && wanted > ROLE_LIMIT => Err(Error::usage(format!(
                "--duration {} is above 12h, the longest session that AWS issues for a role, and profile `{profile}` assumes one",
                duration::text(wanted)
            ))),
            _ => self.check_session_policies(profile, roles),
        }
    }

    /// Managed policies have to be the role's account's or AWS's own, in the role's partition (AssumeRole, PolicyArns).
    pub(super) fn check_session_policies(&self, profile: &str, roles: &[Role]) -> Result<()> {
        let SessionPolicies { document, arns } = &self.session_policies;
        if document.is_none() && arns.is_empty() {
            return Ok(());
        }
        let Some(Role { role_arn, .. }) = roles.last() else {
            return Err(Error::usage(format!(
                "--session-policy and --policy-arn narrow a role's session, and profile `{profile}` has no role"
            ))
            .hint("leave them out, or add role_arn and source_profile to the profile"));
        };
        let part = |arn: &str, index: usize| arn.split(':').nth(index).unwrap_or_default().to_owned();
        let (partition, account) = (part(role_arn, 1), part(role_arn, 4));
        let fits = |arn: &&String| part(arn, 1) == partition && (part(arn, 4) == account || part(arn, 4) == "aws");
        match arns.iter().find(|arn| !fits(arn)) {
            None => Ok(()),
            Some(arn) => Err(Error::usage(format!("{arn} is not of the account of {role_arn}, nor AWS's own")).hint(
                format!("write arn:{partition}:iam::{account}:policy/NAME or arn:{partition}:iam::aws:policy/NAME"),
            )),
        }
    }
}
