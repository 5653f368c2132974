//! memcpy(3) and memmove(3) for the static program. musl's memcpy is a single string instruction with a high start-up cost, and QuickJS copies mostly
//! short strings and arrays: that took a fifteenth of a command's user time.
//!
//! The copies are in assembly, because a compiler may turn a copy loop in Rust into a call of memcpy, which would recurse.

use std::arch::asm;

const SMALL_BYTES: usize = 128;

/// Copies a block as two halves from both ends, which may overlap in the middle. Reads everything before it writes anything.
///
/// # Safety
/// At most `SMALL_BYTES` bytes at both addresses; they may overlap.
#[inline(always)]
unsafe fn copy_small(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: each access lies within the `count` bytes.
    unsafe {
        match count {
            0 => {}
            1..=3 => asm!(
                "movzx {a:e}, byte ptr [{from}]",
                "movzx {b:e}, byte ptr [{from} + {middle}]",
                "movzx {c:e}, byte ptr [{from} + {count} - 1]",
                "mov byte ptr [{to}], {a:l}",
                "mov byte ptr [{to} + {middle}], {b:l}",
                "mov byte ptr [{to} + {count} - 1], {c:l}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count, middle = in(reg) count / 2,
                a = out(reg_abcd) _, b = out(reg_abcd) _, c = out(reg_abcd) _, options(nostack, preserves_flags)
            ),
            4..=7 => asm!(
                "mov {a:e}, dword ptr [{from}]",
                "mov {b:e}, dword ptr [{from} + {count} - 4]",
                "mov dword ptr [{to}], {a:e}",
                "mov dword ptr [{to} + {count} - 4], {b:e}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count,
                a = out(reg) _, b = out(reg) _, options(nostack, preserves_flags)
            ),
            8..=15 => asm!(
                "mov {a}, qword ptr [{from}]",
                "mov {b}, qword ptr [{from} + {count} - 8]",
                "mov qword ptr [{to}], {a}",
                "mov qword ptr [{to} + {count} - 8], {b}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count,
                a = out(reg) _, b = out(reg) _, options(nostack, preserves_flags)
            ),
            16..=32 => asm!(
                "movups {a}, [{from}]",
                "movups {b}, [{from} + {count} - 16]",
                "movups [{to}], {a}",
                "movups [{to} + {count} - 16], {b}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count,
                a = out(xmm_reg) _, b = out(xmm_reg) _, options(nostack, preserves_flags)
            ),
            33..=64 => asm!(
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + {count} - 32]",
                "movups {d}, [{from} + {count} - 16]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + {count} - 32], {c}",
                "movups [{to} + {count} - 16], {d}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _, options(nostack, preserves_flags)
            ),
            _ => asm!(
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups {e}, [{from} + {count} - 64]",
                "movups {f}, [{from} + {count} - 48]",
                "movups {g}, [{from} + {count} - 32]",
                "movups {h}, [{from} + {count} - 16]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "movups [{to} + {count} - 64], {e}",
                "movups [{to} + {count} - 48], {f}",
                "movups [{to} + {count} - 32], {g}",
                "movups [{to} + {count} - 16], {h}",
                to = in(reg) to, from = in(reg) from, count = in(reg) count,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                e = out(xmm_reg) _, f = out(xmm_reg) _, g = out(xmm_reg) _, h = out(xmm_reg) _, options(nostack, preserves_flags)
            ),
        }
    }
}

/// # Safety
/// As for memcpy(3): `count` bytes at both addresses, which do not overlap.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: guaranteed by the caller.
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
    // SAFETY: guaranteed by the caller. A forward copy overwrites unread bytes only if `to` is within the source; that is copied backwards.
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
    /// A block after `count` bytes were copied from offset `from` to offset `to`.
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
    fn copies_every_length_and_nothing_else() {
        for count in 0..=300 {
            assert_eq!(copied(super::memcpy, 513, 3, count), expected(513, 3, count), "{count}");
        }
    }

    #[test]
    fn moves_overlapping_blocks_in_both_directions() {
        for count in 0..=300 {
            for (to, from) in [(100, 101), (101, 100), (100, 140), (140, 100), (200, 200)] {
                assert_eq!(copied(super::memmove, to, from, count), expected(to, from, count), "{count} from {from} to {to}");
            }
        }
    }
}
