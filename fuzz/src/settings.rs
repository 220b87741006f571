//! Settings files: what is obeyed is in the file as it is obeyed, under a known name, and a user's file locks nothing.
//!
//! The first byte says whose file it is.

use std::path::Path;

use sentinel::cli::flags;
use sentinel::config::{Config, Kind};
use serde_json::Value;

/// See the module.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let is_admin = first % 2 == 0;
    let known = flags::settings();
    let read = || Config::of_text(Path::new("/f"), text, &known, is_admin);
    let config = match (read(), read()) {
        (Ok(config), Ok(_)) => config,
        (Err(error), Err(again)) => return assert_eq!(error.to_string(), again.to_string()),
        _ => panic!("one file, two meanings"),
    };
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { panic!("not an object, and obeyed") };
    for name in fields.keys() {
        let is_setting = known.iter().any(|setting| setting.name == name);
        assert!(is_setting || is_admin && ["locked", "require_policy"].contains(&name.as_str()), "{name}");
    }
    for setting in &known {
        let obeyed = config.value(setting.name).map(|value| value.value.to_str().expect("it was text"));
        let said = fields.get(setting.name);
        assert_eq!(obeyed.is_some(), said.is_some(), "{}", setting.name);
        let (Some(obeyed), Some(said)) = (obeyed, said) else { continue };
        match setting.kind {
            Kind::Switch => assert_eq!(said.as_bool(), Some(obeyed == "true")),
            Kind::List | Kind::Words => {
                let items: Vec<&str> = said.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
                assert_eq!(items, obeyed.split(' ').collect::<Vec<_>>());
            }
            Kind::Text | Kind::Path | Kind::TextOrPath => assert_eq!(said.as_str(), Some(obeyed)),
        }
        assert!(setting.kind != Kind::Path || obeyed.starts_with('/'), "{obeyed}");
    }
    if !is_admin {
        assert!(config.policy_required().is_none() && known.iter().all(|setting| config.lock(setting.name).is_none()));
    }
}
