//! What most tests begin with: a fake AWS, a user, her profile and her roles.

use super::{Finished, Sandbox};
use crate::fake_sts::{ACCOUNT, Keys, Sts};

/// A fake AWS with the user alice, and a sandbox whose AWS it is, with her keys as the profile `base`.
pub(crate) struct World {
    pub(crate) sts: Sts,
    pub(crate) sandbox: Sandbox,
    pub(crate) alice: Keys,
}

impl World {
    pub(crate) fn new() -> Self {
        let sts = Sts::start();
        let sandbox = Sandbox::new(&sts);
        let alice = sts.user("alice");
        sandbox.profile("base", &alice, "region = us-east-1");
        Self { sts, sandbox, alice }
    }

    /// The same, and the role `dev`, which is alice's.
    pub(crate) fn with_dev() -> Self {
        let world = Self::new();
        world.role("dev", "base", "");
        world
    }

    /// Creates a role that lasts as long as AWS allows, and a profile of its name with `settings`. It trusts whom its source
    /// names: alice, who is `base`, or another such role. Returns its ARN.
    pub(crate) fn role(&self, name: &str, source: &str, settings: &str) -> String {
        let trusted = match source {
            "base" => self.alice.arn.clone(),
            role => format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
        };
        let role = self.sts.role(name).trusts(&trusted).allows_source_identity().max_duration_s(43_200).arn();
        self.sandbox.settings(name, &format!("role_arn = {role}\nsource_profile = {source}\n{settings}"));
        role
    }

    /// `sentinel exec OPTIONS -- true`, to its end.
    pub(crate) fn exec_true(&self, options: &[&str]) -> Finished {
        self.sandbox.exec(options, &["true"]).run()
    }

    /// Fails unless `exec` refuses these options, with every one of `parts`, before it asks AWS for anything.
    #[track_caller]
    pub(crate) fn refused_without_a_call(&self, options: &[&str], parts: &[&str]) {
        self.exec_true(options).failed_with(125, parts);
        assert_eq!(self.sts.calls().len(), 0, "AWS was asked: {:?}", self.sts.calls());
    }
}
