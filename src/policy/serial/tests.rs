use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::ed25519::PrivateKey;

/// A state directory that goes away with the value.
struct State(PathBuf);

impl State {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("sentinel-serial-{}-{number}", std::process::id())))
    }

    fn mark(&self, pin: &Pin) -> Mark {
        Mark::new(&self.0, pin)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn pin() -> Pin {
    Pin { key: PrivateKey::random().expect("a key").public(), scope: Scope::default() }
}

const ONE: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];
const OLDER: &str = "the policy P has the serial 6, and 7 was obeyed before\n  an older policy does not come back: sign it \
                     anew, with a higher --serial";

fn refused(mark: &Mark, serial: u64, digest: [u8; 32]) -> String {
    let error = mark.admit("P", serial, digest).expect_err("a refusal").to_string();
    error.replace(&mark.path().display().to_string(), "MARK")
}

#[test]
fn an_older_serial_is_refused_by_this_process_and_by_the_next() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    for serial in [5, 5, 7, 7] {
        mark.admit("P", serial, ONE).expect("not older");
    }
    assert_eq!(refused(&mark, 6, ONE), OLDER);
    assert_eq!(refused(&state.mark(&pin), 6, ONE), OLDER);
    state.mark(&pin).admit("P", 7, ONE).expect("the same");
}

#[test]
fn a_check_remembers_nothing() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.check("P", 7, ONE).expect("nothing came before");
    assert!(!state.0.exists());
    mark.admit("P", 7, ONE).expect("the first");
    mark.check("P", 9, ONE).expect("newer");
    assert_eq!(mark.check("P", 6, ONE).expect_err("older").to_string(), OLDER);
    mark.admit("P", 8, ONE).expect("newer than what was obeyed");
}

#[test]
fn a_serial_stands_for_one_document() {
    let (state, pin) = (State::new(), pin());
    state.mark(&pin).admit("P", 7, ONE).expect("the first");
    let expected = "the policy P has the serial 7 of another policy, which was obeyed before\n  an older policy does not \
                    come back: sign it anew, with a higher --serial";
    assert_eq!(refused(&state.mark(&pin), 7, OTHER), expected);
    state.mark(&pin).admit("P", 8, OTHER).expect("newer");
}

#[test]
fn each_key_and_scope_has_its_own_mark() {
    let (state, first) = (State::new(), pin());
    state.mark(&first).admit("P", 7, ONE).expect("the first");
    let scope = Scope::parse("prod").expect("a scope");
    for other in [Pin { scope, ..first.clone() }, pin()] {
        state.mark(&other).admit("P", 1, OTHER).expect("nothing to do with the first");
    }
    assert_eq!(refused(&state.mark(&first), 6, ONE), OLDER);
}

#[test]
fn what_another_process_obeyed_counts_at_once() {
    let (state, pin) = (State::new(), pin());
    let (ours, theirs) = (state.mark(&pin), state.mark(&pin));
    ours.admit("P", 6, ONE).expect("the first");
    theirs.admit("P", 7, OTHER).expect("newer");
    assert_eq!(refused(&ours, 6, ONE), OLDER);
}

#[test]
fn a_running_process_remembers_without_its_mark() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.admit("P", 7, ONE).expect("the first");
    fs::remove_dir_all(&state.0).expect("removed");
    assert_eq!(refused(&mark, 6, ONE), OLDER);
    mark.admit("P", 7, ONE).expect("the same");
    assert_eq!(refused(&state.mark(&pin), 6, ONE), OLDER, "the mark was not written again");
    fs::remove_dir_all(&state.0).expect("removed");
    state.mark(&pin).admit("P", 6, ONE).expect("a process that starts then knows nothing");
}

#[test]
fn a_mark_that_says_something_else_is_a_refusal() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.admit("P", 7, ONE).expect("the first");
    let good = fs::read_to_string(mark.path()).expect("a mark");
    for bad in [
        String::new(),
        "{}".to_owned(),
        good.replace("default", "other"),
        good.replace("\"serial\":7", "\"serial\":-7"),
        good.replace("\"digest\":\"01", "\"digest\":\"1"),
        good.replace('}', ",\"more\":1}"),
        good.trim_end().trim_end_matches('}').to_owned(),
    ] {
        fs::write(mark.path(), &bad).expect("written");
        let expected = "MARK is not the mark of a policy\n  what was obeyed before is not known without it: remove it if you \
                        know that the policy is the newest";
        assert_eq!(refused(&state.mark(&pin), 8, ONE), expected, "{bad}");
    }
    fs::remove_file(mark.path()).expect("removed");
    fs::create_dir(mark.path()).expect("a directory");
    assert_eq!(refused(&mark, 8, ONE), "the mark of the newest policy MARK is not a regular file");
}

#[test]
fn marks_are_private() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.admit("P", 7, ONE).expect("the first");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!((mode(&mark.directory), mode(&mark.path())), (0o700, 0o600));
    let left: Vec<_> =
        fs::read_dir(&mark.directory).expect("a directory").map(|entry| entry.expect("one").path()).collect();
    assert!(left.iter().all(|path| mode(path) == 0o600) && left.len() == 2, "{left:?}");

    fs::set_permissions(mark.path(), fs::Permissions::from_mode(0o620)).expect("chmod");
    assert!(refused(&state.mark(&pin), 8, ONE).contains("may be written by its group or others (mode 0620)"));
    fs::set_permissions(&mark.directory, fs::Permissions::from_mode(0o750)).expect("chmod");
    assert!(refused(&state.mark(&pin), 8, ONE).contains("is open to its group or others (mode 0750)"));
}

#[test]
fn a_mark_that_cannot_be_written_is_a_refusal() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.admit("P", 7, ONE).expect("the first");
    // A directory in the place of what is written first: also root cannot write there.
    fs::create_dir(mark.directory.join(format!("{}.new", mark.stem))).expect("a directory");
    let said = refused(&mark, 8, ONE);
    assert!(said.starts_with("cannot write the mark of the newest policy MARK: "), "{said}");
    mark.admit("P", 7, ONE).expect("what is known needs no write");
}

#[test]
fn who_keeps_the_lock_is_not_waited_for_for_ever() {
    let (state, pin) = (State::new(), pin());
    let mark = state.mark(&pin);
    mark.admit("P", 7, ONE).expect("the first");
    let lock = mark.lock().expect("the lock");
    let said = refused(&state.mark(&pin), 7, ONE);
    assert!(said.starts_with("another process keeps ") && said.contains(".lock locked\n"), "{said}");
    drop(lock);
    state.mark(&pin).admit("P", 7, ONE).expect("free again");
}

#[test]
fn many_write_and_the_newest_stays() {
    let (state, pin) = (State::new(), pin());
    std::thread::scope(|scope| {
        for serial in 1..=8 {
            let (state, pin) = (&state, &pin);
            scope.spawn(move || drop(state.mark(pin).admit("P", serial, ONE)));
        }
    });
    state.mark(&pin).admit("P", 8, ONE).expect("the newest");
    assert!(state.mark(&pin).admit("P", 7, ONE).is_err());
}
