//! The AWS SDKs for JavaScript, versions 3 and 2. Where there is no Node they are skipped by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::world::{at_the_fake, exec, fetches};
use crate::fake_sts::Sts;
use crate::fake_sts::wire::{Answer, Response, Server};
use crate::harness::skip;

/// Where `make node` has installed them, if it has.
pub(super) fn installed() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = std::env::var_os("SENTINEL_TEST_NODE").map_or_else(|| root.join(".node"), PathBuf::from);
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (has_node && made.join("made-from").exists()).then(|| made.join("node_modules"))
}

/// The same; where they are not, says that the test is skipped.
pub(crate) fn packages(test: &str) -> Option<PathBuf> {
    const WHY: &str = "the JavaScript packages are not installed: `make node` does it where there are node and npm";
    installed().or_else(|| {
        skip(test, WHY);
        None
    })
}

pub(super) fn script(sdk: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node").join(sdk);
    path.to_str().expect("UTF-8").to_owned()
}

fn signed(sts: &Sts) -> BTreeSet<String> {
    let calls = sts.calls_of("GetCallerIdentity").into_iter();
    calls.map(|call| call.access_key).filter(|key| key.starts_with("ASIA")).collect()
}

/// What is installed is named by its digest, and by no server that it came from.
#[test]
fn the_lock_has_a_digest_for_every_package_and_no_place() {
    let lock: serde_json::Value =
        serde_json::from_str(include_str!("node/package-lock.json")).expect("npm writes JSON");
    let packages = lock["packages"].as_object().expect("packages");
    assert!(packages.len() > 50, "{}", packages.len());
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["integrity"].as_str().is_some_and(|digest| digest.starts_with("sha512-")), "{name}");
        assert!(package.get("resolved").is_none(), "{name}: `resolved` names a server");
    }
}

/// Version 3, where the token from a file was refused, asks again without one, and would take what it is served.
#[test]
fn without_its_token_not_even_a_process_of_the_tree_is_served() {
    let Some(packages) = packages("without_its_token_not_even_a_process_of_the_tree_is_served") else { return };
    let wrong = "A".repeat(43);
    let (seen, asked) = std::sync::mpsc::channel();
    let recorder = Server::start(move |request| {
        seen.send(request.header("authorization").map(str::to_owned)).expect("the test listens");
        Answer::Whole(Response { status: 403, headers: Vec::new(), body: b"{}".to_vec() })
    });
    let (sandbox, sts) = at_the_fake(true);
    let file = sandbox.write("wrong", &wrong, 0o600);
    let call = |uri: &str| {
        let set = format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI={uri} AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}",
            file.display()
        );
        let command = format!("unset AWS_CONTAINER_AUTHORIZATION_TOKEN; {set} exec node {}", script("sdk_v3.cjs"));
        let run = exec(&sandbox, "dev", &["--server"], &["sh", "-c", &command]).env("NODE_PATH", &packages);
        let done = run.stdin(b"\n").run();
        assert!(done.stdout.contains("\nCredentialsProviderError: "), "{done}");
        done.stderr
    };
    // What it does: seen by a server of the test's own.
    call(&recorder.url());
    let asked: Vec<_> = asked.try_iter().collect();
    assert_eq!(asked, [vec![Some(wrong.clone()); 4], vec![None]].concat(), "its way to ask without a token");
    // What it gets from us.
    let said = call("$AWS_CONTAINER_CREDENTIALS_FULL_URI");
    for reason in ["unknown or revoked token", "no token"] {
        assert!(said.contains(reason), "{said}");
    }
    assert_eq!(signed(&sts), BTreeSet::new());
    assert_eq!(fetches(&sandbox), 0);
}
