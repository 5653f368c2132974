//! Signals to everything in a cgroup tree.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{pidfd_open, Pid, PidfdFlags};
use tsrunc_plan::failure::Failure;
use tsrunc_sys::errno::During;
use tsrunc_sys::signals::send;

use super::tree::{read_at, walk};
use super::{freezer, is_cgroup};

pub const SIGKILL: i32 = 9;

/// Processes may fork while they are being found, before the signal reaches them: each round finds those that the one before did not know.
const MAX_ROUNDS: u32 = 32;

/// Sends a signal to every process of a cgroup tree, also to those that are forked meanwhile; an absent cgroup has none. SIGKILL ends frozen
/// processes too; they keep other signals until they are thawed. Returns whether there was any process.
pub fn kill(path: &str, signal: i32) -> Result<bool, Failure> {
    if !is_cgroup(path)? {
        return Ok(false);
    }
    let found = !processes(Path::new(path))?.is_empty();
    kill_tree(Path::new(path), signal)?;
    Ok(found)
}

/// The same for what is known to be a cgroup.
///
/// Returns pidfds of what was signalled, as far as it is known, to wait for.
pub fn kill_tree(path: &Path, signal: i32) -> Result<Vec<OwnedFd>, Failure> {
    // v2 since Linux 5.14: all at once, forks too. A threaded cgroup has the file, but refuses.
    if signal == SIGKILL && std::fs::write(path.join("cgroup.kill"), "1").is_ok() {
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
    if signal == SIGKILL {
        freezer::thaw_tree(path)?;
    }
    Ok(signalled)
}

/// Signals the processes that are not `known` yet. By descriptors, and only those that are listed after the descriptor was
/// opened: a pid that was reused in between must not be hit.
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

/// Pids in a cgroup and those below. A process of a pid namespace that is not ours has none (0 is listed).
pub fn processes(path: &Path) -> Result<Vec<i32>, Failure> {
    let mut pids = Vec::new();
    walk(path, &mut |cgroup| {
        let positive = |listed: String| -> Vec<i32> { listed.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect() };
        match read_at(cgroup.directory, "cgroup.procs") {
            // A threaded cgroup (cgroup-v2.rst, "Threads") lists threads alone.
            Err(failure) if failure.errno.as_deref() == Some("EOPNOTSUPP") => {
                let threads = positive(read_at(cgroup.directory, "cgroup.threads")?.unwrap_or_default());
                pids.extend(threads.into_iter().filter_map(process_of));
            }
            listed => pids.extend(positive(listed?.unwrap_or_default())),
        }
        Ok(())
    })?;
    Ok(pids)
}

/// The process that a thread belongs to; None when it is gone.
fn process_of(thread: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_belongs_to_its_process() {
        let thread = std::thread::spawn(|| process_of(rustix::thread::gettid().as_raw_nonzero().get())).join().unwrap();
        assert_eq!(thread, Some(std::process::id() as i32));
        assert_eq!(process_of(i32::MAX), None);
    }
}
