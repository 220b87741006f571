//! How records look on a terminal: what others wrote there moves no cursor and hides nothing.

use std::time::Duration;

use crate::duration;
use crate::error::{Error, Result};
use crate::log::escape;
use crate::store::record::Value;
use crate::store::{Item, Kind};

/// The longest text in a cell of a table.
const CELL_BYTES: usize = 48;

/// A text of somebody else's, whole, without characters that act on a terminal.
pub(in crate::cli) fn escaped(text: &str) -> String {
    cut(text, usize::MAX)
}

/// Lines of columns under a head. Nothing but the head where there are no lines.
pub(in crate::cli) fn table<const N: usize>(head: [&str; N], lines: &[[String; N]]) -> String {
    let lines: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(lines.iter().map(|line| line.each_ref().map(|cell| cut(cell, CELL_BYTES))))
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Every field of a record, one a line, in the order in which its kind has them.
pub(in crate::cli) fn fields(kind: Kind, item: &Item, place: &str) -> String {
    let known = kind.fields().iter().copied();
    let other = item.0.keys().map(String::as_str).filter(|name| !kind.fields().contains(name));
    let mut text = String::new();
    for name in known.chain(other) {
        if let Some(value) = item.0.get(name) {
            text.push_str(&field(name, &written(name, value)));
        }
    }
    text.push_str(&field("place", place));
    text
}

/// One line of [`fields`].
pub(in crate::cli) fn field(name: &str, value: &str) -> String {
    format!("{:20}{}\n", format!("{}:", escaped(name)), escaped(value))
}

/// A record as a line of JSON, which a terminal may show as well.
///
/// # Errors
/// When it cannot be written as JSON.
pub(in crate::cli) fn json(item: &Item) -> Result<String> {
    let line =
        serde_json::to_string(item).map_err(|error| Error::new("cannot write a record as JSON").because(error))?;
    // What is escaped is within strings, where JSON escapes it in the same way.
    Ok(format!("{}\n", escaped(&line)))
}

/// The same record with another text in one field.
pub(in crate::cli) fn with(mut item: Item, name: &str, text: &str) -> Item {
    item.0.insert(name.to_owned(), Value::Text(text.to_owned()));
    item
}

fn written(name: &str, value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        // Records have it in nanoseconds.
        Value::Number(number) if name == "duration" => {
            u64::try_from(*number).map_or_else(|_| number.to_string(), |ns| duration::text(Duration::from_nanos(ns)))
        }
        Value::Number(number) => number.to_string(),
    }
}

fn cut(text: &str, limit_bytes: usize) -> String {
    let mut out = String::new();
    escape::push(&mut out, text, limit_bytes);
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn item(fields: &[(&str, &str)]) -> Item {
        let text = |(name, text): &(&str, &str)| ((*name).to_owned(), Value::Text((*text).to_owned()));
        Item(fields.iter().map(text).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let line = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let text = table(["ID", "WHY"], &[line("0123", "x"), line("4", "a\u{202e}b\x1b[2J")]);
        assert_eq!(text, "ID    WHY\n0123  x\n4     a\\u202eb\\u001b[2J\n");
        assert_eq!(table(["ID", "WHY"], &[]), "ID  WHY\n");
        let long = "x".repeat(60);
        assert_eq!(table(["A"], &[[long]]), format!("A\n{}...\n", "x".repeat(45)));
    }

    #[test]
    fn every_field_is_shown_known_ones_first() {
        let item = item(&[("a_later_tools", "y\nz"), ("status", "pending"), ("id", "0123456789abcdef")]);
        assert_eq!(
            fields(Kind::Request, &item, "here"),
            "id:                 0123456789abcdef\nstatus:             pending\na_later_tools:      y\\u000az\nplace:              \
             here\n"
        );
    }

    #[test]
    fn a_window_is_shown_as_people_write_it_and_what_is_no_window_as_it_is() {
        for (ns, shown) in [(5_400_000_000_000, "1h30m"), (-1, "-1")] {
            let item = Item(BTreeMap::from([("duration".to_owned(), Value::Number(ns))]));
            let expected = format!("duration:           {shown}\nplace:              here\n");
            assert_eq!(fields(Kind::Request, &item, "here"), expected);
        }
    }

    #[test]
    fn json_stays_json() {
        let item = item(&[("id", "0123456789abcdef"), ("justification", "a\"\\\n\u{9b}\u{202e}é")]);
        let line = json(&item).expect("JSON");
        assert_eq!(line, "{\"id\":\"0123456789abcdef\",\"justification\":\"a\\\"\\\\\\n\\u009b\\u202eé\"}\n");
        let read: Item = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read, item);
    }
}
