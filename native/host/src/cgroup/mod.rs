//! The container's cgroups on v1, hybrid and v2 (cgroups(7)).

mod device_filter;
mod freezer;
mod kill;
mod make;
mod remove;

pub use freezer::{frozen, thaw};
pub use kill::kill;
pub use make::{complete, make, remove_made, write_all, Joined};
pub use remove::{remove, remove_empty, remove_vacated};

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// statfs(2)'s `f_type` of a v1 hierarchy.
pub const CGROUP_SUPER_MAGIC: u64 = 0x27_e0eb;
/// That of cgroup2.
pub const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// Whether there is a cgroup at the path. Anything else that is there is refused: what follows kills and removes.
fn is_cgroup(path: &str) -> Result<bool, Failure> {
    let during = || format!("look at cgroup {path:?}");
    match rustix::fs::statfs(path) {
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno).during(during),
        Ok(found) if matches!(found.f_type as u64, CGROUP_SUPER_MAGIC | CGROUP2_SUPER_MAGIC) => Ok(true),
        Ok(_) => Err(Failure::new(FailureCode::BadRequest, during(), "not a cgroup")),
    }
}

/// Text of a cgroup's file; None when the cgroup or the file is not there (any more).
fn read_if_there(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NODEV)) => Ok(None),
        Err(error) => Err(error).during(|| format!("read {path:?}")),
    }
}

/// Paths of a cgroup's children, whatever their names (a container may have made them); none when it is gone.
fn children(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let during = || format!("list cgroup {path:?}");
    let entries = match std::fs::read_dir(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(Vec::new()),
        result => result.during(during)?,
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry.during(during)?;
        if entry.file_type().during(during)?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}
