//! The container's cgroups on v1, hybrid and v2 (cgroups(7)).

mod claim;
pub mod crowded;
mod device_filter;
mod enable;
mod freezer;
mod kill;
mod make;
mod maker;
mod oom;
mod remove;
mod threads;
mod tree;
mod write;

pub use freezer::{freeze, frozen, thaw, thaw_killed};
pub use kill::{kill, processes};
pub use make::{enable_above, replace_device_filter, Making};
pub use oom::{describe_oom, full_memory};
pub use remove::{remove, remove_empty, remove_vacated};
pub use threads::threads;
pub use write::{require_files, write_values};

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// statfs(2)'s `f_type` of a v1 hierarchy.
pub const CGROUP_SUPER_MAGIC: u64 = 0x27_e0eb;
/// That of cgroup2.
pub const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// A failure to make a cgroup or to be in it; to a caller who may not, it says who may.
pub fn explain_denial(mut failure: Failure) -> Failure {
    if matches!(failure.errno.as_deref(), Some("EACCES" | "EPERM")) {
        failure.cause +=
            "; without root this takes a cgroup that is delegated to the user and that the user is in, as by: systemd-run --user --scope -p Delegate=yes";
    }
    failure
}

/// The v2 cgroup that a process is in, as a path on the host, if that is below the cgroup `own`, which its container has.
pub fn unified_cgroup_of(pid: i32, own: &str) -> Result<Option<String>, Failure> {
    let path = format!("/proc/{pid}/cgroup");
    let text = std::fs::read_to_string(&path).during(|| format!("read {path:?}"))?;
    let Some(inner) = text.lines().find_map(|line| line.strip_prefix("0::")) else { return Ok(None) };
    // What is told is a path from the root of the caller's cgroup namespace; the container's cgroup, below the mount point, ends alike.
    let below = (0..own.len()).filter(|at| own.as_bytes()[*at] == b'/').find_map(|at| inner.strip_prefix(&own[at..]));
    let is_plain = |below: &str| below.starts_with('/') && below.split('/').skip(1).all(|name| !matches!(name, "" | "." | ".."));
    Ok(below.filter(|below| is_plain(below)).map(|below| format!("{own}{below}")))
}

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
