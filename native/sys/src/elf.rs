//! Edits the program's own 64-bit ELF file (elf(5)), for image.rs.

use std::ops::Range;

/// A loadable segment (PT_LOAD).
pub(crate) struct Segment {
    /// Offset of its program header in the file.
    header: usize,
    pub(crate) offset: usize,
    pub(crate) address: usize,
    pub(crate) file_bytes: usize,
    pub(crate) memory_bytes: usize,
}

/// A little-endian number in a file.
fn number(program: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let field = program.get(at..at.checked_add(bytes)?)?;
    Some(field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
}

fn set_number(program: &mut [u8], at: usize, number: usize) {
    program[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes());
}

impl Segment {
    const FILE_BYTES_FIELD: usize = 32;

    /// The segment whose bytes in the file end with an address range. In memory, zeros follow (.bss).
    pub(crate) fn ending_with(program: &[u8], range: Range<usize>) -> Option<Segment> {
        let (table, entry_bytes, entries) = (number(program, 32, 8)?, number(program, 54, 2)?, number(program, 56, 2)?);
        (0..entries).find_map(|entry| {
            let header = table + entry * entry_bytes;
            let field = |at| number(program, header + at, 8);
            let (kind, offset, address) = (number(program, header, 4)?, field(8)?, field(16)?);
            let (file_bytes, memory_bytes) = (field(Segment::FILE_BYTES_FIELD)?, field(40)?);
            let ends_with_it = kind == libc::PT_LOAD as usize && address <= range.start && address + file_bytes == range.end;
            ends_with_it.then_some(Segment { header, offset, address, file_bytes, memory_bytes })
        })
    }

    /// Removes the segment's bytes beyond the address `end` from the file. The sections that follow and the section headers move up, so that strip,
    /// objcopy and debuggers can still read the file.
    pub(crate) fn cut(&self, program: &mut Vec<u8>, end: usize) -> Option<()> {
        const SECTIONS_OFFSET_FIELD: usize = 40;
        const SECTION_NAMES_ALIGNMENT: usize = 8;
        let (headers, entry_bytes, entries) = (number(program, SECTIONS_OFFSET_FIELD, 8)?, number(program, 58, 2)?, number(program, 60, 2)?);
        let old_end = self.offset + self.file_bytes;
        let file_bytes = (end - self.address).next_multiple_of(SECTION_NAMES_ALIGNMENT);
        let moved = old_end.checked_sub(self.offset + file_bytes)?;
        for entry in 0..entries {
            let header = headers + entry * entry_bytes;
            let (address, offset, bytes) = (number(program, header + 16, 8)?, number(program, header + 24, 8)?, number(program, header + 32, 8)?);
            if offset >= old_end {
                set_number(program, header + 24, offset - moved);
            } else if address + bytes == self.address + self.file_bytes {
                set_number(program, header + 32, bytes - moved); // the section of the image itself
            }
        }
        set_number(program, self.header + Segment::FILE_BYTES_FIELD, file_bytes);
        set_number(program, SECTIONS_OFFSET_FIELD, headers.checked_sub(moved)?);
        program.drain(old_end - moved..old_end);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two loadable segments, address 0x40 at offset 0 and 0x80 at 0xb0, followed by a section that is not loaded and three section headers: the second
    /// segment's last section, one without bytes in the file, and the section that is not loaded.
    fn program() -> Vec<u8> {
        let mut program = vec![0xff; 0x100 + 3 * 64];
        set_number(&mut program, 32, 64);
        set_number(&mut program, 40, 0x100);
        program[54..58].copy_from_slice(&[56, 0, 2, 0]);
        program[58..62].copy_from_slice(&[64, 0, 3, 0]);
        for (entry, offset, address, bytes) in [(0, 0, 0x40, 0x10), (1, 0xb0, 0x80, 0x40)] {
            let header = 64 + entry * 56;
            program[header..header + 4].copy_from_slice(&1u32.to_le_bytes());
            for (field, value) in [(8, offset), (16, address), (32, bytes), (40, bytes + 8)] {
                set_number(&mut program, header + field, value);
            }
        }
        for (entry, address, offset, bytes) in [(0, 0x90, 0xc0, 0x30), (1, 0xc0, 0xc0, 8), (2, 0, 0xf0, 0x10)] {
            for (field, value) in [(16, address), (24, offset), (32, bytes)] {
                set_number(&mut program, 0x100 + entry * 64 + field, value);
            }
        }
        program
    }

    #[test]
    fn finds_a_segment_by_its_end() {
        let program = program();
        let found = Segment::ending_with(&program, 0x90..0xc0).unwrap();
        assert_eq!((found.offset, found.address, found.file_bytes, found.memory_bytes), (0xb0, 0x80, 0x40, 0x48));
        assert!(Segment::ending_with(&program, 0x90..0xb0).is_none());
        assert!(Segment::ending_with(&program, 0x70..0xc0).is_none());
        assert!(Segment::ending_with(&program[..100], 0x90..0xc0).is_none());
    }

    #[test]
    fn cut_moves_up_what_follows() {
        let mut program = program();
        let whole = program.clone();
        let segment = Segment::ending_with(&program, 0x90..0xc0).unwrap();
        segment.cut(&mut program, 0x9e).unwrap();
        assert_eq!(program.len(), whole.len() - 0x20);
        assert_eq!(Segment::ending_with(&program, 0x90..0xa0).unwrap().memory_bytes, 0x48);
        assert_eq!(number(&program, 40, 8), Some(0xe0));
        let sections = (0..3).map(|entry| [24, 32].map(|field| number(&program, 0xe0 + entry * 64 + field, 8).unwrap()));
        assert_eq!(sections.collect::<Vec<_>>(), [[0xc0, 0x10], [0xc0, 8], [0xd0, 0x10]]);
        assert_eq!(program[0xd0..0xe0], whole[0xf0..0x100]);
    }
}
