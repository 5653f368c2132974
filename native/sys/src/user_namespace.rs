//! Temporary user namespaces: for their id maps (mount_setattr(2), MOUNT_ATTR_IDMAP) or to own a mount namespace (user_namespaces(7)).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{waitid, WaitId, WaitIdOptions};

use crate::namespaces::check;
use crate::spawn::CloneArgs;

/// A child that keeps a new user namespace alive until it is opened or joined. The child exits when this value is dropped or the caller dies.
pub struct Holder {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// When this end of the pipe is closed, the child reads end of file and exits.
    _alive: OwnedFd,
}

impl Holder {
    /// Creates a user namespace with empty id maps.
    pub fn new() -> Result<Holder, Errno> {
        Holder::with(libc::CLONE_NEWUSER)
    }

    /// Creates a user namespace and a mount namespace that it owns, with a copy of the caller's mounts.
    pub fn with_mounts() -> Result<Holder, Errno> {
        Holder::with(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)
    }

    fn with(namespaces: libc::c_int) -> Result<Holder, Errno> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut pidfd: i32 = -1;
        let args = CloneArgs {
            flags: (namespaces | libc::CLONE_PIDFD) as u64,
            pidfd: &raw mut pidfd as u64,
            exit_signal: libc::SIGCHLD as u64,
            ..CloneArgs::default()
        };
        // SAFETY: without CLONE_VM the child has a copy of the memory. Locks of other threads may be held in that copy for ever, so the child
        // makes only system calls.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })? as i32;
        if pid == 0 {
            wait_for_end(read.as_raw_fd(), write.as_raw_fd());
        }
        // SAFETY: the kernel stored a new descriptor, which has no other owner.
        Ok(Holder { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) }, _alive: write })
    }

    /// Opens the user namespace; the descriptor keeps it alive.
    pub fn open(&self) -> Result<OwnedFd, Errno> {
        // The child is not reaped, so its pid cannot be reused.
        rustix::fs::open(format!("/proc/{}/ns/user", self.pid), rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Err(_gone) = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL) {}
        if let Err(_reaped) = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {}
    }
}

/// All that the child does: waits until the other end of the pipe is closed.
fn wait_for_end(read: i32, write: i32) -> ! {
    let mut byte = 0u8;
    // SAFETY: both descriptors are this process's copies, `byte` outlives the call, and exit_group does not return.
    unsafe {
        libc::syscall(libc::SYS_close, write);
        libc::syscall(libc::SYS_read, read, &raw mut byte, 1usize);
        libc::syscall(libc::SYS_exit_group, 0);
    }
    unreachable!()
}
