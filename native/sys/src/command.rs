//! Starts a program in the caller's namespaces without copying the caller (posix_spawn(3)). The standard library's
//! `Command` leaves ignored signals ignored, and Node ignores some.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::process::pointers;

/// A program with all it gets: nothing else is inherited but descriptors that are not close-on-exec.
pub struct Command<'a> {
    pub path: &'a CStr,
    pub args: &'a [CString],
    pub env: &'a [CString],
    pub directory: &'a CStr,
    pub input: BorrowedFd<'a>,
    pub output: BorrowedFd<'a>,
    pub error: BorrowedFd<'a>,
}

/// Executes the program in a process group of its own, with every signal at its default and none blocked.
///
/// # Errors
/// The errno of what failed, the change of directory and the exec included.
pub fn spawn(command: &Command<'_>) -> Result<Pid, Errno> {
    let (argv, envp) = (pointers(command.args), pointers(command.env));
    let mut pid = 0;
    let flags = libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
    // SAFETY: attributes and actions are initialised before and destroyed after their use, also when a call between fails;
    // all strings end with NUL and both arrays with a null pointer.
    let result = unsafe {
        let mut attributes = std::mem::zeroed();
        let mut actions = std::mem::zeroed();
        check(libc::posix_spawnattr_init(&mut attributes))?;
        let result = check(libc::posix_spawn_file_actions_init(&mut actions)).and_then(|()| {
            let result = set_up(&mut attributes, &mut actions, command).and_then(|()| {
                check(libc::posix_spawnattr_setflags(&mut attributes, flags as libc::c_short))?;
                check(libc::posix_spawn(&mut pid, command.path.as_ptr(), &actions, &attributes, argv.as_ptr().cast(), envp.as_ptr().cast()))
            });
            libc::posix_spawn_file_actions_destroy(&mut actions);
            result
        });
        libc::posix_spawnattr_destroy(&mut attributes);
        result
    };
    result.and_then(|()| Pid::from_raw(pid).ok_or(Errno::SRCH))
}

/// These functions return the errno.
fn check(result: libc::c_int) -> Result<(), Errno> {
    match result {
        0 => Ok(()),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}

/// # Safety
/// Both structures are initialised.
unsafe fn set_up(attributes: &mut libc::posix_spawnattr_t, actions: &mut libc::posix_spawn_file_actions_t, command: &Command<'_>) -> Result<(), Errno> {
    // SAFETY: as promised by the caller; a set of signals is bits without padding, so any bytes are one.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        // Not sigfillset(3): it leaves out the signals that the C library uses itself, which would then be ignored.
        let mut all: libc::sigset_t = std::mem::zeroed();
        std::ptr::write_bytes(&mut all, 0xff, 1);
        check(libc::posix_spawnattr_setpgroup(attributes, 0))?;
        check(libc::posix_spawnattr_setsigmask(attributes, &none))?;
        check(libc::posix_spawnattr_setsigdefault(attributes, &all))?;
        check(libc::posix_spawn_file_actions_addchdir_np(actions, command.directory.as_ptr()))?;
        check(libc::posix_spawn_file_actions_adddup2(actions, command.input.as_raw_fd(), 0))?;
        check(libc::posix_spawn_file_actions_adddup2(actions, command.output.as_raw_fd(), 1))?;
        check(libc::posix_spawn_file_actions_adddup2(actions, command.error.as_raw_fd(), 2))
    }
}
