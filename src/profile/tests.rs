//! Whole cases: two files and an environment in, a chain or a sentence out.

mod refusals;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::env::Env;

/// A fresh home directory with an empty `.aws`, removed on drop, and an environment that has HOME and nothing else.
pub(super) struct Home {
    path: PathBuf,
    pub(super) env: Env,
}

impl Home {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sentinel-profile-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join(".aws")).expect("a directory");
        let env = Env::from_iter([("HOME", path.as_os_str())]);
        Self { path, env }
    }

    /// A home with these two files.
    pub(super) fn with(config: &str, credentials: &str) -> Self {
        let home = Self::new();
        home.write("config", config, 0o600);
        home.write("credentials", credentials, 0o600);
        home
    }

    /// Sets variables.
    pub(super) fn env(mut self, pairs: &[(&str, &str)]) -> Self {
        pairs.iter().for_each(|(name, value)| self.env.set(name, *value));
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn text(&self) -> String {
        self.path.to_str().expect("UTF-8").to_owned()
    }

    /// Writes a file in `.aws`.
    pub(super) fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path.join(".aws").join(name);
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
    }

    pub(super) fn resolve(&self, profile: Option<&str>) -> crate::error::Result<Resolved> {
        resolve(&Wanted { profile, region: None }, &self.env)
    }

    fn good(&self, profile: Option<&str>) -> Resolved {
        self.resolve(profile).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error's two lines, with the home directory as `~`.
    pub(super) fn refusal(&self, profile: Option<&str>) -> String {
        match self.resolve(profile) {
            Ok(resolved) => panic!("was resolved: {}", base(&resolved)),
            Err(error) => error.to_string().replace(&self.text(), "~"),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// `keys:PROFILE:FILE:ID:SECRET[:TOKEN]`, `environment:...` or `process:PROFILE:COMMAND`.
fn base(resolved: &Resolved) -> String {
    let text = |keys: &StaticKeys| {
        let token = keys.session_token.as_ref().map(|token| format!(":{}", token.expose_str())).unwrap_or_default();
        format!("{}:{}{token}", keys.access_key_id, keys.secret_access_key.expose_str())
    };
    match &resolved.base {
        Base::Environment(keys) => format!("environment:{}", text(keys)),
        Base::Keys { profile, file, keys } => {
            let file = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            format!("keys:{profile}:{file}:{}", text(keys))
        }
        Base::Process { profile, command } => format!("process:{profile}:{command}"),
    }
}

/// `PROFILE=ROLE`, in the order of assuming.
fn roles(resolved: &Resolved) -> Vec<String> {
    let name = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    resolved.roles.iter().map(|role| format!("{}={}", role.profile, name(&role.role_arn))).collect()
}

pub(super) const ENVIRONMENT: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "senv")];
const A_KEYS: &str = "aws_access_key_id = AKIAA\naws_secret_access_key = sa\n";

fn arn(name: &str) -> String {
    format!("role_arn = arn:aws:iam::123456789012:role/{name}\n")
}

#[test]
fn without_a_name_the_environment_comes_before_the_default_profile() {
    let home = Home::with("[default]\nregion = eu-west-1\n", &format!("[default]\n{A_KEYS}"));
    let resolved = home.good(None);
    assert_eq!((resolved.name.as_str(), base(&resolved)), ("default", "keys:default:credentials:AKIAA:sa".into()));
    let home = home
        .env(&ENVIRONMENT)
        .env(&[("AWS_SESSION_TOKEN", "t0ken"), ("AWS_CREDENTIAL_EXPIRATION", "2026-01-31T10:30:00+01:00")]);
    let resolved = home.good(None);
    assert_eq!((resolved.name.as_str(), base(&resolved)), ("environment", "environment:AKIAENV:senv:t0ken".into()));
    assert_eq!(resolved.region.as_deref(), Some("eu-west-1"));
    let Base::Environment(keys) = &resolved.base else { panic!("not the environment") };
    assert_eq!(keys.expiration, Some("2026-01-31T09:30:00Z".parse().expect("a time")));
}

#[test]
fn a_named_profile_comes_before_the_environment() {
    let home = Home::with("", &format!("[a]\n{A_KEYS}")).env(&ENVIRONMENT);
    assert_eq!(base(&home.good(Some("a"))), "keys:a:credentials:AKIAA:sa");
    // Not even half a pair in the environment is looked at.
    let home = Home::with("", &format!("[a]\n{A_KEYS}")).env(&[("AWS_ACCESS_KEY_ID", "AKIAENV")]);
    assert_eq!(base(&home.good(Some("a"))), "keys:a:credentials:AKIAA:sa");
}

#[test]
fn the_environment_needs_no_files_and_no_home() {
    let mut home = Home::new().env(&ENVIRONMENT);
    home.env.unset("HOME");
    let resolved = home.good(None);
    assert_eq!(base(&resolved), "environment:AKIAENV:senv");
    assert!(resolved.source_file.is_none() && resolved.settings.is_empty() && resolved.region.is_none());
}

#[test]
fn keys_carry_their_token_and_expiration() {
    let credentials = format!(
        "[a]\n{A_KEYS}aws_session_token = t0ken=\naws_credential_expiration = 2026-01-31T09:30:00Z\n\
         [b]\n{A_KEYS}aws_security_token = t0ken\nx_security_token_expires = 2026-01-31T10:30:00+01:00\n\
         [c]\n{A_KEYS}aws_session_token =\n"
    );
    let home = Home::with("", &credentials);
    for (name, expected) in [
        ("a", "keys:a:credentials:AKIAA:sa:t0ken="),
        ("b", "keys:b:credentials:AKIAA:sa:t0ken"),
        ("c", "keys:c:credentials:AKIAA:sa"),
    ] {
        let resolved = home.good(Some(name));
        assert_eq!(base(&resolved), expected);
        let Base::Keys { keys, .. } = &resolved.base else { panic!("not keys") };
        let expiration = (name != "c").then(|| "2026-01-31T09:30:00Z".parse().expect("a time"));
        assert_eq!(keys.expiration, expiration);
    }
}

#[test]
fn a_chain_is_assumed_from_its_far_end() {
    let config = format!(
        "[profile a]\n{}source_profile = b\nrole_session_name = me\nexternal_id = x:1\nduration_seconds = 3600\n\
         [profile b]\n{}source_profile = c\n[profile c]\nregion = us-east-1\n",
        arn("ra"),
        arn("rb")
    );
    let home = Home::with(&config, &format!("[c]\n{A_KEYS}"));
    let resolved = home.good(Some("a"));
    assert_eq!(base(&resolved), "keys:c:credentials:AKIAA:sa");
    assert_eq!(roles(&resolved), ["b=rb", "a=ra"]);
    assert_eq!(resolved.region, None);
    assert_eq!(
        resolved.roles[1],
        Role {
            profile: "a".into(),
            role_arn: "arn:aws:iam::123456789012:role/ra".into(),
            external_id: Some("x:1".into()),
            session_name: Some("me".into()),
            duration: Some(Duration::from_secs(3600)),
            mfa: None,
        }
    );
}

#[test]
fn a_source_with_keys_and_a_role_uses_its_keys() {
    let config =
        format!("[profile a]\n{}source_profile = b\n[profile b]\n{}source_profile = a\n", arn("ra"), arn("rb"));
    let home = Home::with(&config, &format!("[b]\n{A_KEYS}"));
    let resolved = home.good(Some("a"));
    assert_eq!((base(&resolved), roles(&resolved)), ("keys:b:credentials:AKIAA:sa".into(), vec!["a=ra".to_owned()]));
}

#[test]
fn a_profile_may_be_the_source_of_its_own_role() {
    let home = Home::with(&format!("[profile a]\n{}source_profile = a\n{A_KEYS}", arn("ra")), "");
    let resolved = home.good(Some("a"));
    assert_eq!((base(&resolved), roles(&resolved)), ("keys:a:config:AKIAA:sa".into(), vec!["a=ra".to_owned()]));
}

#[test]
fn a_role_may_be_assumed_with_the_environments_keys() {
    let home =
        Home::with(&format!("[profile a]\n{}credential_source = Environment\n", arn("ra")), "").env(&ENVIRONMENT);
    let resolved = home.good(Some("a"));
    assert_eq!((base(&resolved), roles(&resolved)), ("environment:AKIAENV:senv".into(), vec!["a=ra".to_owned()]));
    assert_eq!(resolved.name, "a");
}

#[test]
fn keys_and_processes_rank_as_in_botocore() {
    let config = format!("[profile a]\n{A_KEYS}credential_process = /bin/p \"x y\"\n");
    assert_eq!(base(&Home::with(&config, "").good(Some("a"))), "process:a:/bin/p \"x y\"");
    let other = "[a]\naws_access_key_id = AKIAC\naws_secret_access_key = sc\n";
    assert_eq!(base(&Home::with(&config, other).good(Some("a"))), "keys:a:credentials:AKIAC:sc");
    // MFA belongs to what is asked for with keys, and sso_session to tokens: neither changes what these keys are.
    let config = "[profile a]\nmfa_serial = arn:aws:iam::123456789012:mfa/me\nsso_session = corp\n";
    assert_eq!(base(&Home::with(config, other).good(Some("a"))), "keys:a:credentials:AKIAC:sc");
}

#[test]
fn a_second_factor_belongs_to_the_profile_that_has_the_role() {
    const SERIAL: &str = "arn:aws:iam::123456789012:mfa/me";
    let mfa = |profile: &str, process: Option<&str>| {
        Some(Mfa { profile: profile.to_owned(), serial: SERIAL.to_owned(), process: process.map(str::to_owned) })
    };
    let config = format!(
        "[profile a]\n{}source_profile = b\nmfa_serial = {SERIAL}\nmfa_process = otp \"x y\"\n[profile b]\nmfa_serial = {SERIAL}\n\
         [profile c]\n{}source_profile = b\nmfa_process = otp\n",
        arn("ra"),
        arn("rc")
    );
    let home = Home::with(&config, &format!("[b]\n{A_KEYS}")).env(&ENVIRONMENT);
    let with_role = home.good(Some("a"));
    assert_eq!((&with_role.roles[0].mfa, &with_role.mfa), (&mfa("a", Some("otp \"x y\"")), &None));
    let without = home.good(Some("b"));
    assert_eq!((without.roles.len(), without.mfa), (0, mfa("b", None)));
    // The source's device is not its user's, and a program alone asks for nothing.
    assert_eq!((&home.good(Some("c")).roles[0].mfa, &home.good(Some("c")).mfa), (&None, &None));
    // The environment's keys are nobody's profile.
    let config = format!("[default]\nmfa_serial = {SERIAL}\n");
    assert_eq!(Home::with(&config, "").env(&ENVIRONMENT).good(None).mfa, None);
}

#[test]
fn both_files_are_one_profile_and_the_credentials_file_wins() {
    let config = format!("[profile a]\noutput = json\nregion = us-east-1\n{}source_profile = b\n", arn("ra"));
    let home = Home::with(&config, &format!("[a]\nregion = eu-west-1\ncli_pager =\nsource_profile = c\n[c]\n{A_KEYS}"));
    let resolved = home.good(Some("a"));
    assert_eq!(base(&resolved), "keys:c:credentials:AKIAA:sa");
    let settings: Vec<(&str, &str)> = resolved.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(settings, [("output", "json"), ("region", "eu-west-1"), ("cli_pager", "")]);
    assert_eq!(resolved.source_file, Some(home.path(".aws/config")));
}

#[test]
fn settings_keep_their_order_and_blocks_and_nothing_about_credentials() {
    let config = format!(
        "[profile \"a b\"]\nregion = eu-west-1\ns3 =\n  max_queue_size = 5\n  addressing_style = path\n{}\
         source_profile = a b\nexternal_id = xx\nrole_session_name = me\nduration_seconds = 900\n{A_KEYS}\
         aws_session_token = t\naws_account_id = 1\nsso_session = s\nx_principal_arn = p\nca_bundle = /c\nservices = s\n\
         [services s]\ndynamodb =\n  endpoint_url = http://localhost:8000\nsts =\n  endpoint_url = https://sts.test\n",
        arn("ra")
    );
    let resolved = Home::with(&config, "").good(Some("a b"));
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        resolved.settings,
        own(&[
            ("region", "eu-west-1"),
            ("s3", "\n    max_queue_size = 5\n    addressing_style = path"),
            ("ca_bundle", "/c"),
            ("services", "s")
        ])
    );
    assert_eq!(
        resolved.services,
        Some((
            "s".to_owned(),
            own(&[
                ("dynamodb", "\n    endpoint_url = http://localhost:8000"),
                ("sts", "\n    endpoint_url = https://sts.test")
            ])
        ))
    );
    assert_eq!(resolved.sts_endpoint_url.as_deref(), Some("https://sts.test"));
}

#[test]
fn the_region_is_the_most_specific() {
    let home = Home::with("[default]\nregion = eu-a-1\n", &format!("[default]\n{A_KEYS}"));
    assert_eq!(home.good(None).region.as_deref(), Some("eu-a-1"));
    let home = home.env(&[("AWS_DEFAULT_REGION", "eu-b-1")]);
    assert_eq!(home.good(None).region.as_deref(), Some("eu-b-1"));
    let home = home.env(&[("AWS_REGION", "eu-c-1")]);
    assert_eq!(home.good(None).region.as_deref(), Some("eu-c-1"));
    let resolved = resolve(&Wanted { profile: None, region: Some("eu-d-1") }, &home.env).expect("resolved");
    assert_eq!(resolved.region.as_deref(), Some("eu-d-1"));
}

#[test]
fn the_endpoint_is_the_most_specific_unless_ignored() {
    let config = "[default]\nendpoint_url = https://d.test\nservices = s\n\
                  [services s]\nsts =\n  endpoint_url = https://c.test\n[profile e]\nendpoint_url = https://e.test\n";
    let credentials = format!("[default]\n{A_KEYS}[e]\n{A_KEYS}");
    let home = Home::with(config, &credentials);
    assert_eq!(home.good(Some("e")).sts_endpoint_url.as_deref(), Some("https://e.test"));
    assert_eq!(home.good(None).sts_endpoint_url.as_deref(), Some("https://c.test"));
    let home = home.env(&[("AWS_ENDPOINT_URL", "https://b.test")]);
    assert_eq!(home.good(None).sts_endpoint_url.as_deref(), Some("https://b.test"));
    let home = home.env(&[("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:4566")]);
    assert_eq!(home.good(None).sts_endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    home.write("config", &format!("{config}ignore_configured_endpoint_urls = true\n"), 0o600);
    assert_eq!(home.good(Some("e")).sts_endpoint_url, None);
    let home = home.env(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")]);
    assert_eq!(home.good(Some("e")).sts_endpoint_url.as_deref(), Some("http://127.0.0.1:4566"));
    let home = home.env(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")]);
    assert_eq!(home.good(None).sts_endpoint_url, None);
}

#[test]
fn each_service_has_its_own_endpoint_which_is_looked_at_when_it_is_needed() {
    let config = "[default]\nservices = s\n[services s]\ndynamodb =\n  endpoint_url = http://dynamodb.lan:8000\n";
    let home = Home::with(config, &format!("[default]\n{A_KEYS}"));
    let resolved = home.good(None);
    assert_eq!((&resolved.sts_endpoint_url, &resolved.ssm_endpoint_url), (&None, &None));
    let error = resolved.dynamodb_endpoint_url.expect("it is named").checked().expect_err("it is not for us");
    let subject = format!("{}:5: endpoint_url of dynamodb", home.path(".aws/config").display());
    assert!(error.summary().starts_with(&subject), "{error}");
    assert!(error.summary().ends_with(": http://dynamodb.lan:8000"), "{error}");
    let home = home
        .env(&[("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000"), ("AWS_ENDPOINT_URL_SSM", "https://ssm.test")]);
    let resolved = home.good(None);
    let checked = |named: &Option<EndpointUrl>| named.as_ref().map(|named| named.checked().expect("good").to_owned());
    assert_eq!(checked(&resolved.dynamodb_endpoint_url).as_deref(), Some("http://127.0.0.1:8000"));
    assert_eq!(checked(&resolved.ssm_endpoint_url).as_deref(), Some("https://ssm.test"));
}

#[test]
fn the_variant_is_the_environments_before_the_profiles() {
    let config = "[default]\nuse_fips_endpoint = TRUE\nuse_dualstack_endpoint = false\nsts_regional_endpoints = legacy\n\
                  ca_bundle = /ca.pem\n";
    let home = Home::with(config, &format!("[default]\n{A_KEYS}"));
    let resolved = home.good(None);
    assert_eq!(resolved.variant, Variant { fips: true, dual_stack: false, legacy_sts: true });
    let named_by = format!("{}:5: ca_bundle of profile `default`", home.path(".aws/config").display());
    assert_eq!(resolved.ca_bundle, Some(CaBundle { path: "/ca.pem".into(), named_by }));
    let home = home.env(&[
        ("AWS_USE_FIPS_ENDPOINT", "false"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "True"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
    ]);
    assert_eq!(home.good(None).variant, Variant { fips: false, dual_stack: true, legacy_sts: false });
    let keys = Home::with("", &format!("[default]\n{A_KEYS}"));
    assert_eq!((keys.good(None).variant, keys.good(None).ca_bundle), (Variant::default(), None));
}
