//! Frozen cgroups (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze).

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{openat, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::tree::{read_at, walk};

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

/// Links of a directory without directories below it.
const NO_CHILDREN: u64 = 2;

/// Thaws a directory of the v1 freezer and those below it, in which a container may have frozen itself: so that what is killed in them can
/// die. Nothing to do elsewhere: v2 kills what is frozen.
pub fn thaw(path: &Path) -> Result<(), Failure> {
    let during = || format!("open cgroup {path:?}");
    let directory = match rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        result => result.during(during)?,
    };
    if rustix::fs::fstat(&directory).during(during)?.st_nlink as u64 == NO_CHILDREN {
        return thaw_at(directory.as_fd());
    }
    thaw_tree(path)
}

/// The same whether or not there is anything below.
pub fn thaw_tree(path: &Path) -> Result<(), Failure> {
    walk(path, &mut |cgroup| thaw_at(cgroup.directory))
}

fn thaw_at(directory: BorrowedFd<'_>) -> Result<(), Failure> {
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
