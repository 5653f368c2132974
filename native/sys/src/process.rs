//! Process attributes, descriptors by number, and exec: the calls that rustix lacks, or that are unsafe there too because they take the number
//! of a descriptor that nobody owns.

use std::ffi::CString;

use rustix::io::Errno;

use crate::namespaces::check;

/// Resets every signal to its default action and unblocks all, for the user's program: execve(2) keeps what the caller ignored or blocked.
pub fn reset_signals() {
    // SAFETY: this process does not share its table of handlers.
    unsafe { crate::signals::reset_all() };
}

/// Joins the session keyring of this name, or creates it (keyctl(2)).
///
/// # Errors
/// `ENOSYS` on a kernel without keyrings; `EDQUOT` if the user's quota is used up.
pub fn new_session_keyring(name: &str) -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    // SAFETY: the name is a C string that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) }).map(drop)
}

/// Sets soft and hard limit of another process (prlimit(2)). `resource` is an `RLIMIT_*` number.
///
/// Not rustix's `prlimit`: that one also asks for the old limit, for which SELinux demands the permission getrlimit of the other process too.
pub fn set_limit(pid: i32, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` lives through the call; no old value is asked for.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &limit as *const libc::rlimit64, std::ptr::null_mut::<u8>()) }).map(drop)
}

/// The number of a resource limit, by its name in config.json, `RLIMIT_NOFILE`.
pub fn limit_number(name: &str) -> Option<u32> {
    const NAMES: [&str; 16] =
        ["CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"];
    let name = name.strip_prefix("RLIMIT_")?;
    NAMES.iter().position(|known| *known == name).map(|number| number as u32)
}

/// Does something with the ids that others' files are looked at with (setfsuid(2)); those of a user other than root come without root's
/// capabilities over files. Holds for this thread alone.
///
/// # Errors
/// `EPERM` where the ids cannot be taken or given back.
pub fn with_file_ids<T>(uid: u32, gid: u32, action: impl FnOnce() -> T) -> Result<T, Errno> {
    let (own_uid, own_gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    set_file_ids(uid, gid)?;
    let result = action();
    set_file_ids(own_uid, own_gid)?;
    Ok(result)
}

fn set_file_ids(uid: u32, gid: u32) -> Result<(), Errno> {
    const NOBODY: u32 = u32::MAX; // no id: asks for the one that is set
                                  // The gid while there is the privilege to: both calls say the former id, whatever came of them.
                                  // SAFETY: both take integers only.
    let set = unsafe {
        if libc::setfsuid(NOBODY) as u32 == 0 {
            libc::setfsgid(gid);
            libc::setfsuid(uid);
        } else {
            libc::setfsuid(uid);
            libc::setfsgid(gid);
        }
        (libc::setfsuid(NOBODY) as u32, libc::setfsgid(NOBODY) as u32)
    };
    if set == (uid, gid) {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

/// Marks every descriptor from 3 on close-on-exec (close_range(2)).
pub fn close_on_exec_from_3() -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Closes all descriptors from 3 on except `keep`, and marks those close-on-exec (close_range(2)). For a process that has just been executed: no value
/// owns a descriptor yet.
pub fn close_all_but(keep: &[i32]) -> Result<(), Errno> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|number| u32::try_from(*number).ok()).filter(|number| *number >= 3).collect();
    keep.sort_unstable();
    let mut first = 3;
    for number in keep.into_iter().chain([u32::MAX]) {
        if first < number {
            let last = if number == u32::MAX { u32::MAX } else { number - 1 };
            // SAFETY: takes integers only.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
        first = number.saturating_add(1);
    }
    close_on_exec_from_3()
}

/// A descriptor that a parent left open for this process at a number that it passed on.
///
/// # Errors
/// `EBADF` if no such descriptor is open.
pub fn inherited(number: i32) -> Result<std::os::fd::OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: F_GETFD only asks; the number is an open descriptor after it, and the caller takes it over once.
    unsafe {
        check(libc::fcntl(number, libc::F_GETFD).into())?;
        Ok(std::os::fd::OwnedFd::from_raw_fd(number))
    }
}

/// Duplicates a descriptor that the parent passed by number, as close-on-exec.
///
/// # Errors
/// `EBADF` if no such descriptor is open.
pub fn duplicate(number: i32) -> Result<std::os::fd::OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: a bad number is refused with EBADF; the new descriptor has no other owner.
    unsafe {
        let copy = check(libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3).into())?;
        Ok(std::os::fd::OwnedFd::from_raw_fd(copy as i32))
    }
}

/// Checks that a descriptor is open.
///
/// # Errors
/// `EBADF` if it is not.
pub fn is_open(number: i32) -> Result<(), Errno> {
    // SAFETY: F_GETFD only asks.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) }.into()).map(drop)
}

/// Clears close-on-exec of a descriptor that was passed by number (`--preserve-fds`). Does nothing if it is not open.
pub fn keep_number_over_exec(number: i32) {
    // SAFETY: takes integers only; a bad number is refused with EBADF.
    unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
}

/// Executes the program (execve(2)). Returns only on failure: the errno, or the error of `last`. Between `last` and execve there is no other
/// system call, not even to allocate memory.
pub fn execute<E>(path: &CString, args: &[CString], env: &[CString], last: impl FnOnce() -> Result<(), E>) -> Result<Errno, E> {
    let argv = pointers(args);
    let envp = pointers(env);
    last()?;
    // SAFETY: all strings are NUL-terminated and both arrays end with a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Ok(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

pub(crate) fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}
