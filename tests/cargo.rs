//! What cargo says about the dependencies.

use std::collections::BTreeSet;
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

/// The names in a tree that was printed with `--prefix none`.
pub(crate) fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect()
}

fn run(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args([command, "--locked", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .args(arguments)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
