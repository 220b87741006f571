//! A sandbox under a policy, and the ways to credentials that it has to rule.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::fake_sts::Sts;
use crate::harness::{Finished, Invocation, Running, Sandbox, World, eventually, sentinel};

/// The ways to credentials: with words, the mode as policies name it, and the status of a refusal.
pub(super) const WAYS: [(&[&str], &str, i32); 4] = [
    (&["exec"], "cli", 125),
    (&["credentials"], "credential_process", 1),
    (&["exec", "--server"], "server", 125),
    (&["exec", "--unix-socket"], "server", 125),
];

/// A way that serves.
pub(super) fn serves(way: &[&str]) -> bool {
    way.len() > 1
}

/// The profiles `base` (alice's keys), and `dev` and `next`, which are roles of hers; and a policy at a path.
pub(super) struct Ruled {
    pub(super) sts: Sts,
    pub(super) sandbox: Sandbox,
    pub(super) policy: PathBuf,
}

impl Ruled {
    /// Under this policy.
    pub(super) fn by(policy: &str) -> Self {
        let world = World::with_dev();
        world.role("next", "dev", "");
        let policy = world.sandbox.write("policy.json", policy, 0o600);
        Self { sts: world.sts, sandbox: world.sandbox, policy }
    }

    /// Under another one from now on.
    pub(super) fn rule(&self, policy: &str) {
        fs::write(&self.policy, policy).expect("written");
    }

    /// One way to a profile's credentials; where that is a command's, one that would leave `started` behind.
    pub(super) fn way(&self, way: &[&str], profile: &str, options: &[&str]) -> Invocation {
        let run =
            self.sandbox.sentinel(way).args(["--profile", profile, "--policy"]).args([&self.policy]).args(options);
        if way.contains(&"exec") { run.args(["--", "touch"]).args([self.started()]) } else { run }
    }

    pub(super) fn started(&self) -> PathBuf {
        self.sandbox.path("started")
    }

    /// The last decision's effect and reason.
    #[track_caller]
    pub(super) fn decided(&self) -> (String, String) {
        let last = self.sandbox.decisions().pop().expect("a decision");
        let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        (text("effect"), text("reason"))
    }

    /// Fails if this run gave anything, or if that is not on record as a denial for this reason.
    #[track_caller]
    pub(super) fn has_denied(&self, done: &Finished, status: i32, reason: &str) {
        assert_eq!(done.code(), status, "{done}");
        assert_eq!(done.stdout, "", "{done}");
        assert!(!self.started().exists(), "the command ran: {done}");
        assert_eq!(self.decided(), ("deny".to_owned(), reason.to_owned()), "{done}");
    }

    /// Fails unless this run gave credentials.
    #[track_caller]
    pub(super) fn has_given(&self, done: &Finished) {
        assert_eq!(done.code(), 0, "{done}");
        assert_eq!(self.decided().0, "allow", "{done}");
        let _absent = fs::remove_file(self.started());
    }

    /// A tree that is served in this way and asks when it is told to: see attackers/often.py.
    pub(super) fn tree(&self, way: &[&str], options: &[&str]) -> Running {
        let run = self.sandbox.sentinel(way).args(["--profile", "dev", "--policy"]).args([&self.policy]).args(options);
        let run = run.args(["--", crate::harness::python(), "-u", "-c", OFTEN]).args([sentinel()]);
        run.spawn()
    }
}

/// Has a tree ask what it is told, and gives what came of it: once more as often as anything was put off (503), because AWS and
/// the session's record have as long as a busy machine takes.
#[track_caller]
pub(super) fn answered(tree: &mut Running, order: &str) -> String {
    eventually("an answer", || {
        tree.send(order);
        Some(tree.line()).filter(|line| number(line, "503") == 0.0)
    })
}

/// Asks as often as it is told.
pub(super) const OFTEN: &str = include_str!("attackers/often.py");

/// A policy of one rule, with these members besides its name.
pub(super) fn one_rule(members: &str) -> String {
    format!(r#"{{"version":"1","rules":[{{"name":"r",{members}}}]}}"#)
}

/// One of the numbers in a line of attackers/often.py: `200=7 429=3 took=0.25`.
pub(super) fn number(line: &str, name: &str) -> f64 {
    let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.map_or(0.0, |text| text.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// The decisions that deny for this reason's beginning.
pub(super) fn denials<'a>(decisions: &'a [Value], reason: &str) -> Vec<&'a str> {
    let reasons = decisions.iter().filter(|one| one["effect"] == "deny").filter_map(|one| one["reason"].as_str());
    reasons.filter(|found| found.starts_with(reason)).collect()
}
