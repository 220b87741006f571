//! The keys of the AWS SDKs and Tools Reference Guide, of the AWS CLI's documentation and of botocore's session variables,
//! and those that aws-vault and login tools write. A test asks the installed AWS CLI whether one is missing.

use super::{Rank, Setting, Treatment};

/// Every key that is known, by name. A key that is not here is passed on, unless its name begins like one about credentials.
pub const SETTINGS: &[Setting] = &[
    passed("account_id_endpoint_mode", SDKS).by("AWS_ACCOUNT_ID_ENDPOINT_MODE"),
    passed("api_versions", SDKS),
    passed("auth_scheme_preference", SDKS).by("AWS_AUTH_SCHEME_PREFERENCE"),
    honoured("aws_access_key_id", PAIR),
    ignored("aws_account_id", "the account is the one that AWS answers"),
    honoured("aws_credential_expiration", "when keys with a session token end"),
    honoured("aws_secret_access_key", PAIR),
    honoured("aws_security_token", "an older name of aws_session_token"),
    honoured("aws_session_token", "makes keys temporary"),
    shared("ca_bundle", "whose certificates are trusted, in place of the built-in ones").by("AWS_CA_BUNDLE"),
    passed("cli_auto_prompt", CLI).by("AWS_CLI_AUTO_PROMPT"),
    passed("cli_binary_format", CLI),
    passed("cli_follow_urlparam", CLI),
    passed("cli_history", CLI),
    passed("cli_pager", CLI).by("AWS_PAGER"),
    passed("cli_timestamp_format", CLI),
    honoured("credential_process", "a program that prints credentials; split into words, run without a shell"),
    honoured("credential_source", "Environment; EcsContainer and Ec2InstanceMetadata are refused"),
    passed("csm_client_id", SDKS),
    passed("csm_enabled", SDKS),
    passed("csm_host", SDKS),
    passed("csm_port", SDKS),
    passed("data_path", SDKS),
    passed("defaults_mode", SDKS).by("AWS_DEFAULTS_MODE"),
    passed("disable_host_prefix_injection", SDKS).by("AWS_DISABLE_HOST_PREFIX_INJECTION"),
    passed("disable_request_compression", SDKS).by("AWS_DISABLE_REQUEST_COMPRESSION"),
    honoured("duration_seconds", "how long the role's session lasts, 900 to 43200; --duration comes first"),
    ignored("ec2_instance_profile_name", INSTANCE),
    ignored("ec2_metadata_service_endpoint", INSTANCE),
    ignored("ec2_metadata_service_endpoint_mode", INSTANCE),
    ignored("ec2_metadata_v1_disabled", INSTANCE),
    passed("endpoint_discovery_enabled", SDKS).by("AWS_ENABLE_ENDPOINT_DISCOVERY"),
    shared("endpoint_url", "where services are; https, or http to this host").by("AWS_ENDPOINT_URL"),
    honoured("external_id", "what the role's owner asked for"),
    shared("ignore_configured_endpoint_urls", "true leaves all configured endpoints out")
        .by("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    ignored("imds_use_ipv6", INSTANCE),
    ignored("include_profile", VAULT),
    refused(Rank::Middle, "login_session", "credentials of `aws login`: not supported yet"),
    passed("max_attempts", SDKS).by("AWS_MAX_ATTEMPTS"),
    ignored("metadata_service_num_attempts", INSTANCE),
    ignored("metadata_service_timeout", INSTANCE),
    honoured("mfa_process", "aws-vault's: a program that prints the MFA code"),
    honoured("mfa_serial", "the MFA device that the role asks for"),
    passed("output", CLI).by("AWS_DEFAULT_OUTPUT"),
    passed("parameter_validation", SDKS),
    ignored("parent_profile", VAULT),
    passed("proxy_ca_bundle", SDKS),
    passed("proxy_client_cert", SDKS),
    passed("proxy_use_forwarding_for_https", SDKS),
    shared("region", "where STS is called, and the child's AWS_REGION and AWS_DEFAULT_REGION"),
    passed("request_checksum_calculation", SDKS).by("AWS_REQUEST_CHECKSUM_CALCULATION"),
    passed("request_min_compression_size_bytes", SDKS).by("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES"),
    passed("response_checksum_validation", SDKS).by("AWS_RESPONSE_CHECKSUM_VALIDATION"),
    passed("retry_mode", SDKS).by("AWS_RETRY_MODE"),
    honoured("role_arn", "the role to assume"),
    honoured("role_session_name", "the session's name, in place of one that names the person"),
    passed("s3", "a nested block; without a config file there is no variable for most of it"),
    passed("s3_disable_express_session_auth", SDKS).by("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH"),
    passed("s3_disable_multiregion_access_points", SDKS).by("AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS"),
    passed("s3_us_east_1_regional_endpoint", SDKS).by("AWS_S3_US_EAST_1_REGIONAL_ENDPOINT"),
    passed("s3_use_arn_region", SDKS).by("AWS_S3_USE_ARN_REGION"),
    passed("sdk_ua_app_id", SDKS).by("AWS_SDK_UA_APP_ID"),
    shared("services", "a section of endpoints: those of sts, dynamodb and ssm are honoured, all are passed on"),
    passed("sigv4a_signing_region_set", SDKS).by("AWS_SIGV4A_SIGNING_REGION_SET"),
    honoured("source_profile", "whose credentials assume the role"),
    refused(Rank::First, "sso_account_id", SSO),
    ignored("sso_region", SSO_PART),
    ignored("sso_registration_scopes", SSO_PART),
    refused(Rank::First, "sso_role_name", SSO),
    refused(
        Rank::Last,
        "sso_session",
        "IAM Identity Center: not supported yet; beside keys it is about tokens, and left alone",
    ),
    refused(Rank::Last, "sso_start_url", SSO),
    shared("sts_regional_endpoints", "legacy calls the one global STS where that was the default once")
        .by("AWS_STS_REGIONAL_ENDPOINTS"),
    passed("tcp_keepalive", SDKS).by("BOTOCORE_TCP_KEEPALIVE"),
    shared("use_dualstack_endpoint", "endpoints with IPv6; true or false, in any case, and nothing else")
        .by("AWS_USE_DUALSTACK_ENDPOINT"),
    shared("use_fips_endpoint", "endpoints with validated cryptography; true or false, in any case, and nothing else")
        .by("AWS_USE_FIPS_ENDPOINT"),
    refused(Rank::First, "web_identity_token_file", "an OIDC token: not supported yet"),
    ignored("x_principal_arn", "a note that login tools leave beside keys"),
    honoured("x_security_token_expires", "login tools' name of aws_credential_expiration"),
];

const SDKS: &str = "for the AWS CLI and SDKs in the child";
const CLI: &str = "for the AWS CLI in the child";
const PAIR: &str = "keys; both halves from one section of one file";
const SSO: &str = "IAM Identity Center: not supported yet";
const SSO_PART: &str = "decides nothing without the other sso keys";
const INSTANCE: &str = "the instance, whose identity nobody chose, is never asked; with --ec2-server the environment names sentinel's endpoint";
const VAULT: &str = "aws-vault's, which takes keys from other profiles; the AWS CLI ignores it too";

const fn honoured(name: &'static str, reason: &'static str) -> Setting {
    row(name, Treatment::Honoured, reason)
}

const fn shared(name: &'static str, reason: &'static str) -> Setting {
    row(name, Treatment::Shared, reason)
}

const fn passed(name: &'static str, reason: &'static str) -> Setting {
    row(name, Treatment::Passed, reason)
}

const fn ignored(name: &'static str, reason: &'static str) -> Setting {
    row(name, Treatment::Ignored, reason)
}

const fn refused(rank: Rank, name: &'static str, reason: &'static str) -> Setting {
    row(name, Treatment::Refused(rank), reason)
}

const fn row(name: &'static str, treatment: Treatment, reason: &'static str) -> Setting {
    Setting { name, treatment, variable: None, reason }
}

impl Setting {
    /// With the variable that says the same.
    const fn by(self, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..self }
    }
}
