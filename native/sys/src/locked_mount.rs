//! Clones of mounts as a user namespace sees them: their options and what is mounted below are locked (mount_namespaces(7),
//! "Restrictions on mount namespaces").

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{waitid, WaitId, WaitIdOptions};

use crate::namespaces::check;
use crate::spawn::CloneArgs;
use crate::user_namespace::Holder;

/// What a clone is made of.
#[derive(Clone, Copy)]
pub struct CloneSource<'a> {
    /// Absolute path of the caller.
    pub path: &'a CStr,
    pub recursive: bool,
    /// False: a symbolic link at the end of the path is cloned itself.
    pub follow: bool,
}

/// A detached clone of a mount of the caller, which comes with the locks: nobody in a user namespace takes back an
/// option of it or unmounts what lies below. It is made of a copy of the caller's mounts that a new user namespace owns, by a child that
/// joins these mounts alone: in the user namespace it would lose the caller's capabilities, and with them the way to the path.
///
/// # Errors
/// Those of clone(2) and setns(2) for the namespaces and of open_tree(2): `EINVAL` for a clone that is not recursive and would uncover
/// what mounts below the path hide.
pub fn clone_locked(source: CloneSource<'_>) -> Result<OwnedFd, Errno> {
    let holder = Holder::with_mounts()?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let args = CloneArgs {
        // The child's new descriptor is the caller's.
        flags: libc::CLONE_FILES as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM the child goes on with a copy of all memory. Other threads' locks may be held in it for good:
    // it makes system calls only.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })? as i32;
    if pid == 0 {
        clone_and_exit(holder.pidfd.as_fd(), source, write.as_fd());
    }
    let child = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    waitid(WaitId::Pid(child), WaitIdOptions::EXITED)?;
    drop(write);
    let mut result = [0u8; 8];
    // Nothing is in the pipe of a child that was killed.
    if rustix::io::read(&read, &mut result)? != result.len() {
        return Err(Errno::INTR);
    }
    match i64::from_ne_bytes(result) {
        // SAFETY: the child opened it in the table that it shared, and nobody else knows of it.
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        failed => Err(Errno::from_raw_os_error(-failed as i32)),
    }
}

/// The child's whole life: the descriptor, or the errno below zero, into the pipe.
fn clone_and_exit(mounts: BorrowedFd<'_>, source: CloneSource<'_>, result: BorrowedFd<'_>) -> ! {
    const OPEN_TREE_CLONE: libc::c_int = 1;
    let recursive = if source.recursive { libc::AT_RECURSIVE } else { 0 };
    let nofollow = if source.follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC | recursive | nofollow;
    // SAFETY: the path and result live through the calls, and exit_group does not return.
    unsafe {
        let mut opened = libc::syscall(libc::SYS_setns, mounts.as_raw_fd(), libc::CLONE_NEWNS);
        if opened == 0 {
            opened = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.path.as_ptr(), flags);
        }
        if opened == -1 {
            opened = -i64::from(*libc::__errno_location());
        }
        libc::syscall(libc::SYS_write, result.as_raw_fd(), &raw const opened, size_of::<i64>());
        libc::syscall(libc::SYS_exit_group, 0);
    }
    unreachable!()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_a_descriptor_of_the_caller_that_closes_on_exec() {
        let clone_of = |path, recursive, follow| clone_locked(CloneSource { path, recursive, follow });
        let clone = match clone_of(c"/proc", true, true) {
            // Without user namespaces there is nothing to see, which is a failure where tests must work.
            Err(Errno::PERM | Errno::NOSPC) if std::env::var_os("TSRUNC_MUST_WORK").is_none() => return,
            clone => clone.unwrap(),
        };
        assert!(rustix::io::fcntl_getfd(&clone).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(rustix::fs::fstatfs(&clone).unwrap().f_type as u64, 0x9fa0);
        assert_eq!(clone_of(c"/nowhere", false, true).unwrap_err(), Errno::NOENT);
        let link = clone_of(c"/proc/self", false, false).unwrap();
        assert_eq!(rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(link).unwrap().st_mode), rustix::fs::FileType::Symlink);
    }
}
