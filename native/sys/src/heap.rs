//! The allocator of the static program: takes large chunks by mmap(2) and keeps freed blocks in a list per size class. A command takes milliseconds, and
//! QuickJS allocates and frees tens of thousands of small blocks: musl's allocator took a tenth of a command's time for bookkeeping and munmap(2).

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::image;

/// Size of a chunk. A page uses memory only once it is touched.
const CHUNK_BYTES: usize = 8 << 20;
/// Pages are populated in steps of this size, which is cheaper than page faults. Divides `CHUNK_BYTES`.
const POPULATE_BYTES: usize = 64 << 10;
/// Larger blocks are separate mappings.
const LARGE_BYTES: usize = 1 << 20;
/// Sizes up to this are rounded up to 16 bytes, larger ones to a 32nd of the next lower power of two, because QuickJS allocates hundreds of blocks
/// slightly larger than 4 KiB.
const SMALL_BYTES: usize = 1024;
const SMALL_CLASSES: usize = SMALL_BYTES / 16;
/// Classes per power of two, from 1 KiB to 1 MiB.
const STEPS: usize = 32;
const CLASSES: usize = SMALL_CLASSES + STEPS * 10;

/// Declare it as `#[global_allocator]`.
pub struct Heap {
    busy: AtomicBool,
    state: UnsafeCell<State>,
}

struct State {
    /// Freed blocks of each class, a linked list: the first word of a block points to the next.
    free: [*mut u8; CLASSES],
    /// The unused part of the current chunk.
    next: usize,
    end: usize,
    /// The chunk's pages below this address are populated.
    populated: usize,
}

impl State {
    /// Maps a new chunk and abandons the rest of the last one. False if the kernel has no memory.
    fn extend(&mut self) -> bool {
        let chunk = map(CHUNK_BYTES) as usize;
        if chunk == 0 {
            return false;
        }
        (self.next, self.end, self.populated) = (chunk, chunk + CHUNK_BYTES, chunk);
        true
    }
}

// SAFETY: only the thread that set `busy` accesses the state.
unsafe impl Sync for Heap {}

impl Heap {
    pub const fn new() -> Self {
        Heap { busy: AtomicBool::new(false), state: UnsafeCell::new(State { free: [null_mut(); CLASSES], next: 0, end: 0, populated: 0 }) }
    }

    /// The address range of the heap's own state.
    pub fn own_range(&self) -> Range<usize> {
        let start = std::ptr::from_ref(self) as usize;
        start..start + size_of::<Heap>()
    }

    /// Allocates from the program's empty image from now on. False if the image is not empty.
    pub fn enter_image(&self) -> bool {
        let Some((start, bytes)) = image::space_to_fill() else { return false };
        // Forget freed blocks elsewhere: all that is reachable from the image must be in it.
        self.locked(|state| *state = State { free: [null_mut(); CLASSES], next: start, end: start + bytes, populated: start + bytes });
        true
    }

    /// Forgets the freed blocks, so that all later allocations are at or above the address that is returned.
    pub fn forget_freed(&self) -> usize {
        self.locked(|state| {
            state.free = [null_mut(); CLASSES];
            state.next
        })
    }

    fn locked<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        while self.busy.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: this thread has set `busy`, so no other thread accesses the state until it is cleared.
        let result = body(unsafe { &mut *self.state.get() });
        self.busy.store(false, Ordering::Release);
        result
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

/// The size class of a size, and the size of its blocks.
fn class_of(size: usize) -> (usize, usize) {
    if size <= SMALL_BYTES {
        let blocks = size.div_ceil(16).max(1);
        (blocks - 1, blocks * 16)
    } else {
        let doubling = (size - 1).ilog2();
        let step = (1 << doubling) / STEPS;
        let steps = size.div_ceil(step);
        (SMALL_CLASSES + STEPS * (doubling as usize - 10) + steps - STEPS - 1, steps * step)
    }
}

fn map(bytes: usize) -> *mut u8 {
    // SAFETY: a new anonymous mapping at an address that the kernel chooses.
    let memory = unsafe { libc::mmap(null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if memory == libc::MAP_FAILED {
        return null_mut();
    }
    memory.cast()
}

// SAFETY: blocks are disjoint, large enough, and aligned to 16 bytes or, as separate mappings, to a page. `dealloc` gets the layout of `alloc`, so a
// block returns to its own class.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGE_BYTES || layout.align() > 16 {
            return map(layout.size().max(1));
        }
        let (class, bytes) = class_of(layout.size());
        self.locked(|state| {
            let block = state.free[class];
            if !block.is_null() {
                // SAFETY: the first word of a freed block is the address of the next.
                state.free[class] = unsafe { block.cast::<*mut u8>().read() };
                return block;
            }
            if state.end - state.next < bytes && !state.extend() {
                return null_mut();
            }
            let block = state.next;
            state.next += bytes;
            while state.next > state.populated {
                // SAFETY: the range is in the chunk, which is our mapping. Kernels before 5.14 refuse; then each page faults.
                unsafe { libc::madvise(state.populated as *mut libc::c_void, POPULATE_BYTES, libc::MADV_POPULATE_WRITE) };
                state.populated += POPULATE_BYTES;
            }
            block as *mut u8
        })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() > LARGE_BYTES || layout.align() > 16 {
            // SAFETY: `alloc` made this mapping for the same layout.
            unsafe { libc::munmap(block.cast(), layout.size().max(1)) };
            return;
        }
        let (class, _) = class_of(layout.size());
        self.locked(|state| {
            // SAFETY: the block is free and has at least 16 bytes.
            unsafe { block.cast::<*mut u8>().write(state.free[class]) };
            state.free[class] = block;
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_pooled = |size: usize| size <= LARGE_BYTES && layout.align() <= 16;
        if is_pooled(layout.size()) && is_pooled(new_size) && class_of(layout.size()) == class_of(new_size) {
            return block;
        }
        // SAFETY: the caller guarantees a valid size and alignment; both blocks have at least the bytes that are copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_dense_and_large_enough() {
        assert_eq!(class_of(0), (0, 16));
        assert_eq!(class_of(16), (0, 16));
        assert_eq!(class_of(17), (1, 32));
        assert_eq!(class_of(SMALL_BYTES), (SMALL_CLASSES - 1, SMALL_BYTES));
        assert_eq!(class_of(SMALL_BYTES + 1), (SMALL_CLASSES, SMALL_BYTES + 32));
        assert_eq!(class_of(2048), (SMALL_CLASSES + STEPS - 1, 2048));
        assert_eq!(class_of(2049), (SMALL_CLASSES + STEPS, 2112));
        assert_eq!(class_of(LARGE_BYTES), (CLASSES - 1, LARGE_BYTES));
    }

    #[test]
    fn a_freed_block_is_reused_and_realloc_keeps_the_contents() {
        let heap = Heap::new();
        let layout = Layout::from_size_align(100, 8).unwrap();
        // SAFETY: blocks are used within their layouts and freed once.
        unsafe {
            let first = heap.alloc(layout);
            first.write_bytes(7, 100);
            let grown = heap.realloc(first, layout, 3_000_000);
            assert_eq!(std::slice::from_raw_parts(grown, 100), [7; 100]);
            assert_eq!(heap.alloc(layout), first);
            heap.dealloc(grown, Layout::from_size_align(3_000_000, 8).unwrap());
        }
    }
}
