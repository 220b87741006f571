//! Thin, safe, typed wrappers over libc: the only unsafe code, one file a subject.
//!
//! Each wrapper makes one call, turns -1 into [`io::Error`] once, takes and returns typed ids, and holds no policy.

#![expect(unsafe_code, reason = "this is where unsafe code lives; every other module forbids it")]

pub mod alloc;
pub mod clock;
pub mod memory;
pub mod netlink;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod user;

use std::io;

/// Turns libc's -1 into the error that `errno` holds.
fn cerr<T: From<i8> + PartialEq>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}
