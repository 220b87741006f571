//! T28: an approval survives a requester who can write the store and choose session names. Each attack writes what sentinel's own
//! commands would not, next to an approval that is good.

use sentinel::broker::approval::message;
use sentinel::clock::{Clock, SystemClock};
use sentinel::ed25519::PrivateKey;
use sentinel::policy::Policy;
use sentinel::store::Request;
use sentinel::store::record::RequestStatus;

use crate::fake_sts::ACCOUNT;
use crate::gate::Gate;

/// What alice makes of a request of hers, by name.
type Forgery<'a> = (&'static str, Box<dyn Fn(&mut Request) + 'a>, &'static str);

fn policy(gate: &Gate) -> Policy {
    Policy::parse(&std::fs::read_to_string(&gate.policy).expect("a policy")).expect("a policy")
}

/// A record that says what an approval by this user says, without a signature.
fn approved(request: &mut Request, approver: &str, digest: &str) {
    request.status = RequestStatus::Approved;
    request.approver = Some(approver.to_owned());
    request.policy_digest = Some(digest.to_owned());
    let end = SystemClock.wall() + jiff::SignedDuration::from_mins(50);
    request.expires_at = jiff::Timestamp::from_millisecond(end.as_millisecond()).expect("a time");
}

fn signed(request: &mut Request, approver: &str, digest: &str, key: &PrivateKey) {
    approved(request, approver, digest);
    request.signature = Some(key.sign(message(request, digest).as_bytes()));
}

/// Fails if this profile is given, in the environment or by a server, or if that is not on record as a denial.
#[track_caller]
fn refused(gate: &Gate, what: &str, profile: &str, why: &str) {
    let before = gate.world.sts.calls_of("AssumeRole").len();
    for options in [&[][..], &["--unix-socket"]] {
        let done = gate.exec(profile, options);
        assert_eq!(done.code(), 125, "{what}: {done}");
        assert!(done.stderr.contains(why), "{what}: not for `{why}`: {done}");
        assert_eq!(gate.last_decision()["effect"], "deny", "{what}");
    }
    assert_eq!(gate.world.sts.calls_of("AssumeRole").len(), before, "{what}");
}

/// Requests that nobody approved, with every approval that their requester can write.
fn forged_approvals(gate: &Gate) {
    let (digest, own) = (policy(gate).digest().to_owned(), PrivateKey::random().expect("a key"));
    let good = gate.create("dev", "1h");
    gate.approve("bob", &good);
    let genuine: Request = read(gate, &good);
    // What is left is for the forgeries alone.
    gate.forge_record(&good, |request: &mut Request| request.status = RequestStatus::Cancelled);
    let (digest, own, genuine) = (digest.as_str(), &own, &genuine);
    let replayed = move |request: &mut Request| {
        request.status = RequestStatus::Approved;
        request.approver = genuine.approver.clone();
        request.policy_digest = genuine.policy_digest.clone();
        request.expires_at = genuine.expires_at;
        request.signature = genuine.signature.clone();
    };
    let forgeries: Vec<Forgery<'_>> = vec![
        ("her own name", Box::new(|request| approved(request, "alice", digest)), "it was approved by its requester"),
        (
            "her own name and key",
            Box::new(|request| signed(request, "alice", digest, own)),
            "approved by its requester",
        ),
        ("nobody's name", Box::new(|request| signed(request, "mallory", digest, own)), "is no approver of the policy"),
        (
            "no name",
            Box::new(|request| {
                signed(request, "bob", digest, own);
                request.approver = None;
            }),
            "nobody is named as its approver",
        ),
        ("bob's name", Box::new(|request| approved(request, "bob", digest)), "it is not signed"),
        (
            "bob's name and her own key",
            Box::new(|request| signed(request, "bob", digest, own)),
            "its signature is not bob's",
        ),
        (
            "bob's name and no signature's text",
            Box::new(|request| {
                approved(request, "bob", digest);
                request.signature = Some("A".repeat(88));
            }),
            "its signature is not bob's",
        ),
        ("bob's signature under another request", Box::new(replayed), "its signature is not bob's"),
        (
            "the same as carol's",
            Box::new(move |request| {
                replayed(request);
                request.approver = Some("carol".to_owned());
            }),
            "its signature is not carol's",
        ),
    ];
    for (what, forgery, why) in &forgeries {
        let id = gate.create("dev", "1h");
        gate.forge_record(&id, forgery);
        refused(gate, what, "dev", why);
        gate.forge_record(&id, |request: &mut Request| request.status = RequestStatus::Cancelled);
    }
}

fn read(gate: &Gate, id: &str) -> Request {
    crate::store::read(gate.engine().as_ref(), id)
}

#[test]
fn a_requester_who_writes_the_files_approves_nothing() {
    forged_approvals(&Gate::new());
}

#[test]
fn a_requester_who_writes_the_table_approves_nothing() {
    forged_approvals(&Gate::in_tables());
}

#[test]
fn an_approval_that_was_given_is_not_stretched_moved_or_handed_on() {
    let gate = Gate::new();
    gate.world.role("other", "base", "");
    let id = gate.create("dev", "30m");
    gate.approve("bob", &id);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    let genuine = read(&gate, &id);
    let later = |request: &mut Request| request.expires_at += jiff::SignedDuration::from_mins(20);

    gate.forge_record(&id, later);
    refused(&gate, "a later end", "dev", "its window is longer than what was asked for");
    gate.forge_record(&id, |request: &mut Request| request.duration *= 4);
    refused(&gate, "a later end of a longer window", "dev", "its signature is not bob's");

    gate.forge_record(&id, |request: &mut Request| {
        *request = Request { profile: "other".to_owned(), ..genuine.clone() };
    });
    refused(&gate, "another profile", "other", "its signature is not bob's");

    gate.forge_record(&id, |request: &mut Request| *request = genuine.clone());
    assert_eq!(gate.exec("dev", &[]).code(), 0, "the genuine approval is still good");
}

#[test]
fn another_users_approval_is_not_taken_over() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    gate.approve("bob", &id);
    // The same profile, and carol's keys at its beginning: to AWS the role is hers as well.
    gate.world.sts.role("dev").trusts("*").allows_source_identity().max_duration_s(43_200).arn();
    gate.world.sandbox.config(&format!(
        "[profile base]\nregion = us-east-1\n[profile carol]\n[profile bob]\n[profile dev]\nrole_arn = \
         arn:aws:iam::{ACCOUNT}:role/dev\nsource_profile = carol\n"
    ));
    refused(&gate, "alice's approval", "dev", "sentinel request create --profile dev");
    gate.forge_record(&id, |request: &mut Request| request.requester = "carol".to_owned());
    refused(&gate, "alice's approval in her name", "dev", "its signature is not bob's");
}

#[test]
fn a_policy_that_changed_voids_the_approval_whatever_the_record_says() {
    let gate = Gate::new();
    let id = gate.create("dev", "1h");
    gate.approve("bob", &id);
    assert_eq!(gate.exec("dev", &[]).code(), 0);
    gate.rule(r#""limits":{"burst":21},"#);
    refused(&gate, "the old approval", "dev", "it was approved under another policy than the one of now");
    let digest = policy(&gate).digest().to_owned();
    gate.forge_record(&id, |request: &mut Request| request.policy_digest = Some(digest));
    refused(&gate, "the old approval under the new policy's digest", "dev", "its signature is not bob's");
}

/// Whoever holds a role chooses the names of its sessions: all of them are one person.
#[test]
fn another_session_of_the_same_role_approves_nothing() {
    let gate = Gate::new();
    let world = &gate.world;
    world.role("ops", "base", "");
    world.sandbox.write("policy.json", r#"{"version":"1","rules":[{"name":"open","effect":"allow"}]}"#, 0o600);
    for name in ["one", "two"] {
        let session =
            format!("role_arn = arn:aws:iam::{ACCOUNT}:role/ops\nsource_profile = base\nrole_session_name = {name}");
        world.sandbox.settings(&format!("as-{name}"), &session);
        let environment = world.sandbox.exec(&["--profile", &format!("as-{name}")], &["env", "-0"]).run().environment();
        let keys = world.sts.issued(&environment["AWS_ACCESS_KEY_ID"]).expect("issued");
        assert!(keys.arn.ends_with(&format!("/ops/{name}")), "{}", keys.arn);
        world.sandbox.profile(name, &keys, "");
    }
    let role =
        world.sts.role("gated").trusts(&format!("arn:aws:iam::{ACCOUNT}:role/ops")).allows_source_identity().arn();
    world.sandbox.settings("gated", &format!("role_arn = {role}\nsource_profile = one"));

    let key = PrivateKey::random().expect("a key");
    let path = world.sandbox.write("ops.key", &key.to_pem(), 0o600);
    let rules = format!(
        r#"{{"version":"1","approvers":[{{"name":"role:ops","key":"{}"}}],"rules":[{{"name":"r","effect":"require_approval"}}]}}"#,
        key.public()
    );
    let policy_path = world.sandbox.write("policy.json", &rules, 0o600);
    let words = ["request", "create", "--profile", "gated", "--justification", "ticket 4711"];
    let created = gate.run_as("one", &words).run();
    assert_eq!(created.code(), 0, "{created}");
    let id = created.stdout.trim_end();
    assert_eq!(read(&gate, id).requester, "role:ops");
    let approve = gate.run_as("two", &["request", "approve", id, "--key"]).args([&path]).args(["--policy"]);
    approve.args([&policy_path]).run().failed_with(1, &["is your own: somebody else has to approve it"]);
    gate.forge_record(id, |request: &mut Request| signed(request, "role:ops", policy(&gate).digest(), &key));
    refused(&gate, "her other session's", "gated", "it was approved by its requester");
}
