//! Frozen cgroups (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze).

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{openat, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::tree::read_at;

/// Whether a cgroup is frozen or about to be: a directory of the v1 freezer or of v2. An absent one is not.
pub fn frozen(path: &str) -> Result<bool, Failure> {
    let directory = match rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(false),
        result => result.during(|| format!("open cgroup {path:?}"))?,
    };
    for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        if let Some(state) = read_at(directory.as_fd(), file)? {
            return Ok(state.trim() != thawed);
        }
    }
    Ok(false)
}

/// Thaws a directory of the v1 freezer, so that what is killed in it can die. Nothing to do elsewhere: v2 kills what is frozen.
pub fn thaw(path: &Path) -> Result<(), Failure> {
    match rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => Ok(()),
        result => thaw_at(result.during(|| format!("open cgroup {path:?}"))?.as_fd()),
    }
}

/// The same by a descriptor.
pub fn thaw_at(directory: BorrowedFd<'_>) -> Result<(), Failure> {
    const FILE: &str = "freezer.state";
    match read_at(directory, FILE)? {
        Some(state) if state.trim() != "THAWED" => {
            let file = openat(directory, FILE, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
            match file.and_then(|file| rustix::io::write(&file, b"THAWED")) {
                Err(Errno::NOENT | Errno::NODEV) => Ok(()), // removed meanwhile
                result => result.map(drop).during(|| format!("write \"THAWED\" to {FILE:?} of a cgroup")),
            }
        }
        _ => Ok(()),
    }
}

/// Whether what a new cgroup is given would freeze at once, because one above it is frozen. On v1 the state is handed down; on v2
/// only the events tell.
pub fn frozen_from_above(directory: BorrowedFd<'_>) -> Result<bool, Failure> {
    if let Some(state) = read_at(directory, "freezer.state")? {
        return Ok(state.trim() != "THAWED");
    }
    Ok(read_at(directory, "cgroup.events")?.is_some_and(|events| events.lines().any(|line| line == "frozen 1")))
}
