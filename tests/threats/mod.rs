//! Attacks on the real binary, one file a promise, numbered as SECURITY.md numbers them.

mod arena;
mod asker;
mod modes;
mod t01_socket_is_private;
mod t02_path_is_not_stolen;
mod t03_socket_is_gone;
mod t04_stolen_token;
mod t05_first_use;
mod t06_refusals_are_alike;
mod t07_tokens;
mod t08_hosts;
mod t09_tcp_listeners;
mod t11_bounds;
mod t12_ambiguous_http;
mod t13_secrets_in_memory;
mod t14_policy;
mod t14_programs;
mod t18_never_expired;
mod t19_environment;
mod t21_files;
mod t24_hostile_input;
mod t25_not_in_the_tree;
mod t26_attestation_failure;
mod t27_connections_end;
mod t29_signed_policies;
mod t32_namespaces;
