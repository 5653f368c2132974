//! The container's cgroups on v1, hybrid and v2 (cgroups(7)).

mod claim;
mod creating;
mod device_filter;
mod enable;
mod freezer;
mod kill;
mod make;
mod members;
mod oom;
pub mod pids_limit;
mod remove;
mod tree;
mod write;

pub use freezer::{freeze, frozen, thaw, thaw_killed};
pub use kill::kill;
pub use make::{enable_above, replace_device_filter, CgroupCreation};
pub use members::{processes, threads};
pub use oom::{describe_oom, full_memory};
pub use remove::{remove, remove_empty, remove_vacated};
pub use write::{require_files, write_values};

use rustix::io::Errno;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// statfs(2)'s `f_type` of a v1 hierarchy.
pub const CGROUP_SUPER_MAGIC: u64 = 0x27_e0eb;
/// statfs(2)'s `f_type` of cgroup2.
pub const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// Adds to a permission error what a caller without root needs.
pub fn explain_denial(mut failure: Failure) -> Failure {
    if matches!(failure.errno.as_deref(), Some("EACCES" | "EPERM")) {
        failure.cause +=
            "; without root this takes a cgroup that is delegated to the user and that the user is in, as by: systemd-run --user --scope -p Delegate=yes";
    }
    failure
}

/// The v2 cgroup that a process is in, as a path on the host. None unless it is below `own`, the container's cgroup.
pub fn unified_cgroup_of(pid: i32, own: &str) -> Result<Option<String>, Failure> {
    let path = format!("/proc/{pid}/cgroup");
    let text = std::fs::read_to_string(&path).during(|| format!("read {path:?}"))?;
    let Some(inner) = text.lines().find_map(|line| line.strip_prefix("0::")) else { return Ok(None) };
    // The kernel gives a path below the root of the caller's cgroup namespace. Its first part is therefore some suffix of `own`, which is a
    // path below the mount point.
    let below = (0..own.len()).filter(|at| own.as_bytes()[*at] == b'/').find_map(|at| inner.strip_prefix(&own[at..]));
    let is_plain = |below: &str| below.starts_with('/') && below.split('/').skip(1).all(|name| !matches!(name, "" | "." | ".."));
    Ok(below.filter(|below| is_plain(below)).map(|below| format!("{own}{below}")))
}

/// Whether there is a cgroup at the path. Anything else there is an error, because callers go on to kill and remove.
fn is_cgroup(path: &str) -> Result<bool, Failure> {
    let during = || format!("look at cgroup {path:?}");
    match rustix::fs::statfs(path) {
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno).during(during),
        Ok(found) if matches!(found.f_type as u64, CGROUP_SUPER_MAGIC | CGROUP2_SUPER_MAGIC) => Ok(true),
        Ok(_) => Err(Failure::new(FailureCode::BadRequest, during(), "not a cgroup")),
    }
}
