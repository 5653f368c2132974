//! Undoes what a create did. Every step is safe to repeat, so that a delete that was killed can be run again.

use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_plan::request::Undo;
use tsrunc_sys::errno::During;

use crate::cgroup;

/// Tries every step.
///
/// # Errors
/// The first failure.
pub fn undo(steps: &[Undo]) -> Result<(), Failure> {
    steps.iter().map(step).fold(Ok(()), Result::and)
}

fn step(step: &Undo) -> Result<(), Failure> {
    match step {
        Undo::RemoveCgroup { path } => cgroup::remove(path),
        Undo::RemoveEmptyCgroup { path } => cgroup::remove_empty(path),
        Undo::Unmount { path } => match unmount(path.as_str(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()), // nothing is mounted there any more
            Err(errno) => Err(errno).during(|| format!("unmount {path:?}")),
        },
    }
}
