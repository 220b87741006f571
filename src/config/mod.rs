//! Settings files: what stands in for options and variables, and what an administrator has locked.
//!
//! | file | job |
//! |---|---|
//! | `document` | strict JSON to typed values |
//! | `admin` | whether the admin file counts: who could have written it |
//!
//! A flag beats its variable, which beats the user's file, which beats the admin file, which beats the default. A name that
//! the admin file locks is the admin file's alone. A file that is there and cannot be believed ends the program: it is never
//! passed over.

mod admin;
mod document;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::trusted::{self, Writers};
use document::Document;

/// Where the admin file is. No variable moves it.
const ADMIN_FILE: &str = "/etc/sentinel/config.json";

/// The longest file: every setting there is takes less than a tenth of it.
const MAX_BYTES: u64 = 64 * 1024;

/// Names that say the same thing in two ways: locking one locks both.
const TOGETHER: [[&str; 2]; 3] =
    [["policy", "policy-parameter"], ["policy-key", "policy-scope"], ["socket", "address"]];

/// A setting that files may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The option's name without dashes.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An absolute path: what it is relative to would be whoever starts the program.
    Path,
    /// A string, which is an absolute path if it is a path.
    TextOrPath,
    /// `true` or `false`.
    Switch,
    /// A list of strings without blanks and commas.
    List,
    /// A list of strings without blanks.
    Words,
}

/// Both files, as far as there are any.
#[derive(Debug, Default)]
pub struct Config {
    admin: Option<Document>,
    user: Option<Document>,
}

/// A value, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<'a> {
    /// The value as a variable would hold it: `true`, or a list with blanks between.
    pub value: &'a OsStr,
    /// The file.
    pub file: &'a Path,
    /// Whether that is the admin file.
    pub is_admins: bool,
}

impl Config {
    /// Reads both files.
    ///
    /// # Errors
    /// When one is there and cannot be read, is not right, or could have been written by somebody else; and when the user's
    /// file has a setting that the admin file locks.
    pub fn load(known: &[Known], env: &Env) -> Result<Self> {
        Self::read(Path::new(ADMIN_FILE), user_file(env).as_deref(), known, admin::believed)
    }

    /// The same with other paths, and another judgement of the admin file.
    fn read(
        admin: &Path,
        user: Option<&Path>,
        known: &[Known],
        believed: impl FnOnce(&Path) -> Result<Option<fs::File>>,
    ) -> Result<Self> {
        let admin = match believed(admin)? {
            Some(file) => Some(Document::parse(admin, &text(admin, file)?, known, true)?),
            None => None,
        };
        let user = match user.map(open_user_file).transpose()?.flatten() {
            Some((path, file)) => Some(Document::parse(path, &text(path, file)?, known, false)?),
            None => None,
        };
        let config = Self { admin, user };
        if let Some(user) = &config.user {
            for name in user.values.keys() {
                config.refuse_if_locked(name, &format!("`{name}` in {}", user.path.display()))?;
            }
        }
        Ok(config)
    }

    /// What a file of this text would say by itself: the admin file, or a user's.
    ///
    /// # Errors
    /// It is not right.
    pub fn of_text(path: &Path, text: &str, known: &[Known], is_admin: bool) -> Result<Self> {
        let document = Some(Document::parse(path, text, known, is_admin)?);
        Ok(if is_admin { Self { admin: document, user: None } } else { Self { admin: None, user: document } })
    }

    /// The value of a setting: the admin file's where it is locked, else the user's, else the admin file's.
    pub fn value(&self, name: &str) -> Option<Setting<'_>> {
        let user = self.user.as_ref().filter(|_| self.lock(name).is_none());
        user.and_then(|document| document.value(name)).or_else(|| self.admin.as_ref()?.value(name))
    }

    /// The file that locks this setting, if one does.
    pub fn lock(&self, name: &str) -> Option<&Path> {
        let admin = self.admin.as_ref()?;
        let same = TOGETHER.iter().find(|pair| pair.contains(&name));
        let is_locked = |name: &str| admin.locked.contains(name);
        let locked = is_locked(name) || same.is_some_and(|pair| pair.iter().any(|other| is_locked(other)));
        locked.then_some(admin.path.as_path())
    }

    /// Refuses what was said of a locked setting elsewhere. `said` is how: `--policy`.
    ///
    /// # Errors
    /// Of kind usage, if it is locked.
    pub fn refuse_if_locked(&self, name: &str, said: &str) -> Result<()> {
        match self.lock(name) {
            None => Ok(()),
            Some(file) => Err(Error::usage(format!("{said} is locked by {}", file.display()))
                .hint("leave it out; whoever administers this host decides it")),
        }
    }

    /// The file that says that there has to be a policy, if one does.
    pub fn policy_required(&self) -> Option<&Path> {
        self.admin.as_ref().filter(|admin| admin.require_policy).map(|admin| admin.path.as_path())
    }
}

/// `$XDG_CONFIG_HOME/sentinel/config.json`, else `~/.config/sentinel/config.json`. A relative XDG_CONFIG_HOME does not count
/// (XDG Base Directory Specification).
fn user_file(env: &Env) -> Option<PathBuf> {
    let xdg = env.os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = xdg.or_else(|| env.os("HOME").map(|home| Path::new(home).join(".config")));
    directory.map(|directory| directory.join("sentinel/config.json"))
}

/// The user's file; `None` where there is none, or no home directory.
fn open_user_file(path: &Path) -> Result<Option<(&Path, fs::File)>> {
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        _ => trusted::open("the settings file", path, Writers::Owner).map(|(file, _)| Some((path, file))),
    }
}

fn text(path: &Path, file: fs::File) -> Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(format!("cannot read {}", path.display())).because(error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(Error::new(format!("{} is larger than 64 KiB", path.display())));
    }
    String::from_utf8(bytes).map_err(|_| Error::new(format!("{} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests;
