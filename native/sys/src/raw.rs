//! Raw system calls, for a child that shares its parent's memory and can use nothing else.

use std::arch::asm;

/// A system call that does not set errno, because errno is the parent's while memory is shared. Returns the kernel's result: an errno if negative.
///
/// # Safety
/// That of the system call.
pub(crate) unsafe fn raw(number: libc::c_long, arguments: [u64; 5]) -> i64 {
    let [a, b, c, d, e] = arguments;
    let result: i64;
    // SAFETY: the caller guarantees the arguments; clobbers are declared.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            out("rcx") _, out("r11") _);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e);
    }
    result
}

/// Ends the calling process, even if a seccomp filter denies exit_group(2).
pub(crate) fn end_process(status: u64) -> ! {
    // SAFETY: the call takes an integer; the instruction after it raises a fatal signal.
    unsafe {
        raw(libc::SYS_exit_group, [status, 0, 0, 0, 0]);
        #[cfg(target_arch = "x86_64")]
        asm!("ud2", options(noreturn));
        #[cfg(target_arch = "aarch64")]
        asm!("brk 1", options(noreturn));
    }
}
