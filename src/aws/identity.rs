//! Who AWS says the caller is, and the one name that policies know them by.

/// What GetCallerIdentity answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub arn: String,
    /// `AIDA...` for users; `AROA...:<session>` for roles.
    pub user_id: String,
}

impl Identity {
    /// The name that policies and logs use: an IAM user's name without its path, `role:<name>` for an assumed role,
    /// the person for Identity Center's roles, `aws:root` for the account's root, or `federated:<name>`.
    ///
    /// A session name counts only for Identity Center's roles: elsewhere the caller chooses it. An ARN of another
    /// form is `unknown:<arn>`. No IAM user can be called as any of these with a `:`, because IAM's names hold none; a user of
    /// theirs may well be called `root`.
    ///
    /// Identity Center's roles are known by their name alone: their path, under which only AWS creates roles, is not part of an
    /// assumed role's ARN. Whoever may create roles in the account could make one of such a name, and choose its session names.
    pub fn user(&self) -> String {
        name_in(&self.arn).unwrap_or_else(|| format!("unknown:{}", self.arn))
    }

    /// Whether the parts fit together: a known form of ARN, and the account that it names.
    pub(super) fn is_consistent(&self) -> bool {
        self.account.len() == 12
            && self.account.bytes().all(|b| b.is_ascii_digit())
            && self.arn.split(':').nth(4) == Some(&self.account)
            && name_in(&self.arn).is_some()
    }
}

/// The user's name in an ARN, `None` for a form that is not known.
fn name_in(arn: &str) -> Option<String> {
    let mut fields = arn.splitn(6, ':');
    let (prefix, _partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, _account, resource) = (fields.next()?, fields.next()?, fields.next()?);
    if prefix != "arn" || !region.is_empty() {
        return None;
    }
    let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
    match (service, kind) {
        ("iam", "user") => rest.rsplit('/').next().filter(|name| is_name(name)).map(str::to_owned),
        ("iam", "root") if resource == "root" => Some("aws:root".to_owned()),
        ("sts", "federated-user") if is_name(rest) => Some(format!("federated:{rest}")),
        ("sts", "assumed-role") => {
            let (role, session) = rest.split_once('/')?;
            match is_name(role) && is_name(session) {
                true if is_identity_center(role) => Some(session.to_owned()),
                true => Some(format!("role:{role}")),
                false => None,
            }
        }
        _ => None,
    }
}

/// Whether these are the characters of an IAM name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// Whether the role is one that Identity Center makes: `AWSReservedSSO_<permission set>_<16 hex>`.
fn is_identity_center(role: &str) -> bool {
    role.strip_prefix("AWSReservedSSO_")
        .and_then(|rest| rest.rsplit_once('_'))
        .is_some_and(|(set, id)| !set.is_empty() && id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(arn: &str) -> Identity {
        Identity { account: "123456789012".to_owned(), arn: arn.to_owned(), user_id: "AIDAEXAMPLE".to_owned() }
    }

    #[test]
    fn each_kind_of_caller_has_its_name() {
        for (arn, user) in [
            ("arn:aws:iam::123456789012:user/alice", "alice"),
            ("arn:aws:iam::123456789012:user/division/team/bob@example.com", "bob@example.com"),
            ("arn:aws-cn:iam::123456789012:root", "aws:root"),
            ("arn:aws:iam::123456789012:user/root", "root"),
            ("arn:aws:sts::123456789012:assumed-role/deploy/alice", "role:deploy"),
            ("arn:aws:sts::123456789012:assumed-role/deploy/root", "role:deploy"),
            ("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/eve@x.org", "eve@x.org"),
            ("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Power_User_0123456789abcdef/eve", "eve"),
            ("arn:aws:sts::123456789012:federated-user/carol", "federated:carol"),
        ] {
            assert_eq!(identity(arn).user(), user);
            assert!(identity(arn).is_consistent(), "{arn}");
        }
    }

    #[test]
    fn a_role_that_only_resembles_identity_centers_is_a_role() {
        for role in ["AWSReservedSSO_Admin", "AWSReservedSSO_Admin_0123", "xAWSReservedSSO_A_0123456789abcdef"] {
            let arn = format!("arn:aws:sts::123456789012:assumed-role/{role}/eve");
            assert_eq!(identity(&arn).user(), format!("role:{role}"));
        }
    }

    #[test]
    fn other_forms_are_not_taken_for_a_user() {
        for arn in [
            "",
            "alice",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:user/a/",
            "arn:aws:iam::123456789012:user/al:ice",
            "arn:aws:iam::123456789012:user/al ice",
            "arn:aws:iam::123456789012:root/x",
            "arn:aws:iam:eu-west-1:123456789012:user/a",
            "arn:aws:sts::123456789012:assumed-role/deploy",
            "arn:aws:sts::123456789012:assumed-role/a/b/c",
            "arn:aws:sts::123456789012:federated-user/",
            "arn:aws:s3::123456789012:user/a",
        ] {
            assert_eq!(identity(arn).user(), format!("unknown:{arn}"));
            assert!(!identity(arn).is_consistent(), "{arn}");
        }
    }

    #[test]
    fn the_arn_names_the_account() {
        let mut other = identity("arn:aws:iam::210987654321:user/alice");
        assert!(!other.is_consistent());
        other.account = "210987654321".to_owned();
        assert!(other.is_consistent());
        other.account = "21098765432x".to_owned();
        assert!(!other.is_consistent());
    }
}
