//! audit/dependencies.md says what is compiled, and stays true: it is compared with Cargo.lock and with cargo's own tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{cargo, unsafe_list};

/// The platforms that the table describes: they compile the same crates.
const PLATFORMS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
];

/// A crate's name and version.
type Id = (String, String);

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// `program`, `build`, `tests` or `none`.
    place: String,
    /// What it runs on the machine that builds: `script`, `macro`, both, or `no`.
    at_build: String,
    /// Whether its sources have unsafe code: `yes` or `no`.
    has_unsafe: String,
    /// The licence, as its manifest states it.
    licence: String,
    /// Names of those that depend on it.
    by: BTreeSet<String>,
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table's rows. A row that says nothing about what the crate is for is a mistake.
fn rows(document: &str) -> Result<BTreeMap<Id, Row>, String> {
    let mut rows = BTreeMap::new();
    let table = document.lines().skip_while(|line| !line.starts_with("| crate |"));
    for line in table.skip_while(|line| !line.starts_with("|---")).skip(1) {
        let Some(line) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { break };
        let cells: Vec<&str> = line.split(" | ").collect();
        let [name, version, place, at_build, has_unsafe, licence, by, purpose] = cells[..] else {
            return Err(format!("eight cells are wanted in: {line}"));
        };
        if purpose.trim().is_empty() {
            return Err(format!("{name} is there for nothing"));
        }
        let row = Row {
            place: place.to_owned(),
            at_build: at_build.to_owned(),
            has_unsafe: has_unsafe.to_owned(),
            licence: licence.to_owned(),
            by: by.split(", ").map(str::to_owned).collect(),
        };
        if rows.insert((name.to_owned(), version.to_owned()), row).is_some() {
            return Err(format!("{name} {version} is there twice"));
        }
    }
    Ok(rows)
}

/// Who depends on each crate, according to Cargo.lock.
fn locked(lock: &str) -> BTreeMap<Id, BTreeSet<String>> {
    let field = |block: &str, name: &str| {
        let start = format!("{name} = \"");
        block.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"')).map(str::to_owned)
    };
    let blocks: Vec<(Id, &str)> = lock
        .split("[[package]]")
        .skip(1)
        .map(|block| ((field(block, "name").unwrap(), field(block, "version").unwrap()), block))
        .collect();
    let mut by: BTreeMap<Id, BTreeSet<String>> = blocks.iter().map(|(id, _)| (id.clone(), BTreeSet::new())).collect();
    for ((dependent, _), block) in &blocks {
        for line in block.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\",")) {
            let (name, version) = line.split_once(' ').map_or((line, None), |(name, version)| (name, Some(version)));
            for (_, dependents) in
                by.iter_mut().filter(|(id, _)| id.0 == name && version.is_none_or(|version| id.1 == version))
            {
                dependents.insert(dependent.clone());
            }
        }
    }
    by.remove(&("sentinel".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    by
}

/// The crates that are reached by these kinds of edges.
fn reached(edges: &str, platform: &str) -> BTreeSet<Id> {
    let tree = cargo::tree(&["-e", edges, "--prefix", "none", "--target", platform, "--format", "{p}"]);
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        })
        .filter(|(name, _)| name != "sentinel")
        .collect()
}

/// What the table has too much, too little or wrong.
fn differences(rows: &BTreeMap<Id, Row>, locked: &BTreeMap<Id, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for ((name, version), by) in locked {
        match rows.get(&(name.clone(), version.clone())) {
            None => found.push(format!("{name} {version} is not in the table")),
            Some(row) if row.by != *by => {
                found.push(format!("{name} {version} is pulled in by {by:?}, the table says {:?}", row.by));
            }
            Some(_) => {}
        }
    }
    for (name, version) in rows.keys().filter(|id| !locked.contains_key(*id)) {
        found.push(format!("{name} {version} is in the table, not in Cargo.lock"));
    }
    found
}

#[test]
fn the_table_is_cargo_lock() {
    let rows = rows(&read("audit/dependencies.md")).unwrap();
    let found = differences(&rows, &locked(&read("Cargo.lock")));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_says_what_is_in_the_program() {
    let rows = rows(&read("audit/dependencies.md")).unwrap();
    let mut found = Vec::new();
    for platform in PLATFORMS {
        let program = reached("normal,no-proc-macro", platform);
        let build = reached("normal,build", platform);
        let tests = reached("normal,build,dev", platform);
        assert!(program.len() > 50, "{} crates in the program", program.len());
        for (id, row) in &rows {
            let place = match id {
                _ if program.contains(id) => "program",
                _ if build.contains(id) => "build",
                _ if tests.contains(id) => "tests",
                _ => "none",
            };
            if row.place != place {
                found.push(format!("{} {}: {place} on {platform}, the table says {}", id.0, id.1, row.place));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// What cargo knows of a package: the cells that it fills.
fn cells(package: &serde_json::Value) -> (String, &str) {
    let kinds: Vec<&str> = package["targets"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|target| target["kind"].as_array().unwrap())
        .filter_map(|kind| match kind.as_str() {
            Some("custom-build") => Some("script"),
            Some("proc-macro") => Some("macro"),
            _ => None,
        })
        .collect();
    let at_build = if kinds.is_empty() { "no".to_owned() } else { kinds.join(", ") };
    (at_build, package["license"].as_str().unwrap_or("-"))
}

/// Where a package's library is.
fn sources(package: &serde_json::Value) -> &Path {
    let targets = package["targets"].as_array().unwrap();
    let library =
        targets.iter().find(|target| target["kind"].as_array().unwrap().iter().all(|kind| kind != "custom-build"));
    Path::new(library.expect("a library")["src_path"].as_str().unwrap()).parent().expect("a directory")
}

/// Whether the word `unsafe` is in the sources of a package, comments and strings aside. What cannot be read as Rust counts.
fn has_unsafe(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return has_unsafe(&path);
        }
        path.extension().is_some_and(|extension| extension == "rs") && {
            let source = std::fs::read_to_string(&path).unwrap_or_else(|_| "unsafe '".to_owned());
            source.contains("unsafe") && source.parse().map_or(true, |tokens| unsafe_list::words(tokens) > 0)
        }
    })
}

#[test]
fn the_table_says_what_cargo_says_of_each_crate() {
    let rows = rows(&read("audit/dependencies.md")).unwrap();
    let metadata = cargo::metadata(PLATFORMS[0]);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{} packages", packages.len());
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages.iter().filter(|package| package["name"] != "sentinel") {
        let id = (package["name"].as_str().unwrap().to_owned(), package["version"].as_str().unwrap().to_owned());
        let (at_build, licence) = cells(package);
        let has_unsafe = if has_unsafe(sources(package)) { "yes" } else { "no" };
        match rows.get(&id) {
            Some(row) if row.at_build == at_build && row.licence == licence && row.has_unsafe == has_unsafe => {}
            row => found.push(format!("{} {}: {at_build}, {has_unsafe}, {licence}; the table: {row:?}", id.0, id.1)),
        }
        seen.insert(id);
    }
    for (id, row) in rows.iter().filter(|(id, _)| !seen.contains(*id)) {
        if row.place != "none" || row.licence != "-" || row.has_unsafe != "-" {
            found.push(format!("{} {} is not fetched for Linux, and the table says more of it", id.0, id.1));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The features with which a crate is compiled, according to `cargo metadata`.
fn features(metadata: &serde_json::Value, name: &str) -> Vec<String> {
    let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == name);
    let id = &package.unwrap_or_else(|| panic!("{name} is not in the tree"))["id"];
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["id"] == *id).expect("a node for each package");
    node["features"].as_array().unwrap().iter().map(|feature| feature.as_str().unwrap().to_owned()).collect()
}

#[test]
fn tokio_is_compiled_with_its_locks_and_channels_alone() {
    for platform in PLATFORMS {
        assert_eq!(features(&cargo::metadata(platform), "tokio"), ["default", "sync"], "{platform}");
    }
}

#[test]
fn what_only_tests_use_is_not_in_the_program() {
    let rows = rows(&read("audit/dependencies.md")).unwrap();
    let metadata = cargo::metadata(PLATFORMS[0]);
    let own = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "sentinel").unwrap();
    let kinds = |name: &str| -> BTreeSet<Option<String>> {
        let dependencies = own["dependencies"].as_array().unwrap().iter();
        let named = dependencies.filter(|dependency| dependency["name"] == name);
        named.map(|dependency| dependency["kind"].as_str().map(str::to_owned)).collect()
    };
    let dependencies = own["dependencies"].as_array().unwrap().iter();
    let names: BTreeSet<&str> = dependencies.map(|dependency| dependency["name"].as_str().unwrap()).collect();
    let dev = BTreeSet::from([Some("dev".to_owned())]);
    let tests_only: Vec<&str> = names.into_iter().filter(|name| kinds(name) == dev).collect();
    assert_eq!(tests_only, ["proc-macro2", "syn", "tiny_http"]);
    let program: BTreeSet<&str> =
        rows.iter().filter(|(_, row)| row.place == "program").map(|((name, _), _)| name.as_str()).collect();
    let both: Vec<&str> = tests_only.into_iter().filter(|name| program.contains(name)).collect();
    assert_eq!(both, [""; 0]);
}

#[test]
fn every_direct_dependency_has_a_paragraph() {
    let document = read("audit/dependencies.md");
    let direct: Vec<String> = read("Cargo.toml")
        .split("\n[")
        .filter(|section| section.lines().next().is_some_and(|title| title.ends_with("dependencies]")))
        .flat_map(|section| {
            section.lines().skip(1).filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(direct.contains(&"ureq".to_owned()) && direct.contains(&"tiny_http".to_owned()), "{direct:?}");
    let without: Vec<&String> = direct.iter().filter(|name| !document.contains(&format!("**{name}**"))).collect();
    assert!(without.is_empty(), "audit/dependencies.md has no paragraph for {without:?}");
}

/// The crates that the table of keepers names, as often as it does.
fn kept(document: &str) -> Vec<String> {
    let table = document.lines().skip_while(|line| !line.starts_with("| kept by |"));
    let rows = table.skip(2).map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    rows.flat_map(|(_, crates)| crates.split(", ").map(str::to_owned)).collect()
}

#[test]
fn every_crate_that_is_compiled_has_one_keeper() {
    let document = read("audit/dependencies.md");
    let mut kept = kept(&document);
    kept.sort();
    let names = rows(&document).unwrap().into_iter().filter(|(_, row)| row.place != "none").map(|((name, _), _)| name);
    // Those that sentinel names itself have a paragraph, which says it.
    let without: BTreeSet<String> = names.filter(|name| !document.contains(&format!("**{name}**"))).collect();
    assert_eq!(kept, without.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_table_that_is_not_the_lock_file_is_seen() {
    let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b 2\",\n \"c\",\n]\n\n[[package]]\nname = \"b\"\nversion = \"1\"\n\n\
                [[package]]\nname = \"b\"\nversion = \"2\"\n\n[[package]]\nname = \"c\"\nversion = \"3\"\n";
    let head = "| crate |\n|---|\n";
    let table = format!(
        "{head}| a | 1 | program | no | no | MIT |  | x |\n| b | 2 | program | no | no | MIT | c | x |\n| c | 3 | program | no | no | MIT | a | x |\n\
         | d | 4 | program | no | no | MIT | a | x |\n\n| not | a | row |\n"
    );
    assert_eq!(
        differences(&rows(&table).unwrap(), &locked(lock)),
        [
            "a 1 is pulled in by {}, the table says {\"\"}",
            "b 1 is not in the table",
            "b 2 is pulled in by {\"a\"}, the table says {\"c\"}",
            "d 4 is in the table, not in Cargo.lock",
        ]
    );
    let twice =
        format!("{head}| a | 1 | program | no | no | MIT | b | x |\n| a | 1 | program | no | no | MIT | b | x |\n");
    assert_eq!(rows(&twice), Err("a 1 is there twice".to_owned()));
    assert_eq!(
        rows(&format!("{head}| a | 1 | program | no | no | MIT | b |  |\n")),
        Err("a is there for nothing".to_owned())
    );
    assert_eq!(rows(&format!("{head}| a | 1 |\n")), Err("eight cells are wanted in: a | 1".to_owned()));
}

#[test]
fn what_cargo_says_is_read_as_it_is_meant() {
    let metadata = serde_json::json!({
        "packages": [
            { "name": "a", "id": "a 1", "license": "MIT", "targets": [{ "kind": ["lib"] }, { "kind": ["custom-build"] }] },
            { "name": "b", "id": "b 1", "license": null, "targets": [{ "kind": ["proc-macro"] }] },
        ],
        "resolve": { "nodes": [{ "id": "b 1", "features": [] }, { "id": "a 1", "features": ["default", "rt"] }] },
    });
    assert_eq!(features(&metadata, "a"), ["default", "rt"]);
    assert_eq!(features(&metadata, "b"), [""; 0]);
    assert_eq!(cells(&metadata["packages"][0]), ("script".to_owned(), "MIT"));
    assert_eq!(cells(&metadata["packages"][1]), ("macro".to_owned(), "-"));
}
