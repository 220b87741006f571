//! The decision log for people: a line a decision. Nothing in it moves a terminal's cursor.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use super::escape;

/// A text in a line for people.
const TEXT_LIMIT_BYTES: usize = 300;
/// A line as it is in the file, with every character escaped.
const RAW_LIMIT_BYTES: usize = 6 * 16 * 1024;
/// Of what is no line, this much is shown.
const FOREIGN_LIMIT_BYTES: usize = 120;

/// Which decisions are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub user: Option<String>,
    /// Of which profile.
    pub profile: Option<String>,
    /// With which effect.
    pub effect: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// How a line is shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// Like this, without a line feed.
    Line(String),
    /// Like this; it is not a line of the log.
    Foreign(String),
    /// It is not wanted.
    Not,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    event: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    profile: Option<Cow<'a, str>>,
    effect: Option<Cow<'a, str>>,
    rule: Option<Cow<'a, str>>,
    reason: Option<Cow<'a, str>>,
    mode: Option<Cow<'a, str>>,
    role_arn: Option<Cow<'a, str>>,
    session_duration_seconds: Option<u64>,
    approved_request_id: Option<Cow<'a, str>>,
    break_glass_event_id: Option<Cow<'a, str>>,
    peer: Option<Peer<'a>>,
    error: Option<Cow<'a, str>>,
    pid: Option<u64>,
    stream: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Peer<'a> {
    pid: Option<u64>,
    #[serde(borrow)]
    executable: Option<Cow<'a, str>>,
}

impl Filter {
    /// Whether anything but the time is asked for.
    fn is_about_decisions(&self) -> bool {
        self.user.is_some() || self.profile.is_some() || self.effect.is_some()
    }

    fn wants(&self, entry: &Entry<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &Option<Cow<'_, str>>| {
            wanted.as_deref().is_none_or(|wanted| found.as_deref() == Some(wanted))
        };
        let time: Option<Timestamp> = entry.timestamp.parse().ok();
        is(&self.user, &entry.user)
            && is(&self.profile, &entry.profile)
            && is(&self.effect, &entry.effect)
            && self.since.is_none_or(|since| time.is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time.is_some_and(|time| time < until))
            && !(entry.event.is_some() && self.is_about_decisions())
    }
}

/// A line of the log, without its line feed; `None` is one that is too long. `raw` shows it as it is.
pub fn show(bytes: Option<&[u8]>, filter: &Filter, raw: bool) -> Shown {
    let Some(bytes) = bytes else {
        return Shown::Foreign("(a line that is longer than any of sentinel's)".to_owned());
    };
    if bytes.is_empty() {
        return Shown::Not;
    }
    let Ok(entry) = serde_json::from_slice::<Entry<'_>>(bytes) else {
        let mut text = "(not a line of the log: ".to_owned();
        escape::push(&mut text, &String::from_utf8_lossy(bytes), FOREIGN_LIMIT_BYTES);
        text.push(')');
        return Shown::Foreign(text);
    };
    if !filter.wants(&entry) {
        return Shown::Not;
    }
    if raw {
        // In JSON, what hides can only be in a text, where it may be written like this.
        let mut line = String::with_capacity(bytes.len());
        escape::push(&mut line, &String::from_utf8_lossy(bytes), RAW_LIMIT_BYTES);
        return Shown::Line(line);
    }
    Shown::Line(if entry.event.is_some() { event(&entry) } else { decision(&entry) })
}

fn event(entry: &Entry<'_>) -> String {
    let mut line = String::new();
    push(&mut line, &entry.timestamp);
    line.push_str("  log ");
    push(&mut line, entry.event.as_deref().unwrap_or_default());
    line.push_str(", stream ");
    push(&mut line, entry.stream.as_deref().unwrap_or("-"));
    if let Some(pid) = entry.pid {
        line.push_str(&format!(", pid {pid}"));
    }
    line
}

/// `TIME  EFFECT  PROFILE  USER  MODE  REASON`, and what else there is.
fn decision(entry: &Entry<'_>) -> String {
    let mut line = String::new();
    push(&mut line, &entry.timestamp);
    for (column, width) in [(&entry.effect, 5), (&entry.profile, 12), (&entry.user, 12), (&entry.mode, 6)] {
        line.push_str("  ");
        let start = line.chars().count();
        push(&mut line, column.as_deref().unwrap_or("-"));
        let used = line.chars().count().saturating_sub(start);
        (used..width).for_each(|_| line.push(' '));
    }
    line.push_str("  ");
    push(&mut line, entry.reason.as_deref().unwrap_or("-"));
    let texts = [
        ("rule", &entry.rule),
        ("role", &entry.role_arn),
        ("approved by request", &entry.approved_request_id),
        ("break-glass event", &entry.break_glass_event_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            line.push_str(&format!("; {name} "));
            push(&mut line, text);
        }
    }
    if let Some(seconds) = entry.session_duration_seconds {
        line.push_str(&format!("; for {}", crate::duration::text(std::time::Duration::from_secs(seconds))));
    }
    if let Some(peer) = &entry.peer {
        if let Some(pid) = peer.pid {
            line.push_str(&format!("; pid {pid}"));
        }
        if let Some(executable) = &peer.executable {
            line.push_str(", ");
            push(&mut line, executable);
        }
    }
    if let Some(error) = &entry.error {
        line.push_str("; error: ");
        push(&mut line, error);
    }
    line
}

fn push(line: &mut String, text: &str) {
    escape::push(line, text, TEXT_LIMIT_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &str = r#"{"timestamp":"2026-01-31T12:00:00.000Z","user":"ann","profile":"dev","effect":"allow","rule":"days","rule_index":0,"reason":"matched","role_arn":"arn:aws:iam::1:role/r","session_duration_seconds":1800,"mode":"server","peer":{"pid":7,"uid":1,"gid":1,"executable":"/usr/bin/aws"}}"#;
    const DENIED: &str = r#"{"timestamp":"2026-01-31T13:00:00.000Z","profile":"prod","effect":"deny","reason":"no matching rule","mode":"cli","error":"x"}"#;
    const OPENED: &str =
        r#"{"timestamp":"2026-01-31T11:00:00.000Z","event":"open","pid":7,"stream":"0123456789abcdef","seq":0}"#;

    fn shown(text: &str, filter: &Filter) -> Option<String> {
        match show(Some(text.as_bytes()), filter, false) {
            Shown::Line(line) => Some(line),
            _ => None,
        }
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().expect("a time"))
    }

    #[test]
    fn a_decision_is_one_line() {
        let all = Filter::default();
        assert_eq!(
            shown(ALLOWED, &all).as_deref(),
            Some(
                "2026-01-31T12:00:00.000Z  allow  dev           ann           server  matched; rule days; role \
                 arn:aws:iam::1:role/r; for 30m; pid 7, /usr/bin/aws"
            )
        );
        assert_eq!(
            shown(DENIED, &all).as_deref(),
            Some("2026-01-31T13:00:00.000Z  deny   prod          -             cli     no matching rule; error: x")
        );
        assert_eq!(
            shown(OPENED, &all).as_deref(),
            Some("2026-01-31T11:00:00.000Z  log open, stream 0123456789abcdef, pid 7")
        );
    }

    #[test]
    fn filters_choose() {
        let by = |filter: &Filter| [OPENED, ALLOWED, DENIED].map(|line| shown(line, filter).is_some());
        assert_eq!(by(&Filter { user: Some("ann".to_owned()), ..Filter::default() }), [false, true, false]);
        assert_eq!(by(&Filter { profile: Some("prod".to_owned()), ..Filter::default() }), [false, false, true]);
        assert_eq!(by(&Filter { effect: Some("deny".to_owned()), ..Filter::default() }), [false, false, true]);
        assert_eq!(by(&Filter { since: at("2026-01-31T12:00:00Z"), ..Filter::default() }), [false, true, true]);
        assert_eq!(by(&Filter { until: at("2026-01-31T13:00:00Z"), ..Filter::default() }), [true, true, false]);
    }

    #[test]
    fn nothing_moves_the_cursor() {
        let hidden = "\u{1b}[2J\u{9b}\u{202e}";
        let line = format!(r#"{{"timestamp":"{hidden}","profile":"{hidden}","effect":"deny","reason":"{hidden}"}}"#);
        let line = line.replace('\u{1b}', "\\u001b");
        for (text, raw) in [(line.as_str(), false), (line.as_str(), true), (hidden, false), (hidden, true)] {
            let found = match show(Some(text.as_bytes()), &Filter::default(), raw) {
                Shown::Line(line) | Shown::Foreign(line) => line,
                Shown::Not => panic!("not shown"),
            };
            assert!(!found.chars().any(escape::is_hidden), "{found:?}");
        }
        let Shown::Line(raw) = show(Some(line.as_bytes()), &Filter::default(), true) else { panic!("not shown") };
        let again: serde_json::Value = serde_json::from_str(&raw).expect("still JSON");
        assert_eq!(again["reason"], hidden);
    }

    #[test]
    fn what_is_not_a_line_is_said_so() {
        let foreign = |bytes: Option<&[u8]>| match show(bytes, &Filter::default(), false) {
            Shown::Foreign(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(foreign(Some(b"{\"timest\xff")), "(not a line of the log: {\"timest\u{fffd})");
        assert_eq!(foreign(Some(b"[1]")), "(not a line of the log: [1])");
        assert_eq!(foreign(None), "(a line that is longer than any of sentinel's)");
        assert_eq!(show(Some(b""), &Filter::default(), false), Shown::Not);
    }
}
