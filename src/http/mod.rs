//! The HTTP edge: bytes to request, answer to bytes. Nothing here reads a socket.
//!
//! We accept one narrow dialect of HTTP/1.1, the one that the AWS SDKs speak, and refuse the rest before anyone has to
//! interpret it (T8, T11, T12). A refused request always costs the client its connection: what follows a head that we
//! did not understand cannot be told from a body.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod body;
pub mod client;
mod head;

pub mod hosts;
mod path;
pub mod refusal;
pub mod request;
pub mod response;
