//! The ECS endpoint: the roles that a tree asks for by their ARNs, over either transport. What a role adds to the promises about
//! the profile's own credentials is attacked here.

mod bounds;
mod rules;

use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;

use crate::fake_sts::{ACCOUNT, Call};
use crate::harness::{Running, World, eventually};
use crate::wire::{CLIENT, Transport};

const ROLES: &str = include_str!("../attackers/roles.py");

/// Alice's keys as `base`, her role as `dev`, which may assume `one` and `two`; alice may assume `mine`, and so may `next`, a
/// profile of another role. A policy at a path.
struct Ecs {
    world: World,
    policy: PathBuf,
    transport: Transport,
}

/// A client in the tree.
struct Tree(Running);

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// A policy of one rule, with these members besides its name.
fn rule(members: &str) -> String {
    format!(
        r#"{{"version":"1","limits":{{"requests_per_second":100000}},"rules":[{{"name":"r","effect":"allow"{members}}}]}}"#
    )
}

impl Ecs {
    fn over(transport: Transport) -> Self {
        let world = World::with_dev();
        world.role("next", "dev", "");
        for (name, trusted) in [("one", arn("dev")), ("two", arn("dev")), ("mine", world.alice.arn.clone())] {
            world.sts.role(name).trusts(&trusted).allows_source_identity().max_duration_s(43_200).arn();
        }
        let policy = world.sandbox.write("policy.json", &rule(""), 0o600);
        Self { world, policy, transport }
    }

    /// The same attack over each transport.
    fn over_both(attack: impl Fn(Self) + Sync) {
        let attack = &attack;
        thread::scope(|scope| {
            for transport in [Transport::Unix, Transport::Tcp] {
                let named = thread::Builder::new().name(format!("over {transport:?}"));
                named.spawn_scoped(scope, move || attack(Self::over(transport))).expect("a thread");
            }
        });
    }

    fn tree(&self, profile: &str, options: &[&str]) -> Tree {
        let over_unix = self.transport == Transport::Unix;
        let endpoint: &[&str] = if over_unix { &["--ecs-server", "--unix-socket"] } else { &["--ecs-server"] };
        let options = [&["--profile", profile], endpoint, options].concat();
        let mut tree = self.world.sandbox.python(&options, &format!("{CLIENT}\n{ROLES}")).spawn();
        assert!(tree.line().starts_with("ready "));
        Tree(tree)
    }

    /// The same under the policy.
    fn ruled(&self, profile: &str, policy: &str, options: &[&str]) -> Tree {
        self.rule(policy);
        let options = [&["--policy", self.policy.to_str().expect("UTF-8")], options].concat();
        self.tree(profile, &options)
    }

    fn rule(&self, policy: &str) {
        fs::write(&self.policy, policy).expect("written");
    }

    /// The AssumeRole calls for this role.
    fn assumed(&self, name: &str) -> Vec<Call> {
        let calls = self.world.sts.calls_of("AssumeRole").into_iter();
        calls.filter(|call| call.parameters["RoleArn"] == arn(name)).collect()
    }

    /// Effect, reason and role of the last decision.
    fn decided(&self) -> [String; 3] {
        let last = self.world.sandbox.decisions().pop().expect("a decision");
        ["effect", "reason", "role_arn"].map(|name| last[name].as_str().unwrap_or_default().to_owned())
    }

    /// Fails unless the request was denied for this reason, and the denial names the role.
    #[track_caller]
    fn has_denied(&self, answer: &(u16, String), role: &str, reason: &str) {
        assert!(answer.0 == 403 && answer.1.starts_with(r#"{"code":"PolicyDenied""#), "{answer:?}");
        assert_eq!(self.decided(), ["deny", reason, &arn(role)]);
        assert_eq!(self.assumed(role).len(), 0);
    }
}

impl Tree {
    fn say(&mut self, line: &str) -> (u16, String) {
        self.0.send(line);
        let said = self.0.line();
        let (status, body) = said.split_once(' ').expect("a status and a body");
        (status.parse().expect("a status"), body.to_owned())
    }

    /// Asks until that is not put off any more.
    #[track_caller]
    fn get(&mut self, path: &str) -> (u16, String) {
        eventually("an answer", || Some(self.say(&format!("GET {path}"))).filter(|answer| answer.0 != 503))
    }

    #[track_caller]
    fn role(&mut self, name: &str) -> (u16, String) {
        self.get(&format!("/role-arn/{}", arn(name)))
    }

    /// What credentials say.
    #[track_caller]
    fn served(answer: &(u16, String)) -> Value {
        assert_eq!(answer.0, 200, "{answer:?}");
        serde_json::from_str(&answer.1).expect("JSON")
    }

    #[track_caller]
    fn end(mut self) {
        self.0.close_stdin();
        let done = self.0.finish();
        assert_eq!(done.code(), 0, "{done}");
    }
}

/// Whose these are: `assumed-role/one`.
#[track_caller]
fn owner(ecs: &Ecs, body: &Value) -> String {
    let issued = ecs.world.sts.issued(body["AccessKeyId"].as_str().expect("text")).expect("a key that was issued");
    assert_eq!(body["SecretAccessKey"], issued.secret_access_key);
    assert_eq!(body["Token"], issued.session_token.expect("a token"));
    let (_, name) = issued.arn.split_once(&format!("{ACCOUNT}:")).expect("an ARN");
    name.rsplit_once('/').map_or(name, |(role, _)| role).to_owned()
}

#[test]
fn roles_are_served_beside_the_profiles_own_and_each_to_itself() {
    Ecs::over_both(|ecs| {
        let mut tree = ecs.tree("dev", &["--server-duration", "12h"]);
        let own = Tree::served(&tree.get("/"));
        assert_eq!(owner(&ecs, &own), "assumed-role/dev");
        let mut seen = vec![own["AccessKeyId"].clone()];
        for name in ["one", "two"] {
            let body = Tree::served(&tree.role(name));
            assert_eq!((owner(&ecs, &body), &body["RoleArn"]), (format!("assumed-role/{name}"), &arn(name).into()));
            assert_eq!(body["AccountId"], ACCOUNT);
            assert_eq!(ecs.decided(), ["allow", "no policy", &arn(name)]);
            assert!(!seen.contains(&body["AccessKeyId"]));
            seen.push(body["AccessKeyId"].clone());
        }
        let calls = ecs.world.sts.calls_of("AssumeRole").len();
        // What is there is served without AWS, however it is written, and the profile's own role is the profile's own.
        for (path, key) in [
            (format!("/role-arn/{}", arn("one")), 1),
            (format!("/role-arn/{}", arn("one").replace(':', "%3A")), 1),
            (format!("/role-arn/{}", arn("two").replace(':', "%3a").replace('/', "%2F")), 2),
            (format!("/role-arn/{}", arn("dev")), 0),
            ("/".to_owned(), 0),
        ] {
            assert_eq!(Tree::served(&tree.get(&path))["AccessKeyId"], seen[key], "{path}");
        }
        assert_eq!(tree.say(&format!("HEAD /role-arn/{}", arn("one"))), (200, String::new()));
        assert_eq!(tree.say(&format!("PUT /role-arn/{}", arn("one"))).0, 405);
        assert_eq!(ecs.world.sts.calls_of("AssumeRole").len(), calls);
        // Each has its line, and AWS its limit for chains; who asked is said at the first step, and carried.
        for name in ["one", "two"] {
            let [call] = &ecs.assumed(name)[..] else { panic!("one call") };
            assert_eq!(call.parameters["DurationSeconds"], "3600");
            assert_eq!(call.parameters.get("SourceIdentity"), None);
            assert!(call.parameters["RoleSessionName"].starts_with("sentinel"), "{call:?}");
        }
        let decisions = ecs.world.sandbox.decisions();
        // A request that was put off has a line as well, with that as its error.
        let given = |one: &&Value| one.get("error").is_none();
        let of =
            |name: &str| decisions.iter().filter(given).filter(|one| one["role_arn"] == arn(name).as_str()).count();
        // The start and two requests by path, one by ARN; of `one` three, and one HEAD.
        assert_eq!((of("dev"), of("one"), of("two")), (4, 4, 2));
        assert!(decisions.iter().all(|one| one["source_identity"].as_str().is_some_and(|name| !name.is_empty())));
        tree.end();
    });
}

/// Keys of a person last as long as they like, a role behind them as long as was asked for.
#[test]
fn a_role_that_is_assumed_with_long_lived_keys_is_not_chained() {
    let ecs = Ecs::over(Transport::Tcp);
    let mut tree = ecs.tree("base", &["--server-duration", "12h", "--source-identity", "require"]);
    let body = Tree::served(&tree.role("mine"));
    assert_eq!(owner(&ecs, &body), "assumed-role/mine");
    let [call] = &ecs.assumed("mine")[..] else { panic!("one call") };
    assert_eq!(call.parameters["DurationSeconds"], "43200");
    assert!(call.parameters.contains_key("SourceIdentity"));
    tree.end();
}

/// One role whose trust policy refuses SourceIdentity says nothing about the next: who asks for it first does not go unnamed
/// afterwards.
#[test]
fn a_role_without_source_identity_does_not_take_it_from_others() {
    let ecs = Ecs::over(Transport::Unix);
    ecs.world.sts.role("nameless").trusts(&ecs.world.alice.arn).arn();
    let mut tree = ecs.tree("base", &[]);
    Tree::served(&tree.role("nameless"));
    Tree::served(&tree.role("mine"));
    let last = ecs.world.sandbox.decisions().pop().expect("a decision");
    assert!(last["source_identity"].is_string(), "{last}");
    tree.end();
}
