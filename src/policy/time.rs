//! Windows of time: days of the week and hours, on the local clock of a zone.
//!
//! The local clock decides, whatever it does: an hour that the clock skips in spring does not happen, and one that it
//! repeats in autumn counts both times.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The names of the days as policies write them.
pub(super) const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// When a rule applies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The days on which the window begins; `None` is every day.
    pub(super) days: Option<Vec<Weekday>>,
    /// `None` is the whole day.
    pub(super) hours: Option<Hours>,
    pub(super) zone: TimeZone,
}

/// `[start, end)`; an end before the start is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    start: Minute,
    end: Minute,
}

/// A minute of the day: 0 to 1439.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Minute(u16);

/// An instant, and what the local clock of the zone that was asked for last shows then. Finding that out costs more
/// than the rest of a rule, and the rules of a policy tend to be about one zone.
pub(super) struct Instant<'a> {
    now: Timestamp,
    last: Option<(&'a TimeZone, DateTime)>,
}

impl Window {
    /// Whether the instant lies inside.
    pub(super) fn contains<'a>(&'a self, instant: &mut Instant<'a>) -> bool {
        let local = instant.local(&self.zone);
        let today = local.date().weekday();
        let minute = Minute::of(local.hour(), local.minute());
        let began = match self.hours {
            None => Some(today),
            Some(hours) => hours.began(today, minute),
        };
        began.is_some_and(|day| self.days.as_ref().is_none_or(|days| days.contains(&day)))
    }

    /// What the zone's clock shows at an instant: `friday 23:05 Europe/Berlin`.
    pub(super) fn local_text(&self, now: Timestamp) -> String {
        let local = Instant::new(now).local(&self.zone);
        let minute = Minute::of(local.hour(), local.minute());
        format!("{} {minute} {}", name_of(local.date().weekday()), zone_name(&self.zone))
    }
}

impl fmt::Display for Window {
    /// `friday, saturday 22:00-06:00 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(days) = &self.days {
            let names: Vec<&str> = days.iter().map(|day| name_of(*day)).collect();
            write!(f, "{} ", names.join(", "))?;
        }
        if let Some(Hours { start, end }) = self.hours {
            write!(f, "{start}-{end} ")?;
        }
        f.write_str(zone_name(&self.zone))
    }
}

fn name_of(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, known)| *known == day).map_or("", |(name, _)| name)
}

fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

impl<'a> Instant<'a> {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, last: None }
    }

    fn local(&mut self, zone: &'a TimeZone) -> DateTime {
        match self.last {
            Some((last, local)) if last.iana_name().is_some() && last.iana_name() == zone.iana_name() => local,
            _ => {
                let local = zone.to_offset(self.now).to_datetime(self.now);
                self.last = Some((zone, local));
                local
            }
        }
    }
}

impl Hours {
    /// `None` when both ends are the same minute, which could mean all day or never.
    pub(super) fn new(start: Minute, end: Minute) -> Option<Self> {
        (start != end).then_some(Self { start, end })
    }

    /// The day on which the window that `now` is in began; `None` outside every window.
    fn began(self, today: Weekday, now: Minute) -> Option<Weekday> {
        if self.start < self.end {
            return (self.start <= now && now < self.end).then_some(today);
        }
        if now >= self.start {
            Some(today)
        } else if now < self.end {
            Some(today.previous())
        } else {
            None
        }
    }
}

impl Minute {
    /// Reads `HH:MM`, `00:00` to `23:59`, two digits each.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let two = |digits: &str| -> Option<u16> {
            let digits_only = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits_only.then(|| digits.parse().ok()).flatten()
        };
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        (hours < 24 && minutes < 60).then_some(Self(hours * 60 + minutes))
    }

    /// The civil clock's hour and minute, which are never negative.
    fn of(hour: i8, minute: i8) -> Self {
        Self(u16::from(hour.unsigned_abs()) * 60 + u16::from(minute.unsigned_abs()))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// The zone of this name in the bundled database, so that a host's own files cannot change what a policy means.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The zone names that are nearest to one that is not known, as a hint.
pub(super) fn did_you_mean_zone(name: &str) -> Option<String> {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<_> = database.available().collect();
    super::flaw::did_you_mean(name, names.iter().map(|name| name.as_str()))
}

#[cfg(test)]
mod tests;
