//! Thin, safe, typed wrappers over libc: the only unsafe code, one file a subject.
//!
//! Each wrapper makes one call, turns -1 into [`io::Error`] once, takes and returns typed ids, and holds no policy.
//!
//! `linux` and `macos` have the same names, and are the only code that knows which system this is.

#![expect(unsafe_code, reason = "this is where unsafe code lives; every other module forbids it")]

pub mod alloc;
pub mod clock;
pub mod directory;
pub mod interface;
pub mod memory;
pub mod poll;
pub mod process;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod user;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod pidfd;

#[cfg(target_os = "macos")]
mod macos;

use std::io;

#[cfg(target_os = "linux")]
use linux as kernel;
#[cfg(target_os = "macos")]
use macos as kernel;
#[cfg(target_os = "macos")]
pub use macos::{netlink, pidfd};

/// Turns libc's -1 into the error that `errno` holds.
fn cerr<T: From<i8> + PartialEq>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}
