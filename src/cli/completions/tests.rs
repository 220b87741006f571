use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory with an AWS config and a few files, removed on drop, in which a shell runs.
pub(super) struct Shop {
    root: PathBuf,
}

/// Profiles as people write them, and one that a careless script would run.
const CONFIG: &str = "[default]\nregion = eu-central-1\n\n[profile prod]\n[profile  prod-eu ] # Europe\n\
    [profile \"two words\"]\n[profile $(touch ran)]\n[sso-session prod-sso]\n[services prod-local]\n[profile dev]";

impl Shop {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("sn-completions-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join(".aws")).expect("a directory");
        fs::create_dir(root.join("policies")).expect("a directory");
        fs::write(root.join("policy.json"), "{}").expect("a file");
        fs::write(root.join(".aws/config"), CONFIG).expect("a file");
        fs::write(root.join("other"), "[profile elsewhere]\n").expect("a file");
        fs::write(root.join("sentinel"), "#!/bin/sh\n").expect("a file");
        Self { root }
    }

    /// The lines that the shell prints; `None` if it is not installed. Its errors are the test's.
    #[track_caller]
    pub(super) fn run(&self, shell: Shell, arguments: &[&str], variables: &[(&str, &str)]) -> Option<Vec<String>> {
        let mut command = Command::new(shell.name());
        command.args(arguments).current_dir(&self.root).env("HOME", &self.root).env("XDG_CONFIG_HOME", &self.root);
        command.env_remove("AWS_CONFIG_FILE").env("LC_ALL", "C").envs(variables.iter().copied());
        let Ok(output) = command.output() else {
            writeln!(std::io::stderr(), "skipped: completions: {} is not installed", shell.name()).expect("stderr");
            return None;
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert!(!self.root.join("ran").exists(), "the name of a profile was run");
        Some(String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect())
    }

    /// Writes the shell's completions to a file and returns its path.
    pub(super) fn script(&self, shell: Shell) -> String {
        let path = self.root.join("_sentinel");
        fs::write(&path, script(shell)).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).expect("the directory goes");
    }
}

#[test]
fn every_template_is_filled() {
    for shell in Shell::ALL {
        let script = script(shell);
        for name in [
            "options",
            "families",
            "values",
            "words",
            "top",
            "seconds",
            "profile",
            "commands",
            "own_options",
            "cases",
            "with_value",
            "with_program",
            "complete",
        ] {
            assert!(!script.contains(&format!("@{name}@")), "{} {name}", shell.name());
        }
        assert!(script.ends_with('\n') && !script.contains(" \n"), "{}", shell.name());
        assert!(Shell::of(OsStr::new(shell.name())).is_ok_and(|found| found == shell));
    }
}

#[test]
fn every_kind_of_value_has_a_flag() {
    let of = |name: &str| Value::of(FLAGS.iter().find(|flag| flag.name == name).expect("a flag"));
    assert_eq!(of("profile"), Some(Value::Profiles));
    assert_eq!(of("policy"), Some(Value::Files));
    assert_eq!(of("unix-socket-path"), Some(Value::Files));
    assert_eq!(of("state-dir"), Some(Value::Directories));
    assert_eq!(of("bind"), Some(Value::Choice));
    assert_eq!(of("region"), Some(Value::Free));
    assert_eq!(of("server"), None);
}

#[test]
fn the_tables_hold_nothing_that_a_shell_would_take_for_more_than_a_word() {
    let plain = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.');
    for flag in FLAGS {
        assert!(plain(flag.name) && flag.choices.iter().all(|choice| plain(choice)), "{}", flag.name);
        assert!(flag.value.is_none_or(plain), "{}", flag.name);
        assert!(flag.short.is_none_or(|letter| letter.is_ascii_alphanumeric()), "{}", flag.name);
    }
    assert!(COMMANDS.iter().all(|info| info.name.split(' ').count() <= 2 && info.name.split(' ').all(plain)));
    assert!(FAMILIES.iter().all(|family| plain(family.name)));
}
