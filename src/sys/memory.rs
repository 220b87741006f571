//! Memory for secrets: pages of their own, locked against swap, left out of core dumps, empty in a forked child.

use std::io;
use std::ptr::NonNull;
use std::slice;

/// Private anonymous pages that hold one secret and nothing else.
///
/// Pages are not shared between secrets because mlock does not nest: unlocking one secret would unlock its neighbour.
pub struct LockedPages {
    start: NonNull<u8>,
    length_bytes: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone (no other pointer to them is kept), so they may move between threads.
unsafe impl Send for LockedPages {}
// SAFETY: shared access only reads (`as_slice`); writing takes `&mut self`.
unsafe impl Sync for LockedPages {}

impl LockedPages {
    /// Maps zeroed pages for at least `length_bytes` (at least one page).
    ///
    /// A refused mlock (RLIMIT_MEMLOCK) is not an error: see [`LockedPages::is_locked`].
    pub fn map(length_bytes: usize) -> io::Result<Self> {
        let length_bytes = length_bytes.max(1);
        // SAFETY: a null hint with MAP_ANONYMOUS|MAP_PRIVATE, fd -1 and offset 0 is the documented way to ask for fresh
        // memory; the length is not 0; no existing mapping is replaced because MAP_FIXED is absent.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(address.cast::<u8>()).ok_or_else(|| io::Error::other("mmap returned null"))?;
        let mut pages = Self { start, length_bytes, locked: false };
        // SAFETY: the range is exactly the mapping made above, page-aligned at its start.
        unsafe { super::kernel::keep_to_this_process(address.cast(), length_bytes) }?;
        // SAFETY: the range is exactly the mapping made above; mlock only pins it.
        pages.locked = unsafe { libc::mlock(address, length_bytes) } == 0;
        Ok(pages)
    }

    /// Whether the kernel keeps these pages out of swap.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// The bytes, for reading.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `start` is valid for `length_bytes` initialised (zeroed by mmap) bytes until drop, and no mapping
        // is longer than isize::MAX; u8 has no alignment or validity demands; `&self` keeps writers away.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length_bytes) }
    }

    /// The bytes, for writing.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the borrow exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length_bytes) }
    }
}

impl Drop for LockedPages {
    fn drop(&mut self) {
        wipe(self.as_mut_slice());
        // SAFETY: the range is the mapping made in `map`, unmapped once, and no borrow outlives `self`. It also unlocks.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.length_bytes) };
        debug_assert_eq!(result, 0);
    }
}

/// Overwrites with zeros in a way that the compiler may not remove.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the slice is valid for writes of its whole length, and zero is a valid u8.
    unsafe { super::kernel::zero(bytes.as_mut_ptr(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_was_written() {
        let mut pages = LockedPages::map(5000).expect("mmap");
        assert_eq!(pages.as_slice().len(), 5000);
        assert!(pages.as_slice().iter().all(|byte| *byte == 0));
        pages.as_mut_slice()[4999] = 7;
        assert_eq!(pages.as_slice()[4999], 7);
    }

    #[test]
    fn wipe_leaves_zeros() {
        let mut bytes = *b"secret";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 6]);
    }
}
