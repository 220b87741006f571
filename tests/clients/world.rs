//! What the clients run in: a role `dev` of the user `base`, at moto or at the strict fake.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use super::moto::{Moto, programs, server};
use crate::fake_sts::{Keys, Sts};
use crate::harness::{Finished, Invocation, Running, Sandbox, World};

/// How exec gives credentials: in the environment, from a socket, and from a port, by one of three endpoints.
pub(super) const MODES: [&[&str]; 5] = [&[], &["--unix-socket"], &["--server"], &["--ecs-server"], &["--ec2-server"]];

/// Those that serve.
pub(super) const SERVERS: [&[&str]; 4] = [MODES[1], MODES[2], MODES[3], MODES[4]];

/// The one in which clients believe that they are on an instance.
pub(super) const EC2: &[&str] = MODES[4];

/// A sandbox whose AWS is moto, with the profiles `base`, `dev` and, through `dev`, `second`.
pub(crate) fn at_moto() -> (Sandbox, &'static Moto) {
    let moto = server();
    let sandbox = Sandbox::with_endpoint(&moto.endpoint);
    let user = Keys {
        access_key_id: moto.access_key.clone(),
        secret_access_key: moto.secret.clone(),
        session_token: None,
        arn: format!("arn:aws:iam::{}:user/demo-user", moto.account),
    };
    sandbox.profile("base", &user, "region = us-east-1");
    roles(&sandbox, &moto.role_arn, &moto.second_role_arn);
    (sandbox, moto)
}

/// A sandbox whose AWS is the fake, with the same profiles; the first role allows a source identity or not.
pub(super) fn at_the_fake(allows_source_identity: bool) -> (Sandbox, Sts) {
    let World { sts, sandbox, alice } = World::new();
    let first = sts.role("first").trusts(&alice.arn);
    let first = if allows_source_identity { first.allows_source_identity() } else { first }.arn();
    let second = sts.role("second").trusts(&first).allows_source_identity().arn();
    roles(&sandbox, &first, &second);
    (sandbox, sts)
}

fn roles(sandbox: &Sandbox, first: &str, second: &str) {
    sandbox.settings("dev", &format!("region = us-east-1\nrole_arn = {first}\nsource_profile = base"));
    sandbox.settings("second", &format!("region = us-east-1\nrole_arn = {second}\nsource_profile = dev"));
}

/// `sentinel exec --profile PROFILE OPTIONS -- COMMAND`, where `aws` and `python` are the pinned ones. On an instance boto
/// asks once and waits a second for the answer, which a busy machine may take.
pub(super) fn exec(sandbox: &Sandbox, profile: &str, options: &[&str], command: &[&str]) -> Invocation {
    let run = sandbox.exec(&[&["--profile", profile], options].concat(), command).env("PATH", path());
    run.env("AWS_METADATA_SERVICE_TIMEOUT", "60")
}

/// Does `work` on each of `items`, two at a time: a client mostly waits, and is heavy when it starts.
pub(super) fn two_at_a_time<T: Send>(items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let rest = Mutex::new(items.into_iter().collect::<Vec<T>>().into_iter());
    let take = || rest.lock().expect("not poisoned").next();
    let worker = || {
        while let Some(item) = take() {
            work(item);
        }
    };
    thread::scope(|scope| {
        scope.spawn(worker);
        worker();
    });
}

/// PATH with the pinned clients before all others.
pub(crate) fn path() -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = std::iter::once(programs()).chain(std::env::split_paths(&rest)).collect();
    std::env::join_paths(all).expect("no colon in a directory's name")
}

/// How many fetches by clients the decision log has, whatever came of them; what sentinel gets ahead for itself is not one.
pub(super) fn fetches(sandbox: &Sandbox) -> usize {
    let decisions = sandbox.decisions();
    assert!(!decisions.is_empty(), "there is no decision log");
    decisions.iter().filter(|line| line.get("peer").is_some()).count()
}

/// What comes of a client outside of the tree that has everything that a command of it knows, for each of [`SERVERS`].
/// Fails if it was given credentials, or if the operator log does not say why not.
pub(super) fn outside_of_servers(client: impl Fn(&Sandbox) -> Invocation) -> Vec<Finished> {
    const NOBODY_HOLDS_IT: &str = "no process of the tree holds the connection";
    let reasons = ["not a descendant of the command", NOBODY_HOLDS_IT, NOBODY_HOLDS_IT, NOBODY_HOLDS_IT];
    let outside = |(mode, reason): (&[&str], &str)| {
        let (sandbox, sts) = at_the_fake(true);
        let (mut tree, stolen) = stolen(&sandbox, mode);
        let before = sts.calls().len();
        // Where the tree may ask for metadata, this one may.
        let client = client(&sandbox).without("AWS_EC2_METADATA_DISABLED");
        let done = stolen.into_iter().fold(client, |run, (name, value)| run.env(name, value)).run();
        tree.error_line(reason);
        assert_eq!(sts.calls().len(), before, "{mode:?}: something was signed by {done}");
        assert_eq!(fetches(&sandbox), 0, "{mode:?}: {done}");
        tree.send("");
        assert_eq!(tree.finish().code(), 0);
        done
    };
    SERVERS.into_iter().zip(reasons).map(outside).collect()
}

/// A tree that stays until it is sent a line, and everything that a command of it knows: its whole environment.
fn stolen(sandbox: &Sandbox, mode: &[&str]) -> (Running, Vec<(String, String)>) {
    let mut tree = exec(sandbox, "dev", mode, &["sh", "-c", "env; echo end; read _"]).spawn();
    let lines: Vec<String> = std::iter::from_fn(|| Some(tree.line()).filter(|line| line != "end")).collect();
    let pair = |line: &String| {
        let (name, value) = line.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    };
    let stolen: Vec<_> = lines.iter().map(pair).collect();
    // Without one of these a client might ask something that is not ours.
    let ours = ["SENTINEL_UNIX_SOCKET", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
    assert!(stolen.iter().any(|(name, _)| ours.contains(&name.as_str())), "{stolen:?}");
    (tree, stolen)
}
