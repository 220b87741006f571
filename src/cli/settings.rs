//! What the user wants, typed: a flag beats its environment variable, which beats the default.
//!
//! One file a family of commands; `given` reads single values, and `places` what several families share.

mod given;
mod imds;
mod log;
mod places;
mod policy;
mod records;
mod run;
mod serve;
mod token_file;
mod whoami;

pub use given::{Given, WantedGroup};
pub use log::{LogCommand, ShowLog, VerifyLog, When};
pub use places::{Access, Log, PolicyPlace, PolicySource, Stores};
pub use policy::{Asked, Diff, Judge, Keygen, NotAfter, Os, PolicyCommand, Pull, Push, Sign, Validate};
pub use records::{
    BreakglassCommand, CloseEvent, CreateRequest, DecideRequest, DenyRequest, EndRecord, ListRecords, OpenEvent,
    RequestCommand, SessionCommand, ShowRecord,
};
pub use run::{Bind, Common, Credentials, Exec, Server, Transport};
pub use serve::{Demand, DemandKind, Serve, ServicePlace, WantedEntry};
pub use token_file::TokenFile;
pub use whoami::Whoami;

use super::flags::{Flag, Id};

/// `--name`.
fn name_of(id: Id) -> String {
    Flag::of(id).map(Flag::dashed).unwrap_or_default()
}

#[cfg(test)]
mod tests;
