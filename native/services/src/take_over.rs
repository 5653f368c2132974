//! Takes over a container's lock for `delete --force`, when a create or start is stuck.

use std::time::Duration;

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use crate::lock_holder::{self, Holder};
use crate::state_root;
use crate::store::{self, Lock, LockRequest};

/// How long a create, run or start may hold the lock before it is asked to end.
const WORK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long it may take to undo its work before it is killed.
const UNDO_TIMEOUT: Duration = Duration::from_millis(700);
/// How long to wait after that: for a killed process to exit, or for another command to release the lock (a `delete` holds it for ten seconds at
/// most).
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// Locks the directory of a container, and ends a process that has held the lock for long, stuck in a hook or waiting for a stopped init.
///
/// # Errors
/// `NotFound`, also if the process that was ended has removed the container; `Locked` if the holder cannot be ended.
pub fn take_over(root: &str, id: &str) -> Result<Lock, Failure> {
    let attempt = |timeout| store::lock(&LockRequest { root, id, timeout: Some(timeout), interruptible: false });
    let is_locked = |result: &Result<Lock, Failure>| matches!(result, Err(failure) if failure.code == FailureCode::Locked);
    let mut attempted = attempt(WORK_TIMEOUT);
    for end in [Holder::ask_to_end, Holder::kill] {
        if !is_locked(&attempted) {
            return attempted;
        }
        if let Some(holder) = find_holder(root, id)? {
            end(&holder)?;
        }
        attempted = attempt(UNDO_TIMEOUT);
    }
    if is_locked(&attempted) {
        return attempt(LOCK_TIMEOUT);
    }
    attempted
}

fn find_holder(root: &str, id: &str) -> Result<Option<Holder>, Failure> {
    let root = state_root::open(root)?;
    match state_root::open_container(&root, id) {
        Err(Errno::NOENT) => Ok(None), // the next attempt to lock it reports that
        result => lock_holder::find(&result.during(|| format!("open state directory {id:?}"))?),
    }
}
