//! Undoes what a create did. Every step is safe to repeat, so that a delete that was killed can be run again.

use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use tsrunc_init::mountinfo;
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
        Undo::RemoveVacatedCgroup { path } => cgroup::remove_vacated(path),
        Undo::RemoveEmptyCgroup { path } => cgroup::remove_empty(path),
        Undo::Unmount { path } => unmount_tree(path),
    }
}

/// Detaches the mounts at and below a path, the latest first. Those that are gone meanwhile are what is wanted.
fn unmount_tree(path: &str) -> Result<(), Failure> {
    let table = mountinfo::read().during(|| "read \"/proc/self/mountinfo\"".into())?;
    for entry in mountinfo::at_or_below(&table, path.as_bytes()).rev() {
        match unmount(entry.point.as_slice(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno).during(|| format!("unmount {:?}", String::from_utf8_lossy(&entry.point))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_every_step_and_reports_the_first_failure() {
        let temp = crate::testing::TempDir::new();
        let other = crate::testing::TempDir::new();
        let steps = [temp.path(), other.path()].map(|path| Undo::RemoveEmptyCgroup { path: path.to_owned() });
        assert_eq!(undo(&steps).unwrap_err().operation, format!("look at cgroup {:?}", temp.path()));
        undo(&[Undo::Unmount { path: temp.path().to_owned() }]).unwrap();
    }
}
