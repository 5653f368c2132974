//! Clones the process that becomes a container's init, and executes the init in it (clone(2), execveat(2)).
//!
//! The creator, which calls `spawn`, may have threads (Node), so between clone and exec the child makes only system calls: no allocation, no lock, no
//! errno. If the clone makes neither a user nor a time namespace, and no intermediate process is needed, the child shares the creator's memory until its
//! exec (CLONE_VM), which avoids copying the page tables. If possible it makes its namespaces itself, while the creator does other work.

mod child;
pub mod launcher;
mod step;

use std::arch::asm;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::process::{pidfd_open, waitid, Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::futex;
use tsrunc_plan::container::Namespace;

use self::child::{run_child, Child, Join};
pub use self::step::Step;
use crate::process::pointers;
use crate::raw::raw;
use crate::signals::with_all_blocked;

/// What to clone and what to execute.
#[derive(Clone, Copy)]
pub struct Spawn<'a> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Namespaces that an intermediate process joins, in this order, before it clones the process: a pid namespace, and all others if the
    /// process gets another user namespace than the creator's. Those that the user namespace owns come after it, the rest before it.
    pub joins: &'a [(Namespace, BorrowedFd<'a>)],
    /// Wait for a byte before anything else (the creator writes the id maps meanwhile).
    pub wait: Option<Wait<'a>>,
    /// Unshare a time namespace with these lines of timens_offsets (time_namespaces(7)). The process's children are in it; the process
    /// itself enters it at its exec only since Linux 6.3.
    pub clock_offsets: Option<&'a CStr>,
    /// Become uid and gid 0 of the user namespace before the exec, which would drop the capabilities otherwise.
    pub become_root: bool,
    /// cgroup2 directory to be cloned into (CLONE_INTO_CGROUP).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// That cgroup may run out of memory. The OOM killer kills all processes that share the victim's memory, except one that is suspended until the
    /// victim's exec (`in_vfork`, mm/oom_kill.c). So the creator is suspended (CLONE_VFORK).
    pub cgroup_limits_memory: bool,
    /// That cgroup may be frozen, and the process would freeze before its exec. Then it does not share memory, because the creator would have to wait.
    pub cgroup_may_be_frozen: bool,
    pub program: BorrowedFd<'a>,
    pub args: &'a [CString],
    /// Descriptors that stay open across the exec, with the same numbers.
    pub inherit: &'a [i32],
    /// The child reports a failure before its exec here, as two native-endian i32: step and errno.
    pub report: BorrowedFd<'a>,
}

impl<'a> Spawn<'a> {
    /// A process in the creator's namespaces and cgroups that executes `program`.
    pub fn plain(program: BorrowedFd<'a>, args: &'a [CString], inherit: &'a [i32], report: BorrowedFd<'a>) -> Self {
        Spawn {
            namespaces: 0,
            joins: &[],
            wait: None,
            clock_offsets: None,
            become_root: false,
            cgroup: None,
            cgroup_limits_memory: false,
            cgroup_may_be_frozen: false,
            program,
            args,
            inherit,
            report,
        }
    }
}

/// Both ends of a pipe. The child closes its copy of the writer, so that it reads end of file if the creator is killed.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    pub reader: BorrowedFd<'a>,
    pub writer: BorrowedFd<'a>,
}

/// The spawned process, a child of the creator.
pub struct Spawned {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub memory: SharedMemory,
}

/// The memory that a child may share with the creator until its exec. Dropping it waits for the exec, or the child's end.
pub struct SharedMemory(Option<Box<ChildMemory>>);

impl SharedMemory {
    /// Waits until no memory is shared. Until then, setting the child's oom_score_adj sets the creator's too (proc(5)).
    pub fn wait(&mut self) {
        drop(self.0.take());
    }
}

/// All memory that the child uses before its exec.
struct ChildMemory {
    /// 1 while the child uses the memory; the kernel sets it to 0 (CLONE_CHILD_CLEARTID).
    in_use: AtomicU32,
    child: Child,
    argv: Vec<*const libc::c_char>,
    envp: [*const libc::c_char; 1],
    inherit: Vec<i32>,
    joins: Vec<Join>,
    clock_offsets: Option<CString>,
    stack: Vec<u8>,
    _args: Vec<CString>,
}

impl Drop for ChildMemory {
    fn drop(&mut self) {
        loop {
            let in_use = self.in_use.load(Ordering::Acquire);
            if in_use == 0 {
                return;
            }
            // Woken, interrupted, or cleared meanwhile: check again.
            if let Err(_again) = futex::wait(&self.in_use, futex::Flags::empty(), in_use, None) {}
        }
    }
}

/// `struct clone_args` (clone(2)).
#[repr(C, align(8))]
#[derive(Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

/// Small, because the child only makes system calls.
const STACK_BYTES: usize = 16 * 1024;

/// Clones the process, which executes `spawn.program`. With `joins`, an intermediate process clones it, as the creator's child (CLONE_PARENT).
///
/// # Errors
/// The errno of clone3(2) or of its preparation. `ECHILD`: the intermediate process failed and has reported why on `spawn.report`. A later failure of
/// the process itself is reported there too.
pub fn spawn(spawn: &Spawn<'_>) -> Result<Spawned, Errno> {
    if spawn.joins.is_empty() {
        return clone_child(spawn, None);
    }
    let (pid_read, pid_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let joins_pid = spawn.joins.iter().any(|(namespace, _)| *namespace == Namespace::Pid);
    let intermediate = if joins_pid { launcher::start(spawn, pid_write.as_fd())? } else { clone_child(spawn, Some(pid_write.as_fd()))? };
    drop(pid_write);
    adopt_clone(&intermediate.pidfd, &pid_read)
}

/// Clones one child. With `pid_pipe` it is an intermediate process, which writes the pid of its clone there.
fn clone_child(spawn: &Spawn<'_>, pid_pipe: Option<BorrowedFd<'_>>) -> Result<Spawned, Errno> {
    let intermediate = pid_pipe.is_some();
    let number = |fd: Option<BorrowedFd<'_>>| fd.map_or(-1, |fd| fd.as_raw_fd());
    let own_memory = libc::CLONE_NEWUSER as u64 | 0x80;
    let shares_memory = !intermediate && !spawn.cgroup_may_be_frozen && spawn.namespaces & own_memory == 0;
    let creator_continues = shares_memory && !spawn.cgroup_limits_memory;
    // The child makes the other namespaces itself, but cannot move itself into a new pid namespace.
    let cloned = if creator_continues { spawn.namespaces & libc::CLONE_NEWPID as u64 } else { spawn.namespaces };
    let child = Child {
        intermediate,
        inner_flags: spawn.namespaces,
        joins: std::ptr::null(),
        join_count: spawn.joins.len(),
        wait: number(spawn.wait.map(|wait| wait.reader)),
        wait_writer: number(spawn.wait.map(|wait| wait.writer)),
        clock_offsets: std::ptr::null(),
        clock_offsets_length: spawn.clock_offsets.map_or(0, CStr::count_bytes),
        become_root: spawn.become_root,
        unshare_flags: spawn.namespaces & !cloned,
        program: spawn.program.as_raw_fd(),
        argv: std::ptr::null(),
        envp: std::ptr::null(),
        inherit: std::ptr::null(),
        inherit_count: spawn.inherit.len(),
        report: spawn.report.as_raw_fd(),
        pid_pipe: number(pid_pipe),
    };
    let args = spawn.args.to_vec();
    let mut memory = Box::new(ChildMemory {
        in_use: AtomicU32::new(0),
        child,
        argv: pointers(&args),
        envp: [std::ptr::null()],
        inherit: spawn.inherit.to_vec(),
        joins: spawn.joins.iter().map(|(namespace, fd)| Join::new(*namespace, *fd)).collect(),
        clock_offsets: spawn.clock_offsets.map(CStr::to_owned),
        stack: Vec::with_capacity(if shares_memory { STACK_BYTES } else { 0 }),
        _args: args,
    });
    (memory.child.argv, memory.child.envp, memory.child.inherit) = (memory.argv.as_ptr(), memory.envp.as_ptr(), memory.inherit.as_ptr());
    memory.child.joins = memory.joins.as_ptr();
    memory.child.clock_offsets = memory.clock_offsets.as_deref().map_or(std::ptr::null(), CStr::as_ptr);

    let mut pidfd: i32 = -1;
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut args = CloneArgs {
        flags: CLONE_CLEAR_SIGHAND | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if !intermediate {
        args.flags |= cloned;
    }
    if let Some(cgroup) = spawn.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    if shares_memory {
        args.flags |= (libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID) as u64;
        args.flags |= if creator_continues { 0 } else { libc::CLONE_VFORK as u64 };
        memory.in_use = AtomicU32::new(1);
        args.child_tid = memory.in_use.as_ptr() as u64;
        // The stack pointer must be 16-byte aligned at the child's first call.
        args.stack = memory.stack.as_mut_ptr() as u64;
        args.stack_size = (STACK_BYTES & !15) as u64 - (memory.stack.as_ptr() as u64 & 15);
    }

    // SAFETY: `args` is complete. `memory` and all it points to outlive the child's use: shared memory is not freed before the exec, otherwise the
    // child has a copy. `run_child` never returns.
    let cloned = with_all_blocked(|| unsafe { clone3(&args, run_child, &raw const memory.child) });
    if cloned.is_err() {
        memory.in_use.store(0, Ordering::Relaxed); // there is no child
    }
    let pid = cloned?;
    // SAFETY: the kernel stored a new descriptor, which has no other owner.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd, memory: SharedMemory(Some(memory)) })
}

/// Waits for the intermediate process to exit, and returns the process that it cloned.
fn adopt_clone(intermediate: &OwnedFd, pid_pipe: &OwnedFd) -> Result<Spawned, Errno> {
    let mut bytes = [0u8; 4];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(pid_pipe, &mut bytes))?;
    let _reaped = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(intermediate.as_fd()), WaitIdOptions::EXITED))?;
    if count != 4 {
        return Err(Errno::CHILD);
    }
    let pid = i32::from_ne_bytes(bytes);
    let process = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    // The pid cannot be reused: the process is our child and not reaped yet.
    let pidfd = pidfd_open(process, PidfdFlags::empty())?;
    Ok(Spawned { pid, pidfd, memory: SharedMemory(None) })
}

/// Forks this process, which must have a single thread. The child is a child of our parent (CLONE_PARENT). Returns its pid; None in the child.
pub fn fork_sibling() -> Result<Option<i32>, Errno> {
    let args = CloneArgs { flags: libc::CLONE_PARENT as u64, ..CloneArgs::default() };
    // SAFETY: without CLONE_VM the child has a copy of all memory and of the only thread; `args` outlives the call.
    let result = unsafe { raw(libc::SYS_clone3, [&raw const args as u64, size_of::<CloneArgs>() as u64, 0, 0, 0]) };
    let denied = [-libc::ENOSYS, -libc::EPERM].map(i64::from);
    // A seccomp filter may deny clone3(2), whose flags it cannot inspect, but allow clone(2).
    let result = match denied.contains(&result) {
        // SAFETY: as above, with all pointers null.
        true => unsafe { raw(libc::SYS_clone, [libc::CLONE_PARENT as u64, 0, 0, 0, 0]) },
        false => result,
    };
    match result {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid as i32)),
        errno => Err(Errno::from_raw_os_error(-errno as i32)),
    }
}

/// clone3(2); the child calls `run(argument)`.
///
/// # Safety
/// `run` must not return, and with CLONE_VM must only make system calls and use memory that outlives it.
unsafe fn clone3(args: &CloneArgs, run: unsafe extern "C" fn(*const Child) -> !, argument: *const Child) -> Result<i32, Errno> {
    let result: i64;
    // SAFETY: the system call preserves all registers but rax, rcx and r11; the child continues at the same place with
    // rax 0, on its own stack or on a copy, and never returns from the call.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, {argument}", "call {run}", "ud2", "2:",
            argument = in(reg) argument, run = in(reg) run,
            inlateout("rax") libc::SYS_clone3 => result,
            inlateout("rdi") args as *const CloneArgs => _, in("rsi") size_of::<CloneArgs>(),
            out("rcx") _, out("r11") _,
        );
    }
    // SAFETY: as above, with the aarch64 convention (number in x8, result in x0).
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x0, {argument}", "blr {run}", "brk 1", "2:",
            argument = in(reg) argument, run = in(reg) run,
            in("x8") libc::SYS_clone3, inlateout("x0") args as *const CloneArgs => result, in("x1") size_of::<CloneArgs>(),
        );
    }
    if result < 0 {
        return Err(Errno::from_raw_os_error(-result as i32));
    }
    Ok(result as i32)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};
    use rustix::process::{pidfd_send_signal, Signal};

    use super::*;

    fn spawned(program: &str, args: &[CString]) -> (Spawned, OwnedFd) {
        let program = rustix::fs::open(program, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let (report, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        (spawn(&Spawn::plain(program.as_fd(), args, &[], theirs.as_fd())).unwrap(), report)
    }

    fn reap(pidfd: &OwnedFd) {
        waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    }

    #[test]
    fn after_the_wait_the_child_has_executed() {
        for _ in 0..20 {
            let (mut child, _report) = spawned("/bin/sleep", &[c"sleep".into(), c"60".into()]);
            child.memory.wait();
            let executed = std::fs::read_link(format!("/proc/{}/exe", child.pid)).unwrap();
            pidfd_send_signal(&child.pidfd, Signal::KILL).unwrap();
            reap(&child.pidfd);
            assert_eq!(executed, std::fs::canonicalize("/bin/sleep").unwrap());
        }
    }

    #[test]
    fn a_child_reports_why_it_cannot_execute() {
        let (mut child, report) = spawned("/etc/passwd", &[]);
        child.memory.wait();
        reap(&child.pidfd);
        let mut bytes = [0; 8];
        rustix::io::read(&report, &mut bytes).unwrap();
        let number = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        assert_eq!((Step::from_number(number(0)), number(4)), (Some(Step::Execute), libc::EACCES));
    }
}
