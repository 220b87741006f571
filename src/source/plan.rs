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
            _ => Ok(()),
        }
    }
}
