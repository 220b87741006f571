//! What a role takes to be given: a rule that names it, and a path that is nothing else.

use super::{Ecs, Tree, arn, owner, rule};
use crate::fake_sts::{ACCOUNT, Call};
use crate::wire::Transport;

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

/// Managed policies that cannot narrow the role: nothing is asked of AWS, which would refuse.
#[test]
fn managed_policies_of_another_account_are_told_at_the_role() {
    let ecs = Ecs::over(Transport::Tcp);
    let policy = format!("arn:aws:iam::{ACCOUNT}:policy/narrow");
    let mut tree = ecs.tree("dev", &["--policy-arn", &policy]);
    let body = Tree::served(&tree.role("one"));
    assert_eq!(owner(&ecs, &body), "assumed-role/one");
    let narrowed = |call: &Call| call.parameters.get("PolicyArns.member.1.arn") == Some(&policy);
    let calls = ecs.world.sts.calls_of("AssumeRole");
    // The start's own, then the way to `one` and `one`.
    assert_eq!(calls.iter().map(narrowed).collect::<Vec<_>>(), [true, false, true]);
    let foreign = "arn:aws:iam::999999999999:role/one";
    assert_eq!(tree.get(&format!("/role-arn/{foreign}")).0, 500);
    tree.0.error_line(&format!("{policy} is not of the account of {foreign}, nor AWS's own"));
    assert_eq!(ecs.world.sts.calls_of("AssumeRole").len(), calls.len());
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
            format!("/role-arn/{one}:"),
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
            assert_eq!(status, 404, "{path}: {body}");
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
        assert_eq!(ecs.world.sts.calls().len(), calls, "{:?}", ecs.world.sts.calls());
        // Odd paths of a role are paths of that role, and AWS is asked for it and for no part of it.
        for role in [format!("{one}/{one}"), format!("{one},{}", arn("two")), one.replace("role/one", "role/*/one")] {
            let (status, body) = tree.get(&format!("/role-arn/{}", role.replace('*', "%27")));
            assert_eq!(status, 500, "{role}: {body}");
            let last = ecs.world.sts.calls_of("AssumeRole").pop().expect("a call");
            assert_eq!(last.parameters["RoleArn"], role.replace('*', "'"));
        }
        assert_eq!((ecs.assumed("one").len(), ecs.assumed("two").len()), (0, 0));
        // Nobody was shut out by it.
        Tree::served(&tree.role("one"));
        tree.end();
    });
}
