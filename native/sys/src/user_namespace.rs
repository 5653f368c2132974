//! A user namespace without a container, made for its id maps (user_namespaces(7); mount_setattr(2), MOUNT_ATTR_IDMAP) or for a mount
//! namespace that it owns.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{waitid, WaitId, WaitIdOptions};

use crate::namespaces::check;
use crate::spawn::CloneArgs;

/// A child that does nothing but keep a new user namespace alive, until it is opened or joined. It ends when this value is dropped, or the
/// caller dies.
pub struct Holder {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The child's end reads its end of file.
    _alive: OwnedFd,
}

impl Holder {
    /// Makes the namespace. Its maps are empty (`/proc/PID/uid_map`, `gid_map`).
    pub fn new() -> Result<Holder, Errno> {
        Holder::with(libc::CLONE_NEWUSER)
    }

    /// Makes the namespace and a mount namespace that it owns, with a copy of the caller's mounts.
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
        // SAFETY: without CLONE_VM the child goes on with a copy of all memory. Other threads' locks may be held in it for good:
        // it makes system calls only.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })? as i32;
        if pid == 0 {
            wait_for_end(read.as_raw_fd(), write.as_raw_fd());
        }
        // SAFETY: the kernel stored a new descriptor that nobody else owns.
        Ok(Holder { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) }, _alive: write })
    }

    /// The namespace, which lives on with the descriptor.
    pub fn open(&self) -> Result<OwnedFd, Errno> {
        // The child is not reaped, so the pid is its own.
        rustix::fs::open(format!("/proc/{}/ns/user", self.pid), rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Err(_gone) = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL) {}
        if let Err(_reaped) = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {}
    }
}

/// The child's whole life: until nobody holds the other end of the pipe.
fn wait_for_end(read: i32, write: i32) -> ! {
    let mut byte = 0u8;
    // SAFETY: both descriptors are this process's own copies, `byte` outlives the call, and exit_group does not return.
    unsafe {
        libc::syscall(libc::SYS_close, write);
        libc::syscall(libc::SYS_read, read, &raw mut byte, 1usize);
        libc::syscall(libc::SYS_exit_group, 0);
    }
    unreachable!()
}
