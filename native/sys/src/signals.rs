//! Signals: sends them through pidfds, and catches them for an event loop.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};

use crate::namespaces::check;
use crate::raw::raw;

/// The terminal's window was resized.
pub const WINDOW_CHANGE: i32 = libc::SIGWINCH;
/// A child has exited.
pub const CHILD_END: i32 = libc::SIGCHLD;

/// Signals that concern only this process and are not forwarded: about its pipes, sockets, files and terminal access.
const NOT_FORWARDED: [i32; 5] = [libc::SIGPIPE, libc::SIGURG, libc::SIGTTIN, libc::SIGTTOU, libc::SIGXFSZ];
const FAULTS: [i32; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Signals with which a terminal, a service manager or a user asks a process to end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// Asks a process to end.
pub const TERMINATE: i32 = libc::SIGTERM;
/// Ends a process.
pub const KILL: i32 = libc::SIGKILL;
/// Continues a stopped process.
pub const CONTINUE: i32 = libc::SIGCONT;

/// Name of a signal, as `SIGTERM`.
pub fn name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGTERM => "SIGTERM",
        number => return format!("signal {number}"),
    };
    name.to_owned()
}

/// Ignores SIGXFSZ, which would kill this process: a write beyond RLIMIT_FSIZE then fails with `EFBIG` (setrlimit(2)).
pub fn survive_file_size_limit() {
    // SAFETY: SIG_IGN needs no handler, and the number is a signal's.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Resets SIGCHLD to its default. If the caller ignores it, that is inherited, and the kernel discards the exit status of children (wait(2)).
pub fn reset_sigchld() {
    // SAFETY: SIG_DFL needs no handler, and the number is a signal's.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// If this is process 1 of its pid namespace, handles the signals that ask a process to end or report a fault by exiting: the kernel drops signals to
/// process 1 that have no handler (pid_namespaces(7)). The exit status is 128 + signal. Lasts until execve(2).
pub fn end_process_1_on_signals() {
    const ENDING: [i32; 6] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGABRT, libc::SIGSTKFLT, libc::SIGTERM];
    if std::process::id() != 1 {
        return;
    }
    for signal in ENDING.into_iter().chain(FAULTS) {
        // SAFETY: the handler makes one async-signal-safe call; the numbers are those of signals that can be caught.
        unsafe { libc::signal(signal, end_process as *const () as libc::sighandler_t) };
    }
}

extern "C" fn end_process(signal: libc::c_int) {
    // SAFETY: _exit(2) takes an integer.
    unsafe { libc::_exit(128 + signal) }
}

/// Signals the process of a pidfd. Takes numbers, because rustix's `Signal` lacks real-time signals. 0 only checks that the process exists.
pub fn send(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    // SAFETY: no siginfo is passed; the rest are integers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) }).map(drop)
}

/// Signals the process group that the process of a pidfd leads (Linux 6.9). The kernel goes by the pidfd, not by a number that may be reused.
///
/// # Errors
/// `ESRCH` if the process leads no group; `EINVAL` on older kernels.
pub fn send_to_group(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 4;
    // SAFETY: no siginfo is passed; the rest are integers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), PIDFD_SIGNAL_PROCESS_GROUP) }).map(drop)
}

/// Handlers write to it and the event loop reads. Created once and never closed, because a handler may still run on another thread.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

static PIPE: OnceLock<Pipe> = OnceLock::new();
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Catches signals of the process and delivers them as bytes in a pipe, until dropped. Signals not taken by then are raised again.
///
/// Uses handlers instead of signalfd(2), because in a process with threads (Node) a signal goes to any thread that does not block it, and only the
/// calling thread's mask can be changed.
pub struct Caught {
    pipe: &'static Pipe,
    before: Vec<(i32, libc::sigaction)>,
    /// Read from the pipe, but not taken yet.
    pending: RefCell<Vec<i32>>,
}

impl Caught {
    /// Catches every signal that can be caught, except SIGCHLD and those that concern only this process.
    ///
    /// # Errors
    /// `EBUSY` if there is another `Caught` in this process; the errno of pipe2(2) or sigaction(2).
    pub fn all() -> Result<Caught, Errno> {
        let mut caught = Caught::none()?;
        caught.catch_all()?;
        Ok(caught)
    }

    /// Catches the signals that ask this process to end, except those that it ignores (nohup(1)). They interrupt blocking system calls.
    ///
    /// # Errors
    /// As for `all`.
    pub fn ending() -> Result<Caught, Errno> {
        let mut caught = Caught::none()?;
        for signal in ENDING {
            caught.catch(signal, 0)?;
            if caught.before.last().is_some_and(|(_, before)| before.sa_sigaction == libc::SIG_IGN) {
                caught.restore_last();
            }
        }
        Ok(caught)
    }

    fn none() -> Result<Caught, Errno> {
        let pipe = match PIPE.get() {
            Some(pipe) => pipe,
            None => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                PIPE.get_or_init(|| Pipe { read, write })
            }
        };
        if IN_USE.swap(true, Ordering::SeqCst) {
            return Err(Errno::BUSY);
        }
        let mut caught = Caught { pipe, before: Vec::new(), pending: RefCell::default() };
        caught.take(); // bytes from a late handler of an earlier use
        Ok(caught)
    }

    /// Also catches all that `all` catches; no signal is lost in between.
    pub fn catch_all(&mut self) -> Result<(), Errno> {
        // The C library reserves the real-time signals below SIGRTMIN.
        for signal in (1..32).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            if !NOT_FORWARDED.contains(&signal) && ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(&signal) {
                self.catch(signal, libc::SA_RESTART)?;
            }
        }
        Ok(())
    }

    /// Also catches SIGCHLD.
    pub fn catch_child_exits(&mut self) -> Result<(), Errno> {
        self.catch(libc::SIGCHLD, libc::SA_RESTART)
    }

    fn catch(&mut self, signal: i32, flags: libc::c_int) -> Result<(), Errno> {
        // SAFETY: all zeros are a valid sigaction, sigfillset fills its mask; the handler has the signature that SA_SIGINFO asks
        // for and makes async-signal-safe calls only.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let mut action: libc::sigaction = std::mem::zeroed();
            // Handlers do not nest: with wide vector registers, a thread's alternate stack has room for only two or three frames.
            libc::sigfillset(&mut action.sa_mask);
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
            check(libc::sigaction(signal, &action, &mut before).into())?;
            if !self.before.iter().any(|(caught, _)| *caught == signal) {
                self.before.push((signal, before));
            }
        }
        Ok(())
    }

    fn restore_last(&mut self) {
        if let Some((signal, action)) = self.before.pop() {
            // SAFETY: `action` is what the kernel reported for this very signal; restoring it cannot fail.
            unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        }
    }

    /// Readable if a signal has arrived since the pipe was last read.
    pub fn fd(&self) -> BorrowedFd<'static> {
        self.pipe.read.as_fd()
    }

    /// The signals that arrived since the last call, in order.
    pub fn take(&mut self) -> Vec<i32> {
        self.read();
        std::mem::take(self.pending.get_mut())
    }

    /// Whether a signal has asked this process to end. Takes no signal.
    pub fn asked_to_end(&self) -> bool {
        self.read();
        self.was_asked_to_end()
    }

    /// Whether `asked_to_end` has returned true; makes no system call.
    pub fn was_asked_to_end(&self) -> bool {
        self.pending.borrow().iter().any(|signal| ENDING.contains(signal))
    }

    /// Takes all signals that ask this process to end, and returns the first.
    pub fn take_ending(&mut self) -> Option<i32> {
        self.read();
        let pending = self.pending.get_mut();
        let first = pending.iter().copied().find(|signal| ENDING.contains(signal));
        pending.retain(|signal| !ENDING.contains(signal));
        first
    }

    fn read(&self) {
        let mut bytes = [0u8; 64];
        while let Ok(count @ 1..) = rustix::io::read(&self.pipe.read, &mut bytes) {
            self.pending.borrow_mut().extend(bytes[..count].iter().map(|byte| i32::from(*byte)));
        }
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        while !self.before.is_empty() {
            self.restore_last();
        }
        for signal in self.take() {
            // SAFETY: kill(2) takes integers, and cannot fail for the process itself.
            unsafe { libc::kill(libc::getpid(), signal) };
        }
        IN_USE.store(false, Ordering::SeqCst);
    }
}

extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo; signal(2), write(2) and errno are async-signal-safe; errno is restored.
    unsafe {
        if FAULTS.contains(&signal) && (*info).si_code > 0 {
            // A fault in this process, not a signal from another one: on return it recurs with the default action and kills.
            libc::signal(signal, libc::SIG_DFL);
            return;
        }
        let Some(pipe) = PIPE.get() else { return };
        let errno = *libc::__errno_location();
        let byte = signal as u8;
        libc::write(pipe.write.as_raw_fd(), (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Resets every signal to its default action and unblocks all. Also those that musl reserves for itself, which its signal(2) refuses: 34 is glibc's
/// first real-time signal.
///
/// # Safety
/// For a process whose table of signal handlers is not shared (CLONE_SIGHAND). Makes only system calls.
pub(crate) unsafe fn reset_all() {
    const SET_BYTES: u64 = 8;
    // The kernel's `struct sigaction`: SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0u64; 4];
    // SAFETY: the structures outlive the calls. SIGKILL and SIGSTOP cannot be changed; those calls have no effect.
    unsafe {
        for signal in 1..=64 {
            raw(libc::SYS_rt_sigaction, [signal, default.as_ptr() as u64, 0, SET_BYTES, 0]);
        }
        raw(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, default.as_ptr() as u64, 0, SET_BYTES, 0]);
    }
}

/// Calls `body` with all signals blocked in this thread: a child that shares our memory must not run our signal handlers.
pub(crate) fn with_all_blocked<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are initialised by sigfillset and by the call; the old mask is restored on this same thread.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
        let result = body();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// The pid of a child that has exited and is not reaped; the first that the kernel finds (waitid(2), WNOWAIT).
pub fn exited_child() -> Result<Option<i32>, Errno> {
    // SAFETY: all zeros are a valid siginfo, which the kernel fills in; without an exited child its pid stays 0.
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        match check(libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).into()) {
            Err(Errno::CHILD) => 0,
            result => {
                result?;
                info.si_pid()
            }
        }
    };
    Ok(Some(pid).filter(|pid| *pid != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{poll, PollFd, PollFlags};

    /// Signal handlers are process-wide.
    static SERIAL: std::sync::Mutex<()> = std::sync::Mutex::new(());

    #[test]
    fn all_signals_at_once_do_not_overflow_the_alternate_stack() {
        let _one_at_a_time = SERIAL.lock();
        let mut caught = Caught::all().unwrap();
        // SAFETY: both sets are initialised; the mask of this thread is restored.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            let sent: Vec<i32> = (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect();
            sent.iter().for_each(|signal| assert_eq!(libc::pthread_kill(libc::pthread_self(), *signal), 0));
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
            assert_eq!(caught.take().len(), sent.len());
        }
    }

    #[test]
    fn catches_ending_signals_that_are_not_ignored_and_then_all() {
        let _one_at_a_time = SERIAL.lock();
        let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap();
        // SIGINT is ignored in what a shell starts in the background.
        // SAFETY: SIG_IGN and SIG_DFL need no handler.
        unsafe { (libc::signal(libc::SIGHUP, libc::SIG_IGN), libc::signal(libc::SIGINT, libc::SIG_DFL)) };
        let mut caught = Caught::ending().unwrap();
        [libc::SIGHUP, libc::SIGINT].iter().for_each(|signal| send(&pidfd, *signal).unwrap());
        poll(&mut [PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN)], None).unwrap();
        assert_eq!(caught.take(), [libc::SIGINT]);
        send(&pidfd, libc::SIGTERM).unwrap();
        caught.catch_all().unwrap();
        send(&pidfd, libc::SIGUSR1).unwrap();
        let mut signals = Vec::new();
        while signals.len() < 2 {
            poll(&mut [PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN)], None).unwrap();
            signals.extend(caught.take());
        }
        // Two threads may handle them, in any order.
        signals.sort_unstable();
        assert_eq!(signals, [libc::SIGUSR1, libc::SIGTERM]);
        drop(caught);
        // SAFETY: as above.
        let (ignored, default) = unsafe { (libc::signal(libc::SIGHUP, libc::SIG_DFL), libc::signal(libc::SIGTERM, libc::SIG_DFL)) };
        assert_eq!((ignored, default), (libc::SIG_IGN, libc::SIG_DFL));
    }

    #[test]
    fn catches_what_is_sent_and_restores_the_handlers() {
        let _one_at_a_time = SERIAL.lock();
        let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap();
        let mut caught = Caught::all().unwrap();
        assert_eq!(Caught::all().err(), Some(Errno::BUSY));
        let sent = [libc::SIGTERM, libc::SIGSEGV, libc::SIGRTMIN() + 3];
        sent.iter().for_each(|signal| send(&pidfd, *signal).unwrap());
        let mut signals = Vec::new();
        while signals.len() < sent.len() {
            poll(&mut [PollFd::from_borrowed_fd(caught.fd(), PollFlags::IN)], None).unwrap();
            signals.extend(caught.take());
        }
        signals.sort_unstable();
        assert_eq!(signals, [libc::SIGSEGV, libc::SIGTERM, libc::SIGRTMIN() + 3]);
        drop(caught);
        // SAFETY: only asks for the current action.
        let after = unsafe {
            let mut after: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGTERM, std::ptr::null(), &mut after);
            after.sa_sigaction
        };
        assert_eq!(after, libc::SIG_DFL);
    }
}
