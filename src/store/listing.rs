//! What a listing found: the newest records, and what could not be read.

use jiff::Timestamp;

use super::record::Item;
use crate::error::Error;

/// Flaws that are told one by one.
const FLAWS_TOLD: usize = 10;

/// Records, and what stands among them that is none.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub items: Vec<Item>,
    /// Why others could not be read, each with its place: to be shown, because a listing that passes over them in silence
    /// hides what somebody may have damaged.
    pub flaws: Vec<Error>,
}

/// Keeps the newest of many records, without keeping them all.
pub(super) struct Newest {
    limit: usize,
    found: Vec<(Timestamp, Item)>,
    flaws: Vec<Error>,
    untold: usize,
}

impl Newest {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, found: Vec::new(), flaws: Vec::new(), untold: 0 }
    }

    pub(super) fn add(&mut self, item: Item) {
        // By the time and not by its text: tools differ in the fraction's length.
        let created = item.text("created_at").and_then(|text| text.parse().ok()).unwrap_or(Timestamp::MIN);
        self.found.push((created, item));
        if self.found.len() >= self.limit.saturating_mul(2).saturating_add(1_000) {
            self.forget_old();
        }
    }

    pub(super) fn flaw(&mut self, error: Error) {
        if self.flaws.len() < FLAWS_TOLD {
            self.flaws.push(error);
        } else {
            self.untold += 1;
        }
    }

    fn forget_old(&mut self) {
        // Those of one millisecond by their ids, so that a listing is the same twice.
        self.found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.text("id").cmp(&y.text("id"))));
        self.found.truncate(self.limit);
    }

    /// The listing; `place` is where it was made.
    pub(super) fn listing(mut self, place: &str) -> Listing {
        self.forget_old();
        if self.untold > 0 {
            self.flaws.push(Error::new(format!("{} more records in {place} cannot be read", self.untold)));
        }
        Listing { items: self.found.into_iter().map(|(_, item)| item).collect(), flaws: self.flaws }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::record::Value;

    fn item(id: &str, created: &str) -> Item {
        let text = |text: &str| Value::Text(text.to_owned());
        Item(BTreeMap::from([("id".to_owned(), text(id)), ("created_at".to_owned(), text(created))]))
    }

    fn ids(listing: &Listing) -> Vec<&str> {
        listing.items.iter().filter_map(|item| item.text("id")).collect()
    }

    #[test]
    fn the_newest_come_first_whatever_their_times_look_like() {
        let mut newest = Newest::new(3);
        for (id, created) in [
            ("no time", "yesterday"),
            ("second", "2026-01-01T00:00:01Z"),
            ("third", "2026-01-01T00:00:00.5Z"),
            ("first", "2026-01-01T02:00:01.000001+01:00"),
            ("fourth", "2026-01-01T00:00:00.25Z"),
        ] {
            newest.add(item(id, created));
        }
        assert_eq!(ids(&newest.listing("here")), ["first", "second", "third"]);
    }

    #[test]
    fn no_more_is_kept_than_is_needed() {
        let mut newest = Newest::new(2);
        for second in 0..5_000 {
            newest.add(item(&second.to_string(), &Timestamp::new(second, 0).expect("a time").to_string()));
            assert!(newest.found.len() <= 1_004, "{}", newest.found.len());
        }
        assert_eq!(ids(&newest.listing("here")), ["4999", "4998"]);
    }

    #[test]
    fn flaws_are_counted_where_there_are_many() {
        let mut newest = Newest::new(1);
        for number in 0..13 {
            newest.flaw(Error::new(format!("flaw {number}")));
        }
        let flaws: Vec<String> = newest.listing("/x").flaws.iter().map(ToString::to_string).collect();
        assert_eq!(flaws.len(), 11);
        assert_eq!(flaws.last().map(String::as_str), Some("3 more records in /x cannot be read"));
    }
}
