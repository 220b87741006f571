//! Whether what is decided here binds the person: where they hold the source credentials, it cannot.

use std::fmt;

use crate::sys::user::Uid;

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

    /// How a service of `own` is deployed that serves these uids, an entry each; an empty entry serves any uid. With
    /// `every_uid`, uids here are the host's: who made a user namespace can become every uid in it.
    pub fn of_service<'a>(own: Uid, mut served: impl Iterator<Item = &'a [Uid]>, every_uid: bool) -> Self {
        let apart = |uids: &[Uid]| !uids.is_empty() && !uids.contains(&own) && !uids.contains(&Uid(0));
        if every_uid && served.all(apart) { Self::Enforced } else { Self::Advisory }
    }

    /// The name in records: `advisory`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Enforced => "enforced",
        }
    }

    /// Why a service is, in a sentence.
    pub fn why_of_service(self) -> &'static str {
        match self {
            Self::Advisory => {
                "it serves its own user or root, or whoever has a group, program or cgroup, or it runs in a user namespace: \
                 policy, locks and log inform and record"
            }
            Self::Enforced => self.why(),
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

    #[test]
    fn a_service_is_enforced_where_nobody_whom_it_serves_is_its_user_or_root() {
        let of = |own: u32, served: &[&[u32]], every_uid| {
            let served: Vec<Vec<Uid>> = served.iter().map(|uids| uids.iter().copied().map(Uid).collect()).collect();
            Deployment::of_service(Uid(own), served.iter().map(Vec::as_slice), every_uid)
        };
        for own in [900, 0] {
            assert_eq!(of(own, &[&[1001], &[1002, 1003]], true), Deployment::Enforced);
            assert_eq!(of(own, &[&[1001], &[own]], true), Deployment::Advisory, "its own user");
            assert_eq!(of(own, &[&[1001, 0]], true), Deployment::Advisory, "root becomes anybody");
            assert_eq!(of(own, &[&[1001], &[]], true), Deployment::Advisory, "whoever has a group or a program");
            assert_eq!(of(own, &[&[1001]], false), Deployment::Advisory, "in a user namespace");
        }
    }
}
