//! The kernel's texts under /proc: ids stand in the text, and a process is known by one number alone.

use sentinel::peer::text::{facts, map_is_total, shows_only, state};
use sentinel::sys::process::Pid;

/// See the module.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pid = Pid::new(7).expect("a pid");
    if let Some(facts) = facts(&text) {
        assert!(facts.pid.as_raw() > 0 && facts.parent.is_none_or(|parent| parent.as_raw() > 0));
        let numbers: Vec<u32> =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        for id in [facts.pid.as_raw().cast_unsigned(), facts.uid.0, facts.gid.0] {
            assert!(numbers.contains(&id));
        }
        let cut: String = text.lines().filter(|line| !line.starts_with("Uid:")).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(sentinel::peer::text::facts(&cut), None, "without a uid");
    }
    if let Some(state) = state(&text) {
        assert!(!state.is_whitespace() && text.contains(')'));
    }
    if shows_only(&text, pid) {
        assert!(!shows_only(&text, Pid::new(77).expect("a pid")));
    }
    if map_is_total(&text) {
        assert!(text.lines().any(|line| line.split_whitespace().count() >= 3));
    }
}
