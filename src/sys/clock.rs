//! The kernel's clocks (clock_gettime(2)).

use std::time::Duration;

/// Time since the epoch, UTC. Jumps when the clock is set.
pub fn realtime() -> Duration {
    read(libc::CLOCK_REALTIME)
}

/// Time since boot, suspend included. Never jumps.
pub fn boottime() -> Duration {
    read(super::kernel::BOOT_CLOCK)
}

/// Time since some start, suspend not included: the clock by which service managers date messages.
pub fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one timespec; `time` is a live, exclusively borrowed timespec for the whole call.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    // It fails only for a clock that the kernel does not have, or that a filter of system calls keeps from us. A time of 0
    // would then be 1970, when nothing had expired yet: no answer at all is better.
    if result != 0 {
        std::process::abort();
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
