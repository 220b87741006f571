//! The profile's settings, as the child may see them.

/// What the launcher knows about the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The profile's name.
    pub profile_name: &'a str,
    /// The region, where known.
    pub region: Option<&'a str>,
    /// The profile's settings, names in lower case. A nested block's value is a newline and its indented lines.
    /// Those that lead to credentials are left out here again: see [`crate::profile::leads_to_credentials`].
    pub settings: &'a [(String, String)],
    /// The `[services NAME]` section that the profile's `services` setting names.
    pub services: Option<Services<'a>>,
}

/// A `[services NAME]` section.
#[derive(Debug, Clone, Copy)]
pub struct Services<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its settings: a service's name, and a nested block.
    pub settings: &'a [(String, String)],
}

/// Settings that have an environment variable, as the AWS SDKs and Tools Reference Guide and the CLI's documentation
/// pair them. They survive in the environment where there is no config file.
pub const VARIABLES: &[(&str, &str)] = &[
    ("account_id_endpoint_mode", "AWS_ACCOUNT_ID_ENDPOINT_MODE"),
    ("auth_scheme_preference", "AWS_AUTH_SCHEME_PREFERENCE"),
    ("ca_bundle", "AWS_CA_BUNDLE"),
    ("cli_auto_prompt", "AWS_CLI_AUTO_PROMPT"),
    ("cli_pager", "AWS_PAGER"),
    ("defaults_mode", "AWS_DEFAULTS_MODE"),
    ("disable_request_compression", "AWS_DISABLE_REQUEST_COMPRESSION"),
    ("endpoint_discovery_enabled", "AWS_ENABLE_ENDPOINT_DISCOVERY"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
    ("ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    ("max_attempts", "AWS_MAX_ATTEMPTS"),
    ("output", "AWS_DEFAULT_OUTPUT"),
    ("request_checksum_calculation", "AWS_REQUEST_CHECKSUM_CALCULATION"),
    ("request_min_compression_size_bytes", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES"),
    ("response_checksum_validation", "AWS_RESPONSE_CHECKSUM_VALIDATION"),
    ("retry_mode", "AWS_RETRY_MODE"),
    ("s3_disable_express_session_auth", "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH"),
    ("s3_disable_multiregion_access_points", "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS"),
    ("s3_us_east_1_regional_endpoint", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT"),
    ("s3_use_arn_region", "AWS_S3_USE_ARN_REGION"),
    ("sdk_ua_app_id", "AWS_SDK_UA_APP_ID"),
    ("sigv4a_signing_region_set", "AWS_SIGV4A_SIGNING_REGION_SET"),
    ("sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS"),
    ("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"),
    ("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::leads_to_credentials;

    #[test]
    fn variables_are_sorted_and_none_leads_to_credentials() {
        assert!(VARIABLES.is_sorted());
        for (setting, variable) in VARIABLES {
            assert!(!leads_to_credentials(setting), "{setting}");
            assert!(variable.starts_with("AWS_"), "{variable}");
        }
    }
}
