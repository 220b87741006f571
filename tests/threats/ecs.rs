//! The ECS endpoint: the roles that a tree asks for by their ARNs, over either transport. What a role adds to the promises about
//! the profile's own credentials is attacked here.

use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;

use crate::fake_sts::{ACCOUNT, Call, Fault};
use crate::harness::{Running, World, eventually};
use crate::wire::{CLIENT, Transport};

const ROLES: &str = include_str!("attackers/roles.py");

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
        let of = |name: &str| decisions.iter().filter(|one| one["role_arn"] == arn(name).as_str()).count();
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

/// T14: a policy that was written for the profile's own credentials gives no others.
#[test]
fn a_role_is_given_by_a_rule_that_names_it_alone() {
    Ecs::over_both(|ecs| {
        let mut tree = ecs.ruled("dev", &rule(""), &[]);
        Tree::served(&tree.get("/"));
        ecs.has_denied(&tree.role("one"), "one", "the rule r gives no roles");
        // The profile's own role is the profile's own.
        Tree::served(&tree.role("dev"));

        ecs.rule(&rule(&format!(r#","role_arns":["{}"]"#, arn("one"))));
        ecs.has_denied(&tree.role("two"), "two", &format!("the rule r does not give the role {}", arn("two")));
        ecs.has_denied(&tree.role("next"), "next", &format!("the rule r does not give the role {}", arn("next")));
        Tree::served(&tree.role("one"));
        assert_eq!(ecs.decided(), ["allow", "allowed by the rule r", &arn("one")]);

        // What is in the cache is judged as well.
        let calls = ecs.assumed("one").len();
        let denied = |tree: &mut Tree, policy: &str, reason: &str| {
            ecs.rule(policy);
            let answer = tree.role("one");
            assert!(answer.0 == 403 && answer.1.contains("PolicyDenied"), "{answer:?}");
            assert_eq!(ecs.decided(), ["deny", reason, &arn("one")]);
        };
        let version = r#""version":"1""#;
        let weekend = format!(r#"{{{version},"rules":[{{"name":"r","effect":"deny","reason":"not today"}}]}}"#);
        denied(&mut tree, &weekend, "not today");
        let other = format!(
            r#"{{{version},"rules":[{{"name":"r","effect":"allow","conditions":{{"profiles":["next"]}},"role_arns":["{}"]}}]}}"#,
            arn("one")
        );
        denied(&mut tree, &other, "no matching rule");
        ecs.rule("{");
        assert_eq!(tree.role("one").0, 500);
        assert_eq!(ecs.decided(), ["deny", "the policy cannot be read", &arn("one")]);
        assert_eq!(ecs.assumed("one").len(), calls);
        tree.end();
    });
}

/// What a rule asks of credentials it asks of a role's as well: on the last step, and no other.
#[test]
fn a_role_is_narrowed_and_cut_short_like_the_profiles_own() {
    let ecs = Ecs::over(Transport::Tcp);
    let members = format!(
        r#","role_arns":["{}","{}"],"max_server_duration":"15m","session_policy":{{"Statement":[]}}"#,
        arn("dev"),
        arn("one")
    );
    let mut tree = ecs.ruled("dev", &rule(&members), &["--lazy"]);
    let body = Tree::served(&tree.role("one"));
    assert_eq!(owner(&ecs, &body), "assumed-role/one");
    let policies = |name| {
        let calls = ecs.assumed(name).into_iter();
        calls.map(|call| call.parameters.get("Policy").cloned()).collect::<Vec<_>>()
    };
    assert_eq!((policies("dev"), policies("one")), (vec![None], vec![Some(r#"{"Statement":[]}"#.to_owned())]));
    assert_eq!(ecs.assumed("one")[0].parameters["DurationSeconds"], "900");
    // Without the rule's session policy they are others.
    ecs.rule(&rule(&format!(r#","role_arns":["{}"]"#, arn("one"))));
    assert_ne!(Tree::served(&tree.role("one"))["AccessKeyId"], body["AccessKeyId"]);
    assert_eq!(policies("one").len(), 2);
    tree.end();
}

/// T8, T12: what is no role's ARN, and what could be read in two ways.
#[test]
fn other_paths_and_paths_in_disguise_give_nothing() {
    Ecs::over_both(|ecs| {
        let mut tree = ecs.tree("dev", &[]);
        let one = arn("one");
        let calls = ecs.world.sts.calls().len();
        for path in [
            "/role-arn".to_owned(),
            "/role-arn/".to_owned(),
            "/role-arn/one".to_owned(),
            format!("/{one}"),
            format!("/Role-Arn/{one}"),
            format!("/role-arn/{one}/"),
            format!("/role-arn/role-arn/{one}"),
            format!("/role-arn/{one}/{one}"),
            format!("/role-arn/{one}:"),
            format!("/role-arn/{one},{}", arn("two")),
            format!("/role-arn/{}", one.replace("iam", "IAM")),
            format!("/role-arn/{}", one.replace("arn:", "ARN:")),
            format!("/role-arn/{}", one.replace(":role/", ":user/")),
            format!("/role-arn/{}", one.replace(":role/", ":role")),
            format!("/role-arn/{}", one.replace("::", ":us-east-1:")),
            format!("/role-arn/{}", one.replace(ACCOUNT, "12345678901")),
            format!("/role-arn/{}", one.replace("aws", "%22aws")),
            format!("/role-arn/{}", "arn:aws:sts::123456789012:assumed-role/one/session"),
            format!("/role-arn/{}x", one.replace("/one", &format!("/{}", "o".repeat(64)))),
        ] {
            let (status, body) = tree.say(&format!("GET {path}"));
            assert!(status == 404 || path.contains("one,") && status == 500, "{path}: {status} {body}");
        }
        for path in [
            format!("/role-arn//{one}"),
            format!("//role-arn/{one}"),
            format!("/role-arn/../role-arn/{one}"),
            format!("/role-arn/./{one}"),
            format!("/role-arn/%2e%2e/{one}"),
            format!("/role-arn%2F/{one}"),
            format!("/role-arn/{}", one.replace(':', "%253A")),
            format!("/role-arn/{one}%00"),
            format!("/role-arn/{one}%0d%0a"),
            format!("/role-arn/{one}?role=two"),
            format!("/role-arn/{one}#two"),
            format!("/role-arn/{one}%3Fx"),
            format!("/role-arn/{one}*"),
            format!("/role-arn/{}", one.replace("role/one", "role//one")),
            format!("/role-arn/{}", one.replace("role/one", "role/x/../one")),
            format!("http://localhost/role-arn/{one}"),
        ] {
            let (status, body) = tree.say(&format!("GET {path}"));
            assert_eq!(status, 400, "{path}: {body}");
        }
        assert_eq!(ecs.assumed("one").len(), 0);
        assert!(ecs.world.sts.calls().len() <= calls + 2, "{:?}", ecs.world.sts.calls());
        // Nobody was shut out by it.
        Tree::served(&tree.role("one"));
        tree.end();
    });
}

/// A server without the option has no roles.
#[test]
fn other_servers_have_no_roles() {
    for options in [&["--server"][..], &["--unix-socket"]] {
        let ecs = Ecs::over(Transport::Tcp);
        let options = [&["--profile", "dev"], options].concat();
        let mut tree = ecs.world.sandbox.python(&options, &format!("{CLIENT}\n{ROLES}")).spawn();
        assert!(tree.line().starts_with("ready "));
        let mut tree = Tree(tree);
        for name in ["one", "dev"] {
            assert_eq!(tree.role(name).0, 404);
        }
        assert_eq!(ecs.assumed("one").len(), 0);
        tree.end();
    }
}

/// T18: an answer of AWS's that is half, empty or over is no role's credentials, and nobody else's trouble.
#[test]
fn half_made_roles_are_errors_and_the_profiles_own_is_served() {
    for fault in [Fault::AlreadyExpired, Fault::EmptySecret, Fault::Half] {
        let ecs = Ecs::over(Transport::Tcp);
        let mut tree = ecs.tree("base", &[]);
        let own = Tree::served(&tree.get("/"));
        ecs.world.sts.inject("AssumeRole", 20, fault.clone());
        for _ in 0..3 {
            let (status, body) = tree.role("mine");
            assert!(status == 500 && body.starts_with(r#"{"code":"CredentialsFailed""#), "{fault:?}: {status} {body}");
            assert_eq!(Tree::served(&tree.get("/")), own);
        }
        tree.end();
    }
}

#[test]
fn a_role_in_use_is_fetched_again_before_it_ends() {
    let ecs = Ecs::over(Transport::Unix);
    ecs.world.sts.lifetime_s(9);
    let mut tree = ecs.tree("base", &[]);
    let first = Tree::served(&tree.role("mine"));
    // Each answer on the way is one.
    eventually("other credentials", || {
        let next = Tree::served(&tree.role("mine"));
        (next["AccessKeyId"] != first["AccessKeyId"]).then_some(())
    });
    tree.end();
}

/// T16: a session that has ended gives no role either, be it in the cache or not.
#[test]
fn a_revoked_session_gets_no_role() {
    Ecs::over_both(|ecs| {
        let members = format!(r#","role_arns":["{}","{}"]"#, arn("dev"), arn("one"));
        let mut tree = ecs.ruled("dev", &rule(&members), &[]);
        Tree::served(&tree.role("one"));
        let records = fs::read_dir(ecs.world.sandbox.path("state/sentinel/sessions")).expect("sessions");
        let records = records.map(|entry| entry.expect("an entry").path());
        for record in records.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            fs::remove_file(record).expect("removed");
        }
        let refused = eventually("the end of the session", || Some(tree.role("one")).filter(|answer| answer.0 != 200));
        assert!(refused.1.contains("SessionRevoked") || refused.0 == 0, "{refused:?}");
        let calls = ecs.world.sts.calls().len();
        for name in ["one", "two", "dev"] {
            let answer = tree.role(name);
            assert!(answer.0 == 403 && answer.1.contains("SessionRevoked"), "{answer:?}");
            assert_eq!(ecs.decided()[2], arn(name));
        }
        assert_eq!(ecs.world.sts.calls().len(), calls);
        tree.end();
    });
}

/// T23: a flood of roles takes no memory, few calls to AWS, and nothing from what is in use.
#[test]
fn a_flood_of_roles_costs_little_and_takes_nobodys_place() {
    Ecs::over_both(|ecs| {
        let mut tree = ecs.tree("base", &[]);
        let before = [Tree::served(&tree.get("/")), Tree::served(&tree.role("mine"))];
        let pid = tree.0.pid();
        let mut flood = |number: u32| -> Value {
            tree.0.send(&format!("flood {number}"));
            serde_json::from_str(&tree.0.line()).expect("counts")
        };
        flood(200);
        let resident = resident_kib(pid);
        let seen = flood(3_000);
        assert!(seen["429"].as_u64().is_some_and(|count| count > 2_000) && seen.get("200").is_none(), "{seen}");
        let grown = resident_kib(pid) - resident;
        assert!(grown < 1_024, "{grown} KiB more after the flood");
        let calls = ecs.world.sts.calls_of("AssumeRole").len();
        // A burst of 20, and 100 in a minute.
        assert!(calls <= 20 + 100, "{calls} calls to AWS");
        let after = ["/".to_owned(), format!("/role-arn/{}", arn("mine"))].map(|path| {
            eventually("room among the requests", || Some(tree.get(&path)).filter(|answer| answer.0 != 429))
        });
        assert_eq!(after.map(|answer| Tree::served(&answer)), before);
        assert_eq!(ecs.assumed("mine").len(), 1);
        tree.end();
    });
}

/// The resident memory of a process.
fn resident_kib(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The seventeenth set takes the place of the one that nobody asked for longest.
#[test]
fn sixteen_sets_are_kept() {
    let ecs = Ecs::over(Transport::Tcp);
    for number in 0..17 {
        ecs.world.sts.role(&format!("r{number}")).trusts(&ecs.world.alice.arn).arn();
    }
    let mut tree = ecs.tree("base", &["--lazy", "--source-identity", "off"]);
    for number in 0..17 {
        Tree::served(&tree.role(&format!("r{number}")));
    }
    let calls = ecs.world.sts.calls_of("AssumeRole").len();
    assert_eq!(calls, 17);
    for number in 1..17 {
        Tree::served(&tree.role(&format!("r{number}")));
    }
    assert_eq!(ecs.world.sts.calls_of("AssumeRole").len(), 17);
    Tree::served(&tree.role("r0"));
    assert_eq!(ecs.assumed("r0").len(), 2);
    tree.end();
}
