//! The image: a snapshot of the heap of an engine that has evaluated the core, embedded in the executable, so that a command does not start an engine.
//! The kernel maps it with the program's data; a page costs time only when it is touched.
//!
//! The linker's output has an empty image. That program starts an engine whose heap is the image's address range, then writes a copy of its own file
//! with the image filled (`write_program`). The program is linked to fixed addresses (.cargo/config.toml), so every pointer in the image is valid in the
//! copy. The image must not contain pointers to the stack, to thread-local memory or to mappings, nor data of the process that made it, such as its
//! environment.
//!
//! Statics are not in the image: in the copy they have the linker's initial values. If the engine initialised a static lazily while it started, the copy
//! would have the initial value again, while the image points to what it held. So `write_program` compares the statics with their values before the
//! engine started, and fails if one has changed.

use std::ffi::c_void;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{addr_of, null};

use crate::elf::Segment;

/// Address space for the engine's heap. It is more than needed; `write_program` cuts off the unused end.
const IMAGE_BYTES: usize = 2 << 20;
const PAGE_BYTES: usize = 4096;
/// An upper bound of the size of what follows the image in memory.
const PROGRAM_BYTES: usize = 16 << 20;

#[repr(C, align(4096))]
struct Image {
    /// The `root` of `write_program`; null while the image is empty.
    root: *const c_void,
    /// The address range of which every command touches nearly all pages.
    hot_start: usize,
    hot_end: usize,
    heap: [u8; IMAGE_BYTES - HEADER_BYTES],
}

const WORD_BYTES: usize = size_of::<usize>();
const HEADER_BYTES: usize = 3 * WORD_BYTES;

// A named section is not .bss, so its bytes are in the file; the linker script puts it at the end of its segment.
#[used]
#[link_section = ".image"]
static mut IMAGE: Image = Image { root: null(), hot_start: 0, hot_end: 0, heap: [0; IMAGE_BYTES - HEADER_BYTES] };

fn root() -> *const c_void {
    // SAFETY: no code writes the root. Volatile, because the compiler would assume the initial value, but the file has another one.
    unsafe { addr_of!(IMAGE.root).read_volatile() }
}

/// Address and size of the image's heap, while it is empty.
pub(crate) fn space_to_fill() -> Option<(usize, usize)> {
    // The heap aligns blocks to 16 bytes.
    let start = (addr_of!(IMAGE) as usize + offset_of!(Image, heap)).next_multiple_of(16);
    root().is_null().then(|| (start, addr_of!(IMAGE) as usize + size_of::<Image>() - start))
}

/// The `root` that the image was made with, or None while it is empty. Populates the hot pages with one call, which is cheaper than page faults.
///
/// # Safety
/// `T` must be the type that `write_program` was given.
pub unsafe fn load<T>() -> Option<&'static T> {
    // SAFETY: a filled image holds a `T` at its root, which the program never frees; the hot pages are the image's.
    unsafe {
        let root = root().cast::<T>().as_ref()?;
        let (start, end) = (addr_of!(IMAGE.hot_start).read_volatile(), addr_of!(IMAGE.hot_end).read_volatile());
        // Kernels before 5.14 refuse; then each page faults.
        libc::madvise(start as *mut c_void, end - start, libc::MADV_POPULATE_WRITE);
        Some(root)
    }
}

/// The contents of the program's statics before the engine started. The copy has their initial values, so `write_program` fails if one has changed.
pub struct Statics {
    segment: Segment,
    words: Vec<usize>,
}

impl Statics {
    /// Records the statics. Call it before the engine starts.
    ///
    /// # Errors
    /// The program's own file cannot be read, or is not laid out as the linker script says.
    pub fn record() -> Result<Statics> {
        let segment = Segment::ending_with(&fs::read("/proc/self/exe")?, image()).ok_or_else(|| invalid("no segment ends with the image"))?;
        let words = words(&segment).map(|(_, word)| word).collect();
        Ok(Statics { segment, words })
    }

    /// The address of the first word that has changed, outside of the ranges that may change.
    fn changed(&self, may_change: &[Range<usize>]) -> Option<usize> {
        let changed = self.words.iter().zip(words(&self.segment)).filter(|(before, (_, now))| *before != now).map(|(_, (address, _))| address);
        changed.into_iter().find(|address| !may_change.iter().any(|range| range.contains(address)))
    }
}

fn image() -> Range<usize> {
    let start = addr_of!(IMAGE) as usize;
    start..start + IMAGE_BYTES
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, why.into())
}

/// The addresses and values of the aligned words in a segment of this process, without the image.
fn words(segment: &Segment) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (segment.address.next_multiple_of(WORD_BYTES), segment.address + segment.memory_bytes);
    let addresses = (start..end & !(WORD_BYTES - 1)).step_by(WORD_BYTES).filter(|address| !image().contains(address));
    // SAFETY: the kernel mapped the segment readable for as long as the process lives; volatile, because the compiler does not know who else writes there.
    addresses.map(|address| (address, unsafe { (address as *const usize).read_volatile() }))
}

/// Writes a copy of this program whose image is the current heap, with `root`. Copies of one program are identical, whenever and wherever they are
/// made.
///
/// # Arguments
/// `hot`: the address range that every command uses, up to the end of the heap
/// `statics`: recorded before `Heap::enter_image`; `heap`: the heap's own state, which starts empty in the copy
///
/// # Safety
/// All that is reachable from `root` must have been allocated after `Heap::enter_image`, below `hot.end`, or be a constant.
///
/// # Errors
/// An error of reading the program's own file or writing the copy; `OutOfMemory` if the heap grew beyond the image; `InvalidData` if a static changed.
pub unsafe fn write_program<T>(root: &'static T, hot: Range<usize>, statics: &Statics, heap: Range<usize>, path: &Path) -> Result<()> {
    let start = image().start;
    if !(start..=start + IMAGE_BYTES).contains(&hot.end) {
        return Err(Error::new(ErrorKind::OutOfMemory, format!("the image of {IMAGE_BYTES} bytes is too small")));
    }
    if let Some(address) = statics.changed(&[heap, thread_memory()]) {
        return Err(invalid(format!("the static at {address:#x} changed while the engine started, and is not in the image")));
    }
    let mut program = fs::read("/proc/self/exe")?;
    let segment = &statics.segment;
    let offset = segment.offset + start - segment.address;
    // SAFETY: the range is in the static; this is the only thread, and it does not allocate there while the bytes are copied.
    let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, hot.end - start) };
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    let header = [std::ptr::from_ref(root) as usize, hot.start & !(PAGE_BYTES - 1), hot.end];
    for (field, value) in header.into_iter().enumerate() {
        let at = offset + field * WORD_BYTES;
        program[at..at + WORD_BYTES].copy_from_slice(&value.to_ne_bytes());
    }
    clear_addresses(&mut program[offset..offset + bytes.len()], &kernel_addresses()?);
    segment.cut(&mut program, hot.end).ok_or_else(|| invalid("its section headers are not as expected"))?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, &program)
}

/// The thread-local memory of the main thread, which musl keeps among the statics: variables and the thread descriptor, on both sides of the thread
/// pointer. Each process initialises its own.
fn thread_memory() -> Range<usize> {
    const BYTES: usize = 512;
    let pointer: usize;
    // SAFETY: only reads the thread pointer; on x86-64 that is the first word of what it points to.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, preserves_flags, nomem));
    }
    pointer - BYTES..pointer + BYTES
}

/// The range of the addresses that the kernel chose for this process's stack and mappings.
///
/// # Errors
/// /proc/self/maps cannot be read or parsed.
fn kernel_addresses() -> Result<Range<usize>> {
    /// Margin for mappings below that were removed since, and for the stack, which grows down.
    const ROOM_BYTES: usize = 1 << 30;
    let (mut lowest, mut highest) = (usize::MAX, 0);
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let (start, end) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).ok_or_else(|| invalid("unexpected format of /proc/self/maps"))?;
        let number = |text| usize::from_str_radix(text, 16).map_err(|error| invalid(error.to_string()));
        let (start, end) = (number(start)?, number(end)?);
        let is_program = start <= image().end + PROGRAM_BYTES;
        if !is_program && !line.ends_with("[vsyscall]") {
            (lowest, highest) = (lowest.min(start - ROOM_BYTES), highest.max(end));
        }
    }
    Ok(lowest..highest)
}

/// Clears words that are addresses the kernel chose, which differ from run to run and are invalid in the copy. One is the top of the engine's stack,
/// which `begin_stack` sets again; others are stack contents in the padding of values. If a cleared pointer was needed, its first use in the copy
/// fails, because it is null.
fn clear_addresses(image: &mut [u8], chosen: &Range<usize>) {
    for word in image.chunks_exact_mut(WORD_BYTES) {
        if word.try_into().is_ok_and(|bytes| chosen.contains(&usize::from_ne_bytes(bytes))) {
            word.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clears_addresses_that_the_kernel_chose() {
        let words = |words: [usize; 3]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let mut image = words([1, 0xb123, 0x6fff]);
        clear_addresses(&mut image, &(0x7000..0xc000));
        assert_eq!(image, words([1, 0, 0x6fff]));
    }

    #[test]
    fn kernel_addresses_include_the_stack() {
        let here = 0u8;
        assert!(kernel_addresses().unwrap().contains(&(&raw const here as usize)));
    }
}
