//! SECURITY.md and tests/threats agree: a promise is called held exactly if a test attacks it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Promises are numbered from T1 to this.
const LAST: u32 = 32;

/// The table's promises by number: whether each is held.
pub(crate) fn promises(document: &str) -> Result<BTreeMap<u32, bool>, String> {
    let mut promises = BTreeMap::new();
    for line in document.lines().filter(|line| line.starts_with("| T")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, promise, state] = cells[..] else {
            return Err(format!("three cells are wanted in: {line}"));
        };
        let number = id.strip_prefix('T').and_then(|number| number.parse().ok()).ok_or(format!("no number: {id}"))?;
        let held = match state {
            "held" => true,
            "planned" => false,
            _ => return Err(format!("{id} is neither held nor planned: {state}")),
        };
        if promise.is_empty() {
            return Err(format!("{id} promises nothing"));
        }
        if promises.insert(number, held).is_some() {
            return Err(format!("{id} is there twice"));
        }
    }
    let missing: Vec<u32> = (1..=LAST).filter(|number| !promises.contains_key(number)).collect();
    if promises.len() != LAST as usize || !missing.is_empty() {
        return Err(format!("{} promises, without {missing:?}; T1 to T{LAST} are wanted", promises.len()));
    }
    Ok(promises)
}

/// The number that a test file or module is named for: `t04_stolen_token` is 4.
pub(crate) fn number(name: &str) -> Option<u32> {
    let (number, rest) = name.strip_prefix('t')?.split_at_checked(2)?;
    (rest.starts_with('_') && rest.len() > 1).then(|| number.parse().ok())?
}

/// What does not agree. `files` are the names in tests/threats with their sources; `mod.rs` is among them.
fn disagreements(promises: &BTreeMap<u32, bool>, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut tested = BTreeSet::new();
    let compiled = files.get("mod.rs").map(|source| modules(source)).unwrap_or_default();
    for (name, source) in files {
        let Some((module, number)) = name.strip_suffix(".rs").and_then(|module| Some((module, number(module)?))) else {
            continue;
        };
        if !compiled.contains(module) {
            found.push(format!("{name} is not a module of tests/threats/mod.rs, so it is not run"));
        } else if !has_test(source) {
            found.push(format!("{name} has no test"));
        } else {
            tested.insert(number);
        }
        match promises.get(&number) {
            None => found.push(format!("{name} tests a promise that SECURITY.md does not make")),
            Some(false) => found.push(format!("T{number} is planned, and {name} tests it: call it held")),
            Some(true) => {}
        }
    }
    for (number, _) in promises.iter().filter(|(number, held)| **held && !tested.contains(*number)) {
        found.push(format!("T{number} is held, and no tests/threats/t{number:02}_*.rs tests it"));
    }
    found
}

/// The modules that this source declares.
fn modules(source: &str) -> BTreeSet<String> {
    let file = syn::parse_file(source).expect("tests/threats/mod.rs parses");
    let name = |item: &syn::Item| match item {
        syn::Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    };
    file.items.iter().filter_map(name).collect()
}

/// Whether this source has a test that is run, in itself or in a module of its own.
fn has_test(source: &str) -> bool {
    fn any(items: &[syn::Item]) -> bool {
        items.iter().any(|item| match item {
            syn::Item::Fn(function) => {
                let has = |name: &str| function.attrs.iter().any(|attribute| attribute.path().is_ident(name));
                has("test") && !has("ignore")
            }
            syn::Item::Mod(module) => module.content.as_ref().is_some_and(|(_, items)| any(items)),
            _ => false,
        })
    }
    any(&syn::parse_file(source).expect("a threat's test parses").items)
}

/// The files in a directory, by name.
pub(crate) fn listing(directory: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn every_held_promise_is_attacked_and_no_planned_one_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let promises = promises(&std::fs::read_to_string(root.join("SECURITY.md")).unwrap()).unwrap();
    let found = disagreements(&promises, &listing(&root.join("tests/threats")));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_table_and_tests_that_disagree_are_seen() {
    let files = |files: &[(&str, &str)]| -> BTreeMap<String, String> {
        files.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
    };
    let promises = BTreeMap::from([(1, true), (2, true), (3, false), (4, true), (5, true)]);
    let found = disagreements(
        &promises,
        &files(&[
            ("mod.rs", "mod t01_a; mod t03_c; mod t05_e; mod t09_x; mod helper;"),
            ("helper.rs", ""),
            ("t01_a.rs", "mod inner { #[test] fn f() {} }"),
            ("t03_c.rs", "#[test] fn f() {}"),
            ("t04_d.rs", "#[test] fn f() {}"),
            ("t05_e.rs", "#[test] #[ignore] fn f() {} fn g() {}"),
            ("t09_x.rs", "#[test] fn f() {}"),
        ]),
    );
    assert_eq!(
        found,
        [
            "T3 is planned, and t03_c.rs tests it: call it held",
            "t04_d.rs is not a module of tests/threats/mod.rs, so it is not run",
            "t05_e.rs has no test",
            "t09_x.rs tests a promise that SECURITY.md does not make",
            "T2 is held, and no tests/threats/t02_*.rs tests it",
            "T4 is held, and no tests/threats/t04_*.rs tests it",
            "T5 is held, and no tests/threats/t05_*.rs tests it",
        ]
    );
}

#[test]
fn a_table_that_is_not_whole_is_refused() {
    let table = |change: &dyn Fn(u32) -> String| (1..=LAST).map(change).collect::<String>();
    let row = |number: u32| format!("| T{number} | text | held |\n");
    assert_eq!(promises(&table(&row)).unwrap().len(), 32);
    let with = |number: u32, other: &str| table(&|n| if n == number { other.to_owned() } else { row(n) });
    for (document, message) in [
        (with(7, ""), "31 promises, without [7]; T1 to T32 are wanted"),
        (with(7, "| T6 | text | held |\n"), "T6 is there twice"),
        (with(7, "| T7 | text | nearly |\n"), "T7 is neither held nor planned: nearly"),
        (with(7, "| T7 |  | held |\n"), "T7 promises nothing"),
        (with(7, "| T7 | held |\n"), "three cells are wanted in: | T7 | held |"),
        (with(32, "| T33 | text | held |\n"), "32 promises, without [32]; T1 to T32 are wanted"),
    ] {
        assert_eq!(promises(&document), Err(message.to_owned()));
    }
}

#[test]
fn the_number_is_in_the_name() {
    assert_eq!(number("t04_stolen_token"), Some(4));
    assert_eq!(number("t32_namespaces"), Some(32));
    for name in ["t4_x", "t04", "t04_", "x04_a", "table", "txx_a"] {
        assert_eq!(number(name), None, "{name}");
    }
}
