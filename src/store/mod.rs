//! Sessions, approval requests and break-glass events: what outlives one process, and what others may read and end.
//!
//! | file | job |
//! |---|---|
//! | [`record`] | what each record says, and its fields' names |
//! | [`local`] | the engine of this host: a directory |
//! | [`dynamodb`] | the engine of many hosts: tables |
//! | [`split`] | an engine for each kind |
//! | [`instances`] | which sessions are being served on this host |
//!
//! One trait, [`Engine`], and two engines. Every write is conditional: two writers cannot both win.

mod directory;
pub mod dynamodb;
pub mod instances;
mod listing;
pub mod local;
pub mod record;
pub mod split;

pub use dynamodb::{DynamoDb, Tables};
pub use instances::Instance;
pub use listing::Listing;
pub use local::Local;
pub use record::{Event, Item, Kind, Record, Request, Session};
pub use split::Split;

use record::is_id;

use crate::error::Error;

/// Keeps records of all kinds. Calls may take seconds and are made on threads of their own, never on a connection's.
pub trait Engine: Send + Sync {
    /// Adds a record.
    ///
    /// # Errors
    /// [`Failed::Conflict`] when there is one with its id.
    fn insert(&self, kind: Kind, item: &Item) -> Result<(), Failed>;

    /// The record with this id.
    ///
    /// # Errors
    /// When the store does not answer, or holds something that is no record.
    fn get(&self, kind: Kind, id: &str) -> Result<Option<Item>, Failed>;

    /// Writes a record in place of the one whose version is one less, and whose status can come before this one's. Fields that
    /// sentinel does not know stay as they are.
    ///
    /// # Errors
    /// [`Failed::Conflict`] when that one is not there any more: read again and decide again.
    fn replace(&self, kind: Kind, item: &Item) -> Result<(), Failed>;

    /// Records, newest first, at most `limit` of them, that this index leads to; of all where there is none. Those that cannot
    /// be read are told, and keep no other from being listed. In DynamoDB an index may lag behind by a moment.
    ///
    /// # Errors
    /// When the store does not answer.
    fn list(&self, kind: Kind, index: Option<Index<'_>>, limit: usize) -> Result<Listing, Failed>;

    /// Where the records of this kind are, for people and for a rule's `session_table`: a table's name, or a directory.
    fn place(&self, kind: Kind) -> String;

    /// The DynamoDB table of this kind, where it is one.
    fn table(&self, kind: Kind) -> Option<&str>;
}

/// A field that records are found by, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index<'a> {
    /// One of [`Kind::indexes`]: `user`.
    pub field: &'static str,
    /// Its value.
    pub value: &'a str,
}

/// Why a call to the store did not succeed.
#[derive(Debug)]
pub enum Failed {
    /// Somebody else wrote first.
    Conflict,
    /// The store did not answer, or not well.
    Error(Error),
}

impl Failed {
    /// The failure of a call that cannot conflict.
    pub fn into_error(self) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Conflict => Error::new("somebody else wrote the record first").hint("try again"),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
