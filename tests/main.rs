//! Integration tests: one binary.

mod clients;
