//! Kills what is in a cgroup and removes it.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use tsrunc_plan::cgroup::CgroupPlan;
use tsrunc_plan::failure::{Failure, FailureCode};
use tsrunc_sys::errno::During;

/// A killed process may take its time to go (a core dump, a slow disk).
const PATIENCE: Duration = Duration::from_secs(10);

const CGROUP_SUPER_MAGIC: u64 = 0x27_e0eb;
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;

/// Removes the cgroups that `make` made for a plan. All are tried; the first failure is returned.
pub fn remove_made(plan: &CgroupPlan) -> Result<(), Failure> {
    plan.directories.iter().map(|directory| remove(&directory.path)).fold(Ok(()), Result::and)
}

/// Kills every process of a cgroup tree and removes it, the deepest first; an absent one is what is wanted.
pub fn remove(path: &str) -> Result<(), Failure> {
    if !is_cgroup(path)? {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE;
    // The common case first: no process and no child is left.
    let mut pause = Duration::from_micros(50);
    loop {
        match rustix::fs::rmdir(path) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) if Instant::now() < deadline => {}
            Err(errno) => return Err(errno).during(|| format!("remove cgroup {path:?}")),
        }
        for child in children(path)? {
            remove(&child)?;
        }
        kill_one(path, 9)?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Removes a cgroup if it is empty.
pub fn remove_empty(path: &str) -> Result<(), Failure> {
    match rustix::fs::rmdir(path) {
        Ok(()) | Err(Errno::NOENT | Errno::BUSY | Errno::NOTEMPTY) => Ok(()),
        Err(errno) => Err(errno).during(|| format!("remove cgroup {path:?}")),
    }
}

/// Signals every process of a cgroup tree. An absent cgroup has none.
pub fn kill(path: &str, signal: i32) -> Result<(), Failure> {
    if !is_cgroup(path)? {
        return Ok(());
    }
    for child in children(path)? {
        kill(&child, signal)?;
    }
    kill_one(path, signal)
}

fn kill_one(path: &str, signal: i32) -> Result<(), Failure> {
    if signal == 9 && std::fs::write(format!("{path}/cgroup.kill"), "1").is_ok() {
        return Ok(()); // v2 since Linux 5.14
    }
    let procs = format!("{path}/cgroup.procs");
    let pids = match std::fs::read_to_string(&procs) {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NODEV)) => return Ok(()),
        result => result.during(|| format!("read {procs:?}"))?,
    };
    for pid in pids.lines().filter_map(|line| line.parse::<i32>().ok()).filter_map(rustix::process::Pid::from_raw) {
        // By descriptor, and only if it still is of this cgroup: a reused pid must not be hit.
        let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { continue };
        let still_there = std::fs::read_to_string(&procs).is_ok_and(|now| now.lines().any(|line| line.parse() == Ok(pid.as_raw_nonzero().get())));
        if !still_there {
            continue;
        }
        match tsrunc_sys::signals::send(&pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(errno).during(|| format!("signal process {pid:?} of cgroup {path:?}")),
        }
    }
    Ok(())
}

/// Whether there is a cgroup; another file system at the path is refused.
fn is_cgroup(path: &str) -> Result<bool, Failure> {
    let during = || format!("look at cgroup {path:?}");
    match rustix::fs::statfs(path) {
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno).during(during),
        Ok(found) if matches!(found.f_type as u64, CGROUP_SUPER_MAGIC | CGROUP2_SUPER_MAGIC) => Ok(true),
        Ok(_) => Err(Failure::new(FailureCode::BadRequest, during(), "not a cgroup")),
    }
}

fn children(path: &str) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(Vec::new()),
        result => result.during(|| format!("list cgroup {path:?}"))?,
    };
    let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(directories.filter_map(|entry| entry.file_name().into_string().ok()).map(|name| format!("{path}/{name}")).collect())
}
