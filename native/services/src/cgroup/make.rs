//! Makes the cgroups of a container, and removes them again when its create fails.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Uid};
use rustix::io::Errno;
use tsrunc_plan::cgroup::{CgroupDirectory, CgroupPlan, CgroupWrite, DeviceRule};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::claim::{claim, refuse_occupied};
use super::enable::{enable, make_threaded, Controllers, ThreadParent};
use super::freezer::frozen_from_above;
use super::write::{write_values, Refused};
use super::{device_filter, explain_denial, is_cgroup, remove, remove_empty};
use crate::store::Lock;

/// Cgroups that this create has made, and those that it has changed.
#[derive(Default)]
pub struct NewCgroups {
    /// The container's own cgroups.
    pub leaves: Vec<String>,
    /// Their ancestors, outermost first. Other processes may have made cgroups below these in the meantime.
    parents: Vec<String>,
    /// Existing cgroups whose children became threaded when we enabled controllers for them.
    thread_parents: Vec<ThreadParent>,
}

/// Makes the cgroups of a container, except those that systemd makes. It holds the locks on cgroups that existed before, so keep it until
/// the container's process is in them. After a failure call `undo` once the process is gone.
pub struct CgroupCreation<'a> {
    pub plan: CgroupPlan,
    progress: Progress<'a>,
}

impl<'a> CgroupCreation<'a> {
    pub fn new(plan: CgroupPlan, lock: &'a Lock) -> Self {
        CgroupCreation { plan, progress: Progress::new(Occupant::None(lock)) }
    }

    /// The cgroups made so far, also after a failure.
    pub fn made(&self) -> &NewCgroups {
        &self.progress.made
    }

    /// Makes the v2 cgroup that the container's process is cloned into.
    ///
    /// # Errors
    /// A directory that could not be made or a file that could not be written.
    pub fn unified(&mut self) -> Result<Option<OwnedFd>, Failure> {
        let CgroupCreation { plan, progress } = self;
        let Some(path) = plan.clone_into.as_ref().filter(|_| plan.systemd.is_none()) else { return Ok(None) };
        for directory in plan.directories.iter().filter(|directory| directory.path == *path) {
            make_directory(directory, &plan.writes, progress)?;
        }
        if plan.join_tasks.is_empty() {
            write_values(&plan.writes, &progress.refused)?;
        }
        let directory = open_directory(path)?;
        if let Some(rules) = &plan.device_filter {
            device_filter::attach(&directory, rules, progress.made.leaves.contains(path))?;
        }
        if let Some(owner) = plan.owner {
            delegate(&directory, owner)?;
        }
        Ok(Some(directory))
    }

    /// Makes the v1 cgroups and returns their `tasks` files, opened. The container's process joins by writing "0" to each: moving a single
    /// thread avoids the RCU grace period that a write to cgroup.procs waits for (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    ///
    /// # Errors
    /// A directory that could not be made or a file that could not be written.
    pub fn tasks(&mut self) -> Result<Vec<OwnedFd>, Failure> {
        let CgroupCreation { plan, progress } = self;
        if plan.systemd.is_some() || plan.join_tasks.is_empty() {
            return Ok(Vec::new());
        }
        for directory in plan.directories.iter().filter(|directory| Some(&directory.path) != plan.clone_into.as_ref()) {
            make_directory(directory, &plan.writes, progress)?;
        }
        write_values(&plan.writes, &progress.refused)?;
        let open = |directory: &String| {
            let path = format!("{directory}/tasks");
            let opened = rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            opened.during(|| format!("open {path:?}")).map_err(explain_denial)
        };
        plan.join_tasks.iter().map(open).collect()
    }

    /// Does what systemd leaves undone once it has put the process into its unit: makes cgroups in hierarchies that systemd does not manage,
    /// moves the process into them, writes values that have no systemd property, and attaches the device filter.
    ///
    /// # Errors
    /// A directory that could not be made or a file that could not be written.
    pub fn complete(&mut self, pid: i32) -> Result<(), Failure> {
        let CgroupCreation { plan, progress } = self;
        progress.occupant = Occupant::Process(pid);
        for directory in &plan.directories {
            make_directory(directory, &plan.writes, progress)?;
        }
        for directory in &plan.join_tasks {
            let path = format!("{directory}/cgroup.procs");
            std::fs::write(&path, pid.to_string()).during(|| format!("write {pid} to {path:?}")).map_err(explain_denial)?;
        }
        write_values(&plan.writes, &progress.refused)?;
        let Some(path) = &plan.clone_into else { return Ok(()) };
        let directory = open_directory(path)?;
        if let Some(rules) = &plan.device_filter {
            device_filter::attach(&directory, rules, false)?;
        }
        plan.owner.map_or(Ok(()), |owner| delegate(&directory, owner))
    }

    /// Removes the cgroups that were made and disables the controllers that were enabled for threaded cgroups. Returns `failure`, the reason
    /// for the undo, with anything that could not be undone added.
    ///
    /// The core cannot do this: it only knows which cgroups were planned, and by now another container may own one of those. Also, controllers
    /// may be disabled only under the lock that this has held since it enabled them.
    pub fn undo(&self, failure: Failure) -> Failure {
        let NewCgroups { leaves, parents, thread_parents } = &self.progress.made;
        let leaves = leaves.iter().map(|path| remove(path));
        let parents = parents.iter().rev().map(|path| remove_empty(path));
        let controllers = thread_parents.iter().rev().map(ThreadParent::disable_controllers);
        failure.after_undoing(leaves.chain(parents).chain(controllers).fold(Ok(()), Result::and))
    }
}

/// Enables controllers in the ancestors of a running container's cgroup, for limits that were not set before. Those that cannot be enabled
/// are added to `refused`.
///
/// # Errors
/// A file that cannot be read.
pub fn enable_above(directory: &CgroupDirectory, refused: &mut Vec<Refused>) -> Result<(), Failure> {
    let CgroupDirectory { path, mountpoint, enable_controllers, .. } = directory;
    let mut here = mountpoint.clone();
    for name in names_below(mountpoint, path).unwrap_or_default() {
        // Nothing is required, because that could make the cgroup threaded, which is too late for a running container.
        enable(&here, &Controllers { wanted: enable_controllers, required: &[] }, refused)?;
        here = format!("{here}/{name}");
    }
    Ok(())
}

/// Replaces the device filter of a v2 cgroup.
pub fn replace_device_filter(cgroup: &str, rules: &[DeviceRule]) -> Result<(), Failure> {
    device_filter::attach(&open_directory(cgroup)?, rules, false)
}

/// Delegates a v2 cgroup to a user: the directory and the files listed in /sys/kernel/cgroup/delegate, which do not include the limits.
fn delegate(cgroup: &OwnedFd, owner: u32) -> Result<(), Failure> {
    const LIST: &str = "/sys/kernel/cgroup/delegate";
    let uid = Some(Uid::from_raw(owner));
    rustix::fs::fchown(cgroup, uid, None).during(|| format!("give the cgroup to user {owner}"))?;
    for name in std::fs::read_to_string(LIST).during(|| format!("read {LIST:?}"))?.lines() {
        match rustix::fs::chownat(cgroup, name, uid, None, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) | Err(Errno::NOENT) => {} // its controller is not enabled here
            Err(errno) => return Err(errno).during(|| format!("give {name:?} of the cgroup to user {owner}")),
        }
    }
    Ok(())
}

fn open_directory(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during(|| format!("open cgroup {path:?}"))
}

/// Which process may be in a cgroup that existed before.
enum Occupant<'a> {
    /// None: the container has no process yet. Holds the lock of the container's state.
    None(&'a Lock),
    /// The container's process, which systemd has put there.
    Process(i32),
}

struct Progress<'a> {
    occupant: Occupant<'a>,
    made: NewCgroups,
    claims: Vec<OwnedFd>,
    /// v2 controllers that could not be enabled. That is an error only if one of their files is to be written.
    refused: Vec<Refused>,
}

impl<'a> Progress<'a> {
    fn new(occupant: Occupant<'a>) -> Self {
        Progress { occupant, made: NewCgroups::default(), claims: Vec::new(), refused: Vec::new() }
    }

    /// Uses a cgroup that existed before.
    fn use_existing(&mut self, path: &str) -> Result<(), Failure> {
        match self.occupant {
            Occupant::None(lock) => self.claims.push(claim(path, lock)?),
            Occupant::Process(pid) => refuse_occupied(path, Some(pid))?,
        }
        Ok(())
    }
}

/// Makes a cgroup and checks that a process in it would not be frozen.
fn make_directory(directory: &CgroupDirectory, writes: &[CgroupWrite], progress: &mut Progress<'_>) -> Result<(), Failure> {
    make_levels(directory, writes, progress).map_err(explain_denial)?;
    match directory.may_be_frozen {
        true => refuse_frozen(&directory.path),
        false => Ok(()),
    }
}

/// Makes every missing level from the mount point down, each from its parent's descriptor.
fn make_levels(directory: &CgroupDirectory, writes: &[CgroupWrite], progress: &mut Progress<'_>) -> Result<(), Failure> {
    let CgroupDirectory { path, mountpoint, inherit_cpuset, enable_controllers, .. } = directory;
    let during = || format!("make cgroup {path:?}");
    let names = names_below(mountpoint, path).ok_or_else(|| Failure::new(FailureCode::BadRequest, during(), format!("not below {mountpoint:?}")))?;
    if !is_cgroup(mountpoint)? {
        return Err(Errno::NOENT).during(during);
    }
    if enable_controllers.is_empty() && !inherit_cpuset {
        // The common case: the container's own level alone is missing.
        match rustix::fs::mkdir(path.as_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                progress.made.leaves.push(path.clone());
                return Ok(());
            }
            Err(Errno::EXIST) => return progress.use_existing(path),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).during(during),
        }
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(mountpoint.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let mut here = mountpoint.clone();
    let mut is_new = false;
    let required = required_controllers(path, writes);
    for name in names {
        let threaded = match enable_controllers.is_empty() {
            true => None,
            false => enable(&here, &Controllers { wanted: enable_controllers, required: &required }, &mut progress.refused)?,
        };
        here = format!("{here}/{name}");
        is_new = match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno).during(during),
        };
        if is_new {
            let made = &mut progress.made;
            let list = if here == *path { &mut made.leaves } else { &mut made.parents };
            list.push(here.clone());
        }
        if let Some(parent) = threaded {
            progress.made.thread_parents.push(parent);
            make_threaded(&here)?;
        }
        let next = rustix::fs::openat(&at, name, flags, Mode::empty()).during(during)?;
        if *inherit_cpuset {
            inherit(&at, &next, is_new).during(|| format!("fill the cpuset of {here:?} from its parent"))?;
        }
        at = next;
    }
    if is_new {
        return Ok(());
    }
    progress.use_existing(path)
}

/// A process put into a frozen cgroup would freeze before it can report anything, and its creator would wait forever.
fn refuse_frozen(path: &str) -> Result<(), Failure> {
    let during = || format!("use cgroup {path:?}");
    let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    if frozen_from_above(directory.as_fd())? {
        return Err(Failure::new(FailureCode::Other, during(), "a cgroup above it is frozen"));
    }
    Ok(())
}

/// The components of `path` below the mount point. None unless it is a plain path below it.
fn names_below<'a>(mountpoint: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let names: Vec<&str> = path.strip_prefix(mountpoint)?.strip_prefix('/')?.split('/').collect();
    names.iter().all(|name| !matches!(*name, "" | "." | "..")).then_some(names)
}

/// The controllers that own the files written in a cgroup.
fn required_controllers<'a>(cgroup: &str, writes: &'a [CgroupWrite]) -> Vec<&'a str> {
    let files = writes.iter().filter_map(|write| write.path.strip_prefix(cgroup)?.strip_prefix('/'));
    files.filter_map(|file| file.split_once('.')).map(|(controller, _)| controller).collect()
}

/// Copies a v1 cpuset's CPUs and memory nodes from its parent where it has none: a task cannot join it otherwise. (A new one has none unless
/// the parent sets `cgroup.clone_children`.)
fn inherit(parent: &OwnedFd, child: &OwnedFd, is_new: bool) -> Result<(), Errno> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if is_new || read_at(child, file)?.trim_ascii().is_empty() {
            let value = read_at(parent, file)?;
            let opened = rustix::fs::openat(child, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(&opened, value.trim_ascii())?;
        }
    }
    Ok(())
}

fn read_at(directory: &OwnedFd, file: &str) -> Result<Vec<u8>, Errno> {
    let opened = rustix::fs::openat(directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; 4096]; // CPU and node lists are far shorter
    let count = rustix::io::read(&opened, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{reserve, Reservation};
    use crate::testing::{record, TempDir};

    #[test]
    fn a_path_must_be_below_its_mount_point() {
        assert_eq!(names_below("/cg", "/cg/a/b"), Some(vec!["a", "b"]));
        for path in ["/cg", "/cg/", "/cgroup/a", "/cg/../a", "/cg/a/..", "/cg/a//b", "/cg/./a", "a"] {
            assert_eq!(names_below("/cg", path), None, "{path}");
        }
    }

    #[test]
    fn makes_nothing_where_there_is_no_hierarchy() {
        let temp = TempDir::new();
        let directory = CgroupDirectory {
            path: format!("{}/a", temp.path()),
            mountpoint: temp.path().to_owned(),
            inherit_cpuset: false,
            enable_controllers: Vec::new(),
            may_be_frozen: false,
        };
        let states = TempDir::new();
        let lock = reserve(&Reservation { root: states.path(), root_mode: 0o700, record: &record("c"), interruptible: false }).unwrap();
        let plan = CgroupPlan { join_tasks: vec![directory.path.clone()], directories: vec![directory], ..CgroupPlan::default() };
        let failure = CgroupCreation::new(plan, &lock).tasks().err().unwrap();
        assert_eq!(failure.cause, "not a cgroup");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
