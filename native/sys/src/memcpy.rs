//! memcpy(3) and memmove(3) for the static program. musl's memcpy is one string instruction, which takes longer to start than most copies to be made:
//! QuickJS copies short strings and arrays, and that was a fifteenth of a command's time in user space.

use std::arch::asm;
use std::ptr::{read_unaligned, write_unaligned};

/// Copies what is at both ends of a block; in the middle the two overlap. All is read before any is written.
macro_rules! ends {
    ($kind:ty, $to:ident, $from:ident, $count:ident) => {{
        let last = $count - size_of::<$kind>();
        let (head, tail) = (read_unaligned($from.cast::<$kind>()), read_unaligned($from.add(last).cast::<$kind>()));
        write_unaligned($to.cast::<$kind>(), head);
        write_unaligned($to.add(last).cast::<$kind>(), tail);
    }};
}

const SMALL_BYTES: usize = 128;

/// # Safety
/// At most `SMALL_BYTES` bytes at both addresses; they may overlap.
#[inline(always)]
unsafe fn copy_small(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: each access lies within the `count` bytes.
    unsafe {
        match count {
            0 => {}
            1..=3 => {
                let middle = *from.add(count / 2);
                ends!(u8, to, from, count);
                *to.add(count / 2) = middle;
            }
            4..=7 => ends!(u32, to, from, count),
            8..=15 => ends!(u64, to, from, count),
            16..=32 => ends!(u128, to, from, count),
            33..=64 => ends!([u128; 2], to, from, count),
            _ => ends!([u128; 4], to, from, count),
        }
    }
}

/// # Safety
/// As for memcpy(3): `count` bytes at both addresses, which do not overlap.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's word.
    unsafe {
        if count <= SMALL_BYTES {
            copy_small(to, from, count);
        } else {
            asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
        }
    }
    to
}

/// # Safety
/// As for memmove(3): `count` bytes at both addresses.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's word; upwards nothing is overwritten before it is read, unless `to` lies within what is to be read.
    unsafe {
        if count <= SMALL_BYTES {
            copy_small(to, from, count);
        } else if (to as usize).wrapping_sub(from as usize) >= count {
            memcpy(to, from, count);
        } else {
            let (last_to, last_from) = (to.add(count - 1), from.add(count - 1));
            asm!("std", "rep movsb", "cld", inout("rcx") count => _, inout("rdi") last_to => _, inout("rsi") last_from => _, options(nostack));
        }
    }
    to
}

#[cfg(test)]
mod tests {
    /// What a copy of `count` bytes from offset `from` to offset `to` of a block makes of it.
    fn copied(copy: unsafe extern "C" fn(*mut u8, *const u8, usize) -> *mut u8, to: usize, from: usize, count: usize) -> Vec<u8> {
        let mut block: Vec<u8> = (0..=255).cycle().take(1024).collect();
        let start = block.as_mut_ptr();
        // SAFETY: both ranges lie in the block.
        let returned = unsafe { copy(start.add(to), start.add(from), count) };
        assert_eq!(returned, block[to..].as_mut_ptr());
        block
    }

    fn expected(to: usize, from: usize, count: usize) -> Vec<u8> {
        let mut block: Vec<u8> = (0..=255).cycle().take(1024).collect();
        block.copy_within(from..from + count, to);
        block
    }

    #[test]
    fn every_length_is_copied_and_nothing_beside_it() {
        for count in 0..=300 {
            assert_eq!(copied(super::memcpy, 513, 3, count), expected(513, 3, count), "{count}");
        }
    }

    #[test]
    fn overlapping_blocks_are_moved_both_ways() {
        for count in 0..=300 {
            for (to, from) in [(100, 101), (101, 100), (100, 140), (140, 100), (200, 200)] {
                assert_eq!(copied(super::memmove, to, from, count), expected(to, from, count), "{count} from {from} to {to}");
            }
        }
    }
}
