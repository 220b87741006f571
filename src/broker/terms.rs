//! What a grant's credentials are limited to.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::policy::document;

/// Limits of credentials. What was fetched under some is handed out under the same alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The longest life.
    pub max_duration: Option<Duration>,
    /// What narrows the role's session, JSON.
    pub session_policy: Option<Arc<str>>,
    /// The role that was asked for, which comes after the profile's own.
    pub role: Option<Arc<str>>,
    /// The window in which they are given, where somebody had to open one.
    pub window: Option<Window>,
}

/// An approval or a break-glass event that lets requests through until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Who opened it.
    pub by: By,
    /// The record's id, 16 hex digits.
    pub id: Arc<str>,
    /// When it ends.
    pub ends: Timestamp,
}

/// What opened a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An approval.
    Approval,
    /// A break-glass event.
    BreakGlass,
}

impl Terms {
    /// The longest that credentials may live that are fetched at `now`; `None`: as long as they like.
    ///
    /// # Errors
    /// The window is too short for the shortest session that STS issues: what is left of it, in whole seconds.
    pub fn longest(&self, now: Timestamp) -> Result<Option<Duration>, u64> {
        let Some(window) = &self.window else { return Ok(self.max_duration) };
        let left = window.ends.duration_since(now);
        match document::capped(left) {
            Some(capped) => Ok(Some(self.max_duration.map_or(capped, |most| most.min(capped)))),
            None => Err(u64::try_from(left.as_secs()).unwrap_or(0)),
        }
    }
}

impl Window {
    /// What people call it: `approval 0123456789abcdef`.
    pub fn name(&self) -> String {
        let what = match self.by {
            By::Approval => "approval",
            By::BreakGlass => "break-glass event",
        };
        format!("{what} {}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_shorter_limit_counts() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let terms = |max_s: Option<u64>, window_s: Option<i64>| Terms {
            max_duration: max_s.map(Duration::from_secs),
            session_policy: None,
            role: None,
            window: window_s.map(|left| Window {
                by: By::Approval,
                id: "0123456789abcdef".into(),
                ends: now + SignedDuration::from_secs(left),
            }),
        };
        for (max_s, window_s, longest) in [
            (None, None, Ok(None)),
            (Some(1800), None, Ok(Some(1800))),
            (None, Some(3600), Ok(Some(3600))),
            (Some(1800), Some(3600), Ok(Some(1800))),
            (Some(3600), Some(1800), Ok(Some(1800))),
            (Some(3600), Some(880), Ok(Some(900))),
            (Some(3600), Some(600), Err(600)),
            (None, Some(-5), Err(0)),
        ] {
            assert_eq!(terms(max_s, window_s).longest(now), longest.map(|s| s.map(Duration::from_secs)), "{max_s:?}");
        }
    }
}
