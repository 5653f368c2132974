//! The program's image: the heap of an engine that has started and has run its scripts, kept inside the executable, so that a
//! command begins where that engine stood. The kernel maps it with the program's data; a page costs time only when it is touched.
//!
//! As the linker leaves the program the image is empty. Such a program builds its engine in the image's space and writes a
//! copy of its own file with the image filled (`write_program`). Nothing moves: the program is linked to fixed addresses
//! (.cargo/config.toml), so that every pointer in the image holds in the copy. What must not be in it: pointers to the stack,
//! to thread-local memory or to mappings, and anything of the process that made it, such as its environment.

use std::ffi::c_void;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{addr_of, null};

/// Bytes for the engine's heap; `write_program` says when it is too small.
const IMAGE_BYTES: usize = 1152 << 10;
const PAGE_BYTES: usize = 4096;

#[repr(C, align(4096))]
struct Image {
    /// What the program begins with; null while the image is empty.
    root: *const c_void,
    /// The addresses that every command touches nearly all pages of.
    hot_start: usize,
    hot_end: usize,
    heap: [u8; IMAGE_BYTES - HEADER_BYTES],
}

const HEADER_BYTES: usize = 3 * size_of::<usize>();

// A section with a name of its own is not one of zeros: it has its bytes in the file.
#[used]
#[link_section = ".image"]
static mut IMAGE: Image = Image { root: null(), hot_start: 0, hot_end: 0, heap: [0; IMAGE_BYTES - HEADER_BYTES] };

fn root() -> *const c_void {
    // SAFETY: the static is there and nobody writes its root. Volatile, because the compiler sees that and not what is in the file.
    unsafe { addr_of!(IMAGE.root).read_volatile() }
}

/// Address and size of the image's heap, while it is empty.
pub(crate) fn space_to_fill() -> Option<(usize, usize)> {
    // 16 bytes are what the heap aligns blocks to.
    let start = (addr_of!(IMAGE) as usize + offset_of!(Image, heap)).next_multiple_of(16);
    root().is_null().then(|| (start, addr_of!(IMAGE) as usize + size_of::<Image>() - start))
}

/// What the image was made with, or None while it is empty. Its hot pages are taken at once, which is cheaper than a fault for each.
///
/// # Safety
/// `T` must be the type that `write_program` was given.
pub unsafe fn load<T>() -> Option<&'static T> {
    // SAFETY: a filled image holds a `T` at its root, which the program never frees; the hot pages are the image's.
    unsafe {
        let root = root().cast::<T>().as_ref()?;
        let (start, end) = (addr_of!(IMAGE.hot_start).read_volatile(), addr_of!(IMAGE.hot_end).read_volatile());
        // Kernels before 5.14 refuse; then pages come one by one.
        libc::madvise(start as *mut c_void, end - start, libc::MADV_POPULATE_WRITE);
        Some(root)
    }
}

/// Writes a copy of this program whose image is the heap as it is now, and which finds `root` in it.
///
/// # Arguments
/// `hot`: the addresses that every command needs, up to the end of the heap
///
/// # Safety
/// What `root` leads to must have been allocated after `Heap::enter_image`, up to the address `hot.end`, or be a constant.
///
/// # Errors
/// What reading the program's own file or writing the copy says; `OutOfMemory` when the heap grew beyond the image.
pub unsafe fn write_program<T>(root: &'static T, hot: Range<usize>, path: &Path) -> Result<()> {
    let start = addr_of!(IMAGE) as usize;
    if !(start..=start + IMAGE_BYTES).contains(&hot.end) {
        return Err(Error::new(ErrorKind::OutOfMemory, format!("the image of {IMAGE_BYTES} bytes is too small")));
    }
    let mut program = fs::read("/proc/self/exe")?;
    let offset = file_offset(&program, start).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no segment of the program holds the image"))?;
    // SAFETY: the range lies in the static; this thread alone runs, and it does not allocate there while the bytes are copied.
    let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, hot.end - start) };
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    let header = [std::ptr::from_ref(root) as usize, hot.start & !(PAGE_BYTES - 1), hot.end];
    for (field, value) in header.into_iter().enumerate() {
        let at = offset + field * size_of::<usize>();
        program[at..at + size_of::<usize>()].copy_from_slice(&value.to_ne_bytes());
    }
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, &program)
}

/// Where in an ELF file of 64 bits the byte is that the kernel maps to an address (elf(5), PT_LOAD).
fn file_offset(program: &[u8], address: usize) -> Option<usize> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let field = program.get(at..at + bytes)?;
        Some(field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let (table, entry_bytes, entries) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    (0..entries).find_map(|entry| {
        let header = table + entry * entry_bytes;
        let (kind, offset, start, bytes) = (number(header, 4)?, number(header + 8, 8)?, number(header + 16, 8)?, number(header + 32, 8)?);
        (kind == libc::PT_LOAD as usize && (start..start + bytes).contains(&address)).then(|| offset + address - start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_the_file_by_its_segment() {
        let mut program = vec![0; 64 + 2 * 56];
        program[32] = 64;
        program[54] = 56;
        program[56] = 2;
        for (entry, kind, offset, start, bytes) in [(0, 1, 0, 0x40, 0x10), (1, 1, 0x30, 0x80, 0x20)] {
            let header = 64 + entry * 56;
            (program[header], program[header + 8], program[header + 16], program[header + 32]) = (kind, offset, start, bytes);
        }
        assert_eq!(file_offset(&program, 0x45), Some(5));
        assert_eq!(file_offset(&program, 0x9f), Some(0x4f));
        assert_eq!(file_offset(&program, 0xa0), None);
        assert_eq!(file_offset(&program[..100], 0x9f), None);
    }
}
