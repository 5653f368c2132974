//! Locked clones of mounts: a user namespace cannot clear their flags nor unmount the mounts below (mount_namespaces(7), "Restrictions on mount
//! namespaces").

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{waitid, WaitId, WaitIdOptions};

use crate::namespaces::check;
use crate::spawn::CloneArgs;
use crate::user_namespace::Holder;

/// What to clone.
#[derive(Clone, Copy)]
pub struct CloneSource<'a> {
    /// Absolute path in the caller's mount namespace.
    pub path: &'a CStr,
    pub recursive: bool,
    /// False: clone a final symbolic link itself.
    pub follow: bool,
}

/// Makes a locked, detached clone of one of the caller's mounts. The kernel locks mounts when it copies them to a mount namespace that another user
/// namespace owns, so the clone is made in such a mount namespace, by a child. The child joins only the mount namespace: in the user namespace it would
/// lose the caller's capabilities, which it may need to reach the path.
///
/// # Errors
/// Those of clone(2), setns(2) and open_tree(2): `EINVAL` if the clone is not recursive and would uncover what locked mounts below the path hide.
pub fn clone_locked(source: CloneSource<'_>) -> Result<OwnedFd, Errno> {
    let holder = Holder::with_mounts()?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let args = CloneArgs {
        // A descriptor that the child opens is the caller's too.
        flags: libc::CLONE_FILES as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM the child has a copy of the memory. Locks of other threads may be held in that copy for ever, so the child makes
    // only system calls.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })? as i32;
    if pid == 0 {
        clone_and_exit(holder.pidfd.as_fd(), source, write.as_fd());
    }
    let child = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    waitid(WaitId::Pid(child), WaitIdOptions::EXITED)?;
    drop(write);
    let mut result = [0u8; 8];
    // A killed child has written nothing.
    if rustix::io::read(&read, &mut result)? != result.len() {
        return Err(Errno::INTR);
    }
    match i64::from_ne_bytes(result) {
        // SAFETY: the child opened it in the shared descriptor table, and it has no other owner.
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        failed => Err(Errno::from_raw_os_error(-failed as i32)),
    }
}

/// All that the child does: writes the new descriptor, or a negated errno, to the pipe.
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
    fn a_clone_is_a_close_on_exec_descriptor_of_the_caller() {
        let clone_of = |path, recursive, follow| clone_locked(CloneSource { path, recursive, follow });
        let clone = match clone_of(c"/proc", true, true) {
            // User namespaces may be unavailable; with TSRUNC_MUST_WORK that is a failure.
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
