//! A sandbox in which attackers/*.py fight: trees of real sentinels, on every kernel tier, and strangers.

use std::path::Path;
use std::thread;

use sentinel::peer::Kernel;
use sentinel::peer::kernel::Tier;

use crate::fake_sts::Sts;
use crate::harness::{Finished, Sandbox, World, is_root, sentinel, skip};

/// Every way in which processes can be named, best first, as tier.py calls them; `--debug` does not say what follows the
/// comma.
const TIERS: [(&str, Tier); 7] = [
    ("pidfs inode", Tier::PidfsInode),
    ("pidfs inode, by /proc", Tier::PidfsInode),
    ("peer pidfd", Tier::PeerPidfd),
    ("peer pidfd, by /proc", Tier::PeerPidfd),
    ("pidfd", Tier::Pidfd),
    ("pidfd, by /proc", Tier::Pidfd),
    ("proc directory", Tier::ProcDirectory),
];

/// The files that attacks consist of.
const FILES: &[(&str, &str)] = &[
    ("tier.py", include_str!("attackers/tier.py")),
    ("talking.py", include_str!("attackers/talking.py")),
    ("crowds.py", include_str!("attackers/crowds.py")),
    ("peer.py", include_str!("attackers/peer.py")),
    ("arena.py", include_str!("attackers/arena.py")),
    ("stolen_token.py", include_str!("attackers/stolen_token.py")),
    ("stolen_token_tcp.py", include_str!("attackers/stolen_token_tcp.py")),
    ("changed_uid.py", include_str!("attackers/changed_uid.py")),
    ("attestation_tcp.py", include_str!("attackers/attestation_tcp.py")),
    ("modes.py", include_str!("attackers/modes.py")),
    ("first_use.py", include_str!("attackers/first_use.py")),
    ("attestation.py", include_str!("attackers/attestation.py")),
    ("namespaces.py", include_str!("attackers/namespaces.py")),
];

/// One place to fight in.
pub(super) struct Arena {
    sandbox: Sandbox,
    _sts: Sts,
}

impl Arena {
    /// With the profile `dev`. As root, it belongs to nobody, as whom sentinel and its attackers then run.
    pub(super) fn new() -> Self {
        let arena = Self::of_root();
        if is_root() {
            arena.sandbox.give_to_nobody();
        }
        arena
    }

    /// The same for whoever runs the tests.
    pub(super) fn of_root() -> Self {
        let World { sts, sandbox, alice } = World::new();
        sandbox.profile("dev", &alice, "region = us-east-1");
        sandbox.directory("attack", 0o700);
        for (name, content) in FILES {
            sandbox.write(&format!("attack/{name}"), content, 0o600);
        }
        Self { sandbox, _sts: sts }
    }

    /// Runs attackers/NAME to its end, behind these words.
    pub(super) fn fight(&self, before: &[&str], name: &str, arguments: &[&str]) -> Finished {
        let script = self.sandbox.path("attack").join(name);
        let (program, before) = before.split_first().map_or((python(), before), |(first, rest)| (*first, rest));
        let mut run = self.sandbox.program(program).args(before);
        if program != python() {
            run = run.args([python()]);
        }
        run.args([script.as_os_str()]).args(arguments).env("SENTINEL", sentinel()).run()
    }

    /// Runs attackers/NAME with these, the tier first, and tells whether pids were recycled, for which it takes root and a pid
    /// namespace.
    pub(super) fn fight_with_recycled_pids(&self, name: &str, arguments: &[&str]) -> (Finished, bool) {
        if is_root() {
            (self.fight(&OWN_PIDS, name, &[arguments, &["recycle"]].concat()), true)
        } else {
            skip(name, "recycled pids need root; the rest runs");
            (self.fight(&[], name, arguments), false)
        }
    }
}

/// A Python that every user may run, which a version manager's in root's home is not.
fn python() -> &'static str {
    const SYSTEM: &str = "/usr/bin/python3";
    if Path::new(SYSTEM).exists() { SYSTEM } else { crate::harness::python() }
}

/// What starts a program in a pid namespace of its own, with a /proc that shows it; as root.
pub(super) const OWN_PIDS: [&str; 5] = ["unshare", "-pf", "--mount-proc", "--kill-child", "--"];

/// Fights on every tier that this kernel can play.
pub(super) fn on_every_tier(test: &str, fight: impl Fn(&'static str) + Sync) {
    on_tiers(test, &TIERS, fight);
}

/// The same over TCP, where a tier is a way to hold a process and no more: one tier a handle, and /proc for the facts.
pub(super) fn on_tiers_of_tcp(test: &str, fight: impl Fn(&'static str) + Sync) {
    let tiers = TIERS.map(|tier| (!matches!(tier.0, "peer pidfd" | "peer pidfd, by /proc" | "pidfd")).then_some(tier));
    on_tiers(test, &tiers.into_iter().flatten().collect::<Vec<_>>(), fight);
}

/// On three at a time, because attackers wait more than they work.
fn on_tiers(test: &str, tiers: &[(&'static str, Tier)], fight: impl Fn(&'static str) + Sync) {
    let best = Kernel::probe().expect("a kernel that names processes").tier();
    let fight = |name, tier| {
        if tier < best {
            skip(test, &format!("this kernel has no tier `{name}`"));
        } else {
            fight(name);
        }
    };
    let fight = &fight;
    thread::scope(|scope| {
        for tiers in tiers.chunks(3) {
            scope.spawn(move || tiers.iter().for_each(|(name, tier)| fight(name, *tier)));
        }
    });
}

/// Fails unless the attack's report is exactly this.
#[track_caller]
pub(super) fn assert_report(done: &Finished, expected: &[&str]) {
    let found: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(found, expected, "{done}");
    assert_eq!(done.code(), 0, "{done}");
}
