//! The device rules of cgroup v2: a BPF program that the kernel runs at every open and mknod of a device
//! (BPF_PROG_TYPE_CGROUP_DEVICE; linux/bpf.h, struct bpf_cgroup_dev_ctx).

use std::os::fd::{AsFd, OwnedFd};

use tsrunc_plan::cgroup::DeviceRule;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::bpf::{attach_device_filter, attached_device_filter, load_device_filter, Instruction};
use tsrunc_sys::errno::During;

const NAME: &str = "tsrunc_devices";

/// Compiles these rules to a filter and attaches it to a cgroup, replacing an earlier filter of tsrunc. `is_new`: the cgroup is new, so do not
/// look for one. Filters of other programs stay; the kernel allows an access only if every filter does.
pub fn attach(cgroup: &OwnedFd, rules: &[DeviceRule], is_new: bool) -> Result<(), Failure> {
    let filter = load_device_filter(&compile(rules), NAME).during(|| "load the device filter (/linux/resources/devices)".into())?;
    let during = || "attach the device filter (/linux/resources/devices)".to_owned();
    let replaced = if is_new { None } else { attached_device_filter(cgroup.as_fd(), NAME).during(during)? };
    attach_device_filter(cgroup.as_fd(), &filter, replaced.as_ref()).during(during)
}

// Opcodes (Documentation/bpf/standardization/instruction-set.rst).
const LOAD_WORD: u8 = 0x61;
const MOVE_32: u8 = 0xbc;
const MOVE_VALUE_32: u8 = 0xb4;
const AND_VALUE_32: u8 = 0x54;
const SHIFT_RIGHT_VALUE_32: u8 = 0x74;
const JUMP: u8 = 0x05;
const JUMP_NOT_EQUAL_32: u8 = 0x56;
const JUMP_ANY_BIT_32: u8 = 0x46;
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
/// Pointer to the context: a word with the access in its high half and the kind in its low half, then major, then minor.
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// Bits of the requested access that no rule has allowed yet.
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const EVERY_ACCESS: i32 = 7;

fn instruction(opcode: u8, (destination, source): (u8, u8), offset: i16, value: i32) -> Instruction {
    u64::from(opcode) | u64::from(destination) << 8 | u64::from(source) << 12 | u64::from(offset as u16) << 16 | u64::from(value as u32) << 32
}

fn returning(allow: bool) -> [Instruction; 2] {
    [instruction(MOVE_VALUE_32, (RESULT, 0), 0, allow.into()), instruction(EXIT, (0, 0), 0, 0)]
}

/// Compiles the rules from last to first, because the last match wins. As with the v1 files, each letter of the access is decided on its own:
/// a rule that allows `r` and one that allows `w` together allow `rw`, and a rule that denies `w` denies `rw`. An access that no rule matches
/// is denied.
fn compile(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(LOAD_WORD, (KIND, CONTEXT), 0, 0),
        instruction(MOVE_32, (ACCESS, KIND), 0, 0),
        instruction(AND_VALUE_32, (KIND, 0), 0, 0xffff),
        instruction(SHIFT_RIGHT_VALUE_32, (ACCESS, 0), 0, 16),
        instruction(LOAD_WORD, (MAJOR, CONTEXT), 4, 0),
        instruction(LOAD_WORD, (MINOR, CONTEXT), 8, 0),
    ];
    for rule in rules.iter().rev() {
        let tests = tests(rule);
        let verdict = verdict(rule);
        let length = tests.len() + verdict.len();
        for (index, (register, value)) in tests.iter().enumerate() {
            let to_next_rule = (length - index - 1) as i16;
            program.push(instruction(JUMP_NOT_EQUAL_32, (*register, 0), to_next_rule, *value));
        }
        program.extend(verdict);
        if tests.is_empty() && access_of(rule) == EVERY_ACCESS {
            return program; // it matches everything, and the verifier rejects unreachable code
        }
    }
    program.extend(returning(false));
    program
}

/// The registers and the values they must have for the rule to match.
fn tests(rule: &DeviceRule) -> Vec<(u8, i32)> {
    let kind = match rule.kind.as_str() {
        "b" => Some(1),
        "c" => Some(2),
        _ => None,
    };
    let number = |number: u32| number as i32;
    [(KIND, kind), (MAJOR, rule.major.map(number)), (MINOR, rule.minor.map(number))]
        .into_iter()
        .filter_map(|(register, value)| Some((register, value?)))
        .collect()
}

fn access_of(rule: &DeviceRule) -> i32 {
    let bit = |letter| match letter {
        'm' => 1,
        'r' => 2,
        'w' => 4,
        _ => 0,
    };
    rule.access.chars().fold(0, |bits, letter| bits | bit(letter))
}

/// The code for a matching rule: it ends the program when the access is decided, else leaves the remaining letters to earlier rules.
fn verdict(rule: &DeviceRule) -> Vec<Instruction> {
    let access = access_of(rule);
    let ending = returning(rule.allow);
    match (rule.allow, access) {
        (_, EVERY_ACCESS) => ending.to_vec(),
        (true, access) => {
            let rest = [instruction(AND_VALUE_32, (ACCESS, 0), 0, !access), instruction(JUMP_NOT_EQUAL_32, (ACCESS, 0), 2, 0)];
            [rest, ending].concat()
        }
        (false, access) => {
            let decides = [instruction(JUMP_ANY_BIT_32, (ACCESS, 0), 1, access), instruction(JUMP, (0, 0), 2, 0)];
            [decides, ending].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would. `asked`: kind, access, major, minor.
    fn run(program: &[Instruction], asked: (u32, u32, u32, u32)) -> bool {
        let context = [asked.0 | asked.1 << 16, asked.2, asked.3];
        let mut registers = [0u32; 6];
        let mut at = 0;
        loop {
            let word = program[at];
            let (to, from) = ((word >> 8 & 15) as usize, (word >> 12 & 15) as usize);
            let (offset, value) = ((word >> 16) as i16, (word >> 32) as u32);
            at += 1;
            let jumps = match word as u8 {
                LOAD_WORD => {
                    registers[to] = context[offset as usize / 4];
                    false
                }
                MOVE_32 => {
                    registers[to] = registers[from];
                    false
                }
                MOVE_VALUE_32 => {
                    registers[to] = value;
                    false
                }
                AND_VALUE_32 => {
                    registers[to] &= value;
                    false
                }
                SHIFT_RIGHT_VALUE_32 => {
                    registers[to] >>= value;
                    false
                }
                JUMP => true,
                JUMP_NOT_EQUAL_32 => registers[to] != value,
                JUMP_ANY_BIT_32 => registers[to] & value != 0,
                EXIT => return registers[0] != 0,
                opcode => panic!("opcode {opcode:#x}"),
            };
            if jumps {
                at = at.checked_add_signed(offset.into()).unwrap();
            }
        }
    }

    fn rule(allow: bool, kind: &str, numbers: (Option<u32>, Option<u32>), access: &str) -> DeviceRule {
        DeviceRule { allow, kind: kind.into(), major: numbers.0, minor: numbers.1, access: access.into() }
    }

    /// The meaning of the rules, without a program.
    fn expected(rules: &[DeviceRule], (kind, access, major, minor): (u32, u32, u32, u32)) -> bool {
        let matches = |rule: &&DeviceRule| {
            let kind_fits = rule.kind == "a" || rule.kind == if kind == 1 { "b" } else { "c" };
            kind_fits && rule.major.is_none_or(|number| number == major) && rule.minor.is_none_or(|number| number == minor)
        };
        let allowed = |letter: char| rules.iter().rev().filter(matches).find(|rule| rule.access.contains(letter)).is_some_and(|rule| rule.allow);
        [('m', 1), ('r', 2), ('w', 4)].iter().all(|(letter, bit)| access & bit == 0 || allowed(*letter))
    }

    const CHAR: u32 = 2;
    const MKNOD: u32 = 1;
    const READ: u32 = 2;
    const WRITE: u32 = 4;

    #[test]
    fn the_last_matching_rule_wins() {
        let rules = [rule(false, "a", (None, None), "rwm"), rule(true, "c", (Some(1), Some(3)), "rw"), rule(true, "c", (Some(1), None), "m")];
        let program = compile(&rules);
        assert!(run(&program, (CHAR, READ | WRITE, 1, 3)));
        assert!(run(&program, (CHAR, MKNOD, 1, 9)));
        assert!(!run(&program, (CHAR, READ, 1, 9)));
        assert!(!run(&program, (1, READ, 1, 3)));
    }

    #[test]
    fn every_letter_is_decided_on_its_own() {
        let denied = compile(&[rule(true, "a", (None, None), "rwm"), rule(false, "c", (Some(5), None), "w")]);
        assert!(!run(&denied, (CHAR, READ | WRITE, 5, 0)));
        assert!(run(&denied, (CHAR, READ, 5, 0)));
        let composed = compile(&[rule(true, "c", (Some(5), None), "r"), rule(true, "c", (Some(5), Some(0)), "w")]);
        assert!(run(&composed, (CHAR, READ | WRITE, 5, 0)));
        assert!(!run(&composed, (CHAR, READ | WRITE, 5, 1)));
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        assert!(!run(&compile(&[]), (CHAR, READ, 1, 3)));
    }

    #[test]
    fn large_numbers_are_not_negative() {
        let program = compile(&[rule(true, "c", (Some(u32::MAX), None), "r")]);
        assert!(run(&program, (CHAR, READ, u32::MAX, 0)));
        assert!(!run(&program, (CHAR, READ, 1, 0)));
    }

    #[test]
    fn every_instruction_can_be_reached() {
        let program = compile(&[rule(true, "c", (Some(1), None), "r"), rule(false, "a", (None, None), "rwm"), rule(true, "b", (None, None), "m")]);
        // 6 instructions load the registers; 5 are the rule for `b`; 2 are the rule for `a`, which ends the program. The first rule has none.
        assert_eq!(program.len(), 6 + 5 + 2);
    }

    #[test]
    fn programs_mean_what_their_rules_mean() {
        // A linear congruential generator (Knuth's MMIX constants), for the same rules in every run.
        let mut state = 1u64;
        let mut below = |bound: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % bound
        };
        for _ in 0..3_000 {
            let rules: Vec<DeviceRule> = (0..below(6))
                .map(|_| {
                    let mut number = || Some(below(3)).filter(|number| *number < 2);
                    let numbers = (number(), number());
                    let access = ["r", "w", "m", "rw", "rm", "wm", "rwm"][below(7) as usize];
                    rule(below(2) == 1, ["a", "b", "c"][below(3) as usize], numbers, access)
                })
                .collect();
            let program = compile(&rules);
            for asked in (0..56).map(|n| (1 + n % 2, 1 + n / 2 % 7, n / 14 % 2, n / 28)) {
                assert_eq!(run(&program, asked), expected(&rules, asked), "{rules:?} {asked:?}");
            }
        }
    }
}
