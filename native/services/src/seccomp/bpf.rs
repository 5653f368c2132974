//! The instructions of classic BPF that seccomp filters consist of (linux/filter.h, linux/bpf_common.h).

use tsrunc_sys::seccomp::Instruction;

/// Offsets in struct seccomp_data.
pub const NUMBER: u32 = 0;
pub const ARCHITECTURE: u32 = 4;

/// Load the word at offset k into the accumulator.
pub const LOAD: u16 = 0x20;
/// Skip k instructions.
pub const JUMP: u16 = 0x05;
pub const JUMP_EQUAL: u16 = 0x15;
pub const JUMP_GREATER: u16 = 0x25;
pub const JUMP_GREATER_EQUAL: u16 = 0x35;
pub const JUMP_SET: u16 = 0x45;
/// Mask the accumulator with k.
pub const AND: u16 = 0x54;
pub const RETURN: u16 = 0x06;

/// The kernel's limit (BPF_MAXINSNS).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction (struct sock_filter).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub code: u16,
    /// How many instructions to skip if a test holds.
    pub yes: u8,
    /// How many instructions to skip if it does not.
    pub no: u8,
    pub k: u32,
}

pub fn step(code: u16, k: u32) -> Step {
    Step { code, yes: 0, no: 0, k }
}

pub fn test(code: u16, k: u32, yes: u8, no: u8) -> Step {
    Step { code, yes, no, k }
}

impl Step {
    pub fn decode(instruction: Instruction) -> Self {
        let bytes = instruction.to_ne_bytes();
        Step { code: u16::from_ne_bytes([bytes[0], bytes[1]]), yes: bytes[2], no: bytes[3], k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) }
    }

    pub fn encode(self) -> Instruction {
        let (code, k) = (self.code.to_ne_bytes(), self.k.to_ne_bytes());
        Instruction::from_ne_bytes([code[0], code[1], self.yes, self.no, k[0], k[1], k[2], k[3]])
    }

    /// Whether a test holds. None if this is not a test.
    pub fn holds(&self, accumulator: u32) -> Option<bool> {
        match self.code {
            JUMP_EQUAL => Some(accumulator == self.k),
            JUMP_GREATER => Some(accumulator > self.k),
            JUMP_GREATER_EQUAL => Some(accumulator >= self.k),
            JUMP_SET => Some(accumulator & self.k != 0),
            _ => None,
        }
    }
}

/// A system call, as a filter sees it (struct seccomp_data).
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub architecture: u32,
    pub number: u32,
    pub arguments: [u64; 6],
}

/// Runs a filter as the kernel would. Panics if the kernel would refuse the program.
#[cfg(test)]
pub fn run(program: &[Step], call: &Call) -> u32 {
    let word = |offset: u32| match offset {
        NUMBER => call.number,
        ARCHITECTURE => call.architecture,
        8 | 12 => 0,
        _ => {
            let bytes = call.arguments[(offset as usize - 16) / 8].to_ne_bytes();
            let at = (offset as usize - 16) % 8;
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        }
    };
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let step = program[at];
        at += 1;
        match step.code {
            LOAD => accumulator = word(step.k),
            AND => accumulator &= step.k,
            JUMP => at += step.k as usize,
            RETURN => return step.k,
            _ => at += if step.holds(accumulator).expect("a known instruction") { step.yes } else { step.no } as usize,
        }
    }
}
