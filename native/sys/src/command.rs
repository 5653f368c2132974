//! Starts a program with CLONE_VFORK, as posix_spawn(3), which cannot load a seccomp filter. The standard library's `Command` keeps ignored signals
//! ignored, and Node ignores some.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::io::Errno;
use rustix::process::{waitpid, Pid, WaitOptions};

use crate::namespaces::check;
use crate::process::pointers;
use crate::raw::{end_process, raw};
use crate::seccomp::{Filter, SET_MODE_FILTER};
use crate::signals::{reset_all, with_all_blocked};

/// A program and its attributes.
pub struct Command<'a> {
    pub path: &'a CStr,
    pub args: &'a [CString],
    pub env: &'a [CString],
    /// None: the caller's working directory.
    pub directory: Option<&'a CStr>,
    pub input: BorrowedFd<'a>,
    pub output: BorrowedFd<'a>,
    pub error: BorrowedFd<'a>,
    /// Other descriptors to inherit, with the same numbers. None: all that are not close-on-exec.
    pub inherit: Option<&'a [BorrowedFd<'a>]>,
    /// RLIMIT_NOFILE, soft and hard. None: the caller's.
    pub open_files: Option<[u64; 2]>,
    /// Loaded last, so that it need only allow execve(2). The caller must have set no_new_privs.
    pub filter: Option<Filter<'a>>,
}

/// Why a program did not start.
#[derive(Debug, PartialEq)]
pub struct NotStarted {
    pub errno: Errno,
    /// The kernel refused the seccomp filter.
    pub filter_refused: bool,
}

impl From<Errno> for NotStarted {
    fn from(errno: Errno) -> Self {
        NotStarted { errno, filter_refused: false }
    }
}

/// The child's instructions, and its report of a failure; in memory that it shares with the caller.
struct Child {
    path: *const libc::c_char,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    /// Null: the caller's.
    directory: *const libc::c_char,
    /// For stdin, stdout and stderr.
    descriptors: [i32; 3],
    /// Null: all that are not close-on-exec.
    inherit: *const i32,
    inherit_count: usize,
    /// Null: the caller's limit.
    open_files: *const [u64; 2],
    /// Null: none.
    filter: *const libc::sock_fprog,
    filter_flags: u32,
    /// 0 unless something failed.
    errno: AtomicI32,
    filter_refused: AtomicBool,
}

/// Small, because the child only makes system calls.
const STACK_BYTES: usize = 16 * 1024;

/// Executes the program in a new process group, with default actions for all signals and none blocked. The caller is suspended until the exec.
///
/// # Errors
/// The errno of the step that failed, including chdir(2) and execve(2).
pub fn spawn(command: &Command<'_>) -> Result<Pid, NotStarted> {
    let (argv, envp) = (pointers(command.args), pointers(command.env));
    let filter = command.filter.as_ref().map(Filter::program).transpose()?;
    let inherit = command.inherit.map(|inherit| inherit.iter().map(AsRawFd::as_raw_fd).collect::<Vec<i32>>());
    let child = Child {
        path: command.path.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        directory: command.directory.map_or(std::ptr::null(), CStr::as_ptr),
        descriptors: [command.input.as_raw_fd(), command.output.as_raw_fd(), command.error.as_raw_fd()],
        inherit: inherit.as_ref().map_or(std::ptr::null(), |inherit| inherit.as_ptr()),
        inherit_count: inherit.as_ref().map_or(0, Vec::len),
        open_files: command.open_files.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
        filter: filter.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
        filter_flags: command.filter.as_ref().map_or(0, |filter| filter.flags),
        errno: AtomicI32::new(0),
        filter_refused: AtomicBool::new(false),
    };
    let mut stack: Vec<u128> = Vec::with_capacity(STACK_BYTES / size_of::<u128>());
    // Not clone3(2): the caller may have a seccomp filter that allows only clone(2).
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack grows down from its end, aligned as u128; stack, `child` and all it points to outlive the child's use of them, because
    // the caller is suspended until the child's exec or exit. `run_child` never returns and makes only system calls.
    let cloned = with_all_blocked(|| unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity());
        check(libc::clone(run_child, top.cast(), flags, (&raw const child).cast_mut().cast()).into())
    })?;
    let pid = Pid::from_raw(cloned as i32).ok_or(Errno::SRCH)?;
    match child.errno.load(Ordering::Relaxed) {
        0 => Ok(pid),
        errno => {
            rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
            Err(NotStarted { errno: Errno::from_raw_os_error(errno), filter_refused: child.filter_refused.load(Ordering::Relaxed) })
        }
    }
}

/// Runs in the child, in the caller's memory: only system calls, no allocation, no lock, no errno.
extern "C" fn run_child(argument: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the caller of clone keeps the structure and what it points to alive; other arguments are integers.
    unsafe {
        let child = &*argument.cast_const().cast::<Child>();
        let call = |number: libc::c_long, arguments: [u64; 5]| {
            let result = raw(number, arguments);
            if result < 0 {
                child.errno.store(-result as i32, Ordering::Relaxed);
                end_process(127);
            }
        };
        reset_all();
        call(libc::SYS_setpgid, [0; 5]);
        if !child.directory.is_null() {
            call(libc::SYS_chdir, [child.directory as u64, 0, 0, 0, 0]);
        }
        if !child.inherit.is_null() {
            call(libc::SYS_close_range, [3, u32::MAX.into(), libc::CLOSE_RANGE_CLOEXEC.into(), 0, 0]);
            for index in 0..child.inherit_count {
                call(libc::SYS_fcntl, [*child.inherit.add(index) as u64, libc::F_SETFD as u64, 0, 0, 0]);
            }
        }
        for (number, descriptor) in (0..).zip(child.descriptors) {
            // dup3(2) fails if both numbers are equal.
            if descriptor == number {
                call(libc::SYS_fcntl, [number as u64, libc::F_SETFD as u64, 0, 0, 0]);
            } else {
                call(libc::SYS_dup3, [descriptor as u64, number as u64, 0, 0, 0]);
            }
        }
        if !child.open_files.is_null() {
            // The layout of `struct rlimit64`.
            call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as u64, child.open_files as u64, 0, 0]);
        }
        if !child.filter.is_null() {
            child.filter_refused.store(true, Ordering::Relaxed);
            call(libc::SYS_seccomp, [SET_MODE_FILTER as u64, child.filter_flags.into(), child.filter as u64, 0, 0]);
            child.filter_refused.store(false, Ordering::Relaxed);
        }
        call(libc::SYS_execve, [child.path as u64, child.argv as u64, child.envp as u64, 0, 0]);
        end_process(127)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::seccomp::Instruction;

    /// Runs a shell; its wait status.
    fn shell(script: &str, directory: Option<&CStr>, filter: Option<Filter<'_>>) -> Result<Option<i32>, NotStarted> {
        let (script, null) = (CString::new(script).unwrap(), std::fs::File::open("/dev/null").unwrap());
        let [input, output, error] = [&null, &null, &null].map(AsFd::as_fd);
        let args = [c"sh".into(), c"-c".into(), script];
        let pid = spawn(&Command { path: c"/bin/sh", args: &args, env: &[], directory, input, output, error, inherit: None, open_files: None, filter })?;
        Ok(waitpid(Some(pid), WaitOptions::empty()).unwrap().and_then(|(_, status)| status.exit_status()))
    }

    #[test]
    fn the_program_runs_in_the_directory_and_in_a_new_process_group() {
        assert_eq!(shell(r#"[ "$(pwd -P)" = /proc ] && [ "$(cut -d" " -f5 /proc/self/stat)" = $$ ]"#, Some(c"/proc"), None), Ok(Some(0)));
    }

    #[test]
    fn reports_the_errno_of_a_failed_step() {
        assert_eq!(shell("", Some(c"/nowhere"), None), Err(Errno::NOENT.into()));
        let empty: [Instruction; 0] = [];
        let refused = shell("", None, Some(Filter { program: &empty, flags: 0 }));
        assert_eq!(refused, Err(NotStarted { errno: Errno::INVAL, filter_refused: true }));
    }

    #[test]
    fn the_filter_applies_to_the_program_and_not_to_the_caller() {
        let allow: [Instruction; 1] = [0x7fff_0000 << 32 | 0x06]; // BPF_RET, SECCOMP_RET_ALLOW
                                                                  // SAFETY: takes integers only; of this thread alone.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        assert_eq!(shell(r#"[ "$(sed -n "s/^Seccomp:.//p" /proc/self/status)" = 2 ]"#, None, Some(Filter { program: &allow, flags: 0 })), Ok(Some(0)));
        assert!(std::fs::read_to_string("/proc/thread-self/status").unwrap().contains("Seccomp:\t0"));
    }
}
