//! What cargo says about the dependencies.

use std::path::Path;
use std::process::Command;

/// `cargo tree` with these arguments.
pub(crate) fn tree(arguments: &[&str]) -> String {
    run("tree", arguments)
}

/// `cargo metadata`, for the packages that this platform compiles.
pub(crate) fn metadata(platform: &str) -> serde_json::Value {
    serde_json::from_str(&run("metadata", &["--format-version", "1", "--filter-platform", platform])).unwrap()
}

/// Without a network, unless this machine has never fetched what Cargo.lock names for other platforms.
fn run(command: &str, arguments: &[&str]) -> String {
    let with = |offline: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args([command, "--locked", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .args(offline)
            .args(arguments)
            .output()
            .expect("cargo starts");
        (output.status.success(), output.stdout, output.stderr)
    };
    let (success, stdout, stderr) = match with(&["--offline"]) {
        (false, ..) => with(&[]),
        done => done,
    };
    assert!(success, "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
