//! Mounts of cgroup2 in a cgroup namespace that the container joins by path.

use std::os::fd::BorrowedFd;

use tsrunc_plan::container::ContainerPlan;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::operation::{MountSource, Operation, SourceLink};
use tsrunc_sys::errno::During;

/// If the joined cgroup namespace is the caller's own, replaces mounts of cgroup2 by binds of the host's mount. A new mount in the initial cgroup
/// namespace would change the options of the host's own mount, and so remove `nsdelegate` (cgroups(7), "Cgroups v2 mount options").
pub fn bind_if_own(plan: &mut ContainerPlan, joined: BorrowedFd<'_>) -> Result<(), Failure> {
    let during = || "look at the cgroup namespace".to_owned();
    let (own, joined) = (rustix::fs::stat("/proc/self/ns/cgroup").during(during)?, rustix::fs::fstat(joined).during(during)?);
    if (own.st_dev, own.st_ino) != (joined.st_dev, joined.st_ino) {
        return Ok(());
    }
    let Some(unified) = plan.cgroup.directories.iter().find(|directory| plan.cgroup.clone_into.as_ref() == Some(&directory.path)) else { return Ok(()) };
    for operation in &mut plan.operations {
        let Operation::Mount { source, .. } = operation else { continue };
        if matches!(source, MountSource::FileSystem { fs_type, .. } if fs_type == "cgroup2") {
            *source = MountSource::Bind { source: unified.mountpoint.clone(), recursive: false, link: SourceLink::Follow };
        }
    }
    Ok(())
}
