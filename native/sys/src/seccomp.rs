//! Loads seccomp filters, and asks which flags and actions the kernel supports (seccomp(2)).

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::namespaces::check;

pub(crate) const SET_MODE_FILTER: libc::c_long = 1;
const GET_ACTION_AVAIL: libc::c_long = 2;

/// Returns a listener: a descriptor on which another process decides about system calls (seccomp_unotify(2)).
pub const NEW_LISTENER: u32 = 1 << 3;
/// The kernel refuses it without `NEW_LISTENER`.
pub const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// One classic BPF instruction (struct sock_filter, linux/filter.h): `code` and both jumps in the first four bytes, the constant in the last four.
pub type Instruction = u64;

fn seccomp<T>(operation: libc::c_long, flags: u32, argument: *const T) -> Result<libc::c_long, Errno> {
    // SAFETY: every caller passes null, or a pointer to the operation's own structure that lives through the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, operation, libc::c_ulong::from(flags), argument) })
}

/// A seccomp filter.
#[derive(Clone, Copy)]
pub struct Filter<'a> {
    pub program: &'a [Instruction],
    /// Flags of seccomp(2).
    pub flags: u32,
}

impl Filter<'_> {
    /// The program for seccomp(2); valid while `self.program` is.
    pub(crate) fn program(&self) -> Result<libc::sock_fprog, Errno> {
        let len = u16::try_from(self.program.len()).map_err(|_| Errno::INVAL)?;
        Ok(libc::sock_fprog { len, filter: self.program.as_ptr() as *mut libc::sock_filter })
    }
}

/// Loads a filter for the calling process, which has a single thread. Returns the listener if the flags have `NEW_LISTENER`.
///
/// # Errors
/// `EACCES` without CAP_SYS_ADMIN or no_new_privs; `EINVAL` if the kernel's verifier refuses the program or does not know a flag.
pub fn load_filter(filter: &Filter<'_>) -> Result<Option<OwnedFd>, Errno> {
    let number = seccomp(SET_MODE_FILTER, filter.flags, &filter.program()?)?;
    if filter.flags & NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: the kernel made it for this call; nobody else owns it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(number as i32) }))
}

/// Whether the kernel supports a flag of `load_filter`.
///
/// # Errors
/// seccomp(2) itself is denied or missing.
pub fn knows_flag(flag: u32) -> Result<bool, Errno> {
    let flags = if flag == WAIT_KILLABLE_RECV { flag | NEW_LISTENER } else { flag };
    // The kernel checks the flags before the null pointer, which gives EFAULT.
    match seccomp(SET_MODE_FILTER, flags, std::ptr::null::<u8>()) {
        Ok(_) | Err(Errno::FAULT) => Ok(true),
        Err(Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether the kernel supports an action, `SECCOMP_RET_*` (Linux 4.14).
///
/// # Errors
/// As for `knows_flag`.
pub fn knows_action(action: u32) -> Result<bool, Errno> {
    match seccomp(GET_ACTION_AVAIL, 0, &action) {
        Ok(_) => Ok(true),
        Err(Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}
