//! A private directory with all that a run of sentinel reads and writes, and nothing of the person who measures.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::shape::{OWN_ROLE, ROLE, role_arn};

/// Removed when dropped.
pub(crate) struct Sandbox {
    root: PathBuf,
    /// In memory, as every host has it (XDG Base Directory Specification): each start makes its files there, and a disk's file
    /// system looks through what was removed in the last minute for each that is made.
    run: PathBuf,
}

/// Four rules, of which the last decides: every day, on the clock of a zone. The limit is above what is measured.
const POLICY: &str = r#"{ "version": "1", "limits": { "requests_per_second": 1000000 }, "rules": [
  { "name": "no guests", "effect": "deny", "conditions": { "profiles": ["guest-*"] } },
  { "name": "not on the command line", "effect": "deny", "conditions": { "profiles": ["prod*"], "mode": ["cli"] } },
  { "name": "no night shifts", "effect": "deny", "conditions": { "profiles": ["night-*"],
      "time": { "hours": { "start": "22:00", "end": "06:00" }, "timezone": "Europe/Berlin" } } },
  { "name": "every day", "effect": "allow", "conditions": { "profiles": ["dev"],
      "time": { "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
                "timezone": "Europe/Berlin" } } } ] }"#;

/// Keys that end long after the measurement.
const SESSION: &str = "[dev]
aws_credential_expiration = 2099-01-01T00:00:00Z
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
aws_session_token = ";
/// Keys that do not end.
const STATIC: &str = "[static]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
";
/// A session token of this length makes an answer of about 700 bytes.
const TOKEN_BYTES: usize = 356;

impl Sandbox {
    /// Makes it.
    pub(crate) fn new() -> Result<Self, Failure> {
        // Short: a Unix socket's path has 108 bytes.
        let root = std::env::temp_dir().join(format!("sb-{}", std::process::id()));
        let mut maker = fs::DirBuilder::new();
        maker.mode(0o700).recursive(true);
        let memory = Path::new("/dev/shm");
        let run = match root.file_name().filter(|_| memory.is_dir()) {
            Some(name) => memory.join(name),
            None => root.join("run"),
        };
        for directory in [&root.join("home/.aws"), &root.join("state"), &root.join("tmp"), &run] {
            maker.create(directory)?;
        }
        let sandbox = Self { root, run };
        let credentials = format!("{STATIC}{SESSION}{}\n", "T".repeat(TOKEN_BYTES));
        sandbox.write("home/.aws/credentials", &credentials)?;
        sandbox
            .write("home/.aws/config", "[profile dev]\nregion = us-east-1\n[profile static]\nregion = us-east-1\n")?;
        sandbox.write("policy.json", POLICY)?;
        let given = format!(r#"{{ "role_arns": ["{}", "{}"], "name": "every day""#, role_arn(OWN_ROLE), role_arn(ROLE));
        let roles = POLICY.replace(r#"{ "name": "every day""#, &given).replace(r#"["dev"]"#, r#"["roles"]"#);
        sandbox.write("roles.json", &roles)?;
        Ok(sandbox)
    }

    /// Adds the profile `roles`, whose role is assumed with these keys, an id and a secret.
    pub(crate) fn roles(&self, (id, secret): (&str, &str)) -> Result<(), Failure> {
        let keys = format!("[user]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        let role = format!("role_arn = {}\nsource_profile = user\n", role_arn(OWN_ROLE));
        for (file, text) in [("credentials", keys), ("config", format!("[profile roles]\nregion = us-east-1\n{role}"))]
        {
            let path = self.path(&format!("home/.aws/{file}"));
            fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        fs::write(self.path(name), text)?;
        Ok(fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600))?)
    }

    /// A program with the sandbox's environment and nothing else.
    pub(crate) fn program(&self, program: &Path) -> Command {
        self.dressed(Command::new(program))
    }

    /// The same of a command that has nothing of its own in its environment.
    pub(crate) fn dressed(&self, mut command: Command) -> Command {
        command.env_clear().current_dir(self.path("home"));
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", &self.run)
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // What is left is in the temporary directory, which somebody else empties.
        let _left = (fs::remove_dir_all(&self.root), fs::remove_dir_all(&self.run));
    }
}
