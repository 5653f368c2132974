//! The device rules of cgroup v2: a BPF program that the kernel asks at every open and mknod of a device
//! (BPF_PROG_TYPE_CGROUP_DEVICE; linux/bpf.h, struct bpf_cgroup_dev_ctx).

use std::os::fd::{AsFd, OwnedFd};

use tsrunc_plan::cgroup::DeviceRule;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::bpf::{attach_device_filter, load_device_filter, Instruction};
use tsrunc_sys::errno::During;

/// Loads the filter of these rules and attaches it to a cgroup. A cgroup just made has no other of ours.
pub fn attach(cgroup: &OwnedFd, rules: &[DeviceRule]) -> Result<(), Failure> {
    let filter = load_device_filter(&compile(rules)).during(|| "load the device filter (/linux/resources/devices)".into())?;
    attach_device_filter(cgroup.as_fd(), &filter).during(|| "attach the device filter (/linux/resources/devices)".into())
}

// Opcodes (Documentation/bpf/standardization/instruction-set.rst).
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const MOVE_VALUE: u8 = 0xb7;
const AND_VALUE_32: u8 = 0x54;
const SHIFT_RIGHT_32: u8 = 0x74;
const JUMP_NOT_EQUAL_32: u8 = 0x56;
const JUMP_NOT_EQUAL_REGISTER_32: u8 = 0x5e;
const EXIT: u8 = 0x95;

// Registers: r1 the context, then what is asked for.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

fn instruction(opcode: u8, destination: u8, source: u8, offset: i16, value: i32) -> Instruction {
    u64::from(opcode) | u64::from(destination) << 8 | u64::from(source) << 12 | u64::from(offset as u16) << 16 | u64::from(value as u32) << 32
}

/// The program: the rules from the last to the first, each a run of tests that jump to the next rule, then a verdict.
/// A rule decides where it covers all of what is asked for (read, write, mknod). Nothing matches: denied.
fn compile(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE, ACCESS, KIND, 0, 0),
        instruction(AND_VALUE_32, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT_32, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let tests = tests(rule);
        let length = tests.len();
        for (index, test) in tests.into_iter().enumerate() {
            let to_next_rule = (length - index - 1 + 2) as i16;
            program.push(match test {
                Test::Plain(instruction) => instruction,
                Test::Jump { opcode, register, source, value } => instruction(opcode, register, source, to_next_rule, value),
            });
        }
        program.push(instruction(MOVE_VALUE, RESULT, 0, 0, i32::from(rule.allow)));
        program.push(instruction(EXIT, 0, 0, 0, 0));
        if length == 0 {
            return program; // it matches everything: the verifier refuses code that cannot be reached
        }
    }
    program.push(instruction(MOVE_VALUE, RESULT, 0, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    program
}

enum Test {
    Plain(Instruction),
    /// Jumps to the next rule unless equal.
    Jump { opcode: u8, register: u8, source: u8, value: i32 },
}

fn tests(rule: &DeviceRule) -> Vec<Test> {
    let equals = |register: u8, value: u32| Test::Jump { opcode: JUMP_NOT_EQUAL_32, register, source: 0, value: value as i32 };
    let mut tests = Vec::new();
    match rule.kind.as_str() {
        "b" => tests.push(equals(KIND, 1)),
        "c" => tests.push(equals(KIND, 2)),
        _ => {}
    }
    let bits = rule.access.chars().fold(0, |bits, letter| bits | match letter { 'm' => 1, 'r' => 2, 'w' => 4, _ => 0 });
    if bits != 7 {
        if rule.allow {
            // All of what is asked for must be allowed.
            tests.push(Test::Plain(instruction(MOVE, SCRATCH, ACCESS, 0, 0)));
            tests.push(Test::Plain(instruction(AND_VALUE_32, SCRATCH, 0, 0, bits)));
            tests.push(Test::Jump { opcode: JUMP_NOT_EQUAL_REGISTER_32, register: SCRATCH, source: ACCESS, value: 0 });
        } else {
            // Any of it is enough to deny: skip only where none of the denied bits is asked for.
            tests.push(Test::Plain(instruction(MOVE, SCRATCH, ACCESS, 0, 0)));
            tests.push(Test::Plain(instruction(AND_VALUE_32, SCRATCH, 0, 0, bits)));
            tests.push(Test::Jump { opcode: JUMP_EQUAL_32, register: SCRATCH, source: 0, value: 0 });
        }
    }
    tests.extend(rule.major.map(|major| equals(MAJOR, major)));
    tests.extend(rule.minor.map(|minor| equals(MINOR, minor)));
    tests
}

const JUMP_EQUAL_32: u8 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would. `asked`: kind, access, major, minor.
    fn verdict(program: &[Instruction], asked: (u32, u32, u32, u32)) -> bool {
        let context = [asked.0 | asked.1 << 16, asked.2, asked.3];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let word = program[at];
            let (opcode, to, from) = (word as u8, (word >> 8 & 15) as usize, (word >> 12 & 15) as usize);
            let (offset, value) = ((word >> 16) as i16, (word >> 32) as u32);
            at += 1;
            let taken = match opcode {
                LOAD_WORD => { registers[to] = context[offset as usize / 4].into(); false }
                MOVE => { registers[to] = registers[from]; false }
                MOVE_VALUE => { registers[to] = value.into(); false }
                AND_VALUE_32 => { registers[to] = u64::from(registers[to] as u32 & value); false }
                SHIFT_RIGHT_32 => { registers[to] = u64::from(registers[to] as u32 >> value); false }
                JUMP_NOT_EQUAL_32 => registers[to] as u32 != value,
                JUMP_EQUAL_32 => registers[to] as u32 == value,
                JUMP_NOT_EQUAL_REGISTER_32 => registers[to] as u32 != registers[from] as u32,
                EXIT => return registers[0] != 0,
                _ => panic!("opcode {opcode:#x}"),
            };
            if taken {
                at = (at as i64 + i64::from(offset)) as usize;
            }
        }
    }

    fn rule(allow: bool, kind: &str, numbers: (Option<u32>, Option<u32>), access: &str) -> DeviceRule {
        DeviceRule { allow, kind: kind.into(), major: numbers.0, minor: numbers.1, access: access.into() }
    }

    const CHAR: u32 = 2;
    const MKNOD: u32 = 1;
    const READ: u32 = 2;
    const WRITE: u32 = 4;

    #[test]
    fn the_last_matching_rule_wins() {
        let program = compile(&[rule(false, "a", (None, None), "rwm"), rule(true, "c", (Some(1), Some(3)), "rw"), rule(true, "c", (Some(1), None), "m")]);
        assert!(verdict(&program, (CHAR, READ | WRITE, 1, 3)));
        assert!(verdict(&program, (CHAR, MKNOD, 1, 9)));
        assert!(!verdict(&program, (CHAR, READ, 1, 9)));
        assert!(!verdict(&program, (1, READ, 1, 3)));
    }

    #[test]
    fn a_denied_letter_denies_a_request_that_asks_for_more() {
        let program = compile(&[rule(true, "a", (None, None), "rwm"), rule(false, "c", (Some(5), None), "w")]);
        assert!(!verdict(&program, (CHAR, READ | WRITE, 5, 0)));
        assert!(verdict(&program, (CHAR, READ, 5, 0)));
    }

    #[test]
    fn no_rule_means_denied() {
        assert!(!verdict(&compile(&[]), (CHAR, READ, 1, 3)));
    }
}
