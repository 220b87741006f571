//! One rule: its conditions, and what it gives.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::reader::{Object, duration_of, list_of, named, number_of, object, patterns_of, text_of, unexpected};
use crate::digest::{from_hex, hex};
use crate::interpreter::is_interpreter;
use crate::policy::document::SHORTEST_WINDOW;
use crate::policy::evaluate::Mode;
use crate::policy::flaw::{Flaw, Path, shown};
use crate::policy::json::Json;
use crate::policy::pattern::Pattern;
use crate::policy::time::{self, DAYS, Hours, Minute, Window};

pub(super) const RULE: [&str; 8] =
    ["name", "effect", "conditions", "reason", "max_server_duration", "role_arns", "session_policy", "session_table"];
pub(super) const CONDITIONS: [&str; 6] = ["profiles", "users", "time", "mode", "peer", "device"];
pub(super) const PEER: [&str; 3] = ["uids", "executables", "sha256"];
pub(super) const TIME: [&str; 3] = ["days", "hours", "timezone"];

/// The operating systems that policies know.
const SYSTEMS: [(&str, &str); 2] = [("linux", "linux"), ("macos", "macos")];
/// The longest session of a role (AssumeRole, DurationSeconds).
const LONGEST_SESSION: Duration = Duration::from_secs(12 * 3600);
/// AssumeRole, Policy.
const MAX_SESSION_POLICY_CHARS: usize = 2048;
/// A SHA-256 digest.
const SHA256_BYTES: usize = 32;
/// IAM, CreateRole: RoleName and Path.
const MAX_ROLE_NAME_CHARS: usize = 64;
const MAX_ROLE_PATH_CHARS: usize = 512;

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

/// What a rule asks of the credentials that it lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// They live no longer than this, in every mode.
    pub max_server_duration: Option<Duration>,
    /// An IAM policy that narrows the role's session: compact JSON of at most 2048 characters.
    pub session_policy: Option<Arc<str>>,
    /// The DynamoDB table that this run's session has to be recorded in.
    pub session_table: Option<Arc<str>>,
}

#[derive(Debug)]
pub(in crate::policy) struct Rule {
    pub(in crate::policy) name: Arc<str>,
    pub(in crate::policy) effect: Effect,
    /// Its own, or one that names the rule.
    pub(in crate::policy) reason: Arc<str>,
    pub(in crate::policy) conditions: Conditions,
    /// The roles whose credentials it gives; `None` is the profile's own, with a role or without.
    pub(in crate::policy) role_arns: Option<Vec<String>>,
    pub(in crate::policy) constraints: Option<Arc<Constraints>>,
}

/// A condition that is `None` matches everything; all must match.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct Conditions {
    pub(in crate::policy) profiles: Option<Vec<Pattern>>,
    pub(in crate::policy) users: Option<Vec<Pattern>>,
    pub(in crate::policy) modes: Option<Vec<Mode>>,
    pub(in crate::policy) time: Option<Window>,
    pub(in crate::policy) systems: Option<Vec<&'static str>>,
    pub(in crate::policy) uids: Option<Vec<u32>>,
    pub(in crate::policy) executables: Option<Vec<String>>,
    pub(in crate::policy) sha256: Option<Vec<String>>,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Effect; 5] =
        [Effect::Allow, Effect::Deny, Effect::RequireApproval, Effect::RequireServer, Effect::RequireServerSession];

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

impl Hash for Conditions {
    /// Everything but the time, which has no hash: equal conditions have equal ones in any case.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.profiles, &self.users, &self.modes, &self.systems).hash(state);
        (&self.uids, &self.executables, &self.sha256).hash(state);
    }
}

pub(super) fn rule_of(path: &Path<'_>, value: &Json) -> Result<Rule, Flaw> {
    let rule = object(path, value, &RULE)?;
    let effects = Effect::ALL.map(|effect| (effect.as_str(), effect));
    let name = rule.required("name", text_of)?;
    let effect = rule.required("effect", |path, value| named(path, text_of(path, value)?, "effect", &effects))?;
    Ok(Rule {
        name: name.into(),
        effect,
        reason: match (rule.optional("reason", text_of)?, effect) {
            (Some(reason), _) => reason.into(),
            (None, Effect::Allow) => format!("allowed by the rule {name}").into(),
            (None, Effect::Deny) => format!("denied by the rule {name}").into(),
            (None, _) => format!("the rule {name} says {}", effect.as_str()).into(),
        },
        conditions: rule.optional("conditions", conditions_of)?.unwrap_or_default(),
        role_arns: rule.optional("role_arns", |path, value| list_of(path, value, role_arn_of))?,
        constraints: constraints_of(&rule)?,
    })
}

fn constraints_of(rule: &Object<'_>) -> Result<Option<Arc<Constraints>>, Flaw> {
    let constraints = Constraints {
        max_server_duration: rule.optional("max_server_duration", |path, value| {
            duration_of(path, value, SHORTEST_WINDOW, LONGEST_SESSION)
        })?,
        session_policy: rule.optional("session_policy", session_policy_of)?,
        session_table: rule.optional("session_table", table_of)?,
    };
    Ok((constraints != Constraints::default()).then(|| Arc::new(constraints)))
}

fn conditions_of(path: &Path<'_>, value: &Json) -> Result<Conditions, Flaw> {
    let conditions = object(path, value, &CONDITIONS)?;
    let mut read = Conditions {
        profiles: conditions.optional("profiles", patterns_of)?,
        users: conditions.optional("users", patterns_of)?,
        modes: conditions.optional("mode", modes_of)?,
        time: conditions.optional("time", window_of)?,
        systems: conditions.optional("device", |path, value| {
            let device = object(path, value, &["allowed_os_types"])?;
            device.required("allowed_os_types", |path, value| {
                list_of(path, value, |path, item| named(path, text_of(path, item)?, "operating system", &SYSTEMS))
            })
        })?,
        ..Conditions::default()
    };
    conditions.optional("peer", |path, value| {
        let peer = object(path, value, &PEER)?;
        peer.says_something("`uids` nor `executables` nor `sha256`")?;
        read_peer(&peer, &mut read)
    })?;
    Ok(read)
}

fn read_peer(peer: &Object<'_>, read: &mut Conditions) -> Result<(), Flaw> {
    read.uids =
        peer.optional("uids", |path, value| list_of(path, value, |path, item| number_of(path, item, 0, u32::MAX - 1)))?;
    read.executables = peer.optional("executables", |path, value| list_of(path, value, executable_of))?;
    read.sha256 = peer.optional("sha256", |path, value| list_of(path, value, sha256_of))?;
    Ok(())
}

fn modes_of(path: &Path<'_>, value: &Json) -> Result<Vec<Mode>, Flaw> {
    let known = Mode::ALL.map(|mode| (mode.as_str(), mode));
    list_of(path, value, |path, item| named(path, text_of(path, item)?, "mode", &known))
}

/// A path as the kernel writes it: from the root, without detours, and of a program whose file says whose code runs.
fn executable_of(path: &Path<'_>, value: &Json) -> Result<String, Flaw> {
    let text = text_of(path, value)?;
    let Some(below) = text.strip_prefix('/') else {
        let hint = "name the file from the root: /usr/bin/terraform".to_owned();
        return Err(Flaw::at(path, format!("{} is not an absolute path", shown(text))).hint(Some(hint)));
    };
    if text.contains('*') || below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let hint = "write it as `readlink -f` prints it; `*` has no meaning here".to_owned();
        return Err(Flaw::at(path, format!("{} is not the path of one file", shown(text))).hint(Some(hint)));
    }
    let name = below.rsplit('/').next().unwrap_or(below);
    if is_interpreter(name) {
        let what = format!("{} runs what it is given, so it attests nothing", shown(text));
        return Err(Flaw::at(path, what).hint(Some("name a program of its own".to_owned())));
    }
    Ok(text.to_owned())
}

fn sha256_of(path: &Path<'_>, value: &Json) -> Result<String, Flaw> {
    let text = text_of(path, value)?;
    match from_hex(text) {
        Some(bytes) if bytes.len() == SHA256_BYTES => Ok(hex(&bytes)),
        _ => {
            let hint = "it is 64 hex digits, as `sha256sum` prints them".to_owned();
            Err(Flaw::at(path, format!("{} is not a SHA-256 digest", shown(text))).hint(Some(hint)))
        }
    }
}

fn role_arn_of(path: &Path<'_>, value: &Json) -> Result<String, Flaw> {
    let text = text_of(path, value)?;
    if is_role_arn(text) {
        return Ok(text.to_owned());
    }
    let hint = "it is written as arn:aws:iam::123456789012:role/deploy, and `*` has no meaning".to_owned();
    Err(Flaw::at(path, format!("{} is not the ARN of a role", shown(text))).hint(Some(hint)))
}

/// Whether this is the ARN of a role: `arn:aws:iam::123456789012:role/path/name`.
pub fn is_role_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = fields[..] else { return false };
    let Some((path, name)) = resource.strip_prefix("role").and_then(|rest| rest.rsplit_once('/')) else {
        return false;
    };
    let is_partition = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    arn == "arn"
        && partition.starts_with("aws")
        && is_partition(partition)
        && service == "iam"
        && region.is_empty()
        && is_account(account)
        && (path.is_empty() || path.starts_with('/') && path.len() <= MAX_ROLE_PATH_CHARS)
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'*')
        && (1..=MAX_ROLE_NAME_CHARS).contains(&name.len())
        && is_name(name)
}

/// Whether this is an AWS account: twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The IAM policy for AWS, without the document's spaces.
fn session_policy_of(path: &Path<'_>, value: &Json) -> Result<Arc<str>, Flaw> {
    let Json::Object(fields) = value else {
        return Err(unexpected(path, "an object", value));
    };
    if !fields.contains_key("Statement") {
        return Err(Flaw::at(path, "the field `Statement` is missing").hint(Some("write an IAM policy".to_owned())));
    }
    let text = value.compact().map_err(|flaw| Flaw::at(path, flaw))?;
    match text.chars().count() {
        0..=MAX_SESSION_POLICY_CHARS => Ok(text.into()),
        count => {
            Err(Flaw::at(path, format!("{count} characters without spaces, and AWS takes {MAX_SESSION_POLICY_CHARS}")))
        }
    }
}

/// DynamoDB, CreateTable: TableName.
fn table_of(path: &Path<'_>, value: &Json) -> Result<Arc<str>, Flaw> {
    let text = text_of(path, value)?;
    let is_table =
        (3..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if is_table {
        return Ok(text.into());
    }
    let hint = "it has 3 to 255 letters, digits, `_`, `.` and `-`".to_owned();
    Err(Flaw::at(path, format!("{} is not the name of a DynamoDB table", shown(text))).hint(Some(hint)))
}

fn window_of(path: &Path<'_>, value: &Json) -> Result<Window, Flaw> {
    let window = object(path, value, &TIME)?;
    let days = window.optional("days", |path, value| {
        list_of(path, value, |path, item| named(path, text_of(path, item)?, "day", &DAYS))
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
    let hours = object(path, value, &["start", "end"])?;
    let (start, end) = (hours.required("start", minute)?, hours.required("end", minute)?);
    Hours::new(start, end).ok_or_else(|| {
        Flaw::at(path, "`start` and `end` are the same").hint(Some("leave `hours` out for the whole day".to_owned()))
    })
}
