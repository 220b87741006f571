//! Durations as users write them: `15m`, `1h30m`, `900s`, or seconds.

use std::time::Duration;

/// Parses `1h30m`, `15m`, `900s`, `2d` or a bare number of seconds. Units go from large to small, each once.
///
/// Returns `None` for anything else, for zero and for more than 10 000 days.
pub fn parse(text: &str) -> Option<Duration> {
    const LIMIT_S: u64 = 10_000 * 86_400;
    let mut total_s: u64 = 0;
    let mut rest = text;
    let mut units: &[(char, u64)] = &[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    if let Ok(seconds) = text.parse::<u64>()
        && !text.starts_with('+')
    {
        total_s = seconds;
        rest = "";
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(end)?;
        let mut tail = tail.chars();
        let unit = tail.next()?;
        let index = units.iter().position(|(letter, _)| *letter == unit)?;
        let (_, scale) = units.get(index)?;
        total_s = total_s.checked_add(number.parse::<u64>().ok()?.checked_mul(*scale)?)?;
        units = units.get(index + 1..)?;
        rest = tail.as_str();
    }
    (1..=LIMIT_S).contains(&total_s).then(|| Duration::from_secs(total_s))
}

/// The shortest text that [`parse`] reads back: `1h30m`, `15m`, `45s`.
pub fn text(duration: Duration) -> String {
    let mut rest_s = duration.as_secs();
    let mut text = String::new();
    for (letter, scale) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        let count = rest_s / scale;
        rest_s %= scale;
        if count > 0 {
            text.push_str(&format!("{count}{letter}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (input, seconds) in [("15m", 900), ("1h30m", 5_400), ("900s", 900), ("900", 900), ("1d", 86_400)] {
            assert_eq!(parse(input), Some(Duration::from_secs(seconds)), "{input}");
        }
        for input in ["", "0", "m", "15x", "30m1h", "1h1h", "-5", "+5", "1.5h", "99999999999999999999s", " 5"] {
            assert_eq!(parse(input), None, "{input}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for input in ["15m", "1h30m", "45s", "1d1s"] {
            assert_eq!(parse(input).map(text).as_deref(), Some(input));
        }
    }
}
