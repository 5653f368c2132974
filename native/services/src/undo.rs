//! Runs the undo list of a container. Every step is safe to repeat, so that a killed delete can be run again.

use std::time::{Duration, Instant};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use tsrunc_common::mountinfo;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::undo::Undo;
use tsrunc_sys::errno::During;

use crate::{cgroup, resctrl, systemd};

/// How long to wait for ended processes to leave their cgroups, which happens slightly after their exit is reported.
const EMPTY_CGROUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs all steps, even after one has failed.
///
/// # Errors
/// The first failure.
pub fn undo(steps: &[Undo]) -> Result<(), Failure> {
    // One deadline for all steps: another process in the container's cgroup would be in one of each v1 hierarchy.
    let deadline = Instant::now() + EMPTY_CGROUP_TIMEOUT;
    steps.iter().map(|step| carry_out(step, deadline)).fold(Ok(()), Result::and)
}

fn carry_out(step: &Undo, deadline: Instant) -> Result<(), Failure> {
    match step {
        Undo::RemoveCgroup { path } => cgroup::remove(path),
        Undo::RemoveVacatedCgroup { path } => cgroup::remove_vacated(path, deadline),
        Undo::RemoveEmptyCgroup { path } => cgroup::remove_empty(path),
        Undo::StopUnit { unit, description, bus } => systemd::stop(unit, description, bus),
        Undo::RemoveResctrlGroup { path } => resctrl::remove(path),
        Undo::Unmount { path, above } => unmount_down_to(path, *above),
    }
}

/// Detaches the mounts at a path that are stacked on the mount with the id `above`. That one and those below it are not the container's.
fn unmount_down_to(path: &str, above: u32) -> Result<(), Failure> {
    loop {
        match mount_id(path) {
            Ok(id) if id == above => return Ok(()),
            Err(failure) if failure.code == FailureCode::NotFound => return Ok(()),
            found => found?,
        };
        match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()), // nothing is mounted there any more, not even `above`
            Err(errno) => return Err(errno).during(|| format!("unmount {path:?}")),
        }
    }
}

/// The id of the mount that a path is on. The kernel reuses ids, but not while the mount exists.
///
/// # Errors
/// Those of statx(2).
pub fn mount_id(path: &str) -> Result<u32, Failure> {
    let during = || format!("look up the mount of {path:?}");
    let id = mountinfo::id_of(path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT).during(during)?;
    u32::try_from(id).map_err(|error| Failure::new(FailureCode::Other, during(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_every_step_and_reports_the_first_failure() {
        let temp = crate::testing::TempDir::new();
        let other = crate::testing::TempDir::new();
        let steps = [temp.path(), other.path()].map(|path| Undo::RemoveEmptyCgroup { path: path.to_owned() });
        assert_eq!(undo(&steps).unwrap_err().operation, format!("look at cgroup {:?}", temp.path()));
        let above = mount_id(temp.path()).unwrap();
        undo(&[Undo::Unmount { path: temp.path().to_owned(), above }]).unwrap();
        undo(&[Undo::Unmount { path: temp.path().to_owned(), above: above + 1 }]).unwrap();
        undo(&[Undo::Unmount { path: format!("{}/gone", temp.path()), above }]).unwrap();
    }
}
