//! Finds the process that holds a container's lock, and ends it (take_over.rs).
//!
//! flock(2) has no way to ask for the holder. Therefore a process that may be ended also takes a record lock (fcntl(2)) on the same directory: the
//! kernel reports its holder, releases it when the process exits, and no child inherits it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{fcntl_lock, FlockOperation};
use rustix::io::Errno;
use rustix::process::{fcntl_getlk, pidfd_open, Flock, FlockType, Pid, PidfdFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{send, send_to_group, CONTINUE, KILL, TERMINATE};

use crate::processes::{children, wait_end};

/// Lets other processes find and end this process while it holds the lock on `directory`.
pub fn declare(directory: impl AsFd) -> Result<(), Errno> {
    fcntl_lock(directory, FlockOperation::NonBlockingLockShared)
}

/// A process that holds a container's lock.
pub struct Holder {
    pid: Pid,
    pidfd: OwnedFd,
}

/// The process that holds the lock on a container's directory. None if it may not be ended or is not visible in our pid namespace.
pub fn find(directory: &OwnedFd) -> Result<Option<Holder>, Failure> {
    let during = || "find the process that holds the lock".to_owned();
    let Some(pid) = record_holder(directory).during(during)? else { return Ok(None) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        result => result.during(during)?,
    };
    // If the pid still holds the lock, the pidfd is of that process, or of one that has exited.
    let is_same = record_holder(directory).during(during)? == Some(pid);
    Ok(is_same.then_some(Holder { pid, pidfd }))
}

fn record_holder(directory: &OwnedFd) -> Result<Option<Pid>, Errno> {
    Ok(fcntl_getlk(directory, &Flock::from(FlockType::WriteLock))?.and_then(|lock| lock.pid))
}

impl Holder {
    /// Sends SIGTERM, on which the process undoes its work and exits; SIGCONT in case it is stopped.
    pub fn ask_to_end(&self) -> Result<(), Failure> {
        self.signal(TERMINATE)?;
        self.signal(CONTINUE)
    }

    /// Kills the process and its children: hooks with their process groups, and the init of a container that it is creating.
    pub fn kill(&self) -> Result<(), Failure> {
        // Before the process is killed: afterwards they have another parent.
        let mut children = children(self.pid)?;
        // If it has exited meanwhile, another process may have got its pid, and these may be that one's children.
        if wait_end(&self.pidfd, Instant::now()).during(|| format!("look at process {}", self.pid))? {
            children.clear();
        }
        self.signal(KILL)?;
        for child in children {
            // Fails before Linux 6.9 and for a child that does not lead a group; the child itself is killed in any case.
            if let Err(_no_group) = send_to_group(&child, KILL) {}
            ignore_ended(send(&child, KILL)).during(|| "kill a child of the process that holds the lock".into())?;
        }
        Ok(())
    }

    fn signal(&self, signal: i32) -> Result<(), Failure> {
        ignore_ended(send(&self.pidfd, signal)).during(|| format!("send signal {signal} to process {}, which holds the lock", self.pid))
    }
}

/// Accepts that the process to signal has exited.
fn ignore_ended(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::SRCH) => Ok(()),
        result => result,
    }
}
