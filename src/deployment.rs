//! Whether what is decided here binds the person: where they hold the source credentials, it cannot.

use std::fmt;

/// Where the source credentials are, as seen from whom they serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deployment {
    /// With the user who is served: they can go to AWS without sentinel.
    #[default]
    Advisory,
    /// With a uid, host or function that the served user cannot become.
    Enforced,
}

impl Deployment {
    /// How `exec` and `credentials` are deployed, always: they run as the user whom they serve.
    pub const OF_A_RUN: Self = Self::Advisory;

    /// The name in records: `advisory`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Enforced => "enforced",
        }
    }

    /// Why, in a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Advisory => {
                "sentinel runs as the user whom it serves, who can use the source credentials without it: policy, locks and log \
                 inform and record"
            }
            Self::Enforced => "the source credentials are out of the served user's reach: policy, locks and log bind",
        }
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_advisory_and_says_why() {
        assert_eq!(Deployment::OF_A_RUN.to_string(), "advisory");
        assert!(Deployment::OF_A_RUN.why().starts_with("sentinel runs as the user whom it serves"));
        assert_eq!(Deployment::Enforced.as_str(), "enforced");
    }
}
