//! What sentinel writes down: lines for the people who run it, and one record for every decision.
//!
//! The operator log ([`operator`]) may lose a line; the decision log ([`decision`]) may not: no credential is given
//! without its record (T17).

pub mod decision;
pub mod operator;

pub(crate) mod escape;
mod group;
mod sink;
mod stderr;
