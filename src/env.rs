//! Environment variables as a value: read once, at start, and handed to whoever needs them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::error::{Error, Result};

/// A set of environment variables.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// The variable's text. Unset and empty are both `None`: AWS's tools treat them alike.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.os(name) {
            None => Ok(None),
            Some(value) => value
                .to_str()
                .map(Some)
                .ok_or_else(|| Error::new(format!("the value of {name} is not UTF-8")).hint(format!("unset {name}"))),
        }
    }

    /// The variable's bytes. Unset and empty are both `None`.
    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes a variable.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_and_empty_are_alike() {
        let mut env = Env::from_iter([("AWS_PROFILE", ""), ("AWS_REGION", "eu-west-1")]);
        assert_eq!(env.text("AWS_PROFILE").expect("UTF-8"), None);
        assert_eq!(env.text("AWS_REGION").expect("UTF-8"), Some("eu-west-1"));
        env.unset("AWS_REGION");
        assert_eq!(env.os("AWS_REGION"), None);
        env.set("A", "b");
        assert_eq!(env.iter().count(), 2);
    }

    #[test]
    fn a_value_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let env = Env::from_iter([("AWS_PROFILE", OsString::from_vec(vec![0xff]))]);
        let error = env.text("AWS_PROFILE").expect_err("not UTF-8");
        assert_eq!(error.to_string(), "the value of AWS_PROFILE is not UTF-8\n  unset AWS_PROFILE");
    }
}
