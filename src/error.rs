//! The one error type: what happened, with the value and the path, and what to do about it.
//!
//! Printed once, by `cli::main`, as at most two lines: `sentinel: <what>[: <cause>]` and `  <hint>`.

use std::fmt;

/// What went wrong, in words for the person who can mend it.
#[derive(Debug)]
pub struct Error {
    what: String,
    hint: Option<String>,
    kind: Kind,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Which exit status an error leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// sentinel failed or refused: 1, or 125 from `exec`.
    Failed,
    /// What let requests through has too little left for credentials, as [`Kind::Failed`]: a new approval would help.
    WindowEnds,
    /// The command line was wrong: 2, or 125 from `exec`.
    Usage,
    /// The child's program is there and cannot be executed: 126.
    CannotExecute,
    /// The child's program was not found: 127.
    NotFound,
}

/// A result whose error is for people.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of kind [`Kind::Failed`]. `what` is one sentence without a full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self::of(Kind::Failed, what)
    }

    /// An error of kind [`Kind::Usage`].
    pub fn usage(what: impl Into<String>) -> Self {
        Self::of(Kind::Usage, what)
    }

    /// An error of the kind given.
    pub fn of(kind: Kind, what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, kind, cause: None }
    }

    /// Adds what to do next: a second line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the cause, which is printed after `what`.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Puts what was being done in front of what happened.
    #[must_use]
    pub fn within(mut self, doing: &str) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    /// The same words once more, for another who waited for the same.
    #[must_use]
    pub fn repeated(&self) -> Self {
        Self { what: self.summary(), hint: self.hint.clone(), kind: self.kind, cause: None }
    }

    /// Which exit status this leads to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Everything in one line: what the operator log says.
    pub fn line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.summary()),
            None => self.summary(),
        }
    }

    /// The first line alone, cause included: what the logs record.
    pub fn summary(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_why_and_what_to_do() {
        let error =
            Error::new("cannot read /etc/x").because(std::io::Error::from_raw_os_error(libc::ENOENT)).hint("create it");
        assert_eq!(error.to_string(), "cannot read /etc/x: No such file or directory (os error 2)\n  create it");
        assert_eq!(error.summary(), "cannot read /etc/x: No such file or directory (os error 2)");
        assert_eq!(error.kind(), Kind::Failed);
        assert_eq!(error.repeated().to_string(), error.to_string());
    }
}
