//! An engine for each kind: sessions may be in a table that a whole company sees, requests on this host.

use std::sync::Arc;

use super::record::{Item, Kind};
use super::{Engine, Failed, Index, Listing};

/// Each kind's engine.
pub struct Split {
    /// Where sessions are.
    pub sessions: Arc<dyn Engine>,
    /// Where requests are.
    pub requests: Arc<dyn Engine>,
    /// Where break-glass events are.
    pub events: Arc<dyn Engine>,
}

impl Split {
    fn of(&self, kind: Kind) -> &dyn Engine {
        match kind {
            Kind::Session => &*self.sessions,
            Kind::Request => &*self.requests,
            Kind::Event => &*self.events,
        }
    }
}

impl Engine for Split {
    fn insert(&self, kind: Kind, item: &Item) -> Result<(), Failed> {
        self.of(kind).insert(kind, item)
    }

    fn get(&self, kind: Kind, id: &str) -> Result<Option<Item>, Failed> {
        self.of(kind).get(kind, id)
    }

    fn replace(&self, kind: Kind, item: &Item) -> Result<(), Failed> {
        self.of(kind).replace(kind, item)
    }

    fn list(&self, kind: Kind, index: Option<Index<'_>>, limit: usize) -> Result<Listing, Failed> {
        self.of(kind).list(kind, index, limit)
    }

    fn place(&self, kind: Kind) -> String {
        self.of(kind).place(kind)
    }

    fn table(&self, kind: Kind) -> Option<&str> {
        self.of(kind).table(kind)
    }
}
