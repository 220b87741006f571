//! Which settings of a profile are about credentials.

/// Whether the setting says where credentials come from, or how they are made. A child's config file must not: it would
/// be another source than the one that was decided on (T19).
pub fn leads_to_credentials(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    NAMES.contains(&setting.as_str()) || PREFIXES.iter().any(|prefix| setting.starts_with(prefix))
}

/// Settings of the AWS SDKs and Tools Reference Guide that name, select or shape credentials, and those with which
/// aws-vault takes them from other profiles.
const NAMES: [&str; 11] = [
    "role_arn",
    "role_session_name",
    "source_profile",
    "credential_source",
    "credential_process",
    "external_id",
    "duration_seconds",
    "web_identity_token_file",
    "login_session",
    "include_profile",
    "parent_profile",
];

/// Beginnings of such settings: AWS's own, Identity Center's, MFA's, and those that login tools write
/// (`x_principal_arn`).
const PREFIXES: [&str; 4] = ["aws_", "sso_", "mfa_", "x_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_select_credentials_are_known() {
        for setting in
            ["role_arn", "Role_ARN", "aws_access_key_id", "sso_session", "mfa_serial", "mfa_process", "x_principal_arn"]
        {
            assert!(leads_to_credentials(setting), "{setting}");
        }
        for setting in ["region", "output", "s3", "services", "endpoint_url", "retry_mode", "ca_bundle"] {
            assert!(!leads_to_credentials(setting), "{setting}");
        }
    }
}
