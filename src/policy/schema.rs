//! What a policy document may say, and the strict way from JSON to it.
//!
//! Fields and effects that policies may have and that this version cannot enforce are refused by name. Reading past one
//! of them would turn a restriction into a permission.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::evaluate::Mode;
use super::flaw::{Flaw, Path, did_you_mean, shown};
use super::json::{self, Json};
use super::pattern::Pattern;
use super::time::{self, DAYS, Hours, Minute, Window};

/// The most rules a policy may have: evaluation looks at every one, on every request.
const MAX_RULES: usize = 10_000;

/// The longest string. AWS's longest name, a role ARN, has 2048 characters and is no name of a user or profile.
const MAX_TEXT_BYTES: usize = 1024;

/// Fields of the document, of a rule and of its conditions: those that are read, and those that are refused as beyond
/// this version.
const DOCUMENT: Fields = Fields { read: &["version", "rules"], beyond: &["accounts"] };
const RULE: Fields = Fields {
    read: &["name", "effect", "conditions", "reason"],
    beyond: &["role_arns", "session_policy", "max_server_duration", "session_table"],
};
const CONDITIONS: Fields = Fields { read: &["profiles", "users", "time", "mode"], beyond: &["peer", "device"] };
const TIME: Fields = Fields { read: &["days", "hours", "timezone"], beyond: &[] };
const HOURS: Fields = Fields { read: &["start", "end"], beyond: &[] };

const EFFECTS_BEYOND: [&str; 3] = ["require_approval", "require_server", "require_server_session"];

/// A list of rules, the first match of which decides.
#[derive(Debug)]
pub struct Policy {
    pub(super) rules: Vec<Rule>,
}

/// What a rule that matches does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Credentials may be given.
    Allow,
    /// They may not.
    Deny,
    /// With an approval.
    RequireApproval,
    /// From a server of ours.
    RequireServer,
    /// From a server whose session is recorded and live.
    RequireServerSession,
}

/// One rule. A condition that is `None` matches everything; all must match.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) effect: Effect,
    /// Its own, or one that names the rule.
    pub(super) reason: Arc<str>,
    pub(super) profiles: Option<Vec<Pattern>>,
    pub(super) users: Option<Vec<Pattern>>,
    pub(super) modes: Option<Vec<Mode>>,
    pub(super) time: Option<Window>,
}

struct Fields {
    read: &'static [&'static str],
    beyond: &'static [&'static str],
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// When anything in the document is not understood and enforced to the letter.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let json = json::parse(text)?;
        let document = object(&Path::Document, &json, &DOCUMENT)?;

        let version = document.required("version", text_of)?;
        if version != "1" {
            return Err(Flaw::at(
                &Path::Field(&Path::Document, "version"),
                format!("unknown version {}", shown(version)),
            )
            .hint(Some("write \"version\": \"1\"".to_owned())));
        }

        let rules = document.required("rules", |path, value| {
            let items = items_of(path, value)?;
            if items.is_empty() {
                let hint = "a policy without rules denies everything: say so with a rule".to_owned();
                return Err(Flaw::at(path, "an empty list").hint(Some(hint)));
            }
            if items.len() > MAX_RULES {
                return Err(Flaw::at(path, format!("{} rules, and at most {MAX_RULES} are allowed", items.len())));
            }
            each(path, items, rule_of)
        })?;
        let mut names = HashSet::new();
        for (index, rule) in rules.iter().enumerate() {
            if !names.insert(&*rule.name) {
                let what = format!("rules[{index}].name: an earlier rule is named {} too", shown(&rule.name));
                return Err(Flaw::new(what));
            }
        }
        Ok(Self { rules })
    }
}

impl Effect {
    /// The name in policies and records: `allow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
            Effect::RequireApproval => "require_approval",
            Effect::RequireServer => "require_server",
            Effect::RequireServerSession => "require_server_session",
        }
    }
}

fn rule_of(path: &Path<'_>, value: &Json) -> Result<Rule, Flaw> {
    let rule = object(path, value, &RULE)?;
    let name = rule.required("name", text_of)?;
    let effect = rule.required("effect", effect_of)?;
    let reason = match (rule.optional("reason", text_of)?, effect) {
        (Some(reason), _) => Arc::from(reason),
        (None, Effect::Allow) => format!("allowed by the rule {name}").into(),
        (None, Effect::Deny) => format!("denied by the rule {name}").into(),
        (None, other) => format!("the rule {name} says {}", other.as_str()).into(),
    };
    let mut read = Rule { name: Arc::from(name), effect, reason, profiles: None, users: None, modes: None, time: None };
    rule.optional("conditions", |path, value| {
        let conditions = object(path, value, &CONDITIONS)?;
        read.profiles = conditions.optional("profiles", patterns_of)?;
        read.users = conditions.optional("users", patterns_of)?;
        read.modes = conditions.optional("mode", modes_of)?;
        read.time = conditions.optional("time", window_of)?;
        Ok(())
    })?;
    Ok(read)
}

fn effect_of(path: &Path<'_>, value: &Json) -> Result<Effect, Flaw> {
    let name = text_of(path, value)?;
    if EFFECTS_BEYOND.contains(&name) {
        return Err(beyond(path, name));
    }
    let effects = [Effect::Allow, Effect::Deny];
    named(path, name, "effect", &effects.map(|effect| (effect.as_str(), effect)))
}

fn patterns_of(path: &Path<'_>, value: &Json) -> Result<Vec<Pattern>, Flaw> {
    each(path, list_of(path, value)?, |path, item| text_of(path, item).map(Pattern::new))
}

fn modes_of(path: &Path<'_>, value: &Json) -> Result<Vec<Mode>, Flaw> {
    let known = Mode::ALL.map(|mode| (mode.as_str(), mode));
    each(path, list_of(path, value)?, |path, item| named(path, text_of(path, item)?, "mode", &known))
}

fn window_of(path: &Path<'_>, value: &Json) -> Result<Window, Flaw> {
    let window = object(path, value, &TIME)?;
    let days = window.optional("days", |path, value| {
        each(path, list_of(path, value)?, |path, item| named(path, text_of(path, item)?, "day", &DAYS))
    })?;
    let hours = window.optional("hours", hours_of)?;
    let zone = window.optional("timezone", |path, value| {
        let name = text_of(path, value)?;
        time::zone(name).ok_or_else(|| {
            let hint =
                time::did_you_mean_zone(name).unwrap_or_else(|| "zones are named as Europe/Berlin is".to_owned());
            Flaw::at(path, format!("unknown time zone {}", shown(name))).hint(Some(hint))
        })
    })?;
    if days.is_none() && hours.is_none() {
        return Err(Flaw::at(path, "neither `days` nor `hours` is given, so it restricts nothing"));
    }
    Ok(Window { days, hours, zone: zone.unwrap_or(jiff::tz::TimeZone::UTC) })
}

fn hours_of(path: &Path<'_>, value: &Json) -> Result<Hours, Flaw> {
    let minute = |path: &Path<'_>, value: &Json| {
        let text = text_of(path, value)?;
        Minute::parse(text).ok_or_else(|| {
            let hint = "write two digits each, 00:00 to 23:59".to_owned();
            Flaw::at(path, format!("{} is not a time of day as HH:MM", shown(text))).hint(Some(hint))
        })
    };
    let hours = object(path, value, &HOURS)?;
    let (start, end) = (hours.required("start", minute)?, hours.required("end", minute)?);
    Hours::new(start, end).ok_or_else(|| {
        Flaw::at(path, "`start` and `end` are the same").hint(Some("leave `hours` out for the whole day".to_owned()))
    })
}

/// An object whose fields are all known.
struct Object<'a> {
    path: &'a Path<'a>,
    fields: &'a BTreeMap<String, Json>,
}

fn object<'a>(path: &'a Path<'a>, value: &'a Json, known: &Fields) -> Result<Object<'a>, Flaw> {
    let Json::Object(fields) = value else {
        return Err(unexpected(path, "an object", value));
    };
    for name in fields.keys().map(String::as_str) {
        if known.beyond.contains(&name) {
            return Err(beyond(&Path::Field(path, name), name));
        }
        if !known.read.contains(&name) {
            let names = known.read.iter().chain(known.beyond).copied();
            return Err(Flaw::at(path, format!("unknown field {}", shown(name))).hint(did_you_mean(name, names)));
        }
    }
    Ok(Object { path, fields })
}

impl<'a> Object<'a> {
    fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path<'_>, &'a Json) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Flaw> {
        self.fields.get(name).map(|value| read(&Path::Field(self.path, name), value)).transpose()
    }

    fn required<T>(&self, name: &str, read: impl FnOnce(&Path<'_>, &'a Json) -> Result<T, Flaw>) -> Result<T, Flaw> {
        self.optional(name, read)?.ok_or_else(|| Flaw::at(self.path, format!("the field `{name}` is missing")))
    }
}

fn items_of<'a>(path: &Path<'_>, value: &'a Json) -> Result<&'a [Json], Flaw> {
    match value {
        Json::List(items) => Ok(items),
        _ => Err(unexpected(path, "a list", value)),
    }
}

/// A list with something in it: an empty one could mean all or none.
fn list_of<'a>(path: &Path<'_>, value: &'a Json) -> Result<&'a [Json], Flaw> {
    let items = items_of(path, value)?;
    if items.is_empty() {
        let hint = "leave the field out to match everything, or name what should match".to_owned();
        return Err(Flaw::at(path, "an empty list").hint(Some(hint)));
    }
    Ok(items)
}

fn each<T>(
    path: &Path<'_>,
    items: &[Json],
    read: impl Fn(&Path<'_>, &Json) -> Result<T, Flaw>,
) -> Result<Vec<T>, Flaw> {
    items.iter().enumerate().map(|(index, item)| read(&Path::Item(path, index), item)).collect()
}

fn text_of<'a>(path: &Path<'_>, value: &'a Json) -> Result<&'a str, Flaw> {
    match value {
        Json::Text(text) if text.is_empty() => Err(Flaw::at(path, "an empty string")),
        Json::Text(text) if text.len() > MAX_TEXT_BYTES => {
            Err(Flaw::at(path, format!("{} bytes, and at most {MAX_TEXT_BYTES} are allowed", text.len())))
        }
        Json::Text(text) => Ok(text),
        _ => Err(unexpected(path, "a string", value)),
    }
}

/// The value of that name among `known`.
fn named<T: Copy>(path: &Path<'_>, name: &str, kind: &str, known: &[(&str, T)]) -> Result<T, Flaw> {
    let found = known.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names = || known.iter().map(|(name, _)| *name);
        let all = || format!("one of {}", names().collect::<Vec<_>>().join(", "));
        let hint = did_you_mean(name, names()).unwrap_or_else(all);
        Flaw::at(path, format!("unknown {kind} {}", shown(name))).hint(Some(hint))
    })
}

fn unexpected(path: &Path<'_>, wanted: &str, found: &Json) -> Flaw {
    Flaw::at(path, format!("expected {wanted}, found {}", found.noun()))
}

fn beyond(path: &Path<'_>, name: &str) -> Flaw {
    let hint = "remove it if the rule is right without it: it is never ignored".to_owned();
    Flaw::at(path, format!("this version does not enforce `{name}`")).hint(Some(hint))
}

#[cfg(test)]
mod tests;
