//! A store for tests: in memory, with another writer who may be faster.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::cli::person::Person;
use crate::store::{Engine, Failed, Index, Item, Kind, Listing, Record};

/// What another writer does before the next write arrives.
type Rival = Box<dyn FnOnce(&Memory) + Send>;

/// Records in memory.
#[derive(Default)]
pub(in crate::cli) struct Memory {
    items: Mutex<BTreeMap<String, Item>>,
    rivals: Mutex<Vec<Rival>>,
}

impl Memory {
    /// A store with these records.
    pub(in crate::cli) fn with<R: Record>(records: &[&R]) -> Self {
        let memory = Self::default();
        for record in records {
            memory.put(&record.to_item());
        }
        memory
    }

    /// Another writer does this before the next write arrives; several wait for a write each.
    pub(in crate::cli) fn rival(self, rival: impl FnOnce(&Self) + Send + 'static) -> Self {
        self.rivals.lock().expect("lock").push(Box::new(rival));
        self
    }

    /// Writes without a condition.
    pub(in crate::cli) fn put(&self, item: &Item) {
        self.items.lock().expect("lock").insert(item.text("id").expect("an id").to_owned(), item.clone());
    }

    /// The record of this id.
    pub(in crate::cli) fn read<R: Record>(&self, id: &str) -> R {
        R::of_item(&self.item(id).expect("it is there")).expect("a record")
    }

    /// Every record.
    pub(in crate::cli) fn all<R: Record>(&self) -> Vec<R> {
        self.items.lock().expect("lock").values().map(|item| R::of_item(item).expect("a record")).collect()
    }

    fn item(&self, id: &str) -> Option<Item> {
        self.items.lock().expect("lock").get(id).cloned()
    }

    fn let_a_rival_write(&self) {
        let rival = {
            let mut rivals = self.rivals.lock().expect("lock");
            (!rivals.is_empty()).then(|| rivals.remove(0))
        };
        if let Some(rival) = rival {
            rival(self);
        }
    }
}

impl Engine for Memory {
    fn insert(&self, _kind: Kind, item: &Item) -> Result<(), Failed> {
        self.let_a_rival_write();
        match self.item(item.text("id").expect("an id")) {
            Some(_) => Err(Failed::Conflict),
            None => {
                self.put(item);
                Ok(())
            }
        }
    }

    fn get(&self, _kind: Kind, id: &str) -> Result<Option<Item>, Failed> {
        Ok(self.item(id))
    }

    fn replace(&self, _kind: Kind, item: &Item) -> Result<(), Failed> {
        self.let_a_rival_write();
        match self.item(item.text("id").expect("an id")) {
            Some(found) if found.version() + 1 == item.version() => {
                self.put(item);
                Ok(())
            }
            _ => Err(Failed::Conflict),
        }
    }

    fn list(&self, _kind: Kind, index: Option<Index<'_>>, limit: usize) -> Result<Listing, Failed> {
        let leads = |item: &&Item| index.is_none_or(|index| item.text(index.field) == Some(index.value));
        let mut items: Vec<Item> = self.items.lock().expect("lock").values().filter(leads).cloned().collect();
        items.sort_by(|a, b| b.text("created_at").cmp(&a.text("created_at")));
        items.truncate(limit);
        Ok(Listing { items, flaws: Vec::new() })
    }

    fn place(&self, _kind: Kind) -> String {
        "memory".to_owned()
    }

    fn table(&self, _kind: Kind) -> Option<&str> {
        None
    }
}

/// A time on the day on which tests happen: `12:30`.
pub(in crate::cli) fn at(time: &str) -> Timestamp {
    format!("2026-03-04T{time}:00Z").parse().expect("a time")
}

/// An IAM user.
pub(in crate::cli) fn person(name: &str) -> Person {
    Person {
        user: name.to_owned(),
        account: Some("123456789012".to_owned()),
        principal_id: Some(format!("AIDA{}", name.to_uppercase())),
    }
}
