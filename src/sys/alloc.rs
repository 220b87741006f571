//! A global allocator that wipes what is freed: buffers of the TLS, HTTP and signing libraries hold secrets that those
//! libraries copy and do not wipe.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with every block zeroed before it goes back.
pub struct WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

// SAFETY: allocation is the system allocator's, unchanged; `dealloc` forwards the same pointer and layout after zeroing
// bytes that the caller has given up; `realloc` is the trait's default (allocate, copy, dealloc), so a block that moves
// is wiped too.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps GlobalAlloc::alloc's contract (a layout of non-zero size), which is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by dealloc's contract `block` was allocated here with `layout`, so it is valid for writes of
        // `layout.size()` bytes and nobody else uses it any more. `zero` is not removed as a dead store.
        unsafe { super::kernel::zero(block, layout.size()) };
        // SAFETY: the same pointer and layout that the caller vouches for.
        unsafe { System.dealloc(block, layout) }
    }
}
