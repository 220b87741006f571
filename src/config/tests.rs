use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::error;

const KNOWN: &[Known] = &[
    Known { name: "policy", kind: Kind::Path },
    Known { name: "policy-parameter", kind: Kind::Text },
    Known { name: "policy-key", kind: Kind::TextOrPath },
    Known { name: "policy-scope", kind: Kind::Text },
    Known { name: "policy-arn", kind: Kind::List },
    Known { name: "duration", kind: Kind::Text },
    Known { name: "server", kind: Kind::Switch },
];

/// A directory with both files, whose admin file counts.
struct Place(PathBuf);

impl Place {
    fn new(admin: Option<&str>, user: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sn-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir(&place.0).expect("a directory");
        for (name, text) in [("admin", admin), ("user", user)] {
            if let Some(text) = text {
                fs::write(place.0.join(name), text).expect("a file");
                fs::set_permissions(place.0.join(name), fs::Permissions::from_mode(0o600)).expect("chmod");
            }
        }
        place
    }

    fn read(&self) -> Result<Config> {
        let open = |path: &Path| match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(opened.expect("a file"))),
        };
        Config::read(&self.0.join("admin"), Some(&self.0.join("user")), KNOWN, open)
    }

    fn refusal(&self) -> String {
        let error = self.read().expect_err("a refusal").to_string();
        error.replace(&format!("{}/", self.0.display()), "/")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the directory goes");
    }
}

fn value(config: &Config, name: &str) -> Option<(String, String)> {
    config.value(name).map(|setting| {
        let file = setting.file.file_name().and_then(OsStr::to_str).expect("a name");
        (setting.value.to_str().expect("UTF-8").to_owned(), file.to_owned())
    })
}

fn pair(value: &str, file: &str) -> Option<(String, String)> {
    Some((value.to_owned(), file.to_owned()))
}

#[test]
fn the_users_file_beats_the_admin_file_and_both_may_be_absent() {
    let place = Place::new(None, None);
    let config = place.read().expect("settings");
    assert_eq!((value(&config, "policy"), config.policy_required()), (None, None));
    let admin = r#"{"duration": "1h", "server": false, "policy": "/admin", "require_policy": true}"#;
    let user = r#"{"duration": "2h", "server": true, "policy-arn": ["a", "b"]}"#;
    let place = Place::new(Some(admin), Some(user));
    let config = place.read().expect("settings");
    assert_eq!(value(&config, "duration"), pair("2h", "user"));
    assert_eq!(value(&config, "server"), pair("true", "user"));
    assert_eq!(value(&config, "policy"), pair("/admin", "admin"));
    assert_eq!(value(&config, "policy-arn"), pair("a b", "user"));
    assert_eq!(value(&config, "policy-key"), None);
    assert_eq!(config.policy_required(), Some(place.0.join("admin").as_path()));
    assert!(config.lock("policy").is_none() && config.refuse_if_locked("policy", "--policy").is_ok());
}

#[test]
fn a_locked_setting_is_the_admin_files_alone() {
    let admin = r#"{"duration": "1h", "locked": ["duration", "server"]}"#;
    let place = Place::new(Some(admin), Some(r#"{"policy": "/p"}"#));
    let config = place.read().expect("settings");
    assert_eq!(value(&config, "duration"), pair("1h", "admin"));
    // Locked to its default.
    assert_eq!((value(&config, "server"), config.lock("server").is_some()), (None, true));
    let refusal = config.refuse_if_locked("server", "--server").expect_err("a refusal");
    assert_eq!(refusal.kind(), error::Kind::Usage);
    assert_eq!(
        refusal.to_string().replace(&format!("{}/", place.0.display()), "/"),
        "--server is locked by /admin\n  leave it out; whoever administers this host decides it"
    );
    let place = Place::new(Some(admin), Some(r#"{"server": true}"#));
    assert_eq!(
        place.refusal(),
        "`server` in /user is locked by /admin\n  leave it out; whoever administers this host decides it"
    );
}

#[test]
fn a_lock_holds_also_for_the_other_way_to_say_the_same() {
    let config = Place::new(Some(r#"{"policy": "/p", "locked": ["policy", "policy-scope"]}"#), None);
    let config = config.read().expect("settings");
    for name in ["policy", "policy-parameter", "policy-key", "policy-scope"] {
        assert!(config.lock(name).is_some(), "{name}");
    }
    assert!(config.lock("duration").is_none());
    let place = Place::new(Some(r#"{"policy": "/p", "locked": ["policy"]}"#), Some(r#"{"policy-parameter": "/x"}"#));
    assert!(place.refusal().starts_with("`policy-parameter` in /user is locked by /admin\n"));
}

#[test]
fn what_is_not_right_is_refused_in_these_words() {
    let cases = [
        (r#"{"polcy": "/p"}"#, "/user: `polcy` is no setting\n  did you mean `policy`?"),
        (
            r#"{"zzz": 1}"#,
            "/user: `zzz` is no setting\n  settings have the names of options without dashes: those that have an environment \
             variable",
        ),
        (r#"{"policy": "p.json"}"#, "/user: `policy` is `p.json`, and has to be a path that begins with /"),
        (r#"{"policy-key": "./k.pem"}"#, "/user: `policy-key` is `./k.pem`, and a path has to begin with /"),
        (r#"{"policy": ""}"#, "/user: `policy` is empty"),
        (r#"{"duration": "1\u0000h"}"#, "/user: `duration` has a control character in it"),
        (r#"{"duration": 900}"#, "/user: `duration` is a number, and has to be a string\n  write it in quotes"),
        (r#"{"duration": null}"#, "/user: `duration` is null, and has to be a string"),
        (r#"{"server": "yes"}"#, "/user: `server` is a string, and has to be true or false"),
        (r#"{"server": {"a": 1}}"#, "/user: `server` is an object, and has to be true or false"),
        (r#"{"policy-arn": "a"}"#, "/user: `policy-arn` is a string, and has to be a list of strings"),
        (
            r#"{"policy-arn": ["a", 1]}"#,
            "/user: `policy-arn` is a list of other things than strings, and has to be a list of strings",
        ),
        (r#"{"policy-arn": []}"#, "/user: `policy-arn` is an empty list"),
        (r#"{"policy-arn": ["a b"]}"#, "/user: `policy-arn` has an item with a blank or a comma in it"),
        (r#"{"locked": ["policy"]}"#, "/user: `locked` is for the admin file alone"),
        (r#"{"require_policy": false}"#, "/user: `require_policy` is for the admin file alone"),
        (r#"{"server": true, "server": true}"#, "/user is not right: `server` is there twice at line 1 column 25"),
        ("[]", "/user is not right: invalid type: sequence, expected an object at line 1 column 0"),
        ("{", "/user is not right: EOF while parsing an object at line 1 column 1"),
        ("{} {}", "/user is not right: trailing characters at line 1 column 4"),
    ];
    for (text, expected) in cases {
        assert_eq!(Place::new(None, Some(text)).refusal(), expected, "{text}");
    }
    let cases = [
        (
            r#"{"locked": ["polcy"]}"#,
            "/admin: `polcy` cannot be locked, because it is no setting\n  did you mean `policy`?",
        ),
        (r#"{"lokced": ["policy"]}"#, "/admin: `lokced` is no setting\n  did you mean `locked`?"),
        (r#"{"locked": "policy"}"#, "/admin: `locked` is a string, and has to be a list of strings"),
        (r#"{"require_policy": "yes"}"#, "/admin: `require_policy` is a string, and has to be true or false"),
    ];
    for (text, expected) in cases {
        assert_eq!(Place::new(Some(text), None).refusal(), expected, "{text}");
    }
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_refused() {
    let long = format!("{{\"duration\": \"{}\"}}", "1".repeat(64 * 1024));
    assert_eq!(Place::new(None, Some(&long)).refusal(), "/user is larger than 64 KiB");
    assert_eq!(Place::new(Some(&long), None).refusal(), "/admin is larger than 64 KiB");
    let place = Place::new(None, Some(""));
    fs::write(place.0.join("user"), [0xff]).expect("a file");
    assert_eq!(place.refusal(), "/user is not UTF-8");
}

#[test]
fn a_users_file_that_others_may_write_is_refused() {
    let place = Place::new(None, Some("{}"));
    fs::set_permissions(place.0.join("user"), fs::Permissions::from_mode(0o620)).expect("chmod");
    assert_eq!(
        place.refusal(),
        "the settings file /user may be written by its group or others (mode 0620)\n  chmod go-w /user"
    );
    fs::remove_file(place.0.join("user")).expect("removed");
    fs::create_dir(place.0.join("user")).expect("a directory");
    assert_eq!(place.refusal(), "the settings file /user is not a regular file");
}

#[test]
fn the_users_file_is_where_xdg_says() {
    let at = |variables: &[(&str, &str)]| user_file(&variables.iter().copied().collect());
    let home = ("HOME", "/h");
    assert_eq!(at(&[home]), Some("/h/.config/sentinel/config.json".into()));
    assert_eq!(at(&[home, ("XDG_CONFIG_HOME", "/x")]), Some("/x/sentinel/config.json".into()));
    assert_eq!(at(&[home, ("XDG_CONFIG_HOME", "x")]), Some("/h/.config/sentinel/config.json".into()));
    assert_eq!(at(&[]), None);
    // A home that is none, as daemons have it.
    assert!(open_user_file(Path::new("/dev/null/.config/sentinel/config.json")).expect("nothing").is_none());
}
