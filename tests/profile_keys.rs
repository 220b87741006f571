//! The table of a profile's keys: what each row says is what happens, no key that the AWS CLI knows is missing, and the
//! page in docs/ shows the table.

use std::fs;
use std::path::Path;
use std::process::Command;

use sentinel::env::Env;
use sentinel::launch::config_file;
use sentinel::launch::environment::{ChildMode, child_environment};
use sentinel::launch::settings::{Facts, Services};
use sentinel::profile::{Base, Rank, Resolved, SETTINGS, Setting, StaticKeys, Treatment, Wanted, resolve};
use sentinel::secret::Secret;

use crate::clients::moto::programs;
use crate::fake_sts::Sts;
use crate::harness::Sandbox;

const KEYS: &str = "aws_access_key_id = AKIAA\naws_secret_access_key = sa\n";
const ROLE: &str = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = b\n";
const B: &str = "[profile b]\naws_access_key_id = AKIAB\naws_secret_access_key = sb\n";
const MFA: &str =
    "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = b\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n";
const TIME: &str = "2026-01-31T09:30:00Z";

/// A value of the key, and the rest of a profile in which it matters, and further sections.
fn example(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "aws_access_key_id" => ("AKIAA", "aws_secret_access_key = sa\n", ""),
        "aws_secret_access_key" => ("sa", "aws_access_key_id = AKIAA\n", ""),
        "aws_session_token" | "aws_security_token" => ("t0ken", KEYS, ""),
        "aws_credential_expiration" | "x_security_token_expires" => (TIME, KEYS, ""),
        "credential_process" => ("/bin/p", "", ""),
        "credential_source" => ("Environment", "role_arn = arn:aws:iam::123456789012:role/r\n", ""),
        "duration_seconds" => ("900", ROLE, B),
        "external_id" | "role_session_name" => ("xx", ROLE, B),
        "mfa_serial" => ("arn:aws:iam::123456789012:mfa/me", ROLE, B),
        "mfa_process" => ("/bin/p", MFA, B),
        "role_arn" => ("arn:aws:iam::123456789012:role/r", "source_profile = b\n", B),
        "source_profile" => ("b", "role_arn = arn:aws:iam::123456789012:role/r\n", B),
        "region" => ("eu-west-1", KEYS, ""),
        "ca_bundle" => ("/ca.pem", KEYS, ""),
        "endpoint_url" => ("https://e.test", KEYS, ""),
        "ignore_configured_endpoint_urls" => {
            ("true", "endpoint_url = https://e.test\naws_access_key_id = AKIAA\naws_secret_access_key = sa\n", "")
        }
        "services" => ("s", KEYS, "[services s]\nsts =\n  endpoint_url = https://s.test\n"),
        "sts_regional_endpoints" => ("legacy", KEYS, ""),
        "use_dualstack_endpoint" | "use_fips_endpoint" => ("true", KEYS, ""),
        "s3" => ("\n    addressing_style = path", KEYS, ""),
        "api_versions" => ("\n    ec2 = 2015-03-01", KEYS, ""),
        _ => ("x1", KEYS, ""),
    }
}

/// A home for profiles, and no AWS.
struct Files {
    sandbox: Sandbox,
    env: Env,
}

impl Files {
    fn new() -> Self {
        let sandbox = Sandbox::new(&Sts::start());
        let home = sandbox.path("home");
        let mut env = Env::from_iter([("HOME", home.as_os_str())]);
        // For credential_source. A profile that is named does not look at them.
        env.set("AWS_ACCESS_KEY_ID", "AKIAENV");
        env.set("AWS_SECRET_ACCESS_KEY", "senv");
        Self { sandbox, env }
    }

    /// Profile `a` of these lines.
    fn resolve(&self, lines: &str, sections: &str, credentials: &str) -> Result<Resolved, String> {
        self.sandbox.config(&format!("[profile a]\n{lines}\n{sections}"));
        self.sandbox.credentials(credentials);
        resolve(&Wanted { profile: Some("a"), region: None }, &self.env).map_err(|error| error.to_string())
    }
}

/// Everything that decides the credentials and the way to AWS.
fn decided(resolved: &Result<Resolved, String>) -> String {
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(error) => return format!("error: {error}"),
    };
    let keys = |keys: &StaticKeys| {
        let token = keys.session_token.as_ref().map(Secret::expose_str);
        format!("{} {} {token:?} {:?}", keys.access_key_id, keys.secret_access_key.expose_str(), keys.expiration)
    };
    let base = match &resolved.base {
        Base::Environment(found) => format!("environment {}", keys(found)),
        Base::Keys { profile, keys: found, .. } => format!("{profile} {}", keys(found)),
        Base::Process { profile, command } => format!("{profile} {command}"),
    };
    let Resolved { roles, region, sts_endpoint_url, variant, ca_bundle, .. } = resolved;
    let bundle = ca_bundle.as_ref().map(|bundle| &bundle.path);
    format!("{base} {roles:?} {region:?} {sts_endpoint_url:?} {variant:?} {bundle:?}")
}

fn facts(resolved: &Resolved) -> Facts<'_> {
    Facts {
        profile_name: &resolved.name,
        region: resolved.region.as_deref(),
        settings: &resolved.settings,
        services: resolved.services.as_ref().map(|(name, settings)| Services { name, settings }),
    }
}

/// Whether a child gets the key: in a generated file, and as a variable where there is none.
fn child_gets(resolved: &Resolved, setting: &Setting, value: &str) -> bool {
    let file = config_file::text(None, &facts(resolved)).expect("a file that can be written");
    let space = if value.starts_with('\n') { "" } else { " " };
    let in_file = file.contains(&format!("\n{} ={space}{value}\n", setting.name));
    let secret = Secret::take_string("s".to_owned()).expect("memory");
    let mode = ChildMode::Keys { access_key_id: "AKIA", secret: &secret, token: None, expiration: None };
    let child = child_environment(&Env::default(), &mode, &facts(resolved));
    if let Some(variable) = setting.variable {
        assert_eq!(child.text(variable).expect("UTF-8"), in_file.then_some(value), "{variable}");
    }
    in_file
}

#[test]
fn every_key_is_treated_as_the_table_says() {
    let files = Files::new();
    for setting in SETTINGS {
        let name = setting.name;
        let (value, context, sections) = example(name);
        let without = files.resolve(context, sections, "");
        let with = files.resolve(&format!("{context}{name} = {value}"), sections, "");
        if let Treatment::Refused(rank) = setting.treatment {
            is_refused(&files, name, rank);
            continue;
        }
        let acts = decided(&with) != decided(&without);
        let resolved = with.unwrap_or_else(|error| panic!("{name}: {error}"));
        let gets = child_gets(&resolved, setting, value);
        let (expected_acts, expected_gets) = match setting.treatment {
            Treatment::Honoured => (true, false),
            Treatment::Shared => (true, true),
            Treatment::Passed => (false, true),
            Treatment::Ignored | Treatment::Refused(_) => (false, false),
        };
        assert_eq!((acts, gets), (expected_acts, expected_gets), "whether {name} acts, and whether a child gets it");
    }
}

/// Refused where it would decide, and passed over where something before it does.
fn is_refused(files: &Files, name: &str, rank: Rank) {
    let line = format!("{name} = x\n");
    let stands = "[a]\naws_access_key_id = AKIAA\naws_secret_access_key = sa\n";
    let (before, after) = match rank {
        Rank::First => (None, files.resolve(&format!("{line}credential_process = /bin/p\n{KEYS}"), "", stands)),
        Rank::Middle => (
            Some(files.resolve(&line, "", stands)),
            files.resolve(&format!("{line}credential_process = /bin/p\n"), "", ""),
        ),
        Rank::Last => (Some(files.resolve(&format!("{line}{KEYS}"), "", "")), files.resolve(&line, "", "")),
    };
    let error = after.err().unwrap_or_else(|| panic!("{name} is passed over"));
    assert!(
        error.contains(&format!(": {name} of profile `a` decides its credentials, and is not supported")),
        "{error}"
    );
    if let Some(before) = before {
        assert!(before.is_ok_and(|resolved| resolved.settings.is_empty()), "{name}");
    }
}

#[test]
fn a_key_that_nobody_knows_reaches_the_child() {
    let resolved = Files::new().resolve(&format!("{KEYS}brand_new = 1"), "", "").expect("a profile");
    assert_eq!(resolved.settings, [("brand_new".to_owned(), "1".to_owned())]);
}

#[test]
fn no_key_that_the_aws_cli_knows_is_missing() {
    let done = Command::new(programs().join("python")).args(["-c", KNOWN_TO_THE_CLI]).output().expect("python starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let known = String::from_utf8(done.stdout).expect("UTF-8");
    assert!(known.lines().count() > 60, "{known}");
    let missing: Vec<_> = known.lines().filter(|name| !SETTINGS.iter().any(|row| row.name == *name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The keys of botocore's session variables, of the table in `aws help config-vars`, and those that its credentials are
/// found by.
const KNOWN_TO_THE_CLI: &str = r#"
import pathlib, re
import awscli, botocore.configprovider as provider, botocore.credentials

names = set()
tables = provider.BOTOCORE_DEFAUT_SESSION_VARIABLES, provider.DEFAULT_S3_CONFIG_VARS, provider.DEFAULT_PROXIES_CONFIG_VARS
for table in tables:
    for entry in table.values():
        for name in entry[0] if isinstance(entry[0], list) else [entry[0]]:
            names.add(name[0] if isinstance(name, tuple) else name)
text = (pathlib.Path(awscli.__file__).parent / "topics" / "config-vars.rst").read_text()
names.update(re.findall(r"^\* ``([a-z_]+)`` - ", text, re.M))
for line in text.splitlines():
    columns = line.split()
    if len(columns) > 3 and re.fullmatch("[a-z_]+", columns[0]) and columns[1] in ("N/A", "--" + columns[0].replace("_", "-")):
        names.add(columns[2])
source = pathlib.Path(botocore.credentials.__file__).read_text()
names.update(re.findall(r"(?:profile|config)\w*(?:\.get\(|\[)'([a-z_0-9]+)'", source))
names.update(re.findall(r"'((?:sso|role|mfa|aws)_[a-z_]+)'", source))
print("\n".join(sorted(name for name in names - {"N/A", "profiles", "role_name", "sso_sessions", "sso_session_name"} if name)))
"#;

/// The page that shows the table.
const PAGE: &str = "docs/profile-keys.md";

#[test]
fn the_page_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page();
    if std::env::var_os("SENTINEL_WRITE").is_some() {
        fs::write(&path, &page).expect("write the page");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "{PAGE} is not what the table says: run this test with SENTINEL_WRITE=1");
}

fn page() -> String {
    let mut page = String::from(PREFACE);
    for Setting { name, treatment, variable, reason } in SETTINGS {
        let (ours, child) = match treatment {
            Treatment::Honoured => ("honours it", "no"),
            Treatment::Shared => ("honours it", "yes"),
            Treatment::Passed => ("leaves it alone", "yes"),
            Treatment::Refused(_) => ("refuses it", "no"),
            Treatment::Ignored => ("ignores it", "no"),
        };
        let variable = variable.map(|name| format!("`{name}`")).unwrap_or_default();
        page.push_str(&format!("| `{name}` | {ours} | {child} | {variable} | {reason} |\n"));
    }
    page
}

const PREFACE: &str = "\
# The keys of a profile

What sentinel does with each key of a profile in `~/.aws/config` or `~/.aws/credentials`, and whether the command that it runs
gets the key: in its generated config file (`--server`, `--unix-socket`), or without one as the variable, where the key has one and
the variable is not set already. Written by a test from the table in `src/profile/settings/table.rs`, which the program obeys and the
tests walk.

A key that is refused is an error where it would decide the credentials, and nothing where keys come before it. A key that is not
listed is passed on, unless its name begins with `aws_`, `sso_`, `mfa_` or `x_`: then nobody gets it.

| key | sentinel | command gets it | variable | what for, or why |
|---|---|---|---|---|
";
