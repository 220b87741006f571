//! What happens to each key of a profile: one table, which the code obeys and `docs/profile-keys.md` shows.

mod table;

pub use table::SETTINGS;

/// A key of a profile that AWS's tools know.
#[derive(Debug)]
pub struct Setting {
    /// Its name, in lower case.
    pub name: &'static str,
    /// What sentinel does with it.
    pub treatment: Treatment,
    /// The variable that says the same; it carries a setting to a child that has no config file.
    pub variable: Option<&'static str>,
    /// What it is for, or why it is treated so.
    pub reason: &'static str,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// sentinel acts on it. The child does not see it: it would be another source of credentials than the one that was
    /// decided on (T19).
    Honoured,
    /// sentinel acts on it, and the child gets it too.
    Shared,
    /// The child gets it; sentinel has no use for it.
    Passed,
    /// It decides the credentials, and is not supported: an error, where it would decide.
    Refused(Rank),
    /// Nobody gets it.
    Ignored,
}

/// Where a key that decides the credentials stands among a profile's other sources, in botocore's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Before keys.
    First,
    /// After keys in the credentials file, before a process.
    Middle,
    /// Where there is nothing else.
    Last,
}

/// Whether the setting says where credentials come from, or how they are made. A child's config file must not: it would
/// be another source than the one that was decided on (T19).
pub fn leads_to_credentials(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    match find(&setting) {
        Some(known) => !matches!(known.treatment, Treatment::Shared | Treatment::Passed),
        None => PREFIXES.iter().any(|prefix| setting.starts_with(prefix)),
    }
}

/// The variable that carries the setting to a child without a config file.
pub fn variable_of(setting: &str) -> Option<&'static str> {
    find(setting).filter(|_| !leads_to_credentials(setting)).and_then(|known| known.variable)
}

/// The keys that are refused at this rank, in the table's order.
pub(super) fn refused(rank: Rank) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter(move |known| known.treatment == Treatment::Refused(rank)).map(|known| known.name)
}

fn find(setting: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|known| known.name == setting)
}

/// Beginnings of keys that are about credentials, should tools write new ones: AWS's own, Identity Center's, MFA's, and
/// those of login tools (`x_principal_arn`).
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
        // New keys of these beginnings are not passed on before somebody has looked at them.
        for setting in ["aws_new", "sso_new", "mfa_new", "x_new"] {
            assert!(leads_to_credentials(setting) && find(setting).is_none(), "{setting}");
        }
        for setting in ["region", "output", "s3", "services", "endpoint_url", "retry_mode", "ca_bundle", "unheard_of"] {
            assert!(!leads_to_credentials(setting), "{setting}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_explains_itself() {
        assert!(SETTINGS.is_sorted_by(|one, other| one.name < other.name));
        for Setting { name, reason, variable, .. } in SETTINGS {
            assert_eq!(name.to_ascii_lowercase(), *name);
            assert!(!reason.is_empty() && !reason.ends_with('.') && !reason.contains('|'), "{name}");
            assert!(variable.is_none_or(|name| name.starts_with("AWS_") || name.starts_with("BOTOCORE_")), "{name}");
        }
    }

    #[test]
    fn only_what_a_child_may_have_has_a_variable() {
        assert_eq!(variable_of("cli_pager"), Some("AWS_PAGER"));
        assert_eq!(variable_of("endpoint_url"), Some("AWS_ENDPOINT_URL"));
        assert_eq!(variable_of("role_arn"), None);
        assert_eq!(variable_of("s3"), None);
    }
}
