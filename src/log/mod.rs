//! What sentinel writes down: lines for the people who run it, and one record for every decision.
//!
//! The operator log ([`operator`]) may lose a line; the decision log ([`decision`]) may not: no credential is given
//! without its record (T17). Each process writes a stream of lines that name each other ([`chain`]), so that whoever reads
//! them ([`verify`], [`show`]) sees what was changed, moved or taken away.

pub mod chain;
pub mod decision;
pub mod operator;
pub mod ratchet;
pub mod reader;
pub mod show;
pub mod syslog;
pub mod verify;

pub(crate) mod escape;
mod group;
mod heads;
mod line;
mod sink;
mod stderr;
mod writer;
