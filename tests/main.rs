//! Integration tests: one binary. What several files need is in `harness`, `fake_sts`, `wire` and `cargo`; the rest are tests.

mod cargo;
mod fake_ssm;
mod fake_sts;
mod harness;
mod wire;

mod bad_input;
mod ci;
mod clients;
mod corpora;
mod credentials;
mod decision_log;
mod dependencies;
mod exec_environment;
mod exec_server;
mod fake_sts_is_strict;
mod gate;
mod harness_is_honest;
mod imds;
mod layering;
mod mfa;
mod policy_commands;
mod policy_parameter;
mod profile_keys;
mod reading_order;
mod service_docs;
mod service_life;
mod session_policies;
mod settings_files;
mod staying_up;
mod store;
mod threats;
mod threats_table;
mod unsafe_list;
mod whoami;
