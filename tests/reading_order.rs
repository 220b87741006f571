//! audit/README.md leads a reviewer to files that exist, past every module, and to the attack on every promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::threats_table::{listing, number, promises};

/// One line of the table of promises.
#[derive(Debug)]
struct Row {
    kept_in: BTreeSet<String>,
    /// Files, or nothing for `planned`.
    attacked_by: BTreeSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is between backticks and is a path.
fn paths(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path =
        |word: &&str| !word.contains(' ') && !word.contains(':') && (word.contains('/') || word.ends_with(".md"));
    quoted.filter(is_path).map(str::to_owned).collect()
}

/// The table of promises, by number.
fn rows(document: &str) -> Result<BTreeMap<u32, Row>, String> {
    let mut rows = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| T")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, kept_in, attacked_by] = cells[..] else { return Err(format!("three cells are wanted in: {line}")) };
        let number = id.strip_prefix('T').and_then(|number| number.parse().ok()).ok_or(format!("no number: {id}"))?;
        let row = Row { kept_in: paths(kept_in), attacked_by: paths(attacked_by) };
        if row.kept_in.is_empty() != (kept_in == "-") || row.attacked_by.is_empty() != (attacked_by == "planned") {
            return Err(format!("{id} names neither files nor their absence"));
        }
        if rows.insert(number, row).is_some() {
            return Err(format!("{id} is there twice"));
        }
    }
    Ok(rows)
}

/// Where the table is not what SECURITY.md and tests/threats say. `attacks` are the files in tests/threats.
fn disagreements(rows: &BTreeMap<u32, Row>, promises: &BTreeMap<u32, bool>, attacks: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, held) in promises {
        let Some(row) = rows.get(id) else {
            found.push(format!("T{id} is not in the table"));
            continue;
        };
        let name = |file: &String| file.strip_suffix(".rs").and_then(number) == Some(*id);
        let wanted: BTreeSet<String> =
            attacks.iter().filter(|file| name(file)).map(|file| format!("tests/threats/{file}")).collect();
        if row.attacked_by != wanted {
            found.push(format!("T{id} is attacked by {wanted:?}, the table says {:?}", row.attacked_by));
        }
        if *held && !row.kept_in.iter().any(|path| path.starts_with("src/")) {
            found.push(format!("T{id} is held, and the table does not say where"));
        }
    }
    found
}

#[test]
fn every_promise_leads_to_its_code_and_its_attack() {
    let attacks: BTreeSet<String> = listing(&root().join("tests/threats")).into_keys().collect();
    let promises = promises(&read("SECURITY.md")).unwrap();
    let found = disagreements(&rows(&read("audit/README.md")).unwrap(), &promises, &attacks);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Rows of known attacks whose last cell is not what SECURITY.md says of its promises.
fn misstated(document: &str, promises: &BTreeMap<u32, bool>) -> Vec<String> {
    let mut found = Vec::new();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack |"));
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [attack, _, _, state] = cells[..] else {
            found.push(format!("four cells are wanted in: {row}"));
            continue;
        };
        let mut says_something = ["not defended", "no promise"].iter().any(|words| state.contains(words));
        for part in state.split([',', ';']).map(str::trim) {
            let (id, said) = part.split_once(' ').map_or((part, ""), |(id, said)| (id, said));
            let Some(id) = id.strip_prefix('T').and_then(|id| id.parse().ok()) else { continue };
            says_something = true;
            let wanted = if promises.get(&id) == Some(&true) { "" } else { "(planned)" };
            if said != wanted {
                found.push(format!("{attack}: T{id} {said}, SECURITY.md says {wanted:?}"));
            }
        }
        if !says_something {
            found.push(format!("{attack}: neither a promise nor that there is none"));
        }
    }
    found
}

#[test]
fn known_attacks_meet_the_promises_that_are_named() {
    let page = read("audit/known-attacks.md");
    assert!(page.lines().filter(|line| line.starts_with("| ")).count() > 40);
    let found = misstated(&page, &promises(&read("SECURITY.md")).unwrap());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn an_attack_that_is_misstated_is_seen() {
    let promises = BTreeMap::from([(1, true), (2, false)]);
    let good = "| attack | x | x | state |\n|---|---|---|---|\n| a | | x | T1, T2 (planned) |\n| b | | x | not defended; T1 |\n";
    assert_eq!(misstated(good, &promises), [""; 0]);
    assert_eq!(
        misstated(
            "| a | | x | T1 (planned) |\n| b | | x | T2 |\n| c | | x | later |\n| d | x |\n| e | | x | T3 |",
            &promises
        ),
        [
            "a: T1 (planned), SECURITY.md says \"\"",
            "b: T2 , SECURITY.md says \"(planned)\"",
            "c: neither a promise nor that there is none",
            "four cells are wanted in: | d | x |",
            "e: T3 , SECURITY.md says \"(planned)\"",
        ]
    );
}

#[test]
fn every_file_that_the_pages_name_is_there() {
    for page in ["audit/README.md", "audit/known-attacks.md", "audit/dependencies.md", "SECURITY.md"] {
        let named = paths(&read(page));
        let ours = |path: &&String| {
            let first = path.split('/').next().unwrap_or_default();
            ["src", "tests", "fuzz", "benches", "build", "audit", "demo", ".ci"].contains(&first)
                || path.ends_with(".md")
        };
        let is_there = |path: &String| root().join(path).exists() || root().join("audit").join(path).exists();
        let missing: Vec<&String> = named.iter().filter(ours).filter(|path| !is_there(path)).collect();
        assert!(missing.is_empty(), "{page} names what is not there: {missing:?}");
    }
}

#[test]
fn the_day_passes_every_module_and_is_no_longer_than_a_day() {
    let page = read("audit/README.md");
    let steps = page.lines().skip_while(|line| !line.starts_with("| hours |")).skip(2);
    let steps: Vec<&str> = steps.take_while(|line| line.starts_with('|')).collect();
    let read: BTreeSet<String> = steps.iter().flat_map(|line| paths(line)).collect();
    let modules: Vec<String> = std::fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| format!("src/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert!(modules.len() > 15, "{modules:?}");
    let missed: Vec<&String> = modules.iter().filter(|module| !read.contains(*module)).collect();
    assert!(missed.is_empty(), "the day passes by {missed:?}");
    let minutes: u32 = steps
        .iter()
        .map(|line| {
            let (hours, minutes) = line.trim_start_matches("| ").split_once(' ').unwrap().0.split_once(':').unwrap();
            hours.parse::<u32>().unwrap() * 60 + minutes.parse::<u32>().unwrap()
        })
        .sum();
    assert_eq!(minutes, 8 * 60);
}

#[test]
fn a_table_that_leads_astray_is_seen() {
    let table = "| T1 | `src/a.rs` | `tests/threats/t01_a.rs` |\n| T2 | - | planned |\n| T3 | `src/a.rs` | planned |\n";
    let attacks = ["t01_a.rs", "t01_b.rs", "t02_c.rs", "mod.rs"].map(str::to_owned).into();
    let promises = BTreeMap::from([(1, true), (2, true), (3, false), (4, false)]);
    assert_eq!(
        disagreements(&rows(table).unwrap(), &promises, &attacks),
        [
            "T1 is attacked by {\"tests/threats/t01_a.rs\", \"tests/threats/t01_b.rs\"}, the table says \
             {\"tests/threats/t01_a.rs\"}",
            "T2 is attacked by {\"tests/threats/t02_c.rs\"}, the table says {}",
            "T2 is held, and the table does not say where",
            "T4 is not in the table",
        ]
    );
    for (table, flaw) in [
        ("| T1 |  | planned |", "T1 names neither files nor their absence"),
        ("| T1 | - | soon |", "T1 names neither files nor their absence"),
        ("| T1 | - |", "three cells are wanted in: | T1 | - |"),
        ("| Tx | - | planned |", "no number: Tx"),
        ("| T1 | - | planned |\n| T1 | - | planned |", "T1 is there twice"),
    ] {
        assert_eq!(rows(table).map(|_| ()), Err(flaw.to_owned()));
    }
}
