//! Of several creates that want one cgroup exactly one may have it. Whoever makes a cgroup does nothing for that: its path is in the undo
//! list of its state, which was there before. Whoever finds one looks for such states, and locks the directory (flock(2)) against others
//! who found it.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::frozen;
use super::kill::processes;
use super::maker::maker_of;
use crate::store::Lock;

/// Takes a cgroup that was there. Keep what is returned until the container's process is in it.
///
/// # Errors
/// `Exists` where it is somebody else's.
pub fn claim(path: &str, lock: &Lock) -> Result<OwnedFd, Failure> {
    let during = || format!("use cgroup {path:?}");
    let directory = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => return Err(Failure::new(FailureCode::Exists, during(), "another container is being created in it")),
        result => result.during(during)?,
    }
    if let Some(id) = maker_of(path, lock).during(during)? {
        return Err(Failure::new(FailureCode::Exists, during(), format!("container {id:?} is being created in it")));
    }
    // Last: whoever is not creating any more has its process in it.
    refuse_occupied(path, None)?;
    Ok(directory)
}

/// A cgroup that was there must be empty but for `inhabitant`: our limits would hit processes that are not ours, and its removal kills
/// them.
pub fn refuse_occupied(path: &str, inhabitant: Option<i32>) -> Result<(), Failure> {
    let during = || format!("use cgroup {path:?}");
    // Below it too: a manager's cgroup may hold others' containers.
    if let Some(pid) = processes(Path::new(path))?.iter().find(|pid| Some(**pid) != inhabitant) {
        return Err(Failure::new(FailureCode::Exists, during(), format!("it is not empty (process {pid})")));
    }
    if frozen(path)? {
        return Err(Failure::new(FailureCode::Other, during(), "it is frozen"));
    }
    Ok(())
}
