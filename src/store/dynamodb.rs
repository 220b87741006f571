//! Records in DynamoDB tables, one for each kind, where many hosts see them. docs/tables.md says how tables are made.
//!
//! An item has a record's fields as attributes: texts as S, numbers as N, empty ones not at all. What an item has beyond
//! them is another tool's, and stays as it is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::listing::Newest;
use super::record::{Item, Kind, Value, is_id};
use super::{Engine, Failed, Index, Listing};
use crate::aws::dynamodb::{self as api, Attributes, Before, Lookup, Refused, is_timeout, is_too_large};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// The longest that a call takes, whatever it has to ask. A session is looked at every few seconds, and a person waits.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Items asked for at once: their JSON is far below the largest answer taken, but for texts of the longest kind.
const PAGE_ITEMS: usize = 400;
/// By how much fewer are asked for when an answer was too large.
const PAGE_SHRINKS: usize = 8;

/// The tables' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// `--session-table`.
    pub sessions: Option<String>,
    /// `--request-table`.
    pub requests: Option<String>,
    /// `--breakglass-table`.
    pub events: Option<String>,
}

/// The engine of tables.
pub struct DynamoDb {
    api: api::DynamoDb,
    tables: Tables,
    clock: Arc<dyn Clock>,
}

impl DynamoDb {
    /// Tables at an endpoint. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// When a name could not be a table's.
    pub fn new(api: api::DynamoDb, tables: Tables, clock: Arc<dyn Clock>) -> Result<Self> {
        for name in [&tables.sessions, &tables.requests, &tables.events].into_iter().flatten() {
            check_name(name)?;
        }
        Ok(Self { api, tables, clock })
    }

    fn deadline(&self) -> Duration {
        self.clock.boot().saturating_add(CALL_LIMIT)
    }

    fn named(&self, kind: Kind) -> Result<&str> {
        self.table(kind).ok_or_else(|| Error::new(format!("no DynamoDB table is named for a {}", kind.noun())))
    }

    /// What a refusal says to people.
    fn error(&self, kind: Kind, refused: Refused, index: Option<Index<'_>>) -> Failed {
        let (table, region) = (self.table(kind).unwrap_or_default(), self.api.region());
        let error = match (refused, index) {
            (Refused::Condition, _) => return Failed::Conflict,
            (Refused::NoIndex, Some(index)) => {
                let name = kind.index_of(index.field).unwrap_or_default();
                Error::new(format!("the DynamoDB table `{table}` in {region} has no index `{name}`")).hint(format!(
                    "add a global secondary index `{name}` with the hash key `{}` (S) that projects ALL attributes",
                    index.field
                ))
            }
            (Refused::NoTable | Refused::NoIndex, _) => {
                Error::new(format!("there is no DynamoDB table `{table}` in {region}"))
                    .hint("create it as docs/tables.md says, or name another table or region")
            }
            (Refused::Failure(failure), _) if failure.code() == "ValidationException" => {
                let within = format!("the DynamoDB table `{table}` does not fit");
                Error::from(failure)
                    .within(&within)
                    .hint("its only key has to be `id` (S): docs/tables.md has commands that make such a table")
            }
            (Refused::Failure(failure), _) => Error::from(failure).within(&format!("the DynamoDB table `{table}`")),
            (Refused::Keys(error), _) => error.within(&format!("no keys for the DynamoDB table `{table}`")),
        };
        Failed::Error(error)
    }
}

impl Engine for DynamoDb {
    fn insert(&self, kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        let (table, id) = (self.named(kind)?, item.checked_id(kind)?);
        let written = self.api.insert(table, id, &attributes(item), self.deadline());
        written.map_err(|refused| self.error(kind, refused, None))
    }

    fn get(&self, kind: Kind, id: &str) -> std::result::Result<Option<Item>, Failed> {
        if !is_id(id) {
            return Ok(None);
        }
        let found = self.api.get(self.named(kind)?, id, self.deadline());
        let found = found.map_err(|refused| self.error(kind, refused, None))?.map(|attributes| item(&attributes));
        match found {
            Some(other) if other.text("id") != Some(id) => {
                let what = format!("the DynamoDB table `{}` gave another item than {id}", self.named(kind)?);
                Err(Error::new(what).hint("is it AWS's? `--aws-profile` and its endpoint_url say where it is").into())
            }
            found => Ok(found),
        }
    }

    fn replace(&self, kind: Kind, item: &Item) -> std::result::Result<(), Failed> {
        let (table, id) = (self.named(kind)?, item.checked_id(kind)?);
        let Some(version) = item.version().checked_sub(1).filter(|version| *version >= 0) else {
            return Err(Failed::Conflict);
        };
        let before =
            Before { version, statuses: item.text("status").map_or(&[], |status| kind.statuses_before(status)) };
        let gone: Vec<&str> = kind.fields().iter().copied().filter(|field| !item.0.contains_key(*field)).collect();
        let written = self.api.update(table, id, before, &attributes(item), &gone, self.deadline());
        written.map_err(|refused| self.error(kind, refused, None))
    }

    fn list(&self, kind: Kind, index: Option<Index<'_>>, limit: usize) -> std::result::Result<Listing, Failed> {
        let (table, deadline) = (self.named(kind)?, self.deadline());
        let lookup = match index {
            Some(Index { field, value }) => Some(Lookup { index: kind.index_of(field)?, field, value }),
            None => None,
        };
        let (mut newest, mut next, mut page_items) = (Newest::new(limit), None, PAGE_ITEMS);
        loop {
            let page = match self.api.page(table, lookup, page_items, next.as_ref(), deadline) {
                Ok(page) => page,
                Err(refused) if is_too_large(&refused) && page_items > 1 => {
                    page_items = (page_items / PAGE_SHRINKS).max(1);
                    continue;
                }
                Err(refused) if is_timeout(&refused) && next.is_some() => {
                    let seconds = CALL_LIMIT.as_secs();
                    let what = format!("the DynamoDB table `{table}` has more records than are read in {seconds} s");
                    return Err(Error::new(what).hint("ask for fewer: those of a user, a profile or a status").into());
                }
                Err(refused) => return Err(self.error(kind, refused, index)),
            };
            for attributes in &page.items {
                let item = item(attributes);
                match item.id() {
                    Ok(_) => newest.add(item),
                    Err(error) => newest.flaw(error.within(&format!("the DynamoDB table `{table}`"))),
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(newest.listing(&format!("the DynamoDB table `{table}`")));
            }
        }
    }

    fn place(&self, kind: Kind) -> String {
        self.table(kind).unwrap_or_default().to_owned()
    }

    fn table(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Session => self.tables.sessions.as_deref(),
            Kind::Request => self.tables.requests.as_deref(),
            Kind::Event => self.tables.events.as_deref(),
        }
    }
}

fn attributes(item: &Item) -> Attributes {
    let attribute = |value: &Value| match value {
        Value::Text(text) => json!({"S": text}),
        Value::Number(number) => json!({"N": number.to_string()}),
    };
    item.0.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// The texts and whole numbers among the attributes; what else is there is nothing that sentinel reads. Older tools write
/// empty texts where there is nothing to say.
pub fn item(attributes: &Attributes) -> Item {
    let value = |attribute: &Json| match (attribute.get("S"), attribute.get("N")) {
        (Some(text), None) => text.as_str().filter(|text| !text.is_empty()).map(|text| Value::Text(text.to_owned())),
        (None, Some(number)) => number.as_str().and_then(|number| number.parse().ok()).map(Value::Number),
        _ => None,
    };
    Item(attributes.iter().filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect())
}

/// Whether this can be a table's name: AWS allows 3 to 255 of these characters.
fn check_name(name: &str) -> Result<()> {
    let fits = (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if fits {
        return Ok(());
    }
    Err(Error::new(format!("`{}` is not a DynamoDB table's name", name.escape_debug()))
        .hint("it has 3 to 255 letters, digits, `_`, `.` and `-`; not an ARN"))
}

#[cfg(test)]
mod tests;
