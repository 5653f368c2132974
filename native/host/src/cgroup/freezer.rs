//! Frozen cgroups (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze).

use std::path::Path;

use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::read_if_there;

/// Whether a cgroup is frozen or about to be: a directory of the v1 freezer or of v2. An absent one is not.
pub fn frozen(path: &str) -> Result<bool, Failure> {
    for (file, thawed) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        if let Some(state) = read_if_there(&Path::new(path).join(file))? {
            return Ok(state.trim() != thawed);
        }
    }
    Ok(false)
}

/// Thaws a directory of the v1 freezer, so that what is killed in it can die. Nothing to do elsewhere: v2 kills what is frozen.
pub fn thaw(path: &Path) -> Result<(), Failure> {
    let file = path.join("freezer.state");
    match read_if_there(&file)? {
        Some(state) if state.trim() != "THAWED" => match std::fs::write(&file, "THAWED") {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(()), // removed meanwhile
            result => result.during(|| format!("write \"THAWED\" to {file:?}")),
        },
        _ => Ok(()),
    }
}
