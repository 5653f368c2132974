//! A container whose limit of processes (pids.max) has room for one alone. A process of `exec` makes a child in the container's pid namespace and ends;
//! for a moment these are two. The first then waits outside, and its child takes the one place.

use std::path::Path;

use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::unified_cgroup_of;

/// A cgroup that counts the processes in it, where a process was taken out of.
pub struct Vacated(String);

/// Moves the process `pid` out of those of the container's cgroups that count processes, into this process's own. None where that does not help or cannot
/// be done. `directories`: the container's cgroups, `unified` the v2 one of them.
pub fn vacate(pid: i32, directories: &[String], unified: Option<&str>) -> Option<Vec<Vacated>> {
    let mut vacated = Vec::new();
    for directory in directories {
        // In v2 it may be in a cgroup below.
        let below = unified.filter(|unified| unified == directory).and_then(|own| unified_cgroup_of(pid, own).ok().flatten());
        let directory = below.unwrap_or_else(|| directory.clone());
        if !Path::new(&directory).join("pids.max").exists() {
            continue;
        }
        let own = own_cgroup(&directory)?;
        std::fs::write(format!("{own}/cgroup.procs"), pid.to_string()).ok()?;
        vacated.push(Vacated(directory));
    }
    (!vacated.is_empty()).then_some(vacated)
}

/// Puts the process `pid` where another was taken out. Moving a process is not subject to the limit, so that is looked at afterwards.
///
/// # Errors
/// `EAGAIN`, as of fork(2): the limit of the cgroup or of one above it is exceeded.
pub fn occupy(pid: i32, vacated: &[Vacated]) -> Result<(), Failure> {
    for Vacated(directory) in vacated {
        let during = || format!("move the process into cgroup {directory:?}");
        std::fs::write(format!("{directory}/cgroup.procs"), pid.to_string()).during(during)?;
        for cgroup in Path::new(directory).ancestors() {
            let number = |file: &str| std::fs::read_to_string(cgroup.join(file)).ok();
            let Some(limit) = number("pids.max") else { break };
            let exceeded = |limit: u64| number("pids.current").and_then(|current| current.trim().parse().ok()).is_none_or(|current: u64| current > limit);
            if limit.trim().parse().is_ok_and(exceeded) {
                let reached = || format!("make a process in the container: limit of {cgroup:?} (pids.max) reached");
                return Err(Errno::AGAIN).during(reached);
            }
        }
    }
    Ok(())
}

/// The directory of this process's own cgroup in the hierarchy of the given one.
fn own_cgroup(directory: &str) -> Option<String> {
    let top = Path::new(directory).ancestors().take_while(|directory| directory.join("cgroup.procs").exists()).last()?.to_str()?;
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let is_v2 = Path::new(directory).join("cgroup.events").exists();
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let is_it = if is_v2 { controllers.is_empty() } else { controllers.split(',').any(|name| name == "pids") };
        is_it.then(|| format!("{top}{path}"))
    })
}
