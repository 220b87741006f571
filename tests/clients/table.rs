//! README.md's table of clients says what is tested: the versions that are pinned, and tests that exist.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows below this heading's first table, cell by cell.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section =
        document.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let table = section.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    table.map(cells).collect()
}

#[test]
fn the_readme_names_the_clients_as_they_are_tested() {
    let rows = rows(&read("README.md"), "## Clients");
    assert_eq!(rows[0], ["client", "version", "environment", "--unix-socket", "--server", "test"]);
    // As the tests' list of modes has them: the environment is the one without an option.
    let modes: Vec<_> = super::world::MODES.iter().map(|mode| mode.first().copied().unwrap_or("environment")).collect();
    assert_eq!(rows[0][2..5], modes);

    let pinned = read("tests/clients/requirements.txt");
    let package: serde_json::Value = serde_json::from_str(&read("tests/clients/node/package.json")).expect("JSON");
    let python = |name: &str| pinned.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("==")).expect(name);
    let script = |name: &str| package["dependencies"][name].as_str().expect("a version").to_owned();
    let clients = [
        ("AWS CLI", python("awscli").to_owned()),
        ("boto3", python("boto3").to_owned()),
        ("AWS SDK for JavaScript 3", script("@aws-sdk/client-sts")),
        ("AWS SDK for JavaScript 2", script("aws-sdk")),
    ];
    let named: Vec<_> = rows[2..].iter().map(|row| (row[0].as_str(), row[1].clone())).collect();
    assert_eq!(named, clients);

    for row in &rows[2..] {
        assert_eq!(row[2..5], ["yes"; 3], "{row:?}");
        let (module, test) = row[5].split_once("::").expect("module::test");
        let source = read(&format!("tests/clients/{module}.rs"));
        let start = source.find(&format!("#[test]\nfn {test}() {{")).unwrap_or_else(|| panic!("no test {test}"));
        let body = &source[start..start + source[start..].find("\n}\n").expect("its end")];
        let whole = body.contains("for mode in MODES") || (0..3).all(|mode| body.contains(&format!("MODES[{mode}]")));
        assert!(whole, "{test} does not go through every mode");
    }
}
