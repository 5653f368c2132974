//! Clones bind sources for a container in a user namespace. Runs in the creator.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use tsrunc_common::clones::clone_path;
use tsrunc_common::mountinfo::{self, MountEntry};
use tsrunc_common::propagation::set_propagation;
use tsrunc_plan::container::SpawnPlan;
use tsrunc_plan::failure::Failure;
use tsrunc_plan::id_mapping::IdMapping;
use tsrunc_plan::operation::{MountSource, Operation, Propagation, SourceLink};
use tsrunc_sys::errno::{os_failure, During};
use tsrunc_sys::locked_mount::{clone_locked, CloneSource};
use tsrunc_sys::process::with_file_ids;

/// A detached mount for one operation of the plan, which the init inherits.
pub struct DetachedMount {
    /// Index of the operation.
    pub operation: usize,
    pub clone: OwnedFd,
}

/// Clones bind sources with the caller's permissions, because root of the user namespace may be unable to reach them.
///
/// In a user namespace's mount namespace, mount options such as `ro` and mounts below a source are locked (mount_namespaces(7)). A clone made
/// outside has no locks. So if a source has such options or mounts, the init clones it if root of the namespace can reach it; otherwise
/// `clone_for_user_namespace` makes a clone with the locks. A clone is a peer of the host's mount, so it gets the propagation that the container's
/// copy of the host's mounts gets.
pub fn open_all(operations: &[Operation], spawn: &SpawnPlan) -> Result<Vec<DetachedMount>, Failure> {
    let root_propagation = root_propagation(operations);
    let mut sources = Vec::new();
    let mounts = mountinfo::read().during(|| "read \"/proc/self/mountinfo\"".into())?;
    for (index, operation) in operations.iter().enumerate() {
        let Operation::Mount { source: MountSource::Bind { source, recursive, link }, pointer, .. } = operation else { continue };
        let during = || format!("clone bind source {source:?} ({pointer})");
        let clone = if hides_nothing(source, *link, &mounts).during(during)? {
            clone_path(source.as_bytes(), *recursive, *link).during(during)?
        } else if is_for_init(source, *link, spawn).during(during)? {
            continue;
        } else {
            clone_for_user_namespace(source, *recursive, *link, during)?
        };
        keep_from_host(&clone, root_propagation).during(during)?;
        sources.push(DetachedMount { operation: index, clone });
    }
    Ok(sources)
}

/// The flags to open a source for looking at it.
fn path_flags(link: SourceLink) -> OFlags {
    let nofollow = if link == SourceLink::Follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    OFlags::PATH | OFlags::CLOEXEC | nofollow
}

/// Whether root of the user namespace, and so the init, can reach a source. True if it is missing: the init reports that.
fn is_for_init(source: &str, link: SourceLink, spawn: &SpawnPlan) -> Result<bool, Errno> {
    let host_root = |mappings: &[IdMapping]| mappings.iter().find(|mapping| mapping.container_id == 0).map(|mapping| mapping.host_id);
    let (Some(uid), Some(gid)) = (host_root(&spawn.uid_mappings), host_root(&spawn.gid_mappings)) else { return Ok(false) };
    match with_file_ids(uid, gid, || rustix::fs::open(source, path_flags(link), Mode::empty()))? {
        Ok(_) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ACCESS) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// A clone for a mount namespace of a user namespace, with the same locks as its copies of the host's mounts.
///
/// # Errors
/// Those of `clone_locked`.
pub fn clone_for_user_namespace(source: &str, recursive: bool, link: SourceLink, during: impl Fn() -> String) -> Result<OwnedFd, Failure> {
    let path = CString::new(source).map_err(|_| Errno::INVAL).during(&during)?;
    match clone_locked(CloneSource { path: &path, recursive, follow: link == SourceLink::Follow }) {
        Err(Errno::INVAL) => {
            let failed = os_failure(during(), Errno::INVAL);
            let cause = format!("{}: in a user namespace what is mounted below stays on top (rbind binds it too)", failed.cause);
            Err(Failure { cause, ..failed })
        }
        result => result.during(during),
    }
}

/// Whether a source's mount has no restricting option and there is no mount below the source.
fn hides_nothing(source: &str, link: SourceLink, mounts: &[MountEntry]) -> Result<bool, Errno> {
    use StatVfsMountFlags as Flags;
    let opened = match rustix::fs::open(source, path_flags(link), Mode::empty()) {
        // A cgroup that systemd has not made yet. If it is missing for good, the init reports it.
        Err(Errno::NOENT) => return Ok(false),
        opened => opened?,
    };
    let resolved = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let flags = rustix::fs::fstatvfs(&opened)?.f_flag;
    let resolved = resolved.as_os_str().as_encoded_bytes();
    let below = mountinfo::at_or_below(mounts, resolved).any(|entry| entry.point != resolved);
    Ok(!below && !flags.intersects(Flags::RDONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC))
}

/// The propagation of the container's copy of the host's mounts.
pub fn root_propagation(operations: &[Operation]) -> Option<Propagation> {
    operations.iter().find_map(|operation| match operation {
        Operation::RootPropagation { propagation } => Some(*propagation),
        _ => None,
    })
}

/// Sets a clone's propagation to the container's: it is still a peer of the host's mount.
pub fn keep_from_host(clone: &OwnedFd, root_propagation: Option<Propagation>) -> Result<(), Errno> {
    match root_propagation {
        Some(propagation @ (Propagation::Rslave | Propagation::Rprivate | Propagation::Slave | Propagation::Private)) => set_propagation(clone, propagation),
        _ => Ok(()),
    }
}
