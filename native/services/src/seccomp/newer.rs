//! Answers system calls that are newer than the profile with ENOSYS.
//!
//! A profile with a list of allowed calls denies all others, usually with EPERM. A C library that tries a new system call falls back to an older one on
//! ENOSYS, but treats EPERM as an error. So a call with a number above those that the profile names must fail with ENOSYS, as in runc since
//! 1.0.0-rc93.

use tsrunc_sys::seccomp::Instruction;

use super::bpf::{step, test, Step, ARCHITECTURE, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, LOAD, NUMBER, RETURN};

/// AUDIT_ARCH_X86_64: both ABIs of a 64-bit process have it.
const AUDIT_X86_64: u32 = 0xc000_003e;
/// libseccomp's token for the x32 ABI. The kernel reports x86_64 for it, and a bit in the number.
pub const X32: u32 = 0x4000_003e;
/// That bit (__X32_SYSCALL_BIT).
const X32_BIT: u32 = 0x4000_0000;

/// SECCOMP_RET_ERRNO with ENOSYS.
const DENY: u32 = 0x0005_0000 | 38;

/// The highest system call number that a profile names for an architecture (libseccomp's token).
#[derive(Clone, Copy)]
pub struct Last {
    pub architecture: u32,
    pub number: u32,
}

/// The start of a filter, which denies newer calls. The program that follows decides all others.
pub fn deny_newer(last: &[Last]) -> Vec<Instruction> {
    let of = |architecture: u32| last.iter().find(|last| last.architecture == architecture).map(|last| last.number);
    let mut steps = Vec::new();
    for &Last { architecture, number } in last {
        match architecture {
            X32 => {} // handled with x86_64
            AUDIT_X86_64 => steps.extend(x86_64(number, of(X32))),
            _ => steps.extend([
                step(LOAD, ARCHITECTURE),
                test(JUMP_EQUAL, architecture, 0, 3),
                step(LOAD, NUMBER),
                test(JUMP_GREATER, number, 0, 1),
                step(RETURN, DENY),
            ]),
        }
    }
    steps.into_iter().map(Step::encode).collect()
}

/// If the profile does not name x32, calls of x32 are left to the program that follows.
fn x86_64(last: u32, last_x32: Option<u32>) -> Vec<Step> {
    let mut steps = vec![step(LOAD, ARCHITECTURE), test(JUMP_EQUAL, AUDIT_X86_64, 0, 0), step(LOAD, NUMBER)];
    match last_x32 {
        Some(last_x32) => steps.extend([test(JUMP_GREATER_EQUAL, X32_BIT, 1, 0), test(JUMP_GREATER, last, 1, 2), test(JUMP_GREATER, last_x32, 0, 1)]),
        None => steps.extend([test(JUMP_GREATER_EQUAL, X32_BIT, 2, 0), test(JUMP_GREATER, last, 0, 1)]),
    }
    steps.push(step(RETURN, DENY));
    steps[1].no = steps.len() as u8 - 2;
    steps
}

#[cfg(test)]
mod tests {
    use super::super::bpf::{run, Call};
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;
    const AUDIT_I386: u32 = 0x4000_0003;

    fn answer(last: &[Last], architecture: u32, number: u32) -> u32 {
        let mut program: Vec<Step> = deny_newer(last).into_iter().map(Step::decode).collect();
        program.push(step(RETURN, ALLOW));
        run(&program, &Call { architecture, number, arguments: [0; 6] })
    }

    #[test]
    fn denies_calls_above_the_last_of_each_architecture() {
        let last = [
            Last { architecture: AUDIT_I386, number: 400 },
            Last { architecture: AUDIT_X86_64, number: 300 },
            Last { architecture: X32, number: X32_BIT + 200 },
        ];
        for (architecture, number, expected) in [
            (AUDIT_X86_64, 0, ALLOW),
            (AUDIT_X86_64, 300, ALLOW),
            (AUDIT_X86_64, 301, DENY),
            (AUDIT_X86_64, X32_BIT - 1, DENY),
            (AUDIT_X86_64, X32_BIT, ALLOW),
            (AUDIT_X86_64, X32_BIT + 200, ALLOW),
            (AUDIT_X86_64, X32_BIT + 201, DENY),
            (AUDIT_X86_64, u32::MAX, DENY),
            (AUDIT_I386, 400, ALLOW),
            (AUDIT_I386, 401, DENY),
            (AUDIT_I386, X32_BIT, DENY),
            // An architecture that is not in the profile.
            (0xc000_00b7, 5000, ALLOW),
        ] {
            assert_eq!(answer(&last, architecture, number), expected, "{architecture:x} {number}");
        }
    }

    #[test]
    fn does_not_decide_calls_of_an_abi_that_is_not_named() {
        let last = [Last { architecture: AUDIT_X86_64, number: 300 }];
        assert_eq!(answer(&last, AUDIT_X86_64, 301), DENY);
        assert_eq!(answer(&last, AUDIT_X86_64, 300), ALLOW);
        assert_eq!(answer(&last, AUDIT_X86_64, X32_BIT + 1), ALLOW);
        assert_eq!(answer(&[], AUDIT_X86_64, 9999), ALLOW);
    }
}
