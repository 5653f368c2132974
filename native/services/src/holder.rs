//! Who holds a container's lock, for a `delete --force` that does not wait behind a create or start that is stuck.
//!
//! flock(2) does not tell its holder. So a process that may be ended for the container has a record lock (fcntl(2)) on the same directory
//! beside it: the kernel knows whose that is, drops it when the process ends, and hands it down to no child.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{fcntl_lock, FlockOperation};
use rustix::io::Errno;
use rustix::process::{fcntl_getlk, pidfd_open, Flock, FlockType, Pid, PidfdFlags};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{send, send_to_group, CONTINUE, KILL, TERMINATE};

use crate::processes::children;
use crate::state_root;
use crate::store::{self, Lock, LockRequest};

/// Lets others find and end this process while it holds the lock on `directory`.
pub fn declare(directory: impl AsFd) -> Result<(), Errno> {
    fcntl_lock(directory, FlockOperation::NonBlockingLockShared)
}

/// A process that holds a container's lock.
pub struct Holder {
    pid: Pid,
    pidfd: OwnedFd,
}

/// Who holds the lock on a container's directory, if that may be ended and is to be seen from this pid namespace.
pub fn find(directory: &OwnedFd) -> Result<Option<Holder>, Failure> {
    let during = || "look who holds the lock".to_owned();
    let Some(pid) = record_holder(directory).during(during)? else { return Ok(None) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        result => result.during(during)?,
    };
    // Whoever still has the number and holds the lock is the process of the descriptor, or that process has ended.
    let is_same = record_holder(directory).during(during)? == Some(pid);
    Ok(is_same.then_some(Holder { pid, pidfd }))
}

fn record_holder(directory: &OwnedFd) -> Result<Option<Pid>, Errno> {
    Ok(fcntl_getlk(directory, &Flock::from(FlockType::WriteLock))?.and_then(|lock| lock.pid))
}

impl Holder {
    /// Asks the process to end, which makes it undo what it has half done; also one that was stopped.
    pub fn ask_to_end(&self) -> Result<(), Failure> {
        self.signal(TERMINATE)?;
        self.signal(CONTINUE)
    }

    /// Kills the process and its children: hooks with their process groups, and the init of a container that it is making.
    pub fn kill(&self) -> Result<(), Failure> {
        // Looked up before, while they are its children.
        let children = children(self.pid)?;
        self.signal(KILL)?;
        for child in children {
            // Not before Linux 6.9, nor for a child that leads no group; the child itself is killed in any case.
            if let Err(_no_group) = send_to_group(&child, KILL) {}
            ended_or(send(&child, KILL)).during(|| "kill a child of who holds the lock".into())?;
        }
        Ok(())
    }

    fn signal(&self, signal: i32) -> Result<(), Failure> {
        ended_or(send(&self.pidfd, signal)).during(|| format!("send signal {signal} to process {}, which holds the lock", self.pid))
    }
}

/// How long a create, run or start may hold the lock before it is asked to end.
const PATIENCE_WITH_WORK: Duration = Duration::from_millis(500);
/// How long it may take to undo what it has half done before it is killed.
const PATIENCE_WITH_UNDOING: Duration = Duration::from_millis(700);
/// How long the kernel may take with a killed process, and anybody else with the lock: a `delete` waits ten seconds at most.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(15);

/// Locks the directory of a container. A process that holds the lock for long, stuck in a hook or on an init that was stopped, is ended.
///
/// # Errors
/// `NotFound`, also when the process that was ended took the container away; `Locked` where the holder cannot be ended.
pub fn take_over(root: &str, id: &str) -> Result<Lock, Failure> {
    let attempt = |patience| store::lock(&LockRequest { root, id, patience: Some(patience), interruptible: false });
    let is_locked = |result: &Result<Lock, Failure>| matches!(result, Err(failure) if failure.code == FailureCode::Locked);
    let mut attempted = attempt(PATIENCE_WITH_WORK);
    for end in [Holder::ask_to_end, Holder::kill] {
        if !is_locked(&attempted) {
            return attempted;
        }
        if let Some(holder) = find_in(root, id)? {
            end(&holder)?;
        }
        attempted = attempt(PATIENCE_WITH_UNDOING);
    }
    if is_locked(&attempted) {
        return attempt(PATIENCE_WITH_OTHERS);
    }
    attempted
}

fn find_in(root: &str, id: &str) -> Result<Option<Holder>, Failure> {
    let root = state_root::open(root)?;
    match state_root::open_container(&root, id) {
        Err(Errno::NOENT) => Ok(None), // the next attempt to lock it says so
        result => find(&result.during(|| format!("open state directory {id:?}"))?),
    }
}

/// A process that has ended is what is wanted.
fn ended_or(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::SRCH) => Ok(()),
        result => result,
    }
}
