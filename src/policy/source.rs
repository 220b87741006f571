//! Where a policy comes from, asked at every request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::envelope::Pin;
use super::load::PolicyFile;
use super::parameter::Parameter;
use super::read::Reader;
use super::schema::Policy;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// A policy that follows its file, or its parameter in SSM.
pub struct PolicySource(Kind);

enum Kind {
    File(Box<PolicyFile>),
    Parameter(Arc<Parameter>),
}

/// Whose policies are obeyed, and where it is remembered which were.
pub struct Trust<'a> {
    /// The key and the scope.
    pub pin: Pin,
    /// The state directory.
    pub state_directory: &'a Path,
}

/// Fetches a document that is kept elsewhere. May take seconds: it is called on a thread of its own.
pub trait Fetch: Send + Sync {
    /// The document's bytes.
    ///
    /// # Errors
    /// Why there are none.
    fn fetch(&self) -> std::result::Result<Vec<u8>, Unfetched>;
}

/// Why a document was not fetched.
#[derive(Debug)]
pub enum Unfetched {
    /// Nobody answered, or not well: what was fetched before serves for a while.
    Down(Error),
    /// There is no such document, or not for us.
    Refused(Error),
}

impl PolicySource {
    /// The policy in this file. Nothing is read before [`PolicySource::current`].
    pub fn file(path: PathBuf, trust: Option<Trust<'_>>, clock: Arc<dyn Clock>) -> Self {
        let reader = reader(path.display().to_string(), trust, clock);
        Self(Kind::File(Box::new(PolicyFile::new(path, reader))))
    }

    /// The policy that `fetch` brings; `name` is what people call it: `ssm:/name`.
    pub fn parameter(name: String, fetch: Arc<dyn Fetch>, trust: Option<Trust<'_>>, clock: Arc<dyn Clock>) -> Self {
        Self(Kind::Parameter(Parameter::new(reader(name, trust, clock), fetch)))
    }

    /// The policy of now. A parameter's is waited for, at most `wait`, where what was fetched last is older than 30 s.
    ///
    /// # Errors
    /// There is no policy that may be obeyed now.
    pub fn current(&self, wait: Duration) -> Result<Arc<Policy>> {
        match &self.0 {
            Kind::File(file) => file.current(),
            Kind::Parameter(parameter) => parameter.current(wait),
        }
    }

    /// What people call it: the file's path, or `ssm:/name`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::File(file) => file.name(),
            Kind::Parameter(parameter) => parameter.name(),
        }
    }

    /// Starts to fetch a parameter anew where it will be needed soon. Does not wait: to be called every few seconds while
    /// requests are served.
    pub fn refresh_due(&self) {
        if let Kind::Parameter(parameter) = &self.0 {
            parameter.refresh_due();
        }
    }
}

fn reader(name: String, trust: Option<Trust<'_>>, clock: Arc<dyn Clock>) -> Reader {
    Reader::new(name, trust.map(|Trust { pin, state_directory }| (pin, state_directory)), clock)
}

#[cfg(test)]
mod tests;
