//! The decision log: one JSON line for every decision, written before anything is given, in a stream of its process.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::chain::CHAIN_BYTES;
use super::escape;
use super::group::Group;
use super::operator::Operator;
use super::ratchet::read_key;
use super::sink::Sink;
use super::syslog::{SOCKET, Syslog};
use super::writer::{About, Places, Writer};
use crate::clock::{Clock, SystemClock, rfc3339_ms};
use crate::error::{Error, Result};
use crate::policy::{Effect, Mode};
use crate::sys::user::{Gid, Uid};

/// The longest line, line feed included: pipes keep lines of this length whole too (PIPE_BUF).
pub(super) const MAX_LINE_BYTES: usize = 4096;
/// What of it a decision may fill: the rest is the chain's.
const MAX_RECORD_BYTES: usize = MAX_LINE_BYTES - CHAIN_BYTES;
/// Most lines are shorter: their buffer need not grow.
const USUAL_LINE_BYTES: usize = 768;

/// One decision. Fields that are `None` are left out of the line.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// When it was made.
    pub timestamp: Timestamp,
    /// Who asked, as AWS knows them.
    pub user: Option<&'a str>,
    /// Whose credentials were asked for.
    pub profile: &'a str,
    /// Whether they may be given.
    pub effect: Effect,
    /// The name of the rule that decided.
    pub rule: Option<&'a str>,
    /// Its place in the policy, from 0.
    pub rule_index: Option<usize>,
    /// Why.
    pub reason: &'a str,
    /// Where the policy came from.
    pub policy_path: Option<&'a str>,
    /// The request's id.
    pub request_id: Option<&'a str>,
    /// The source identity that AWS records.
    pub source_identity: Option<&'a str>,
    /// The role whose credentials were asked for.
    pub role_arn: Option<&'a str>,
    /// How long the credentials were to live.
    pub session_duration_seconds: Option<u64>,
    /// How they were asked for.
    pub mode: Option<Mode>,
    /// Where they were asked for.
    pub endpoint: Option<&'a str>,
    /// How callers are bound: `tree`, `process`, `uid`, or `uid (fallback)` where the kernel cannot name processes.
    pub binding: Option<&'a str>,
    /// The process that asked.
    pub peer: Option<Peer<'a>>,
    /// The AWS account of the user.
    pub account: Option<&'a str>,
    /// AWS's unique id of the user: `AIDA...`, `AROA...`.
    pub principal_id: Option<&'a str>,
    /// Whether a policy binds the person: `advisory` or `enforced`.
    pub deployment: Option<&'a str>,
    /// The session that the request belongs to.
    pub session_id: Option<&'a str>,
    /// The approved request that let it through.
    pub approved_request_id: Option<&'a str>,
    /// The break-glass event that did.
    pub break_glass_event_id: Option<&'a str>,
    /// The device, hashed.
    pub device_id: Option<&'a str>,
    /// What failed.
    pub error: Option<&'a str>,
}

/// The process at the other end of a connection, as recorded.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// Its process id.
    pub pid: u32,
    /// Its user.
    pub uid: Uid,
    /// Its group, where that is known.
    pub gid: Option<Gid>,
    /// The program that it runs, where that is known.
    pub executable: Option<&'a str>,
}

/// Where decisions are recorded.
pub struct DecisionLog {
    /// `None` in a measurement alone.
    group: Option<Group>,
    operator: Arc<Operator>,
    /// What is the same in every decision of this process.
    device_id: Option<String>,
    deployment: Option<String>,
}

/// Where decisions go, and what proves them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A file.
    pub file: Option<PathBuf>,
    /// Standard error.
    pub stderr: bool,
    /// The file with the key that lines are authenticated with.
    pub key: Option<PathBuf>,
    /// Lines are on the disk before the answer.
    pub fsync: bool,
    /// The heads of streams go to syslog.
    pub anchor: bool,
    /// Lines go to syslog.
    pub syslog: bool,
    /// Where syslog listens, if not where it usually does.
    pub syslog_socket: Option<PathBuf>,
    /// The device, hashed.
    pub device_id: Option<String>,
    /// Whether a policy binds the person: `advisory` or `enforced`.
    pub deployment: Option<String>,
}

impl<'a> Decision<'a> {
    /// A decision with the fields that every record has.
    pub fn new(timestamp: Timestamp, profile: &'a str, effect: Effect, reason: &'a str) -> Self {
        Self {
            timestamp,
            user: None,
            profile,
            effect,
            rule: None,
            rule_index: None,
            reason,
            policy_path: None,
            request_id: None,
            source_identity: None,
            role_arn: None,
            session_duration_seconds: None,
            mode: None,
            endpoint: None,
            binding: None,
            peer: None,
            account: None,
            principal_id: None,
            deployment: None,
            session_id: None,
            approved_request_id: None,
            break_glass_event_id: None,
            device_id: None,
            error: None,
        }
    }

    /// The record, a JSON object and a line feed, which the chain's fields still fit into.
    fn line(&self) -> String {
        let whole = self.line_with(MAX_LINE_BYTES);
        if whole.len() <= MAX_RECORD_BYTES {
            return whole;
        }
        // The longest texts are cut, all to the same length, the greatest with which the line fits. Names, numbers and
        // 20 texts of 8 bytes are far below the limit, so the search has an answer.
        let (mut fits, mut too_long) = (8, MAX_LINE_BYTES);
        while too_long - fits > 1 {
            let middle = usize::midpoint(fits, too_long);
            if self.line_with(middle).len() <= MAX_RECORD_BYTES {
                fits = middle;
            } else {
                too_long = middle;
            }
        }
        self.line_with(fits)
    }

    /// The record with each text cut to `text_limit_bytes`.
    fn line_with(&self, text_limit_bytes: usize) -> String {
        let mut object = Object::new(text_limit_bytes, USUAL_LINE_BYTES);
        object.time("timestamp", self.timestamp);
        object.text("user", self.user);
        object.text("profile", Some(self.profile));
        object.text("effect", Some(self.effect.as_str()));
        object.text("rule", self.rule);
        object.number("rule_index", self.rule_index.and_then(|index| u64::try_from(index).ok()));
        object.text("reason", Some(self.reason));
        object.text("policy_path", self.policy_path);
        object.text("request_id", self.request_id);
        object.text("source_identity", self.source_identity);
        object.text("role_arn", self.role_arn);
        object.number("session_duration_seconds", self.session_duration_seconds);
        object.text("mode", self.mode.map(Mode::as_str));
        object.text("endpoint", self.endpoint);
        object.text("binding", self.binding);
        if let Some(peer) = &self.peer {
            object.object("peer", |object| {
                object.number("pid", Some(peer.pid.into()));
                object.number("uid", Some(peer.uid.0.into()));
                object.number("gid", peer.gid.map(|gid| gid.0.into()));
                object.text("executable", peer.executable);
            });
        }
        object.text("account", self.account);
        object.text("principal_id", self.principal_id);
        object.text("deployment", self.deployment);
        object.text("session_id", self.session_id);
        object.text("approved_request_id", self.approved_request_id);
        object.text("break_glass_event_id", self.break_glass_event_id);
        object.text("device_id", self.device_id);
        object.text("error", self.error);
        let mut line = object.finish();
        line.push('\n');
        line
    }
}

impl DecisionLog {
    /// Opens the log. Its stream begins with the first decision.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to another user, is open to others or is not a regular file; when the key
    /// cannot be read; and when there is neither file nor standard error, because decisions would be lost without a word.
    pub fn open(options: &Options, clock: Arc<dyn Clock>, operator: Arc<Operator>) -> Result<Self> {
        let mut sinks = Vec::new();
        if let Some(path) = &options.file {
            sinks.push(Sink::file(path, options.fsync)?);
        }
        if options.stderr {
            sinks.push(Sink::stderr());
        }
        if sinks.is_empty() {
            return Err(Error::new("the decision log has nowhere to go").hint("give --log-file or --log-stderr"));
        }
        if let Some(path) = &options.key {
            // Read again when a stream begins; here, so that a mistake is told before AWS is asked for anything.
            read_key(path)?;
        }
        let socket = options.syslog_socket.as_deref().unwrap_or(Path::new(SOCKET));
        let syslog = (options.anchor || options.syslog).then(|| Syslog::new(socket)).transpose()?;
        let places = Places { sinks, syslog, anchor: options.anchor, lines: options.syslog };
        let about = About {
            key: options.key.clone(),
            device_id: options.device_id.clone(),
            deployment: options.deployment.clone(),
        };
        let group = Group::new(Writer::new(places, about, clock, Arc::clone(&operator)));
        let (device_id, deployment) = (options.device_id.clone(), options.deployment.clone());
        Ok(Self { group: Some(group), operator, device_id, deployment })
    }

    /// A log that goes to this place alone: for tests and measurements. What sentinel itself writes to is opened and checked.
    pub fn to(name: &str, place: impl std::io::Write + Send + 'static) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let operator = Arc::new(Operator::stderr(Arc::clone(&clock), false));
        let places = Places { sinks: vec![Sink::new(name, place)], syslog: None, anchor: false, lines: false };
        let group = Group::new(Writer::new(places, About::default(), clock, Arc::clone(&operator)));
        Self { group: Some(group), operator, device_id: None, deployment: None }
    }

    /// No log: for measurements of all else. Nothing in the program itself may name this.
    pub fn unlogged() -> Self {
        let operator = Arc::new(Operator::stderr(Arc::new(SystemClock), false));
        Self { group: None, operator, device_id: None, deployment: None }
    }

    /// Writes the decision everywhere it should go, the file first, with the log's own device and deployment where it names none.
    ///
    /// # Errors
    /// When one place did not take the whole line. Nothing may be given then, even if another place has the record.
    pub fn record(&self, decision: &Decision<'_>) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        let decision = Decision {
            deployment: decision.deployment.or(self.deployment.as_deref()),
            device_id: decision.device_id.or(self.device_id.as_deref()),
            ..decision.clone()
        };
        group.write(&decision.line())
    }

    /// Ends the stream, after the lines that are being written. Decisions that come later cannot be recorded.
    pub fn close(&self) {
        if let Some(Err(error)) = self.group.as_ref().map(Group::close) {
            self.operator.log("log", &format!("the end of the decision log was not recorded: {}", error.line()));
        }
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// A JSON object that is being written. Field names are ours and need no escaping.
pub(super) struct Object {
    text: String,
    text_limit_bytes: usize,
}

impl Object {
    pub(super) fn new(text_limit_bytes: usize, expected_bytes: usize) -> Self {
        let mut text = String::with_capacity(expected_bytes);
        text.push('{');
        Self { text, text_limit_bytes }
    }

    fn name(&mut self, name: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            self.text.push('"');
            escape::push_json(&mut self.text, value, self.text_limit_bytes);
            self.text.push('"');
        }
    }

    pub(super) fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.name(name);
            // Writing to a string does not fail.
            let _written = write!(self.text, "{value}");
        }
    }

    pub(super) fn time(&mut self, name: &str, value: Timestamp) {
        self.name(name);
        let _written = write!(self.text, "\"{}\"", rfc3339_ms(value));
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.text.push('{');
        fill(self);
        self.text.push('}');
    }

    /// A value that is JSON already.
    pub(super) fn json(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push_str(value);
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

#[cfg(test)]
mod tests;
