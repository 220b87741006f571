//! How a test says what a role's trust policy allows.

use super::Sts;
use super::world::{ACCOUNT, Role, unique_id};

/// A role before it exists.
#[must_use = "arn() creates the role"]
pub(crate) struct RoleBuilder<'a> {
    sts: &'a Sts,
    role: Role,
}

impl<'a> RoleBuilder<'a> {
    pub(super) fn new(sts: &'a Sts, name: &str) -> Self {
        let role = Role {
            arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            name: name.to_owned(),
            id: unique_id("AROA"),
            trusts: Vec::new(),
            external_id: None,
            allows_source_identity: false,
            requires_mfa: false,
            max_duration_s: 3600,
        };
        Self { sts, role }
    }

    /// Lets a user or a role (by ARN), or everybody (`*`), assume it.
    pub(crate) fn trusts(mut self, arn: &str) -> Self {
        self.role.trusts.push(arn.to_owned());
        self
    }

    /// Requires this ExternalId.
    pub(crate) fn external_id(mut self, id: &str) -> Self {
        self.role.external_id = Some(id.to_owned());
        self
    }

    /// Allows sts:SetSourceIdentity.
    pub(crate) fn allows_source_identity(mut self) -> Self {
        self.role.allows_source_identity = true;
        self
    }

    /// Requires that the caller showed a second factor.
    pub(crate) fn requires_mfa(mut self) -> Self {
        self.role.requires_mfa = true;
        self
    }

    /// MaxSessionDuration.
    pub(crate) fn max_duration_s(mut self, seconds: i64) -> Self {
        self.role.max_duration_s = seconds;
        self
    }

    /// Creates it.
    pub(crate) fn arn(self) -> String {
        let arn = self.role.arn.clone();
        self.sts.state().world.roles.insert(arn.clone(), self.role);
        arn
    }
}
