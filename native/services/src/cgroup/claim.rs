//! Makes sure that only one of several concurrent creates gets a cgroup.
//!
//! A create that makes the cgroup has already recorded its path, in the undo list of its state. A create that finds the cgroup in place looks
//! for such a record, and locks the directory (flock(2)) against other creates that found it too.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::creating::creating_container;
use super::frozen;
use super::members::processes;
use crate::store::Lock;

/// Claims an existing cgroup. Keep the returned descriptor until the container's process is in the cgroup.
///
/// # Errors
/// `Exists` if another container uses it or is being created in it.
pub fn claim(path: &str, lock: &Lock) -> Result<OwnedFd, Failure> {
    let during = || format!("use cgroup {path:?}");
    let directory = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => return Err(Failure::new(FailureCode::Exists, during(), "another container is being created in it")),
        result => result.during(during)?,
    }
    if let Some(id) = creating_container(path, lock).during(during)? {
        return Err(Failure::new(FailureCode::Exists, during(), format!("container {id:?} is being created in it")));
    }
    // Last, because a create that has finished in the meantime has its process in the cgroup.
    refuse_occupied(path, None)?;
    Ok(directory)
}

/// Refuses an existing cgroup that is frozen or has processes other than `own_process` in it or below it: our limits would apply to them,
/// and removing the cgroup would kill them.
pub fn refuse_occupied(path: &str, own_process: Option<i32>) -> Result<(), Failure> {
    let during = || format!("use cgroup {path:?}");
    if let Some(pid) = processes(Path::new(path))?.iter().find(|pid| Some(**pid) != own_process) {
        return Err(Failure::new(FailureCode::Exists, during(), format!("container's cgroup is not empty: process {pid}")));
    }
    if frozen(path)? {
        return Err(Failure::new(FailureCode::Other, during(), "container's cgroup unexpectedly frozen"));
    }
    Ok(())
}
