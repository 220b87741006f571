use std::fs;

use super::*;
use crate::store::directory::tests::Scratch;

const ID: &str = "0123456789abcdef";

fn left(scratch: &Scratch) -> Vec<(String, Option<String>)> {
    let left = abandoned(&scratch.0).expect("looked");
    assert!(left.flaws.is_empty(), "{:?}", left.flaws);
    left.sessions.iter().map(|found| (found.id.clone(), found.place.clone())).collect()
}

/// As if the process had been killed: the file stays, and its lock is gone.
fn kill(mut instance: Instance) {
    instance.process_id = 0;
}

#[test]
fn what_is_served_is_not_abandoned_and_leaves_nothing() {
    let scratch = Scratch::new();
    let instance = Instance::begin(&scratch.0, ID, "sessions").expect("begun");
    assert_eq!(left(&scratch), []);
    assert!(is_held(&scratch.0, ID).expect("looked"));
    drop(instance);
    assert_eq!(left(&scratch), []);
    assert!(!scratch.0.join("instances").join(format!("{ID}.json")).exists());
    assert!(!is_held(&scratch.0, ID).expect("looked"));
}

#[test]
fn what_a_killed_process_served_is_found_until_it_is_settled() {
    let scratch = Scratch::new();
    kill(Instance::begin(&scratch.0, ID, "the table").expect("begun"));
    let expected = [(ID.to_owned(), Some("the table".to_owned()))];
    // Looked at and not settled: the next start finds it again.
    assert_eq!(left(&scratch), expected);
    assert_eq!(left(&scratch), expected);
    let held = abandoned(&scratch.0).expect("looked");
    // Who has found it settles it, and nobody else.
    assert_eq!(left(&scratch), []);
    for found in held.sessions {
        found.settle().expect("settled");
    }
    assert_eq!(left(&scratch), []);
}

/// The power may have taken the text and left the name, or as many zeros as the text was long.
#[test]
fn a_session_whose_place_was_lost_is_found_as_well() {
    for text in ["", "\0\0\0"] {
        let scratch = Scratch::new();
        kill(Instance::begin(&scratch.0, ID, "the table").expect("begun"));
        fs::write(scratch.0.join("instances").join(format!("{ID}.json")), text).expect("written");
        assert_eq!(left(&scratch), [(ID.to_owned(), None)]);
    }
}

#[test]
fn a_file_that_says_nothing_is_told_and_stays() {
    let scratch = Scratch::new();
    kill(Instance::begin(&scratch.0, ID, "the table").expect("begun"));
    let path = scratch.0.join("instances").join(format!("{ID}.json"));
    fs::write(&path, "{}").expect("written");
    let left = abandoned(&scratch.0).expect("looked");
    assert!(left.sessions.is_empty());
    let flaws: Vec<String> = left.flaws.iter().map(ToString::to_string).collect();
    assert_eq!(
        flaws,
        [format!(
            "{} does not say where its session is recorded\n  remove it; the session ends by itself",
            path.display()
        )]
    );
}

#[test]
fn an_id_that_is_none_becomes_no_file() {
    let scratch = Scratch::new();
    let error = Instance::begin(&scratch.0, "../x", "here").expect_err("no id");
    assert_eq!(error.to_string(), "`../x` is not an id of 16 hex digits");
}
