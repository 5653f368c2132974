//! Bindings to libseccomp (seccomp.h; build.rs links it statically), to compile filters. Nothing here loads one.

use std::ffi::{c_char, c_int, c_uint, c_void, CString};
use std::ptr::NonNull;

use rustix::io::Errno;

use crate::seccomp::Instruction;

/// One condition on an argument of a system call (struct scmp_arg_cmp).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// 0 to 5.
    pub argument: c_uint,
    /// Number of an operator in enum scmp_compare.
    pub operator: c_uint,
    pub first: u64,
    pub second: u64,
}

/// enum scmp_filter_attr: set no_new_privs when the filter is loaded.
const CTL_NNP: c_int = 3;

#[repr(C)]
struct Version {
    major: c_uint,
    minor: c_uint,
    micro: c_uint,
}

extern "C" {
    fn seccomp_version() -> *const Version;
    fn seccomp_init(default_action: u32) -> *mut c_void;
    fn seccomp_release(context: *mut c_void);
    fn seccomp_attr_set(context: *mut c_void, attribute: c_int, value: u32) -> c_int;
    fn seccomp_arch_native() -> u32;
    fn seccomp_arch_resolve_name(name: *const c_char) -> u32;
    fn seccomp_arch_exist(context: *const c_void, architecture: u32) -> c_int;
    fn seccomp_arch_add(context: *mut c_void, architecture: u32) -> c_int;
    fn seccomp_syscall_resolve_name_arch(architecture: u32, name: *const c_char) -> c_int;
    fn seccomp_rule_add_array(context: *mut c_void, action: u32, syscall: c_int, count: c_uint, comparisons: *const Comparison) -> c_int;
    fn seccomp_export_bpf_mem(context: *const c_void, buffer: *mut c_void, length: *mut usize) -> c_int;
}

/// The library's result for an unknown name (__NR_SCMP_ERROR).
const NO_SYSCALL: c_int = -1;

/// The library's version, `2.6.0`.
pub fn version() -> String {
    // SAFETY: it returns a pointer to a constant.
    let Version { major, minor, micro } = unsafe { &*seccomp_version() };
    format!("{major}.{minor}.{micro}")
}

/// The architecture of this machine.
pub fn native_architecture() -> u32 {
    // SAFETY: no arguments.
    unsafe { seccomp_arch_native() }
}

/// The library's token of an architecture, by its lower-case name, `x86_64`.
pub fn architecture(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string that lives through the call.
    Some(unsafe { seccomp_arch_resolve_name(name.as_ptr()) }).filter(|token| *token != 0)
}

/// The number of a system call. Negative if only other architectures have it; a rule may name it nevertheless.
pub fn syscall_number(architecture: u32, name: &str) -> Option<i32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string that lives through the call.
    Some(unsafe { seccomp_syscall_resolve_name_arch(architecture, name.as_ptr()) }).filter(|number| *number != NO_SYSCALL)
}

/// A filter under construction; a new one is for this machine's architecture only.
pub struct Filter(NonNull<c_void>);

impl Filter {
    /// `default_action`: `SECCOMP_RET_*` with its data, for system calls without a matching rule.
    ///
    /// # Errors
    /// `EINVAL` if the library does not know the action.
    pub fn new(default_action: u32) -> Result<Self, Errno> {
        // SAFETY: plain integers go in; a null pointer comes back on failure.
        let filter = Filter(NonNull::new(unsafe { seccomp_init(default_action) }).ok_or(Errno::INVAL)?);
        // SAFETY: the pointer is valid until the drop.
        result(unsafe { seccomp_attr_set(filter.0.as_ptr(), CTL_NNP, 0) })?;
        Ok(filter)
    }

    /// Adds an architecture that the process may switch to, unless the filter has it already.
    ///
    /// # Errors
    /// `EDOM` for an architecture with another byte order.
    pub fn add_architecture(&mut self, token: u32) -> Result<(), Errno> {
        // SAFETY: the pointer is valid until the drop.
        unsafe {
            if seccomp_arch_exist(self.0.as_ptr(), token) == 0 {
                return Ok(());
            }
            result(seccomp_arch_add(self.0.as_ptr(), token))
        }
    }

    /// Adds a rule for a system call of this machine's architecture, and for the system call of that name on the filter's other architectures.
    ///
    /// # Errors
    /// `EACCES` for the default action; `EEXIST` if an existing rule covers this one.
    pub fn add_rule(&mut self, action: u32, syscall: i32, comparisons: &[Comparison]) -> Result<(), Errno> {
        // SAFETY: the pointer is valid until the drop; the library copies the comparisons.
        result(unsafe { seccomp_rule_add_array(self.0.as_ptr(), action, syscall, comparisons.len() as c_uint, comparisons.as_ptr()) })
    }

    /// The program for the kernel.
    pub fn program(&self) -> Result<Vec<Instruction>, Errno> {
        let mut bytes = 0;
        // SAFETY: without a buffer it only returns the length, and keeps the program that it compiled.
        result(unsafe { seccomp_export_bpf_mem(self.0.as_ptr(), std::ptr::null_mut(), &mut bytes) })?;
        let mut program = vec![0; bytes / size_of::<Instruction>()];
        // SAFETY: the buffer has exactly the length it returned. (2.6.0 copies the buffer's length, not the program's.)
        result(unsafe { seccomp_export_bpf_mem(self.0.as_ptr(), program.as_mut_ptr().cast(), &mut bytes) })?;
        Ok(program)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: `new` made it, and it is not used after this.
        unsafe { seccomp_release(self.0.as_ptr()) }
    }
}

fn result(returned: c_int) -> Result<(), Errno> {
    if returned < 0 {
        return Err(Errno::from_raw_os_error(-returned));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;

    #[test]
    fn knows_the_system_calls_of_each_architecture() {
        assert_eq!(version(), "2.6.0");
        let x86 = architecture("x86").unwrap();
        assert_eq!(architecture("vax"), None);
        assert_eq!(syscall_number(x86, "chown32"), Some(212));
        assert!(syscall_number(native_architecture(), "chown32").unwrap() < 0);
        assert_eq!(syscall_number(native_architecture(), "uretprobe"), Some(335));
        assert_eq!(syscall_number(x86, "fly"), None);
        assert_eq!(syscall_number(x86, "nul\0"), None);
    }

    #[test]
    fn compiles_a_program_and_reports_errors() {
        let mut filter = Filter::new(ALLOW).unwrap();
        filter.add_architecture(native_architecture()).unwrap();
        filter.add_architecture(architecture("x86").unwrap()).unwrap();
        assert_eq!(filter.add_architecture(architecture("s390x").unwrap()), Err(Errno::DOM));
        assert_eq!(filter.add_rule(ALLOW, 0, &[]), Err(Errno::ACCESS));
        let comparison = Comparison { argument: 0, operator: 4, first: 1, second: 0 };
        filter.add_rule(ERRNO | 1, 1, &[comparison]).unwrap();
        let program = filter.program().unwrap();
        // The first instruction loads the architecture, the last one is a return.
        assert_eq!(program.first(), Some(&0x0000_0004_0000_0020));
        assert_eq!(program.last().unwrap() & 0xffff, 0x06);
    }
}
