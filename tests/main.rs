//! Integration tests: one binary.

mod cargo;
mod clients;
mod dependencies;
mod layering;
mod threats_table;
