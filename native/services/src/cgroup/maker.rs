//! Containers that are being created by others, by their states.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{flock, openat, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;
use tsrunc_plan::record::RecordedStatus;
use tsrunc_plan::request::Undo;

use crate::drafts::{names, DIRECTORY};
use crate::state_root::STATE;
use crate::store::Lock;

/// The id of a container of the same state root that is being created now and makes the cgroup `path`, but for the one whose lock is given.
/// What was left by a create that was killed is none, nor is what cannot be understood.
pub fn maker_of(path: &str, lock: &Lock) -> Result<Option<String>, Errno> {
    for name in names(lock.root_fd())? {
        let Some(id) = name.to_str().ok().filter(|id| *id != lock.id() && !id.starts_with('#')) else { continue };
        let Ok(directory) = openat(lock.root_fd(), id, DIRECTORY, Mode::empty()) else { continue };
        if state(&directory).is_some_and(|state| state.status == RecordedStatus::Creating && makes(&state, path)) && is_locked(&directory) {
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

/// What counts here of a record, of any version.
#[derive(Deserialize)]
struct State {
    status: RecordedStatus,
    undo: Vec<Undo>,
}

fn state(directory: &OwnedFd) -> Option<State> {
    let file = openat(directory, STATE, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    serde_json::from_str(&std::io::read_to_string(std::fs::File::from(file)).ok()?).ok()
}

/// Before the container stands its undo list has only cgroups that were not there.
fn makes(state: &State, cgroup: &str) -> bool {
    let is_of = |step: &Undo| matches!(step, Undo::RemoveCgroup { path } | Undo::RemoveVacatedCgroup { path } if path == cgroup);
    state.undo.iter().any(is_of)
}

/// A create holds the lock from before its state has a name until it ends.
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
    fn tells_those_that_are_being_created_by_others_from_what_they_left() {
        let temp = TempDir::new();
        let reserved = |id: &str, status: RecordedStatus| {
            let undo = vec![Undo::RemoveVacatedCgroup { path: format!("/cg/{id}") }];
            let record = ContainerRecord { status, undo, ..record(id) };
            reserve(&Reservation { root: temp.path(), root_mode: 0o700, record: &record, endable: false }).unwrap()
        };
        let own = reserved("own", RecordedStatus::Creating);
        let _other = reserved("other", RecordedStatus::Creating);
        let _created = reserved("created", RecordedStatus::Created);
        drop(reserved("killed", RecordedStatus::Creating));
        let damaged = reserved("damaged", RecordedStatus::Creating);
        std::fs::write(format!("{}/{STATE}", damaged.path()), "{").unwrap();
        std::fs::write(format!("{}/file", temp.path()), "").unwrap();
        std::fs::create_dir(format!("{}/empty", temp.path())).unwrap();
        assert_eq!(maker_of("/cg/other", &own).unwrap().as_deref(), Some("other"));
        for id in ["own", "created", "killed", "damaged", "file"] {
            assert_eq!(maker_of(&format!("/cg/{id}"), &own).unwrap(), None, "{id}");
        }
    }
}
