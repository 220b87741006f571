//! Who is served without a process tree: entries in their order, each a selector and the profile that it leads to.
//!
//! The first entry that matches counts. An entry whose demand cannot be established does not match: entries give, and none of
//! them takes away what a later one gives.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use crate::peer::{Cgroup, Program};
use crate::sys::user::{Gid, Uid};

/// What has to hold of a caller: of each kind that is named, one of its values. An empty one holds of nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Effective uids.
    pub uids: Vec<Uid>,
    /// Effective gids.
    pub gids: Vec<Gid>,
    /// Paths of programs.
    pub executables: Vec<String>,
    /// Digests of programs, in lower-case hex.
    pub sha256: Vec<String>,
    /// Directories of the cgroup v2 hierarchy.
    pub cgroups: Vec<Cgroup>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Whom.
    pub selector: Selector,
    /// With which profile's credentials.
    pub profile: Arc<str>,
}

/// What is known of a caller, or can be found out.
pub(super) trait Facts {
    fn uid(&self) -> Uid;
    /// `None` where it cannot be established; so of the others.
    fn gid(&self) -> Option<Gid>;
    /// The path of the program, as the kernel writes it: not attested, and at no cost.
    fn path(&self) -> Option<&Path>;
    fn program(&self) -> Option<&Program>;
    fn cgroup(&self) -> Option<u64>;
}

/// The entries of now. All are replaced at once; each request is matched anew.
#[derive(Debug)]
pub struct Roster(RwLock<Arc<[Served]>>);

impl Roster {
    /// These entries.
    pub fn new(entries: Vec<Served>) -> Self {
        Self(RwLock::new(entries.into()))
    }

    /// Replaces all entries. What they lead to has to be served already, and what the old ones led to still to be.
    pub fn replace(&self, entries: Vec<Served>) {
        // A panic aborts the process, so a poisoned lock is never seen.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries.into();
    }

    /// The entries of now.
    pub fn current(&self) -> Arc<[Served]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether some entry could match somebody with this uid, and gid where that is known.
    pub(super) fn may_match(&self, uid: Uid, gid: Option<Gid>) -> bool {
        self.current().iter().any(|entry| entry.selector.may_match(uid, gid))
    }

    /// Whether somebody with this uid is selected, or not, by what process it is.
    pub(super) fn needs_process_of(&self, uid: Uid) -> bool {
        self.current().iter().any(|entry| entry.selector.may_match(uid, None) && entry.selector.needs_process())
    }
}

/// The profile of the first of these entries that matches.
pub(super) fn profile_in(entries: &[Served], caller: &impl Facts) -> Option<Arc<str>> {
    entries.iter().find(|entry| entry.selector.matches(caller)).map(|entry| Arc::clone(&entry.profile))
}

impl Selector {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it takes more than the uid and the cgroup, which the kernel tells of a TCP connection itself.
    pub fn needs_process(&self) -> bool {
        !self.gids.is_empty() || self.needs_program()
    }

    /// Whether it takes the program.
    pub fn needs_program(&self) -> bool {
        !(self.executables.is_empty() && self.sha256.is_empty())
    }

    fn may_match(&self, uid: Uid, gid: Option<Gid>) -> bool {
        !self.is_empty()
            && (self.uids.is_empty() || self.uids.contains(&uid))
            && gid.is_none_or(|gid| self.gids.is_empty() || self.gids.contains(&gid))
    }

    /// The cheap ones first: a program may have to be read as a whole, one after the other, and whoever connects chooses which. So
    /// one that has another path than those that are wanted is not read.
    fn matches(&self, caller: &impl Facts) -> bool {
        self.may_match(caller.uid(), None)
            && (self.gids.is_empty() || caller.gid().is_some_and(|gid| self.gids.contains(&gid)))
            && (self.cgroups.is_empty() || self.holds_cgroup(caller.cgroup()))
            && (self.executables.is_empty()
                || self.executables.iter().any(|wanted| caller.path() == Some(Path::new(wanted)))
                    && caller.program().is_some_and(|program| self.executables.contains(&program.path)))
            && (self.sha256.is_empty() || caller.program().is_some_and(|program| self.sha256.contains(&program.sha256)))
    }

    fn holds_cgroup(&self, id: Option<u64>) -> bool {
        id.is_some() && self.cgroups.iter().any(|cgroup| cgroup.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Somebody {
        uid: u32,
        gid: Option<u32>,
        program: Option<Program>,
    }

    impl Facts for Somebody {
        fn uid(&self) -> Uid {
            Uid(self.uid)
        }

        fn gid(&self) -> Option<Gid> {
            self.gid.map(Gid)
        }

        fn path(&self) -> Option<&Path> {
            self.program.as_ref().map(|program| Path::new(&program.path))
        }

        fn program(&self) -> Option<&Program> {
            self.program.as_ref()
        }

        fn cgroup(&self) -> Option<u64> {
            None
        }
    }

    fn selector(uids: &[u32], gids: &[u32], executables: &[&str], sha256: &[&str]) -> Selector {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Selector {
            uids: uids.iter().copied().map(Uid).collect(),
            gids: gids.iter().copied().map(Gid).collect(),
            executables: texts(executables),
            sha256: texts(sha256),
            cgroups: Vec::new(),
        }
    }

    fn app() -> Program {
        Program { path: "/usr/bin/app".to_owned(), sha256: "ab".to_owned() }
    }

    #[test]
    fn every_kind_has_to_hold_and_of_each_one_value() {
        let wanted = selector(&[1, 2], &[10, 20], &["/usr/bin/app", "/usr/bin/other"], &["ab"]);
        let good = || Somebody { uid: 2, gid: Some(10), program: Some(app()) };
        assert!(wanted.matches(&good()));
        for wrong in [
            Somebody { uid: 3, ..good() },
            Somebody { gid: Some(11), ..good() },
            Somebody { gid: None, ..good() },
            Somebody { program: None, ..good() },
            Somebody { program: Some(Program { path: "/usr/bin/ap".to_owned(), ..app() }), ..good() },
            Somebody { program: Some(Program { sha256: "ac".to_owned(), ..app() }), ..good() },
        ] {
            assert!(!wanted.matches(&wrong));
        }
    }

    /// Runs a program that it would take long to read.
    struct Elsewhere;

    impl Facts for Elsewhere {
        fn uid(&self) -> Uid {
            Uid(1)
        }

        fn gid(&self) -> Option<Gid> {
            None
        }

        fn path(&self) -> Option<&Path> {
            Some(Path::new("/usr/bin/large"))
        }

        fn program(&self) -> Option<&Program> {
            panic!("it was read")
        }

        fn cgroup(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn a_program_with_another_path_than_those_that_are_wanted_is_not_read() {
        assert!(!selector(&[], &[], &["/usr/bin/app"], &[]).matches(&Elsewhere));
        assert!(!selector(&[1], &[], &["/usr/bin/app", "/usr/bin/other"], &["ab"]).matches(&Elsewhere));
    }

    #[test]
    fn a_cgroup_that_is_not_known_is_not_one_that_is_wanted() {
        let nowhere = Cgroup::nowhere();
        let wanted = Selector { cgroups: vec![nowhere], ..Selector::default() };
        assert!(!wanted.matches(&Somebody { uid: 1, gid: None, program: None }), "neither is there");
    }

    #[test]
    fn an_empty_selector_matches_nobody() {
        let roster = Roster::new(vec![Served { selector: Selector::default(), profile: "p".into() }]);
        let anybody = Somebody { uid: 0, gid: Some(0), program: Some(app()) };
        assert_eq!(profile_in(&roster.current(), &anybody), None);
        assert!(!roster.may_match(Uid(0), None));
    }

    #[test]
    fn the_first_entry_that_matches_counts_and_all_are_replaced_at_once() {
        let entry = |selector, profile: &str| Served { selector, profile: profile.into() };
        let roster = Roster::new(vec![
            entry(selector(&[1], &[], &["/usr/bin/app"], &[]), "app"),
            entry(selector(&[1], &[], &[], &[]), "person"),
            entry(selector(&[], &[7], &[], &[]), "group"),
        ]);
        let profile = |uid, gid, program| profile_in(&roster.current(), &Somebody { uid, gid: Some(gid), program });
        assert_eq!(profile(1, 7, Some(app())).as_deref(), Some("app"));
        assert_eq!(profile(1, 7, None).as_deref(), Some("person"));
        assert_eq!(profile(2, 7, None).as_deref(), Some("group"));
        assert_eq!(profile(2, 8, Some(app())), None);
        assert!(roster.may_match(Uid(2), Some(Gid(7))) && roster.may_match(Uid(2), None));
        assert!(!roster.may_match(Uid(2), Some(Gid(8))));
        roster.replace(vec![entry(selector(&[2], &[], &[], &[]), "new")]);
        assert_eq!(profile(1, 7, None), None);
        assert_eq!(profile(2, 8, None).as_deref(), Some("new"));
    }

    /// What `matches` should say, in the most obvious way: a value of every kind that is named.
    fn obviously(wanted: &Selector, caller: &Somebody) -> bool {
        let mut asked = false;
        let mut holds = true;
        let mut demand = |is_named: bool, has: bool| {
            asked |= is_named;
            holds &= !is_named || has;
        };
        demand(!wanted.uids.is_empty(), wanted.uids.iter().any(|uid| uid.0 == caller.uid));
        demand(!wanted.gids.is_empty(), wanted.gids.iter().any(|gid| Some(gid.0) == caller.gid));
        let path = caller.program.as_ref().map(|program| program.path.as_str());
        let digest = caller.program.as_ref().map(|program| program.sha256.as_str());
        demand(!wanted.executables.is_empty(), wanted.executables.iter().any(|is| Some(is.as_str()) == path));
        demand(!wanted.sha256.is_empty(), wanted.sha256.iter().any(|is| Some(is.as_str()) == digest));
        asked && holds
    }

    #[test]
    fn every_small_selector_says_what_it_obviously_should() {
        let numbers: [&[u32]; 3] = [&[], &[1], &[1, 2]];
        let paths: [&[&str]; 3] = [&[], &["/a"], &["/b", "/a"]];
        let digests: [&[&str]; 3] = [&[], &["aa"], &["bb", "aa"]];
        let program = |path: &str, sha256: &str| Some(Program { path: path.to_owned(), sha256: sha256.to_owned() });
        let mut matched = 0;
        for (uids, gids) in numbers.iter().flat_map(|uids| numbers.map(|gids| (uids, gids))) {
            for (paths, digests) in paths.iter().flat_map(|paths| digests.map(|digests| (paths, digests))) {
                let wanted = selector(uids, gids, paths, digests);
                for uid in 1..4 {
                    for gid in [None, Some(1), Some(3)] {
                        for program in [None, program("/a", "aa"), program("/a", "cc"), program("/c", "aa")] {
                            let caller = Somebody { uid, gid, program };
                            assert_eq!(wanted.matches(&caller), obviously(&wanted, &caller));
                            matched += u32::from(wanted.matches(&caller));
                        }
                    }
                }
            }
        }
        assert!(matched > 100, "{matched}");
    }
}
