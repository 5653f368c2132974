//! Checkpoint and restore through CRIU's RPC (`criu swrk`). The core decides what CRIU is asked for; this module runs its process and socket, and
//! makes the mounts and cgroups that it needs. Runs in the runtime's process.

pub mod rootfs;
mod session;

pub use session::Session;

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsrunc_plan::cgroup::CgroupPlan;
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;

use crate::store::Lock;
use crate::{cgroup, systemd};

/// Makes the cgroups of a container that is about to be restored and moves CRIU into them, so that the processes that it restores start there. Returns
/// the text of CRIU's /proc/PID/cgroup after that.
///
/// # Errors
/// A cgroup that could not be made, written or joined. The new cgroups are removed again; the caller has to stop the unit.
pub fn place(session: &Session, lock: &Lock, plan: CgroupPlan) -> Result<String, Failure> {
    let pid = session.pid();
    let mut cgroups = cgroup::CgroupCreation::new(plan, lock);
    let path = format!("/proc/{pid}/cgroup");
    let joined = join(&mut cgroups, pid).and_then(|()| std::fs::read_to_string(&path).during(|| format!("read {path:?}")));
    joined.map_err(|failure| cgroups.undo(failure))
}

/// Brings the loopback interface up in the network namespace of a process that CRIU restores: CRIU makes an empty namespace.
pub fn bring_loopback_up(pid: i32) -> Result<(), Failure> {
    let open = |path: String| rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(|| format!("open {path:?}"));
    let namespace = open(format!("/proc/{pid}/ns/net"))?;
    let home = open("/proc/thread-self/ns/net".into())?;
    match tsrunc_sys::network::bring_loopback_up_in(namespace.as_fd(), home.as_fd()) {
        Err(Errno::AFNOSUPPORT) => Ok(()), // a kernel without IPv4 has no loopback address either
        result => result.during(|| "bring the loopback interface up".into()),
    }
}

fn join(cgroups: &mut cgroup::CgroupCreation<'_>, pid: i32) -> Result<(), Failure> {
    if let Some(unit) = &cgroups.plan.systemd {
        systemd::start(unit, pid)?;
        return cgroups.complete(pid);
    }
    cgroups.unified()?;
    cgroups.tasks()?;
    for directory in cgroups.plan.join_tasks.iter().chain(&cgroups.plan.clone_into) {
        let path = format!("{directory}/cgroup.procs");
        std::fs::write(&path, pid.to_string()).during(|| format!("write {pid} to {path:?}")).map_err(cgroup::explain_denial)?;
    }
    Ok(())
}
