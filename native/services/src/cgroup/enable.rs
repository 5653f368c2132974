//! Hands controllers on to the children of a v2 cgroup (Documentation/admin-guide/cgroup-v2.rst, "Top-down Constraint", "No Internal Process
//! Constraint", "Threads").
//!
//! A cgroup that holds processes can hand on none but the controllers that work for single threads. Once it does, it is "domain threaded": its
//! children can only be threaded cgroups. That changes a cgroup of somebody else's, so it is done only for what config.json asks for, and taken
//! back when the create fails.

use std::os::fd::OwnedFd;

use rustix::fs::{flock, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::write::Refused;

/// The controllers that a threaded cgroup may have.
const OF_THREADS: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

/// Which controllers a container's cgroup is to have.
pub struct Wanted<'a> {
    /// Those that every container is given where that changes nothing for others.
    pub all: &'a [String],
    /// Those whose files are written to.
    pub asked: &'a [&'a str],
}

/// A cgroup whose children can only be threaded. Its directory is locked (flock(2), shared) while a container is created below.
pub struct ThreadParent {
    path: String,
    directory: OwnedFd,
    /// What it hands on since then and may be taken back.
    enabled: Vec<String>,
}

/// Hands on the wanted controllers that a cgroup does not hand on yet; notes in `refused` which it cannot.
///
/// Returns the cgroup where its children have to be made threaded.
pub fn enable(cgroup: &str, wanted: &Wanted<'_>, refused: &mut Vec<Refused>) -> Result<Option<ThreadParent>, Failure> {
    let path = format!("{cgroup}/cgroup.subtree_control");
    let text = std::fs::read_to_string(&path).during(|| format!("read {path:?}"))?;
    let is_missing = |name: &str| !text.split_whitespace().any(|enabled| enabled == name);
    let missing: Vec<&str> = wanted.all.iter().map(String::as_str).filter(|name| is_missing(name)).collect();
    // What hands on a controller that is not of threads has children that are domains.
    if missing.is_empty() && wanted.all.iter().any(|name| !OF_THREADS.contains(&name.as_str())) {
        return Ok(None);
    }
    let Some(errno) = why_only_threads(cgroup)? else {
        write_enabled(cgroup, &missing, refused)?;
        return Ok(None);
    };
    let (missing, lost): (Vec<&str>, Vec<&str>) = missing.into_iter().filter(|name| wanted.asked.contains(name)).partition(|name| OF_THREADS.contains(name));
    if !lost.is_empty() {
        // The create will fail on a file of theirs, so nothing is changed.
        refused.extend(lost.into_iter().map(|controller| Refused { controller: controller.into(), cgroup: cgroup.into(), errno }));
        return Ok(None);
    }
    if missing.is_empty() && errno == Errno::BUSY {
        return Ok(None); // it hands on nothing, so it remains a domain and its children are
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(cgroup, flags, Mode::empty()).during(|| format!("open cgroup {cgroup:?}"))?;
    // Who holds it exclusively is not waited for: then nothing is taken back.
    let is_locked = flock(&directory, FlockOperation::NonBlockingLockShared).is_ok();
    write_enabled(cgroup, &missing, refused)?;
    let is_enabled = |name: &&str| !refused.iter().any(|refused| refused.cgroup == cgroup && refused.controller == **name);
    let enabled: Vec<String> = missing.iter().filter(|name| is_enabled(name)).map(|name| (*name).to_owned()).collect();
    // One that holds processes beside domain cgroups that do refuses all, and remains a domain.
    let has_threads = errno == Errno::OPNOTSUPP || !enabled.is_empty();
    Ok(has_threads.then(|| ThreadParent { path: cgroup.to_owned(), directory, enabled: if is_locked { enabled } else { Vec::new() } }))
}

/// Makes a cgroup threaded, which cannot be taken back. One that is already stays so.
pub fn make_threaded(cgroup: &str) -> Result<(), Failure> {
    let path = format!("{cgroup}/cgroup.type");
    std::fs::write(&path, "threaded").during(|| format!("write \"threaded\" to {path:?}"))
}

impl ThreadParent {
    /// Takes back what it hands on, if nobody else has a cgroup below it by now or is about to make one.
    pub fn take_back(&self) -> Result<(), Failure> {
        let ThreadParent { path, directory, enabled } = self;
        let during = || format!("write {:?}", format!("{path}/cgroup.subtree_control"));
        if enabled.is_empty() || flock(directory, FlockOperation::NonBlockingLockExclusive).is_err() || has_children(directory).during(during)? {
            return Ok(());
        }
        let text: Vec<String> = enabled.iter().map(|name| format!("-{name}")).collect();
        std::fs::write(format!("{path}/cgroup.subtree_control"), text.join(" ")).during(during)
    }
}

/// Why a cgroup can hand on only the controllers of threads: `EBUSY`, it holds processes; `EOPNOTSUPP`, it is threaded. None where it can
/// hand on all.
fn why_only_threads(cgroup: &str) -> Result<Option<Errno>, Failure> {
    let read = |file: &str| std::fs::read_to_string(format!("{cgroup}/{file}"));
    let kind = match read("cgroup.type") {
        // The root, which may hold processes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        kind => kind.during(|| format!("read \"{cgroup}/cgroup.type\""))?,
    };
    if kind.trim() != "domain" {
        return Ok(Some(Errno::OPNOTSUPP));
    }
    let processes = read("cgroup.procs").during(|| format!("read \"{cgroup}/cgroup.procs\""))?;
    Ok(if processes.is_empty() { None } else { Some(Errno::BUSY) })
}

/// All in one write, which is taken or refused as a whole; then one by one.
fn write_enabled(cgroup: &str, controllers: &[&str], refused: &mut Vec<Refused>) -> Result<(), Failure> {
    let path = format!("{cgroup}/cgroup.subtree_control");
    let all: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    if all.is_empty() || std::fs::write(&path, all.join(" ")).is_ok() {
        return Ok(());
    }
    for controller in controllers {
        let Err(error) = std::fs::write(&path, format!("+{controller}")) else { continue };
        match Errno::from_io_error(&error) {
            // Not handed on from above; processes in this cgroup, or threads; somebody else's.
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
