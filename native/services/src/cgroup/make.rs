//! Makes cgroup directories.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Uid};
use rustix::io::Errno;
use tsrunc_plan::cgroup::{CgroupDirectory, CgroupPlan, CgroupWrite, DeviceRule};
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

use super::claim::{claim, refuse_occupied};
use super::enable::{enable, make_threaded, ThreadParent, Wanted};
use super::freezer::frozen_from_above;
use super::write::{write_values, Refused};
use super::{device_filter, explain_denial, is_cgroup, remove, remove_empty};
use crate::store::Lock;

/// Directories that were not there before.
#[derive(Default)]
pub struct Made {
    /// The container's own.
    pub leaves: Vec<String>,
    /// Those above, parents first: others may have put cgroups of theirs below them by now.
    pub parents: Vec<String>,
    /// Cgroups of others that hand on controllers to threaded children since then.
    thread_parents: Vec<ThreadParent>,
}

/// The cgroups of a container that is being created, but for those that systemd makes. While this lives nobody else takes those that were
/// there before: drop it when the container's process is in them. After a failure call `undo`, when the process is gone.
pub struct Making<'a> {
    pub plan: CgroupPlan,
    attempt: Attempt<'a>,
}

impl<'a> Making<'a> {
    pub fn new(plan: CgroupPlan, lock: &'a Lock) -> Self {
        Making { plan, attempt: Attempt::new(Occupant::None(lock)) }
    }

    /// What is there now and was not there before, also after a failure.
    pub fn made(&self) -> &Made {
        &self.attempt.made
    }

    /// Makes the v2 cgroup, for the container's process to be born in.
    ///
    /// # Errors
    /// What could not be made or written.
    pub fn unified(&mut self) -> Result<Option<OwnedFd>, Failure> {
        let Making { plan, attempt } = self;
        let Some(path) = plan.clone_into.as_ref().filter(|_| plan.systemd.is_none()) else { return Ok(None) };
        for directory in plan.directories.iter().filter(|directory| directory.path == *path) {
            make_directory(directory, &plan.writes, attempt)?;
        }
        if plan.join_tasks.is_empty() {
            write_values(&plan.writes, &attempt.refused)?;
        }
        let directory = open_directory(path)?;
        if let Some(rules) = &plan.device_filter {
            device_filter::attach(&directory, rules, attempt.made.leaves.contains(path))?;
        }
        if let Some(owner) = plan.owner {
            delegate(&directory, owner)?;
        }
        Ok(Some(directory))
    }

    /// Makes the v1 cgroups and returns their `tasks` files, for the container's process to write "0" to: a thread that moves itself only
    /// spares the RCU grace period that a write to cgroup.procs waits for (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    ///
    /// # Errors
    /// What could not be made or written.
    pub fn tasks(&mut self) -> Result<Vec<OwnedFd>, Failure> {
        let Making { plan, attempt } = self;
        if plan.systemd.is_some() || plan.join_tasks.is_empty() {
            return Ok(Vec::new());
        }
        for directory in plan.directories.iter().filter(|directory| Some(&directory.path) != plan.clone_into.as_ref()) {
            make_directory(directory, &plan.writes, attempt)?;
        }
        write_values(&plan.writes, &attempt.refused)?;
        let open = |directory: &String| {
            let path = format!("{directory}/tasks");
            let opened = rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
            opened.during(|| format!("open {path:?}")).map_err(explain_denial)
        };
        plan.join_tasks.iter().map(open).collect()
    }

    /// Does what systemd leaves to do once it has put a process into its unit: cgroups in hierarchies that are not systemd's, values that
    /// it cannot say, the device filter. The process joins by its pid.
    ///
    /// # Errors
    /// What could not be made or written.
    pub fn complete(&mut self, pid: i32) -> Result<(), Failure> {
        let Making { plan, attempt } = self;
        attempt.occupant = Occupant::Process(pid);
        for directory in &plan.directories {
            make_directory(directory, &plan.writes, attempt)?;
        }
        for directory in &plan.join_tasks {
            let path = format!("{directory}/cgroup.procs");
            std::fs::write(&path, pid.to_string()).during(|| format!("write {pid} to {path:?}")).map_err(explain_denial)?;
        }
        write_values(&plan.writes, &attempt.refused)?;
        let Some(path) = &plan.clone_into else { return Ok(()) };
        let directory = open_directory(path)?;
        if let Some(rules) = &plan.device_filter {
            device_filter::attach(&directory, rules, false)?;
        }
        plan.owner.map_or(Ok(()), |owner| delegate(&directory, owner))
    }

    /// Removes what is there now and was not there before, and takes back controllers. Returns the failure that led to this, with what
    /// could not be undone. The core cannot do it: it knows what was planned, and by now a planned cgroup may be somebody else's; and
    /// controllers are taken back under the lock that has been held on their cgroup since they were handed on.
    pub fn undo(&self, failure: Failure) -> Failure {
        let Made { leaves, parents, thread_parents } = &self.attempt.made;
        let leaves = leaves.iter().map(|path| remove(path));
        let parents = parents.iter().rev().map(|path| remove_empty(path));
        let controllers = thread_parents.iter().rev().map(ThreadParent::take_back);
        failure.after_undoing(leaves.chain(parents).chain(controllers).fold(Ok(()), Result::and))
    }
}

/// Has the cgroups above a container's hand on controllers that limits need by now. What cannot be handed on is in `refused`.
///
/// # Errors
/// A file that cannot be read.
pub fn enable_above(directory: &CgroupDirectory, refused: &mut Vec<Refused>) -> Result<(), Failure> {
    let CgroupDirectory { path, mountpoint, enable_controllers, .. } = directory;
    let mut here = mountpoint.clone();
    for name in names_below(mountpoint, path).unwrap_or_default() {
        // A container that runs cannot be made threaded: nothing is asked for that would need it.
        enable(&here, &Wanted { all: enable_controllers, asked: &[] }, refused)?;
        here = format!("{here}/{name}");
    }
    Ok(())
}

/// Replaces the device filter of a v2 cgroup.
pub fn replace_device_filter(cgroup: &str, rules: &[DeviceRule]) -> Result<(), Failure> {
    device_filter::attach(&open_directory(cgroup)?, rules, false)
}

/// Gives a v2 cgroup to a user, with the files that the kernel says may be given (/sys/kernel/cgroup/delegate): not the limits.
fn delegate(cgroup: &OwnedFd, owner: u32) -> Result<(), Failure> {
    const LIST: &str = "/sys/kernel/cgroup/delegate";
    let uid = Some(Uid::from_raw(owner));
    rustix::fs::fchown(cgroup, uid, None).during(|| format!("give the cgroup to user {owner}"))?;
    for name in std::fs::read_to_string(LIST).during(|| format!("read {LIST:?}"))?.lines() {
        match rustix::fs::chownat(cgroup, name, uid, None, AtFlags::SYMLINK_NOFOLLOW) {
            // Of a controller that is not enabled here.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).during(|| format!("give {name:?} of the cgroup to user {owner}")),
        }
    }
    Ok(())
}

fn open_directory(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during(|| format!("open cgroup {path:?}"))
}

/// Which process is in the cgroups while they are made.
enum Occupant<'a> {
    /// None yet. The lock of the container's state.
    None(&'a Lock),
    /// The container's own process, which is there already.
    Process(i32),
}

/// What came of making directories so far.
struct Attempt<'a> {
    occupant: Occupant<'a>,
    made: Made,
    claims: Vec<OwnedFd>,
    /// v2 controllers that a cgroup did not hand on, and why: of interest only if one of their files is written to.
    refused: Vec<Refused>,
}

impl<'a> Attempt<'a> {
    fn new(occupant: Occupant<'a>) -> Self {
        Attempt { occupant, made: Made::default(), claims: Vec::new(), refused: Vec::new() }
    }

    /// Takes a cgroup that was there before.
    fn take(&mut self, path: &str) -> Result<(), Failure> {
        match self.occupant {
            Occupant::None(lock) => self.claims.push(claim(path, lock)?),
            Occupant::Process(pid) => refuse_occupied(path, Some(pid))?,
        }
        Ok(())
    }
}

/// Makes a cgroup that a process can be in.
fn make_directory(directory: &CgroupDirectory, writes: &[CgroupWrite], attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    make_levels(directory, writes, attempt).map_err(explain_denial)?;
    match directory.may_be_frozen {
        true => refuse_frozen(&directory.path),
        false => Ok(()),
    }
}

/// Makes every missing level from the mount point down, each from its parent's descriptor.
fn make_levels(directory: &CgroupDirectory, writes: &[CgroupWrite], attempt: &mut Attempt<'_>) -> Result<(), Failure> {
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
                attempt.made.leaves.push(path.clone());
                return Ok(());
            }
            Err(Errno::EXIST) => return attempt.take(path),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).during(during),
        }
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(mountpoint.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    let mut here = mountpoint.clone();
    let mut is_new = false;
    let asked = asked_controllers(path, writes);
    for name in names {
        let threaded = match enable_controllers.is_empty() {
            true => None,
            false => enable(&here, &Wanted { all: enable_controllers, asked: &asked }, &mut attempt.refused)?,
        };
        here = format!("{here}/{name}");
        is_new = match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno).during(during),
        };
        if is_new {
            let made = &mut attempt.made;
            let list = if here == *path { &mut made.leaves } else { &mut made.parents };
            list.push(here.clone());
        }
        if let Some(parent) = threaded {
            attempt.made.thread_parents.push(parent);
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
    attempt.take(path)
}

/// The container's process would freeze before it could tell anything, and whoever waits for it would wait for ever.
fn refuse_frozen(path: &str) -> Result<(), Failure> {
    let during = || format!("use cgroup {path:?}");
    let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(during)?;
    if frozen_from_above(directory.as_fd())? {
        return Err(Failure::new(FailureCode::Other, during(), "a cgroup above it is frozen"));
    }
    Ok(())
}

/// The names on the way from the mount point to the path; None if that leads elsewhere.
fn names_below<'a>(mountpoint: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let names: Vec<&str> = path.strip_prefix(mountpoint)?.strip_prefix('/')?.split('/').collect();
    names.iter().all(|name| !matches!(*name, "" | "." | "..")).then_some(names)
}

/// The controllers whose files are written to in a cgroup.
fn asked_controllers<'a>(cgroup: &str, writes: &'a [CgroupWrite]) -> Vec<&'a str> {
    let files = writes.iter().filter_map(|write| write.path.strip_prefix(cgroup)?.strip_prefix('/'));
    files.filter_map(|file| file.split_once('.')).map(|(controller, _)| controller).collect()
}

/// A cpuset without CPUs or memory nodes takes no task. A new one has none, or has its parent's by `cgroup.clone_children`.
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
    let mut bytes = vec![0; 4096]; // seq_file's page; a list of CPUs is far shorter
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
        let lock = reserve(&Reservation { root: states.path(), root_mode: 0o700, record: &record("c"), endable: false }).unwrap();
        let plan = CgroupPlan { join_tasks: vec![directory.path.clone()], directories: vec![directory], ..CgroupPlan::default() };
        let failure = Making::new(plan, &lock).tasks().err().unwrap();
        assert_eq!(failure.cause, "not a cgroup");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
