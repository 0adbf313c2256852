//! How much memory a piece of work asks for, on the thread that does it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which counts, and refuses what no test may ask for, so that a bug here does not fill the machine.
pub(crate) struct Counting;

const MOST: usize = 1 << 31;

fn note(size: usize) {
    // A thread that ends has no counters any more.
    LARGEST.try_with(|largest| largest.set(largest.get().max(size))).ok();
    change(size as isize);
}

fn change(by: isize) {
    let live = LIVE.try_with(|live| {
        live.set(live.get() + by);
        live.get()
    });
    if let Ok(live) = live {
        PEAK.try_with(|peak| peak.set(peak.get().max(live))).ok();
    }
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: everything is handed to the system's allocator as it came; null is the allowed answer to what is too much.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        if layout.size() > MOST { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        if layout.size() > MOST { std::ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        change(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Fails when `work` has more than `most` bytes at once, or asks for so many in one piece.
#[track_caller]
pub(crate) fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = LIVE.with(Cell::get);
    LARGEST.with(|largest| largest.set(0));
    PEAK.with(|peak| peak.set(before));
    let done = work();
    let (largest, peak) = (LARGEST.with(Cell::get), PEAK.with(Cell::get) - before);
    assert!(largest <= most, "{largest} bytes were asked for in one piece; expected at most {most}");
    assert!(peak <= most as isize, "{peak} bytes were in use; expected at most {most}");
    done
}
