//! Signals: sending any of them through a pidfd, and catching them for a loop that polls.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};

use crate::namespaces::check;

/// The terminal's window has another size.
pub const WINDOW_CHANGE: i32 = libc::SIGWINCH;
/// A child ended.
pub const CHILD_END: i32 = libc::SIGCHLD;

/// About this process alone: its own pipes, sockets, files and place in the foreground of its terminal.
const OWN: [i32; 5] = [libc::SIGPIPE, libc::SIGURG, libc::SIGTTIN, libc::SIGTTOU, libc::SIGXFSZ];
const FAULTS: [i32; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// What a terminal, a service manager or a user sends to end a process.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// Asks a process to end.
pub const TERMINATE: i32 = libc::SIGTERM;
/// Ends a process.
pub const KILL: i32 = libc::SIGKILL;
/// Lets a stopped process go on.
pub const CONTINUE: i32 = libc::SIGCONT;

/// `SIGTERM`, `SIGINT`, ...
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

/// Makes a write beyond RLIMIT_FSIZE fail with `EFBIG`: SIGXFSZ, which would end this process, is ignored (setrlimit(2)).
pub fn survive_file_size_limit() {
    // SAFETY: SIG_IGN needs no handler, and the number is a signal's.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Lets this process learn the exit status of its children: a caller that ignores SIGCHLD hands that down, and then the kernel reaps them
/// (wait(2)).
pub fn keep_ended_children() {
    // SAFETY: SIG_DFL needs no handler, and the number is a signal's.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Has the signals that ask a process to end, or tell it of a fault, end this one where it is process 1 of its pid namespace: the kernel drops what
/// others send to that one unless it has a handler (pid_namespaces(7)). The exit status is 128 and the signal's number. Lasts until execve(2).
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
    // SAFETY: ends the process.
    unsafe { libc::_exit(128 + signal) }
}

/// Signals the process of a pidfd; real-time signals too, which rustix's `Signal` leaves out. 0 only asks.
pub fn send(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    // SAFETY: no siginfo is passed; the rest are integers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) }).map(drop)
}

/// Signals the process group that the process of a pidfd leads (Linux 6.9). The descriptor keeps the number of the group from being used
/// again.
///
/// # Errors
/// `ESRCH` for a process that leads none; `EINVAL` from older kernels.
pub fn send_to_group(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 4;
    // SAFETY: no siginfo is passed; the rest are integers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), PIDFD_SIGNAL_PROCESS_GROUP) }).map(drop)
}

/// Where handlers write and the loop reads. Made once and never closed: a handler may run on any thread, and late.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

static PIPE: OnceLock<Pipe> = OnceLock::new();
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Signals of the whole process turned into bytes of a pipe, until dropped. What nobody took by then is sent again.
///
/// By handlers, not by signalfd(2): in a process with threads (Node) a signal goes to any thread that does not block it,
/// and only the calling thread's mask could be changed.
pub struct Caught {
    pipe: &'static Pipe,
    before: Vec<(i32, libc::sigaction)>,
    /// Read from the pipe, but not taken.
    pending: RefCell<Vec<i32>>,
}

impl Caught {
    /// Catches every signal that can be caught but those about this process alone, and SIGCHLD.
    ///
    /// # Errors
    /// `EBUSY` if somebody in this process catches them already; the errno of pipe2(2) or sigaction(2).
    pub fn all() -> Result<Caught, Errno> {
        let mut caught = Caught::none()?;
        caught.catch_all()?;
        Ok(caught)
    }

    /// Catches the signals that ask this process to end, but those that it ignores (nohup(1)). They interrupt system calls that wait.
    ///
    /// # Errors
    /// As of `all`.
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
        caught.take(); // a handler of an earlier use, late
        Ok(caught)
    }

    /// Goes on to catch what `all` does; nothing is lost in between.
    pub fn catch_all(&mut self) -> Result<(), Errno> {
        // The C library keeps the real-time signals below SIGRTMIN to itself.
        for signal in (1..32).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            if !OWN.contains(&signal) && ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(&signal) {
                self.catch(signal, libc::SA_RESTART)?;
            }
        }
        Ok(())
    }

    /// Catches SIGCHLD too.
    pub fn child_ends(&mut self) -> Result<(), Errno> {
        self.catch(libc::SIGCHLD, libc::SA_RESTART)
    }

    fn catch(&mut self, signal: i32, flags: libc::c_int) -> Result<(), Errno> {
        // SAFETY: all zeros are a valid sigaction, sigfillset fills its mask; the handler has the signature that SA_SIGINFO asks
        // for and makes async-signal-safe calls only.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let mut action: libc::sigaction = std::mem::zeroed();
            // One at a time: a thread's alternate stack holds two or three frames where processors have wide registers.
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

    /// Readable when a signal came that was neither taken nor looked at.
    pub fn fd(&self) -> BorrowedFd<'static> {
        self.pipe.read.as_fd()
    }

    /// The signals that came since the last call, in order.
    pub fn take(&mut self) -> Vec<i32> {
        self.read();
        std::mem::take(self.pending.get_mut())
    }

    /// Whether a signal came that asks this process to end. Whatever came is kept.
    pub fn asked_to_end(&self) -> bool {
        self.read();
        self.was_asked_to_end()
    }

    /// Whether `asked_to_end` has said so; costs no system call.
    pub fn was_asked_to_end(&self) -> bool {
        self.pending.borrow().iter().any(|signal| ENDING.contains(signal))
    }

    /// The first of the signals that ask this process to end; the others of them are forgotten.
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
            // SAFETY: takes integers; to the process itself it cannot fail.
            unsafe { libc::kill(libc::getpid(), signal) };
        }
        IN_USE.store(false, Ordering::SeqCst);
    }
}

extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo; signal(2), write(2) and errno are async-signal-safe; errno is put back.
    unsafe {
        if FAULTS.contains(&signal) && (*info).si_code > 0 {
            // A fault of our own, sent by nobody: on return it repeats with the default action, and kills.
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

/// Does something while this thread takes no signal: a child that shares its memory must not run the caller's handlers in it.
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

/// The pid of a child that has ended and is not reaped yet, whichever the kernel finds first (waitid(2), WNOWAIT).
pub fn ended_child() -> Result<Option<i32>, Errno> {
    // SAFETY: all zeros are a valid siginfo, which the kernel fills; without an ended child its pid stays 0.
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

    /// Signals are the whole process's.
    static SERIAL: std::sync::Mutex<()> = std::sync::Mutex::new(());

    #[test]
    fn all_signals_at_once_do_not_overflow_the_alternate_stack() {
        let _one_at_a_time = SERIAL.lock();
        let mut caught = Caught::all().unwrap();
        // SAFETY: both sets are initialised; the mask of this thread is put back.
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
    fn catches_what_asks_for_the_end_but_what_is_ignored_and_goes_on_to_catch_all() {
        let _one_at_a_time = SERIAL.lock();
        let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap();
        // SAFETY: SIG_IGN and SIG_DFL need no handler.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
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
        // Two threads may take them, in any order.
        signals.sort_unstable();
        assert_eq!(signals, [libc::SIGUSR1, libc::SIGTERM]);
        drop(caught);
        // SAFETY: as above; the second call tells what was there.
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
