//! audit/dependencies.md says what is compiled, and stays true: it is compared with Cargo.lock and with cargo's own tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::cargo;

/// The platform that the table describes.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A crate's name and version.
type Id = (String, String);

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// `program`, `build`, `tests` or `none`.
    place: String,
    build_script: String,
    /// Names of those that depend on it.
    by: BTreeSet<String>,
}

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table's rows. A row that says nothing about what the crate is for is a mistake.
fn rows(document: &str) -> Result<BTreeMap<Id, Row>, String> {
    let mut rows = BTreeMap::new();
    for line in document.lines().skip_while(|line| !line.starts_with("|---")).skip(1) {
        let Some(line) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { break };
        let cells: Vec<&str> = line.split(" | ").collect();
        let [name, version, place, build_script, by, purpose] = cells[..] else {
            return Err(format!("six cells are wanted in: {line}"));
        };
        if purpose.trim().is_empty() {
            return Err(format!("{name} is there for nothing"));
        }
        let row = Row {
            place: place.to_owned(),
            build_script: build_script.to_owned(),
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
fn reached(edges: &str) -> BTreeSet<Id> {
    let tree = cargo::tree(&["-e", edges, "--prefix", "none", "--target", PLATFORM, "--format", "{p}"]);
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
    let program = reached("normal,no-proc-macro");
    let build = reached("normal,build");
    let tests = reached("normal,build,dev");
    let found: Vec<String> = rows
        .iter()
        .filter_map(|(id, row)| {
            let place = match id {
                _ if program.contains(id) => "program",
                _ if build.contains(id) => "build",
                _ if tests.contains(id) => "tests",
                _ => "none",
            };
            (row.place != place).then(|| format!("{} {}: {place}, the table says {}", id.0, id.1, row.place))
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_table_says_who_runs_code_at_build_time() {
    let rows = rows(&read("audit/dependencies.md")).unwrap();
    let metadata = cargo::metadata(PLATFORM);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{} packages", packages.len());
    let mut found = Vec::new();
    for package in packages.iter().filter(|package| package["name"] != "sentinel") {
        let id = (package["name"].as_str().unwrap().to_owned(), package["version"].as_str().unwrap().to_owned());
        let script = package["targets"].as_array().unwrap().iter().any(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "custom-build"))
        });
        let wanted = if script { "yes" } else { "no" };
        if rows.get(&id).is_none_or(|row| row.build_script != wanted) {
            found.push(format!("{} {}: build script {wanted}", id.0, id.1));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
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

#[test]
fn a_table_that_is_not_the_lock_file_is_seen() {
    let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b 2\",\n \"c\",\n]\n\n[[package]]\nname = \"b\"\nversion = \"1\"\n\n\
                [[package]]\nname = \"b\"\nversion = \"2\"\n\n[[package]]\nname = \"c\"\nversion = \"3\"\n";
    let head = "| crate |\n|---|\n";
    let table = format!(
        "{head}| a | 1 | program | no |  | x |\n| b | 2 | program | no | c | x |\n| c | 3 | program | no | a | x |\n\
         | d | 4 | program | no | a | x |\n\n| not | a | row |\n"
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
    let twice = format!("{head}| a | 1 | program | no | b | x |\n| a | 1 | program | no | b | x |\n");
    assert_eq!(rows(&twice), Err("a 1 is there twice".to_owned()));
    assert_eq!(rows(&format!("{head}| a | 1 | program | no | b |  |\n")), Err("a is there for nothing".to_owned()));
    assert_eq!(rows(&format!("{head}| a | 1 |\n")), Err("six cells are wanted in: a | 1".to_owned()));
}
