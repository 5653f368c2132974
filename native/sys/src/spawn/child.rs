//! The child between its clone and its exec. It makes only system calls: no allocation, no lock, no errno, because it may share the memory of a creator
//! that continues to run.

use std::os::fd::{AsRawFd, BorrowedFd};

use tsrunc_plan::container::Namespace;

use super::{CloneArgs, Step};
use crate::namespaces::clone_flag;
use crate::raw::{end_process, raw};

/// A namespace to join (setns(2)).
#[derive(Debug, PartialEq)]
pub struct Join {
    pub fd: i32,
    pub flag: u64,
    pub step: Step,
}

impl Join {
    pub fn new(namespace: Namespace, fd: BorrowedFd<'_>) -> Join {
        Join { fd: fd.as_raw_fd(), flag: clone_flag(namespace), step: Step::joining(namespace) }
    }
}

/// The child's instructions. The pointers lead to memory that is shared with the creator, or to a copy.
pub struct Child {
    /// Clone the container's process with `inner_flags`, instead of being that process.
    pub intermediate: bool,
    pub inner_flags: u64,
    /// Namespaces that an intermediate process joins, in this order.
    pub joins: *const Join,
    pub join_count: usize,
    pub wait: i32,
    pub wait_writer: i32,
    /// Lines of timens_offsets, or null.
    pub clock_offsets: *const libc::c_char,
    pub clock_offsets_length: usize,
    pub become_root: bool,
    /// Namespaces to unshare.
    pub unshare_flags: u64,
    pub program: i32,
    pub argv: *const *const libc::c_char,
    pub envp: *const *const libc::c_char,
    pub inherit: *const i32,
    pub inherit_count: usize,
    pub report: i32,
    /// Where an intermediate process writes the pid of its clone.
    pub pid_pipe: i32,
}

/// Runs in the child: in the creator's namespaces except those that the clone made, and perhaps concurrently with the creator.
pub unsafe extern "C" fn run_child(child: *const Child) -> ! {
    // SAFETY: the caller of clone3 keeps `child` and what it points to alive; every argument below is an integer,
    // or a pointer to that memory.
    unsafe {
        let child = &*child;
        let call = |step: Step, number: libc::c_long, arguments: [u64; 5]| -> i64 {
            let result = raw(number, arguments);
            if result < 0 {
                let report = [step as i32, -result as i32];
                raw(libc::SYS_write, [child.report as u64, report.as_ptr() as u64, 8, 0, 0]);
                end_process(1);
            }
            result
        };
        let become_undumpable = || {
            call(Step::BecomeUndumpable, libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 0, 0, 0, 0]);
        };
        if child.intermediate {
            // Processes in the joined namespaces must not trace this one, nor the one that it makes. The memory is a copy, so the creator stays as it is.
            become_undumpable();
            for index in 0..child.join_count {
                let join = &*child.joins.add(index);
                call(join.step, libc::SYS_setns, [join.fd as u64, join.flag, 0, 0, 0]);
                become_undumpable(); // a user namespace may have made it dumpable again (fs.suid_dumpable in proc_sys_fs(5))
            }
            let args = CloneArgs { flags: child.inner_flags | libc::CLONE_PARENT as u64, ..CloneArgs::default() };
            let pid = call(Step::Clone, libc::SYS_clone3, [&raw const args as u64, size_of::<CloneArgs>() as u64, 0, 0, 0]);
            if pid != 0 {
                let pid = pid as i32;
                raw(libc::SYS_write, [child.pid_pipe as u64, &raw const pid as u64, 4, 0, 0]);
                end_process(0);
            }
        }
        if child.wait >= 0 {
            let mut byte = 0u8;
            call(Step::Wait, libc::SYS_close, [child.wait_writer as u64, 0, 0, 0, 0]);
            if call(Step::Wait, libc::SYS_read, [child.wait as u64, &raw mut byte as u64, 1, 0, 0]) != 1 {
                end_process(1); // the creator has died
            }
        }
        // Before the change of user, after which we may not write our own files in /proc.
        if !child.clock_offsets.is_null() {
            const CLONE_NEWTIME: u64 = 0x80;
            call(Step::UnshareTime, libc::SYS_unshare, [CLONE_NEWTIME, 0, 0, 0, 0]);
            let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as u64;
            let file = call(Step::SetClocks, libc::SYS_openat, [libc::AT_FDCWD as u64, c"/proc/self/timens_offsets".as_ptr() as u64, flags, 0, 0]);
            call(Step::SetClocks, libc::SYS_write, [file as u64, child.clock_offsets as u64, child.clock_offsets_length as u64, 0, 0]);
        }
        if child.become_root {
            call(Step::BecomeRoot, libc::SYS_setresgid, [0, 0, 0, 0, 0]);
            call(Step::BecomeRoot, libc::SYS_setresuid, [0, 0, 0, 0, 0]);
            if child.intermediate {
                become_undumpable(); // as above
            }
        }
        if child.unshare_flags != 0 {
            call(Step::Unshare, libc::SYS_unshare, [child.unshare_flags, 0, 0, 0, 0]);
        }
        for index in 0..child.inherit_count {
            call(Step::Inherit, libc::SYS_fcntl, [*child.inherit.add(index) as u64, libc::F_SETFD as u64, 0, 0, 0]);
        }
        call(Step::Execute, libc::SYS_execveat, [child.program as u64, c"".as_ptr() as u64, child.argv as u64, child.envp as u64, libc::AT_EMPTY_PATH as u64]);
        end_process(1)
    }
}
