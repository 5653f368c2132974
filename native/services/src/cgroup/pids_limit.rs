//! `exec` into a container whose pids.max leaves room for only one more process. The process that exec clones forks a child in the container's
//! pid namespace and exits, so for a moment there are two. In that case the first is moved out of the cgroup while it forks, and the child is
//! moved in.

use std::path::Path;

use rustix::io::Errno;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use super::unified_cgroup_of;

/// The path of a cgroup with the pids controller that a process was moved out of.
pub struct LeftCgroup(String);

/// Moves the process `pid` from the container's cgroups with the pids controller to the caller's own. None if there is no such cgroup or moving
/// failed. `directories` are the container's cgroups, `unified` is the v2 one among them.
pub fn move_out(pid: i32, directories: &[String], unified: Option<&str>) -> Option<Vec<LeftCgroup>> {
    let mut left = Vec::new();
    for directory in directories {
        // On v2 the process may be in a child cgroup.
        let below = unified.filter(|unified| unified == directory).and_then(|own| unified_cgroup_of(pid, own).ok().flatten());
        let directory = below.unwrap_or_else(|| directory.clone());
        if !Path::new(&directory).join("pids.max").exists() {
            continue;
        }
        let own = own_cgroup(&directory)?;
        std::fs::write(format!("{own}/cgroup.procs"), pid.to_string()).ok()?;
        left.push(LeftCgroup(directory));
    }
    (!left.is_empty()).then_some(left)
}

/// Moves the process `pid` into the cgroups that another was moved out of. The kernel does not apply pids.max to a move, so the limit is
/// checked afterwards.
///
/// # Errors
/// `EAGAIN`, as of fork(2), if the limit of a cgroup or of one of its ancestors is exceeded.
pub fn move_in(pid: i32, left: &[LeftCgroup]) -> Result<(), Failure> {
    for LeftCgroup(directory) in left {
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

/// The directory of the caller's own cgroup in the hierarchy of the given one.
fn own_cgroup(directory: &str) -> Option<String> {
    let top = Path::new(directory).ancestors().take_while(|directory| directory.join("cgroup.procs").exists()).last()?.to_str()?;
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let is_v2 = Path::new(directory).join("cgroup.events").exists();
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let is_same_hierarchy = if is_v2 { controllers.is_empty() } else { controllers.split(',').any(|name| name == "pids") };
        is_same_hierarchy.then(|| format!("{top}{path}"))
    })
}
