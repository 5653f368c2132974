//! The file state.json of a container: reads it, and replaces it atomically.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_plan::process_identity::ProcessIdentity;
use tsrunc_plan::record::ContainerRecord;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::KILL;

use super::Lock;
use crate::processes;
use crate::state_root::{self, STATE};

const NEW_STATE: &str = "state.json.new";

/// The contents of state.json.
pub fn text_of(record: &ContainerRecord) -> Result<String, Failure> {
    serde_json::to_string(record).map_err(|error| Failure::new(FailureCode::Other, "write the container's state", error.to_string()))
}

/// The text of state.json.
pub fn read_state(lock: &Lock) -> Result<String, Failure> {
    state_root::read_state_in(&lock.dir, &|| lock.path())
}

/// Replaces state.json atomically. It is not synced, because a container does not survive a crash of the kernel either.
pub fn save_state(lock: &Lock, record: &ContainerRecord) -> Result<(), Failure> {
    draft_state(lock, record)?;
    commit_state(lock)
}

/// Writes the new state.json next to the current one.
pub fn draft_state(lock: &Lock, record: &ContainerRecord) -> Result<(), Failure> {
    let state = &text_of(record)?;
    let during = || format!("write \"{}/{STATE}\"", lock.path());
    let written = match write_new(&lock.dir, NEW_STATE, state) {
        Err(Errno::EXIST) => {
            // Left by a process that was killed while it held the lock.
            rustix::fs::unlinkat(&lock.dir, NEW_STATE, AtFlags::empty()).during(during)?;
            write_new(&lock.dir, NEW_STATE, state)
        }
        result => result,
    };
    if written.is_err() {
        // Ignored: the first failure is reported. An incomplete file would only take up space on a disk that may be full.
        if let Err(_second) = rustix::fs::unlinkat(&lock.dir, NEW_STATE, AtFlags::empty()) {}
    }
    written.during(during)
}

/// How long to wait for the killed process to exit.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Kills the first process of a container whose create was killed before it committed the state. The process is named in the draft; without a
/// complete draft there is nothing to do.
///
/// # Errors
/// The process cannot be signalled.
pub fn kill_unfinished(lock: &Lock) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Draft {
        process: ProcessIdentity,
    }
    let Ok(draft) = state_root::read_state_file(&lock.dir, NEW_STATE, &|| lock.path()) else { return Ok(()) };
    let Ok(Draft { process }) = serde_json::from_str(&draft) else { return Ok(()) };
    match processes::kill(&process, KILL) {
        Err(failure) if failure.code == FailureCode::Finished => Ok(()),
        result => result.and_then(|()| processes::wait_gone(&process, KILL_TIMEOUT)).map(drop),
    }
}

/// Moves the new state.json to its place.
pub fn commit_state(lock: &Lock) -> Result<(), Failure> {
    replace_state(&lock.dir).during(|| format!("write \"{}/{STATE}\"", lock.path()))
}

/// Exchanges the two files, if the file system can, and removes the old one. A rename over an existing file makes ext4 write the new one's data to
/// disk at once (`auto_da_alloc`), and a short-lived state should not wait for that.
fn replace_state(dir: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, NEW_STATE, dir, STATE, RenameFlags::EXCHANGE) {
        Ok(()) => rustix::fs::unlinkat(dir, NEW_STATE, AtFlags::empty()),
        // There is no old state.json, or the file system does not support an exchange.
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(dir, NEW_STATE, dir, STATE),
        Err(errno) => Err(errno),
    }
}

/// Creates a file that must not exist yet.
pub fn write_new(dir: &OwnedFd, name: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    crate::files::write_all(&file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::reserve_in;
    use super::*;
    use crate::testing::{record, TempDir};
    use tsrunc_plan::record::RecordedStatus;

    #[test]
    fn replaces_the_state_even_over_a_leftover() {
        let temp = TempDir::new();
        let lock = reserve_in(&temp, "c").unwrap();
        std::fs::write(format!("{}/{NEW_STATE}", lock.path()), "half").unwrap();
        let new = ContainerRecord { status: RecordedStatus::Running, ..record("c") };
        save_state(&lock, &new).unwrap();
        let state = std::fs::read_to_string(format!("{}/{STATE}", lock.path())).unwrap();
        assert_eq!(serde_json::from_str::<ContainerRecord>(&state).unwrap(), new);
        assert_eq!(std::fs::read_dir(lock.path()).unwrap().count(), 1);
    }
}
