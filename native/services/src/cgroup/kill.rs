//! Signals to everything in a cgroup tree.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{pidfd_open, Pid, PidfdFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::{send, KILL};

use super::members::processes;
use super::{freezer, is_cgroup};

/// Processes may fork before the signal reaches them; each round signals those that appeared since the previous one.
const MAX_ROUNDS: u32 = 32;

/// Sends a signal to every process of a cgroup tree, including those that are forked meanwhile. SIGKILL ends frozen processes too; other
/// signals stay pending until they are thawed. Returns whether there was any process; an absent cgroup has none.
pub fn kill(path: &str, signal: i32) -> Result<bool, Failure> {
    if !is_cgroup(path)? {
        return Ok(false);
    }
    let found = !processes(Path::new(path))?.is_empty();
    kill_tree(Path::new(path), signal)?;
    Ok(found)
}

/// The same for a path that is known to be a cgroup.
///
/// Returns pidfds of the processes that were signalled, to wait for; none where the kernel killed them by cgroup.kill.
pub fn kill_tree(path: &Path, signal: i32) -> Result<Vec<OwnedFd>, Failure> {
    // v2 since Linux 5.14 kills all at once, including forks. Threaded cgroups have the file, but reject the write.
    if signal == KILL && std::fs::write(path.join("cgroup.kill"), "1").is_ok() {
        return Ok(Vec::new());
    }
    let mut known = HashSet::new();
    let mut signalled = Vec::new();
    for _round in 0..MAX_ROUNDS {
        let found = signal_new(path, signal, &mut known)?;
        if found.is_empty() {
            break;
        }
        signalled.extend(found);
    }
    if signal == KILL {
        freezer::thaw_tree(path)?;
    }
    Ok(signalled)
}

/// Signals the processes that are not `known` yet. A pid may be reused between listing and opening, so a process is signalled by pidfd, and
/// only if its pid is still listed after the pidfd was opened.
fn signal_new(path: &Path, signal: i32, known: &mut HashSet<i32>) -> Result<Vec<OwnedFd>, Failure> {
    let opened: Vec<(i32, OwnedFd)> = processes(path)?
        .into_iter()
        .filter(|pid| known.insert(*pid))
        .filter_map(|pid| Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?)))
        .collect();
    if opened.is_empty() {
        return Ok(Vec::new());
    }
    let listed: HashSet<i32> = processes(path)?.into_iter().collect();
    let mut signalled = Vec::new();
    for (pid, pidfd) in opened {
        if !listed.contains(&pid) {
            continue;
        }
        match send(&pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => signalled.push(pidfd),
            Err(errno) => return Err(errno).during(|| format!("send signal {signal} to process {pid} of cgroup {path:?}")),
        }
    }
    Ok(signalled)
}
