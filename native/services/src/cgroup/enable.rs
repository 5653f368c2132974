//! Enables controllers for the children of a v2 cgroup, in its cgroup.subtree_control (Documentation/admin-guide/cgroup-v2.rst, "Top-down
//! Constraint", "No Internal Process Constraint", "Threads").
//!
//! A cgroup that holds processes can enable only threaded controllers. It then becomes "domain threaded": all its children must be threaded
//! cgroups. Since that changes a cgroup that is not the container's, it is done only for limits set in config.json, and reverted when the
//! create fails.

use std::os::fd::OwnedFd;

use rustix::fs::{flock, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::write::Refused;

/// The controllers that work in threaded cgroups.
const THREADED_CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

/// The controllers to enable for a container's cgroup.
pub struct Controllers<'a> {
    /// Enabled for every container, unless that would make cgroups threaded.
    pub wanted: &'a [String],
    /// Those of them that limits in config.json need: for these, cgroups may be made threaded.
    pub required: &'a [&'a str],
}

/// A cgroup whose children can only be threaded. Its directory stays locked (flock(2), shared) while a container is created below it.
pub struct ThreadParent {
    path: String,
    directory: OwnedFd,
    /// The controllers that we enabled and may disable again.
    enabled: Vec<String>,
}

/// Enables those of the controllers for a cgroup's children that are not enabled yet; adds those that it cannot enable to `refused`.
///
/// Returns the cgroup if its children have to be made threaded.
pub fn enable(cgroup: &str, controllers: &Controllers<'_>, refused: &mut Vec<Refused>) -> Result<Option<ThreadParent>, Failure> {
    let path = format!("{cgroup}/cgroup.subtree_control");
    let text = std::fs::read_to_string(&path).during(|| format!("read {path:?}"))?;
    let is_missing = |name: &str| !text.split_whitespace().any(|enabled| enabled == name);
    let missing: Vec<&str> = controllers.wanted.iter().map(String::as_str).filter(|name| is_missing(name)).collect();
    // With a controller enabled that is not threaded, the children are domain cgroups.
    if missing.is_empty() && controllers.wanted.iter().any(|name| !THREADED_CONTROLLERS.contains(&name.as_str())) {
        return Ok(None);
    }
    let Some(errno) = why_only_threaded(cgroup)? else {
        write_enabled(cgroup, &missing, refused)?;
        return Ok(None);
    };
    let required = missing.into_iter().filter(|name| controllers.required.contains(name));
    let (missing, impossible): (Vec<&str>, Vec<&str>) = required.partition(|name| THREADED_CONTROLLERS.contains(name));
    if !impossible.is_empty() {
        // The create will fail when it writes a file of these, so change nothing.
        refused.extend(impossible.into_iter().map(|controller| Refused { controller: controller.into(), cgroup: cgroup.into(), errno }));
        return Ok(None);
    }
    if missing.is_empty() && errno == Errno::BUSY {
        return Ok(None); // nothing gets enabled, so this cgroup and its children remain domains
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(cgroup, flags, Mode::empty()).during(|| format!("open cgroup {cgroup:?}"))?;
    // If another create holds the lock exclusively, it is not waited for; an undo then leaves the controllers enabled.
    let is_locked = flock(&directory, FlockOperation::NonBlockingLockShared).is_ok();
    write_enabled(cgroup, &missing, refused)?;
    let is_enabled = |name: &&str| !refused.iter().any(|refused| refused.cgroup == cgroup && refused.controller == **name);
    let enabled: Vec<String> = missing.iter().filter(|name| is_enabled(name)).map(|name| (*name).to_owned()).collect();
    // A cgroup that has processes and also domain children with processes refuses every controller and remains a domain.
    let has_threaded_children = errno == Errno::OPNOTSUPP || !enabled.is_empty();
    Ok(has_threaded_children.then(|| ThreadParent { path: cgroup.to_owned(), directory, enabled: if is_locked { enabled } else { Vec::new() } }))
}

/// Makes a cgroup threaded, which cannot be reverted.
pub fn make_threaded(cgroup: &str) -> Result<(), Failure> {
    let path = format!("{cgroup}/cgroup.type");
    std::fs::write(&path, "threaded").during(|| format!("write \"threaded\" to {path:?}"))
}

impl ThreadParent {
    /// Disables the controllers that were enabled, unless somebody else has a cgroup below or is about to make one.
    pub fn disable_controllers(&self) -> Result<(), Failure> {
        let ThreadParent { path, directory, enabled } = self;
        let during = || format!("write {:?}", format!("{path}/cgroup.subtree_control"));
        if enabled.is_empty() || flock(directory, FlockOperation::NonBlockingLockExclusive).is_err() || has_children(directory).during(during)? {
            return Ok(());
        }
        let text: Vec<String> = enabled.iter().map(|name| format!("-{name}")).collect();
        std::fs::write(format!("{path}/cgroup.subtree_control"), text.join(" ")).during(during)
    }
}

/// Why a cgroup can enable only threaded controllers: `EBUSY` if it holds processes, `EOPNOTSUPP` if it is threaded. None if it can enable
/// all.
fn why_only_threaded(cgroup: &str) -> Result<Option<Errno>, Failure> {
    let read = |file: &str| std::fs::read_to_string(format!("{cgroup}/{file}"));
    let kind = match read("cgroup.type") {
        // Only the root has no such file; it may hold processes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        kind => kind.during(|| format!("read \"{cgroup}/cgroup.type\""))?,
    };
    if kind.trim() != "domain" {
        return Ok(Some(Errno::OPNOTSUPP));
    }
    let processes = read("cgroup.procs").during(|| format!("read \"{cgroup}/cgroup.procs\""))?;
    Ok(if processes.is_empty() { None } else { Some(Errno::BUSY) })
}

/// Tries all in one write, which the kernel accepts or refuses as a whole, then one by one.
fn write_enabled(cgroup: &str, controllers: &[&str], refused: &mut Vec<Refused>) -> Result<(), Failure> {
    let path = format!("{cgroup}/cgroup.subtree_control");
    let all: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    if all.is_empty() || std::fs::write(&path, all.join(" ")).is_ok() {
        return Ok(());
    }
    for controller in controllers {
        let Err(error) = std::fs::write(&path, format!("+{controller}")) else { continue };
        match Errno::from_io_error(&error) {
            // In this order: not enabled further up; has processes; is threaded; belongs to another user.
            Some(errno @ (Errno::NOENT | Errno::BUSY | Errno::OPNOTSUPP | Errno::ACCESS)) => {
                refused.push(Refused { controller: (*controller).to_owned(), cgroup: cgroup.to_owned(), errno });
            }
            _ => return Err(error).during(|| format!("write {path:?}")),
        }
    }
    Ok(())
}

fn has_children(directory: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_type() == FileType::Directory && entry.file_name() != c"." && entry.file_name() != c".." {
            return Ok(true);
        }
    }
    Ok(false)
}
