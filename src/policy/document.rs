//! What a policy document says besides its rules: who may approve, break glass, and how much a process tree may ask for.

use std::time::Duration;

use jiff::SignedDuration;

use super::pattern::Pattern;
use crate::ed25519::PublicKey;

/// The shortest session that STS issues, and so the shortest window that credentials can be given in.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(15 * 60);
/// The longest window that an approval opens.
pub const LONGEST_APPROVAL: Duration = Duration::from_secs(8 * 3600);
/// The longest window that a break-glass event opens.
pub const LONGEST_BREAK_GLASS: Duration = Duration::from_secs(4 * 3600);

/// What makes an approval count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approvals {
    /// A signature by one of the policy's approvers.
    #[default]
    Signed,
    /// The store's own access control: what the record says is believed.
    Store,
}

/// Somebody whose signature counts.
#[derive(Debug)]
pub struct Approver {
    /// The user, as policies know users.
    pub name: String,
    /// Their key.
    pub key: PublicKey,
    /// The profiles that they approve; `None` is all.
    pub(super) profiles: Option<Vec<Pattern>>,
}

/// Why glass is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum ReasonCode {
    Incident,
    Maintenance,
    Security,
    Recovery,
    Other,
}

/// Who may break glass, and how often.
#[derive(Debug)]
pub struct BreakGlass {
    pub(super) users: Option<Vec<Pattern>>,
    pub(super) profiles: Option<Vec<Pattern>>,
    /// The reasons that count.
    pub reason_codes: Vec<ReasonCode>,
    /// The longest window.
    pub max_duration: Duration,
    /// How long after the end of one event the same user cannot open another for the same profile.
    pub cooldown: Duration,
    /// How many events a user may open for a profile within the period that follows.
    pub quota_events: u32,
    /// That period.
    pub quota_period: Duration,
    /// Whether an event lifts denials.
    pub lifts_deny: bool,
    /// Whether an event stands in for an approval.
    pub lifts_approval: bool,
}

/// How much one process tree may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Exchanges with AWS in a minute, after the burst.
    pub exchanges_per_minute: u32,
    /// Exchanges at once.
    pub burst: u32,
    /// Requests that the cache answers, in a second.
    pub requests_per_second: u32,
}

impl Approver {
    /// Whether they may approve this profile.
    pub fn approves(&self, profile: &str) -> bool {
        self.profiles.as_ref().is_none_or(|some| some.iter().any(|one| one.matches(profile)))
    }
}

impl ReasonCode {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Incident, Self::Maintenance, Self::Security, Self::Recovery, Self::Other];

    /// The name in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Maintenance => "maintenance",
            Self::Security => "security",
            Self::Recovery => "recovery",
            Self::Other => "other",
        }
    }

    /// The reason of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl BreakGlass {
    /// Whether this user may break glass for this profile.
    pub fn allows(&self, user: &str, profile: &str) -> bool {
        let matches = |some: &Option<Vec<Pattern>>, name| {
            some.as_ref().is_none_or(|some| some.iter().any(|one| one.matches(name)))
        };
        matches(&self.users, user) && matches(&self.profiles, profile)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { exchanges_per_minute: 100, burst: 20, requests_per_second: 200 }
    }
}

/// How long credentials may live that are given now in a window that ends in `left`: no longer than the window, but that its
/// first minute may be used up, because STS issues nothing shorter than 15 minutes.
pub fn capped(left: SignedDuration) -> Option<Duration> {
    const FORGIVEN: Duration = Duration::from_secs(60);
    let left = Duration::try_from(left).ok()?;
    (left.saturating_add(FORGIVEN) >= SHORTEST_WINDOW).then(|| left.max(SHORTEST_WINDOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_end_with_their_window() {
        for (left_s, capped_s) in [
            (3600, Some(3600)),
            (900, Some(900)),
            (899, Some(900)),
            (840, Some(900)),
            (839, None),
            (0, None),
            (-1, None),
        ] {
            assert_eq!(capped(SignedDuration::from_secs(left_s)), capped_s.map(Duration::from_secs), "{left_s}");
        }
    }

    #[test]
    fn every_reason_has_its_name() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::of(code.as_str()), Some(code));
        }
        assert_eq!(ReasonCode::of("whim"), None);
    }
}
