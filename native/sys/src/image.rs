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

/// Address space for the engine's heap, more than it needs: `write_program` cuts off what it leaves empty.
const IMAGE_BYTES: usize = 2 << 20;
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

// A section with a name of its own is not one of zeros: it has its bytes in the file, the last of its segment.
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
    let segment = Segment::holding(&program, start..start + IMAGE_BYTES).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no segment ends with the image"))?;
    let offset = segment.offset + start - segment.address;
    // SAFETY: the range lies in the static; this thread alone runs, and it does not allocate there while the bytes are copied.
    let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, hot.end - start) };
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    let header = [std::ptr::from_ref(root) as usize, hot.start & !(PAGE_BYTES - 1), hot.end];
    for (field, value) in header.into_iter().enumerate() {
        let at = offset + field * size_of::<usize>();
        program[at..at + size_of::<usize>()].copy_from_slice(&value.to_ne_bytes());
    }
    segment.cut(&mut program, hot.end);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, &program)
}

/// A loadable segment of an ELF file of 64 bits (elf(5), PT_LOAD).
struct Segment {
    /// Where its header is in the file.
    header: usize,
    offset: usize,
    address: usize,
}

impl Segment {
    const FILE_BYTES_FIELD: usize = 32;

    /// The segment whose bytes in the file end with those of a range of addresses: behind them the kernel maps zeros.
    fn holding(program: &[u8], range: Range<usize>) -> Option<Segment> {
        let number = |at: usize, bytes: usize| -> Option<usize> {
            let field = program.get(at..at + bytes)?;
            Some(field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
        };
        let (table, entry_bytes, entries) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..entries).find_map(|entry| {
            let header = table + entry * entry_bytes;
            let (kind, offset, address) = (number(header, 4)?, number(header + 8, 8)?, number(header + 16, 8)?);
            let end = address + number(header + Segment::FILE_BYTES_FIELD, 8)?;
            (kind == libc::PT_LOAD as usize && address <= range.start && end == range.end).then_some(Segment { header, offset, address })
        })
    }

    /// Cuts the file off behind an address in the segment, and with it the section headers, which nothing needs to run it.
    fn cut(&self, program: &mut Vec<u8>, end: usize) {
        const SECTIONS_OFFSET_FIELD: usize = 40;
        const SECTIONS_COUNT_FIELDS: usize = 60;
        let bytes = end - self.address;
        let field = self.header + Segment::FILE_BYTES_FIELD;
        program[field..field + 8].copy_from_slice(&bytes.to_le_bytes());
        program[SECTIONS_OFFSET_FIELD..SECTIONS_OFFSET_FIELD + 8].fill(0);
        program[SECTIONS_COUNT_FIELDS..SECTIONS_COUNT_FIELDS + 4].fill(0);
        program.truncate(self.offset + bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with two loadable segments: address 0x40 at 0, 0x80 at 0xb0.
    fn program() -> Vec<u8> {
        let mut program = vec![0xff; 0x100];
        program[32..40].copy_from_slice(&64u64.to_le_bytes());
        program[54..58].copy_from_slice(&[56, 0, 2, 0]);
        for (entry, offset, address, bytes) in [(0, 0, 0x40, 0x10), (1, 0xb0, 0x80, 0x40)] {
            let header = 64 + entry * 56;
            program[header..header + 4].copy_from_slice(&1u32.to_le_bytes());
            for (field, value) in [(8, offset), (16, address), (32, bytes)] {
                program[header + field..header + field + 8].copy_from_slice(&u64::to_le_bytes(value));
            }
        }
        program
    }

    #[test]
    fn a_segment_is_found_by_what_it_ends_with() {
        let program = program();
        assert_eq!(Segment::holding(&program, 0x90..0xc0).map(|segment| segment.offset), Some(0xb0));
        assert!(Segment::holding(&program, 0x90..0xb0).is_none());
        assert!(Segment::holding(&program, 0x70..0xc0).is_none());
        assert!(Segment::holding(&program[..100], 0x90..0xc0).is_none());
    }

    #[test]
    fn a_file_ends_where_its_last_segment_is_cut() {
        let mut program = program();
        let segment = Segment::holding(&program, 0x90..0xc0).unwrap();
        segment.cut(&mut program, 0xa0);
        assert_eq!(program.len(), 0xd0);
        assert!(Segment::holding(&program, 0x90..0xa0).is_some());
        assert_eq!((&program[40..48], &program[60..64]), (&[0; 8][..], &[0; 4][..]));
    }
}
