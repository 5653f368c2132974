//! The program's image: the heap of an engine that has started and has run its scripts, kept inside the executable, so that a
//! command begins where that engine stood. The kernel maps it with the program's data; a page costs time only when it is touched.
//!
//! As the linker leaves the program the image is empty. Such a program builds its engine in the image's space and writes a
//! copy of its own file with the image filled (`write_program`). Nothing moves: the program is linked to fixed addresses
//! (.cargo/config.toml), so that every pointer in the image holds in the copy. What must not be in it: pointers to the stack,
//! to thread-local memory or to mappings, and anything of the process that made it, such as its environment.
//!
//! Statics are not in it: the copy has them as the linker left them. A lazily initialised static that the engine fills while it
//! starts would be empty again in the copy, with pointers from the image to what it held. `write_program` therefore compares the
//! statics with those from before, and refuses.

use std::ffi::c_void;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{addr_of, null};

use crate::elf::Segment;

/// Address space for the engine's heap, more than it needs: `write_program` cuts off what it leaves empty.
const IMAGE_BYTES: usize = 2 << 20;
const PAGE_BYTES: usize = 4096;
/// More than the program and its statics have behind the image.
const PROGRAM_BYTES: usize = 16 << 20;

#[repr(C, align(4096))]
struct Image {
    /// What the program begins with; null while the image is empty.
    root: *const c_void,
    /// The addresses that every command touches nearly all pages of.
    hot_start: usize,
    hot_end: usize,
    heap: [u8; IMAGE_BYTES - HEADER_BYTES],
}

const WORD_BYTES: usize = size_of::<usize>();
const HEADER_BYTES: usize = 3 * WORD_BYTES;

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

/// The program's writable memory outside of the image, as it was. The copy begins with what the linker put there, so an engine that
/// kept anything in a static would lose it: `write_program` refuses to write such a program.
pub struct Statics {
    segment: Segment,
    words: Vec<usize>,
}

impl Statics {
    /// Notes what is there. To be called before the engine starts.
    ///
    /// # Errors
    /// The program's own file cannot be read, or is not laid out as the linker script has it.
    pub fn note() -> Result<Statics> {
        let segment = Segment::holding(&fs::read("/proc/self/exe")?, image()).ok_or_else(|| invalid("no segment ends with the image"))?;
        let words = words(&segment).map(|(_, word)| word).collect();
        Ok(Statics { segment, words })
    }

    /// The first word that is no longer as noted, outside of the ranges that may change.
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

/// The aligned words of a segment of this process, without the image, by their addresses.
fn words(segment: &Segment) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (segment.address.next_multiple_of(WORD_BYTES), segment.address + segment.memory_bytes);
    let addresses = (start..end & !(WORD_BYTES - 1)).step_by(WORD_BYTES).filter(|address| !image().contains(address));
    // SAFETY: the kernel mapped the segment readable for as long as the process lives; volatile, because others may write there.
    addresses.map(|address| (address, unsafe { (address as *const usize).read_volatile() }))
}

/// Writes a copy of this program whose image is the heap as it is now, and which finds `root` in it. Two copies of one program are
/// the same, whenever and wherever they are made.
///
/// # Arguments
/// `hot`: the addresses that every command needs, up to the end of the heap
/// `statics`: noted before the heap entered the image; `heap`: where the heap keeps its own state, which it begins anew
///
/// # Safety
/// What `root` leads to must have been allocated after `Heap::enter_image`, up to the address `hot.end`, or be a constant.
///
/// # Errors
/// What reading the program's own file or writing the copy says; `OutOfMemory` when the heap grew beyond the image; `InvalidData`
/// when a static changed.
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
    // SAFETY: the range lies in the static; this thread alone runs, and it does not allocate there while the bytes are copied.
    let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, hot.end - start) };
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    let header = [std::ptr::from_ref(root) as usize, hot.start & !(PAGE_BYTES - 1), hot.end];
    for (field, value) in header.into_iter().enumerate() {
        let at = offset + field * WORD_BYTES;
        program[at..at + WORD_BYTES].copy_from_slice(&value.to_ne_bytes());
    }
    forget_addresses(&mut program[offset..offset + bytes.len()], &chosen_addresses()?);
    segment.cut(&mut program, hot.end).ok_or_else(|| invalid("its section headers are not as expected"))?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, &program)
}

/// Where musl keeps this thread's own memory, which is among the statics as it is the first thread: thread-local variables and the
/// thread's description, on both sides of the thread pointer. Each process makes its own.
fn thread_memory() -> Range<usize> {
    const BYTES: usize = 512;
    let pointer: usize;
    // SAFETY: both only read the thread pointer; on x86-64 it is also the first word of what it points to.
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

/// Where this process's stack and mappings are, or were: all addresses that the kernel chose.
///
/// # Errors
/// What reading /proc/self/maps says.
fn chosen_addresses() -> Result<Range<usize>> {
    /// What was unmapped since lay below, and the stack reaches down when it grows.
    const ROOM_BYTES: usize = 1 << 30;
    let (mut lowest, mut highest) = (usize::MAX, 0);
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let (start, end) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).ok_or_else(|| invalid("not as proc_pid_maps(5) says"))?;
        let number = |text| usize::from_str_radix(text, 16).map_err(|error| invalid(error.to_string()));
        let (start, end) = (number(start)?, number(end)?);
        let is_program = start <= image().end + PROGRAM_BYTES;
        if !is_program && !line.ends_with("[vsyscall]") {
            (lowest, highest) = (lowest.min(start - ROOM_BYTES), highest.max(end));
        }
    }
    Ok(lowest..highest)
}

/// Clears what points to none of the copy's memory: the engine notes where its stack begins, and does so again at its next start
/// (`begin_stack`); the rest is what was on the stack where a value with room to spare was made. A pointer that was needed would be
/// null in the copy, which fails at its first use.
fn forget_addresses(image: &mut [u8], chosen: &Range<usize>) {
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
    fn addresses_that_the_kernel_chose_are_cleared() {
        let words = |words: [usize; 3]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let mut image = words([1, 0xb123, 0x6fff]);
        forget_addresses(&mut image, &(0x7000..0xc000));
        assert_eq!(image, words([1, 0, 0x6fff]));
    }

    #[test]
    fn the_kernel_chose_the_addresses_of_the_stack() {
        let here = 0u8;
        assert!(chosen_addresses().unwrap().contains(&(&raw const here as usize)));
    }
}
