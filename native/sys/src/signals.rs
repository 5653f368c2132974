//! Signals through descriptors: pidfd_send_signal(2) with any number, signalfd(2), and the mask around it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::namespaces::check;

/// Signals the process of a pidfd; real-time signals too, which rustix's `Signal` leaves out.
pub fn send(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    // SAFETY: no siginfo is passed; the rest are integers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) }).map(drop)
}

/// Takes signals as data while it lives; the mask is what it was afterwards. For the thread that made it.
pub struct Intercepted {
    pub fd: OwnedFd,
    before: libc::sigset_t,
}

/// Blocks every signal but those in `not` and returns a descriptor that reads them.
pub fn intercept(not: &[i32]) -> Result<Intercepted, Errno> {
    // SAFETY: sets are initialised by sigfillset and by pthread_sigmask; signalfd returns a new descriptor that is ours.
    unsafe {
        let mut taken = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut taken);
        for signal in not {
            libc::sigdelset(&mut taken, *signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &taken, &mut before);
        match check(libc::signalfd(-1, &taken, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into()) {
            Ok(fd) => Ok(Intercepted { fd: OwnedFd::from_raw_fd(fd as i32), before }),
            Err(errno) => {
                libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
                Err(errno)
            }
        }
    }
}

impl Intercepted {
    /// The number of the next pending signal.
    pub fn next(&self) -> Result<Option<i32>, Errno> {
        let mut record = [0u8; 128]; // struct signalfd_siginfo, which begins with the number
        match rustix::io::read(&self.fd, &mut record) {
            Ok(128) => Ok(Some(u32::from_ne_bytes([record[0], record[1], record[2], record[3]]) as i32)),
            Ok(_) | Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Intercepted {
    fn drop(&mut self) {
        // SAFETY: `before` is the mask that pthread_sigmask returned.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}
