//! The profiles of both files, merged by name: a key in the credentials file wins over one in the config file.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::SourceFile;
use super::header::{Header, classify};
use super::ini::{Entry, Ini, Section};
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;

/// Names longer than this are not compared with a misspelt one, which takes the product of the lengths.
const COMPARED_NAME_LIMIT_BYTES: usize = 128;

/// All profiles and services sections.
pub(super) struct Profiles<'a> {
    profiles: BTreeMap<String, Profile<'a>>,
    services: BTreeMap<String, Placed<'a>>,
    config: &'a SourceFile,
    credentials: &'a SourceFile,
    /// Sections that look like profiles of the other file: the profile's name, and the place.
    misplaced: BTreeMap<String, Placed<'a>>,
}

/// A section and the file that it is in.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    /// The section.
    pub(super) section: &'a Section<'a>,
    /// Its file.
    pub(super) path: &'a Path,
}

/// One profile, in one file or in both.
#[derive(Clone, Default)]
pub(super) struct Profile<'a> {
    /// Its name.
    pub(super) name: String,
    /// Its section of the config file.
    pub(super) config: Option<Placed<'a>>,
    /// Its section of the credentials file.
    pub(super) credentials: Option<Placed<'a>>,
}

/// A key that was found: what it says, and where, for errors.
#[derive(Clone, Copy)]
pub(super) struct Found<'a, 'p> {
    /// The key and its value.
    pub(super) entry: &'a Entry<'a>,
    /// The file.
    pub(super) path: &'a Path,
    profile: &'p str,
}

impl<'a> Profiles<'a> {
    /// Sorts the sections of both files.
    ///
    /// # Errors
    /// When a section is almost a profile, or two sections are the same profile.
    pub(super) fn merge(
        config: &'a SourceFile,
        config_ini: &'a Ini<'a>,
        credentials: &'a SourceFile,
        credentials_ini: &'a Ini<'a>,
    ) -> Result<Self> {
        let mut all = Self {
            profiles: BTreeMap::new(),
            services: BTreeMap::new(),
            config,
            credentials,
            misplaced: BTreeMap::new(),
        };
        for section in &config_ini.sections {
            all.add_config(Placed { section, path: &config.path })?;
        }
        for section in &credentials_ini.sections {
            let placed = Placed { section, path: &credentials.path };
            if section.name != "default"
                && let Header::Profile(name) = classify(section.name)
            {
                all.misplaced.insert(name, placed);
            }
            let profile = all.profiles.entry(section.name.to_owned()).or_default();
            section.name.clone_into(&mut profile.name);
            profile.credentials = Some(placed);
        }
        Ok(all)
    }

    fn add_config(&mut self, placed: Placed<'a>) -> Result<()> {
        let line = placed.section.line;
        let path = placed.path.display();
        let earlier = match classify(placed.section.name) {
            Header::Profile(name) => {
                let profile = self.profiles.entry(name.clone()).or_default();
                profile.name = name;
                profile.config.replace(placed)
            }
            Header::Services(name) => self.services.insert(name, placed),
            Header::Other => {
                self.misplaced.insert(placed.section.name.to_owned(), placed);
                None
            }
            Header::Malformed(word) => {
                return Err(Error::new(format!("{path}:{line} is not `[{word} NAME]`"))
                    .hint("put a name with spaces in double quotes"));
            }
        };
        match earlier {
            None => Ok(()),
            Some(earlier) => {
                Err(Error::new(format!("{path}:{line} repeats the section of line {}", earlier.section.line))
                    .hint("put all keys under one of them"))
            }
        }
    }

    /// The profile with this name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<&Profile<'a>> {
        self.profiles.get(name)
    }

    /// The services section with this name, if there is one.
    pub(super) fn services(&self, name: &str) -> Option<Placed<'a>> {
        self.services.get(name).copied()
    }

    /// `/h/.aws/config and /h/.aws/credentials (missing)`: which files were looked at.
    pub(super) fn places(&self) -> String {
        let place = |file: &SourceFile| {
            let missing = if file.exists() { "" } else { " (missing)" };
            format!("{}{missing}", file.path.display())
        };
        format!("{} and {}", place(self.config), place(self.credentials))
    }

    /// What to do about a profile that does not exist.
    pub(super) fn hint(&self, wanted: &str) -> String {
        if let Some(placed) = self.misplaced.get(wanted) {
            let (path, line) = (placed.path.display(), placed.section.line);
            return if placed.path == self.config.path {
                format!("in a config file, {path}:{line} has to be [profile {wanted}]")
            } else {
                format!("in a credentials file, {path}:{line} has to be [{wanted}]")
            };
        }
        near(wanted, self.profiles.keys()).unwrap_or_else(|| match self.profiles.len() {
            0 => "there are no profiles in them".to_owned(),
            _ => "check the name, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE".to_owned(),
        })
    }

    /// What to do about a services section that does not exist.
    pub(super) fn services_hint(&self, wanted: &str) -> String {
        near(wanted, self.services.keys()).unwrap_or_else(|| format!("add [services {wanted}], or remove the key"))
    }
}

impl<'a> Profile<'a> {
    /// A key of the profile, wherever it is.
    pub(super) fn get(&self, key: &str) -> Option<Found<'a, '_>> {
        [self.credentials, self.config].into_iter().flatten().find_map(|placed| self.get_from(placed, key))
    }

    /// A key of the profile in one of its sections.
    pub(super) fn get_from(&self, placed: Placed<'a>, key: &str) -> Option<Found<'a, '_>> {
        placed.section.entry(key).map(|entry| Found { entry, path: placed.path, profile: &self.name })
    }

    /// All keys, in file order, the config file's first; those in both files with the credentials file's value.
    pub(super) fn entries(&self) -> impl Iterator<Item = Found<'a, '_>> {
        let config = self.config.into_iter().flat_map(|placed| &placed.section.entries);
        let credentials = self.credentials.into_iter().flat_map(|placed| &placed.section.entries);
        let only_there =
            credentials.filter(|entry| self.config.is_none_or(|placed| placed.section.entry(&entry.key).is_none()));
        config.chain(only_there).filter_map(|entry| self.get(&entry.key))
    }

    /// `/h/.aws/config:3`: where the profile is, the config file first.
    pub(super) fn place(&self) -> String {
        match self.config.or(self.credentials) {
            Some(placed) => format!("{}:{}", placed.path.display(), placed.section.line),
            None => "no file".to_owned(),
        }
    }
}

impl<'a> Found<'a, '_> {
    /// The value, which has to be one line without a comment: some of AWS's tools take ` # ...` for a part of the value
    /// and others do not.
    ///
    /// # Errors
    /// When it is more than that. The value is not repeated: it may be a secret.
    pub(super) fn text(&self) -> Result<&'a str> {
        if let Some((line, _)) = self.entry.rest.first() {
            return Err(
                self.error(&format!("goes on in line {line}, which is indented"), "remove the spaces before it")
            );
        }
        let text = self.entry.first;
        let mut before = None;
        for c in text.chars() {
            if matches!(c, '#' | ';') && before.is_some_and(char::is_whitespace) {
                return Err(self.error("has a comment behind it", "put the comment on a line of its own"));
            }
            before = Some(c);
        }
        Ok(text)
    }

    /// An error about this key: where it is, and what about it.
    pub(super) fn error(&self, what: &str, hint: &str) -> Error {
        Error::new(format!("{} {what}", self.subject())).hint(hint)
    }

    /// `/h/.aws/config:3: role_arn of profile `x``: the beginning of a sentence.
    pub(super) fn subject(&self) -> String {
        format!("{}:{}: {} of profile `{}`", self.path.display(), self.entry.line, self.entry.key, self.profile)
    }
}

fn near<'n>(wanted: &str, known: impl Iterator<Item = &'n String>) -> Option<String> {
    if wanted.len() > COMPARED_NAME_LIMIT_BYTES {
        return None;
    }
    did_you_mean(wanted, known.map(String::as_str).filter(|name| name.len() <= COMPARED_NAME_LIMIT_BYTES))
}
