//! Reads one value at a time: what a flag says, else its variable, else a settings file.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::flags::{FLAGS, Flag, Id};
use crate::cli::parse::Parsed;
use crate::config::Config;
use crate::duration;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::nearest::did_you_mean;

/// The command line over the environment over the settings files.
pub struct Given<'a> {
    pub(super) parsed: &'a Parsed,
    pub(super) env: &'a Env,
    pub(super) config: &'a Config,
}

/// A value, and how the user wrote it.
pub(super) struct Said<'a> {
    pub(super) value: &'a OsStr,
    /// `--bind`, `SENTINEL_BIND`, or `bind in /etc/sentinel/config.json`.
    pub(super) name: String,
    rank: Rank,
}

/// A group as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedGroup {
    /// Its name or number.
    pub name: String,
    /// How that was written: `--socket-group app`.
    pub said: String,
}

/// Where a value comes from; the first is the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Flag,
    Variable,
    UserFile,
    AdminFile,
}

impl<'a> Said<'a> {
    /// A value of an option, or of what stands for one.
    pub(super) fn on_the_command_line(name: &str, value: &'a OsStr) -> Self {
        Self { value, name: name.to_owned(), rank: Rank::Flag }
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        self.value.to_str().ok_or_else(|| Error::usage(format!("the value of {} is not UTF-8", self.name)))
    }

    /// `--bind fork`, `SENTINEL_BIND=fork`, or `bind in /etc/sentinel/config.json: fork`.
    pub(super) fn quoted(&self) -> String {
        let joint = match self.rank {
            Rank::Flag => " ",
            Rank::Variable => "=",
            Rank::UserFile | Rank::AdminFile => ": ",
        };
        format!("{}{joint}{}", self.name, self.value.display())
    }

    /// Another value, said in the same way.
    pub(super) fn with<'b>(&self, value: &'b OsStr) -> Said<'b> {
        Said { value, name: self.name.clone(), rank: self.rank }
    }

    /// `--serial x is not ...`.
    fn is_not(&self, what: &str) -> Error {
        Error::usage(format!("{} is not {what}", self.quoted()))
    }
}

impl<'a> Given<'a> {
    /// What there is to read from.
    ///
    /// # Errors
    /// Of kind usage, when the command line or the environment says something about a setting that is locked.
    pub fn new(parsed: &'a Parsed, env: &'a Env, config: &'a Config) -> Result<Self> {
        let given = Self { parsed, env, config };
        // They look at policies, and obey none: what is locked is no wish of theirs.
        if parsed.command.is_some_and(|command| command.name().starts_with("policy ")) {
            return Ok(given);
        }
        if parsed.profile.is_some() {
            config.refuse_if_locked("profile", "the profile")?;
        }
        for flag in FLAGS.iter().filter(|flag| given.reads(flag)) {
            let Some(variable) = flag.variable else { continue };
            if parsed.has(flag.id) {
                config.refuse_if_locked(flag.name, &flag.dashed())?;
            }
            if env.os(variable).is_some() {
                config.refuse_if_locked(flag.name, variable)?;
            }
        }
        Ok(given)
    }

    /// Whether the flag's variable and settings are for this command: what it does not take is for other runs. Whose credentials
    /// read a table follows the profile's.
    fn reads(&self, flag: &Flag) -> bool {
        flag.belongs_to(self.parsed.command) || flag.id == Id::Profile
    }

    pub(super) fn said(&self, id: Id) -> Option<Said<'a>> {
        let flag = Flag::of(id)?;
        if let Some(value) = self.parsed.value(id) {
            return Some(Said { value, name: flag.dashed(), rank: Rank::Flag });
        }
        // It has no variable, so that no file has it either.
        let variable = flag.variable.filter(|_| self.reads(flag))?;
        if let Some(value) = self.env.os(variable) {
            return Some(Said { value, name: variable.to_owned(), rank: Rank::Variable });
        }
        let setting = self.config.value(flag.name)?;
        let name = format!("{} in {}", flag.name, setting.file.display());
        let rank = if setting.is_admins { Rank::AdminFile } else { Rank::UserFile };
        Some(Said { value: setting.value, name, rank })
    }

    /// Of two that exclude each other, the one that was said more strongly; both, if as strongly. A flag beats the other's
    /// variable, which may be there for every run.
    pub(super) fn stronger(&self, one: Id, other: Id) -> (Option<Said<'a>>, Option<Said<'a>>) {
        match (self.said(one), self.said(other)) {
            (Some(first), Some(second)) if first.rank < second.rank => (Some(first), None),
            (Some(first), Some(second)) if first.rank > second.rank => (None, Some(second)),
            both => both,
        }
    }

    /// The value, or an error that says how the flag is written.
    pub(super) fn required<T>(&self, id: Id, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| {
            let command = self.parsed.command.map_or("sentinel", |command| command.name());
            let flag = Flag::of(id);
            let name = flag.map(Flag::dashed).unwrap_or_default();
            let noun = flag.and_then(|flag| flag.value).unwrap_or_default();
            Error::usage(format!("{command} needs {name}")).hint(format!("`{name} {noun}`"))
        })
    }

    pub(super) fn text(&self, id: Id) -> Result<Option<String>> {
        self.said(id).map(|said| said.text().map(str::to_owned)).transpose()
    }

    /// The values of a flag that may be given more than once and has no variable.
    pub(super) fn texts(&self, id: Id) -> Result<Vec<String>> {
        let Some(said) = self.said(id) else { return Ok(Vec::new()) };
        self.parsed.values(id).map(|value| said.with(value).text().map(str::to_owned)).collect()
    }

    /// All values of a flag that may be given more than once, else those of its variable or setting, which stand apart by blanks
    /// or one of `apart`. Each is text.
    pub(super) fn list(&self, id: Id, apart: &[char]) -> Result<Vec<(&'a str, Said<'a>)>> {
        let Some(said) = self.said(id) else { return Ok(Vec::new()) };
        let each = |text: &'a str| (text, said.with(OsStr::new(text)));
        let given: Vec<&'a OsStr> = self.parsed.values(id).collect();
        if !given.is_empty() {
            return given.into_iter().map(|value| said.with(value).text().map(each)).collect();
        }
        let parts = said.text()?.split(|c: char| c.is_ascii_whitespace() || apart.contains(&c));
        Ok(parts.filter(|part| !part.is_empty()).map(each).collect())
    }

    /// A group.
    pub(super) fn group(&self, id: Id) -> Result<Option<WantedGroup>> {
        let group = |said: Said<'_>| Ok(WantedGroup { name: said.text()?.to_owned(), said: said.quoted() });
        self.said(id).map(group).transpose()
    }

    pub(super) fn path(&self, id: Id) -> Option<PathBuf> {
        self.said(id).map(|said| PathBuf::from(said.value))
    }

    /// The command's words as files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.parsed.words.iter().map(PathBuf::from).collect()
    }

    /// The command's one word as a file.
    pub(super) fn file(&self) -> Result<PathBuf> {
        self.parsed.words.first().map(PathBuf::from).ok_or_else(|| Error::usage("a file is missing"))
    }

    /// The command's one word as the id of a record.
    pub(super) fn record_id(&self) -> Result<String> {
        let word = self.parsed.words.first().map_or(OsStr::new(""), |word| word.as_os_str());
        let id = word.to_str().filter(|text| crate::store::record::is_id(text));
        id.map(str::to_owned).ok_or_else(|| {
            Error::usage(format!("`{}` is not an id", word.display())).hint("ids have 16 hex digits: 0123456789abcdef")
        })
    }

    /// The word on the command line, the flag, SENTINEL_PROFILE, AWS_PROFILE or AWS_DEFAULT_PROFILE.
    pub(super) fn profile(&self) -> Result<Option<String>> {
        let said = |value| Said::on_the_command_line("the profile", value);
        let word = self.parsed.profile.as_deref().map(said);
        let said = match word.or_else(|| self.said(Id::Profile)) {
            // AWS's variables are variables: they beat a file, unless it is locked.
            Some(said) if said.rank <= Rank::Variable => Some(said),
            // Also where the file that locks it names none: then it is AWS's own default.
            from_file if self.config.lock("profile").is_some() => from_file,
            from_file => self.aws_profile()?.or(from_file),
        };
        let Some(said) = said else { return Ok(None) };
        match said.text()? {
            "" => Err(Error::usage(format!("{} is empty", said.name))),
            name => Ok(Some(name.to_owned())),
        }
    }

    /// AWS's tools differ in which of the two they read first, so that they must not differ.
    fn aws_profile(&self) -> Result<Option<Said<'a>>> {
        let named =
            |name: &str| self.env.os(name).map(|value| Said { value, name: name.to_owned(), rank: Rank::Variable });
        match (named("AWS_PROFILE"), named("AWS_DEFAULT_PROFILE")) {
            (Some(one), Some(other)) if one.value != other.value => {
                Err(Error::usage(format!("{} and {} name two profiles", one.quoted(), other.quoted()))
                    .hint("unset AWS_DEFAULT_PROFILE, the older name, or give --profile"))
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// A region becomes part of host names, so that nothing but a label passes.
    pub(super) fn region(&self) -> Result<Option<String>> {
        let Some(said) = self.said(Id::Region) else { return Ok(None) };
        let text = said.text()?;
        let is_label =
            text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_label {
            return Err(
                Error::usage(format!("{} is not a region", said.quoted())).hint("a region looks like eu-west-1")
            );
        }
        Ok(Some(text.to_owned()))
    }

    pub(super) fn switch(&self, id: Id) -> Result<bool> {
        if self.parsed.has(id) {
            return Ok(true);
        }
        let Some(said) = self.said(id) else { return Ok(false) };
        match said.text()?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => Ok(true),
            "0" | "false" | "no" => Ok(false),
            _ => Err(Error::usage(format!("{} is neither yes nor no", said.quoted()))
                .hint("write 1, true or yes, or 0, false or no")),
        }
    }

    /// One of the flag's choices, which `kinds` lists in the same order.
    pub(super) fn choice<T: Copy>(&self, id: Id, kinds: &[T]) -> Result<Option<T>> {
        let choices = Flag::of(id).map_or(&[][..], |flag| flag.choices);
        let Some(said) = self.said(id) else { return Ok(None) };
        let text = said.text()?;
        let found = choices.iter().zip(kinds).find(|(choice, _)| **choice == text).map(|(_, kind)| *kind);
        found.map(Some).ok_or_else(|| {
            let error = said.is_not(&format!("one of {}", choices.join(", ")));
            match did_you_mean(text, choices.iter().copied()) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    /// A whole number from `least` on.
    pub(super) fn number(&self, id: Id, least: u64) -> Result<Option<u64>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        match said.text()?.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(said.is_not(&format!("a whole number of {least} or more"))),
        }
    }

    /// The same, and no more than `most`.
    pub(super) fn number_to(&self, id: Id, least: u64, most: u64) -> Result<Option<u64>> {
        match (self.number(id, least)?, self.said(id)) {
            (Some(number), Some(said)) if number > most => {
                Err(Error::usage(format!("{} is above {most}", said.quoted())))
            }
            (number, _) => Ok(number),
        }
    }

    pub(super) fn time(&self, id: Id) -> Result<Option<Timestamp>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        let time = said.text()?.parse().ok();
        time.map(Some).ok_or_else(|| said.is_not("a time").hint("write it as 2026-01-31T23:30:00Z"))
    }

    /// A text of so many characters.
    pub(super) fn sentence(&self, id: Id, least: usize, most: usize) -> Result<Option<String>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        let text = said.text()?;
        match text.chars().count() {
            length if (least..=most).contains(&length) => Ok(Some(text.to_owned())),
            length => {
                Err(Error::usage(format!("{} has {length} characters, and {least} to {most} are wanted", said.name)))
            }
        }
    }

    /// Text of which each character passes.
    pub(super) fn word(&self, id: Id, what: &str, passes: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        match said.text()? {
            text if passes(text) => Ok(Some(text.to_owned())),
            _ => Err(said.is_not(what)),
        }
    }

    pub(super) fn length(&self, id: Id) -> Result<Option<(Duration, String)>> {
        let Some(said) = self.said(id) else { return Ok(None) };
        let length = duration::parse(said.text()?);
        let length = length.ok_or_else(|| said.is_not("a duration").hint("write 15m, 1h30m, 900s or seconds"))?;
        Ok(Some((length, said.quoted())))
    }

    /// How long a session lives.
    pub(super) fn session_length(&self, id: Id, (longest, whose): (Duration, &str)) -> Result<Option<Duration>> {
        let Some((length, quoted)) = self.length(id)? else { return Ok(None) };
        if length < SHORTEST_SESSION {
            let shortest = duration::text(SHORTEST_SESSION);
            return Err(Error::usage(format!("{quoted} is below {shortest}, the shortest session that AWS issues")));
        }
        if length > longest {
            let limit = hours(longest);
            return Err(Error::usage(format!("{quoted} is above {limit}, {whose}")));
        }
        Ok(Some(length))
    }

    /// How long the window of an approval or an emergency is.
    pub(super) fn window(&self, longest: Duration) -> Result<Duration> {
        const DEFAULT: Duration = Duration::from_secs(3600);
        let Some((length, quoted)) = self.length(Id::Window)? else { return Ok(DEFAULT) };
        if (SHORTEST_SESSION..=longest).contains(&length) {
            return Ok(length);
        }
        let (least, most) = (duration::text(SHORTEST_SESSION), hours(longest));
        Err(Error::usage(format!("{quoted} is not between {least} and {most}")))
    }
}

/// `36h`: hours, because AWS states its limits in hours.
fn hours(length: Duration) -> String {
    format!("{}h", length.as_secs() / 3600)
}

/// AssumeRole and GetSessionToken take no less than 900 seconds.
const SHORTEST_SESSION: Duration = Duration::from_secs(900);
/// GetSessionToken's limit. AssumeRole's is 12 hours, and is known only once the profile is.
pub(super) const LONGEST_SESSION: (Duration, &str) =
    (Duration::from_secs(36 * 3600), "the longest session that AWS issues");
/// AssumeRole's limit.
pub(super) const LONGEST_ROLE_SESSION: (Duration, &str) =
    (Duration::from_secs(12 * 3600), "the longest session that AWS issues for a role");
