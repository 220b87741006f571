//! Integration tests: one binary. What several files need is in `harness` and `fake_sts`; the rest are tests.

mod fake_sts;
mod harness;

mod bad_input;
mod exec_environment;
mod fake_sts_is_strict;
mod harness_is_honest;
