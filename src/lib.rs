//! sentinel brokers AWS credentials on a host: it fetches short-lived credentials and serves them
//! to exactly the process tree that should have them.
//!
//! The modules, in the order in which a request meets them:
//!
//! | module | job |
//! |---|---|
//! | [`cli`] | commands, the flag table, help, man page, completions |
//! | [`config`] | settings files, and what an administrator has locked |
//! | [`launch`] | what the child gets: environment, generated files, a private directory |
//! | [`warden`] | the process that starts the child and whose descendants are "the tree" |
//! | [`server`] | sockets, connection slots, deadlines |
//! | [`peer`] | which process is on the other end of a connection |
//! | [`http`] | bytes to request, answer to bytes |
//! | [`auth`] | does this peer hold a live token, inside its binding |
//! | [`vending`] | one request, in the only order there is: decide, fetch, record |
//! | [`broker`] | may they, now: the only maker of a grant |
//! | [`store`] | sessions, approval requests and break-glass events |
//! | [`policy`] | rules, strictly parsed, purely evaluated |
//! | [`source`] | credentials in exchange for a grant; the cache |
//! | [`aws`] | signing, carrying, and what AWS's answers mean |
//! | [`profile`] | AWS config and credentials files |
//! | [`log`] | the operator log and the decision log |
//!
//! Below them all: [`error`], [`secret`], [`clock`], [`deployment`], [`device`], [`mod@env`], [`digest`], [`ed25519`],
//! [`nearest`], [`duration`], [`interpreter`], [`stream`], [`trusted`] and [`sys`], the only module with unsafe code.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

#[forbid(unsafe_code)]
pub mod auth;
#[forbid(unsafe_code)]
pub mod aws;
#[forbid(unsafe_code)]
pub mod broker;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod clock;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod deployment;
#[forbid(unsafe_code)]
pub mod device;
#[forbid(unsafe_code)]
pub mod digest;
#[forbid(unsafe_code)]
pub mod duration;
#[forbid(unsafe_code)]
pub mod ed25519;
#[forbid(unsafe_code)]
pub mod env;
#[forbid(unsafe_code)]
pub mod error;
#[forbid(unsafe_code)]
pub mod http;
#[forbid(unsafe_code)]
pub mod interpreter;
#[forbid(unsafe_code)]
pub mod launch;
#[forbid(unsafe_code)]
pub mod log;
#[forbid(unsafe_code)]
pub mod nearest;
#[forbid(unsafe_code)]
pub mod peer;
#[forbid(unsafe_code)]
pub mod policy;
#[forbid(unsafe_code)]
pub mod profile;
#[forbid(unsafe_code)]
pub mod secret;
#[forbid(unsafe_code)]
pub mod server;
#[forbid(unsafe_code)]
pub mod source;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod stream;
pub mod sys;
#[forbid(unsafe_code)]
pub mod trusted;
#[forbid(unsafe_code)]
pub mod vending;
#[forbid(unsafe_code)]
pub mod warden;
