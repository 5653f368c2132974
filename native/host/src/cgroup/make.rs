//! Makes cgroup directories and writes their limits.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::cgroup::{CgroupDirectory, CgroupPlan, CgroupWrite};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// What the container's process needs to be in its cgroups.
#[derive(Default)]
pub struct Joined {
    /// `tasks` files of v1 hierarchies, to be written to by the process itself.
    pub tasks: Vec<OwnedFd>,
    /// The v2 directory to be cloned into.
    pub clone_into: Option<OwnedFd>,
}

/// Makes the cgroups of a plan, with their limits.
///
/// # Errors
/// What could not be made or written; what was made is removed again.
pub fn make(plan: &CgroupPlan) -> Result<Joined, Failure> {
    let mut made = Vec::new();
    let result = make_all(plan, &mut made);
    match result {
        Err(failure) => {
            for path in made.iter().rev() {
                // The first failure is the one to tell.
                if let Err(_kept) = super::remove(path) {}
            }
            let denied = matches!(failure.errno.as_deref(), Some("EACCES" | "EPERM" | "EROFS"));
            if plan.optional && denied {
                return Ok(Joined::default());
            }
            Err(failure)
        }
        joined => joined,
    }
}

fn make_all(plan: &CgroupPlan, made: &mut Vec<String>) -> Result<Joined, Failure> {
    for directory in &plan.directories {
        make_directory(directory, made)?;
    }
    write_all(&plan.writes)?;
    let mut joined = Joined::default();
    for directory in &plan.join_tasks {
        let path = format!("{directory}/tasks");
        joined.tasks.push(rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).during(|| format!("open {path:?}"))?);
    }
    if let Some(path) = &plan.clone_into {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path.as_str(), flags, Mode::empty()).during(|| format!("open cgroup {path:?}"))?;
        if let Some(rules) = &plan.device_filter {
            super::device_filter::attach(&directory, rules)?;
        }
        joined.clone_into = Some(directory);
    }
    Ok(joined)
}

/// Writes values in the given order.
pub fn write_all(writes: &[CgroupWrite]) -> Result<(), Failure> {
    for CgroupWrite { path, value, pointer } in writes {
        let file = path.rsplit('/').next().unwrap_or(path);
        let during = || format!("write {value:?} to cgroup file {file:?} ({pointer})");
        let opened = rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let opened = match opened {
            // Made later than the controller, or by another kernel configuration.
            Err(Errno::NOENT) => return Err(Failure::new(FailureCode::Other, during(), "this kernel's cgroup has no such file")),
            result => result.during(during)?,
        };
        rustix::io::write(&opened, value.as_bytes()).during(during)?;
    }
    Ok(())
}

/// Makes every missing level from the mount point down, each from its parent's descriptor.
fn make_directory(directory: &CgroupDirectory, made: &mut Vec<String>) -> Result<(), Failure> {
    let CgroupDirectory { path, mountpoint, inherit_cpuset, enable_controllers } = directory;
    let during = || format!("make cgroup {path:?}");
    let inner = path.strip_prefix(mountpoint.as_str()).filter(|inner| inner.starts_with('/') && !inner.split('/').any(|part| part == ".."));
    let Some(inner) = inner else { return Err(Failure::new(FailureCode::BadRequest, during(), "outside its hierarchy")) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(mountpoint.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let mut here = mountpoint.clone();
    let mut is_new = false;
    for name in inner.split('/').filter(|name| !name.is_empty()) {
        if !enable_controllers.is_empty() {
            enable(&here, enable_controllers)?;
        }
        match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => is_new = true,
            Err(Errno::EXIST) => is_new = false,
            Err(errno) => return Err(errno).during(during),
        }
        let next = rustix::fs::openat(&at, name, flags, Mode::empty()).during(during)?;
        here = format!("{here}/{name}");
        if is_new {
            made.push(here.clone());
        }
        if *inherit_cpuset {
            inherit(&at, &next).during(|| format!("fill the cpuset of {here:?} from its parent"))?;
        }
        at = next;
    }
    if !is_new {
        refuse_occupied(path)?;
    }
    Ok(())
}

/// A cgroup that was there must be empty: limits of ours would hit processes that are not (runc does the same).
fn refuse_occupied(path: &str) -> Result<(), Failure> {
    let procs = format!("{path}/cgroup.procs");
    match std::fs::read_to_string(&procs) {
        Ok(pids) if !pids.is_empty() => Err(Failure::new(FailureCode::Exists, format!("use cgroup {path:?}"), "it is not empty")),
        Ok(_) if crate::facts::frozen(path)? => Err(Failure::new(FailureCode::Other, format!("use cgroup {path:?}"), "it is frozen")),
        Ok(_) => Ok(()),
        Err(error) => Err(error).during(|| format!("read {procs:?}")),
    }
}

/// Hands controllers to the children of a v2 cgroup. A controller that the parent does not have or cannot give now shows
/// when a limit of it is written.
fn enable(cgroup: &str, controllers: &[String]) -> Result<(), Failure> {
    let path = format!("{cgroup}/cgroup.subtree_control");
    let during = || format!("write {path:?}");
    let enabled = std::fs::read_to_string(&path).during(during)?;
    for controller in controllers {
        if enabled.split_whitespace().any(|name| name == controller) {
            continue;
        }
        match std::fs::write(&path, format!("+{controller}")) {
            Ok(()) => {}
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::BUSY | Errno::OPNOTSUPP) => {}
                _ => return Err(error).during(during),
            },
        }
    }
    Ok(())
}

/// A cpuset without CPUs or memory nodes takes no task.
fn inherit(parent: &OwnedFd, child: &OwnedFd) -> Result<(), Errno> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if read_at(child, file)?.trim_ascii().is_empty() {
            let value = read_at(parent, file)?;
            let opened = rustix::fs::openat(child, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(&opened, value.trim_ascii())?;
        }
    }
    Ok(())
}

fn read_at(directory: &OwnedFd, file: &str) -> Result<Vec<u8>, Errno> {
    let opened = rustix::fs::openat(directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; 4096];
    let count = rustix::io::read(&opened, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}
