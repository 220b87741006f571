//! What every command that serves has.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::server::TOGETHER;
use crate::sys::process::descriptor_limit;
use crate::vending::Vendor;

/// Sessions that are served are renewed while they last: short ones lose less when they leak.
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(30 * 60);
/// Descriptors that a connection needs: its socket, its peer's process and address space, and three while ancestry is walked; over
/// TCP one of those is the link by which the peer holds it, later on.
const CONNECTION_DESCRIPTORS: usize = 6;
/// Descriptors that everything else needs: sockets, logs, files, records, calls to AWS, processes that came over TCP before and their
/// address spaces.
const OTHER_DESCRIPTORS: usize = 56;
/// The refresher only looks at the clock and starts fetches.
const REFRESHER_STACK_BYTES: usize = 64 * 1024;

/// As many as are wanted and there are descriptors for, because a peer without descriptors to attest it by is refused.
pub(super) fn max_connections(wanted: usize) -> usize {
    fitting(wanted, descriptor_limit().unwrap_or(0))
}

/// What to say where fewer connections fit than are wanted.
pub(super) fn fewer_connections(wanted: usize) -> Option<String> {
    let descriptors = descriptor_limit().unwrap_or(0);
    told(wanted, descriptors)
}

fn told(wanted: usize, descriptors: usize) -> Option<String> {
    let fitting = fitting(wanted, descriptors);
    (fitting < wanted).then(|| {
        format!("at most {fitting} connections at a time, and not {wanted}: the limit on open files is {descriptors}")
    })
}

fn fitting(wanted: usize, descriptors: usize) -> usize {
    // An evicted connection keeps its own until its thread is scheduled, and as many may be arriving.
    let each = 2 * CONNECTION_DESCRIPTORS + TOGETHER;
    wanted.min((descriptors.saturating_sub(OTHER_DESCRIPTORS) / each).max(2))
}

/// Keeps a vendor's credentials fresh, on a thread of its own.
pub(super) fn refresh(vendor: &Arc<Vendor>) -> Result<JoinHandle<()>> {
    let refreshed = Arc::clone(vendor);
    thread::Builder::new()
        .name("sentinel-refresh".to_owned())
        .stack_size(REFRESHER_STACK_BYTES)
        .spawn(move || refreshed.keep_fresh())
        .map_err(|error| Error::new("cannot start a thread").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_connections_than_are_wanted_are_told_of() {
        assert_eq!((fitting(64, 1024), told(64, 1024)), (64, None), "the default fits the usual limit");
        let fewer = "at most 64 connections at a time, and not 500: the limit on open files is 1024";
        assert_eq!((fitting(500, 1024), told(500, 1024).as_deref()), (64, Some(fewer)));
        assert_eq!(fitting(500, 0), 2);
    }
}
