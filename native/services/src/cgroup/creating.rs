//! Finds containers that other processes are creating right now, by their state files.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{flock, openat, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;
use tsrunc_plan::record::RecordedStatus;
use tsrunc_plan::undo::Undo;

use crate::drafts::{names, DIRECTORY};
use crate::state_root::STATE;
use crate::store::Lock;

/// The id of another container of the same state root that is being created and plans to make the cgroup `path`; `lock` is that of our own.
/// States left by a killed create, and files that cannot be parsed, do not count.
pub fn creating_container(path: &str, lock: &Lock) -> Result<Option<String>, Errno> {
    for name in names(lock.root_fd())? {
        let Some(id) = name.to_str().ok().filter(|id| *id != lock.id() && !id.starts_with('#')) else { continue };
        let Ok(directory) = openat(lock.root_fd(), id, DIRECTORY, Mode::empty()) else { continue };
        if state(&directory).is_some_and(|state| state.status == RecordedStatus::Creating && plans_to_make(&state, path)) && is_locked(&directory) {
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

/// The part of the container's record that is needed here; it is the same in all versions.
#[derive(Deserialize)]
struct State {
    status: RecordedStatus,
    undo: Vec<Undo>,
}

fn state(directory: &OwnedFd) -> Option<State> {
    let file = openat(directory, STATE, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    serde_json::from_str(&std::io::read_to_string(std::fs::File::from(file)).ok()?).ok()
}

/// Until the container is `created`, its undo list has only cgroups that did not exist before.
fn plans_to_make(state: &State, cgroup: &str) -> bool {
    let removes_it = |step: &Undo| matches!(step, Undo::RemoveCgroup { path } | Undo::RemoveVacatedCgroup { path } if path == cgroup);
    state.undo.iter().any(removes_it)
}

/// A create holds the lock from before its state directory gets its name until it ends.
fn is_locked(directory: impl AsFd) -> bool {
    flock(directory, FlockOperation::NonBlockingLockShared) == Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{reserve, Reservation};
    use crate::testing::{record, TempDir};
    use tsrunc_plan::record::ContainerRecord;

    #[test]
    fn finds_only_containers_that_another_process_is_creating() {
        let temp = TempDir::new();
        let reserved = |id: &str, status: RecordedStatus| {
            let undo = vec![Undo::RemoveVacatedCgroup { path: format!("/cg/{id}") }];
            let record = ContainerRecord { status, undo, ..record(id) };
            reserve(&Reservation { root: temp.path(), root_mode: 0o700, record: &record, interruptible: false }).unwrap()
        };
        let own = reserved("own", RecordedStatus::Creating);
        let _other = reserved("other", RecordedStatus::Creating);
        let _created = reserved("created", RecordedStatus::Created);
        drop(reserved("killed", RecordedStatus::Creating));
        let damaged = reserved("damaged", RecordedStatus::Creating);
        std::fs::write(format!("{}/{STATE}", damaged.path()), "{").unwrap();
        std::fs::write(format!("{}/file", temp.path()), "").unwrap();
        std::fs::create_dir(format!("{}/empty", temp.path())).unwrap();
        assert_eq!(creating_container("/cg/other", &own).unwrap().as_deref(), Some("other"));
        for id in ["own", "created", "killed", "damaged", "file"] {
            assert_eq!(creating_container(&format!("/cg/{id}"), &own).unwrap(), None, "{id}");
        }
    }
}
